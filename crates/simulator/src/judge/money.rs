//! What was paid, against what was due, and what Amazon was told of it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::judge::case::{Case, Cases, Settled};
use crate::judge::{Fault, Verdict};
use crate::ledger::{Ledger, Payment, PaymentState, REFUSED_BY_SCENARIO, RefundRecord};
use crate::scenario::Scenario;

pub(super) fn judge(verdict: &mut Verdict, ledger: &Ledger, cases: &Cases<'_>) {
    paid_once(verdict, cases);
    amounts(verdict, cases);
    not_due(verdict, cases);
    reported(verdict, ledger, cases);
    reported_too_soon(verdict, ledger, cases);
    booked_once(verdict, cases);
}

/// Payments for a refund that did not fail.
fn standing<'a>(case: &Case<'a>, refund: &RefundRecord) -> impl Iterator<Item = &'a Payment> {
    case.payments
        .iter()
        .copied()
        .filter(|payment| payment.refund_id == refund.id && payment.state != PaymentState::Failure)
}

fn paid_once(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut due = 0;
    let mut faults = Vec::new();
    for (id, case) in cases {
        for refund in case.due() {
            due += 1;
            let payments: Vec<_> = standing(case, refund).collect();
            let fault = match payments.as_slice() {
                [] => {
                    let failed = case.payments.iter().any(|p| p.refund_id == refund.id);
                    if failed {
                        Fault::Stuck(format!("the payout of refund {} failed", refund.id))
                    } else {
                        Fault::Lost(format!("refund {} was never paid", refund.id))
                    }
                }
                [payment] if payment.state == PaymentState::Success => continue,
                [payment] => {
                    Fault::Stuck(format!("payment {} is not finished", payment.payment_id))
                }
                more => Fault::Doubled(format!(
                    "refund {} was paid {} times",
                    refund.id,
                    more.len()
                )),
            };
            faults.push((*id, fault));
        }
        for refund in case.refunds() {
            if let Settled::ByHand { payment_id, .. } = case.settled(refund) {
                faults.extend(twice_by_hand(case, refund, payment_id).map(|what| (*id, what)));
            }
        }
    }
    verdict.all("refunds above 0 paid exactly once", due, faults);
}

/// What a person paid, or says was paid, must not have been paid by the provider as well; a part of
/// it may have been.
fn twice_by_hand(case: &Case<'_>, refund: &RefundRecord, payment_id: &str) -> Option<Fault> {
    let paid: Vec<_> = standing(case, refund).collect();
    match paid.as_slice() {
        [] => None,
        [one] if one.payment_id == payment_id || one.paid < refund.amount => None,
        [_] => Some(Fault::Doubled(format!(
            "refund {} was paid by hand and by the provider",
            refund.id
        ))),
        more => Some(Fault::Doubled(format!(
            "refund {} was paid {} times",
            refund.id,
            more.len()
        ))),
    }
}

/// Amounts are whatever the caller said: two of them may be more than fits.
fn add<'a>(sums: &mut BTreeMap<&'a str, Decimal>, currency: &'a str, amount: Decimal) {
    let sum = sums.entry(currency).or_default();
    *sum = sum.saturating_add(amount);
}

