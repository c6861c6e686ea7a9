//! Performs the effects of a cancellation through the ports. It decides nothing: whether a mutation
//! may be sent is the answer of the pure functions in [`countermand_core::cancellation::look`].

mod attempt;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::cancellation::call::ReadError;
use countermand_core::cancellation::effect::{
    CancelOrder, Effect, PayRefund, ReadOrder, ReportRefund, UpdateOms, WatchPayout,
};
use countermand_core::cancellation::input::{Done, Input, Mutation, NotSent, OrderRead, Payout};
use countermand_core::cancellation::look::{self, CancelLook, PayLook, ReportLook};
use countermand_core::cancellation::order::Order;
use countermand_core::{InstanceId, OrderId, TargetId, Timestamp};
use countermand_runner::{Emissions, Fence, Performed, Tally};
use tokio::time::{Instant, timeout};

use self::attempt::{Attempt, answered, bounded};
use crate::ports::{Message, Oms, Orders, Payment, RefundProvider};

/// Performs effects through the ports.
pub(crate) struct Executor {
    pub(crate) targets: BTreeMap<TargetId, Arc<dyn Orders>>,
    pub(crate) refunds: Arc<dyn RefundProvider>,
    pub(crate) oms: Arc<dyn Oms>,
}

/// One performance: what it is about, and how long it may take.
pub(crate) struct Turn {
    pub(crate) id: InstanceId,
    pub(crate) revision: u64,
    pub(crate) began_at: Timestamp,
    pub(crate) clock_behind: bool,
    pub(crate) try_number: u32,
    pub(crate) fence: Fence,
    pub(crate) emissions: Emissions,
    pub(crate) budget: Duration,
    started: Instant,
}

impl Turn {
    pub(crate) fn new(
        id: InstanceId,
        revision: u64,
        began_at: Timestamp,
        budget: Duration,
        fence: Fence,
        emissions: Emissions,
    ) -> Self {
        Self {
            id,
            revision,
            began_at,
            clock_behind: false,
            try_number: 1,
            fence,
            emissions,
            budget,
            started: Instant::now(),
        }
    }

    /// What is left of the budget.
    fn left(&self) -> Duration {
        self.budget.saturating_sub(self.started.elapsed())
    }

    /// What the look within an attempt may take: the send keeps at least as much.
    fn for_look(&self) -> Duration {
        self.budget / 2
    }

    /// The store's time now.
    fn now(&self) -> Timestamp {
        self.began_at.plus(self.started.elapsed())
    }

    fn order_read(&self, order: Option<Order>) -> Input {
        Input::OrderRead(OrderRead {
            began_seq: self.revision,
            began_at: self.began_at,
            order,
        })
    }
}

impl Executor {
    /// Performs one effect. `known` is the payout that the state knows, for [`Effect::WatchPayout`].
    pub(crate) async fn perform_effect(
        &self,
        turn: Turn,
        effect: &Effect,
        known: Option<&Payout>,
    ) -> Performed<Input> {
        match effect {
            Effect::ReadOrder(effect) => self.read_order(&turn, effect).await,
            Effect::CancelOrder(effect) => self.cancel_order(&turn, effect).await,
            Effect::PayRefund(effect) => self.pay_refund(&turn, effect).await,
            Effect::WatchPayout(effect) => self.watch_payout(&turn, effect, known).await,
            Effect::ReportRefund(effect) => self.report_refund(&turn, effect).await,
            Effect::UpdateOms(effect) => self.update_oms(&turn, effect).await,
            Effect::Timer(_) => Performed {
                inputs: Vec::new(),
                tally: Tally::Deferred {
                    message: "a timer is nothing to perform".to_owned(),
                },
            },
        }
    }

    async fn read_order(&self, turn: &Turn, effect: &ReadOrder) -> Performed<Input> {
        let read = self.look_at_order(&effect.target_id, &effect.order_id, turn.left());
        match read.await {
            Ok(order) => {
                let tally = if order.is_some() {
                    Tally::Answered
                } else {
                    Tally::Empty {
                        message: format!("Buy with Prime does not show order {}", effect.order_id),
                    }
                };
                Performed {
                    inputs: vec![turn.order_read(order)],
                    tally,
                }
            }
            Err(look) => Performed {
                inputs: Vec::new(),
                tally: look.tally(),
            },
        }
    }

