//! The stored truth of a cancellation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cancellation::attempts::Attempts;
use crate::cancellation::attention::Attention;
use crate::cancellation::input::{EventType, Named};
use crate::cancellation::milestone::Milestones;
use crate::cancellation::order::{Alias, CancellationEntry, Requester};
use crate::cancellation::refund::Refund;
use crate::cancellation::request::{CancellationReason, Origin, Terms};
use crate::{ExternalId, InstanceId, OrderId, PackageId, RefundId, TargetId, Timestamp};

/// The whole truth of a cancellation: where it is, and what is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it is.
    pub phase: Phase,
    /// What is known, wherever it is.
    pub case: Case,
}

/// The seven states of the life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    tag = "state",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Phase {
    /// Is every package of every line item still PENDING?
    Precheck {
        /// Since when.
        since: Timestamp,
    },
    /// `cancelOrder` is to be attempted, or has been.
    Requested {
        /// Since when.
        since: Timestamp,
    },
    /// Amazon has a cancellation and has not decided.
    Pending {
        /// Since when.
        since: Timestamp,
    },
    /// The order is cancelled; refunds are looked for.
    Success {
        /// Since when.
        since: Timestamp,
    },
    /// Refunds are being paid and reported.
    Refund {
        /// Since when.
        since: Timestamp,
    },
    /// The order is not cancelled.
    Rejected {
        /// Since when.
        since: Timestamp,
    },
    /// The end: the OMS knows everything.
    OmsUpdated {
        /// How it ended.
        outcome: Outcome,
    },
}

impl Phase {
    /// The names of all states, in the order of the life cycle.
    pub const NAMES: [&'static str; 7] = [
        "precheck",
        "requested",
        "pending",
        "success",
        "rejected",
        "refund",
        "oms_updated",
    ];

    /// The state's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Precheck { .. } => "precheck",
            Self::Requested { .. } => "requested",
            Self::Pending { .. } => "pending",
            Self::Success { .. } => "success",
            Self::Refund { .. } => "refund",
            Self::Rejected { .. } => "rejected",
            Self::OmsUpdated { .. } => "oms_updated",
        }
    }

    /// Has the outcome of the cancellation itself been decided, and is work left?
    #[must_use]
    pub fn is_decided(self) -> bool {
        matches!(
            self,
            Self::Success { .. } | Self::Refund { .. } | Self::Rejected { .. }
        )
    }

    /// Is nothing left to do, ever?
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, Self::OmsUpdated { .. })
    }
}

/// How a cancellation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The order was cancelled.
    Cancelled,
    /// Observed, and only some packages were cancelled.
    PartlyCancelled,
    /// The order was not cancelled.
    Rejected,
    /// Observed: a refund without any cancellation.
    Refunded,
    /// Given up before anything was sent.
    Withdrawn,
    /// Observed, and there was nothing of the kind.
    NothingToDo,
}

impl Outcome {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::PartlyCancelled => "partly_cancelled",
            Self::Rejected => "rejected",
            Self::Refunded => "refunded",
            Self::Withdrawn => "withdrawn",
            Self::NothingToDo => "nothing_to_do",
        }
    }
}

/// What is known of a cancellation, in whatever state it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Its own id.
    pub id: InstanceId,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// How it began.
    pub origin: Origin,
    /// The caller's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// The alias that our attempts carry: the only thing by which our entry can be told (X10).
    pub alias: Alias,
    /// The reason to give to Amazon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CancellationReason>,
    /// The comments to give to Amazon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_comments: Option<String>,
    /// Who asked us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// What is agreed for its life.
    pub terms: Terms,
    /// What earlier instances of the order handled.
    #[serde(default, skip_serializing_if = "Prior::is_empty")]
    pub prior: Prior,
    /// Our attempts at `cancelOrder`.
    #[serde(default, skip_serializing_if = "Attempts::is_untouched")]
    pub cancel: Attempts,
    /// Did Amazon accept one of them? Then its entry exists, whatever a read shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
    /// Somebody else's entry that we follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<EntryKey>,
    /// Since when the order, although not cancelled, no longer passes the pre-check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit_since: Option<Timestamp>,
    /// The order was seen to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
    /// Why the order was not cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejected>,
    /// How long refunds are still looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Grace>,
    /// Packages that were seen CANCELLED.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled_packages: Vec<PackageId>,
    /// Refunds that were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refunds: BTreeMap<RefundId, Refund>,
    /// What the OMS is still to be told.
    #[serde(default, skip_serializing_if = "Milestones::is_untouched")]
    pub milestones: Milestones,
    /// What events named and no read has shown yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// What events named and a person has settled, although no read had shown it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dismissed: Vec<Dismissed>,
    /// What a person is needed for, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<Attention>,
}

impl Case {
    /// May an attempt of ours have taken effect at Amazon?
    #[must_use]
    pub fn sent(&self) -> Sent {
        if self.accepted {
            Sent::Accepted
        } else if self.cancel.is_open_or_in_doubt() {
            Sent::Perhaps
        } else {
            Sent::Never
        }
    }

    /// Does nothing that is known stand against an attempt at `cancelOrder`, in `requested`?
    pub(crate) fn wants_cancel(&self) -> bool {
        !self.accepted && self.cancel.refused.is_none() && self.unfit_since.is_none()
    }

