//! Payouts: once, exactly, and never in doubt.

use std::time::Duration;

use countermand_core::Workflow;
use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{PAYMENT, pay, payout};
use countermand_core::cancellation::input::{Action, Done, Fact, Input, NotSent, PayoutState};
use countermand_core::cancellation::look::{self, PayLook};
use countermand_core::cancellation::order::{RefundDetails, RefundState};
use countermand_core::cancellation::{Cancellation, Effect};

use super::{LAG, cancelled, due, key, paid, paying, refund, reports, seen};
use crate::{agenda, attention, sound};

fn lane(line: &str) -> String {
    format!("{} {line}", pay().lane())
}

#[test]
fn the_amount_is_frozen_at_the_first_intent() {
    let corrected = |cents| {
        cancelled(RefundDetails {
            total: Some(usd(cents)),
            ..orders::refund(RefundState::Pending)
        })
    };
    let script = due().read(corrected(40_00));
    assert_eq!(
        refund(&script).amount,
        Some(usd(40_00)),
        "an estimate may change"
    );
    let script = sound(script.intent(&pay().lane()).read(corrected(50_00)));
    assert_eq!(refund(&script).amount, Some(usd(40_00)));
    let script = sound(
        script
            .not_sent(pay(), NotSent::Throttled)
            .read(corrected(50_00)),
    );
    assert_eq!(
        refund(&script).amount,
        Some(usd(40_00)),
        "also when nothing was sent"
    );
}

