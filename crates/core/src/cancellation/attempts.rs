//! One shape for every attempt at a mutation: the intent, the doubt, the refusal.

use serde::{Deserialize, Serialize};

use crate::cancellation::input::Unknown;
use crate::{Epoch, Timestamp};

/// The attempts at one mutation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// How many were begun; the newest one's number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub made: u32,
    /// The intent without an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Intent>,
    /// An attempt that may or may not have taken effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// The remote said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An intent that was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The attempt's number.
    pub attempt: u32,
    /// The epoch it was committed under.
    pub epoch: Epoch,
    /// Until when its request may live.
    pub deadline: Timestamp,
}

/// An attempt that may or may not have taken effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Doubt {
    /// The attempt's number.
    pub attempt: u32,
    /// Since when it is in doubt.
    pub since: Timestamp,
    /// Since when any attempt has been in doubt without a break, where that began earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Until when its request may have lived.
    pub deadline: Timestamp,
    /// Why.
    pub why: Unknown,
    /// Was an earlier attempt in doubt already? Then word of this one alone does not settle it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
}

impl Doubt {
    /// From when its quiet time or visibility lag counts: the last moment at which the request can
    /// have arrived.
    #[must_use]
    pub fn counted_from(&self) -> Timestamp {
        self.since.max(self.deadline)
    }

    /// Since when it has not been known whether the effect took place, whichever attempt it was of:
    /// from here the patience counts, so that no number of attempts keeps a doubt young.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.first.unwrap_or(self.since)
    }
}

/// The remote said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The attempt's number.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Its code.
    pub code: String,
    /// Its words.
    pub message: String,
}

/// To which attempt an outcome belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// To the open intent, or to the attempt in doubt while none is open.
    Present,
    /// To an older attempt: evidence only.
    Past,
}

impl Attempts {
    /// Was nothing ever attempted?
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// Is an intent open, or an attempt in doubt?
    #[must_use]
    pub fn is_open_or_in_doubt(&self) -> bool {
        self.open.is_some() || self.doubt.is_some()
    }

    /// The number of the next attempt.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.made.saturating_add(1)
    }

    /// May this attempt be begun?
    pub(crate) fn admits(&self, attempt: u32) -> bool {
        self.open.is_none() && attempt == self.next()
    }

    pub(crate) fn begin(&mut self, intent: Intent) {
        self.made = intent.attempt;
        self.open = Some(intent);
    }

    /// Outcomes count for the attempt they come from: the open one, else the one in doubt.
    pub(crate) fn belongs(&self, attempt: u32) -> Belongs {
        let present = match (&self.open, &self.doubt) {
            (Some(open), _) => Some(open.attempt),
            (None, Some(doubt)) => Some(doubt.attempt),
            (None, None) => None,
        };
        if present == Some(attempt) {
            Belongs::Present
        } else {
            Belongs::Past
        }
    }

    /// It happened, or was seen to have happened: nothing about it is in doubt any more. An intent
    /// that is still on the wire stays open until its own outcome is known.
    pub(crate) fn done(&mut self, attempt: u32) {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.attempt <= attempt)
        {
            self.open = None;
        }
        self.doubt = None;
        self.refused = None;
    }

    /// The present attempt certainly did not reach the remote. A doubt about an earlier one stays.
    pub(crate) fn not_sent(&mut self) {
        if self.open.take().is_none() {
            self.doubt.take_if(|doubt| !doubt.earlier);
        }
    }

    /// The remote said no to the present attempt.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.not_sent();
        self.refused = Some(refusal);
    }

    /// The present attempt may or may not have taken effect.
    pub(crate) fn unknown(&mut self, at: Timestamp, why: Unknown) {
        if let Some(open) = self.open.take() {
            let before = self.doubt.as_ref().map(Doubt::began);
            let earlier = before.is_some();
            self.doubt = Some(Doubt {
                attempt: open.attempt,
                since: at,
                first: before.filter(|before| *before != at),
                deadline: open.deadline,
                why,
                earlier,
            });
        }
    }
}
