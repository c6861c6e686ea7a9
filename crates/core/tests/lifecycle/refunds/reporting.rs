//! Reports to Buy with Prime: cumulative totals, payments as deltas, a walk that Amazon allows.

use countermand_core::Workflow;
use countermand_core::cancellation::effect::ReportRefund;
use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{Script, pay, report};
use countermand_core::cancellation::input::{Action, Done, Input, NotSent, PayoutState};
use countermand_core::cancellation::look::{self, ReportLook, may_follow};
use countermand_core::cancellation::order::{Order, RefundDetails, RefundState};
use countermand_core::cancellation::{Cancellation, Effect};

use super::{LAG, assert_reports, at_amazon, cancelled, paid, refund, report_now, reports, seen};
use crate::{agenda, attention, sound};

fn partly_reported() -> Script {
    report_now(paid(PayoutState::Partial, 10_00)).reported(RefundState::Partial)
}

#[test]
fn totals_are_cumulative_and_payments_are_deltas() {
    let script = paid(PayoutState::Partial, 10_00);
    assert_reports(
        &script,
        RefundState::Partial,
        "10.00 USD",
        &["pay-1 10.00 USD"],
    );
    let script = seen(partly_reported(), PayoutState::Partial, 25_50);
    assert_reports(
        &script,
        RefundState::Partial,
        "25.50 USD",
        &["pay-1-2 15.50 USD"],
    );
    let script = report_now(script).reported(RefundState::Partial);
    let script = sound(seen(script, PayoutState::Success, 43_99));
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["pay-1-3 18.49 USD"],
    );
    let script = sound(report_now(script).reported(RefundState::Success));
    assert_eq!(
        (reports(&script), &refund(&script).state),
        (None, &RefundState::Success)
    );
}

#[test]
fn a_report_under_way_does_not_change_with_the_payout() {
    // The rest is paid while the report of the first part is on the wire, or in doubt.
    let script = report_now(paid(PayoutState::Partial, 10_00));
    let script = seen(script, PayoutState::Success, 43_99);
    let answered = sound(script.clone().reported(RefundState::Partial));
    assert_reports(
        &answered,
        RefundState::Success,
        "43.99 USD",
        &["pay-1-2 33.99 USD"],
    );

    let in_doubt = sound(script.unknown(report()));
    assert_reports(
        &in_doubt,
        RefundState::Partial,
        "10.00 USD",
        &["pay-1 10.00 USD"],
    );
    let booked = sound(in_doubt.clone().read(at_amazon(
        RefundState::Partial,
        10_00,
        &[("pay-1", 10_00)],
    )));
    assert_reports(
        &booked,
        RefundState::Success,
        "43.99 USD",
        &["pay-1-2 33.99 USD"],
    );
    let not_sent = sound(report_now(in_doubt.after(LAG)).not_sent(report(), NotSent::Throttled));
    assert_reports(
        &not_sent,
        RefundState::Partial,
        "10.00 USD",
        &["pay-1 10.00 USD"],
    );
}

#[test]
fn what_an_older_attempt_reported_says_nothing_of_a_newer_report() {
    let script = seen(partly_reported(), PayoutState::Partial, 25_50);
    let in_doubt = report_now(script).unknown(report());
    let first_again = Input::EffectDone(Done::ReportRefund {
        refund_id: orders::id(orders::REFUND),
        attempt: 1,
        state: RefundState::Partial,
    });
    let script = sound(in_doubt.clone().input(first_again));
    assert!(script.state == in_doubt.state || script.state.case.in_doubt());
    assert_reports(
        &script,
        RefundState::Partial,
        "25.50 USD",
        &["pay-1-2 15.50 USD"],
    );
    let second = script.reported(RefundState::Partial);
    assert_eq!(reports(&sound(second)), None);
}

#[test]
fn an_answer_to_the_first_attempt_settles_the_second_one_about_the_same_report() {
    let script = report_now(paid(PayoutState::Success, 43_99))
        .unknown(report())
        .after(LAG);
    let script = report_now(script);
    let late = sound(script.input(Input::EffectDone(Done::ReportRefund {
        refund_id: orders::id(orders::REFUND),
        attempt: 1,
        state: RefundState::Success,
    })));
    assert_eq!(refund(&late).state, RefundState::Success);
    assert!(
        refund(&late).report.open.is_some(),
        "the second one is still on the wire"
    );
    let second = ReportRefund {
        attempt: 2,
        ..attempt(&paid(PayoutState::Success, 43_99))
    };
    let workflow = Cancellation::default();
    assert!(!workflow.wants(&late.state, &Effect::ReportRefund(second)));
    let settled = sound(late.reported(RefundState::Success));
    assert_eq!(
        refund(&settled).reported.as_ref().unwrap().count,
        1,
        "booked once"
    );
}

