//! Every exemplar meets inputs of every type.

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::cancellation::exemplars::{self, Exemplar, Offer};
use countermand_core::cancellation::input::{Action, Input};
use countermand_core::cancellation::{Cancellation, Rejection, State};
use countermand_core::{Stamp, Workflow};

use crate::invariants;

/// Each exemplar with each input that fits it, and the answer.
fn every_pair(mut visit: impl FnMut(&Exemplar, &Offer, Result<State, Rejection>)) {
    let workflow = Cancellation::default();
    for exemplar in exemplars::all() {
        for offer in exemplar.offers() {
            let answer = workflow.step(&exemplar.script.state, &offer.input, offer.stamp);
            visit(&exemplar, &offer, answer);
        }
    }
}

#[test]
fn every_pair_has_an_answer_that_keeps_the_rules() {
    let mut pairs = (0, 0);
    every_pair(|exemplar, offer, answer| match answer {
        Ok(state) => {
            pairs.0 += 1;
            let kept = invariants::of_step(&exemplar.script.state, &offer.input, &state)
                .and_then(|()| invariants::of_state(&state));
            assert_eq!(kept, Ok(()), "{}, {}", exemplar.name, offer.label);
        }
        Err(rejection) => {
            pairs.1 += 1;
            assert!(!rejection.to_string().is_empty());
        }
    });
    assert!(pairs.0 > 2_000 && pairs.1 > 500, "{pairs:?}");
}

#[test]
fn every_exemplar_meets_every_type_of_input() {
    let mut met = BTreeMap::<&str, BTreeSet<&str>>::new();
    every_pair(|exemplar, offer, _| {
        met.entry(exemplar.name)
            .or_default()
            .insert(offer.input.name());
    });
    let all: BTreeSet<&str> = met.values().flatten().copied().collect();
    assert_eq!(all.len(), 16, "{all:?}");
    for (exemplar, types) in &met {
        let missing: Vec<_> = all.difference(types).collect();
        assert!(missing.is_empty(), "{exemplar} never met {missing:?}");
    }
}

#[test]
fn every_exemplar_keeps_the_rules() {
    for exemplar in exemplars::all() {
        assert_eq!(
            invariants::of_state(&exemplar.script.state),
            Ok(()),
            "{}",
            exemplar.name
        );
    }
}

#[test]
fn the_end_is_final() {
    every_pair(|exemplar, offer, answer| {
        if !exemplar.name.starts_with("oms_updated.") {
            return;
        }
        let is_annotation = matches!(
            offer.input,
            Input::EventReceived(_)
                | Input::Upgraded { .. }
                | Input::Operator {
                    action: Action::Note { .. },
                    ..
                }
        );
        if is_annotation {
            assert_eq!(
                answer.as_ref(),
                Ok(&exemplar.script.state),
                "{}",
                offer.label
            );
        } else {
            assert_eq!(answer, Err(Rejection::Finished), "{}", offer.label);
        }
    });
}

#[test]
fn a_read_that_shows_nothing_new_changes_nothing() {
    let workflow = Cancellation::default();
    every_pair(|exemplar, offer, answer| {
        let (Input::OrderRead(_), Ok(state)) = (&offer.input, answer) else {
            return;
        };
        if state.phase.is_finished() {
            return;
        }
        let later = Stamp {
            seq: offer.stamp.seq + 1,
            ..offer.stamp
        };
        let again = workflow.step(&state, &offer.input, later);
        let same = again.as_ref() == Ok(&state);
        assert!(
            same,
            "{}, {}: {state:#?} {again:#?}",
            exemplar.name, offer.label
        );
    });
}

#[test]
fn a_second_outcome_changes_nothing() {
    let workflow = Cancellation::default();
    every_pair(|exemplar, offer, answer| {
        let (Input::EffectDone(_) | Input::PayoutSeen { .. }, Ok(state)) = (&offer.input, answer)
        else {
            return;
        };
        if state.phase.is_finished() {
            return;
        }
        let later = Stamp {
            seq: offer.stamp.seq + 1,
            ..offer.stamp
        };
        let Ok(mut again) = workflow.step(&state, &offer.input, later) else {
            return;
        };
        // An acceptance is believed, and looked into each time; nothing else may come of it.
        again.case.looks.clone_from(&state.case.looks);
        assert!(
            again == state,
            "{}, {}: {state:#?} {again:#?}",
            exemplar.name,
            offer.label
        );
    });
}

#[test]
fn notes_and_unknown_events_change_nothing() {
    every_pair(|exemplar, offer, answer| {
        let is_annotation =
            offer.label == "operator: note" || offer.label == "event_received: SOMETHING_NEW";
        if is_annotation {
            assert_eq!(
                answer.as_ref(),
                Ok(&exemplar.script.state),
                "{}",
                exemplar.name
            );
        }
    });
}

#[test]
fn another_order_teaches_nothing() {
    every_pair(|exemplar, offer, answer| {
        if offer.label.starts_with("order_read: another order") {
            let is_turned_down = matches!(
                answer,
                Err(Rejection::ForeignOrder { .. } | Rejection::Finished)
            );
            assert!(is_turned_down, "{}", exemplar.name);
        }
    });
}

#[test]
fn stored_forms_are_read_back() {
    every_pair(|exemplar, offer, answer| {
        let text = serde_json::to_string(&offer.input).unwrap();
        let read: Input = serde_json::from_str(&text).unwrap();
        assert_eq!(read, offer.input, "{text}");
        assert!(
            text.contains(&format!(r#""type":"{}""#, offer.input.name())),
            "{text}"
        );
        if let Ok(state) = answer {
            let text = serde_json::to_string(&state).unwrap();
            let read = Cancellation::default().upgrade(Cancellation::VERSION, &text);
            assert!(
                read.as_ref() == Ok(&state),
                "{}, {}: {text}",
                exemplar.name,
                offer.label
            );
        }
    });
}
