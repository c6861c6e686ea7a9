//! What the shell remembers about the lanes of an instance, outside the fold: the row's `retries`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::{Effect, EffectClass, Item, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Tally;
use crate::options::Retry;

/// The shell's memory of one instance, stored as JSON in the row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Per lane.
    #[serde(default)]
    lanes: BTreeMap<String, Lane>,
}

/// The shell's memory of one lane. What a remote told, what crashes cost and what the circuit
/// breaker held back are counted apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Failures in a row that the remote told, or that were seen at it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Owners that vanished in the middle of an attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u32,
    /// How often in a row it was put off without being tried.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub put_off: u32,
    /// How often in a row it was performed and is due again at once all the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub idle: u32,
    /// Not to be performed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When the newest performance began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_began: Option<Timestamp>,
    /// Where within its spread the next poll lies: drawn once, so that its time stays put.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spread: u32,
    /// What last went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LaneError>,
    /// Has it failed as often as it may? Then it waits for a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// Has it failed as often as a person should know, and goes on all the same? Reads never stop:
    /// what waits for them would never move again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alarmed: bool,
}

/// What last went wrong in a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneError {
    /// The effect's name.
    pub effect: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A performance that came to its end, as the memory sees it.
#[derive(Debug, Clone)]
pub(crate) struct Attempted<'a> {
    pub(crate) lane: &'a str,
    pub(crate) effect: &'static str,
    /// Does it stop when its attempts are used up?
    pub(crate) stops: bool,
    pub(crate) began_at: Timestamp,
    pub(crate) tally: &'a Tally,
    pub(crate) random: u64,
}

/// Under which key an item is remembered: its lane. A timer has a memory of its own, since it may
/// share its lane with what it watches over, and must neither wait for that one's backoff nor make
/// its failures forgotten.
pub(crate) fn memory_key<E: Effect>(item: &Item<E>) -> Cow<'_, str> {
    match item.effect.class() {
        EffectClass::Timer => Cow::Owned(format!("{}#timer", item.key)),
        EffectClass::Read | EffectClass::Mutation | EffectClass::AtLeastOnce => {
            Cow::Borrowed(&item.key)
        }
    }
}

/// The last errors are shown to people and stored in every row: long ones are cut.
const MESSAGE_MAX: usize = 500;
/// A lane that is put off again and again is looked at this often at least.
const PUT_OFF_MAX: Duration = Duration::from_secs(60);

impl Retries {
    /// Reads the row's `retries`. What cannot be read is forgotten: nothing hangs on it but waits.
    #[must_use]
    pub fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// The form that is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// The lanes that are remembered.
    #[must_use]
    pub fn lanes(&self) -> &BTreeMap<String, Lane> {
        &self.lanes
    }

    /// What is remembered of a lane.
    #[must_use]
    pub fn lane(&self, key: &str) -> Option<&Lane> {
        self.lanes.get(key)
    }

    /// The lane that failed most often in a row, where any does.
    #[must_use]
    pub fn worst(&self) -> Option<&Lane> {
        self.lanes
            .values()
            .filter(|lane| lane.last_error.is_some())
            .max_by_key(|lane| {
                (
                    lane.failures,
                    lane.last_error.as_ref().map(|error| error.at),
                )
            })
    }

    fn entry(&mut self, key: &str) -> &mut Lane {
        self.lanes.entry(key.to_owned()).or_default()
    }

