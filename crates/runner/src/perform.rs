//! The seam between the engine and the outside world: who performs effects, and how they answer.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Epoch, InstanceId, Timestamp, Workflow};

/// Performs effects. One call is one attempt; the engine decides whether there is another.
///
/// A mutation is performed only after its intent is durable. The performer first looks, and sends
/// only if the look allows it, all within [`Job::budget`], with [`Job::fence`] checked as the
/// first byte leaves.
pub trait Perform<W: Workflow>: Send + Sync + 'static {
    /// Performs one effect. Bounded in time: the engine gives up on a call that outlives its
    /// deadline by far, and calls the outcome of a mutation unknown.
    fn perform(&self, job: Job<W>) -> impl Future<Output = Performed<W::Input>> + Send;
}

/// One effect to perform.
pub struct Job<W: Workflow> {
    /// The instance.
    pub id: InstanceId,
    /// Its state as the performance begins (for a mutation: with the open intent).
    pub state: Arc<W::State>,
    /// Its revision then.
    pub revision: u64,
    /// What to do.
    pub effect: W::Effect,
    /// The store's time as the performance begins.
    pub began_at: Timestamp,
    /// Does the wall clock run behind the newest stored time? Then no idempotency key is relied on.
    pub clock_behind: bool,
    /// Which try of this lane it is, counted from 1 since the last success.
    pub try_number: u32,
    /// How long it may take in all.
    pub budget: Duration,
    /// May a mutation still be sent?
    pub fence: Fence,
    /// The message to deliver, for an effect that delivers one (see [`Emissions`]).
    pub emissions: Emissions,
}

/// Reads messages out of the history.
#[derive(Clone)]
pub struct Emissions(pub(crate) Arc<dyn ReadEmission>);

/// See [`Emissions`].
pub(crate) trait ReadEmission: Send + Sync + 'static {
    fn read<'a>(
        &'a self,
        id: &'a InstanceId,
        seq: u64,
        message_id: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>>;
}

impl Emissions {
    /// Messages that `read` knows, by instance, entry and message id. The engine reads them from
    /// its store; this is for the tests of performers.
    pub fn from_fn(
        read: impl Fn(&InstanceId, u64, &str) -> Result<Option<String>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(FromFn(read)))
    }

    /// The body of a message, from the entry that raised it; `None` when there is no such message.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn body(
        &self,
        id: &InstanceId,
        seq: u64,
        message_id: &str,
    ) -> Result<Option<String>, String> {
        self.0.read(id, seq, message_id).await
    }
}

struct FromFn<F>(F);

impl<F> ReadEmission for FromFn<F>
where
    F: Fn(&InstanceId, u64, &str) -> Result<Option<String>, String> + Send + Sync + 'static,
{
    fn read<'a>(
        &'a self,
        id: &'a InstanceId,
        seq: u64,
        message_id: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(std::future::ready((self.0)(id, seq, message_id)))
    }
}

/// May a mutation be sent? Asked as the first byte is about to leave: the owner's epoch still
/// stands, the intent is open, the state still wants it, the deadline is not over, no pause.
#[derive(Clone)]
pub struct Fence {
    epoch: Epoch,
    holds: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Fence {
    /// A fence that asks `holds`.
    pub fn new(epoch: Epoch, holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            epoch,
            holds: Arc::new(holds),
        }
    }

    /// The epoch the intent was committed under.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// May it be sent, now?
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.holds)()
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// The answer of a performance.
#[derive(Debug, Clone, PartialEq)]
pub struct Performed<I> {
    /// The facts that it brought, in order; committed together. A failed read brings none.
    pub inputs: Vec<I>,
    /// How it counts.
    pub tally: Tally,
}

/// How a performance counts for retries, circuit breaker and attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    /// The remote answered as it should (a business refusal counts as an answer). Clears the
    /// lane's failures.
    Answered,
    /// The remote answered, but there is nothing to go on with (an order that is not visible yet).
    /// Uses up no attempt; the message is shown.
    Empty {
        /// For people.
        message: String,
    },
    /// The remote failed. Uses up an attempt and counts for the breaker.
    Failed {
        /// For people.
        message: String,
        /// What the remote asked for.
        retry_after: Option<Duration>,
    },
    /// It cannot be done as things are, and that is no fault of the remote's: a target is not
    /// configured, or an answer lacks what was shown before. Uses up an attempt, and says nothing
    /// about the remote.
    Unable {
        /// For people: what is missing, and, where there is something to do, what.
        message: String,
    },
    /// Nothing was tried, for a reason of our own (fence, pause, deadline). Uses up no attempt.
    Deferred {
        /// For people.
        message: String,
    },
}
