//! When a person is needed, and what the person can do.

use serde::{Deserialize, Serialize};

use crate::{RefundId, Timestamp};

/// One thing that a person is needed for. Work that does not depend on it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    /// Since when.
    pub since: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub about: About,
    /// The particulars, for people.
    pub detail: String,
}

/// The kinds of attention.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum About {
    /// The order does not show what the pre-check could decide on.
    PrecheckUndecided,
    /// Amazon has not decided for longer than the alarm time.
    PendingTooLong,
    /// A mutation is in doubt for longer than the patience.
    InDoubt {
        /// Its lane.
        lane: String,
    },
    /// An event named something that no read shows.
    NotVisible {
        /// What it named.
        what: String,
    },
    /// An effect failed as often as it may, and stopped.
    AttemptsExhausted {
        /// Its lane.
        lane: String,
    },
    /// A refund lacks what is needed to pay it.
    RefundUnclear {
        /// The refund.
        refund_id: RefundId,
    },
    /// Somebody else changed a refund at Buy with Prime.
    RefundMoved {
        /// The refund.
        refund_id: RefundId,
    },
    /// The provider refused the payout or declared it failed.
    PayoutFailed {
        /// The refund.
        refund_id: RefundId,
    },
    /// The provider paid something else than it was told to.
    PayoutDiffers {
        /// The refund.
        refund_id: RefundId,
    },
    /// The provider does not list a payout in doubt, and its key is too old to be sent again.
    KeyExpired {
        /// The refund.
        refund_id: RefundId,
    },
    /// Buy with Prime refused the report of a refund.
    ReportRefused {
        /// The refund.
        refund_id: RefundId,
    },
}

impl About {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PrecheckUndecided => "precheck_undecided",
            Self::PendingTooLong => "pending_too_long",
            Self::InDoubt { .. } => "in_doubt",
            Self::NotVisible { .. } => "not_visible",
            Self::AttemptsExhausted { .. } => "attempts_exhausted",
            Self::RefundUnclear { .. } => "refund_unclear",
            Self::RefundMoved { .. } => "refund_moved",
            Self::PayoutFailed { .. } => "payout_failed",
            Self::PayoutDiffers { .. } => "payout_differs",
            Self::KeyExpired { .. } => "key_expired",
            Self::ReportRefused { .. } => "report_refused",
        }
    }

    /// The refund it concerns, where it concerns one.
    #[must_use]
    pub fn refund(&self) -> Option<&RefundId> {
        match self {
            Self::RefundUnclear { refund_id }
            | Self::RefundMoved { refund_id }
            | Self::PayoutFailed { refund_id }
            | Self::PayoutDiffers { refund_id }
            | Self::KeyExpired { refund_id }
            | Self::ReportRefused { refund_id } => Some(refund_id),
            _ => None,
        }
    }

    /// Do Amazon's, the provider's and our own words about money differ? Then a person must say that
    /// it was looked into before the cancellation may end.
    #[must_use]
    pub fn is_dispute(&self) -> bool {
        matches!(self, Self::RefundMoved { .. } | Self::PayoutDiffers { .. })
    }

    /// What can be done about it: command lines, without the program's name; `ID` stands for the
    /// cancellation.
    #[must_use]
    pub fn suggestions(&self) -> Vec<String> {
        let paid = |refund: &RefundId| {
            format!(
                "resolve ID --fact refund_paid --refund {refund} --payment-id PAYMENT --amount AMOUNT --note TEXT"
            )
        };
        let not_due = |refund: &RefundId| {
            format!("resolve ID --fact refund_not_due --refund {refund} --note TEXT")
        };
        let resolve = |fact: &str| format!("resolve ID --fact {fact} --note TEXT");
        match self {
            Self::PrecheckUndecided => vec!["retry ID".to_owned(), "withdraw ID".to_owned()],
            Self::PendingTooLong => vec![resolve("cancelled"), resolve("rejected")],
            Self::InDoubt { lane } if lane == "cancel_order" => {
                vec![resolve("cancelled"), resolve("not_sent")]
            }
            Self::InDoubt { .. } => vec!["retry ID".to_owned(), resolve("not_sent")],
            Self::AttemptsExhausted { lane } if lane == "update_oms" => {
                vec!["retry ID".to_owned(), resolve("oms_told")]
            }
            Self::AttemptsExhausted { .. }
            | Self::NotVisible { .. }
            | Self::ReportRefused { .. } => vec!["retry ID".to_owned()],
            Self::PayoutDiffers { refund_id } => vec![paid(refund_id)],
            Self::RefundUnclear { refund_id } => vec![paid(refund_id), not_due(refund_id)],
            Self::RefundMoved { refund_id } | Self::PayoutFailed { refund_id } => {
                vec!["retry ID".to_owned(), paid(refund_id), not_due(refund_id)]
            }
            Self::KeyExpired { refund_id } => vec![paid(refund_id), resolve("not_sent")],
        }
    }
}

/// Asks for a person, unless that was done already.
pub(crate) fn raise(list: &mut Vec<Attention>, since: Timestamp, about: About, detail: String) {
    if !list.iter().any(|attention| attention.about == about) {
        list.push(Attention {
            since,
            about,
            detail,
        });
    }
}

/// No longer asks for a person about whatever `is_settled` names.
pub(crate) fn clear(list: &mut Vec<Attention>, is_settled: impl Fn(&About) -> bool) {
    list.retain(|attention| !is_settled(&attention.about));
}
