//! What the engine needs from the outside: three traits, each easy to implement.
//!
//! All of them return a [`BoxFuture`], so that they can be kept as `Arc<dyn Trait>`: write the body
//! as `Box::pin(async move { … })`.

use std::time::Duration;

use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
use countermand_core::cancellation::input::Payout;
use countermand_core::cancellation::order::{
    CancellationState, ItemQuantity, Order, ReportedPayment,
};
use countermand_core::{InstanceId, Money, OrderId, RefundId, TargetId, Timestamp};
use countermand_runner::Fence;
use serde::Serialize;

pub use futures_util::future::BoxFuture;

/// The orders of one target at Buy with Prime: `countermand_buy_with_prime`'s client, or a stand-in.
///
/// Every method must end within its `budget`, body and retries of its own included, and must not
/// repeat a mutation on its own account.
pub trait Orders: Send + Sync + 'static {
    /// Reads an order; `None` when Buy with Prime does not know it (yet).
    fn read_order<'a>(
        &'a self,
        order_id: &'a OrderId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>>;

    /// Sends `cancelOrder`. `fence` must be asked as the first byte of the body is about to leave;
    /// when it no longer holds, nothing may be sent and the answer is
    /// [`NotSent::Fenced`](crate::NotSent::Fenced).
    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>>;

    /// Sends `updateOrder` for one refund, with exactly these `payments` (those of `call` that
    /// Amazon does not list yet). `fence` as with [`cancel_order`](Self::cancel_order).
    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>>;
}

/// What `cancelOrder` answered, once it was found to be about our request (same order, same alias).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelAnswer {
    /// The state of the new cancellation; normally PENDING.
    pub state: CancellationState,
    /// Its id; it can be looked up nowhere.
    pub cancellation_id: Option<String>,
    /// When, as Amazon wrote it.
    pub created_at: Option<String>,
}

/// Whoever returns the shopper's money.
///
/// The engine asks [`list`](Self::list) before each [`pay`](Self::pay), within the same attempt,
/// and pays only what is not listed. An implementation that has no idempotency keys of its own must
/// at least list every payout it ever took.
pub trait RefundProvider: Send + Sync + 'static {
    /// Pays. The same `payment.key` must lead to at most one payout. An answer that is about
    /// something else (another refund, amount or currency) must become
    /// [`Unknown::ForeignAnswer`](crate::Unknown::ForeignAnswer), never a success. `fence` must be
    /// asked as the first byte is about to leave.
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>>;

    /// Every payout that was ever taken for a refund, whatever its state.
    fn list<'a>(
        &'a self,
        refund_id: &'a RefundId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>>;
}

/// A payout to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The idempotency key: one per refund until a definite failure.
    pub key: String,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The refund that Amazon asks for.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// What for; the quantity of each line item.
    pub line_items: Vec<ItemQuantity>,
    /// The cancellation that it belongs to.
    pub cancellation_id: InstanceId,
}

/// The merchant's order management system: hears of milestones.
pub trait Oms: Send + Sync + 'static {
    /// Takes a message. `Ok` means that it need not be told again; anything else is tried again,
    /// with the same id and the same bytes. Messages of one cancellation arrive in order.
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        budget: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>>;
}

/// A milestone, as the OMS hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The stable id: repetitions have the same one.
    pub id: String,
    /// JSON `{type, timestamp, data}`, rendered once; repetitions are byte-identical.
    pub body: String,
    /// The cancellation.
    pub cancellation_id: InstanceId,
    /// When this delivery begins, by the store's time.
    pub at: Timestamp,
    /// Which try of this delivery it is, counted from 1.
    pub try_number: u32,
}

/// Why the OMS did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TellError {
    /// For people: what went wrong.
    pub message: String,
    /// How long the OMS asks to wait.
    pub retry_after: Option<Duration>,
}

impl TellError {
    /// It went wrong like this.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retry_after: None,
        }
    }
}