    /// When the present doubt about `cancelOrder` ends: from then on, a read that does not show our
    /// alias is believed.
    #[must_use]
    pub fn cancel_doubt_ends(&self) -> Option<Timestamp> {
        let doubt = self.cancel.doubt.as_ref()?;
        Some(doubt.counted_from().plus(self.terms.visibility_lag))
    }

    /// What people settled although no read had shown it, here or in earlier instances.
    fn all_dismissed(&self) -> impl Iterator<Item = &Dismissed> {
        self.prior.dismissed.iter().chain(&self.dismissed)
    }

    /// Did a person say that there is nothing behind events like this?
    pub(crate) fn is_dismissed(&self, names: &Named, event_type: &EventType) -> bool {
        self.all_dismissed().any(|settled| {
            settled.names == *names
                && settled
                    .event_type
                    .as_ref()
                    .is_none_or(|settled| settled == event_type)
        })
    }

    /// Did a person say, before any read showed the refund, that it is not to be paid?
    pub(crate) fn is_dismissed_as_not_due(&self, id: &RefundId) -> bool {
        self.all_dismissed().any(|settled| {
            let is_it = matches!(&settled.names, Named::Refund { refund_id } if refund_id == id);
            settled.not_due && is_it
        })
    }

    /// Is any mutation in doubt?
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.cancel.doubt.is_some()
            || self
                .refunds
                .values()
                .any(|refund| refund.pay.doubt.is_some() || refund.report.doubt.is_some())
    }
}

/// May an attempt of ours have taken effect at Amazon?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No: none was made, or each was certainly not carried out.
    Never,
    /// An attempt is open or in doubt.
    Perhaps,
    /// Amazon accepted one.
    Accepted,
}

/// How an entry without our alias is told from others (U22).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryKey {
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
    /// When, as Amazon wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

impl EntryKey {
    /// The key of an entry.
    #[must_use]
    pub fn of(entry: &CancellationEntry) -> Self {
        Self {
            requested_by: entry.requested_by.clone(),
            created_at: entry.created_at.clone(),
        }
    }
}

/// What earlier, finished instances of the order handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// Refunds that they brought to their end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundId>,
    /// Packages whose cancellation they had seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageId>,
    /// Did one of them tell the OMS that the order, or a part of it, is cancelled?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub succeeded: bool,
    /// Was that the whole order?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// What events named and a person settled, although no read had shown it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dismissed: Vec<Dismissed>,
}

impl Prior {
    /// What these earlier instances handled, taken together.
    #[must_use]
    pub fn of<'a>(earlier: impl IntoIterator<Item = &'a State>) -> Self {
        let mut prior = Self::default();
        for state in earlier {
            let case = &state.case;
            let refunds = case.prior.refunds.iter().chain(case.refunds.keys());
            let packages = case.prior.packages.iter().chain(&case.cancelled_packages);
            prior.refunds.extend(refunds.cloned());
            prior.packages.extend(packages.cloned());
            let dismissed = case.prior.dismissed.iter().chain(&case.dismissed);
            prior.dismissed.extend(dismissed.cloned());
            prior.succeeded |= case.prior.succeeded || case.cancelled.is_some();
            prior.whole |= case.prior.whole || case.cancelled.as_ref().is_some_and(|c| c.whole);
        }
        prior.refunds.sort();
        prior.refunds.dedup();
        prior.packages.sort();
        prior.packages.dedup();
        prior.dismissed.sort();
        prior.dismissed.dedup();
        prior
    }

    /// Was there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The order was seen to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// Since when we know.
    pub since: Timestamp,
    /// Was it the whole order (a request is always), or only some packages?
    pub whole: bool,
}

/// Why the order was not cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The kind.
    pub why: RejectedWhy,
    /// The particulars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The kinds of [`Rejected`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectedWhy {
    /// A package has left PENDING: Amazon was not asked.
    NotCancellable,
    /// Amazon refused the request at once.
    Refused,
    /// Amazon tried and could not.
    RejectedByAmazon,
    /// Given up before anything was sent.
    Withdrawn,
    /// A person said so.
    Operator,
}

impl RejectedWhy {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotCancellable => "not_cancellable",
            Self::Refused => "refused",
            Self::RejectedByAmazon => "rejected_by_amazon",
            Self::Withdrawn => "withdrawn",
            Self::Operator => "operator",
        }
    }
}

/// How long refunds are still looked for: until a read that began after the grace was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grace {
    /// From when it counts: the first sight of a success, a cancelled package or a refund.
    pub since: Timestamp,
    /// Was a read applied that began after it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// Something that an event named and that no read has shown yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Since when it is owed.
    pub since: Timestamp,
    /// The entry that made it owed: a read that began before it settles nothing.
    pub seq: u64,
    /// A read that began before this time settles nothing either: what it is to show may be late
    /// (U9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What the event said of the thing; `None` when any later read will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// The thing.
    pub names: Named,
}

/// Something that an event named, that no read had shown, and that a person settled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dismissed {
    /// What the event said of the thing; of a refund, whatever any event says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// The thing.
    pub names: Named,
    /// It is a refund, and the person said that it is not to be paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_due: bool,
}
