//! What a [`Handle`](crate::Handle) takes and answers, as plain values.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::cancellation::request::Problem;
use countermand_core::cancellation::view::{Status, View};
use countermand_core::{InstanceId, OrderId, TargetId, Timestamp};
use countermand_store::Disposition;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The answer to a request to cancel an order. It is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum CancelOutcome {
    /// A cancellation was begun (or an observed one, still in `precheck`, became a requested one).
    Created(View),
    /// The same request was made before: this is its cancellation.
    Existing(View),
    /// A cancellation stands against the request; nothing was changed.
    Conflict(Conflict),
}

/// See [`CancelOutcome::Conflict`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Conflict {
    /// The cancellation that stands against the request.
    pub with: InstanceId,
    /// In which way.
    pub why: ConflictWhy,
    /// For people: what stands against it, and what can be done.
    pub message: String,
}

/// See [`Conflict::why`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictWhy {
    /// The external id was used before, with another request.
    ExternalIdReused,
    /// Another cancellation of the order is alive.
    CancellationLive,
    /// The order was cancelled by an earlier cancellation.
    AlreadyCancelled,
    /// Another reason, which the message tells.
    Refused,
}

impl ConflictWhy {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ExternalIdReused => "external_id_reused",
            Self::CancellationLive => "cancellation_live",
            Self::AlreadyCancelled => "already_cancelled",
            Self::Refused => "refused",
        }
    }
}

/// The answer to a wish to observe an order.
#[derive(Debug, Clone, PartialEq)]
pub enum ObserveOutcome {
    /// An observed cancellation was begun.
    Created(View),
    /// The order has a live cancellation already.
    Existing(View),
}

/// Why an operation of a [`Handle`](crate::Handle) was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is not sound: every problem at once.
    #[error("the request is not acceptable: {}", list(problems))]
    Invalid {
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// There is no such cancellation.
    #[error("there is no cancellation {what}")]
    NotFound {
        /// The id or order id that was asked for.
        what: String,
    },
    /// The cancellation is in no state to accept this.
    #[error("cancellation {id} does not accept this: {message}")]
    Refused {
        /// The cancellation.
        id: InstanceId,
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The text cannot be read as events. Nothing of it was kept.
    #[error("the events cannot be read: {message}")]
    BadEvents {
        /// The member of the array, counted from 0, where it was an array.
        index: Option<usize>,
        /// What is wrong with it.
        message: String,
    },
    /// A cursor that did not come from this listing.
    #[error("the cursor does not belong to this listing: leave it out to start over")]
    BadCursor,
    /// Too much is waiting: nothing was accepted. Try again later.
    #[error("too much is waiting: try again in {} s", retry_after.as_secs().max(1))]
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// A defect of this program, or a value that the store refuses. Nothing was changed.
    #[error("it could not be carried out: {detail}")]
    Defect {
        /// What went wrong.
        detail: String,
    },
    /// The engine is shutting down, or has.
    #[error("the engine is shutting down")]
    Closed,
    /// The store failed. Nothing is known to have changed.
    #[error("the store could not be used")]
    Store(#[source] countermand_store::Error),
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl From<countermand_store::Error> for Error {
    fn from(cause: countermand_store::Error) -> Self {
        Self::Store(cause)
    }
}

/// Which cancellations to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// In this state of the life cycle.
    pub state: Option<String>,
    /// With this status.
    pub status: Option<Status>,
    /// Of this order.
    pub order_id: Option<OrderId>,
    /// Begun at least so long ago.
    pub older_than: Option<Duration>,
}

/// The names of the seven states, in the order of the life cycle.
pub const STATES: [&str; 7] = [
    "precheck",
    "requested",
    "pending",
    "success",
    "refund",
    "rejected",
    "oms_updated",
];

/// One page of a listing, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancellationPage {
    /// The cancellations.
    pub items: Vec<View>,
    /// Where the next page begins, if there is one. Opaque.
    pub next_cursor: Option<String>,
}

/// A history entry, as the command line and the HTTP API show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Counted from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The state before; `None` for the first entry.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// The input in full, exactly as stored; an object with a member `type`.
    pub input: Box<RawValue>,
    /// Was it accepted?
    pub accepted: bool,
    /// The person behind it.
    pub actor: Option<String>,
    /// The epoch it was written under.
    pub epoch: u64,
}

impl HistoryEntry {
    /// The input's type, such as `order_read`.
    #[must_use]
    pub fn input_type(&self) -> String {
        #[derive(Deserialize)]
        struct Tagged {
            r#type: String,
        }
        serde_json::from_str::<Tagged>(self.input.get())
            .map_or_else(|_| "unknown".to_owned(), |tagged| tagged.r#type)
    }
}

/// What became of events that were taken in. All of it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingested {
    /// One for each business fact, in the order of arrival.
    pub facts: Vec<IngestedFact>,
}

/// See [`Ingested::facts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestedFact {
    /// The kind of the event.
    pub event_type: String,
    /// The target, where the event named one.
    pub target_id: Option<TargetId>,
    /// The order, where the event named one.
    pub order_id: Option<OrderId>,
    /// What became of it.
    pub disposition: Disposition,
    /// The cancellation that it was applied to.
    pub cancellation_id: Option<InstanceId>,
}

/// How many cancellations there are of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Per state and status.
    pub counts: Vec<StateCount>,
    /// The oldest due time among those that are due.
    pub oldest_due: Option<Timestamp>,
    /// With a mutation in doubt.
    pub in_doubt: u64,
    /// That need a person.
    pub attention: u64,
    /// Events per disposition.
    pub events: BTreeMap<String, u64>,
}

/// See [`Stats::counts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateCount {
    /// The state.
    pub state: String,
    /// The status.
    pub status: Status,
    /// How many.
    pub count: u64,
}

/// Something happened to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This cancellation changed.
    Changed {
        /// Which one.
        id: InstanceId,
        /// Its newest revision.
        revision: u64,
        /// Its state.
        state: String,
    },
    /// So much happened that changes were missed: read again what you watch.
    Missed,
}

/// Until when [`Handle::wait`](crate::Handle::wait) waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until nothing is left to do.
    Finished,
    /// Until nothing is left to do, or a person is needed.
    Settled,
}
