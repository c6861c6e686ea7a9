//! When an item of an agenda is due: a pure function of the item, the lane's memory and the time.

use std::time::Duration;

use countermand_core::{Item, Timestamp, When};

use crate::options::Retry;
use crate::retries::{Lane, half_to_full};

/// A moment, on all the clocks that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The store's time.
    pub(crate) at: Timestamp,
    /// Does the wall clock run behind the newest stored time? Then only the monotonic one counts.
    pub(crate) behind: bool,
    /// The monotonic clock.
    pub(crate) mono: Duration,
}

/// When an item that guards a mutation was first seen by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// On the monotonic clock, from when its wait counts.
    pub(crate) from: Duration,
}

impl Sight {
    /// Seen for the first time. A doubt may begin at a deadline that is still to come: then its
    /// wait counts from there, though from no further than `wait` from now, whatever the wall
    /// clock says.
    pub(crate) fn first(since: Timestamp, wait: Duration, moment: Moment) -> Self {
        Self {
            from: moment.mono.saturating_add(since.since(moment.at).min(wait)),
        }
    }
}

/// What a server may ask us to wait at most (see `Backoff::wait`); no stored wait is longer,
/// unless its own backoff is.
const NOT_BEFORE_MAX: Duration = Duration::from_secs(3600);

/// When an item is due, by the store's time; `None` while it waits for a person. In the past or
/// now: due.
///
/// Whatever the clock did, an item is never further off than it could ask for.
pub(crate) fn due<E>(
    item: &Item<E>,
    lane: Option<&Lane>,
    sight: Option<Sight>,
    retry: &Retry,
    moment: Moment,
) -> Option<Timestamp> {
    let unknown = Lane::default();
    let lane = lane.unwrap_or(&unknown);
    if lane.exhausted {
        return None;
    }
    let asked = match item.when {
        When::Now => moment.at,
        When::At(at) => at,
        When::Poll {
            since,
            first,
            cap,
            prompt,
            until,
        } => {
            let began = lane.last_began.filter(|began| *began >= since);
            let regular = match began {
                Some(began) => {
                    let wait = began.since(since).max(first).min(cap.max(first));
                    began.plus(half_to_full(wait, lane.spread))
                }
                None if prompt => since,
                None => since.plus(first),
            };
            let latest = until.filter(|until| lane.last_began.is_none_or(|began| began < *until));
            let regular = latest.map_or(regular, |latest| regular.min(latest));
            regular.min(moment.at.plus(cap.max(first)))
        }
        When::Settled { since, wait } => settled(since, wait, sight, moment),
    };
    let held_back = lane
        .not_before
        .map(|until| until.min(moment.at.plus(NOT_BEFORE_MAX.max(retry.backoff.max))));
    Some(held_back.map_or(asked, |until| asked.max(until)))
}

