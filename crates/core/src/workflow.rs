//! What the engine drives: the [`Workflow`] trait and the agenda it answers with.

use std::fmt::Debug;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Epoch, InstanceId, Money, Timestamp};

/// A durable workflow: pure functions over a stored state.
///
/// An instance begins with [`start`](Self::start); every later fact or command goes through
/// [`step`](Self::step); what must happen, and when, is the answer of [`next`](Self::next). None of
/// them reads a clock, draws a random number or does I/O, and none may panic on any value.
///
/// The engine keeps one rule: *every accepted input is committed before any effect that follows
/// from it is attempted.* In return the state must be the fold of the history ([`fold`]), so a
/// decision may depend only on the state, the input and its [`Stamp`], never on configuration that
/// can change while the instance lives.
pub trait Workflow: Send + Sync + 'static {
    /// Stored beside each instance; never renamed once shipped.
    const KIND: &'static str;
    /// The version of the stored form of [`State`](Self::State) and [`Input`](Self::Input).
    const VERSION: u32;

    /// What begins an instance. Serialises as a map with a member `type`.
    type Request: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What earlier instances of the same subject handled.
    type Prior: Clone
        + Debug
        + Default
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;
    /// The whole truth of an instance.
    type State: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// A fact or a command. Serialises as a map with a member `type`.
    type Input: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Something to be done in the outside world, or a timer.
    type Effect: Effect;
    /// Why an input was not accepted.
    type Rejection: std::error::Error + Clone + Send + Sync + 'static;

    /// What the store needs to know of a request: whom it concerns, and under which name.
    fn identity(&self, request: &Self::Request) -> Identity;

    /// May this request begin an instance, given every earlier, finished instance of its subject,
    /// newest first?
    fn admit(&self, request: &Self::Request, earlier: &[Self::State]) -> Admission<Self::Prior>;

    /// The state of a new instance. Its id is made by the shell.
    fn start(
        &self,
        id: &InstanceId,
        request: &Self::Request,
        prior: &Self::Prior,
        stamp: Stamp,
    ) -> Self::State;

    /// What an input changes. Every pair of state and input has an answer: a new state, the same
    /// state, or a typed rejection, which changes nothing.
    ///
    /// # Errors
    /// When the state cannot accept the input.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        stamp: Stamp,
    ) -> Result<Self::State, Self::Rejection>;

    /// What must happen, and when.
    fn next(&self, state: &Self::State) -> Agenda<Self::Effect>;

    /// The columns that the store can search.
    fn project(&self, state: &Self::State) -> Projection;

    /// Messages for the outside that the entry with sequence number `seq` raised, rendered from
    /// the state as that entry left it. They are stored with the entry and never rendered again.
    fn emissions(&self, id: &InstanceId, state: &Self::State, stamp: Stamp) -> Vec<Emission>;

    /// The input by which the engine tells the workflow something of its own.
    fn notice(&self, notice: Notice<'_, Self::Effect>) -> Self::Input;

    /// Intents that were committed and whose outcome is not known yet.
    fn open_intents(&self, state: &Self::State) -> Vec<OpenIntent>;

    /// Does this state still want `effect` to be sent under its open intent? Asked as the first
    /// byte is about to leave.
    fn wants(&self, state: &Self::State, effect: &Self::Effect) -> bool;

    /// What an accepted input commits to spend: an intent to pay out says how much, under which
    /// key. It is stored with the entry, counted over restarts, and held against the limits on
    /// spending before the intent is committed. `None` for everything that spends nothing.
    fn spend(&self, input: &Self::Input) -> Option<Spend> {
        let _ = input;
        None
    }

    /// What every unfinished instance is told after the store was restored from a backup: its
    /// history may be behind the world, so it looks before it goes on. `None` where each attempt
    /// looks anyway, and nothing else hangs on what is not known.
    fn restored(&self) -> Option<Self::Input> {
        None
    }

    /// Is an entry written for this input even when it changed nothing? (Reads are not recorded
    /// unless they changed something.)
    fn always_recorded(&self, input: &Self::Input) -> bool;

    /// Is a rejected input evidence, to be kept in an entry with `accepted: false`?
    fn is_evidence(&self, input: &Self::Input) -> bool;

    /// Who is behind the input, where it was a person.
    fn actor<'a>(&self, input: &'a Self::Input) -> Option<&'a str>;

    /// Who asked for an instance, for its first entry, where it is known.
    fn requester<'a>(&self, request: &'a Self::Request) -> Option<&'a str> {
        let _ = request;
        None
    }

    /// Reads a stored state of an earlier [`VERSION`](Self::VERSION).
    ///
    /// # Errors
    /// When the version is unknown or the text does not fit it.
    fn upgrade(&self, version: u32, state: &str) -> Result<Self::State, UpgradeError>;
}

