//! The ways in which a call to a remote can fail to be done. Whether a call may be repeated is
//! decided where the failure is seen, by whoever knows; everybody else branches on these.

use std::time::Duration;

use crate::cancellation::input::{NotSent, Unknown};

/// Why a mutation was not done, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The remote said no, for certain.
    #[error("the remote refused: {code}: {message}")]
    Refused {
        /// Its code, such as `ValidationError`.
        code: String,
        /// Its words.
        message: String,
    },
    /// It did not reach the remote, or the remote certainly did not act.
    #[error("it was certainly not carried out: {detail}")]
    NotSent {
        /// Why.
        why: NotSent,
        /// The particulars.
        detail: String,
        /// How long the remote asks to wait.
        retry_after: Option<Duration>,
    },
    /// It may or may not have taken effect.
    #[error("it may or may not have taken effect: {detail}")]
    Unknown {
        /// Why.
        why: Unknown,
        /// The particulars.
        detail: String,
        /// How long the remote asks to wait.
        retry_after: Option<Duration>,
    },
}

/// Why a read brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// For people: what went wrong, with which answer.
    pub message: String,
    /// How long the remote asks to wait.
    pub retry_after: Option<Duration>,
    /// Was it turned away before anything was done (429, throttling, connection refused, 401)?
    pub not_sent: Option<NotSent>,
}
