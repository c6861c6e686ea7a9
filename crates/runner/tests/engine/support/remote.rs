//! The outside world: it outlives the engines, keeps a ledger, protects nobody, and misbehaves as
//! it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermand_runner::{Job, Perform, Performed, Tally, World};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Effect, Input, Parcel};

/// What a remote does with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It works.
    Works,
    /// The call never arrives, for certain.
    Refuses,
    /// It works, but the answer is lost.
    LosesTheAnswer,
    /// It never answers; a mutation takes effect first.
    Hangs,
    /// It turns the call away and says how many seconds to wait.
    Throttles(u64),
    /// It has nothing to say yet.
    HasNothing,
    /// The performer itself breaks.
    Panics,
}

/// What the outside world has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// Shipments that took effect: name, and the attempt.
    pub(crate) shipments: Vec<(String, u32)>,
    /// Messages: id and body.
    pub(crate) messages: Vec<(String, String)>,
    /// Calls: the effect, whose it was, and when.
    pub(crate) calls: Vec<(&'static str, String, Duration)>,
}

impl Ledger {
    pub(crate) fn calls_of(&self, effect: &str) -> Vec<Duration> {
        let of = self.calls.iter().filter(|(name, ..)| *name == effect);
        of.map(|(.., at)| *at).collect()
    }
}

struct Inner {
    ledger: Ledger,
    /// What is done next, by effect; then `always`.
    script: BTreeMap<&'static str, VecDeque<Behaviour>>,
    always: BTreeMap<&'static str, Behaviour>,
    /// Before everything else, by effect and the end of the parcel's name.
    at: Vec<(&'static str, String, Behaviour)>,
    chance: Option<StdRng>,
    latency: Duration,
}

pub(crate) struct Remotes(Mutex<Inner>);

impl Remotes {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner {
            ledger: Ledger::default(),
            script: BTreeMap::new(),
            always: BTreeMap::new(),
            at: Vec::new(),
            chance: None,
            latency: Duration::from_millis(20),
        }))
    }

    /// Anything may happen at each call.
    pub(crate) fn chaotic(seed: u64) -> Self {
        let remotes = Self::new();
        remotes.0.lock().unwrap().chance = Some(StdRng::seed_from_u64(seed));
        remotes
    }

    pub(crate) fn next(&self, effect: &'static str, behaviour: &[Behaviour]) {
        let mut inner = self.0.lock().unwrap();
        inner.script.entry(effect).or_default().extend(behaviour);
    }

    pub(crate) fn always(&self, effect: &'static str, behaviour: Behaviour) {
        self.0.lock().unwrap().always.insert(effect, behaviour);
    }

    /// For parcels whose name ends like this.
    pub(crate) fn always_for(&self, effect: &'static str, end: &str, behaviour: Behaviour) {
        let mut inner = self.0.lock().unwrap();
        inner.at.push((effect, end.to_owned(), behaviour));
    }

    pub(crate) fn latency(&self, latency: Duration) {
        self.0.lock().unwrap().latency = latency;
    }

    pub(crate) fn calm(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.script.clear();
        inner.always.clear();
        inner.at.clear();
        inner.chance = None;
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.0.lock().unwrap().ledger.clone()
    }

    pub(crate) fn shipped(&self, name: &str) -> usize {
        let ledger = self.ledger();
        ledger
            .shipments
            .iter()
            .filter(|(shipped, _)| shipped == name)
            .count()
    }

    fn is_shipped(&self, name: &str) -> bool {
        self.shipped(name) > 0
    }

    fn call(&self, effect: &'static str, name: &str, at: Duration) -> (Behaviour, Duration) {
        let inner = &mut *self.0.lock().unwrap();
        inner.ledger.calls.push((effect, name.to_owned(), at));
        let mut latency = inner.latency;
        let scripted = inner.script.get_mut(effect).and_then(VecDeque::pop_front);
        let is_for = |(of, end, _): &&(&str, String, Behaviour)| {
            *of == effect && name.ends_with(end.as_str())
        };
        let at = inner
            .at
            .iter()
            .find(is_for)
            .map(|(.., behaviour)| *behaviour);
        let behaviour = at
            .or(scripted)
            .or(inner.always.get(effect).copied())
            .unwrap_or_else(|| {
                let Some(chance) = &mut inner.chance else {
                    return Behaviour::Works;
                };
                latency = Duration::from_millis(chance.next_u64() % 200);
                match chance.next_u64() % 10 {
                    0 => Behaviour::Refuses,
                    1 => Behaviour::LosesTheAnswer,
                    2 => Behaviour::Hangs,
                    3 => Behaviour::HasNothing,
                    4 => Behaviour::Panics,
                    _ => Behaviour::Works,
                }
            });
        (behaviour, latency)
    }

    fn ship(&self, name: &str, attempt: u32) {
        self.0
            .lock()
            .unwrap()
            .ledger
            .shipments
            .push((name.to_owned(), attempt));
    }

    fn tell(&self, id: &str, body: &str) {
        self.0
            .lock()
            .unwrap()
            .ledger
            .messages
            .push((id.to_owned(), body.to_owned()));
    }
}

