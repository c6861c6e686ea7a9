//! The `Workflow` trait with a second, small implementor: a parcel that waits in a locker until
//! somebody picks it up. The checks are generic, and the cancellation passes them too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use countermand_core::cancellation::exemplars;
use countermand_core::{
    Admission, Agenda, Effect, EffectClass, Emission, Epoch, Identity, InstanceId, Item, Notice,
    OpenIntent, Opening, Projection, Stamp, Timestamp, UpgradeError, When, Workflow, fold,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Waits in a locker.
struct PickUp {
    patience: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request {
    Dropped { parcel: String, locker: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Waiting {
        parcel: String,
        since: Timestamp,
    },
    /// The locker is to be opened; opening it twice would let a second parcel out.
    Opening {
        parcel: String,
        attempt: u32,
        open: Option<Epoch>,
    },
    Gone {
        parcel: String,
        returned: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Input {
    CodeTyped { code: u32 },
    OpeningBegins { attempt: u32, deadline: Timestamp },
    Opened { attempt: u32 },
    Jammed { attempt: u32 },
    TimeIsUp,
    Told,
}

#[derive(Debug, Clone, PartialEq)]
enum Job {
    Open { attempt: u32 },
    Return,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a parcel that is {state} does not take {input:?}")]
struct Rejected {
    state: &'static str,
    input: Input,
}

impl Effect for Job {
    fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Return => "return",
        }
    }

    fn class(&self) -> EffectClass {
        match self {
            Self::Open { .. } => EffectClass::Mutation,
            Self::Return => EffectClass::Timer,
        }
    }

    fn remote(&self) -> &'static str {
        match self {
            Self::Open { .. } => "locker",
            Self::Return => "",
        }
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Opening { .. } => "opening",
            Self::Gone { .. } => "gone",
        }
    }
}

impl Workflow for PickUp {
    const KIND: &'static str = "pick_up";
    const VERSION: u32 = 1;

    type Request = Request;
    type Prior = ();
    type State = State;
    type Input = Input;
    type Effect = Job;
    type Rejection = Rejected;

    fn identity(&self, request: &Request) -> Identity {
        let Request::Dropped { parcel, locker } = request;
        Identity {
            scope: locker.clone(),
            subject: parcel.clone(),
            external_id: None,
            fingerprint: parcel.clone(),
        }
    }

    fn admit(&self, _: &Request, earlier: &[State]) -> Admission<()> {
        match earlier.iter().position(|state| {
            matches!(
                state,
                State::Gone {
                    returned: false,
                    ..
                }
            )
        }) {
            Some(index) => Admission::Refuse {
                index,
                why: "picked_up",
            },
            None => Admission::Start(()),
        }
    }

    fn start(&self, _: &InstanceId, request: &Request, (): &(), stamp: Stamp) -> State {
        let Request::Dropped { parcel, .. } = request;
        State::Waiting {
            parcel: parcel.clone(),
            since: stamp.at,
        }
    }

    fn step(&self, state: &State, input: &Input, stamp: Stamp) -> Result<State, Rejected> {
        let parcel = |parcel: &String| parcel.clone();
        match (state, input) {
            (State::Waiting { parcel: p, .. }, Input::CodeTyped { code }) if code % 7 == 0 => {
                Ok(State::Opening {
                    parcel: parcel(p),
                    attempt: 0,
                    open: None,
                })
            }
            (State::Waiting { parcel: p, .. }, Input::TimeIsUp) => Ok(State::Gone {
                parcel: parcel(p),
                returned: true,
            }),
            (
                State::Opening {
                    parcel: p,
                    attempt,
                    open: None,
                },
                Input::OpeningBegins {
                    attempt: begins, ..
                },
            ) if begins.checked_sub(1) == Some(*attempt) => Ok(State::Opening {
                parcel: parcel(p),
                attempt: *begins,
                open: Some(stamp.epoch),
            }),
            (
                State::Opening {
                    parcel: p, attempt, ..
                },
                Input::Opened { attempt: opened },
            ) if opened <= attempt => Ok(State::Gone {
                parcel: parcel(p),
                returned: false,
            }),
            (
                State::Opening {
                    parcel: p,
                    attempt,
                    open: Some(_),
                },
                Input::Jammed { attempt: jammed },
            ) if jammed == attempt => Ok(State::Opening {
                parcel: parcel(p),
                attempt: *attempt,
                open: None,
            }),
            (State::Gone { .. }, Input::Told) => Ok(state.clone()),
            _ => Err(Rejected {
                state: state.name(),
                input: input.clone(),
            }),
        }
    }

    fn next(&self, state: &State) -> Agenda<Job> {
        let (key, effect, when) = match state {
            State::Waiting { since, .. } => {
                ("return", Job::Return, When::At(since.plus(self.patience)))
            }
            State::Opening {
                attempt,
                open: None,
                ..
            } => (
                "open",
                Job::Open {
                    attempt: attempt + 1,
                },
                When::Now,
            ),
            State::Opening {
                attempt,
                open: Some(_),
                ..
            } => (
                "open",
                Job::Open { attempt: *attempt },
                When::At(Timestamp::MAX),
            ),
            State::Gone { .. } => return Agenda::Finished,
        };
        Agenda::Open(vec![Item {
            key: key.to_owned(),
            effect,
            when,
        }])
    }

    fn project(&self, state: &State) -> Projection {
        Projection {
            phase: state.name(),
            outcome: match state {
                State::Gone { returned: true, .. } => Some("returned"),
                State::Gone { .. } => Some("picked_up"),
                _ => None,
            },
            finished: matches!(state, State::Gone { .. }),
            open_intent_epoch: self.open_intents(state).first().map(|intent| intent.epoch),
            ..Projection::default()
        }
    }

    fn emissions(&self, id: &InstanceId, state: &State, _: Stamp) -> Vec<Emission> {
        match state {
            State::Gone { parcel, .. } => vec![Emission {
                id: format!("{id}:gone"),
                body: parcel.clone(),
            }],
            _ => Vec::new(),
        }
    }

    fn notice(&self, notice: Notice<'_, Job>) -> Input {
        match notice {
            Notice::Intent {
                effect: Job::Open { attempt },
                deadline,
            } => Input::OpeningBegins {
                attempt: *attempt,
                deadline,
            },
            Notice::OwnerLost { intent } => Input::Jammed {
                attempt: intent.attempt,
            },
            Notice::TimerFired { .. } => Input::TimeIsUp,
            _ => Input::Told,
        }
    }

    fn open_intents(&self, state: &State) -> Vec<OpenIntent> {
        match state {
            State::Opening {
                attempt,
                open: Some(epoch),
                ..
            } => {
                vec![OpenIntent {
                    key: "open".to_owned(),
                    attempt: *attempt,
                    epoch: *epoch,
                }]
            }
            _ => Vec::new(),
        }
    }

    fn wants(&self, state: &State, effect: &Job) -> bool {
        match (state, effect) {
            (
                State::Opening {
                    attempt,
                    open: Some(_),
                    ..
                },
                Job::Open { attempt: asked },
            ) => attempt == asked,
            (State::Waiting { .. }, Job::Return) => true,
            _ => false,
        }
    }

    fn always_recorded(&self, _: &Input) -> bool {
        true
    }

    fn is_evidence(&self, input: &Input) -> bool {
        matches!(input, Input::Opened { .. } | Input::Jammed { .. })
    }

    fn actor<'a>(&self, _: &'a Input) -> Option<&'a str> {
        None
    }

    fn upgrade(&self, version: u32, state: &str) -> Result<State, UpgradeError> {
        serde_json::from_str(state).map_err(|error| UpgradeError::Unreadable {
            version,
            detail: error.to_string(),
        })
    }
}

