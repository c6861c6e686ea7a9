//! The durable runner: drives any [`countermand_core::Workflow`] over any
//! [`countermand_store::Store`], performing its effects through [`Perform`].
//!
//! * [`Options`] say how; an [`Engine`] is made of them, a workflow, a store, a performer and a
//!   [`World`], and its start answers with a [`Handle`].
//! * One committer takes every input (commands, events, outcomes, time), steps the state and
//!   writes many instances in one transaction. Everybody is answered after that commit.
//! * A dispatcher takes up what is due; each instance taken up has a worker, which performs all
//!   lanes that are due side by side and hands their outcomes to the committer.
//! * [`Retries`] is what the shell remembers for itself, outside the fold of the history.
//!
//! **The one rule:** every accepted input is committed before any effect that follows from it is
//! attempted.

mod breaker;
mod bucket;
mod codec;
mod committer;
mod conclude;
mod dispatcher;
mod draft;
mod embargo;
mod engine;
mod error;
mod gate;
mod handle;
mod intent;
mod lane;
mod options;
mod perform;
mod resolve;
mod retries;
mod round;
mod schedule;
mod shared;
mod shelf;
mod sights;
mod spending;
mod task;
mod worker;
mod world;

pub use engine::Engine;
pub use error::{GetError, SubmitError};
pub use handle::{Change, Handle};
pub use options::{BreakerLimits, Limits, Options, Rate, Retry};
pub use perform::{Emissions, Fence, Job, Perform, Performed, Tally};
pub use retries::{Lane, LaneError, Retries};
pub use spending::SpendLimits;
pub use task::{Event, Ingested, Instance, Started};
pub use world::{BoxFuture, TokioWorld, World};

/// Locks; what a panicking holder left behind is used as it is, since no holder leaves anything
/// half done.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
