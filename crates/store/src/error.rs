//! Why a store operation failed as a whole.

/// Why a store operation failed as a whole. What concerns one write of a batch is
/// [`Written`](crate::Written).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be used at all: damaged, newer, locked by another daemon, read-only.
    #[error("the store {location} cannot be used: {why}")]
    Unusable {
        /// Which store.
        location: String,
        /// Why, and what to do.
        why: String,
    },
    /// It failed for now (disk full, I/O error, busy): nothing was written; try again.
    #[error("the store failed to {operation}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The commit may or may not have happened: read back by operation id.
    #[error("the store did not answer whether it committed")]
    CommitUnknown {
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something stored cannot be understood.
    #[error("{what} in the store cannot be read: {detail}")]
    Corrupt {
        /// What, with its id.
        what: String,
        /// Why.
        detail: String,
    },
}
