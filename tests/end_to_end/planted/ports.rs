//! The product's adapters, each with a bug that can be switched on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countermand::buy_with_prime::Client;
use countermand::core::cancellation::order::{Package, PackageState};
use countermand::{
    BoxFuture, CallError, CancelAnswer, CancelOrder, Fence, HttpRefundProvider, Order, OrderId,
    Orders, Payment, Payout, ReadError, RefundId, RefundProvider, ReportRefund, ReportedPayment,
};
use countermand_simulator::{Fault, Handle, Remote};

/// Loses the answer to the first mutation.
struct Loss {
    world: Arc<Handle>,
    remote: Remote,
    happened: AtomicBool,
}

impl Loss {
    fn new(world: &Arc<Handle>, remote: Remote) -> Self {
        Self {
            world: Arc::clone(world),
            remote,
            happened: AtomicBool::new(false),
        }
    }

    fn strike(&self) {
        if !self.happened.swap(true, Ordering::Relaxed) {
            self.world.force(self.remote, Fault::AnswerLost, 1);
        }
    }
}

/// Buy with Prime, whose first answer to `cancelOrder` gets lost.
pub(crate) struct LossyOrders {
    inner: Client,
    loss: Loss,
    /// The bug: what has no answer was not sent, and is sent again.
    resends: bool,
}

impl LossyOrders {
    pub(crate) fn new(inner: Client, world: &Arc<Handle>, resends: bool) -> Self {
        Self {
            inner,
            loss: Loss::new(world, Remote::BuyWithPrime),
            resends,
        }
    }
}

impl Orders for LossyOrders {
    fn read_order<'a>(
        &'a self,
        order_id: &'a OrderId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        Orders::read_order(&self.inner, order_id, budget)
    }

    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        Box::pin(async move {
            self.loss.strike();
            let answer = Orders::cancel_order(&self.inner, call, budget, fence).await;
            if self.resends && matches!(answer, Err(CallError::Unknown { .. })) {
                return Orders::cancel_order(&self.inner, call, budget, fence).await;
            }
            answer
        })
    }

    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        Orders::report_refund(&self.inner, call, payments, budget, fence)
    }
}

/// A refund provider whose first answer to a payout gets lost.
pub(crate) struct LossyRefunds {
    inner: HttpRefundProvider,
    loss: Loss,
    /// The bug: what has no answer was not sent, and is a new payout.
    resends: bool,
}

impl LossyRefunds {
    pub(crate) fn new(inner: HttpRefundProvider, world: &Arc<Handle>, resends: bool) -> Self {
        Self {
            inner,
            loss: Loss::new(world, Remote::Refunds),
            resends,
        }
    }
}

impl RefundProvider for LossyRefunds {
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        Box::pin(async move {
            self.loss.strike();
            let answer = self.inner.pay(payment, budget, fence).await;
            if self.resends && matches!(answer, Err(CallError::Unknown { .. })) {
                let again = Payment {
                    key: format!("{}-again", payment.key),
                    ..payment.clone()
                };
                return self.inner.pay(&again, budget, fence).await;
            }
            answer
        })
    }

    fn list<'a>(
        &'a self,
        refund_id: &'a RefundId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        self.inner.list(refund_id, budget)
    }
}

/// Buy with Prime through the eyes of somebody who goes by the order's summary: as long as one
/// package is PENDING, or there is none, so is the order.
pub(crate) struct Summary(pub(crate) Client);

impl Summary {
    fn of(mut order: Order) -> Order {
        if order.packages.is_empty() {
            let contents = order.line_items.iter().map(|item| {
                let (id, quantity) = (item.id.clone(), item.quantity);
                countermand::ItemQuantity { id, quantity }
            });
            order
                .packages
                .extend("summary".parse().ok().map(|id| Package {
                    id,
                    state: PackageState::Pending,
                    reason: None,
                    contents: contents.collect(),
                }));
        }
        let mut states = order.packages.iter().map(|package| &package.state);
        if states.any(|state| *state == PackageState::Pending) {
            for package in &mut order.packages {
                package.state = PackageState::Pending;
            }
        }
        order
    }
}

impl Orders for Summary {
    fn read_order<'a>(
        &'a self,
        order_id: &'a OrderId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        Box::pin(async move {
            let order = Orders::read_order(&self.0, order_id, budget).await?;
            Ok(order.map(Self::of))
        })
    }

    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        Orders::cancel_order(&self.0, call, budget, fence)
    }

    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        Orders::report_refund(&self.0, call, payments, budget, fence)
    }
}