/// The attempt that stands on the agenda.
fn attempt(script: &Script) -> ReportRefund {
    let due = script
        .effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::ReportRefund(report) => Some(report),
            _ => None,
        });
    due.expect("a report is due")
}

#[test]
fn a_failure_is_reported_and_a_later_try_may_succeed() {
    let script = paid(PayoutState::Failure, 0);
    assert_reports(&script, RefundState::Failure, "0 USD", &[]);
    let script = report_now(script)
        .reported(RefundState::Failure)
        .operator(Action::Retry);
    assert_eq!(reports(&script), None);
    let script = script.intent(&pay().lane());
    let attempt = script.made(&pay());
    let script = sound(script.input(Input::EffectDone(Done::PayRefund {
        refund_id: orders::id(orders::REFUND),
        attempt,
        payout: countermand_core::cancellation::exemplars::payout(
            "pay-2",
            PayoutState::Success,
            usd(43_99),
        ),
    })));
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["pay-2-2 43.99 USD"],
    );
}

#[test]
fn a_retry_does_not_forget_that_a_failure_is_being_reported() {
    let failing = report_now(paid(PayoutState::Failure, 0));
    for script in [failing.clone(), failing.unknown(report())] {
        let script = script.operator(Action::Retry);
        // It was booked: that was us, and the refund is paid all the same.
        let shown = sound(
            script
                .clone()
                .read(at_amazon(RefundState::Failure, 43_99, &[])),
        );
        assert_eq!(attention(&shown), Vec::<&str>::new());
        let answered = sound(script.reported(RefundState::Failure));
        for script in [shown, answered] {
            assert!(
                agenda(&script)
                    .iter()
                    .any(|line| line.starts_with("pay_refund/") && line.ends_with(" now"))
            );
        }
    }
}

#[test]
fn partial_never_falls_to_failure() {
    let failed = sound(seen(partly_reported(), PayoutState::Failure, 10_00));
    assert_eq!(
        (reports(&failed), &refund(&failed).state),
        (None, &RefundState::Partial)
    );
    assert!(!may_follow(&RefundState::Partial, &RefundState::Failure));
}

#[test]
fn the_walk_that_amazon_allows() {
    use RefundState::{Failure, Partial, Pending, Rejected, Success};
    let all = [Pending, Partial, Failure, Success, Rejected];
    let allowed: Vec<_> = all
        .iter()
        .flat_map(|from| all.iter().map(move |to| (from, to)))
        .filter(|(from, to)| may_follow(from, to))
        .map(|(from, to)| format!("{from} {to}"))
        .collect();
    assert_eq!(
        allowed,
        [
            "PENDING PARTIAL",
            "PENDING FAILURE",
            "PENDING SUCCESS",
            "PENDING REJECTED",
            "PARTIAL PARTIAL",
            "PARTIAL SUCCESS",
            "FAILURE PARTIAL",
            "FAILURE FAILURE",
            "FAILURE SUCCESS"
        ]
    );
}

#[test]
fn nothing_to_pay_is_reported_and_told() {
    let nothing = RefundDetails {
        total: Some(usd(0)),
        ..orders::refund(RefundState::Pending)
    };
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order");
    let script = script.accepted(countermand_core::cancellation::order::CancellationState::Pending);
    let script = sound(script.read(cancelled(nothing)).told());
    assert_reports(&script, RefundState::Success, "0 USD", &[]);
    let script = sound(report_now(script).reported(RefundState::Success));
    assert_eq!(script.state.phase.name(), "success", "no intent to pay");
    assert_eq!(
        agenda(&script).last().unwrap().split(' ').next(),
        Some("update_oms")
    );
}

#[test]
fn a_refused_report_waits_for_a_person_and_reads_the_order() {
    let script = sound(report_now(paid(PayoutState::Success, 43_99)).refused(report()));
    assert_eq!(
        (attention(&script), reports(&script)),
        (vec!["report_refused"], None)
    );
    assert!(agenda(&script).contains(&"read_order poll at once".to_owned()));
    let script = sound(script.operator(Action::Retry));
    assert!(reports(&script).is_some());
}

