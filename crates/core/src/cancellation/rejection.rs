//! Why an input was not accepted.

use crate::RefundId;

/// Why an input was not accepted. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The cancellation has ended.
    #[error("the cancellation is finished; only notes can be added")]
    Finished,
    /// The state has no use for such an input.
    #[error("a cancellation in state {phase} takes no {input}")]
    NotHandled {
        /// The state.
        phase: &'static str,
        /// The input's type.
        input: &'static str,
    },
    /// An intent for something that the state does not want (any more).
    #[error("the state does not want this attempt: {detail}")]
    NotWanted {
        /// Why not.
        detail: String,
    },
    /// An outcome of an attempt that is not the present one, other than *done*: evidence only.
    #[error("attempt {attempt} is not the present attempt")]
    PastAttempt {
        /// Which attempt.
        attempt: u32,
    },
    /// An answer about another order.
    #[error("the answer is about order {found}, not about {expected}")]
    ForeignOrder {
        /// The order that was asked about.
        expected: String,
        /// The order that was answered about.
        found: String,
    },
    /// A refund that this cancellation has not seen.
    #[error("refund {refund_id} is not known here")]
    UnknownRefund {
        /// Which refund.
        refund_id: RefundId,
    },
    /// A person asks for something that must not be done now.
    #[error("{why}")]
    Refused {
        /// Why not, and what could be done instead.
        why: String,
    },
}
