//! The peers' workflow: seven durable transitions with trivial steps, the fourth by an event from
//! outside, about 180 bytes of state.

use countermand_core::{
    Admission, Agenda, Effect, EffectClass, Emission, Identity, InstanceId, Item, Notice,
    OpenIntent, Projection, Stamp, UpgradeError, When, Workflow,
};
use countermand_runner::{Job, Perform, Performed, Tally};
use serde::{Deserialize, Serialize};

/// The rung at which an event is waited for: the third of seven.
pub(crate) const WAITING: u32 = 3;
/// The last rung.
pub(crate) const TOP: u32 = 7;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ladder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Request {
    Started { order: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) rung: u32,
    order: String,
    padding: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Input {
    Climbed { to: u32 },
    Called,
    Noticed { what: String },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Climb { to: u32 },
    Wait,
}

impl Effect for Step {
    fn name(&self) -> &'static str {
        "climb"
    }

    fn class(&self) -> EffectClass {
        match self {
            Self::Climb { .. } => EffectClass::Read,
            Self::Wait => EffectClass::Timer,
        }
    }

    fn remote(&self) -> &'static str {
        "ladder"
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("rung {rung} takes no such input")]
pub(crate) struct Slip {
    rung: u32,
}

impl Workflow for Ladder {
    const KIND: &'static str = "ladder";
    const VERSION: u32 = 1;
    type Request = Request;
    type Prior = ();
    type State = State;
    type Input = Input;
    type Effect = Step;
    type Rejection = Slip;

    fn identity(&self, Request::Started { order }: &Request) -> Identity {
        Identity {
            scope: "bench".to_owned(),
            subject: order.clone(),
            external_id: None,
            fingerprint: String::new(),
        }
    }

    fn admit(&self, _: &Request, _: &[State]) -> Admission<()> {
        Admission::Start(())
    }

    fn start(
        &self,
        _: &InstanceId,
        Request::Started { order }: &Request,
        (): &(),
        _: Stamp,
    ) -> State {
        State {
            rung: 1,
            order: order.clone(),
            padding: "x".repeat(120),
        }
    }

    fn step(&self, state: &State, input: &Input, _: Stamp) -> Result<State, Slip> {
        let rung = match input {
            Input::Climbed { to } if *to == state.rung + 1 && state.rung != WAITING => *to,
            Input::Called if state.rung == WAITING => WAITING + 1,
            _ => return Err(Slip { rung: state.rung }),
        };
        Ok(State {
            rung,
            ..state.clone()
        })
    }

    fn next(&self, state: &State) -> Agenda<Step> {
        let (effect, when) = match state.rung {
            TOP => return Agenda::Finished,
            WAITING => (Step::Wait, When::At(countermand_core::Timestamp::MAX)),
            rung => (Step::Climb { to: rung + 1 }, When::Now),
        };
        Agenda::Open(vec![Item {
            key: "climb".to_owned(),
            effect,
            when,
        }])
    }

    fn project(&self, state: &State) -> Projection {
        let finished = state.rung == TOP;
        Projection {
            phase: ["", "one", "two", "three", "four", "five", "six", "seven"]
                .get(state.rung as usize)
                .copied()
                .unwrap_or(""),
            outcome: finished.then_some("done"),
            finished,
            ..Projection::default()
        }
    }

    fn emissions(&self, _: &InstanceId, _: &State, _: Stamp) -> Vec<Emission> {
        Vec::new()
    }

    fn notice(&self, notice: Notice<'_, Step>) -> Input {
        Input::Noticed {
            what: format!("{notice:?}"),
        }
    }

    fn open_intents(&self, _: &State) -> Vec<OpenIntent> {
        Vec::new()
    }

    fn wants(&self, _: &State, _: &Step) -> bool {
        true
    }

    fn always_recorded(&self, _: &Input) -> bool {
        true
    }

    fn is_evidence(&self, _: &Input) -> bool {
        false
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

/// Answers at once.
pub(crate) struct Climber;

impl Perform<Ladder> for Climber {
    async fn perform(&self, job: Job<Ladder>) -> Performed<Input> {
        let inputs = match job.effect {
            Step::Climb { to } => vec![Input::Climbed { to }],
            Step::Wait => Vec::new(),
        };
        Performed {
            inputs,
            tally: Tally::Answered,
        }
    }
}
