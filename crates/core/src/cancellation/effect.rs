//! What a cancellation wants done in the outside world.

use crate::cancellation::input::Mutation;
use crate::cancellation::order::{Alias, ItemQuantity, RefundState, ReportedPayment};
use crate::cancellation::request::CancellationReason;
use crate::{EffectClass, Money, OrderId, RefundId, TargetId, Timestamp};

/// Remote name of Buy with Prime.
pub const BUY_WITH_PRIME: &str = "buy_with_prime";
/// Remote name of the refund provider.
pub const REFUNDS: &str = "refunds";
/// Remote name of the order management system.
pub const OMS: &str = "oms";

/// An effect of a cancellation. Self-contained: an executor needs nothing else but the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the order.
    ReadOrder(ReadOrder),
    /// Attempt `cancelOrder`: look, and send only if nothing stands against it.
    CancelOrder(CancelOrder),
    /// Attempt to pay a refund: look at the provider's list, and send only if it is not there.
    PayRefund(PayRefund),
    /// Ask the provider again about a payout that is under way (class read).
    WatchPayout(WatchPayout),
    /// Attempt to report a refund to Buy with Prime: look, and send only what is not there.
    ReportRefund(ReportRefund),
    /// Tell the OMS of a milestone; its body stands in the history entry that raised it.
    UpdateOms(UpdateOms),
    /// Nothing but time.
    Timer(Timer),
}

/// See [`Effect::ReadOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOrder {
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
}

/// See [`Effect::CancelOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// The attempt's number, counted from 1.
    pub attempt: u32,
    /// Does an earlier attempt stand in doubt? Then the look is worth an entry either way.
    pub doubted: bool,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// Our alias, the same for every attempt of this cancellation.
    pub alias: Alias,
    /// The reason to give.
    pub reason: Option<CancellationReason>,
    /// The comments to give.
    pub additional_comments: Option<String>,
}

/// See [`Effect::PayRefund`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayRefund {
    /// The attempt's number, counted from 1.
    pub attempt: u32,
    /// Does an earlier attempt stand in doubt?
    pub doubted: bool,
    /// The idempotency key: one per refund until a definite failure.
    pub key: String,
    /// From when on the key must not be relied upon: then only a positive listing decides. `None`
    /// while the key was never used.
    pub key_expires: Option<Timestamp>,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The refund.
    pub refund_id: RefundId,
    /// The amount, frozen at the first intent.
    pub amount: Money,
    /// What it is for.
    pub line_items: Vec<ItemQuantity>,
    /// Payments of earlier keys that were declared failed: listed, but no reason not to send.
    pub failed_payments: Vec<crate::PaymentId>,
    /// Payments of earlier keys that paid a part, and whose rest failed: each must be listed like
    /// that, or nothing is sent.
    pub parts: Vec<crate::cancellation::refund::Part>,
}

/// See [`Effect::WatchPayout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchPayout {
    /// The attempt whose payout is watched.
    pub attempt: u32,
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment_id: crate::PaymentId,
}

/// See [`Effect::ReportRefund`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRefund {
    /// The attempt's number, counted from 1.
    pub attempt: u32,
    /// Does an earlier attempt stand in doubt?
    pub doubted: bool,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The refund.
    pub refund_id: RefundId,
    /// The state to report.
    pub state: RefundState,
    /// Everything returned so far (cumulative, reference 3.6).
    pub total: Money,
    /// Payments made since the last report (a delta, reference 3.6).
    pub payments: Vec<ReportedPayment>,
}

/// See [`Effect::UpdateOms`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateOms {
    /// The sequence number of the entry that raised the milestone and holds its body.
    pub seq: u64,
    /// The stable id of the message (see [`crate::Emission::id`]).
    pub id: String,
}

/// A matter of time alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// An open intent got no outcome although its deadline is over: it becomes *unknown*.
    Overdue {
        /// The mutation.
        mutation: Mutation,
        /// The attempt.
        attempt: u32,
    },
    /// Something waits for longer than it should: a person is told.
    Patience(Patience),
}

/// What has been waited for too long.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Patience {
    /// `precheck`: the order does not show what could be decided on.
    Precheck,
    /// `pending`: Amazon has not decided.
    Pending,
    /// A mutation is in doubt and no look settled it.
    Doubt,
    /// An event named something that no read shows.
    Look,
}

impl crate::Effect for Effect {
    fn name(&self) -> &'static str {
        match self {
            Self::ReadOrder(_) => "read_order",
            Self::CancelOrder(_) => "cancel_order",
            Self::PayRefund(_) | Self::WatchPayout(_) => "pay_refund",
            Self::ReportRefund(_) => "report_refund",
            Self::UpdateOms(_) => "update_oms",
            Self::Timer(_) => "timer",
        }
    }

    fn class(&self) -> EffectClass {
        match self {
            Self::ReadOrder(_) | Self::WatchPayout(_) => EffectClass::Read,
            Self::CancelOrder(_) | Self::PayRefund(_) | Self::ReportRefund(_) => {
                EffectClass::Mutation
            }
            Self::UpdateOms(_) => EffectClass::AtLeastOnce,
            Self::Timer(_) => EffectClass::Timer,
        }
    }

    fn remote(&self) -> &'static str {
        match self {
            Self::ReadOrder(_) | Self::CancelOrder(_) | Self::ReportRefund(_) => BUY_WITH_PRIME,
            Self::PayRefund(_) | Self::WatchPayout(_) => REFUNDS,
            Self::UpdateOms(_) => OMS,
            Self::Timer(_) => "",
        }
    }

    /// Buy with Prime keeps its targets apart, and so do we.
    fn partition(&self) -> Option<&str> {
        match self {
            Self::ReadOrder(effect) => Some(effect.target_id.as_str()),
            Self::CancelOrder(effect) => Some(effect.target_id.as_str()),
            Self::ReportRefund(effect) => Some(effect.target_id.as_str()),
            Self::PayRefund(_) | Self::WatchPayout(_) | Self::UpdateOms(_) | Self::Timer(_) => None,
        }
    }
}
