//! The schema that an endpoint really has, against what our operations use of ours.

mod compare;
mod live;
#[cfg(test)]
mod tests;
mod used;

use bytes::Bytes;
use countermand_core::cancellation::call::ReadError;
use countermand_core::cancellation::input::NotSent;
use reqwest::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, Class, Fault};
use crate::outcome::{failed, read_body};
use crate::transport::Exchange;

/// Large schemas are a few megabytes.
pub(crate) const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Does a difference keep our calls from working?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A call of ours fails.
    Error,
    /// The calls work; something may be read as unknown, or fail to be read.
    Warning,
}

/// Something that our operations use and that is otherwise in the live schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Whether it matters at once.
    pub severity: Severity,
    /// Where, such as `LineItem.cancellations`.
    pub at: String,
    /// What is different.
    pub message: String,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Types of the live schema that were looked at.
    pub types: usize,
    /// Fields and arguments of the live schema that were looked at.
    pub fields: usize,
    /// The differences that matter, errors first.
    pub differences: Vec<Difference>,
}

/// What an endpoint tells of its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveSchema {
    /// It does not tell: nothing is known, and nothing is wrong.
    Hidden {
        /// Its words.
        detail: String,
    },
    /// It was compared.
    Compared(Comparison),
}

/// The body of the request.
pub(crate) fn question() -> Bytes {
    #[derive(Serialize)]
    struct Document {
        query: &'static str,
    }
    let document = Document { query: live::QUERY };
    Bytes::from(serde_json::to_vec(&document).expect("text can always be written"))
}

/// What the answer says.
pub(crate) fn read(exchange: &Exchange) -> Result<LiveSchema, ReadError> {
    let status = exchange.status;
    let telling = read_body(exchange).map(Answer::read);
    if matches!(status, StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) {
        // Servers that do not want to be asked say so in many ways; the token and the target are
        // known to be good from the read before.
        let detail = match &telling {
            Ok(Ok(answer)) if !answer.faults.is_empty() => told(&answer.faults),
            _ => format!("answered with HTTP status {}", status.as_u16()),
        };
        return Ok(LiveSchema::Hidden { detail });
    }
    let unreadable = |detail: String| {
        let status = status.as_u16();
        failed(
            format!("answered with HTTP status {status} and {detail}"),
            exchange.retry_after,
        )
    };
    let answer = telling?.map_err(unreadable)?;
    if !answer.has_data() && !answer.faults.is_empty() {
        let detail = told(&answer.faults);
        return match only(&answer.faults) {
            Some(Class::Throttling) => Err(ReadError {
                message: detail,
                retry_after: exchange.retry_after,
                not_sent: Some(NotSent::Throttled),
            }),
            Some(Class::InternalServer) => Err(failed(detail, exchange.retry_after)),
            _ => Ok(LiveSchema::Hidden { detail }),
        };
    }
    let told: live::Told = answer.data().map_err(unreadable)?;
    match told.schema {
        Some(schema) => Ok(LiveSchema::Compared(compare::compare(
            &used::used(),
            &live::Schema::from(schema),
        ))),
        None => Ok(LiveSchema::Hidden {
            detail: "answered without a schema".to_owned(),
        }),
    }
}

fn only(faults: &[Fault]) -> Option<Class> {
    let first = faults.first()?.class;
    faults
        .iter()
        .all(|fault| fault.class == first)
        .then_some(first)
}

fn told(faults: &[Fault]) -> String {
    let first = faults
        .first()
        .map_or_else(String::new, |fault| format!("{} ({fault})", fault.kind));
    format!("answered with {first}")
}
