//! What a run measured, and how several runs are put beside each other.

use std::time::Duration;

/// One run.
pub(crate) struct Run {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) bytes_each: u64,
}

impl Run {
    pub(crate) fn new(took: Duration, mut latencies: Vec<Duration>, bytes: u64) -> Self {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let index = latencies.len().saturating_sub(1) * percent / 100;
            latencies.get(index).copied().unwrap_or_default()
        };
        let count = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        Self {
            per_second: f64::from(count) / took.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            bytes_each: bytes / u64::from(count.max(1)),
        }
    }
}

/// The middle one of several figures.
pub(crate) fn median<T: PartialOrd + Copy>(figures: impl Iterator<Item = T>) -> Option<T> {
    let mut figures: Vec<T> = figures.collect();
    figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    figures.get(figures.len() / 2).copied()
}