    async fn cancel_order(&self, turn: &Turn, effect: &CancelOrder) -> Performed<Input> {
        let attempt = Attempt::new(Mutation::CancelOrder, effect.attempt, effect.doubted);
        let order = match self
            .order_for_look(turn, &effect.target_id, &effect.order_id)
            .await
        {
            Ok(found) => found,
            Err(failed) => return attempt.look_failed(&failed),
        };
        match look::cancel(effect, &order.order) {
            CancelLook::Found => attempt.found(None, Some(turn.order_read(Some(order.order)))),
            CancelLook::NotCancellable { detail } => answered(vec![
                attempt.not_sent(NotSent::NotCancellable, detail),
                turn.order_read(Some(order.order)),
            ]),
            CancelLook::Send => {
                let call = order.orders.cancel_order(effect, turn.left(), &turn.fence);
                let outcome = bounded(turn.left(), call).await;
                attempt.sent(outcome, |answer| Done::CancelOrder {
                    attempt: effect.attempt,
                    state: answer.state,
                    cancellation_id: answer.cancellation_id,
                    created_at: answer.created_at,
                })
            }
        }
    }

    async fn pay_refund(&self, turn: &Turn, effect: &PayRefund) -> Performed<Input> {
        let refund_id = &effect.refund_id;
        let mutation = Mutation::PayRefund {
            refund_id: refund_id.clone(),
        };
        let attempt = Attempt::new(mutation, effect.attempt, effect.doubted);
        let listed = match self.list(effect.refund_id.clone(), turn.for_look()).await {
            Ok(listed) => listed,
            Err(failed) => return attempt.look_failed(&failed),
        };
        match look::pay(effect, &listed, turn.now(), turn.clock_behind) {
            PayLook::Found(payout) => attempt.found(Some(payout), None),
            PayLook::KeyExpired => answered(vec![Input::Looked {
                mutation: attempt.mutation.clone(),
                attempt: effect.attempt,
                found: false,
                payout: None,
                key_expired: true,
            }]),
            PayLook::NotShown { detail } => attempt.not_shown(detail),
            PayLook::Send => {
                let payment = Payment {
                    key: effect.key.clone(),
                    target_id: effect.target_id.clone(),
                    order_id: effect.order_id.clone(),
                    refund_id: refund_id.clone(),
                    amount: effect.amount,
                    line_items: effect.line_items.clone(),
                    cancellation_id: turn.id.clone(),
                };
                let call = self.refunds.pay(&payment, turn.left(), &turn.fence);
                let outcome = bounded(turn.left(), call).await;
                attempt.sent(outcome, |payout| Done::PayRefund {
                    refund_id: refund_id.clone(),
                    attempt: effect.attempt,
                    payout,
                })
            }
        }
    }

    async fn watch_payout(
        &self,
        turn: &Turn,
        effect: &WatchPayout,
        known: Option<&Payout>,
    ) -> Performed<Input> {
        let listed = match self.list(effect.refund_id.clone(), turn.left()).await {
            Ok(listed) => listed,
            Err(failed) => {
                return Performed {
                    inputs: Vec::new(),
                    tally: failed.tally(),
                };
            }
        };
        let watched = listed
            .into_iter()
            .find(|payout| payout.payment_id == effect.payment_id);
        match watched {
            Some(payout) if known == Some(&payout) => answered(Vec::new()),
            Some(payout) => answered(vec![Input::PayoutSeen {
                refund_id: effect.refund_id.clone(),
                attempt: effect.attempt,
                payout,
            }]),
            None => Performed {
                inputs: Vec::new(),
                // It answered: its other payouts are none the worse for it.
                tally: Tally::Unable {
                    message: format!(
                        "the refund provider no longer lists payment {}",
                        effect.payment_id
                    ),
                },
            },
        }
    }

    async fn report_refund(&self, turn: &Turn, effect: &ReportRefund) -> Performed<Input> {
        let mutation = Mutation::ReportRefund {
            refund_id: effect.refund_id.clone(),
        };
        let attempt = Attempt::new(mutation, effect.attempt, effect.doubted);
        let order = match self
            .order_for_look(turn, &effect.target_id, &effect.order_id)
            .await
        {
            Ok(found) => found,
            Err(failed) => return attempt.look_failed(&failed),
        };
        match look::report(effect, &order.order) {
            ReportLook::Found => attempt.found(None, Some(turn.order_read(Some(order.order)))),
            ReportLook::NotShown { detail } => attempt.not_shown(detail),
            ReportLook::Contradicted { detail } => answered(vec![
                Input::EffectRefused {
                    mutation: attempt.mutation.clone(),
                    attempt: effect.attempt,
                    code: "contradicted".to_owned(),
                    message: detail,
                },
                turn.order_read(Some(order.order)),
            ]),
            ReportLook::Send(payments) => {
                let call = order
                    .orders
                    .report_refund(effect, &payments, turn.left(), &turn.fence);
                let outcome = bounded(turn.left(), call).await;
                attempt.sent(outcome, |()| Done::ReportRefund {
                    refund_id: effect.refund_id.clone(),
                    attempt: effect.attempt,
                    state: effect.state.clone(),
                })
            }
        }
    }