fn pick_up() -> PickUp {
    PickUp {
        patience: Duration::from_hours(72),
    }
}

fn stamp(seq: u64) -> Stamp {
    Stamp {
        at: Timestamp::from_millis(1_740_042_000_000).plus(Duration::from_mins(seq)),
        seq,
        epoch: Epoch(seq / 10 + 1),
    }
}

/// What the engine relies on, of any state of any workflow.
fn check_state<W: Workflow>(workflow: &W, state: &W::State) {
    let agenda = workflow.next(state);
    let finished = workflow.project(state).finished;
    assert_eq!(matches!(agenda, Agenda::Finished), finished, "{state:?}");
    assert_ne!(
        agenda.items().is_empty(),
        !finished,
        "an empty agenda: {state:?}"
    );
    let lanes: BTreeSet<_> = agenda.items().iter().map(|item| &item.key).collect();
    assert_eq!(lanes.len(), agenda.items().len(), "{state:?}");
    let text = serde_json::to_string(state).unwrap();
    assert_eq!(&workflow.upgrade(W::VERSION, &text).unwrap(), state);
    for intent in workflow.open_intents(state) {
        assert!(
            lanes.contains(&intent.key),
            "an open intent without a lane: {state:?}"
        );
    }
    assert_eq!(
        workflow.next(state),
        agenda,
        "the same question, the same answer"
    );
}