/// The performer.
pub(crate) struct Courier {
    pub(crate) remotes: Arc<Remotes>,
    pub(crate) world: Arc<dyn World>,
}

fn throttled(seconds: u64) -> Tally {
    Tally::Failed {
        message: "429".to_owned(),
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn failed(message: &str) -> Tally {
    Tally::Failed {
        message: message.to_owned(),
        retry_after: None,
    }
}

impl Perform<Parcel> for Courier {
    async fn perform(&self, job: Job<Parcel>) -> Performed<Input> {
        use countermand_core::Effect as _;
        let effect = job.effect.name();
        let now = self.world.monotonic();
        let (behaviour, latency) = self.remotes.call(effect, &job.state.name, now);
        self.world.sleep(latency).await;
        assert!(
            behaviour != Behaviour::Panics,
            "the performer of `{effect}` breaks"
        );
        let performed = match &job.effect {
            Effect::Ship { attempt, name } => self.ship(&job, behaviour, *attempt, name).await,
            Effect::Announce { seq, id } => {
                let body = job.emissions.body(&job.id, *seq, id).await.unwrap();
                let body = body.expect("an announcement without a message");
                let arrives = matches!(
                    behaviour,
                    Behaviour::Works | Behaviour::LosesTheAnswer | Behaviour::Hangs
                );
                if arrives {
                    self.remotes.tell(id, &body);
                }
                Ok(vec![Input::Told { seq: *seq }])
            }
            Effect::Weigh => Ok(vec![Input::Weighed {
                grams: 100 * u32::try_from(job.state.name.len()).unwrap(),
            }]),
            Effect::Track => Ok(vec![Input::Tracked]),
            Effect::Overdue { .. } | Effect::Rest => panic!("a timer is not performed"),
        };
        let performed = match performed {
            Ok(inputs) => inputs,
            Err(performed) => return performed,
        };
        let tally = match behaviour {
            Behaviour::Works => {
                return Performed {
                    inputs: performed,
                    tally: Tally::Answered,
                };
            }
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Throttles(seconds) => throttled(seconds),
            Behaviour::HasNothing => Tally::Empty {
                message: "nothing yet".to_owned(),
            },
            _ => failed("503"),
        };
        Performed {
            inputs: Vec::new(),
            tally,
        }
    }
}

impl Courier {
    /// Looks, and sends only if the look allows it and the fence holds.
    async fn ship(
        &self,
        job: &Job<Parcel>,
        behaviour: Behaviour,
        attempt: u32,
        name: &str,
    ) -> Result<Vec<Input>, Performed<Input>> {
        let not_sent = |tally| Performed {
            inputs: vec![Input::NotSent { attempt }],
            tally,
        };
        if self.remotes.is_shipped(name) {
            return Err(Performed {
                inputs: vec![Input::ShipDone { attempt }],
                tally: Tally::Answered,
            });
        }
        if let Behaviour::Throttles(seconds) = behaviour {
            return Err(not_sent(throttled(seconds)));
        }
        if matches!(behaviour, Behaviour::Refuses | Behaviour::HasNothing) {
            return Err(not_sent(failed("connection refused")));
        }
        if !job.fence.holds() {
            return Err(not_sent(Tally::Deferred {
                message: "the fence does not hold".to_owned(),
            }));
        }
        self.remotes.ship(name, attempt);
        self.world.sleep(Duration::from_millis(10)).await;
        match behaviour {
            Behaviour::LosesTheAnswer => Err(Performed {
                inputs: vec![Input::Unknown {
                    attempt,
                    why: "time_out".to_owned(),
                }],
                tally: failed("time-out"),
            }),
            _ => Ok(vec![Input::ShipDone { attempt }]),
        }
    }
}
