//! Events, in every form in which they arrive (reference 4.2, X7).

mod json;
mod parse;
mod resource;
#[cfg(test)]
mod tests;

use countermand_core::cancellation::input::{EventType, Named};
use countermand_core::{OrderId, TargetId};

pub use parse::parse_events;

/// One event as it was delivered. A hint, never proof: nothing but its type and the ids in its
/// resource paths is taken from it, whatever its `data` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Tells redeliveries over one subscription: `idempotencyKey`, else the envelope's id, else the
    /// event's id. It differs between two subscriptions, so it guards nothing (reference 4.5).
    pub transport_key: Option<String>,
    /// Amazon's id of the event, else the envelope's; for the log only (U17).
    pub event_id: Option<String>,
    /// Its kind; an old name counts as the new one (reference 4.3).
    pub event_type: EventType,
    /// The event as JSON, as it arrived (for SQS: without the message around it).
    pub raw: String,
    /// What it is about, in the order given, each once: 1 to 100.
    pub resources: Vec<Resource>,
    /// `detail-type` and `eventDescriptor` name different kinds; for people. Such an event is kept,
    /// but not to be applied.
    pub disagreement: Option<String>,
}

/// A resource path of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// It leads to an order.
    Routed {
        /// The target.
        target: TargetId,
        /// The order.
        order: OrderId,
        /// The refund or package in it.
        named: Named,
    },
    /// It leads nowhere: to be kept and counted, not applied.
    Unroutable {
        /// The path, shortened where it is absurdly long.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The business fact that an event tells about one resource, as a key: equal for every delivery of
/// the fact, over whichever subscription and under whichever of its names. This is what guards
/// against applying it twice.
#[must_use]
pub fn fact_key(
    target: &TargetId,
    order: &OrderId,
    event_type: &EventType,
    named: &Named,
) -> String {
    let event_type = escape(event_type.as_str());
    let (kind, id) = match named {
        Named::Refund { refund_id } => ("/refund/", escape(refund_id.as_str())),
        Named::Package { package_id } => ("/package/", escape(package_id.as_str())),
        Named::Order {} => ("", String::new()),
    };
    format!("{target}/{order}/{event_type}{kind}{id}")
}

/// Keeps the separator out of the parts. Target and order ids cannot hold one.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F")
}

/// Why a body holds no events that can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not UTF-8, or not JSON.
    #[error("the body is not JSON: {detail}")]
    Json {
        /// What, and where.
        detail: String,
    },
    /// A key that stands twice in one object: readers would disagree about its value.
    #[error("the key `{key}` stands twice in one object")]
    DuplicateKey {
        /// Which key.
        key: String,
    },
    /// Nested beyond all need.
    #[error("the body is nested more than {max} levels deep")]
    TooDeep {
        /// How deep is allowed.
        max: usize,
    },
    /// JSON, but none of the known forms.
    #[error("{detail}")]
    Form {
        /// What is missing or wrong.
        detail: String,
    },
    /// Too few or too many resources.
    #[error("`resources` has {count} entries, between 1 and {max} are allowed")]
    Resources {
        /// How many there are.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// One event of several is not right; none was taken.
    #[error("event {index}: {source}")]
    Member {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        source: Box<EventError>,
    },
}