    async fn update_oms(&self, turn: &Turn, effect: &UpdateOms) -> Performed<Input> {
        let failed = |message, retry_after| Performed {
            inputs: Vec::new(),
            tally: Tally::Failed {
                message,
                retry_after,
            },
        };
        let body = match turn.emissions.body(&turn.id, effect.seq, &effect.id).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                let message = format!("entry {} holds no message {}", effect.seq, effect.id);
                return failed(message, None);
            }
            Err(message) => {
                return Performed {
                    inputs: Vec::new(),
                    tally: Tally::Deferred { message },
                };
            }
        };
        let message = Message {
            id: effect.id.clone(),
            body,
            cancellation_id: turn.id.clone(),
            at: turn.now(),
            try_number: turn.try_number,
        };
        let limit = turn.left();
        match timeout(limit, self.oms.tell(&message, limit)).await {
            Ok(Ok(())) => answered(vec![Input::EffectDone(Done::UpdateOms {
                attempt: turn.try_number,
                id: effect.id.clone(),
            })]),
            Ok(Err(error)) => failed(error.message, error.retry_after),
            Err(_) => failed(format!("the OMS: no answer within {limit:?}"), None),
        }
    }

    async fn look_at_order(
        &self,
        target_id: &TargetId,
        order_id: &OrderId,
        limit: Duration,
    ) -> Result<Option<Order>, LookFailed> {
        let orders = self.orders(target_id)?;
        read_within(orders, order_id, limit).await
    }

    fn orders(&self, target_id: &TargetId) -> Result<&Arc<dyn Orders>, LookFailed> {
        self.targets
            .get(target_id)
            .ok_or_else(|| LookFailed::NotConfigured {
                message: format!("target {target_id} is not configured here: add it, or withdraw"),
            })
    }

    async fn order_for_look(
        &self,
        turn: &Turn,
        target_id: &TargetId,
        order_id: &OrderId,
    ) -> Result<Seen<'_>, LookFailed> {
        let orders = self.orders(target_id)?;
        let order = read_within(orders, order_id, turn.for_look()).await?;
        let order = order.ok_or_else(|| LookFailed::NotShown {
            message: format!("Buy with Prime does not show order {order_id}"),
        })?;
        Ok(Seen { orders, order })
    }

    async fn list(
        &self,
        refund_id: countermand_core::RefundId,
        limit: Duration,
    ) -> Result<Vec<Payout>, LookFailed> {
        match timeout(limit, self.refunds.list(&refund_id, limit)).await {
            Ok(listed) => listed.map_err(LookFailed::from),
            Err(_) => Err(LookFailed::Failed {
                message: format!("the refund provider's list: no answer within {limit:?}"),
                retry_after: None,
            }),
        }
    }
}

/// An order, and where it was read.
struct Seen<'a> {
    orders: &'a Arc<dyn Orders>,
    order: Order,
}

async fn read_within(
    orders: &Arc<dyn Orders>,
    order_id: &OrderId,
    limit: Duration,
) -> Result<Option<Order>, LookFailed> {
    match timeout(limit, orders.read_order(order_id, limit)).await {
        Ok(read) => read.map_err(LookFailed::from),
        Err(_) => Err(LookFailed::Failed {
            message: format!("Buy with Prime did not answer within {limit:?}"),
            retry_after: None,
        }),
    }
}

/// Why a look brought nothing.
pub(super) enum LookFailed {
    /// The remote failed.
    Failed {
        message: String,
        retry_after: Option<Duration>,
    },
    /// Nobody was asked: somebody else found out that there is no way.
    NotTried { message: String },
    /// There is nobody to ask; no fault of the remote's.
    NotConfigured { message: String },
    /// It answered, and did not show what was shown before; no fault of the remote's either.
    NotShown { message: String },
}

impl From<ReadError> for LookFailed {
    fn from(error: ReadError) -> Self {
        if error.not_sent == Some(NotSent::NoToken) {
            return Self::NotTried {
                message: error.message,
            };
        }
        Self::Failed {
            message: error.message,
            retry_after: error.retry_after,
        }
    }
}

impl LookFailed {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Failed { message, .. }
            | Self::NotTried { message }
            | Self::NotConfigured { message }
            | Self::NotShown { message } => message,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        match self {
            Self::Failed {
                message,
                retry_after,
            } => Tally::Failed {
                message: message.clone(),
                retry_after: *retry_after,
            },
            Self::NotTried { message } => Tally::Deferred {
                message: message.clone(),
            },
            Self::NotConfigured { message } | Self::NotShown { message } => Tally::Unable {
                message: message.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
