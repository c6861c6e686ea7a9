//! Refunds: one payout each, the exact amount, and reports that Amazon allows.

mod elsewhere;
mod keys;
mod limited;
mod paying;
mod reporting;
mod rest;

use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{PAYMENT, Script, pay, payout, report};
use countermand_core::cancellation::input::{Input, PayoutState};
use countermand_core::cancellation::order::{
    CancellationState, Order, RefundDetails, RefundState, ReportedPayment,
};
use countermand_core::cancellation::{Effect, Refund};

fn cancelled(refund: RefundDetails) -> Order {
    let alias = Script::requested().alias();
    orders::cancelled(
        orders::ours(CancellationState::Success, &alias),
        vec![refund],
    )
}

/// Amazon's refund, with these payments listed and this running total.
fn at_amazon(state: RefundState, cents: u32, payments: &[(&str, u32)]) -> Order {
    let listed = payments
        .iter()
        .map(|(name, cents)| orders::payment(name, *cents));
    cancelled(RefundDetails {
        total: Some(usd(cents)),
        payments: listed.collect(),
        ..orders::refund(state)
    })
}

/// A refund of 43.99 USD is to be paid.
fn due() -> Script {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order");
    let script = script.accepted(CancellationState::Pending);
    script
        .read(cancelled(orders::refund(RefundState::Pending)))
        .told()
}

fn paying() -> Script {
    due().intent(&pay().lane())
}

fn paid(state: PayoutState, cents: u32) -> Script {
    paying().paid(state, usd(cents)).told()
}

fn seen(script: Script, state: PayoutState, cents: u32) -> Script {
    let attempt = script.made(&pay());
    let input = Input::PayoutSeen {
        refund_id: orders::id(orders::REFUND),
        attempt,
        payout: payout(PAYMENT, state, usd(cents)),
    };
    script.input(input)
}

fn refund(script: &Script) -> &Refund {
    &script.state.case.refunds[&orders::id(orders::REFUND)]
}

fn key(script: &Script) -> Option<String> {
    script
        .effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::PayRefund(pay) => Some(pay.key),
            _ => None,
        })
}

/// The report on the agenda: state, total and payments.
fn reports(script: &Script) -> Option<(RefundState, String, Vec<String>)> {
    script
        .effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::ReportRefund(report) => {
                let line = |payment: &ReportedPayment| {
                    let amount = payment.amount.map(|amount| amount.to_string());
                    format!("{} {}", payment.id, amount.unwrap_or_default())
                };
                let payments = report.payments.iter().map(line).collect();
                Some((report.state, report.total.to_string(), payments))
            }
            _ => None,
        })
}

#[track_caller]
fn assert_reports(script: &Script, state: RefundState, total: &str, payments: &[&str]) {
    let payments = payments.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(reports(script), Some((state, total.to_owned(), payments)));
}

fn report_now(script: Script) -> Script {
    script.intent(&report().lane())
}

const LAG: Duration = Duration::from_mins(6);
