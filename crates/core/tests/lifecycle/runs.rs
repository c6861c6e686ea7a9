//! Random runs: whatever comes, in whatever order, every rule is kept.

use std::time::Duration;

use countermand_core::cancellation::exemplars::{self, ID};
use countermand_core::cancellation::input::{Input, OrderRead};
use countermand_core::cancellation::order::Order;
use countermand_core::cancellation::{Cancellation, State};
use countermand_core::strategies::{inputs, orders, waits};
use countermand_core::{EffectClass, InstanceId, Notice, Stamp, Workflow, fold};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::invariants;

/// One step of a run.
#[derive(Debug, Clone)]
enum Move {
    /// Any input at all.
    Any(Input),
    /// A read that begins now.
    Read(Option<Order>),
    /// The intent of a mutation on the agenda.
    Intent(Index),
    /// One of the inputs that fit the exemplars: outcomes of the newest attempts and the like.
    Offer(Index),
    /// The owner of the open intents is gone.
    Crash,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => inputs().prop_map(Move::Any),
        3 => proptest::option::weighted(0.9, orders()).prop_map(Move::Read),
        4 => any::<Index>().prop_map(Move::Intent),
        6 => any::<Index>().prop_map(Move::Offer),
        1 => Just(Move::Crash),
    ]
}

fn fitting(state: &State, stamp: Stamp, this: &Move) -> Vec<Input> {
    let workflow = Cancellation::default();
    match this {
        Move::Any(input) => vec![input.clone()],
        Move::Read(order) => vec![Input::OrderRead(OrderRead {
            began_seq: stamp.seq - 1,
            began_at: stamp.at,
            order: order.clone(),
        })],
        Move::Intent(index) => {
            let agenda = workflow.next(state);
            let mutations: Vec<_> = agenda
                .items()
                .iter()
                .filter(|item| {
                    countermand_core::Effect::class(&item.effect) == EffectClass::Mutation
                })
                .collect();
            if mutations.is_empty() {
                return Vec::new();
            }
            let deadline = stamp.at.plus(Duration::from_secs(30));
            let effect = &index.get(&mutations).effect;
            vec![workflow.notice(Notice::Intent { effect, deadline })]
        }
        Move::Offer(index) => {
            let mut script = exemplars::Script::requested();
            script.state = state.clone();
            let offers = exemplars::Exemplar {
                name: "run",
                script,
            }
            .offers();
            vec![index.get(&offers).input.clone()]
        }
        Move::Crash => {
            let lost = workflow.open_intents(state);
            lost.iter()
                .map(|intent| workflow.notice(Notice::OwnerLost { intent }))
                .collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_keeps_the_rules_and_its_history_proves_it(
        start in any::<Index>(),
        moves in vec((moves(), waits()), 1..40),
    ) {
        let workflow = Cancellation::default();
        let all = exemplars::all();
        let script = &start.get(&all).script;
        let mut state = script.state.clone();
        let mut history = script.entries.clone();
        let mut stamp = script.stamp_in(Duration::ZERO);
        for (this, wait) in moves {
            for input in fitting(&state, stamp, &this) {
                stamp.at = stamp.at.plus(wait);
                let before = state.clone();
                match workflow.step(&state, &input, stamp) {
                    Ok(next) => {
                        let kept = invariants::of_step(&before, &input, &next).and_then(|()| invariants::of_state(&next));
                        prop_assert_eq!(kept, Ok(()), "{:#?}\n{:#?}\n{:#?}", before, input, next);
                        state = next;
                        history.push((input, stamp));
                        stamp.seq += 1;
                    }
                    Err(rejection) => {
                        prop_assert_eq!(&state, &before);
                        prop_assert!(!rejection.to_string().is_empty());
                    }
                }
            }
        }
        let id = InstanceId::new(ID).unwrap();
        let folded = fold(&workflow, &id, &script.opening, script.opened, history.clone());
        prop_assert_eq!(folded.as_ref(), Ok(&state));
        // The stored forms prove the same.
        let stored: Vec<String> = history.iter().map(|(input, _)| serde_json::to_string(input).unwrap()).collect();
        let read = stored.iter().zip(&history).map(|(text, (_, stamp))| (serde_json::from_str(text).unwrap(), *stamp));
        let again = fold(&workflow, &id, &script.opening, script.opened, read);
        prop_assert_eq!(again.as_ref(), Ok(&state));
        let text = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }

    #[test]
    fn any_input_has_an_answer_in_any_state(start in any::<Index>(), input in inputs(), stamp in countermand_core::strategies::stamps()) {
        let all = exemplars::all();
        let state = &start.get(&all).script.state;
        if let Ok(next) = Cancellation::default().step(state, &input, stamp) {
            let kept = invariants::of_step(state, &input, &next).and_then(|()| invariants::of_state(&next));
            prop_assert_eq!(kept, Ok(()));
        }
    }

    #[test]
    fn money_is_exact(a in countermand_core::strategies::money(), b in countermand_core::strategies::money()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<countermand_core::Money>(&text).unwrap(), a);
        let parsed = countermand_core::Money::parse(&a.amount().to_string(), a.currency().as_str());
        prop_assert_eq!(parsed.unwrap(), a);
        match a.plus(&b) {
            Ok(sum) => {
                prop_assert_eq!(a.currency(), b.currency());
                prop_assert_eq!(sum.minus(&b).unwrap(), a);
            }
            Err(countermand_core::MoneyError::Mixed { .. }) => prop_assert_ne!(a.currency(), b.currency()),
            Err(error) => prop_assert!(matches!(error, countermand_core::MoneyError::Overflow)),
        }
    }
}