    /// Counts a performance. Answers whether the lane has just used up its attempts.
    pub(crate) fn attempted(
        &mut self,
        now: Timestamp,
        what: &Attempted<'_>,
        retry: &Retry,
    ) -> bool {
        let lane = self.entry(what.lane);
        let error = |message: &str| {
            Some(LaneError {
                effect: what.effect.to_owned(),
                message: message.chars().take(MESSAGE_MAX).collect(),
                at: now,
            })
        };
        match what.tally {
            Tally::Deferred { message } => {
                lane.last_error = error(message);
                self.put_off(now, what.lane, None, retry, what.random);
                return false;
            }
            Tally::Answered => {
                lane.failures = 0;
                lane.last_error = None;
                lane.not_before = None;
            }
            Tally::Empty { message } => {
                lane.failures = 0;
                lane.last_error = error(message);
                lane.not_before = None;
            }
            Tally::Unable { message } => {
                lane.failures = lane.failures.saturating_add(1);
                lane.last_error = error(message);
                let wait = retry.backoff.wait(lane.failures, what.random, None);
                lane.not_before = Some(now.plus(wait));
            }
            Tally::Failed {
                message,
                retry_after,
            } => {
                lane.failures = lane.failures.saturating_add(1);
                lane.last_error = error(message);
                let wait = retry.backoff.wait(lane.failures, what.random, *retry_after);
                lane.not_before = Some(now.plus(wait));
            }
        }
        lane.put_off = 0;
        lane.last_began = Some(what.began_at);
        lane.spread = fraction(what.random);
        let was_told = lane.exhausted || lane.alarmed;
        let is_used_up = retry.attempts > 0 && lane.failures >= retry.attempts;
        lane.exhausted = is_used_up && what.stops;
        lane.alarmed = is_used_up && !what.stops;
        is_used_up && !was_told
    }

    /// The item was performed, nothing came of it, and it is due again at once: spaced out, so that
    /// it cannot spin.
    pub(crate) fn idled(&mut self, now: Timestamp, key: &str, retry: &Retry) {
        let lane = self.entry(key);
        lane.idle = lane.idle.saturating_add(1);
        let wait = retry.backoff.ceiling(lane.idle);
        lane.not_before = lane.not_before.max(Some(now.plus(wait)));
    }

    /// The lane moved on.
    pub(crate) fn moved(&mut self, key: &str) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.idle = 0;
        }
    }

    /// Nothing was tried, for a reason of ours: until a time, or with growing waits.
    pub(crate) fn put_off(
        &mut self,
        now: Timestamp,
        key: &str,
        wait: Option<Duration>,
        retry: &Retry,
        random: u64,
    ) {
        let lane = self.entry(key);
        lane.put_off = lane.put_off.saturating_add(1);
        let wait = wait.unwrap_or_else(|| {
            let ceiling = retry.backoff.ceiling(lane.put_off).min(PUT_OFF_MAX);
            half_to_full(ceiling, fraction(random))
        });
        lane.not_before = Some(now.plus(wait.max(Duration::from_millis(1))));
    }

    /// An owner vanished in the middle of an attempt.
    pub(crate) fn lost(&mut self, key: &str) {
        let lane = self.entry(key);
        lane.lost = lane.lost.saturating_add(1);
    }

    /// A person asks for another try, now.
    pub(crate) fn reset(&mut self) {
        for lane in self.lanes.values_mut() {
            *lane = Lane {
                lost: lane.lost,
                ..Lane::default()
            };
        }
    }

    /// Forgets every lane but these.
    pub(crate) fn keep(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.lanes.retain(|key, _| wanted(key));
    }
}

/// A random number as a fraction of 2^16, the form that is stored.
fn fraction(random: u64) -> u32 {
    u32::try_from(random >> 48).unwrap_or(0)
}