/// When and where in the history an input is applied; given by the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The store's time.
    pub at: Timestamp,
    /// The sequence number of the history entry that the input gets, counted from 1.
    pub seq: u64,
    /// The row's present epoch.
    pub epoch: Epoch,
}

/// Whom a request concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The namespace of subjects and external ids; for a cancellation the target id.
    pub scope: String,
    /// The thing of which at most one instance is alive; for a cancellation the order id.
    pub subject: String,
    /// The caller's idempotency key, unique in the scope.
    pub external_id: Option<String>,
    /// The request after defaults, as canonical text: two requests with one external id are the
    /// same if and only if these are equal.
    pub fingerprint: String,
}

/// The answer of [`Workflow::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission<P> {
    /// Begin, knowing this.
    Start(P),
    /// Everything the request speaks of was handled by earlier instances: nothing to begin.
    Known,
    /// Refuse: the `earlier[index]` instance stands against it.
    Refuse {
        /// Which one.
        index: usize,
        /// Why, as a stable code.
        why: &'static str,
    },
}

/// The first entry of a history: the request, and what was known when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening<R, P> {
    /// The request in full.
    #[serde(flatten)]
    pub request: R,
    /// What earlier instances of the subject had handled.
    #[serde(default)]
    pub prior: P,
}

/// How an effect may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EffectClass {
    /// Nothing to guard: repeated at will.
    Read,
    /// Changes the outside world and must not happen twice: committed as an intent first, then
    /// looked for, then sent, all before a deadline.
    Mutation,
    /// Repeated until acknowledged; the receiver recognises repetitions by a stable id.
    AtLeastOnce,
    /// No I/O: when due, the engine feeds [`Notice::TimerFired`].
    Timer,
}

/// Something to be done, as data.
pub trait Effect: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The stable name, such as `read_order`: key of the retry configuration and of metrics.
    fn name(&self) -> &'static str;
    /// How it may be repeated.
    fn class(&self) -> EffectClass;
    /// The remote it speaks to, such as `buy_with_prime`: what rate limit and circuit breaker are
    /// kept for. Empty for a timer.
    fn remote(&self) -> &'static str;
    /// The part of the remote, where it keeps its callers apart (one account of several): each part
    /// has a rate limit and a circuit breaker of its own.
    fn partition(&self) -> Option<&str> {
        None
    }
}

/// What must happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Agenda<E> {
    /// These items, independent of each other. Never empty.
    Open(Vec<Item<E>>),
    /// Nothing, ever again.
    Finished,
}

impl<E> Agenda<E> {
    /// The items; none when finished.
    #[must_use]
    pub fn items(&self) -> &[Item<E>] {
        match self {
            Self::Open(items) => items,
            Self::Finished => &[],
        }
    }
}

/// One line of an agenda.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<E> {
    /// The lane: stable over attempts (`pay_refund/R1`), unique in its agenda. At most one
    /// performance per lane is under way, and failures are counted per lane.
    pub key: String,
    /// What to do.
    pub effect: E,
    /// From when on.
    pub when: When,
}

/// From when on an item is to be done. The engine turns it into a due time with the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// At a time.
    At(Timestamp),
    /// Again and again, with waits that grow with age: the wait after a performance that began at
    /// `b` is `b - since`, at least `first` and at most `cap`.
    Poll {
        /// When the waiting began; performances that began before count for nothing.
        since: Timestamp,
        /// The shortest wait.
        first: Duration,
        /// The longest wait.
        cap: Duration,
        /// Is the first performance due at `since` (or only `first` after it)?
        prompt: bool,
        /// One performance is due at this time at the latest, if none began at or after it.
        until: Option<Timestamp>,
    },
    /// Once `wait` has passed since `since` on the store's clock *and* since this process first saw
    /// this very item, counted on the monotonic clock. Guards mutations: no jump of the wall clock
    /// can shorten it.
    Settled {
        /// When the doubt began.
        since: Timestamp,
        /// How long "not there" is disbelieved.
        wait: Duration,
    },
}

