//! Why something that was asked of the engine was not done.

use std::sync::Arc;

use countermand_core::InstanceId;
use countermand_store as store;

/// Why a change was not made. `R` is the workflow's rejection. Nothing of the change happened,
/// unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError<R: std::error::Error + 'static> {
    /// The workflow does not accept the input in this state.
    #[error("the input was rejected")]
    Rejected(#[source] R),
    /// There is no such instance.
    #[error("there is no instance {id}")]
    Missing {
        /// Its id.
        id: InstanceId,
    },
    /// Too much waits to be committed: try again in a second.
    #[error("too many inputs are waiting to be committed; try again in a second")]
    Overloaded,
    /// The engine is shutting down. What was being committed may have been committed.
    #[error("the engine is shutting down")]
    Closed,
    /// Somebody else changed the instance again and again: try again.
    #[error("the instance was changed by somebody else each time it was tried; try again")]
    Contended,
    /// The store does not take this one write.
    #[error("the store refused it: {detail}")]
    Refused {
        /// What the store said.
        detail: String,
    },
    /// Something stored about the instance cannot be understood; it needs a person.
    #[error("instance {id} cannot be read: {detail}")]
    Unreadable {
        /// Its id.
        id: InstanceId,
        /// What is wrong.
        detail: String,
    },
    /// The workflow's own code failed on this input: a defect. The instance stays as it was.
    #[error("the workflow failed on this input: {detail}")]
    Panicked {
        /// What it said.
        detail: String,
    },
    /// The store failed; when it did not say whether it committed, the change may have happened.
    #[error("the store failed")]
    Store(#[source] Arc<store::Error>),
    /// A decision that was made on a state which is not the present one any more. Only decisions of
    /// the engine itself can be.
    #[error("the decision was made on a state that has changed since")]
    Stale,
    /// The instance belongs to a younger owner. Only decisions of the engine itself can fail so.
    #[error("the instance belongs to another owner")]
    LeaseLost,
}

/// Why a read brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no such instance.
    #[error("there is no instance {id}")]
    Missing {
        /// Its id.
        id: InstanceId,
    },
    /// Something stored about the instance cannot be understood.
    #[error("instance {id} cannot be read: {detail}")]
    Unreadable {
        /// Its id.
        id: InstanceId,
        /// What is wrong.
        detail: String,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] store::Error),
}
