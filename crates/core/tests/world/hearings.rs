//! The facts of one life, heard in any order and more than once, while every effect succeeds.

use std::collections::BTreeSet;
use std::time::Duration;

use countermand_core::cancellation::exemplars::{PAYMENT, Script, orders::id, payout};
use countermand_core::cancellation::input::{Done, Input, PayoutState};
use countermand_core::cancellation::order::{Order, RefundState};
use countermand_core::cancellation::{Effect, input::Mutation};
use countermand_core::strategies::life::{Heard, Life, apply, hearings, lives};
use proptest::prelude::*;

use crate::invariants;

/// The order after so many deeds.
fn after(life: &Life, deeds: usize) -> Order {
    let mut order = life.born();
    for (_, deed) in life.deeds.iter().take(deeds) {
        apply(&mut order, life.packing, deed);
    }
    order
}

/// Everything on the agenda is done at once, and goes well.
fn perform(mut script: Script) -> Script {
    loop {
        let before = script.seq();
        for effect in script.effects() {
            script = match effect {
                Effect::PayRefund(pay) => {
                    let refund_id = pay.refund_id.clone();
                    let lane = Mutation::PayRefund {
                        refund_id: refund_id.clone(),
                    }
                    .lane();
                    let name = format!("{PAYMENT}-{refund_id}");
                    let payout = payout(&name, PayoutState::Success, pay.amount);
                    let done = Done::PayRefund {
                        refund_id,
                        attempt: pay.attempt,
                        payout,
                    };
                    script.intent(&lane).input(Input::EffectDone(done))
                }
                Effect::ReportRefund(report) => {
                    let refund_id = report.refund_id.clone();
                    let lane = Mutation::ReportRefund {
                        refund_id: refund_id.clone(),
                    }
                    .lane();
                    let state = report.state.clone();
                    let done = Done::ReportRefund {
                        refund_id,
                        attempt: report.attempt,
                        state,
                    };
                    script.intent(&lane).input(Input::EffectDone(done))
                }
                Effect::UpdateOms(_) => script.told(),
                _ => script,
            };
        }
        if script.seq() == before {
            return script;
        }
    }
}

/// How it ends: the outcome, whether the OMS heard of a success, and what became of each refund.
type End = (
    Option<&'static str>,
    bool,
    BTreeSet<(String, RefundState, u32)>,
);

fn end(life: &Life, heard: &[Heard]) -> Result<End, TestCaseError> {
    let mut script = Script::observed_by_hand();
    for heard in heard {
        script = perform(match heard {
            Heard::Event(event) => script.input(Input::EventReceived(event.clone())),
            Heard::Read { deeds } => script.read(after(life, *deeds)),
        });
        prop_assert_eq!(invariants::of_state(&script.state), Ok(()));
    }
    // Then reads, and all of them show the end: Amazon's, with what we reported.
    for wait in [
        Duration::from_mins(31),
        Duration::from_hours(25),
        Duration::from_hours(25),
    ] {
        let mut order = life.end();
        for refund in &mut order.refunds {
            let known = script.state.case.refunds.get(&refund.id);
            if let Some(reported) = known.and_then(|known| known.reported.as_ref()) {
                refund.state = reported.state.clone();
                refund.total = Some(reported.total);
            }
        }
        script = perform(script.after(wait).read(order));
    }
    prop_assert!(script.state.phase.is_finished(), "{:#?}", script.state);
    let case = &script.state.case;
    let refunds = case
        .refunds
        .iter()
        .map(|(id, refund)| (id.to_string(), refund.state.clone(), refund.pay.made));
    let told = case
        .milestones
        .counts
        .contains_key("cancellation.succeeded");
    Ok((script.state.outcome(), told, refunds.collect()))
}

fn heard_lives() -> impl Strategy<Value = (Life, Vec<Heard>)> {
    lives().prop_flat_map(|life| {
        let heard = hearings(&life);
        (Just(life), heard)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_order_the_end_is_the_same((life, heard) in heard_lives()) {
        let in_order: Vec<Heard> = (0..=life.deeds.len()).map(|deeds| Heard::Read { deeds }).collect();
        prop_assert_eq!(end(&life, &in_order)?, end(&life, &heard)?);
    }
}

#[test]
fn there_is_something_to_hear() {
    let id: countermand_core::OrderId = id("322-T7QM-2LH9WD");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut events = 0;
    for _ in 0..50 {
        let (life, heard) = heard_lives().new_tree(&mut runner).unwrap().current();
        assert_eq!(life.end().id, id);
        events += heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Event(_)))
            .count();
    }
    assert!(events > 100, "{events}");
}

use proptest::strategy::ValueTree as _;
