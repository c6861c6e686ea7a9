//! When a person is needed, and what the person can do.

use serde::{Deserialize, Serialize};

use crate::cancellation::agenda::{OMS_LANE, READ_LANE};
use crate::cancellation::input::{Mutation, Named};
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
    /// A limit on payouts leaves no room for this one: nothing is paid before a person asks for a
    /// retry.
    PayoutLimited {
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
            Self::PayoutLimited { .. } => "payout_limited",
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
            | Self::PayoutLimited { refund_id }
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

    /// What goes on while it waits for a person, in a sentence.
    #[must_use]
    pub fn meanwhile(&self) -> &'static str {
        match self {
            Self::PrecheckUndecided => {
                "nothing was sent to Amazon; the order is read again and again, and it goes on as soon as the order shows enough"
            }
            Self::PendingTooLong => "Amazon is asked again and again, and every event is followed",
            Self::InDoubt { .. } => {
                "it is looked for again and again; nothing is sent a second time before it is known whether the first arrived"
            }
            Self::NotVisible { .. } => {
                "the order is read again and again; the cancellation does not end before this is settled, and no money moves on the word of an event"
            }
            Self::AttemptsExhausted { .. } => {
                "this is not tried any more; everything else goes on, and the order is still read now and then"
            }
            Self::RefundUnclear { .. } => {
                "nothing is paid for this refund; the order is read again and again, in case Amazon fills the gap"
            }
            Self::RefundMoved { .. } => {
                "nothing is paid for this refund; the order is read again and again"
            }
            Self::PayoutFailed { .. } => {
                "nothing more is paid for this refund; everything else goes on"
            }
            Self::PayoutDiffers { .. } => {
                "nothing more is paid for this refund, and Amazon is told nothing about it"
            }
            Self::PayoutLimited { .. } => "this refund is not paid; everything else goes on",
            Self::KeyExpired { .. } => {
                "nothing is paid for this refund; it waits for a person's word"
            }
            Self::ReportRefused { .. } => {
                "the money was paid, and Amazon does not know it yet; the order is read again and again, in case somebody else has told Amazon"
            }
        }
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
            Self::InDoubt { lane } => {
                let mut all = vec!["retry ID".to_owned()];
                if let Some(Mutation::PayRefund { refund_id }) = Mutation::of_lane(lane) {
                    all.push(paid(&refund_id));
                }
                all.push(resolve("not_sent"));
                all
            }
            Self::AttemptsExhausted { lane } if lane == "update_oms" => {
                vec!["retry ID".to_owned(), resolve("oms_told")]
            }
            Self::NotVisible { what } if *what == (Named::Order {}).to_string() => {
                vec!["retry ID".to_owned()]
            }
            Self::NotVisible { what } => {
                let mut all = vec!["retry ID".to_owned(), resolve("event_wrong")];
                let refund = what.strip_prefix("refund ").map(RefundId::new);
                if let Some(Ok(refund)) = refund {
                    all.push(not_due(&refund));
                }
                all
            }
            Self::AttemptsExhausted { .. } | Self::ReportRefused { .. } => {
                vec!["retry ID".to_owned()]
            }
            Self::PayoutDiffers { refund_id } => vec![paid(refund_id)],
            Self::RefundUnclear { refund_id } => vec![paid(refund_id), not_due(refund_id)],
            Self::RefundMoved { refund_id }
            | Self::PayoutFailed { refund_id }
            | Self::PayoutLimited { refund_id } => {
                vec!["retry ID".to_owned(), paid(refund_id), not_due(refund_id)]
            }
            Self::KeyExpired { refund_id } => vec![paid(refund_id), resolve("not_sent")],
        }
    }
}

/// What a suggested command line says, in words that end in a colon.
#[must_use]
pub fn suggestion_in_words(command: &str) -> &'static str {
    let mut words = command.split(' ');
    let fact = command
        .split_once("--fact ")
        .and_then(|(_, rest)| rest.split(' ').next());
    match (words.next(), fact) {
        (Some("retry"), _) => "Once the cause is mended, have it tried again:",
        (Some("withdraw"), _) => "Or give the cancellation up:",
        (_, Some("cancelled")) => "If you know that Amazon cancelled the order, say so:",
        (_, Some("rejected")) => "If you know that Amazon will not cancel the order, say so:",
        (_, Some("not_sent")) => "If you know that it never arrived, say so:",
        (_, Some("refund_paid")) => {
            "If the money was paid back, say with which payment, and how much:"
        }
        (_, Some("refund_not_due")) => "If the money is not to be paid back, say so:",
        (_, Some("oms_told")) => "If your order system knows everything already, say so:",
        (_, Some("event_wrong")) => "If Amazon shows nothing of the kind, say so:",
        _ => "You can do this:",
    }
}

/// A lane as the subject of a sentence.
pub(crate) fn lane_in_words(lane: &str) -> String {
    match Mutation::of_lane(lane) {
        Some(Mutation::CancelOrder) => "the request to cancel the order".to_owned(),
        Some(Mutation::PayRefund { refund_id }) => format!("the payout of refund {refund_id}"),
        Some(Mutation::ReportRefund { refund_id }) => {
            format!("the report of refund {refund_id} to Amazon")
        }
        None if lane == OMS_LANE => "the message to the OMS".to_owned(),
        None if lane == READ_LANE => "reading the order".to_owned(),
        None => lane.to_owned(),
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
