//! How fast the simulated world moves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seeded::Seed;

/// A duration between two bounds, both included; which one is drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };

    /// Between so many milliseconds.
    #[must_use]
    pub const fn millis(min: u64, max: u64) -> Self {
        Self {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
        }
    }

    /// Always the same.
    #[must_use]
    pub const fn always(duration: Duration) -> Self {
        Self {
            min: duration,
            max: duration,
        }
    }

    /// The duration that belongs to this seed and this label. Bounds in the wrong order count as
    /// the lower one.
    pub(crate) fn draw(self, seed: Seed, label: &[&str]) -> Duration {
        let width = self.max.saturating_sub(self.min);
        let micros = u64::try_from(width.as_micros()).unwrap_or(u64::MAX);
        let part = match micros.checked_add(1) {
            Some(choices) => seed.draw(label) % choices,
            None => seed.draw(label),
        };
        self.min.saturating_add(Duration::from_micros(part))
    }
}

/// The delays of the simulated world. All are counted on the runtime's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pace {
    /// From a cancellation's acceptance to Amazon's decision. For foreign cancellations, from the
    /// first look at the order.
    pub decision: Span,
    /// From the cause of a shipment (a rejection, a refusal, a first look) to the shipment.
    pub ship: Span,
    /// From the first look at an order to the appearance of packages (or of the order itself) that
    /// are late.
    pub appear: Span,
    /// From a decided cancellation to each refund's appearance.
    pub refund: Span,
    /// From a payout that is not final at once to its end.
    pub payout: Span,
    /// From a fact to the first delivery of its event.
    pub event: Span,
    /// Between two tries of one delivery: doubles from `min` to `max`.
    pub event_retry: Span,
    /// Under chaos: how long a change of an order stays unseen by the order query.
    pub visibility_lag: Span,
    /// Under chaos: how long a payout stays unseen by the provider's listing.
    pub listing_lag: Span,
    /// Under heavy chaos: how much later a slow answer comes.
    pub slow_answer: Span,
    /// Under heavy chaos: from the first drop of an answer to the last.
    pub drip: Span,
    /// Under heavy chaos: how much later a late effect comes. Together with the lags it must stay
    /// below what callers wait before they believe that something did not happen: their request
    /// time-out is a good bound.
    pub late_effect: Span,
    /// Under heavy chaos: how long a remote is down that restarts.
    pub downtime: Span,
    /// Under heavy chaos: how long a token works that expires early.
    pub early_expiry: Span,
    /// How long the provider remembers an idempotency key. Afterwards the same key pays again.
    pub key_lifetime: Duration,
    /// How long an access token lives. Told in whole seconds, rounded down.
    pub token_lifetime: Duration,
}

impl Pace {
    /// For demonstrations and tests: whole cancellations within a second or two.
    #[must_use]
    pub const fn quick() -> Self {
        Self {
            decision: Span::millis(50, 600),
            ship: Span::millis(20, 200),
            appear: Span::millis(50, 300),
            refund: Span::millis(20, 300),
            payout: Span::millis(50, 300),
            event: Span::millis(1, 100),
            event_retry: Span::millis(50, 500),
            visibility_lag: Span::millis(0, 100),
            listing_lag: Span::millis(0, 100),
            slow_answer: Span::millis(100, 400),
            drip: Span::millis(100, 1_200),
            late_effect: Span::millis(50, 1_000),
            downtime: Span::millis(100, 600),
            early_expiry: Span::millis(200, 3_000),
            key_lifetime: Duration::from_secs(24 * 60 * 60),
            token_lifetime: Duration::from_secs(900),
        }
    }

    /// For watching by eye: seconds.
    #[must_use]
    pub const fn leisurely() -> Self {
        Self {
            decision: Span::millis(3_000, 10_000),
            ship: Span::millis(1_000, 5_000),
            appear: Span::millis(1_000, 5_000),
            refund: Span::millis(1_000, 5_000),
            payout: Span::millis(2_000, 6_000),
            event: Span::millis(100, 2_000),
            event_retry: Span::millis(500, 10_000),
            visibility_lag: Span::millis(0, 2_000),
            listing_lag: Span::millis(0, 2_000),
            slow_answer: Span::millis(1_000, 5_000),
            drip: Span::millis(1_000, 20_000),
            late_effect: Span::millis(1_000, 20_000),
            downtime: Span::millis(2_000, 20_000),
            early_expiry: Span::millis(5_000, 60_000),
            ..Self::quick()
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::quick()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_the_bounds_and_repeat() {
        let span = Span::millis(10, 12);
        for n in 0..200 {
            let label = n.to_string();
            let drawn = span.draw(Seed::new(7), &[&label]);
            assert!(drawn >= span.min && drawn <= span.max, "{drawn:?}");
            assert_eq!(drawn, span.draw(Seed::new(7), &[&label]));
        }
    }

    #[test]
    fn bounds_in_the_wrong_order_count_as_the_lower_one() {
        let span = Span::millis(10, 5);
        assert_eq!(span.draw(Seed::new(1), &["x"]), Duration::from_millis(10));
    }
}
