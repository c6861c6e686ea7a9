//! What Amazon was asked to cancel, against what somebody wanted cancelled.

use std::collections::BTreeSet;

use crate::judge::case::Cases;
use crate::judge::words::PersonsFact;
use crate::judge::{Asked, Fault, Verdict};

pub(super) fn judge(verdict: &mut Verdict, asked: &[Asked], cases: &Cases<'_>) {
    asked_for(verdict, asked, cases);
    settled(verdict, cases);
    at_most_once(verdict, cases);
    malformed(verdict, cases);
    beside_others(verdict, cases);
    unasked(verdict, cases);
    decided(verdict, cases);
}

/// A proof about nothing proves nothing.
fn asked_for(verdict: &mut Verdict, asked: &[Asked], cases: &Cases<'_>) {
    if asked.is_empty() {
        let nothing = Fault::Lost("nothing was asked for, so nothing is proved".to_owned());
        verdict.row("orders asked for", "at least 1", 0, vec![("", nothing)]);
        return;
    }
    let wanted: BTreeSet<&str> = asked.iter().map(|asked| asked.order_id.as_str()).collect();
    let unknown = cases
        .iter()
        .filter(|(_, case)| case.is_asked() && !case.order.is_some_and(|order| order.exists))
        // A person took it back: whether there is such an order does not matter any more.
        .filter(|(_, case)| !case.said(&PersonsFact::Withdrawn))
        .map(|(id, _)| {
            (
                *id,
                Fault::Lost("Amazon does not know this order".to_owned()),
            )
        })
        .collect();
    verdict.all("orders asked for", wanted.len(), unknown);
}

fn settled(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut missing = Vec::new();
    for (id, case) in cases {
        if !case.is_asked() || !case.order.is_some_and(|order| order.exists) {
            continue;
        }
        wanted += 1;
        if case.accepted().next().is_some() {
            continue;
        }
        if let Some(why) = case.why_no_cancel() {
            let rightly_not = &mut verdict.proof.rightly_not;
            *rightly_not.entry(why.to_owned()).or_default() += 1;
        } else {
            let what = "asked for, never cancelled, and Amazon's books do not say why";
            missing.push((*id, Fault::Lost(what.to_owned())));
        }
    }
    verdict.all("of these cancelled, or rightly not", wanted, missing);
}

fn at_most_once(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut seen = 0;
    let mut faults = Vec::new();
    for (id, case) in cases {
        let accepted: Vec<_> = case.accepted().collect();
        // One for each order that was asked for, unless Amazon's books say why there is none.
        let is_known = case.order.is_some_and(|order| order.exists);
        if case.is_asked() && is_known {
            wanted += if accepted.is_empty() {
                usize::from(case.why_no_cancel().is_none())
            } else {
                accepted.len().min(case.asked)
            };
        }
        seen += accepted.len();
        if accepted.len() > case.asked.max(1) {
            let what = format!("{} cancelOrder calls took effect", accepted.len());
            faults.push((*id, Fault::Doubled(what)));
        }
        let mut aliases = BTreeSet::new();
        for call in accepted {
            if call.aliases.is_empty() {
                let what = "a cancelOrder call without an alias cannot be found again";
                faults.push((*id, Fault::Wrong(what.to_owned())));
            }
            for alias in &call.aliases {
                if !aliases.insert(alias) {
                    let what = format!("alias {} was sent twice", alias.alias_id);
                    faults.push((*id, Fault::Doubled(what)));
                }
            }
        }
    }
    if wanted != seen && faults.is_empty() {
        let what = format!("{wanted} cancelOrder calls were to take effect, {seen} did");
        faults.push(("", Fault::Wrong(what)));
    }
    verdict.row("cancelOrder calls that took effect", wanted, seen, faults);
}

/// A call that Amazon refused for what it says, not for what the order is.
fn malformed(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        for call in &case.cancels {
            let refused = call.error.as_deref().filter(|_| !call.accepted);
            if let Some(error) = refused.filter(|_| !call.is_not_cancellable()) {
                faults.push((
                    *id,
                    Fault::Wrong(format!("cancelOrder was refused: {error}")),
                ));
            }
        }
    }
    verdict.none("cancelOrder calls that were malformed", faults);
}

fn beside_others(verdict: &mut Verdict, cases: &Cases<'_>) {
    let faults = cases
        .iter()
        .flat_map(|(id, case)| case.accepted().map(move |call| (*id, call)))
        .filter(|(_, call)| call.beside_visible)
        .map(|(id, _)| {
            let what = "cancelOrder was sent though a cancellation could be seen";
            (id, Fault::Doubled(what.to_owned()))
        })
        .collect();
    verdict.none("cancelOrder calls beside another", faults);
}

fn unasked(verdict: &mut Verdict, cases: &Cases<'_>) {
    let faults = cases
        .iter()
        .filter(|(_, case)| case.accepted().next().is_some())
        .filter_map(|(id, case)| {
            let what = if !case.is_asked() {
                "cancelled though nobody asked for it"
            } else if case.asked == 1 && case.said(&PersonsFact::Withdrawn) {
                "cancelled though the request was withdrawn"
            } else {
                return None;
            };
            Some((*id, Fault::Wrong(what.to_owned())))
        })
        .collect();
    verdict.none("orders cancelled unasked", faults);
}

fn decided(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut open = Vec::new();
    for (id, case) in cases {
        if !case.heard {
            continue;
        }
        let entries = case.order.map_or(&[][..], |order| &order.cancellations);
        wanted += entries.len();
        if case.was_decided_by_hand() {
            continue;
        }
        for entry in entries.iter().filter(|entry| entry.state == "PENDING") {
            let what = format!(
                "the cancellation of {} is still pending",
                entry.requested_by
            );
            open.push((*id, Fault::Stuck(what)));
        }
    }
    verdict.all("cancellations decided, anybody's", wanted, open);
}
