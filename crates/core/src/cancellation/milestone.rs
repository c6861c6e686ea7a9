//! What the OMS hears, in which order, and with which words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cancellation::state::State;
use crate::cancellation::view::{RefundView, RejectionView};
use crate::{Emission, InstanceId, RefundId, Stamp};

/// A milestone of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Milestone {
    /// Amazon is trying to cancel the order.
    #[serde(rename = "cancellation.pending")]
    Pending,
    /// The order is cancelled.
    #[serde(rename = "cancellation.succeeded")]
    Succeeded,
    /// The order is not cancelled.
    #[serde(rename = "cancellation.rejected")]
    Rejected,
    /// A refund was paid, failed, or will not be paid.
    #[serde(rename = "refund.updated")]
    RefundUpdated,
}

impl Milestone {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "cancellation.pending",
            Self::Succeeded => "cancellation.succeeded",
            Self::Rejected => "cancellation.rejected",
            Self::RefundUpdated => "refund.updated",
        }
    }
}

/// The milestones of one cancellation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Milestones {
    /// Those that the OMS is still to be told, in order; one in flight at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<Raised>,
    /// How often each was raised.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u32>,
}

/// A milestone that was raised. Its body stands in the history entry `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raised {
    /// The entry that raised it.
    pub seq: u64,
    /// Which one.
    pub milestone: Milestone,
    /// The refund, for [`Milestone::RefundUpdated`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<RefundId>,
    /// The how-many-eth of its kind it is, counted from 1.
    pub nth: u32,
}

impl Raised {
    /// The stable id of the message: the same whenever this milestone of this cancellation is told,
    /// also after a restore from backup. Without a dot, which the signature scheme reserves.
    #[must_use]
    pub fn message_id(&self, id: &InstanceId) -> String {
        let name = self.milestone.as_str().replace('.', "_");
        match &self.refund_id {
            Some(refund) => format!("{id}:{name}:{refund}:{}", self.nth),
            None => format!("{id}:{name}:{}", self.nth),
        }
    }
}

impl Milestones {
    /// Was none ever raised?
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// Was this one ever raised?
    #[must_use]
    pub fn was_raised(&self, milestone: Milestone) -> bool {
        self.counts.contains_key(milestone.as_str())
    }

    pub(crate) fn raise(&mut self, seq: u64, milestone: Milestone, refund_id: Option<&RefundId>) {
        let counted = match refund_id {
            Some(refund) => format!("{}/{refund}", milestone.as_str()),
            None => milestone.as_str().to_owned(),
        };
        let nth = self.counts.entry(counted).or_default();
        *nth = nth.saturating_add(1);
        self.queue.push(Raised {
            seq,
            milestone,
            refund_id: refund_id.cloned(),
            nth: *nth,
        });
    }
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    milestone: Milestone,
    timestamp: crate::Timestamp,
    data: Data<'a>,
}

/// The members of the cancellation's JSON that belong to the state as it was then.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    id: &'a InstanceId,
    target_id: &'a crate::TargetId,
    order_id: &'a crate::OrderId,
    external_id: Option<&'a crate::ExternalId>,
    origin: &'a crate::cancellation::request::Origin,
    state: &'static str,
    outcome: Option<&'static str>,
    reason: Option<crate::cancellation::request::CancellationReason>,
    additional_comments: Option<&'a str>,
    requested_by: Option<&'a str>,
    rejection: Option<RejectionView>,
    refunds: Vec<RefundView>,
    revision: u64,
}

/// The messages that the entry with this stamp raised, rendered from the state as it left it.
pub(crate) fn render(state: &State, stamp: Stamp) -> Vec<Emission> {
    let case = &state.case;
    case.milestones
        .queue
        .iter()
        .filter(|raised| raised.seq == stamp.seq)
        .filter_map(|raised| {
            let message = Message {
                milestone: raised.milestone,
                timestamp: stamp.at,
                data: Data {
                    id: &case.id,
                    target_id: &case.target_id,
                    order_id: &case.order_id,
                    external_id: case.external_id.as_ref(),
                    origin: &case.origin,
                    state: state.phase.name(),
                    outcome: state.outcome(),
                    reason: case.reason,
                    additional_comments: case.additional_comments.as_deref(),
                    requested_by: case.requested_by.as_deref(),
                    rejection: state.rejection_view(),
                    refunds: state.refund_views(),
                    revision: stamp.seq,
                },
            };
            // Only maps with text keys: this cannot fail.
            let body = serde_json::to_string(&message).ok()?;
            Some(Emission {
                id: raised.message_id(&case.id),
                body,
            })
        })
        .collect()
}
