//! Where a store takes the time from.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countermand_core::Timestamp;

use crate::Now;

/// A wall clock. Any closure that answers a [`Timestamp`] is one, so tests and simulations run a
/// store on virtual time.
pub trait Clock: Send + Sync + 'static {
    /// The present time. It may jump either way; the store keeps its own time from going back.
    fn now(&self) -> Timestamp;

    /// Time that has passed since some moment; unlike [`now`](Self::now) it does not jump. A clock
    /// without one lets no time pass while it runs behind what is stored.
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now();
        let millis = match now.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Timestamp::from_millis(millis)
    }
    fn monotonic(&self) -> Duration {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        ORIGIN.elapsed()
    }
}

/// The newest time stored, and the store's time made of it and a clock.
#[derive(Debug, Default)]
pub(crate) struct StoreTime(Mutex<Option<Newest>>);

#[derive(Debug, Clone, Copy)]
struct Newest {
    at: Timestamp,
    /// On the monotonic clock, when it was stored or read.
    known: Duration,
}

impl Clone for StoreTime {
    fn clone(&self) -> Self {
        Self(Mutex::new(
            *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl StoreTime {
    /// A time was stored, or found in the store.
    pub(crate) fn stored(&self, at: Timestamp, clock: &dyn Clock) {
        if at == Timestamp::MIN {
            return;
        }
        let known = clock.monotonic();
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.is_none_or(|newest| newest.by(known) < at) {
            *newest = Some(Newest { at, known });
        }
    }

    /// The clock's time, but never before the newest time stored and most of what has passed since.
    /// So a clock set back neither stops time for as long as it has jumped, nor turns it back; and
    /// it catches up, since the store's own time is a little slower than real time.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Now {
        let at = clock.now();
        let newest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match newest.map(|newest| newest.by(clock.monotonic())) {
            Some(least) if least > at => Now {
                at: least,
                behind: true,
            },
            _ => Now { at, behind: false },
        }
    }
}

impl Newest {
    /// The earliest that it can be by now.
    fn by(self, monotonic: Duration) -> Timestamp {
        let passed = monotonic.saturating_sub(self.known);
        self.at.plus(passed.saturating_sub(passed / 8))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Wall clock and monotonic clock, in milliseconds.
    #[derive(Default)]
    struct TwoClocks(Arc<Mutex<(i64, u64)>>);

    impl Clock for TwoClocks {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.lock().unwrap().0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn a_clock_set_back_neither_stops_time_nor_turns_it_back() {
        let clocks = TwoClocks::default();
        let time = StoreTime::default();
        let at = |wall, monotonic| {
            *clocks.0.lock().unwrap() = (wall, monotonic);
            let now = time.now(&clocks);
            (now.at.as_millis(), now.behind)
        };
        assert_eq!(at(3_600_000, 100), (3_600_000, false));
        time.stored(Timestamp::from_millis(3_600_000), &clocks);
        assert_eq!(at(0, 100), (3_600_000, true));
        assert_eq!(at(8_000, 8_100), (3_607_000, true));
        // Nothing was stored for so long that the clock has passed the newest time.
        assert_eq!(at(3_600_001, 3_600_100), (6_750_000, true));
        time.stored(Timestamp::from_millis(6_749_000), &clocks);
        assert_eq!(at(3_600_001, 3_600_100), (6_750_000, true), "stored late");
        assert_eq!(at(6_750_001, 3_600_100), (6_750_001, false), "caught up");
    }

    #[test]
    fn a_clock_that_runs_is_believed() {
        let clocks = TwoClocks::default();
        let time = StoreTime::default();
        for second in 1..100 {
            let millis = second * 1000;
            *clocks.0.lock().unwrap() = (millis, u64::try_from(millis).unwrap());
            let now = time.now(&clocks);
            assert_eq!((now.at.as_millis(), now.behind), (millis, false));
            time.stored(now.at, &clocks);
        }
    }
}