/// What the engine tells a workflow on its own account.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice<'a, E> {
    /// A mutation is about to be attempted.
    Intent {
        /// Which one, with its attempt number and key.
        effect: &'a E,
        /// Until when the request may live.
        deadline: Timestamp,
    },
    /// The owner of an open intent is gone: nobody will report its outcome.
    OwnerLost {
        /// The intent.
        intent: &'a OpenIntent,
    },
    /// The time of an item of class [`EffectClass::Timer`] has come.
    TimerFired {
        /// The item's effect.
        effect: &'a E,
    },
    /// An effect failed as often as it may. It stops until a person asks for a retry.
    AttemptsExhausted {
        /// Which one.
        effect: &'a E,
        /// The item's lane.
        key: &'a str,
        /// How often it failed in a row.
        failures: u32,
        /// The last error.
        error: &'a str,
    },
    /// A limit on what may be spent leaves no room for an effect: it was not attempted, and is not
    /// before a person asks for a retry.
    Limited {
        /// Which one.
        effect: &'a E,
        /// The item's lane.
        key: &'a str,
        /// Which limit, what it holds already, and when there is room again; for people.
        detail: &'a str,
    },
    /// The stored form was brought to this program's version; the base of every later fold.
    Upgraded {
        /// The version it had.
        from: u32,
        /// The version it has.
        to: u32,
    },
}

/// What an intent commits to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spend {
    /// The idempotency key that it is spent under: within an instance, equal keys are one payment,
    /// however often it is attempted.
    pub key: String,
    /// How much.
    pub amount: Money,
}

/// An intent without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// The item's lane.
    pub key: String,
    /// The attempt's number.
    pub attempt: u32,
    /// The epoch it was committed under.
    pub epoch: Epoch,
}

/// The searchable side of a state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// The state's name (`pending`).
    pub phase: &'static str,
    /// How it ended, once finished (`cancelled`).
    pub outcome: Option<&'static str>,
    /// Is nothing left to do, ever?
    pub finished: bool,
    /// Is any mutation in doubt?
    pub in_doubt: bool,
    /// The oldest thing a person is needed for.
    pub attention: Option<AttentionFlag>,
    /// The lowest epoch among the open intents.
    pub open_intent_epoch: Option<Epoch>,
    /// The caller's idempotency key (an observed instance may get one later).
    pub external_id: Option<String>,
    /// See [`Identity::fingerprint`].
    pub fingerprint: Option<String>,
}

/// A flag on the row: a person is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionFlag {
    /// Since when.
    pub since: Timestamp,
    /// Why, as a stable code.
    pub why: String,
}

/// A message for the outside, rendered once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emission {
    /// The stable id by which the receiver recognises a repetition.
    pub id: String,
    /// The exact bytes to send.
    pub body: String,
}

/// Why a stored state cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Written by a newer program.
    #[error(
        "the state has version {found}, this program reads up to {newest}: use a newer program"
    )]
    Newer {
        /// The version found.
        found: u32,
        /// The newest one this program reads.
        newest: u32,
    },
    /// Does not fit its version.
    #[error("the stored state of version {version} cannot be read: {detail}")]
    Unreadable {
        /// The version it claims.
        version: u32,
        /// What is wrong with it.
        detail: String,
    },
}

/// The state that a history proves: its opening, then each accepted input in order.
///
/// # Errors
/// When an input that the history says was accepted is rejected.
pub fn fold<W: Workflow>(
    workflow: &W,
    id: &InstanceId,
    opening: &Opening<W::Request, W::Prior>,
    opened: Stamp,
    accepted: impl IntoIterator<Item = (W::Input, Stamp)>,
) -> Result<W::State, W::Rejection> {
    let mut state = workflow.start(id, &opening.request, &opening.prior, opened);
    for (input, stamp) in accepted {
        state = workflow.step(&state, &input, stamp)?;
    }
    Ok(state)
}
