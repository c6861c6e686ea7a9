//! A part is paid, the rest fails: a retry pays the rest under a new key, after looking.

use countermand_core::cancellation::effect::PayRefund;
use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{PAYMENT, Script, pay, payout};
use countermand_core::cancellation::input::{Action, Done, Fact, Input, Payout, PayoutState};
use countermand_core::cancellation::look::{self, PayLook};
use countermand_core::cancellation::order::RefundState;
use countermand_core::cancellation::{Cancellation, Effect};
use countermand_core::{Notice, Workflow};

use super::{assert_reports, key, paid, refund, report_now, reports, seen};
use crate::{attention, sound};

fn partly_failed() -> Script {
    let script = report_now(paid(PayoutState::Partial, 10_00)).reported(RefundState::Partial);
    seen(script, PayoutState::Failure, 10_00).told()
}

fn retried() -> Script {
    sound(sound(partly_failed()).operator(Action::Retry))
}

fn attempt(script: &Script) -> PayRefund {
    let mut effects = script.effects().into_iter();
    effects
        .find_map(|effect| match effect {
            Effect::PayRefund(pay) => Some(pay),
            _ => None,
        })
        .expect("an attempt is due")
}

fn answered(script: Script, payout: Payout) -> Script {
    let attempt = script.made(&pay());
    script.input(Input::EffectDone(Done::PayRefund {
        refund_id: orders::id(orders::REFUND),
        attempt,
        payout,
    }))
}

#[test]
fn the_rest_is_paid_under_a_new_key() {
    let script = retried();
    assert_eq!(attention(&script), Vec::<&str>::new());
    let attempt = attempt(&script);
    assert!(attempt.key.ends_with(":2"), "{}", attempt.key);
    assert_eq!(attempt.amount, usd(33_99));
    assert_eq!(
        reports(&script),
        None,
        "nothing new is to be told meanwhile"
    );
    let script = sound(script.intent(&pay().lane()));
    let second = payout("pay-2", PayoutState::Success, usd(33_99));
    let script = sound(answered(script, second));
    assert_eq!(attention(&script), Vec::<&str>::new());
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["pay-2-2 33.99 USD"],
    );
    let script = sound(report_now(script).reported(RefundState::Success));
    assert_eq!(refund(&script).state, RefundState::Success);
}

#[test]
fn what_was_not_told_before_is_told_payment_by_payment() {
    let failed = seen(
        paid(PayoutState::Partial, 10_00),
        PayoutState::Failure,
        10_00,
    );
    let script = sound(failed.operator(Action::Retry));
    assert_reports(
        &script,
        RefundState::Partial,
        "10.00 USD",
        &["pay-1 10.00 USD"],
    );
    let script = script.intent(&pay().lane());
    let second = payout("pay-2", PayoutState::Success, usd(33_99));
    let script = sound(answered(script, second));
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["pay-1 10.00 USD", "pay-2 33.99 USD"],
    );
}

#[test]
fn the_rest_may_come_in_parts_and_fail_again() {
    let script = retried().intent(&pay().lane());
    let part = payout("pay-2", PayoutState::Partial, usd(20_00));
    let script = sound(answered(script, part).told());
    assert_reports(
        &script,
        RefundState::Partial,
        "30.00 USD",
        &["pay-2-2 20.00 USD"],
    );
    let script = report_now(script).reported(RefundState::Partial);
    let failed = Input::PayoutSeen {
        refund_id: orders::id(orders::REFUND),
        attempt: script.made(&pay()),
        payout: payout("pay-2", PayoutState::Failure, usd(20_00)),
    };
    let script = sound(sound(script.input(failed)).operator(Action::Retry));
    let third = attempt(&script);
    assert_eq!((third.amount, third.parts.len()), (usd(13_99), 2));
    assert!(third.key.ends_with(":3"));
    // And fail altogether: for Amazon it stays PARTIAL.
    let script = script.intent(&pay().lane());
    let nothing = payout("pay-3", PayoutState::Failure, usd(0));
    let script = sound(answered(script, nothing));
    assert_eq!(
        (attention(&script), reports(&script)),
        (vec!["payout_failed"], None)
    );
    let script = sound(script.operator(Action::Retry));
    let fourth = attempt(&script);
    assert_eq!(
        (fourth.amount, fourth.failed_payments.len()),
        (usd(13_99), 1)
    );
}

