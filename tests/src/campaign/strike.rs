//! How and when the daemon is killed.

use std::time::Duration;

use super::dice::Dice;

/// How a daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// So long after it was ready.
    Random(Duration),
    /// So long after its process began, ready or not.
    StartUp(Duration),
    /// So long after SIGTERM, which comes so long after it was ready.
    Stopping {
        /// Until SIGTERM.
        runs: Duration,
        /// From there to SIGKILL.
        stops: Duration,
    },
    /// As soon as it has acknowledged a request, so long after it was ready at the earliest.
    Acknowledged(Duration),
}

/// The kinds of strikes, to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// At a random moment while it works.
    Random,
    /// While it starts.
    StartUp,
    /// While it stops in good order.
    Stopping,
    /// Right after an acknowledgement.
    Acknowledged,
}

impl Manner {
    /// Every manner.
    pub const ALL: [Self; 4] = [
        Self::Random,
        Self::StartUp,
        Self::Stopping,
        Self::Acknowledged,
    ];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "at work",
            Self::StartUp => "during start-up",
            Self::Stopping => "during a graceful stop",
            Self::Acknowledged => "right after an acknowledgement",
        }
    }
}

impl Strike {
    /// The next one. `startup` is how long a start has been taking.
    ///
    /// A kill during start-up follows another kill at once: that is the double kill.
    pub(super) fn draw(dice: &mut Dice, startup: Duration) -> Self {
        match dice.below(100) {
            0..12 => {
                let most = u64::try_from(startup.as_millis()).unwrap_or(u64::MAX);
                Self::StartUp(dice.millis(0, most.saturating_add(most / 4)))
            }
            12..22 => Self::Stopping {
                runs: lifetime(dice),
                stops: dice.millis(0, 250),
            },
            22..37 => Self::Acknowledged(dice.millis(0, 500)),
            _ => Self::Random(lifetime(dice)),
        }
    }

    pub(super) const fn manner(self) -> Manner {
        match self {
            Self::Random(_) => Manner::Random,
            Self::StartUp(_) => Manner::StartUp,
            Self::Stopping { .. } => Manner::Stopping,
            Self::Acknowledged(_) => Manner::Acknowledged,
        }
    }
}

/// The remotes take their time for a while before a kill, as real ones do: else a mutation is under
/// way for so short a time that a random moment seldom finds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slowness {
    /// So long before the kill.
    pub(super) lead: Duration,
    /// How much later the next answers come.
    pub(super) delay: Duration,
}

impl Slowness {
    /// For three of four kills.
    pub(super) fn draw(dice: &mut Dice) -> Option<Self> {
        let slowness = Self {
            lead: dice.millis(50, 500),
            delay: dice.millis(200, 700),
        };
        dice.percent(75).then_some(slowness)
    }
}

/// Mostly short; some live long enough to believe that something is not there.
fn lifetime(dice: &mut Dice) -> Duration {
    if dice.percent(25) {
        dice.millis(2_200, 4_000)
    } else {
        dice.millis(0, 900)
    }
}
