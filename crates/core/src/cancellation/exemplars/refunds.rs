//! The scripts of `refund`: one for each situation of a payout and of a report.

use std::time::Duration;

use crate::cancellation::Prior;
use crate::cancellation::effect::Patience;
use crate::cancellation::exemplars::orders::{self, usd};
use crate::cancellation::exemplars::script::{PAYMENT, Script, pay, payout, report};
use crate::cancellation::exemplars::states::{MINUTES_6, MINUTES_31, refund_due};
use crate::cancellation::input::{Action, Fact, Input, NotSent, PayoutState, Unknown};
use crate::cancellation::order::{CancellationState, Order, RefundDetails, RefundState};

pub(super) fn all_cancelled(script: &Script, refund: RefundDetails) -> Order {
    let entry = orders::ours(CancellationState::Success, &script.alias());
    orders::cancelled(entry, vec![refund])
}

fn paying_now() -> Script {
    refund_due().intent(&pay().lane())
}

fn pay_in_doubt() -> Script {
    paying_now().unknown(pay())
}

pub(super) fn paid() -> Script {
    paying_now().paid(PayoutState::Success, usd(43_99))
}

fn pay_failed() -> Script {
    paying_now().paid(PayoutState::Failure, usd(43_99))
}

fn partly_failed() -> Script {
    let script = paying_now().paid(PayoutState::Partial, usd(10_00));
    let attempt = script.made(&pay());
    script.input(Input::PayoutSeen {
        refund_id: orders::id(orders::REFUND),
        attempt,
        payout: payout(PAYMENT, PayoutState::Failure, usd(10_00)),
    })
}

pub(super) fn paying() -> Vec<(&'static str, Script)> {
    let late = Duration::from_hours(21);
    let unfulfillable = Script::requested()
        .read(orders::unfulfillable_with_refund())
        .told()
        .intent(&pay().lane());
    let observed = || {
        let mut order = orders::all_pending();
        order.refunds.push(orders::refund(RefundState::Pending));
        Script::observed(Prior::default()).read(order)
    };
    let no_amount = RefundDetails {
        total: None,
        ..orders::refund(RefundState::Pending)
    };
    let mut unclear = orders::all_pending();
    unclear.refunds.push(no_amount);
    vec![
        ("refund.observed", observed()),
        (
            "refund.observed_without_amount",
            Script::observed(Prior::default()).read(unclear),
        ),
        ("refund.paying", paying_now()),
        (
            "refund.pay_not_sent",
            paying_now().not_sent(pay(), NotSent::Throttled),
        ),
        ("refund.pay_in_doubt", pay_in_doubt()),
        (
            "refund.pay_in_doubt_again",
            pay_in_doubt()
                .after(MINUTES_6)
                .intent(&pay().lane())
                .unknown(pay()),
        ),
        (
            "refund.pay_in_doubt_for_long",
            pay_in_doubt().after(MINUTES_31).timer(Patience::Doubt),
        ),
        (
            "refund.paying_again",
            pay_in_doubt().after(MINUTES_6).intent(&pay().lane()),
        ),
        ("refund.pay_refused", paying_now().refused(pay())),
        (
            "refund.key_expired",
            pay_in_doubt()
                .after(late)
                .intent(&pay().lane())
                .looked(pay(), None, true),
        ),
        (
            "refund.payout_pending",
            paying_now().paid(PayoutState::Pending, usd(0)),
        ),
        (
            "refund.payout_partial",
            paying_now().paid(PayoutState::Partial, usd(10_00)),
        ),
        ("refund.payout_partly_failed", partly_failed()),
        (
            "refund.rest_retried",
            partly_failed().operator(Action::Retry),
        ),
        (
            "refund.paying_the_rest",
            partly_failed()
                .operator(Action::Retry)
                .intent(&pay().lane()),
        ),
        ("refund.payout_failed", pay_failed()),
        (
            "refund.payout_limited",
            pay_in_doubt()
                .after(MINUTES_6)
                .input(Input::AttentionRaised {
                    lane: pay().lane(),
                    failures: 0,
                    error: "the limit is 200 an hour".to_owned(),
                    limited: true,
                }),
        ),
        (
            "refund.retried_with_a_new_key",
            pay_failed().operator(Action::Retry).intent(&pay().lane()),
        ),
        (
            "refund.payout_differs",
            paying_now().paid(PayoutState::Success, usd(50_00)),
        ),
        ("refund.found_at_the_provider", {
            let found = payout(PAYMENT, PayoutState::Success, usd(43_99));
            pay_in_doubt()
                .after(MINUTES_6)
                .intent(&pay().lane())
                .looked(pay(), Some(found), false)
        }),
        ("refund.of_a_rejected_one", unfulfillable),
        ("refund.cancelled_after_all", {
            let mut order = orders::all_pending();
            order.cancellations = vec![orders::shoppers(CancellationState::Success)];
            order.refunds.push(orders::refund(RefundState::Pending));
            observed().intent(&pay().lane()).read(order)
        }),
    ]
}

pub(super) fn reporting() -> Vec<(&'static str, Script)> {
    let report_lane = report().lane();
    let reporting = || paid().told().intent(&report_lane);
    let reported = || reporting().reported(RefundState::Success);
    let failure_reported = || {
        pay_failed()
            .told()
            .intent(&report_lane)
            .reported(RefundState::Failure)
    };
    vec![
        ("refund.paid", paid()),
        ("refund.reporting", reporting()),
        ("refund.report_in_doubt", reporting().crash()),
        ("refund.report_refused", reporting().refused(report())),
        ("refund.reported", reported()),
        ("refund.failure_reported", failure_reported()),
        (
            "refund.failure_reported_and_retried",
            failure_reported().operator(Action::Retry),
        ),
        (
            "refund.failure_report_in_doubt_and_retried",
            pay_failed()
                .intent(&report_lane)
                .unknown(report())
                .operator(Action::Retry),
        ),
        (
            "refund.partly_reported",
            paying_now()
                .paid(PayoutState::Partial, usd(10_00))
                .told()
                .intent(&report_lane)
                .reported(RefundState::Partial),
        ),
        ("refund.moved_by_somebody_else", {
            let script = refund_due().intent(&pay().lane());
            let order = all_cancelled(&script, orders::refund(RefundState::Partial));
            script.read(order)
        }),
        ("refund.moved_before_it_was_seen", {
            let mut order = all_cancelled(&refund_due(), orders::refund(RefundState::Pending));
            order.refunds.push(RefundDetails {
                id: orders::id("R2"),
                total: Some(usd(10_00)),
                ..orders::refund(RefundState::Partial)
            });
            paying_now().read(order)
        }),
        ("refund.paid_by_hand", {
            let fact = Fact::RefundPaid {
                refund_id: orders::id(orders::REFUND),
                payment_id: orders::id("cheque-7"),
                amount: usd(43_99),
            };
            paying_now().refused(pay()).resolve(fact)
        }),
        ("refund.not_due", {
            let refund_id = orders::id(orders::REFUND);
            paying_now()
                .refused(pay())
                .resolve(Fact::RefundNotDue { refund_id })
        }),
        (
            "refund.report_stopped",
            paid().input(Input::AttentionRaised {
                lane: report_lane.clone(),
                failures: 20,
                error: "503".to_owned(),
                limited: false,
            }),
        ),
        (
            "refund.report_overdue",
            reporting().input(Input::EffectUnknown {
                mutation: report(),
                attempt: 1,
                why: Unknown::Overdue,
                detail: None,
            }),
        ),
    ]
}
