//! How an engine is set up.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::Backoff;

use crate::spending::SpendLimits;

/// How an engine is set up. Every bound has a default that suits one daemon on one machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Performances at once, over all remotes.
    pub concurrency: usize,
    /// Instances held in memory at once; performances and those that wait for one. 0: nothing is
    /// taken up; commands and events are stored, and nothing is performed.
    pub held: usize,
    /// Commands and events that may wait to be committed; more are refused as overload.
    pub queue: usize,
    /// Inputs in one transaction, at most.
    pub batch: usize,
    /// How long a claim lasts, where a claim is a lease in the database.
    pub lease: Duration,
    /// Who claims, for people.
    pub holder: String,
    /// The longest time between two looks for due instances, and at the kill switch.
    pub poll: Duration,
    /// How much longer than its budget a performance may take before it is given up.
    pub slack: Duration,
    /// How an effect is retried, unless [`retry_of`](Self::retry_of) names it.
    pub retry: Retry,
    /// How effects are retried, by effect name.
    pub retry_of: BTreeMap<String, Retry>,
    /// How long a performance may take in all, unless [`budget_of`](Self::budget_of) names it. For
    /// a mutation it sets the deadline of the intent.
    pub budget: Duration,
    /// How long a performance may take in all, by effect name.
    pub budget_of: BTreeMap<String, Duration>,
    /// How much may be spent.
    pub spending: SpendLimits,
    /// How long no mutation goes out after the store was restored from a backup: as long as it can
    /// take until everything is seen that was sent before, its own time to live included.
    pub embargo: Duration,
    /// What a remote is spared, unless [`remotes`](Self::remotes) names it.
    pub remote: Limits,
    /// What remotes are spared, by name; a part of one ([`countermand_core::Effect::partition`]) by
    /// `remote/part`, else as its remote is.
    pub remotes: BTreeMap<String, Limits>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 64,
            held: 1024,
            queue: 4096,
            batch: 512,
            lease: Duration::from_secs(120),
            holder: "countermand".to_owned(),
            poll: Duration::from_secs(2),
            slack: Duration::from_secs(5),
            retry: Retry::default(),
            retry_of: BTreeMap::new(),
            budget: Duration::from_secs(30),
            budget_of: BTreeMap::new(),
            spending: SpendLimits::default(),
            embargo: Duration::from_secs(5 * 60 + 30),
            remote: Limits::default(),
            remotes: BTreeMap::new(),
        }
    }
}

impl Options {
    pub(crate) fn retry(&self, effect: &str) -> Retry {
        self.retry_of.get(effect).copied().unwrap_or(self.retry)
    }

    pub(crate) fn budget(&self, effect: &str) -> Duration {
        self.budget_of.get(effect).copied().unwrap_or(self.budget)
    }

    pub(crate) fn limits(&self, remote: &str, part: Option<&str>) -> Limits {
        let of_part = part.and_then(|part| self.remotes.get(&format!("{remote}/{part}")));
        let limits = of_part.or_else(|| self.remotes.get(remote));
        limits.copied().unwrap_or(self.remote)
    }
}

/// How an effect is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The waits.
    pub backoff: Backoff,
    /// How often it may fail in a row before it stops and a person is asked for; 0: no limit.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            backoff: Backoff {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(15 * 60),
            },
            attempts: 20,
        }
    }
}

/// What a remote is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often it may be called; `None`: no limit.
    pub rate: Option<Rate>,
    /// Performances at once.
    pub concurrency: usize,
    /// When it is left alone.
    pub breaker: BreakerLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: None,
            concurrency: 32,
            breaker: BreakerLimits::default(),
        }
    }
}

/// How often a remote may be called. A performance counts as one call, a mutation as two: it looks
/// before it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two calls in the long run.
    pub period: Duration,
    /// How many calls may come at once after a rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// So many calls a second, fractions legal; as many at once after a rest, at least one. `None`
    /// when it is no positive number.
    #[must_use]
    pub fn per_second(calls: f64) -> Option<Self> {
        let period = Duration::try_from_secs_f64(calls.recip()).ok()?;
        if period.is_zero() {
            return None;
        }
        let burst = u32::try_from(Duration::from_secs(1).as_nanos() / period.as_nanos());
        Some(Self {
            period,
            burst: burst.unwrap_or(u32::MAX).max(1),
        })
    }
}

/// When a failing remote is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// How many instances must fail, and none succeed in between, to open the circuit; 0: never.
    pub failures: u32,
    /// How long it stays open at first; doubled after each probe that fails.
    pub open: Duration,
    /// The longest time that it stays open.
    pub open_max: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            failures: 10,
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_may_be_fractions() {
        let rate = Rate::per_second(0.5).unwrap();
        assert_eq!((rate.period, rate.burst), (Duration::from_secs(2), 1));
        let rate = Rate::per_second(5.0).unwrap();
        assert_eq!((rate.period, rate.burst), (Duration::from_millis(200), 5));
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::per_second(none), None, "{none}");
        }
    }
}
