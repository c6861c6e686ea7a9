//! Refunds that somebody else had moved on before the first look.

use countermand_core::Money;
use countermand_core::cancellation::exemplars::Script;
use countermand_core::cancellation::input::Fact;
use countermand_core::cancellation::view::{RowFacts, View};
use countermand_core::cancellation::{Prior, Rejection};

use super::*;
use crate::{attention, sound};

/// First seen in this state, with this total.
fn first_seen(state: RefundState, cents: u32) -> Script {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(CancellationState::Pending);
    sound(script.told().read(at_amazon(state, cents, &[])))
}

fn paid_by_hand(amount: Money) -> Fact {
    Fact::RefundPaid {
        refund_id: orders::id(orders::REFUND),
        payment_id: orders::id("cheque-7"),
        amount,
    }
}

fn view(script: &Script) -> View {
    let facts = RowFacts {
        id: script.id().clone(),
        revision: script.seq(),
        created_at: script.opened.at,
        updated_at: script.now(),
        finished_at: None,
        due_at: None,
        attempt: 0,
        last_error: None,
        now: script.now(),
    };
    View::new(&script.state, facts)
}

/// How often the OMS hears of the refund.
fn told(script: &Script) -> u32 {
    let counted = format!("refund.updated/{}", orders::REFUND);
    let counts = &script.state.case.milestones.counts;
    counts.get(&counted).copied().unwrap_or_default()
}

#[test]
fn a_running_total_is_not_taken_for_the_amount_due() {
    let script = first_seen(RefundState::Partial, 10_00);
    assert_eq!(attention(&script), ["refund_moved"]);
    assert_eq!(refund(&script).amount, None);
    assert_eq!(refund(&script).total_at_amazon, Some(usd(10_00)));
    let shown = serde_json::to_value(view(&script)).unwrap();
    let shown = &shown["refunds"][0];
    assert_eq!(shown["amount"], serde_json::Value::Null);
    assert_eq!(shown["totalAtAmazon"]["amount"], "10.00");
    // Nobody here knows how much is due: a person's sum is taken as it is.
    let script = sound(script.told().told().resolve(paid_by_hand(usd(43_99))));
    assert_reports(
        &script,
        RefundState::Success,
        "43.99 USD",
        &["cheque-7 43.99 USD"],
    );
    assert_eq!(attention(&script), Vec::<&str>::new());
}

#[test]
fn a_persons_sum_must_still_make_sense() {
    let euros = Money::parse("43.99", "EUR").unwrap();
    for (state, amount, says) in [
        (RefundState::Partial, euros, "give the amount in USD"),
        (RefundState::Failure, euros, "give the amount in USD"),
        (RefundState::Partial, usd(9_99), "10.00 USD of refund"),
    ] {
        let script = first_seen(state, 10_00);
        let refused = script.clone().resolve(paid_by_hand(amount));
        let Some((_, Rejection::Refused { why })) = refused.turned_down.last() else {
            panic!("{amount} is taken");
        };
        assert!(why.contains(says), "{why}");
        assert!(refused.state == script.state);
    }
    // After a failure the total may be an estimate.
    let failed = first_seen(RefundState::Failure, 10_00);
    assert_eq!(refund(&failed).amount, None);
    sound(failed.resolve(paid_by_hand(usd(9_99))));
}

#[test]
fn what_was_due_stays_known_when_somebody_else_moves_it_on() {
    let script = sound(due().read(at_amazon(RefundState::Partial, 10_00, &[])));
    assert_eq!(refund(&script).amount, Some(usd(43_99)));
    assert_eq!(refund(&script).total_at_amazon, Some(usd(10_00)));
    let refused = script.clone().resolve(paid_by_hand(usd(44_00)));
    assert!(!refused.turned_down.is_empty());
    sound(script.resolve(paid_by_hand(usd(43_99))));
}

#[test]
fn without_a_reason_and_without_an_amount_it_is_asked_about_once() {
    let seen = |reason: Option<&str>| {
        cancelled(RefundDetails {
            reason: reason.map(str::to_owned),
            ..orders::refund(RefundState::Partial)
        })
    };
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(CancellationState::Pending);
    let script = sound(script.read(seen(None)));
    assert_eq!(attention(&script), ["refund_unclear"]);
    let script = sound(script.read(seen(Some("CANCELLED_ORDER"))));
    assert_eq!(attention(&script), ["refund_moved"]);
}

#[test]
fn the_oms_hears_of_a_refund_that_had_ended_before_it_was_seen() {
    for state in [RefundState::Success, RefundState::Rejected] {
        let script = first_seen(state.clone(), 43_99);
        assert_eq!((told(&script), attention(&script)), (1, vec![]));
        let again = sound(script.clone().read(at_amazon(state.clone(), 43_99, &[])));
        assert_eq!(told(&again), 1);
        let end = sound(
            script
                .told()
                .after(Duration::from_hours(25))
                .read(at_amazon(state, 43_99, &[]))
                .told(),
        );
        assert_eq!(end.state.outcome(), Some("cancelled"));
        assert_eq!(told(&end), 1);
    }
    // Left open, it is heard of when it ends.
    let open = first_seen(RefundState::Partial, 10_00);
    assert_eq!(told(&open), 0);
    let ended = sound(open.read(at_amazon(RefundState::Success, 43_99, &[])));
    assert_eq!(told(&ended), 1);
}

#[test]
fn the_oms_does_not_hear_twice_nor_of_what_is_not_ours() {
    let prior = Prior {
        refunds: [orders::id(orders::REFUND)].into(),
        ..Prior::default()
    };
    let known = Script::observed(prior).read(at_amazon(RefundState::Success, 43_99, &[]));
    assert_eq!(told(&known), 0);
    let mut returned = orders::all_pending();
    returned.refunds.push(RefundDetails {
        reason: Some("RETURN_RECEIVED".to_owned()),
        ..orders::refund(RefundState::Success)
    });
    let script = Script::observed_by_hand().read(returned.clone());
    let script = sound(script.after(Duration::from_mins(31)).read(returned));
    assert_eq!(script.state.outcome(), Some("nothing_to_do"));
    assert!(script.state.case.milestones.counts.is_empty());
}
