//! What the OMS was told, against what happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::case::{Case, Cases, Settled};
use crate::judge::words::PersonsFact;
use crate::judge::{Fault, Verdict};
use crate::ledger::{Ledger, OmsMessage};

const PENDING: &str = "cancellation.pending";
const SUCCEEDED: &str = "cancellation.succeeded";
const REJECTED: &str = "cancellation.rejected";
const REFUND: &str = "refund.updated";

pub(super) fn judge(verdict: &mut Verdict, ledger: &Ledger, cases: &Cases<'_>) {
    outcomes(verdict, cases);
    refunds(verdict, cases);
    once(verdict, cases);
    in_order(verdict, ledger, cases);
    identical(verdict, cases);
    truthful(verdict, cases);
    turned_away(verdict, ledger);
}

fn has(case: &Case<'_>, kind: &str) -> bool {
    case.oms.iter().any(|message| message.kind == kind)
}

/// The outcome that the OMS must have been told, if there is one: any of these.
fn outcome(case: &Case<'_>) -> Option<&'static [&'static str]> {
    if !case.heard || case.said(&PersonsFact::OmsTold) {
        return None;
    }
    if case.said(&PersonsFact::Withdrawn) && case.accepted().next().is_none() {
        return Some(&[REJECTED, SUCCEEDED]);
    }
    if !case.order.is_some_and(|order| order.exists) {
        return None;
    }
    if case.said(&PersonsFact::Cancelled) {
        return Some(&[SUCCEEDED]);
    }
    if case.said(&PersonsFact::Rejected) && !case.has_success() {
        return Some(&[REJECTED]);
    }
    if case.has_success() {
        return Some(&[SUCCEEDED]);
    }
    if case.has_cancellation("PENDING") {
        return None;
    }
    match (case.is_asked(), case.has_package("CANCELLED")) {
        (true, true) => Some(&[SUCCEEDED, REJECTED]),
        (true, false) => Some(&[REJECTED]),
        (false, true) => Some(&[SUCCEEDED]),
        (false, false) => None,
    }
}

fn outcomes(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut faults = Vec::new();
    for (id, case) in cases {
        let Some(kinds) = outcome(case) else {
            continue;
        };
        wanted += 1;
        if !kinds.iter().any(|kind| has(case, kind)) {
            let what = format!("the OMS was never told {}", kinds.join(" or "));
            faults.push((*id, Fault::Lost(what)));
            continue;
        }
        // What was asked for was rejected, and somebody else's request succeeded: whoever asked
        // heard of the one or the other, according to when it was done.
        let overtaken = case.has_own("REJECTED") && !case.has_own("SUCCESS");
        let untold = case.cancellation_ids.iter().find(|wanted| {
            !case.oms.iter().any(|message| {
                let fits = kinds.contains(&message.kind.as_str());
                message.cancellation_id == **wanted
                    && (fits || (overtaken && message.kind == REJECTED))
            })
        });
        if let Some(cancellation) = untold {
            let what = format!("the OMS was never told the outcome of {cancellation}");
            faults.push((*id, Fault::Lost(what)));
        }
    }
    verdict.all("outcomes told to the OMS", wanted, faults);
}

fn refunds(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut faults = Vec::new();
    for (id, case) in cases {
        if case.said(&PersonsFact::OmsTold) {
            continue;
        }
        for refund in case.refunds() {
            let is_final = matches!(refund.state.as_str(), "SUCCESS" | "REJECTED");
            let due = match case.settled(refund) {
                Settled::ByEngine | Settled::ByHand { .. } => true,
                Settled::NotAtAll => refund.state == "REJECTED",
                // Also where it had ended before anybody looked; not as long as it is left open.
                Settled::ByOthers => is_final,
            };
            let told = case
                .oms
                .iter()
                .filter(|message| is_about(message, &refund.id))
                .count();
            if due {
                wanted += 1;
            }
            if due && told == 0 {
                let what = format!("the OMS was never told of refund {}", refund.id);
                faults.push((*id, Fault::Lost(what)));
            }
            let others_alone = case.settled(refund) == Settled::ByOthers;
            if others_alone && told > usize::from(due) {
                let what = format!(
                    "the OMS was told {told} times of refund {}, which somebody else handles",
                    refund.id
                );
                faults.push((*id, Fault::Doubled(what)));
            }
        }
    }
    verdict.all("refunds told to the OMS", wanted, faults);
}

/// Is it this refund's own message? The body lists all refunds of the order; the id names the one.
fn is_about(message: &OmsMessage, refund: &str) -> bool {
    message.kind == REFUND
        && message.refund_ids.iter().any(|listed| listed == refund)
        && message.webhook_id.split(':').any(|part| part == refund)
}

/// A milestone has one id, whatever happens in between.
fn once(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        let mut ids: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for message in &case.oms {
            let subject = match message.kind.as_str() {
                // An order succeeds once, however many cancellations follow it.
                SUCCEEDED => "",
                PENDING | REJECTED => message.cancellation_id.as_str(),
                _ => continue,
            };
            *ids.entry((&message.kind, subject)).or_default() += 1;
        }
        for ((kind, _), count) in ids {
            if count > 1 {
                let what = format!("the OMS was told {kind} under {count} ids");
                faults.push((*id, Fault::Doubled(what)));
            }
        }
    }
    verdict.none("milestones told under two ids", faults);
}

