//! What goes wrong on the way to a remote and back: a pure function of seed, remote and call
//! number, so that a run can be told again.

mod fault;
mod kind;
mod table;
#[cfg(test)]
mod tests;

pub use fault::{Beside, ErrorClass, Fault, RetryAfter};
pub use kind::FaultKind;
pub use table::fault;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// Every [`FaultKind`] that a caller can be asked to bear: about every third call fails in
    /// some way. Events come worse, too.
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

impl Chaos {
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
