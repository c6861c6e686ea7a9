//! The circuit breaker of one remote: pure, with time as an argument.

use std::time::Duration;

use crate::options::BreakerLimits;

/// Leaves a failing remote alone, then lets one probe through.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    limits: BreakerLimits,
    failures: u32,
    /// How long it opens next time.
    open_for: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Duration,
    },
    /// One probe is under way; the others wait as if it were open.
    Probing {
        until: Duration,
    },
}

/// May a performance begin?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admit {
    Pass,
    /// It may, and everything depends on how it ends.
    Probe,
    /// Not before.
    Wait(Duration),
}

impl Breaker {
    pub(crate) fn new(limits: BreakerLimits) -> Self {
        Self {
            limits,
            failures: 0,
            open_for: limits.open,
            state: State::Closed,
        }
    }

    /// How long it stays closed to everybody from now on; `None`: somebody may try.
    pub(crate) fn shut(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } if now < until => Some(until.saturating_sub(now)),
            State::Probing { until } => {
                Some(until.saturating_sub(now).max(Duration::from_millis(100)))
            }
            State::Closed | State::Open { .. } => None,
        }
    }

    /// Asked as a performance is about to begin.
    pub(crate) fn admit(&mut self, now: Duration) -> Admit {
        if let Some(wait) = self.shut(now) {
            return Admit::Wait(wait);
        }
        match self.state {
            State::Closed => Admit::Pass,
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing {
                    until: now.saturating_add(self.open_for),
                };
                Admit::Probe
            }
        }
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::new(self.limits);
    }

    pub(crate) fn failed(&mut self, now: Duration, was_probe: bool) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Probing { .. } => was_probe,
            State::Closed => self.limits.failures > 0 && self.failures >= self.limits.failures,
            // A straggler that began before it opened.
            State::Open { .. } => false,
        };
        if opens {
            self.state = State::Open {
                until: now.saturating_add(self.open_for),
            };
            self.open_for = self.open_for.saturating_mul(2).min(self.limits.open_max);
        }
    }

    /// A performance ended without telling anything about the remote.
    pub(crate) fn told_nothing(&mut self, now: Duration, was_probe: bool) {
        if was_probe && matches!(self.state, State::Probing { .. }) {
            self.state = State::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerLimits {
            failures: 3,
            open: secs(5),
            open_max: secs(15),
        })
    }

    fn opened() -> Breaker {
        let mut breaker = breaker();
        for _ in 0..3 {
            assert_eq!(breaker.admit(secs(0)), Admit::Pass);
            breaker.failed(secs(0), false);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(secs(0), false);
            breaker.failed(secs(0), false);
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(secs(0)), Admit::Pass);
        assert_eq!(opened().admit(secs(1)), Admit::Wait(secs(4)));
    }

    #[test]
    fn lets_one_probe_through_and_waits_longer_each_time() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5)), Admit::Probe);
        assert!(matches!(breaker.admit(secs(5)), Admit::Wait(_)), "only one");
        breaker.failed(secs(6), true);
        assert_eq!(breaker.admit(secs(6)), Admit::Wait(secs(10)));
        assert_eq!(breaker.admit(secs(16)), Admit::Probe);
        breaker.failed(secs(16), true);
        assert_eq!(breaker.admit(secs(16)), Admit::Wait(secs(15)), "clamped");
        assert_eq!(breaker.admit(secs(31)), Admit::Probe);
        breaker.succeeded();
        assert_eq!(breaker.admit(secs(31)), Admit::Pass);
    }

    #[test]
    fn a_probe_that_tells_nothing_is_tried_again() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5)), Admit::Probe);
        breaker.told_nothing(secs(6), true);
        assert_eq!(breaker.admit(secs(6)), Admit::Probe);
    }

    #[test]
    fn stragglers_neither_open_nor_prolong() {
        let mut breaker = opened();
        breaker.failed(secs(4), false);
        assert_eq!(breaker.admit(secs(5)), Admit::Probe);
        breaker.failed(secs(5), false);
        assert!(
            matches!(breaker.admit(secs(5)), Admit::Wait(_)),
            "the probe decides"
        );
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let mut breaker = Breaker::new(BreakerLimits {
            failures: 0,
            ..BreakerLimits::default()
        });
        for _ in 0..1000 {
            breaker.failed(secs(0), false);
        }
        assert_eq!(breaker.admit(secs(0)), Admit::Pass);
    }
}
