//! How often Amazon is asked.

use std::time::Duration;

/// How often Amazon is asked while something is waited for. Not part of what is agreed for the
/// life of a cancellation: a change counts at once, for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest wait between two reads.
    pub poll_initial: Duration,
    /// The longest wait between two reads.
    pub poll_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll_initial: Duration::from_secs(30),
            poll_max: Duration::from_mins(15),
        }
    }
}
