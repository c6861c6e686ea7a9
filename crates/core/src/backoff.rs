//! How long to wait before a retry.

use std::time::Duration;

/// Exponential backoff with full jitter, as a pure function of the failures so far and a random
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The most that is waited after the first failure.
    pub initial: Duration,
    /// The most that is ever waited.
    pub max: Duration,
}

impl Backoff {
    /// The longest wait after `failures` failures in a row: `initial` doubled for each one after
    /// the first, never above `max`; zero for no failure.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }

    /// The wait: uniformly between zero and [`ceiling`](Self::ceiling), drawn by `random`. A
    /// server's `retry_after` is a lower bound, itself clamped to an hour.
    #[must_use]
    pub fn wait(&self, failures: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
        let jittered = scale(self.ceiling(failures), random);
        match retry_after {
            Some(asked) => jittered.max(asked.min(RETRY_AFTER_MAX)),
            None => jittered,
        }
    }
}

/// `span` scaled by `random / u64::MAX`, in whole milliseconds and without floats.
fn scale(span: Duration, random: u64) -> Duration {
    let millis = span.as_millis().saturating_mul(u128::from(random)) / u128::from(u64::MAX);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_secs(1),
        max: Duration::from_secs(900),
    };

    #[test]
    fn doubles_up_to_the_cap() {
        let ceilings: Vec<u64> = (0..13).map(|n| BACKOFF.ceiling(n).as_secs()).collect();
        assert_eq!(
            ceilings,
            [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
        );
        assert_eq!(BACKOFF.ceiling(u32::MAX), BACKOFF.max);
    }

    #[test]
    fn jitter_is_full_and_retry_after_a_clamped_floor() {
        assert_eq!(BACKOFF.wait(5, 0, None), Duration::ZERO);
        assert_eq!(BACKOFF.wait(5, u64::MAX, None), Duration::from_secs(16));
        let asked = Some(Duration::from_secs(120));
        assert_eq!(BACKOFF.wait(1, 0, asked), Duration::from_secs(120));
        let absurd = Some(Duration::from_secs(1_000_000_000));
        assert_eq!(BACKOFF.wait(1, 0, absurd), Duration::from_secs(3600));
    }
}
