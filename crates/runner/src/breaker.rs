//! The circuit breaker of one remote: pure, with time as an argument.

use std::collections::BTreeSet;
use std::time::Duration;

use countermand_core::InstanceId;

use crate::options::BreakerLimits;

/// Leaves a failing remote alone, then lets one probe through.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    limits: BreakerLimits,
    /// Whose performances failed since one succeeded: one instance that fails again and again waits
    /// longer each time by itself, and must not keep the others from a remote that works.
    failed: BTreeSet<InstanceId>,
    /// Whose probe failed last: somebody else goes first next time, or one poisoned instance would
    /// keep it open for ever.
    last_probe: Option<InstanceId>,
    /// How long it opens next time.
    open_for: Duration,
    state: State,
}

/// How long others may probe before the one whose probe failed last.
const OTHERS_FIRST: Duration = Duration::from_secs(5);

/// The shortest wait for the end of a probe.
const SOON: Duration = Duration::from_millis(100);

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
            failed: BTreeSet::new(),
            last_probe: None,
            open_for: limits.open,
            state: State::Closed,
        }
    }

    /// How long it stays closed to everybody from now on; `None`: somebody may try.
    pub(crate) fn shut(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } if now < until => Some(until.saturating_sub(now)),
            // A probe may take longer than that. Each of those that wait is written down: not often.
            State::Probing { until } => {
                let again = self.limits.open.clamp(SOON, Duration::from_secs(1));
                Some(until.saturating_sub(now).max(again))
            }
            State::Closed | State::Open { .. } => None,
        }
    }

    /// Asked as a performance is about to begin.
    pub(crate) fn admit(&mut self, now: Duration, whose: &InstanceId) -> Admit {
        if let Some(wait) = self.shut(now) {
            return Admit::Wait(wait);
        }
        match self.state {
            State::Closed => Admit::Pass,
            State::Open { until }
                if self.last_probe.as_ref() == Some(whose)
                    && now < until.saturating_add(OTHERS_FIRST) =>
            {
                Admit::Wait(until.saturating_add(OTHERS_FIRST).saturating_sub(now))
            }
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

    pub(crate) fn failed(&mut self, now: Duration, was_probe: bool, whose: &InstanceId) {
        let opens = match self.state {
            State::Probing { .. } => was_probe,
            State::Closed if self.limits.failures == 0 => false,
            State::Closed => {
                self.failed.insert(whose.clone());
                self.failed.len() >= self.limits.failures as usize
            }
            // A straggler that began before it opened.
            State::Open { .. } => false,
        };
        if opens {
            self.last_probe = was_probe.then(|| whose.clone());
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

    fn one(number: u32) -> InstanceId {
        InstanceId::new(format!("c-{number}")).unwrap()
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
        for number in 0..3 {
            assert_eq!(breaker.admit(secs(0), &one(7)), Admit::Pass);
            breaker.failed(secs(0), false, &one(number));
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(secs(0), false, &one(1));
            breaker.failed(secs(0), false, &one(2));
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(secs(0), &one(7)), Admit::Pass);
        assert_eq!(opened().admit(secs(1), &one(7)), Admit::Wait(secs(4)));
    }

    #[test]
    fn one_that_fails_again_and_again_opens_it_for_nobody() {
        let mut breaker = breaker();
        for _ in 0..100 {
            breaker.failed(secs(0), false, &one(1));
            breaker.failed(secs(0), false, &one(2));
        }
        assert_eq!(breaker.admit(secs(0), &one(7)), Admit::Pass);
        breaker.failed(secs(0), false, &one(3));
        assert!(matches!(breaker.admit(secs(0), &one(7)), Admit::Wait(_)));
    }

    #[test]
    fn whoever_failed_as_the_probe_lets_others_try_first() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5), &one(7)), Admit::Probe);
        breaker.failed(secs(5), true, &one(7));
        assert_eq!(breaker.admit(secs(15), &one(7)), Admit::Wait(secs(5)));
        assert_eq!(breaker.admit(secs(15), &one(8)), Admit::Probe);
        breaker.failed(secs(15), true, &one(8));
        assert_eq!(breaker.admit(secs(30), &one(7)), Admit::Probe);
        breaker.failed(secs(30), true, &one(7));
        assert_eq!(
            breaker.admit(secs(50), &one(7)),
            Admit::Probe,
            "nobody else came"
        );
    }

    #[test]
    fn lets_one_probe_through_and_waits_longer_each_time() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5), &one(7)), Admit::Probe);
        assert!(
            matches!(breaker.admit(secs(5), &one(7)), Admit::Wait(_)),
            "only one"
        );
        breaker.failed(secs(6), true, &one(9));
        assert_eq!(breaker.admit(secs(6), &one(7)), Admit::Wait(secs(10)));
        assert_eq!(breaker.admit(secs(16), &one(7)), Admit::Probe);
        breaker.failed(secs(16), true, &one(9));
        assert_eq!(
            breaker.admit(secs(16), &one(7)),
            Admit::Wait(secs(15)),
            "clamped"
        );
        assert_eq!(breaker.admit(secs(31), &one(7)), Admit::Probe);
        breaker.succeeded();
        assert_eq!(breaker.admit(secs(31), &one(7)), Admit::Pass);
    }

    #[test]
    fn a_probe_that_hangs_is_not_asked_after_again_and_again() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5), &one(7)), Admit::Probe);
        for now in 5..30 {
            let Admit::Wait(wait) = breaker.admit(secs(now), &one(8)) else {
                panic!("a second probe");
            };
            assert!(wait >= secs(1), "{wait:?} at {now}");
        }
    }

    #[test]
    fn a_probe_that_tells_nothing_is_tried_again() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(secs(5), &one(7)), Admit::Probe);
        breaker.told_nothing(secs(6), true);
        assert_eq!(breaker.admit(secs(6), &one(7)), Admit::Probe);
    }

    #[test]
    fn stragglers_neither_open_nor_prolong() {
        let mut breaker = opened();
        breaker.failed(secs(4), false, &one(9));
        assert_eq!(breaker.admit(secs(5), &one(7)), Admit::Probe);
        breaker.failed(secs(5), false, &one(9));
        assert!(
            matches!(breaker.admit(secs(5), &one(7)), Admit::Wait(_)),
            "the probe decides"
        );
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let mut breaker = Breaker::new(BreakerLimits {
            failures: 0,
            ..BreakerLimits::default()
        });
        for number in 0..1000 {
            breaker.failed(secs(0), false, &one(number));
        }
        assert_eq!(breaker.admit(secs(0), &one(7)), Admit::Pass);
    }
}
