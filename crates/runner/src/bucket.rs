//! The rate limit of one remote: the generic cell rate algorithm, with time as an argument.
//!
//! Of our own, since `governor` can say that a call does not conform, but cannot hand out a turn in
//! the future; and with thousands of waiting instances each must get one, or all of them ask again
//! and again.

use std::time::Duration;

use crate::options::Rate;

/// Hands out turns.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    rate: Rate,
    /// The theoretical arrival time of the next call.
    next: Duration,
}

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Duration::ZERO,
        }
    }

    /// Takes a turn for `calls` calls: when they may be made. Never before `now`.
    pub(crate) fn take(&mut self, now: Duration, calls: u32) -> Duration {
        let tolerance = self
            .rate
            .period
            .saturating_mul(self.rate.burst.saturating_sub(calls));
        let arrival = self.next.max(now);
        self.next = arrival.saturating_add(self.rate.period.saturating_mul(calls));
        arrival.saturating_sub(tolerance).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn bucket(burst: u32) -> Bucket {
        Bucket::new(Rate {
            period: millis(200),
            burst,
        })
    }

    #[test]
    fn turns_are_a_period_apart_after_the_burst() {
        let mut bucket = bucket(3);
        let turns: Vec<u128> = (0..6)
            .map(|_| bucket.take(millis(1000), 1).as_millis())
            .collect();
        assert_eq!(turns, [1000, 1000, 1000, 1200, 1400, 1600]);
        assert_eq!(bucket.take(millis(60_000), 1), millis(60_000), "rested");
    }

    #[test]
    fn two_calls_take_two_turns() {
        let mut bucket = bucket(1);
        assert_eq!(bucket.take(millis(0), 2), millis(0));
        assert_eq!(bucket.take(millis(0), 1), millis(400));
    }

    #[test]
    fn no_window_holds_more_than_the_rate() {
        let mut bucket = bucket(5);
        let mut turns = Vec::new();
        for call in 0..500_u64 {
            turns.push(bucket.take(millis(call * 7), 1));
        }
        for (index, from) in turns.iter().enumerate() {
            let within = turns[index..]
                .iter()
                .take_while(|turn| **turn < *from + millis(1000));
            assert!(within.count() <= 5 + 5, "from {from:?}");
        }
    }
}