#[test]
fn a_doubt_is_settled_by_our_payments_whoever_asks() {
    let in_doubt = report_now(paid(PayoutState::Success, 43_99)).unknown(report());
    let listed = sound(in_doubt.clone().read(at_amazon(
        RefundState::Success,
        43_99,
        &[("pay-1", 43_99)],
    )));
    assert_eq!(
        (attention(&listed), listed.state.case.in_doubt()),
        (vec![], false)
    );
    assert!(refund(&listed).reported.is_some());
    // Without any payments listed, the state decides.
    let bare = sound(
        in_doubt
            .clone()
            .read(at_amazon(RefundState::Success, 43_99, &[])),
    );
    assert_eq!(
        (attention(&bare), bare.state.case.in_doubt()),
        (vec![], false)
    );
    // With somebody else's payment listed, it was somebody else.
    let other = sound(in_doubt.read(at_amazon(RefundState::Success, 43_99, &[("pay-9", 43_99)])));
    assert_eq!(attention(&other), ["refund_moved"]);
    // Ours is ours, though a restore from backup has made us forget that we reported it.
    let forgotten = paid(PayoutState::Success, 43_99);
    let script = sound(forgotten.read(at_amazon(RefundState::Success, 43_99, &[("pay-1", 43_99)])));
    assert_eq!(
        (attention(&script), &refund(&script).state),
        (vec![], &RefundState::Success)
    );
}

#[test]
fn a_first_part_in_doubt_is_ours_though_no_payments_are_listed() {
    let in_doubt = report_now(paid(PayoutState::Partial, 10_00)).unknown(report());
    let script = sound(in_doubt.read(at_amazon(RefundState::Partial, 10_00, &[])));
    assert_eq!(
        (attention(&script), script.state.case.in_doubt()),
        (vec![], false)
    );
    // A second part is told from the first by its total.
    let second = report_now(seen(script, PayoutState::Partial, 25_50)).unknown(report());
    let not_there = second
        .clone()
        .read(at_amazon(RefundState::Partial, 10_00, &[]));
    assert!(not_there.state.case.in_doubt());
    let there = sound(second.read(at_amazon(RefundState::Partial, 25_50, &[])));
    assert!(!there.state.case.in_doubt());
}

fn looked(attempt: &ReportRefund, order: &Order) -> String {
    match look::report(attempt, order) {
        ReportLook::Send(payments) => format!("send {}", payments.len()),
        ReportLook::Found => "found".to_owned(),
        ReportLook::NotShown { .. } => "not shown".to_owned(),
        ReportLook::Contradicted { .. } => "contradicted".to_owned(),
    }
}

#[test]
fn the_look_within_a_report() {
    let due_now = paid(PayoutState::Success, 43_99);
    let success = attempt(&due_now);
    assert_eq!(
        looked(&success, &at_amazon(RefundState::Pending, 43_99, &[])),
        "send 1"
    );
    assert_eq!(
        looked(
            &success,
            &at_amazon(RefundState::Partial, 43_99, &[("pay-1", 43_99)])
        ),
        "send 0"
    );
    assert_eq!(
        looked(&success, &at_amazon(RefundState::Success, 43_99, &[])),
        "found"
    );
    assert_eq!(
        looked(
            &success,
            &at_amazon(RefundState::Success, 43_99, &[("pay-1", 43_99)])
        ),
        "found"
    );
    assert_eq!(
        looked(
            &success,
            &at_amazon(RefundState::Success, 43_99, &[("pay-9", 43_99)])
        ),
        "contradicted"
    );
    assert_eq!(
        looked(&success, &at_amazon(RefundState::Rejected, 0, &[])),
        "contradicted"
    );
    assert_eq!(
        looked(&success, &orders::all_pending()),
        "not shown",
        "no such refund"
    );

    let partly = paid(PayoutState::Partial, 10_00);
    let part = attempt(&partly);
    assert_eq!(
        looked(
            &part,
            &at_amazon(RefundState::Partial, 10_00, &[("pay-1", 10_00)])
        ),
        "found"
    );
    assert_eq!(
        looked(&part, &at_amazon(RefundState::Partial, 10_00, &[])),
        "found"
    );
    assert_eq!(
        looked(&part, &at_amazon(RefundState::Partial, 5_00, &[])),
        "send 1"
    );
    assert_eq!(
        looked(
            &part,
            &at_amazon(RefundState::Partial, 5_00, &[("pay-0", 5_00)])
        ),
        "send 1"
    );
}

#[test]
fn what_is_being_reported_as_nothing_is_not_paid_after_all() {
    let of = |cents| {
        cancelled(RefundDetails {
            total: Some(usd(cents)),
            ..orders::refund(RefundState::Pending)
        })
    };
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order");
    let script = script.accepted(countermand_core::cancellation::order::CancellationState::Pending);
    let script = report_now(script.read(of(0)).told());
    // Amazon corrects its estimate while we report that there is nothing to pay.
    let script = sound(script.read(of(1_00)));
    assert_eq!(super::key(&script), None);
    assert_eq!(refund(&script).amount, Some(usd(0)));
}
