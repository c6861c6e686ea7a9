//! How a cancellation begins, and what is agreed for its whole life.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cancellation::input::Event;
use crate::open_enum::open_enum;
use crate::time::duration_ms;
use crate::{ExternalId, OrderId, TargetId};

/// Most characters of `additionalComments` (U21).
pub const COMMENTS_MAX: usize = 256;

/// The reason given to Amazon (reference 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancellationReason {
    /// The shopper did not mean to order this.
    OrderedByMistake,
    /// It would not arrive in time.
    ItemsArrivingLate,
    /// Wrong address.
    IncorrectShippingAddress,
    /// Ran out after the order was placed.
    OutOfStock,
    /// The shopper could not be charged.
    PaymentIssue,
    /// Anything else: the comments say what.
    Other,
}

impl CancellationReason {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::OrderedByMistake,
        Self::ItemsArrivingLate,
        Self::IncorrectShippingAddress,
        Self::OutOfStock,
        Self::PaymentIssue,
        Self::Other,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderedByMistake => "ORDERED_BY_MISTAKE",
            Self::ItemsArrivingLate => "ITEMS_ARRIVING_LATE",
            Self::IncorrectShippingAddress => "INCORRECT_SHIPPING_ADDRESS",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::PaymentIssue => "PAYMENT_ISSUE",
            Self::Other => "OTHER",
        }
    }
}

impl std::str::FromStr for CancellationReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|reason| reason.as_str()).collect();
                format!("must be one of {}", names.join(", "))
            })
    }
}

/// What is agreed when a cancellation begins and holds for its whole life, whatever the
/// configuration says later: the state must stay the fold of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How long something may be missing before a person is asked.
    #[serde(rename = "patienceMs", with = "duration_ms")]
    pub patience: Duration,
    /// How long Amazon may take to decide before a person is told.
    #[serde(rename = "pendingAlarmMs", with = "duration_ms")]
    pub pending_alarm: Duration,
    /// How long refunds are looked for after a success.
    #[serde(rename = "refundGraceMs", with = "duration_ms")]
    pub refund_grace: Duration,
    /// How long the order query may lag behind a mutation (U9).
    #[serde(rename = "visibilityLagMs", with = "duration_ms")]
    pub visibility_lag: Duration,
    /// How long "not there" is disbelieved at the refund provider.
    #[serde(rename = "quietMs", with = "duration_ms")]
    pub quiet: Duration,
    /// How long an idempotency key is relied upon.
    #[serde(rename = "keyHorizonMs", with = "duration_ms")]
    pub key_horizon: Duration,
    /// Refunds with these reasons are ours to pay.
    pub refund_reasons: Vec<String>,
    /// The kind of alias that carries our id.
    pub alias_type: String,
}

impl Default for Terms {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            patience: Duration::from_secs(30 * MINUTE),
            pending_alarm: Duration::from_secs(24 * HOUR),
            refund_grace: Duration::from_secs(24 * HOUR),
            visibility_lag: Duration::from_secs(5 * MINUTE),
            quiet: Duration::from_secs(MINUTE),
            key_horizon: Duration::from_secs(20 * HOUR),
            refund_reasons: vec!["CANCELLED_ORDER".to_owned(), "DELIVERY_ISSUES".to_owned()],
            alias_type: "EXT_CANCEL_ID".to_owned(),
        }
    }
}

/// What begins a cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Somebody asks us to cancel an order.
    Requested(CancelRequest),
    /// We hear that an order is being cancelled or refunded.
    Observed(Observation),
}

/// A request to cancel an order. Build it with [`Draft::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequest {
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The caller's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// The reason to give to Amazon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CancellationReason>,
    /// The comments to give to Amazon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_comments: Option<String>,
    /// Who asked us, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// What is agreed for its life.
    pub terms: Terms,
}

/// Something was heard about an order that has no live cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The event, or nothing when a person asked us to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// The person who asked us to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// What is agreed for its life.
    pub terms: Terms,
}