/// What the engine relies on, of any run of any workflow.
fn check_run<W: Workflow>(workflow: &W, request: &W::Request, inputs: &[W::Input]) -> W::State {
    let id = InstanceId::new("i-1").unwrap();
    let opening = Opening {
        request: request.clone(),
        prior: W::Prior::default(),
    };
    let text = serde_json::to_value(&opening).unwrap();
    assert!(
        text.get("type").is_some(),
        "an opening is a map with a `type`"
    );
    let mut state = workflow.start(&id, request, &opening.prior, stamp(1));
    check_state(workflow, &state);
    let mut accepted = Vec::new();
    for input in inputs {
        let text = serde_json::to_value(input).unwrap();
        assert!(
            text.get("type").is_some(),
            "an input is a map with a `type`: {text}"
        );
        let now = stamp(2 + u64::try_from(accepted.len()).unwrap());
        let before = state.clone();
        match workflow.step(&state, input, now) {
            Ok(next) => {
                check_state(workflow, &next);
                assert_eq!(
                    workflow.step(&before, input, now).ok(),
                    Some(next.clone()),
                    "a pure function"
                );
                state = next;
                accepted.push((input.clone(), now));
            }
            Err(rejection) => {
                assert_eq!(state, before);
                assert!(!rejection.to_string().is_empty());
            }
        }
    }
    let folded = fold(workflow, &id, &opening, stamp(1), accepted);
    assert_eq!(folded.ok(), Some(state.clone()));
    state
}

fn dropped() -> Request {
    Request::Dropped {
        parcel: "p-1".to_owned(),
        locker: "l-1".to_owned(),
    }
}

#[test]
fn a_parcel_is_picked_up() {
    let inputs = [
        Input::CodeTyped { code: 1 },
        Input::CodeTyped { code: 49 },
        Input::OpeningBegins {
            attempt: 1,
            deadline: stamp(9).at,
        },
        Input::Jammed { attempt: 1 },
        Input::OpeningBegins {
            attempt: 2,
            deadline: stamp(9).at,
        },
        Input::Opened { attempt: 1 },
        Input::TimeIsUp,
    ];
    let end = check_run(&pick_up(), &dropped(), &inputs);
    assert_eq!(
        end,
        State::Gone {
            parcel: "p-1".to_owned(),
            returned: false
        }
    );
    assert_eq!(pick_up().project(&end).outcome, Some("picked_up"));
    assert!(matches!(
        pick_up().admit(&dropped(), &[end]),
        Admission::Refuse { index: 0, .. }
    ));
}

#[test]
fn an_agenda_leads_through_the_notices() {
    let workflow = pick_up();
    let id = InstanceId::new("i-1").unwrap();
    let state = workflow.start(&id, &dropped(), &(), stamp(1));
    let Agenda::Open(items) = workflow.next(&state) else {
        panic!("something is to be done");
    };
    let input = workflow.notice(Notice::TimerFired {
        effect: &items[0].effect,
    });
    let state = workflow.step(&state, &input, stamp(2)).unwrap();
    assert_eq!(workflow.next(&state), Agenda::Finished);
    assert_eq!(workflow.emissions(&id, &state, stamp(2)).len(), 1);
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        (0_u32..15).prop_map(|code| Input::CodeTyped { code }),
        (0_u32..4).prop_map(|attempt| Input::OpeningBegins {
            attempt,
            deadline: stamp(9).at
        }),
        (0_u32..4).prop_map(|attempt| Input::Opened { attempt }),
        (0_u32..4).prop_map(|attempt| Input::Jammed { attempt }),
        Just(Input::TimeIsUp),
        Just(Input::Told),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_run_of_a_parcel(inputs in vec(inputs(), 0..20)) {
        check_run(&pick_up(), &dropped(), &inputs);
    }

    #[test]
    fn any_run_of_a_cancellation(
        by_us in any::<bool>(),
        inputs in vec(countermand_core::strategies::inputs(), 0..20),
    ) {
        let script = if by_us { exemplars::Script::requested() } else { exemplars::Script::observed_by_hand() };
        let workflow = countermand_core::cancellation::Cancellation::default();
        check_run(&workflow, &script.opening.request, &inputs);
    }
}