#[test]
fn an_intent_with_another_amount_or_key_is_turned_down() {
    let workflow = Cancellation::default();
    let script = due();
    let stamp = script.stamp_in(Duration::ZERO);
    let intent = |amount, key: Option<String>| Input::IntentRecorded {
        mutation: pay(),
        attempt: 1,
        key: key.unwrap_or_default(),
        deadline: stamp.at,
        amount,
    };
    let right = key(&script);
    assert!(
        workflow
            .step(
                &script.state,
                &intent(Some(usd(43_99)), right.clone()),
                stamp
            )
            .is_ok()
    );
    for wrong in [
        intent(Some(usd(44_00)), right.clone()),
        intent(None, right.clone()),
        intent(Some(usd(43_99)), Some("another".to_owned())),
    ] {
        assert!(
            workflow.step(&script.state, &wrong, stamp).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn nothing_is_paid_twice() {
    let script = paid(PayoutState::Success, 43_99);
    let intent = script.clone().intent(&pay().lane());
    assert_eq!(intent.state, script.state, "nothing on the agenda");
    // A late word of the same payment changes nothing; another payment is for a person.
    let again = seen(script.clone(), PayoutState::Pending, 0);
    assert!(again.state == script.state);
    let attempt = script.made(&pay());
    let other = script.input(Input::EffectDone(Done::PayRefund {
        refund_id: orders::id(orders::REFUND),
        attempt,
        payout: payout("pay-2", PayoutState::Success, usd(43_99)),
    }));
    assert_eq!(attention(&sound(other)), ["payout_differs"]);
}

#[test]
fn a_doubt_waits_for_the_quiet_time_and_keeps_its_key() {
    let first = key(&due());
    let script = sound(paying().unknown(pay()));
    let waits = agenda(&script)
        .into_iter()
        .find(|line| line.starts_with(&lane("60s after")));
    assert!(waits.is_some());
    assert_eq!(key(&script), first);
    let found = payout(PAYMENT, PayoutState::Success, usd(43_99));
    let script = sound(
        script
            .after(LAG)
            .intent(&pay().lane())
            .looked(pay(), Some(found), false),
    );
    assert!(!script.state.case.in_doubt());
    assert!(reports(&script).is_some());
}

#[test]
fn an_expired_key_leads_to_a_person_and_never_to_a_send() {
    let script = paying().unknown(pay()).after(Duration::from_hours(21));
    let Some(Effect::PayRefund(attempt)) = script
        .effects()
        .into_iter()
        .find(|e| matches!(e, Effect::PayRefund(_)))
    else {
        panic!("an attempt is due");
    };
    assert_eq!(
        look::pay(&attempt, &[], script.now(), false),
        PayLook::KeyExpired
    );
    let found = payout(PAYMENT, PayoutState::Pending, usd(0));
    assert_eq!(
        look::pay(&attempt, std::slice::from_ref(&found), script.now(), false),
        PayLook::Found(found)
    );
    let script = sound(script.intent(&pay().lane()).looked(pay(), None, true));
    assert_eq!(
        (attention(&script), key(&script)),
        (vec!["key_expired"], None)
    );
    // A retry looks once more, under the same key.
    let again = sound(script.clone().operator(Action::Retry));
    assert!(key(&again).is_some_and(|key| key.ends_with(":1")));
    // A person who knows that nothing was sent lets it be paid; under the same key, which stops a
    // second payout should the person be wrong and the provider still know it.
    let script = sound(script.resolve(Fact::NotSent));
    assert!(key(&script).is_some_and(|key| key.ends_with(":1")));
    let Some(Effect::PayRefund(attempt)) = script
        .effects()
        .into_iter()
        .find(|e| matches!(e, Effect::PayRefund(_)))
    else {
        panic!("an attempt is due");
    };
    assert_eq!(
        look::pay(&attempt, &[], script.now(), true),
        PayLook::Send,
        "never used: nothing to expire"
    );
}

#[test]
fn a_clock_that_runs_behind_relies_on_no_key() {
    let script = paying().unknown(pay());
    let Some(Effect::PayRefund(attempt)) = script
        .effects()
        .into_iter()
        .find(|e| matches!(e, Effect::PayRefund(_)))
    else {
        panic!("an attempt is due");
    };
    assert_eq!(look::pay(&attempt, &[], script.now(), false), PayLook::Send);
    assert_eq!(
        look::pay(&attempt, &[], script.now(), true),
        PayLook::KeyExpired
    );
}

#[test]
fn a_key_under_which_nothing_can_have_been_sent_does_not_age() {
    // The provider is down for a day: every attempt is certainly not sent.
    let script = paying()
        .not_sent(pay(), NotSent::ConnectionRefused)
        .after(Duration::from_hours(25));
    let Some(Effect::PayRefund(attempt)) = script
        .effects()
        .into_iter()
        .find(|e| matches!(e, Effect::PayRefund(_)))
    else {
        panic!("an attempt is due");
    };
    assert_eq!(look::pay(&attempt, &[], script.now(), false), PayLook::Send);
    // But one that may have been sent is not forgotten.
    let doubted = paying().unknown(pay()).after(LAG).intent(&pay().lane());
    let doubted = doubted
        .not_sent(pay(), NotSent::ConnectionRefused)
        .after(Duration::from_hours(25));
    let Some(Effect::PayRefund(attempt)) = doubted
        .effects()
        .into_iter()
        .find(|e| matches!(e, Effect::PayRefund(_)))
    else {
        panic!("an attempt is due");
    };
    assert_eq!(
        look::pay(&attempt, &[], doubted.now(), false),
        PayLook::KeyExpired
    );
}

#[test]
fn a_definite_failure_wants_a_person_and_then_a_new_key() {
    for failed in [paid(PayoutState::Failure, 0), paying().refused(pay())] {
        let failed = sound(failed);
        assert_eq!(
            (attention(&failed), key(&failed)),
            (vec!["payout_failed"], None)
        );
        let script = sound(failed.operator(Action::Retry));
        assert_eq!(attention(&script), Vec::<&str>::new());
        assert!(key(&script).is_some_and(|key| key.ends_with(":2")));
    }
}

#[test]
fn word_of_a_payment_that_failed_before_says_nothing_of_the_new_attempt() {
    let failed = |attempt| {
        Input::EffectDone(Done::PayRefund {
            refund_id: orders::id(orders::REFUND),
            attempt,
            payout: payout(PAYMENT, PayoutState::Failure, usd(0)),
        })
    };
    let second = paid(PayoutState::Failure, 0)
        .operator(Action::Retry)
        .intent(&pay().lane());
    let in_doubt = second.clone().unknown(pay());
    let late = sound(in_doubt.input(failed(1)));
    assert!(
        late.state.case.in_doubt(),
        "the second attempt is as doubtful as before"
    );
    // As the answer to the second attempt it is one more failure.
    let answered = sound(second.input(failed(2)));
    assert_eq!(
        (attention(&answered), key(&answered)),
        (vec!["payout_failed"], None)
    );
    assert!(!answered.state.case.in_doubt());
}

#[test]
fn a_pending_payout_is_watched_and_a_part_of_it_reported() {
    let script = sound(paid(PayoutState::Pending, 0));
    assert!(agenda(&script).contains(&lane("watched, poll")));
    assert_eq!(reports(&script), None);
    let partly = sound(seen(script, PayoutState::Partial, 10_00));
    assert!(agenda(&partly).contains(&lane("watched, poll")));
    assert_eq!(reports(&partly).unwrap().0, RefundState::Partial);
    let all = sound(seen(partly, PayoutState::Success, 43_99));
    assert!(!agenda(&all).contains(&lane("watched, poll")));
}

#[test]
fn a_payout_never_goes_backwards() {
    let partly = seen(
        paid(PayoutState::Partial, 10_00),
        PayoutState::Partial,
        25_50,
    );
    for (state, cents) in [(PayoutState::Partial, 10_00), (PayoutState::Pending, 0)] {
        let late = seen(partly.clone(), state, cents);
        assert!(late.state == partly.state, "{state:?}");
    }
}

#[test]
fn a_rest_that_fails_is_told_once() {
    let partly = paid(PayoutState::Partial, 10_00);
    let failed = sound(seen(partly, PayoutState::Failure, 10_00));
    assert_eq!(attention(&failed), ["payout_failed"]);
    assert_eq!(
        refund(&failed).payout.as_ref().unwrap().payout.state,
        PayoutState::Partial
    );
    let again = seen(failed.clone(), PayoutState::Failure, 10_00);
    assert!(again.state == failed.state, "no entry for each look at it");
}

#[test]
fn a_payout_of_another_amount_is_for_a_person() {
    for (state, cents) in [
        (PayoutState::Success, 50_00),
        (PayoutState::Success, 43_98),
        (PayoutState::Partial, 44_00),
    ] {
        let script = sound(paid(state, cents));
        assert_eq!(attention(&script), ["payout_differs"], "{cents}");
        assert_eq!(reports(&script), None);
        assert_eq!(key(&script), None);
    }
    let euros = countermand_core::Money::parse("43.99", "EUR").unwrap();
    let script = sound(paying().paid(PayoutState::Success, euros));
    assert_eq!(
        (attention(&script), reports(&script)),
        (vec!["payout_differs"], None)
    );
}

#[test]
fn what_somebody_else_moved_on_is_not_paid() {
    for state in [RefundState::Partial, RefundState::Failure] {
        let script = sound(due().read(cancelled(orders::refund(state))));
        assert_eq!(
            (attention(&script), key(&script)),
            (vec!["refund_moved"], None)
        );
        // As long as it is left open, a retry does not make it ours.
        let script = sound(script.operator(Action::Retry));
        assert_eq!(
            (attention(&script), key(&script)),
            (vec!["refund_moved"], None)
        );
        // Whoever moved it brings it to its end: nothing is left for a person.
        let order = cancelled(orders::refund(RefundState::Success));
        let script = sound(script.read(order.clone()));
        assert_eq!(attention(&script), Vec::<&str>::new());
        let end = sound(script.told().after(Duration::from_hours(25)).read(order));
        assert_eq!(end.state.outcome(), Some("cancelled"));
    }
}

#[test]
fn somebody_else_ends_a_refund_that_we_have_paid() {
    let script = paid(PayoutState::Success, 43_99);
    let script = sound(
        script
            .read(cancelled(orders::refund(RefundState::Success)))
            .told(),
    );
    assert_eq!(attention(&script), ["refund_moved"]);
    let waiting = script
        .after(Duration::from_hours(25))
        .read(cancelled(orders::refund(RefundState::Success)));
    assert_eq!(
        sound(waiting.clone()).state.phase.name(),
        "refund",
        "a person looks into it first"
    );
    let script = waiting
        .operator(Action::Retry)
        .read(cancelled(orders::refund(RefundState::Success)));
    assert_eq!(sound(script).state.outcome(), Some("cancelled"));
}

#[test]
fn a_refund_in_an_unknown_state_may_still_end() {
    let script = due();
    let second = |state: &str| {
        let mut order = cancelled(orders::refund(RefundState::Pending));
        order.refunds.push(RefundDetails {
            id: orders::id("R2"),
            ..orders::refund(RefundState::from(state))
        });
        order
    };
    let script = sound(script.read(second("ON_HOLD")));
    assert_eq!(attention(&script), ["refund_moved"]);
    let script = sound(script.read(second("SUCCESS")));
    assert_eq!(attention(&script), Vec::<&str>::new());
}

#[test]
fn nothing_is_paid_before_the_decision() {
    let mut order = orders::cancelling(orders::shoppers(
        countermand_core::cancellation::order::CancellationState::Pending,
    ));
    order.refunds.push(orders::refund(RefundState::Pending));
    let script = countermand_core::cancellation::exemplars::Script::requested().read(order);
    assert_eq!((script.state.phase.name(), key(&script)), ("pending", None));
    let workflow = Cancellation::default();
    let intent = Input::IntentRecorded {
        mutation: pay(),
        attempt: 1,
        key: refund(&script).key(
            &script.state.case.target_id,
            &script.state.case.order_id,
            &orders::id(orders::REFUND),
        ),
        deadline: script.now(),
        amount: Some(usd(43_99)),
    };
    assert!(
        workflow
            .step(&script.state, &intent, script.stamp_in(Duration::ZERO))
            .is_err()
    );
}

#[test]
fn missing_amounts_and_reasons_wait_for_clearness() {
    let unclear = |reason: Option<&str>, total| {
        cancelled(RefundDetails {
            reason: reason.map(str::to_owned),
            total,
            ..orders::refund(RefundState::Pending)
        })
    };
    let base = due();
    let second = |reason: Option<&'static str>, total| {
        let mut order = unclear(reason, total);
        order.refunds[0].id = orders::id("R2");
        order.refunds.push(orders::refund(RefundState::Pending));
        order
    };
    let script = sound(base.read(second(None, Some(usd(1_00)))));
    assert_eq!(attention(&script), ["refund_unclear"]);
    let script = sound(script.read(second(Some("CANCELLED_ORDER"), None)));
    assert_eq!(
        attention(&script),
        Vec::<&str>::new(),
        "the amount was known before"
    );
    let lanes = agenda(&script);
    assert!(lanes.contains(&"pay_refund/R2 now".to_owned()), "{lanes:?}");
    // The reason arrives for one that somebody else has moved on already.
    let moved = |reason: Option<&'static str>| {
        let mut order = second(reason, Some(usd(1_00)));
        order.refunds[0].state = RefundState::Failure;
        order
    };
    let script = due().read(moved(None)).read(moved(Some("CANCELLED_ORDER")));
    assert_eq!(attention(&sound(script)), ["refund_moved"]);
}

#[test]
fn the_order_is_read_while_a_refund_waits_for_amazon_though_the_oms_is_dead() {
    let unclear = RefundDetails {
        reason: None,
        ..orders::refund(RefundState::Pending)
    };
    let script = countermand_core::cancellation::exemplars::Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(countermand_core::cancellation::order::CancellationState::Pending)
        .read(cancelled(unclear.clone()))
        .after(Duration::from_hours(25))
        .read(cancelled(unclear));
    let lines = agenda(&sound(script));
    assert_eq!(lines, ["read_order poll", "update_oms #4 now"]);
}