/// The PARTIAL was never seen: its answer was lost, and the rest failed before the look.
#[test]
fn a_part_that_is_first_seen_when_the_rest_has_failed_is_not_paid_again() {
    for script in [paid(PayoutState::Failure, 10_00), {
        seen(paid(PayoutState::Pending, 0), PayoutState::Failure, 10_00)
    }] {
        let script = sound(script);
        assert_eq!(attention(&script), ["payout_failed"]);
        assert_reports(
            &script,
            RefundState::Partial,
            "10.00 USD",
            &["pay-1 10.00 USD"],
        );
        let again = seen(script.clone(), PayoutState::Failure, 10_00);
        assert!(again.state == script.state, "no news");
        let script = sound(script.operator(Action::Retry));
        assert_eq!(attempt(&script).amount, usd(33_99));
    }
    // Nothing, or what was asked for: nothing was paid.
    for cents in [0, 43_99] {
        let script = sound(paid(PayoutState::Failure, cents).operator(Action::Retry));
        assert_eq!(attempt(&script).amount, usd(43_99));
    }
}

#[test]
fn nothing_is_sent_unless_the_list_says_of_the_part_what_it_said() {
    let script = retried();
    let attempt = attempt(&script);
    let look = |listed: &[Payout]| look::pay(&attempt, listed, script.now(), false);
    let part = |state, cents| payout(PAYMENT, state, usd(cents));
    assert_eq!(look(&[part(PayoutState::Failure, 10_00)]), PayLook::Send);
    assert!(matches!(look(&[]), PayLook::NotShown { .. }));
    let other = payout("pay-9", PayoutState::Failure, usd(0));
    assert!(!matches!(look(&[other]), PayLook::Send));
    for moved in [
        part(PayoutState::Success, 43_99),
        part(PayoutState::Partial, 10_00),
        part(PayoutState::Partial, 25_50),
        part(PayoutState::Failure, 25_50),
        part(PayoutState::Pending, 10_00),
    ] {
        assert_eq!(
            look(std::slice::from_ref(&moved)),
            PayLook::Found(moved.clone())
        );
        // What was found is for a person, and stops everything.
        let found = script.clone().intent(&pay().lane());
        let found = sound(found.looked(pay(), Some(moved), false));
        assert_eq!(
            (attention(&found), key(&found)),
            (vec!["payout_differs"], None)
        );
        assert!(
            found
                .state
                .case
                .refunds
                .values()
                .all(|refund| refund.pay.open.is_none())
        );
    }
}

#[test]
fn where_it_is_not_clear_how_large_the_part_is_a_person_decides() {
    for cents in [43_99, 25_50, 0] {
        let script = report_now(paid(PayoutState::Partial, 10_00)).reported(RefundState::Partial);
        let failed = sound(seen(script, PayoutState::Failure, cents));
        assert_eq!(attention(&failed), ["payout_failed"]);
        let retried = sound(failed.clone().operator(Action::Retry));
        assert_eq!(key(&retried), None, "{cents}");
        let fact = Fact::RefundPaid {
            refund_id: orders::id(orders::REFUND),
            payment_id: orders::id("cheque-7"),
            amount: usd(43_99),
        };
        let settled = sound(failed.resolve(fact));
        assert_reports(
            &settled,
            RefundState::Success,
            "43.99 USD",
            &["cheque-7-2 33.99 USD"],
        );
    }
}

#[test]
fn a_person_speaks_of_all_payments_together() {
    let paid = |cents| Fact::RefundPaid {
        refund_id: orders::id(orders::REFUND),
        payment_id: orders::id("cheque-7"),
        amount: usd(cents),
    };
    let script = retried();
    let workflow = Cancellation::default();
    let refused = |fact| {
        let input = Input::Operator {
            actor: "kim".to_owned(),
            action: Action::Resolve {
                fact,
                note: "as seen".to_owned(),
            },
        };
        workflow
            .step(&script.state, &input, script.stamp_in(super::LAG))
            .is_err()
    };
    assert!(refused(paid(9_99)), "less than was paid");
    let refund_id = orders::id(orders::REFUND);
    assert!(refused(Fact::RefundNotDue { refund_id }), "a part is paid");
    let script = sound(script.clone().resolve(paid(43_99)));
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["cheque-7-2 33.99 USD"],
    );
}

#[test]
fn the_rest_counts_as_a_payment_of_its_own() {
    let script = retried();
    let effect = Effect::PayRefund(attempt(&script));
    let workflow = Cancellation::default();
    let deadline = script.now();
    let effect = &effect;
    let spend = workflow.spend(&workflow.notice(Notice::Intent { effect, deadline }));
    assert_eq!(spend.map(|spend| spend.amount), Some(usd(33_99)));
}
