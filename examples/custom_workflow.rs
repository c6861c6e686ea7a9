//! A workflow of your own on the same runner: ask a shopper for a review, remind once, and stop.
//!
//! Three pure functions decide (`start`, `step`, `next`); a performer does. The letter has a stable
//! number, so that a letter sent twice after a crash is recognised. Halfway the program "crashes":
//! the engine is thrown away and another one takes the file up.
//!
//!     cargo run -p countermand-examples --example custom_workflow

use std::sync::Arc;
use std::time::Duration;

use countermand::core::{
    Admission, Agenda, Effect, EffectClass, Emission, Identity, InstanceId, Item, Notice,
    OpenIntent, Projection, Stamp, Timestamp, UpgradeError, When, Workflow,
};
use countermand::runner::{
    Engine, Handle, Job, Options, Perform, Performed, Started, Tally, TokioWorld,
};
use countermand::store::{SqliteStore, Store};
use serde::{Deserialize, Serialize};

/// How long we wait for an answer before we remind.
const PATIENCE: Duration = Duration::from_millis(500);

/// What begins an instance. It is stored, like everything below that serialises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request {
    Asked { order: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    /// The n-th letter is to be sent.
    Writing { order: String, letter: u32 },
    /// Letters were sent; we wait for an answer.
    Waiting {
        order: String,
        letters: u32,
        until: Timestamp,
    },
    /// The end.
    Done { order: String, stars: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Input {
    /// A letter left.
    Sent { letter: u32 },
    /// The shopper answered.
    Answered { stars: u8 },
    /// Nobody answered in time.
    TimeOver,
    /// The engine tells something that this workflow has no use for.
    Noted,
}

#[derive(Debug, Clone, PartialEq)]
enum Do {
    SendLetter { order: String, letter: u32 },
    WaitForAnswer,
}

impl Effect for Do {
    fn name(&self) -> &'static str {
        match self {
            Self::SendLetter { .. } => "send_letter",
            Self::WaitForAnswer => "wait_for_answer",
        }
    }

    fn class(&self) -> EffectClass {
        match self {
            Self::SendLetter { .. } => EffectClass::AtLeastOnce,
            Self::WaitForAnswer => EffectClass::Timer,
        }
    }

    fn remote(&self) -> &'static str {
        match self {
            Self::SendLetter { .. } => "post_office",
            Self::WaitForAnswer => "",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NotNow;

impl std::fmt::Display for NotNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there is nothing to be said about that now")
    }
}

impl std::error::Error for NotNow {}

struct Review;

impl Workflow for Review {
    const KIND: &'static str = "review";
    const VERSION: u32 = 1;

    type Request = Request;
    type Prior = ();
    type State = State;
    type Input = Input;
    type Effect = Do;
    type Rejection = NotNow;

    fn identity(&self, Request::Asked { order }: &Request) -> Identity {
        Identity {
            scope: "shop".to_owned(),
            subject: order.clone(),
            external_id: Some(order.clone()),
            fingerprint: order.clone(),
        }
    }

    fn admit(&self, _: &Request, earlier: &[State]) -> Admission<()> {
        if earlier.is_empty() {
            Admission::Start(())
        } else {
            Admission::Known
        }
    }

    fn start(&self, _: &InstanceId, request: &Request, (): &(), _: Stamp) -> State {
        let Request::Asked { order } = request.clone();
        State::Writing { order, letter: 1 }
    }

    fn step(&self, state: &State, input: &Input, stamp: Stamp) -> Result<State, NotNow> {
        match (state.clone(), input) {
            (State::Writing { order, letter }, Input::Sent { letter: sent }) if letter == *sent => {
                Ok(State::Waiting {
                    order,
                    letters: letter,
                    until: stamp.at.plus(PATIENCE),
                })
            }
            (
                State::Writing { order, .. } | State::Waiting { order, .. },
                Input::Answered { stars },
            ) => Ok(State::Done {
                order,
                stars: Some(*stars),
            }),
            (
                State::Waiting {
                    order, letters: 1, ..
                },
                Input::TimeOver,
            ) => Ok(State::Writing { order, letter: 2 }),
            (State::Waiting { order, .. }, Input::TimeOver) => {
                Ok(State::Done { order, stars: None })
            }
            (state, Input::Noted) => Ok(state),
            _ => Err(NotNow),
        }
    }

    fn next(&self, state: &State) -> Agenda<Do> {
        let (key, effect, when) = match state {
            State::Writing { order, letter } => {
                let effect = Do::SendLetter {
                    order: order.clone(),
                    letter: *letter,
                };
                ("letter", effect, When::Now)
            }
            State::Waiting { until, .. } => ("answer", Do::WaitForAnswer, When::At(*until)),
            State::Done { .. } => return Agenda::Finished,
        };
        Agenda::Open(vec![Item {
            key: key.to_owned(),
            effect,
            when,
        }])
    }

    fn project(&self, state: &State) -> Projection {
        let (phase, order, outcome) = match state {
            State::Writing { order, .. } => ("writing", order, None),
            State::Waiting { order, .. } => ("waiting", order, None),
            State::Done { order, stars } => {
                ("done", order, Some(stars.map_or("silence", |_| "answered")))
            }
        };
        Projection {
            phase,
            outcome,
            finished: outcome.is_some(),
            external_id: Some(order.clone()),
            fingerprint: Some(order.clone()),
            ..Projection::default()
        }
    }

    fn emissions(&self, _: &InstanceId, _: &State, _: Stamp) -> Vec<Emission> {
        Vec::new()
    }

    fn notice(&self, notice: Notice<'_, Do>) -> Input {
        match notice {
            Notice::TimerFired { .. } => Input::TimeOver,
            _ => Input::Noted,
        }
    }

    fn open_intents(&self, _: &State) -> Vec<OpenIntent> {
        Vec::new()
    }

    fn wants(&self, _: &State, _: &Do) -> bool {
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

    fn upgrade(&self, version: u32, _: &str) -> Result<State, UpgradeError> {
        Err(UpgradeError::Newer {
            found: version,
            newest: Self::VERSION,
        })
    }
}

/// Sends letters; here it prints them.
struct PostOffice;

impl Perform<Review> for PostOffice {
    async fn perform(&self, job: Job<Review>) -> Performed<Input> {
        let inputs = match job.effect {
            Do::SendLetter { order, letter } => {
                println!("  letter {letter} about order {order}");
                vec![Input::Sent { letter }]
            }
            // Timers are the engine's own business.
            Do::WaitForAnswer => Vec::new(),
        };
        Performed {
            inputs,
            tally: Tally::Answered,
        }
    }
}

fn engine(store: &SqliteStore) -> Handle<Review, SqliteStore> {
    Engine::new(
        Options::default(),
        Arc::new(Review),
        Arc::new(store.clone()),
        Arc::new(PostOffice),
        Arc::new(TokioWorld::new()),
    )
    .start()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("reviews.db");

    let store = SqliteStore::open(file.as_path()).await?;
    let first = engine(&store);
    let mut ids = Vec::new();
    for order in ["322-A", "322-B"] {
        let request = Request::Asked {
            order: order.to_owned(),
        };
        if let Started::Created(instance) = first.start(request).await? {
            ids.push(instance.row.id);
        }
    }
    first.settled().await;
    println!("a crash; the next engine goes on");
    first.shutdown(Duration::ZERO).await;
    store.close().await;
    drop((first, store));

    let store = SqliteStore::open(file.as_path()).await?;
    let second = engine(&store);
    if let Some(id) = ids.first() {
        second
            .submit(id, Input::Answered { stars: 5 }, false)
            .await?;
    }
    for id in &ids {
        second
            .wait_until(id, |instance| {
                matches!(&*instance.state, State::Done { .. })
            })
            .await?;
        println!("{id}:");
        for entry in store.history(id, 0, 100).await? {
            println!(
                "  {:>2}  {:<8} {}",
                entry.seq, entry.entry.to, entry.entry.input
            );
        }
    }
    second.shutdown(Duration::from_secs(1)).await;
    store.close().await;
    Ok(())
}