open_enum! {
    /// How a cancellation began.
    Origin {
        /// Asked for by our caller.
        Requested = "requested",
        /// Heard of.
        Observed = "observed",
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// The field, by its JSON name.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// A request as a caller gives it: plain text, unchecked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// The order.
    pub order_id: String,
    /// The target; the only configured one when absent.
    #[serde(default)]
    pub target_id: Option<String>,
    /// The idempotency key.
    #[serde(default)]
    pub external_id: Option<String>,
    /// One of [`CancellationReason::ALL`].
    #[serde(default)]
    pub reason: Option<String>,
    /// At most [`COMMENTS_MAX`] characters; required with the reason `OTHER`.
    #[serde(default)]
    pub additional_comments: Option<String>,
}

impl Draft {
    /// Checks everything at once.
    ///
    /// # Errors
    /// Every problem found, in the order of the fields.
    pub fn validate(
        &self,
        default_target: Option<&TargetId>,
        requested_by: Option<&str>,
        terms: Terms,
    ) -> Result<CancelRequest, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut note = |field, message: String| problems.push(Problem { field, message });

        let order_id = OrderId::new(&*self.order_id)
            .map_err(|error| note("orderId", error.to_string()))
            .ok();
        let target_id = match (&self.target_id, default_target) {
            (Some(text), _) => TargetId::new(&**text)
                .map_err(|error| note("targetId", error.to_string()))
                .ok(),
            (None, Some(target)) => Some(target.clone()),
            (None, None) => {
                note(
                    "targetId",
                    "is required: there is no single default target".to_owned(),
                );
                None
            }
        };
        let external_id = self.external_id.as_ref().and_then(|text| {
            let checked = ExternalId::new(&**text).map_err(|error| error.to_string());
            match checked {
                Ok(_) if text.trim() != text => {
                    note(
                        "externalId",
                        "must not begin or end with a blank".to_owned(),
                    );
                    None
                }
                Ok(id) => Some(id),
                Err(message) => {
                    note("externalId", message);
                    None
                }
            }
        });
        let reason = self.reason.as_ref().and_then(|text| {
            text.parse::<CancellationReason>()
                .map_err(|message| note("reason", message))
                .ok()
        });
        if let Some(comments) = &self.additional_comments {
            let length = comments.chars().count();
            if length > COMMENTS_MAX {
                note(
                    "additionalComments",
                    format!("has {length} characters, at most {COMMENTS_MAX} are allowed"),
                );
            } else if let Some(found) = comments.chars().find(|c| c.is_control() && *c != '\n') {
                note(
                    "additionalComments",
                    format!("holds the control character {found:?}"),
                );
            }
        }
        let silent = |text: &Option<String>| text.as_ref().is_none_or(|t| t.trim().is_empty());
        if reason == Some(CancellationReason::Other) && silent(&self.additional_comments) {
            note(
                "additionalComments",
                "is required with the reason OTHER".to_owned(),
            );
        }

        match (order_id, target_id) {
            (Some(order_id), Some(target_id)) if problems.is_empty() => Ok(CancelRequest {
                target_id,
                order_id,
                external_id,
                reason,
                additional_comments: self
                    .additional_comments
                    .clone()
                    .filter(|comments| !comments.trim().is_empty()),
                requested_by: requested_by.map(str::to_owned),
                terms,
            }),
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(draft: &Draft) -> Result<CancelRequest, Vec<String>> {
        let target = TargetId::new("bp-1").unwrap();
        draft
            .validate(Some(&target), None, Terms::default())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let draft = Draft {
            order_id: "a b".to_owned(),
            external_id: Some("x".repeat(65)),
            reason: Some("FRAUD".to_owned()),
            additional_comments: Some("c".repeat(257)),
            ..Draft::default()
        };
        let problems = check(&draft).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[2].contains("ORDERED_BY_MISTAKE"), "{problems:?}");
    }

    #[test]
    fn other_wants_a_comment() {
        let mut draft = Draft {
            order_id: "322-A".to_owned(),
            reason: Some("OTHER".to_owned()),
            ..Draft::default()
        };
        assert!(check(&draft).is_err());
        draft.additional_comments = Some("   ".to_owned());
        assert!(check(&draft).is_err());
        draft.additional_comments = Some("the colour".to_owned());
        assert_eq!(
            check(&draft).unwrap().reason,
            Some(CancellationReason::Other)
        );
    }

    #[test]
    fn the_default_target_is_used_only_when_none_is_given() {
        let draft = Draft {
            order_id: "322-A".to_owned(),
            ..Draft::default()
        };
        assert_eq!(check(&draft).unwrap().target_id.as_str(), "bp-1");
        assert!(draft.validate(None, None, Terms::default()).is_err());
    }
}