/// Between half of a span and all of it, by a fraction of 2^16; in whole milliseconds.
pub(crate) fn half_to_full(span: Duration, fraction: u32) -> Duration {
    let millis = span.as_millis();
    let part = millis / 2 + (millis - millis / 2) * u128::from(fraction.min(1 << 16)) / (1 << 16);
    Duration::from_millis(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use countermand_core::Backoff;

    use super::*;

    const RETRY: Retry = Retry {
        backoff: Backoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(100),
        },
        attempts: 3,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn attempt(retries: &mut Retries, now: i64, tally: &Tally, random: u64) -> bool {
        let what = Attempted {
            lane: "a",
            effect: "send",
            stops: true,
            began_at: at(now - 1),
            tally,
            random,
        };
        retries.attempted(at(now), &what, &RETRY)
    }

    fn failed() -> Tally {
        Tally::Failed {
            message: "503".to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn failures_back_off_and_exhaust_once() {
        let mut retries = Retries::default();
        assert!(!attempt(&mut retries, 10, &failed(), u64::MAX));
        assert_eq!(retries.lane("a").unwrap().not_before, Some(at(11)));
        assert!(!attempt(&mut retries, 20, &failed(), u64::MAX));
        assert_eq!(retries.lane("a").unwrap().not_before, Some(at(22)));
        assert!(attempt(&mut retries, 30, &failed(), 0));
        assert!(retries.lane("a").unwrap().exhausted);
        assert!(!attempt(&mut retries, 40, &failed(), 0), "told once only");
        retries.reset();
        assert_eq!(retries.lane("a"), Some(&Lane::default()));
    }

    #[test]
    fn a_read_goes_on_and_a_person_is_told_once() {
        let mut retries = Retries::default();
        let mut read = |now: i64, tally: &Tally| {
            let what = Attempted {
                lane: "a",
                effect: "read",
                stops: false,
                began_at: at(now - 1),
                tally,
                random: u64::MAX,
            };
            let told = retries.attempted(at(now), &what, &RETRY);
            (told, retries.lane("a").unwrap().clone())
        };
        let told: Vec<bool> = (1..6).map(|nth| read(nth * 10, &failed()).0).collect();
        assert_eq!(told, [false, false, true, false, false]);
        let (_, lane) = read(60, &failed());
        assert!(lane.alarmed && !lane.exhausted);
        assert!(lane.not_before.is_some(), "it backs off, and goes on");
        let (_, lane) = read(70, &Tally::Answered);
        assert!(!lane.alarmed);
    }

    #[test]
    fn what_cannot_be_tried_uses_up_attempts() {
        let mut retries = Retries::default();
        let unable = Tally::Unable {
            message: "no such target".to_owned(),
        };
        let told: Vec<bool> = (1..4)
            .map(|nth| attempt(&mut retries, nth, &unable, u64::MAX))
            .collect();
        assert_eq!(told, [false, false, true]);
        assert!(retries.lane("a").unwrap().exhausted);
    }

    #[test]
    fn an_answer_clears_and_our_own_reasons_use_up_nothing() {
        let mut retries = Retries::default();
        attempt(&mut retries, 10, &failed(), 0);
        let deferred = Tally::Deferred {
            message: "fenced".to_owned(),
        };
        attempt(&mut retries, 11, &deferred, u64::MAX);
        let lane = retries.lane("a").unwrap();
        assert_eq!((lane.failures, lane.put_off), (1, 1));
        assert!(lane.not_before > Some(at(11)));
        assert_eq!(lane.last_began, Some(at(9)), "nothing began");
        attempt(&mut retries, 20, &Tally::Answered, 0);
        let lane = retries.lane("a").unwrap();
        assert_eq!(
            (lane.failures, lane.put_off, &lane.last_error),
            (0, 0, &None)
        );
    }

    #[test]
    fn a_lane_that_does_not_move_is_spaced_out() {
        let mut retries = Retries::default();
        retries.idled(at(1), "a", &RETRY);
        retries.idled(at(2), "a", &RETRY);
        assert_eq!(retries.lane("a").unwrap().not_before, Some(at(4)));
        retries.moved("a");
        assert_eq!(retries.lane("a").unwrap().idle, 0);
    }

    #[test]
    fn reads_what_it_writes_and_forgives_the_rest() {
        let mut retries = Retries::default();
        attempt(&mut retries, 10, &failed(), 7);
        retries.lost("b");
        assert_eq!(Retries::parse(&retries.to_json()), retries);
        assert_eq!(Retries::default().to_json(), r#"{"lanes":{}}"#);
        for text in ["", "{}", "null", "[1]"] {
            assert_eq!(Retries::parse(text), Retries::default(), "{text}");
        }
    }

    #[test]
    fn the_spread_is_between_half_and_full() {
        let span = Duration::from_secs(10);
        assert_eq!(half_to_full(span, 0), Duration::from_secs(5));
        assert_eq!(half_to_full(span, 1 << 16), span);
        assert_eq!(
            half_to_full(Duration::MAX, 1 << 16),
            Duration::from_millis(u64::MAX)
        );
    }
}
