//! A small workflow: a parcel is weighed (a read), shipped (a mutation with a look), announced (a
//! delivery at least once) and tracked (a read beside it), rests for a while (a timer) and is done.

use std::time::Duration;

use countermand_core::{
    Admission, Agenda, AttentionFlag, EffectClass, Emission, Epoch, Identity, InstanceId, Item,
    Money, Notice, OpenIntent, Projection, Spend, Stamp, Timestamp, UpgradeError, When, Workflow,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// How long "not there" is disbelieved.
    pub(crate) lag: Duration,
    /// How long a parcel rests.
    pub(crate) rest: Duration,
    /// What a shipment costs.
    pub(crate) postage: Option<Money>,
}

impl Default for Parcel {
    fn default() -> Self {
        Self {
            lag: Duration::from_secs(5),
            rest: Duration::from_millis(300),
            postage: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ship")]
pub(crate) struct Ship {
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    /// Must each name be shipped at most once, ever?
    #[serde(default)]
    pub(crate) once: bool,
}

impl Ship {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            external_id: None,
            once: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) name: String,
    external_id: Option<String>,
    pub(crate) phase: Phase,
    since: Timestamp,
    pub(crate) grams: u32,
    pub(crate) attempts: u32,
    open: Option<Intent>,
    pub(crate) doubt: Option<Doubt>,
    /// The entry whose message is still to be told.
    untold: Option<u64>,
    pub(crate) tracked: bool,
    pub(crate) hints: u32,
    pub(crate) attention: Option<Timestamp>,
    /// There is no money for it.
    #[serde(default)]
    pub(crate) limited: bool,
    lag_ms: u64,
    rest_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Weighing,
    Shipping,
    Shipped,
    Resting,
    Done,
    Returned,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Weighing => "weighing",
            Self::Shipping => "shipping",
            Self::Shipped => "shipped",
            Self::Resting => "resting",
            Self::Done => "done",
            Self::Returned => "returned",
        }
    }

    fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Returned)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Intent {
    attempt: u32,
    epoch: Epoch,
    deadline: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Doubt {
    pub(crate) attempt: u32,
    since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Input {
    Weighed {
        grams: u32,
    },
    IntentRecorded {
        attempt: u32,
        deadline: Timestamp,
        #[serde(default)]
        postage: Option<Money>,
    },
    /// Done, or found to be done.
    ShipDone {
        attempt: u32,
    },
    NotSent {
        attempt: u32,
    },
    Unknown {
        attempt: u32,
        why: String,
    },
    Told {
        seq: u64,
    },
    Tracked,
    Hint {
        number: u32,
    },
    RestOver,
    Stopped {
        lane: String,
        failures: u32,
    },
    Retry {
        actor: String,
    },
    Return {
        actor: String,
    },
    Upgraded {
        from: u32,
        to: u32,
    },
    /// Breaks the workflow's own code.
    Bomb,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Weigh,
    Ship { attempt: u32, name: String },
    Announce { seq: u64, id: String },
    Track,
    Overdue { attempt: u32 },
    Rest,
}

impl countermand_core::Effect for Effect {
    fn name(&self) -> &'static str {
        match self {
            Self::Weigh => "weigh",
            Self::Ship { .. } => "ship",
            Self::Announce { .. } => "announce",
            Self::Track => "track",
            Self::Overdue { .. } | Self::Rest => "timer",
        }
    }

    fn class(&self) -> EffectClass {
        match self {
            Self::Weigh | Self::Track => EffectClass::Read,
            Self::Ship { .. } => EffectClass::Mutation,
            Self::Announce { .. } => EffectClass::AtLeastOnce,
            Self::Overdue { .. } | Self::Rest => EffectClass::Timer,
        }
    }

    fn remote(&self) -> &'static str {
        match self {
            Self::Weigh => "scales",
            Self::Ship { .. } => "carrier",
            Self::Announce { .. } => "customer",
            Self::Track => "tracker",
            Self::Overdue { .. } | Self::Rest => "",
        }
    }

    /// `pen@north` is shipped from the northern branch.
    fn partition(&self) -> Option<&str> {
        match self {
            Self::Ship { name, .. } => Some(name.split_once('@')?.1),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a parcel that is {phase} has no use for that")]
pub(crate) struct Rejected {
    pub(crate) phase: &'static str,
}

impl State {
    fn move_on(&mut self, at: Timestamp) {
        if self.phase == Phase::Shipped && self.untold.is_none() && self.tracked {
            self.phase = Phase::Resting;
            self.since = at;
        }
    }

    fn is_present(&self, attempt: u32) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.attempt == attempt)
    }
}

impl Workflow for Parcel {
    const KIND: &'static str = "parcel";
    const VERSION: u32 = 2;

    type Request = Ship;
    type Prior = u32;
    type State = State;
    type Input = Input;
    type Effect = Effect;
    type Rejection = Rejected;

    fn identity(&self, request: &Ship) -> Identity {
        Identity {
            scope: "shop".to_owned(),
            subject: request.name.clone(),
            external_id: request.external_id.clone(),
            fingerprint: format!("{} {}", request.name, request.once),
        }
    }

    fn admit(&self, request: &Ship, earlier: &[State]) -> Admission<u32> {
        if let Some(index) = earlier.iter().position(|state| state.phase == Phase::Done)
            && request.once
        {
            return Admission::Refuse {
                index,
                why: "shipped",
            };
        }
        if request.name.starts_with("known") && !earlier.is_empty() {
            return Admission::Known;
        }
        Admission::Start(u32::try_from(earlier.len()).unwrap())
    }

    fn start(&self, _: &InstanceId, request: &Ship, prior: &u32, stamp: Stamp) -> State {
        assert!(request.name != "bomb", "a request that breaks the workflow");
        State {
            name: request.name.clone(),
            external_id: request.external_id.clone(),
            phase: Phase::Weighing,
            since: stamp.at,
            grams: 0,
            attempts: 0,
            open: None,
            doubt: None,
            untold: None,
            tracked: false,
            hints: *prior * 100,
            attention: None,
            limited: false,
            lag_ms: u64::try_from(self.lag.as_millis()).unwrap(),
            rest_ms: u64::try_from(self.rest.as_millis()).unwrap(),
        }
    }

    fn step(&self, state: &State, input: &Input, stamp: Stamp) -> Result<State, Rejected> {
        let mut next = state.clone();
        let rejected = Err(Rejected {
            phase: state.phase.name(),
        });
        let is_finished = state.phase.is_finished();
        match input {
            Input::Bomb => panic!("an input that breaks the workflow"),
            Input::Upgraded { .. } => {}
            Input::Weighed { grams } if state.phase == Phase::Weighing => {
                if *grams > 0 {
                    next.grams = *grams;
                    next.phase = Phase::Shipping;
                    next.since = stamp.at;
                }
            }
            Input::IntentRecorded {
                attempt, deadline, ..
            } => {
                let is_next = *attempt == state.attempts + 1 && state.open.is_none();
                if state.phase != Phase::Shipping || !is_next {
                    return rejected;
                }
                next.attempts = *attempt;
                next.open = Some(Intent {
                    attempt: *attempt,
                    epoch: stamp.epoch,
                    deadline: *deadline,
                });
            }
            Input::ShipDone { .. } => {
                next.open = None;
                next.doubt = None;
                if state.phase == Phase::Shipping {
                    next.phase = Phase::Shipped;
                    next.since = stamp.at;
                    next.untold = Some(stamp.seq);
                }
            }
            Input::NotSent { attempt } => {
                if state.is_present(*attempt) {
                    next.open = None;
                }
            }
            Input::Unknown { attempt, .. } => {
                if state.is_present(*attempt) {
                    next.open = None;
                    next.doubt = Some(Doubt {
                        attempt: *attempt,
                        since: stamp.at,
                    });
                }
            }
            Input::Told { seq } => {
                if state.untold == Some(*seq) {
                    next.untold = None;
                    next.move_on(stamp.at);
                }
            }
            Input::Tracked => {
                if state.phase == Phase::Shipped {
                    next.tracked = true;
                    next.move_on(stamp.at);
                }
            }
            Input::Hint { number } if !is_finished => {
                next.hints += 1;
                if *number == 999 {
                    next.phase = Phase::Weighing;
                }
            }
            Input::RestOver => {
                if state.phase == Phase::Resting {
                    next.phase = Phase::Done;
                }
            }
            Input::Stopped { failures, .. } if !is_finished => {
                next.attention = Some(stamp.at);
                next.limited |= *failures == 0;
            }
            Input::Retry { .. } if !is_finished => {
                next.attention = None;
                next.limited = false;
            }
            Input::Return { .. } if state.phase == Phase::Weighing => next.phase = Phase::Returned,
            Input::Weighed { .. }
            | Input::Hint { .. }
            | Input::Stopped { .. }
            | Input::Retry { .. }
            | Input::Return { .. } => return rejected,
        }
        Ok(next)
    }

    fn next(&self, state: &State) -> Agenda<Effect> {
        let item = |key: &str, effect, when| Item {
            key: key.to_owned(),
            effect,
            when,
        };
        let poll = |first: u64| When::Poll {
            since: state.since,
            first: Duration::from_millis(first),
            cap: Duration::from_secs(10),
            prompt: true,
            until: None,
        };
        let items = match state.phase {
            Phase::Done | Phase::Returned => return Agenda::Finished,
            Phase::Weighing => vec![item("weigh", Effect::Weigh, poll(100))],
            Phase::Shipping if state.limited => {
                vec![item("rest", Effect::Rest, When::At(Timestamp::MAX))]
            }
            Phase::Shipping => {
                let ship = Effect::Ship {
                    attempt: state.attempts + 1,
                    name: state.name.clone(),
                };
                vec![match (&state.open, &state.doubt) {
                    (Some(open), _) => {
                        let attempt = open.attempt;
                        item("ship", Effect::Overdue { attempt }, When::At(open.deadline))
                    }
                    (None, Some(doubt)) => {
                        let wait = Duration::from_millis(state.lag_ms);
                        let since = doubt.since;
                        item("ship", ship, When::Settled { since, wait })
                    }
                    (None, None) => item("ship", ship, When::Now),
                }]
            }
            Phase::Shipped => {
                let mut items = Vec::new();
                if let Some(seq) = state.untold {
                    let id = format!("{}/shipped", state.name);
                    items.push(item("announce", Effect::Announce { seq, id }, When::Now));
                }
                if !state.tracked {
                    items.push(item("track", Effect::Track, poll(100)));
                }
                items
            }
            Phase::Resting => {
                let at = state.since.plus(Duration::from_millis(state.rest_ms));
                vec![item("rest", Effect::Rest, When::At(at))]
            }
        };
        Agenda::Open(items)
    }

    fn project(&self, state: &State) -> Projection {
        Projection {
            phase: state.phase.name(),
            outcome: state.phase.is_finished().then(|| state.phase.name()),
            finished: state.phase.is_finished(),
            in_doubt: state.doubt.is_some(),
            attention: state.attention.map(|since| AttentionFlag {
                since,
                why: "attempts_used_up".to_owned(),
            }),
            open_intent_epoch: state.open.as_ref().map(|open| open.epoch),
            external_id: state.external_id.clone(),
            fingerprint: state
                .external_id
                .as_ref()
                .map(|_| format!("{} {}", state.name, false)),
        }
    }

    fn emissions(&self, _: &InstanceId, state: &State, stamp: Stamp) -> Vec<Emission> {
        if state.untold != Some(stamp.seq) {
            return Vec::new();
        }
        vec![Emission {
            id: format!("{}/shipped", state.name),
            body: format!("{} g shipped at {}", state.grams, stamp.at),
        }]
    }

    fn notice(&self, notice: Notice<'_, Effect>) -> Input {
        match notice {
            Notice::Intent { effect, deadline } => match effect {
                Effect::Ship { attempt, .. } => Input::IntentRecorded {
                    attempt: *attempt,
                    deadline,
                    postage: self.postage,
                },
                other => panic!("no mutation: {other:?}"),
            },
            Notice::OwnerLost { intent } => Input::Unknown {
                attempt: intent.attempt,
                why: "owner_lost".to_owned(),
            },
            Notice::TimerFired { effect } => match effect {
                Effect::Overdue { attempt } => Input::Unknown {
                    attempt: *attempt,
                    why: "overdue".to_owned(),
                },
                Effect::Rest => Input::RestOver,
                other => panic!("no timer: {other:?}"),
            },
            Notice::AttemptsExhausted { key, failures, .. } => Input::Stopped {
                lane: key.to_owned(),
                failures,
            },
            Notice::Limited { key, .. } => Input::Stopped {
                lane: key.to_owned(),
                failures: 0,
            },
            Notice::Upgraded { from, to } => Input::Upgraded { from, to },
        }
    }

    fn spend(&self, input: &Input) -> Option<Spend> {
        match input {
            Input::IntentRecorded {
                postage: Some(postage),
                ..
            } => Some(Spend {
                key: "postage".to_owned(),
                amount: *postage,
            }),
            _ => None,
        }
    }

    fn open_intents(&self, state: &State) -> Vec<OpenIntent> {
        let open = state.open.iter();
        open.map(|open| OpenIntent {
            key: "ship".to_owned(),
            attempt: open.attempt,
            epoch: open.epoch,
        })
        .collect()
    }

    fn wants(&self, state: &State, effect: &Effect) -> bool {
        match effect {
            Effect::Ship { attempt, .. } => {
                state.phase == Phase::Shipping && state.is_present(*attempt)
            }
            _ => false,
        }
    }

    fn restored(&self) -> Option<Input> {
        Some(Input::Hint { number: 0 })
    }

    fn always_recorded(&self, input: &Input) -> bool {
        matches!(
            input,
            Input::ShipDone { .. } | Input::Upgraded { .. } | Input::Retry { .. }
        )
    }

    fn is_evidence(&self, input: &Input) -> bool {
        matches!(input, Input::Return { .. })
    }

    fn actor<'a>(&self, input: &'a Input) -> Option<&'a str> {
        match input {
            Input::Retry { actor } | Input::Return { actor } => Some(actor),
            _ => None,
        }
    }

    fn upgrade(&self, version: u32, state: &str) -> Result<State, UpgradeError> {
        let unreadable = |detail: String| UpgradeError::Unreadable { version, detail };
        if version != 1 {
            return Err(unreadable("there never was such a version".to_owned()));
        }
        // Version 1 weighed in whole kilograms.
        let mut value: serde_json::Value =
            serde_json::from_str(state).map_err(|error| unreadable(error.to_string()))?;
        let kilograms = value["kilograms"].take().as_u64().unwrap_or(0);
        value["grams"] = (kilograms * 1000).into();
        serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))
    }
}
