//! What goes wrong on the way to a remote and back: a pure function of seed, remote and call
//! number, so that a run can be told again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pace::Span;
use crate::seeded::Seed;

/// How much goes wrong.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Chaos {
    /// Nothing.
    #[default]
    None,
    /// Requests and answers get lost, events come twice and out of order, reads lag.
    Light,
    /// The same more often, with 5xx before and after the effect, 429, and slow answers.
    Heavy,
}

/// The text names no level of chaos.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no level of chaos; known are none, light, heavy")]
pub struct UnknownChaos {
    /// What was given.
    pub given: String,
}

impl FromStr for Chaos {
    type Err = UnknownChaos;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "light" => Ok(Self::Light),
            "heavy" => Ok(Self::Heavy),
            other => Err(UnknownChaos {
                given: other.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        })
    }
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remote {
    /// Buy with Prime's token endpoint.
    Token,
    /// Buy with Prime's GraphQL endpoint.
    BuyWithPrime,
    /// The refund provider.
    Refunds,
    /// The order management system.
    Oms,
}

impl Remote {
    /// Every remote.
    pub const ALL: [Self; 4] = [Self::Token, Self::BuyWithPrime, Self::Refunds, Self::Oms];

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::BuyWithPrime => "buy_with_prime",
            Self::Refunds => "refunds",
            Self::Oms => "oms",
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "fault",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Fault {
    /// Nothing: it is answered.
    None,
    /// The connection closes before the remote acted.
    RequestLost,
    /// The remote acts, then the connection closes without an answer.
    AnswerLost,
    /// 503, and the remote did not act.
    Unavailable,
    /// The remote acts, then answers 500.
    ErrorAfterEffect,
    /// 429 with `Retry-After`, and the remote did not act.
    Throttled {
        /// What `Retry-After` says, in seconds.
        retry_after_s: u32,
    },
    /// The remote acts and answers later.
    Slow {
        /// How much later, in milliseconds.
        delay_ms: u64,
    },
}

/// Per mille of calls.
struct Rates {
    request_lost: u64,
    answer_lost: u64,
    unavailable: u64,
    error_after_effect: u64,
    throttled: u64,
    slow: u64,
}

impl Chaos {
    const fn rates(self) -> Rates {
        match self {
            Self::None => Rates {
                request_lost: 0,
                answer_lost: 0,
                unavailable: 0,
                error_after_effect: 0,
                throttled: 0,
                slow: 0,
            },
            Self::Light => Rates {
                request_lost: 40,
                answer_lost: 60,
                unavailable: 0,
                error_after_effect: 0,
                throttled: 0,
                slow: 0,
            },
            Self::Heavy => Rates {
                request_lost: 80,
                answer_lost: 100,
                unavailable: 30,
                error_after_effect: 50,
                throttled: 30,
                slow: 60,
            },
        }
    }

    /// Does anything go wrong at all?
    pub(crate) const fn is_some(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Per mille of events that are delivered once more.
    pub(crate) const fn duplicate_rate(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Light => 200,
            Self::Heavy => 400,
        }
    }

    /// Per mille of events that are overtaken by later ones.
    pub(crate) const fn reorder_rate(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Light => 200,
            Self::Heavy => 400,
        }
    }

    /// Per mille of events under a name of an earlier generation.
    pub(crate) const fn old_name_rate(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Light | Self::Heavy => 100,
        }
    }
}

/// What happens to the `call`-th call (counted from 0) of a remote.
#[must_use]
pub fn fault(seed: u64, chaos: Chaos, remote: Remote, call: u64, slow: Span) -> Fault {
    let rates = chaos.rates();
    let seed = Seed::new(seed);
    let call = call.to_string();
    let label = ["fault", remote.name(), &call];
    let mut drawn = seed.below(1_000, &label);
    let mut hit = |rate: u64| {
        let hit = drawn < rate;
        drawn = drawn.wrapping_sub(rate);
        hit
    };
    if hit(rates.request_lost) {
        return Fault::RequestLost;
    }
    if hit(rates.answer_lost) {
        return Fault::AnswerLost;
    }
    if hit(rates.unavailable) {
        return Fault::Unavailable;
    }
    if hit(rates.error_after_effect) {
        return Fault::ErrorAfterEffect;
    }
    if hit(rates.throttled) {
        return Fault::Throttled {
            retry_after_s: u32::from(seed.per_mille(500, &["retry-after", remote.name(), &call])),
        };
    }
    if hit(rates.slow) {
        let delay = slow.draw(seed, &["slow", remote.name(), &call]);
        return Fault::Slow {
            delay_ms: duration_ms(delay),
        };
    }
    Fault::None
}

pub(crate) fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, chaos: Chaos, remote: Remote) -> Vec<Fault> {
        (0..2_000)
            .map(|call| fault(seed, chaos, remote, call, Span::millis(10, 20)))
            .collect()
    }

    fn count(faults: &[Fault], is: fn(&Fault) -> bool) -> usize {
        faults.iter().filter(|fault| is(fault)).count()
    }

    #[test]
    fn none_means_none() {
        for remote in Remote::ALL {
            assert!(
                run(1, Chaos::None, remote)
                    .iter()
                    .all(|fault| *fault == Fault::None)
            );
        }
    }

    #[test]
    fn equal_seeds_tell_the_same_story_and_others_another() {
        for remote in Remote::ALL {
            assert_eq!(run(5, Chaos::Heavy, remote), run(5, Chaos::Heavy, remote));
            assert_ne!(run(5, Chaos::Heavy, remote), run(6, Chaos::Heavy, remote));
        }
        assert_ne!(
            run(5, Chaos::Light, Remote::Oms),
            run(5, Chaos::Light, Remote::Refunds)
        );
    }

    #[test]
    fn light_loses_requests_and_answers_and_does_nothing_else() {
        let faults = run(1, Chaos::Light, Remote::BuyWithPrime);
        let lost = count(&faults, |fault| *fault == Fault::RequestLost);
        let unanswered = count(&faults, |fault| *fault == Fault::AnswerLost);
        assert!((50..115).contains(&lost), "{lost}");
        assert!((80..165).contains(&unanswered), "{unanswered}");
        assert_eq!(
            count(&faults, |fault| *fault == Fault::None) + lost + unanswered,
            faults.len()
        );
    }

    #[test]
    fn heavy_does_everything() {
        let faults = run(1, Chaos::Heavy, Remote::Refunds);
        for (name, is) in [
            ("none", (|f| *f == Fault::None) as fn(&Fault) -> bool),
            ("request lost", |f| *f == Fault::RequestLost),
            ("answer lost", |f| *f == Fault::AnswerLost),
            ("unavailable", |f| *f == Fault::Unavailable),
            ("error after effect", |f| *f == Fault::ErrorAfterEffect),
            ("throttled", |f| matches!(f, Fault::Throttled { .. })),
            ("slow", |f| matches!(f, Fault::Slow { delay_ms: 10..=20 })),
        ] {
            assert!(count(&faults, is) > 0, "{name}");
        }
    }

    #[test]
    fn levels_have_names() {
        for chaos in [Chaos::None, Chaos::Light, Chaos::Heavy] {
            assert_eq!(chaos.to_string().parse(), Ok(chaos));
        }
        assert!("medium".parse::<Chaos>().is_err());
    }
}