fn in_order(verdict: &mut Verdict, ledger: &Ledger, cases: &Cases<'_>) {
    let late: BTreeSet<u64> = ledger.oms_late.iter().copied().collect();
    let mut faults = Vec::new();
    for (id, case) in cases {
        let mut per_cancellation: BTreeMap<&str, Vec<&OmsMessage>> = BTreeMap::new();
        for message in &case.oms {
            per_cancellation
                .entry(&message.cancellation_id)
                .or_default()
                .push(message);
        }
        for messages in per_cancellation.into_values() {
            if let Some(what) = disorder(&messages, &late) {
                faults.push((*id, Fault::Wrong(what)));
            }
        }
    }
    verdict.none("OMS messages out of order", faults);
}

/// What is out of order among the messages of one cancellation, given in order of first arrival.
/// What came again late, by no fault of the sender's, is passed over.
fn disorder(messages: &[&OmsMessage], late: &BTreeSet<u64>) -> Option<String> {
    let mut arrivals: Vec<(u64, usize)> = messages
        .iter()
        .enumerate()
        .flat_map(|(place, message)| message.deliveries.iter().map(move |seq| (*seq, place)))
        .filter(|(seq, _)| !late.contains(seq))
        .collect();
    arrivals.sort_unstable();
    let mut furthest = 0;
    for (_, place) in arrivals {
        if place < furthest {
            let kind = messages.get(place).map_or("", |message| &message.kind);
            return Some(format!("{kind} came again after a later message"));
        }
        furthest = place;
    }
    let mut before: Option<&OmsMessage> = None;
    let mut outcome: Option<&str> = None;
    for message in messages {
        let Some(revision) = message.revision else {
            return Some(format!("{} tells no revision", message.kind));
        };
        if let Some(earlier) = before
            && earlier.revision > Some(revision)
        {
            return Some(format!(
                "{} of revision {revision} came after {} of a later one",
                message.kind, earlier.kind
            ));
        }
        // A success can follow a rejection (a late shopper's); no other outcome follows one.
        match (message.kind.as_str(), outcome) {
            (PENDING, Some(earlier)) | (REJECTED, Some(earlier @ SUCCEEDED)) => {
                return Some(format!("{} came after {earlier}", message.kind));
            }
            (SUCCEEDED | REJECTED, _) => outcome = Some(&message.kind),
            _ => {}
        }
        before = Some(message);
    }
    None
}

fn identical(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        for message in case.oms.iter().filter(|message| !message.byte_identical) {
            let what = format!("{} came again with another body", message.webhook_id);
            faults.push((*id, Fault::Wrong(what)));
        }
    }
    verdict.none("OMS redeliveries with another body", faults);
}

fn truthful(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        let cancelled = case.has_success() || case.has_package("CANCELLED");
        if has(case, SUCCEEDED) && !cancelled && !case.said(&PersonsFact::Cancelled) {
            let what = "the OMS was told of a success that Amazon does not know";
            faults.push((*id, Fault::Wrong(what.to_owned())));
        }
        // Asked once, and what was asked came true: then it was rejected at no time.
        let once = has(case, REJECTED) && case.asked == 1 && !case.said(&PersonsFact::Rejected);
        if once && case.has_own("SUCCESS") {
            let what = "the OMS was told of a rejection, Amazon carried out what was asked";
            faults.push((*id, Fault::Wrong(what.to_owned())));
        } else if once && !case.has_own("REJECTED") && case.why_no_cancel().is_none() {
            let what = "the OMS was told of a rejection that Amazon does not know";
            faults.push((*id, Fault::Wrong(what.to_owned())));
        }
        for message in &case.oms {
            if message.kind == REFUND {
                continue;
            }
            if !matches!(message.kind.as_str(), PENDING | SUCCEEDED | REJECTED) {
                let what = format!("the OMS was told {:?}, which is no milestone", message.kind);
                faults.push((*id, Fault::Wrong(what)));
            }
        }
    }
    verdict.none("OMS messages that are not true", faults);
}

fn turned_away(verdict: &mut Verdict, ledger: &Ledger) {
    let faults = ledger
        .oms_invalid
        .iter()
        .map(|what| ("", Fault::Wrong(format!("the OMS turned away {what}"))))
        .collect();
    verdict.none("OMS messages turned away", faults);
}