fn sums(sums: &BTreeMap<&str, Decimal>) -> String {
    if sums.is_empty() {
        return "0".to_owned();
    }
    sums.iter()
        .map(|(currency, sum)| format!("{sum} {currency}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn amounts(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut expected: BTreeMap<&str, Decimal> = BTreeMap::new();
    let mut seen: BTreeMap<&str, Decimal> = BTreeMap::new();
    let mut faults = Vec::new();
    for (id, case) in cases {
        let by_hand = |payment: &&&Payment| {
            case.refunds().any(|refund| {
                refund.id == payment.refund_id
                    && matches!(case.settled(refund), Settled::ByHand { .. })
            })
        };
        for payment in case.payments.iter().filter(|payment| !by_hand(payment)) {
            add(&mut seen, &payment.currency, payment.paid);
        }
        for refund in case.due() {
            add(&mut expected, &refund.currency, refund.amount);
            for payment in standing(case, refund) {
                let differs = payment.amount != refund.amount
                    || (payment.state == PaymentState::Success && payment.paid != refund.amount);
                if differs || payment.currency != refund.currency {
                    let what = format!(
                        "refund {} is {} {}, paid were {} {}",
                        refund.id, refund.amount, refund.currency, payment.paid, payment.currency
                    );
                    faults.push((*id, Fault::Wrong(what)));
                }
            }
        }
    }
    if expected != seen && faults.is_empty() {
        let what = format!("paid were {}, due were {}", sums(&seen), sums(&expected));
        faults.push(("", Fault::Wrong(what)));
    }
    verdict.row("money paid", sums(&expected), sums(&seen), faults);
}

fn not_due(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        let by_hand = case
            .refunds()
            .filter(|refund| matches!(case.settled(refund), Settled::ByHand { .. }));
        let due: BTreeSet<&str> = case
            .due()
            .chain(by_hand)
            .map(|refund| refund.id.as_str())
            .collect();
        for payment in &case.payments {
            if !due.contains(payment.refund_id.as_str()) && payment.state != PaymentState::Failure {
                let what = format!("{} {} paid, not due", payment.amount, payment.currency);
                faults.push((*id, Fault::Wrong(what)));
            }
        }
        for call in &case.payouts {
            if call.effect && !call.open_at_amazon {
                let what = format!("refund {} was not open when it was paid", call.refund_id);
                faults.push((*id, Fault::Wrong(what)));
            }
            let error = call.error.as_ref();
            if let Some(error) = error.filter(|error| *error != REFUSED_BY_SCENARIO) {
                let what = format!("a payout of refund {} was refused: {error}", call.refund_id);
                faults.push((*id, Fault::Wrong(what)));
            }
        }
    }
    verdict.none("payouts that were not due", faults);
}

fn reported(verdict: &mut Verdict, ledger: &Ledger, cases: &Cases<'_>) {
    let mut wanted = 0;
    let mut faults = Vec::new();
    for (id, case) in cases {
        for refund in case.refunds() {
            let name = &refund.id;
            let mut amount = refund.amount;
            match case.settled(refund) {
                Settled::ByEngine => {}
                Settled::ByHand { amount: said, .. } => amount = said,
                Settled::NotAtAll => {
                    if let Some(fault) = not_given_up(case, refund) {
                        faults.push((*id, fault));
                    }
                    continue;
                }
                Settled::ByOthers => {
                    let calls = &mut ledger.reports.iter();
                    if calls.any(|call| call.accepted && call.refund_id.as_ref() == Some(name)) {
                        let what = format!("refund {name} was reported, and is somebody else's");
                        faults.push((*id, Fault::Wrong(what)));
                    } else if refund.state != "SUCCESS" {
                        let what = format!("refund {name} is still {} at Amazon", refund.state);
                        faults.push((*id, Fault::Stuck(what)));
                    }
                    continue;
                }
            }
            wanted += 1;
            let fault = match (refund.state.as_str(), refund.reported_total) {
                ("SUCCESS", Some(total)) if total == amount => continue,
                ("SUCCESS", total) => Fault::Wrong(format!(
                    "refund {name} is {amount}, reported was {}",
                    total.map_or_else(|| "nothing".to_owned(), |total| total.to_string())
                )),
                ("PENDING", _) => {
                    Fault::Lost(format!("refund {name} was never reported to Amazon"))
                }
                (state @ ("PARTIAL" | "FAILURE"), _) => {
                    Fault::Stuck(format!("refund {name} is still {state} at Amazon"))
                }
                (state, _) => Fault::Wrong(format!("refund {name} was reported as {state}")),
            };
            faults.push((*id, fault));
        }
    }
    verdict.all("refunds reported to Amazon, 0 too", wanted, faults);
}

/// A person said that it is not to be paid: Amazon is told so, where that can be said.
fn not_given_up(case: &Case<'_>, refund: &RefundRecord) -> Option<Fault> {
    let is_silent = case
        .order
        .is_some_and(|order| order.scenario == Scenario::RefundWithoutAmount);
    match refund.state.as_str() {
        "REJECTED" => None,
        // Neither can become REJECTED.
        "FAILURE" | "PARTIAL" if refund.by_others => None,
        "PENDING" if is_silent => None,
        state => Some(Fault::Wrong(format!(
            "refund {} is not to be paid, and is {state} at Amazon",
            refund.id
        ))),
    }
}

/// Amazon may believe only what has happened: a success comes after a payment.
fn reported_too_soon(verdict: &mut Verdict, ledger: &Ledger, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for call in &ledger.reports {
        let Some((id, case)) = cases.get_key_value(call.order_id.as_str()) else {
            continue;
        };
        let settled = call.accepted && call.state.as_deref() == Some("SUCCESS");
        let due = case
            .due()
            .find(|refund| settled && Some(&refund.id) == call.refund_id.as_ref());
        let Some(refund) = due else { continue };
        // A payment that was never made is a line of its own.
        if standing(case, refund).all(|payment| payment.seq > call.seq)
            && standing(case, refund).next().is_some()
        {
            let what = format!("refund {} was reported before it was paid", refund.id);
            faults.push((*id, Fault::Wrong(what)));
        }
    }
    verdict.none("refunds reported before they were paid", faults);
}

/// Payments are a delta: one that is reported twice is booked twice.
fn booked_once(verdict: &mut Verdict, cases: &Cases<'_>) {
    let mut faults = Vec::new();
    for (id, case) in cases {
        for refund in case.order.map_or(&[][..], |order| &order.refunds) {
            let mut booked = BTreeSet::new();
            let mut sum = Decimal::ZERO;
            let before = faults.len();
            for payment in &refund.payments {
                sum = sum.saturating_add(payment.amount.unwrap_or_default());
                let name = payment.id.as_deref();
                if !booked.insert(name) {
                    let what = format!(
                        "payment {} of refund {} is booked twice",
                        name.unwrap_or("without an id"),
                        refund.id
                    );
                    faults.push((*id, Fault::Doubled(what)));
                }
            }
            let total = refund.reported_total.unwrap_or_default();
            if !refund.payments.is_empty() && sum != total && faults.len() == before {
                let what = format!(
                    "refund {}: booked payments add up to {sum}, the total says {total}",
                    refund.id
                );
                faults.push((*id, Fault::Wrong(what)));
            }
        }
    }
    verdict.none("payments booked twice at Amazon", faults);
}