fn settled(since: Timestamp, wait: Duration, sight: Option<Sight>, moment: Moment) -> Timestamp {
    let sight = sight.unwrap_or_else(|| Sight::first(since, wait, moment));
    let remaining = sight.from.saturating_add(wait).saturating_sub(moment.mono);
    // The store's time has whole milliseconds: rounded up, so that nothing is due early.
    let remaining = Duration::from_millis(
        u64::try_from(remaining.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
    );
    let by_monotonic = moment.at.plus(remaining);
    // A wall clock that runs behind, or behind the doubt itself, has jumped: the monotonic one
    // alone is what the wait is safe by.
    if moment.behind || moment.at < since {
        return by_monotonic;
    }
    by_monotonic.max(since.plus(wait))
}

#[cfg(test)]
mod tests {
    use countermand_core::Backoff;

    use super::*;

    const RETRY: Retry = Retry {
        backoff: Backoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
        },
        attempts: 0,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn moment(seconds: i64) -> Moment {
        Moment {
            at: at(seconds),
            behind: false,
            mono: secs(u64::try_from(seconds).unwrap()),
        }
    }

    fn began(seconds: i64, spread: u32) -> Lane {
        Lane {
            last_began: Some(at(seconds)),
            spread,
            ..Lane::default()
        }
    }

    fn when(when: When, lane: &Lane, now: i64) -> Option<Timestamp> {
        let item = Item {
            key: "lane".to_owned(),
            effect: (),
            when,
        };
        due(&item, Some(lane), None, &RETRY, moment(now))
    }

    const FULL: u32 = 1 << 16;

    fn poll(since: i64, prompt: bool, until: Option<i64>) -> When {
        When::Poll {
            since: at(since),
            first: secs(10),
            cap: secs(100),
            prompt,
            until: until.map(at),
        }
    }

    #[test]
    fn now_and_at() {
        let fresh = Lane::default();
        assert_eq!(when(When::Now, &fresh, 5), Some(at(5)));
        assert_eq!(when(When::At(at(9)), &fresh, 5), Some(at(9)));
        let held_back = Lane {
            not_before: Some(at(7)),
            ..Lane::default()
        };
        assert_eq!(when(When::Now, &held_back, 5), Some(at(7)));
        assert_eq!(when(When::At(at(9)), &held_back, 5), Some(at(9)));
        let exhausted = Lane {
            exhausted: true,
            ..Lane::default()
        };
        assert_eq!(when(When::Now, &exhausted, 5), None);
    }

    #[test]
    fn polls_grow_with_age() {
        let fresh = Lane::default();
        assert_eq!(when(poll(1000, true, None), &fresh, 1000), Some(at(1000)));
        assert_eq!(when(poll(1000, false, None), &fresh, 1000), Some(at(1010)));
        // Begun before the waiting began: counts for nothing.
        assert_eq!(
            when(poll(1000, true, None), &began(999, FULL), 1000),
            Some(at(1000))
        );
        for (start, wait) in [(1000, 10), (1005, 10), (1030, 30), (1100, 100), (1900, 100)] {
            let due = when(poll(1000, true, None), &began(start, FULL), start);
            assert_eq!(due, Some(at(start + wait)), "begun at {start}");
            let early = when(poll(1000, true, None), &began(start, 0), start);
            assert_eq!(early, Some(at(start).plus(secs(wait.unsigned_abs()) / 2)));
        }
    }

    #[test]
    fn a_poll_happens_at_its_latest_time_once() {
        let lane = began(1100, FULL);
        assert_eq!(
            when(poll(1000, true, Some(1150)), &lane, 1100),
            Some(at(1150))
        );
        let lane = began(1150, FULL);
        assert_eq!(
            when(poll(1000, true, Some(1150)), &lane, 1150),
            Some(at(1250))
        );
        let fresh = Lane::default();
        assert_eq!(
            when(poll(1000, false, Some(1003)), &fresh, 1000),
            Some(at(1003))
        );
    }

    #[test]
    fn a_clock_that_jumped_back_strands_nothing() {
        // All stored times lie an hour in the future.
        let lane = began(4700, FULL);
        assert!(when(poll(4600, true, None), &lane, 1000).unwrap() <= at(1100));
        assert!(when(poll(4600, false, None), &Lane::default(), 1000).unwrap() <= at(1100));
        let held_back = Lane {
            not_before: Some(at(999_999)),
            ..Lane::default()
        };
        assert_eq!(when(When::Now, &held_back, 1000), Some(at(1000 + 3600)));
    }

    fn settle(since: i64, wait: u64, sight: Option<u64>, now: Moment) -> Timestamp {
        let sight = sight.map(|from| Sight { from: secs(from) });
        settled(at(since), secs(wait), sight, now)
    }

    #[test]
    fn doubts_settle_on_both_clocks() {
        // Seen at once: both clocks agree.
        assert_eq!(settle(100, 60, Some(100), moment(100)), at(160));
        assert_eq!(settle(100, 60, Some(100), moment(160)), at(160));
        // Seen late (a restart): counted from the first sight.
        assert_eq!(settle(100, 60, Some(150), moment(150)), at(210));
        // The wall clock jumps an hour ahead: the monotonic one holds.
        let ahead = Moment {
            at: at(3700),
            behind: false,
            mono: secs(110),
        };
        assert_eq!(settle(100, 60, Some(100), ahead), at(3750));
        // The wall clock jumps back: the monotonic one decides.
        let back = Moment {
            at: at(50),
            behind: false,
            mono: secs(160),
        };
        assert_eq!(settle(100, 60, Some(100), back), at(50));
        let behind = Moment {
            at: at(100),
            behind: true,
            mono: secs(160),
        };
        assert_eq!(settle(100, 60, Some(100), behind), at(100));
    }

    #[test]
    fn a_doubt_that_begins_at_a_deadline_to_come_counts_from_there() {
        let sight = Sight::first(at(125), secs(60), moment(100));
        assert_eq!(sight.from, secs(125));
        assert_eq!(
            settled(at(125), secs(60), Some(sight), moment(100)),
            at(185)
        );
        assert_eq!(
            settled(at(125), secs(60), Some(sight), moment(170)),
            at(185)
        );
        // An absurd beginning (the clock jumped back) is believed for no longer than the wait.
        let sight = Sight::first(at(99_999), secs(60), moment(100));
        assert_eq!(sight.from, secs(160));
        assert_eq!(
            settled(at(99_999), secs(60), Some(sight), moment(100)),
            at(220)
        );
    }
}
