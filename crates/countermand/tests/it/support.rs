//! A small world in memory: Amazon, a bank and a shop, and an engine with short waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use countermand::core::cancellation::order::{
    CancellationEntry, LineItem, Package, PackageReason, PackageState, RefundDetails, Requester,
};
use countermand::core::{Backoff, LineItemId, PackageId};
use countermand::runner::{Options, Retry};
use countermand::store::{MemoryStore, Store, SystemClock};
use countermand::{
    BoxFuture, CallError, CancelAnswer, CancelOrder, CancelOutcome, CancellationState, Countermand,
    Draft, Fence, Handle, InstanceId, Message, Money, NotSent, Oms, Order, OrderId, Orders, Pace,
    Payment, Payout, PayoutState, ReadError, RefundId, RefundProvider, RefundState, ReportRefund,
    ReportedPayment, TargetId, TellError, Terms, Unknown,
};

pub(crate) const TARGET: &str = "bp-1";

/// Everything outside the engine.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Inside>>);

#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) orders: BTreeMap<String, Order>,
    /// Decide about a new cancellation at once?
    pub(crate) decision: Option<CancellationState>,
    /// Ask for a refund with each success?
    pub(crate) refund: Option<String>,
    /// Lose the answers of so many mutations, after they took effect.
    pub(crate) lost_answers: u32,
    pub(crate) cancel_calls: Vec<String>,
    pub(crate) payouts: BTreeMap<String, Vec<Payout>>,
    pub(crate) reports: Vec<(RefundId, RefundState)>,
    pub(crate) told: Vec<Message>,
    pub(crate) oms_down: bool,
    pub(crate) amazon_down: bool,
}

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&Inside) -> T) -> T {
        look(&self.lock())
    }

    /// An order whose one package is PENDING.
    pub(crate) fn order(&self, id: &str) {
        let order = Order {
            id: OrderId::new(id).unwrap(),
            line_items: vec![LineItem {
                id: LineItemId::new("L1").unwrap(),
                quantity: 1.into(),
                merchant_fulfilled: false,
            }],
            packages: vec![Package {
                id: PackageId::new("A").unwrap(),
                state: PackageState::Pending,
                reason: None,
                contents: vec![countermand::ItemQuantity {
                    id: LineItemId::new("L1").unwrap(),
                    quantity: 1.into(),
                }],
            }],
            cancellations: Vec::new(),
            refunds: Vec::new(),
        };
        self.lock().orders.insert(id.to_owned(), order);
    }

    /// Amazon decides about every pending cancellation of an order.
    pub(crate) fn decide(&self, id: &str, state: &CancellationState) {
        let mut inside = self.lock();
        let refund = inside.refund.clone();
        let order = inside.orders.get_mut(id).unwrap();
        settle(order, state, refund.as_deref());
    }

    /// A shopper cancels.
    pub(crate) fn shopper_cancels(&self, id: &str) {
        let mut inside = self.lock();
        let refund = inside.refund.clone();
        let order = inside.orders.get_mut(id).unwrap();
        order.cancellations.push(CancellationEntry {
            state: CancellationState::Pending,
            requested_by: Some(Requester::Shopper),
            created_at: Some("2025-02-20T09:00:00.000Z".to_owned()),
            aliases: Vec::new(),
            reason: None,
        });
        settle(order, &CancellationState::Success, refund.as_deref());
    }

    pub(crate) fn milestones(&self) -> Vec<String> {
        let told = &self.lock().told;
        let kind = |message: &Message| {
            let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            body["type"].as_str().unwrap().to_owned()
        };
        told.iter().map(kind).collect()
    }
}

fn settle(order: &mut Order, state: &CancellationState, refund: Option<&str>) {
    for entry in &mut order.cancellations {
        if entry.state == CancellationState::Pending {
            entry.state = state.clone();
        }
    }
    if *state == CancellationState::Success {
        for package in &mut order.packages {
            package.state = PackageState::Cancelled;
            package.reason = Some(PackageReason::CustomerRequested);
        }
        order.refunds.extend(refund.map(|amount| RefundDetails {
            id: RefundId::new(format!("R-{}", order.id)).unwrap(),
            state: RefundState::Pending,
            reason: Some("CANCELLED_ORDER".to_owned()),
            total: Some(Money::parse(amount, "USD").unwrap()),
            line_items: Vec::new(),
            payments: Vec::new(),
        }));
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

fn fenced() -> CallError {
    CallError::NotSent {
        why: NotSent::Fenced,
        detail: "fenced".to_owned(),
        retry_after: None,
    }
}

fn lost() -> CallError {
    CallError::Unknown {
        why: Unknown::ConnectionLost,
        detail: "the answer was lost".to_owned(),
        retry_after: None,
    }
}

impl Inside {
    fn loses_answer(&mut self) -> bool {
        let loses = self.lost_answers > 0;
        self.lost_answers = self.lost_answers.saturating_sub(1);
        loses
    }
}

impl Orders for World {
    fn read_order<'a>(
        &'a self,
        order_id: &'a OrderId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        let inside = self.lock();
        if inside.amazon_down {
            return ready(Err(ReadError {
                message: "Amazon is down".to_owned(),
                retry_after: None,
                not_sent: None,
            }));
        }
        ready(Ok(inside.orders.get(order_id.as_str()).cloned()))
    }

    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        _: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        if !fence.holds() {
            return ready(Err(fenced()));
        }
        let mut inside = self.lock();
        inside.cancel_calls.push(call.order_id.to_string());
        let decision = inside.decision.clone();
        let refund = inside.refund.clone();
        let loses = inside.loses_answer();
        let Some(order) = inside.orders.get_mut(call.order_id.as_str()) else {
            return ready(Err(CallError::Refused {
                code: "ResourceNotFoundError".to_owned(),
                message: "no such order".to_owned(),
            }));
        };
        order.cancellations.push(CancellationEntry {
            state: CancellationState::Pending,
            requested_by: Some(Requester::Merchant),
            created_at: Some("2025-02-20T10:00:00.000Z".to_owned()),
            aliases: vec![call.alias.clone()],
            reason: None,
        });
        if let Some(decision) = decision {
            settle(order, &decision, refund.as_deref());
        }
        if loses {
            return ready(Err(lost()));
        }
        ready(Ok(CancelAnswer {
            state: CancellationState::Pending,
            cancellation_id: None,
            created_at: Some("2025-02-20T10:00:00.000Z".to_owned()),
        }))
    }

    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        _: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        if !fence.holds() {
            return ready(Err(fenced()));
        }
        let mut inside = self.lock();
        inside
            .reports
            .push((call.refund_id.clone(), call.state.clone()));
        let loses = inside.loses_answer();
        let order = inside.orders.get_mut(call.order_id.as_str()).unwrap();
        let refund = order
            .refunds
            .iter_mut()
            .find(|refund| refund.id == call.refund_id)
            .unwrap();
        refund.state = call.state.clone();
        refund.total = Some(call.total);
        refund.payments.extend(payments.iter().cloned());
        ready(if loses { Err(lost()) } else { Ok(()) })
    }
}

impl RefundProvider for World {
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        _: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        if !fence.holds() {
            return ready(Err(fenced()));
        }
        let mut inside = self.lock();
        let payout = Payout {
            payment_id: format!("P-{}", payment.refund_id).parse().unwrap(),
            state: PayoutState::Success,
            amount: payment.amount,
        };
        let paid = inside
            .payouts
            .entry(payment.refund_id.to_string())
            .or_default();
        paid.push(payout.clone());
        let loses = inside.loses_answer();
        ready(if loses { Err(lost()) } else { Ok(payout) })
    }

    fn list<'a>(
        &'a self,
        refund_id: &'a RefundId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        let inside = self.lock();
        ready(Ok(inside
            .payouts
            .get(refund_id.as_str())
            .cloned()
            .unwrap_or_default()))
    }
}

impl Oms for World {
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>> {
        let mut inside = self.lock();
        if inside.oms_down {
            return ready(Err(TellError::new("the OMS is down")));
        }
        inside.told.push(message.clone());
        ready(Ok(()))
    }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn terms() -> Terms {
    Terms {
        patience: ms(2_000),
        pending_alarm: ms(60_000),
        refund_grace: ms(30),
        visibility_lag: ms(200),
        quiet: ms(200),
        ..Terms::default()
    }
}

pub(crate) fn options() -> Options {
    let retry = Retry {
        backoff: Backoff {
            initial: ms(5),
            max: ms(50),
        },
        attempts: 0,
    };
    Options {
        retry,
        poll: ms(20),
        budget: ms(100),
        ..Options::default()
    }
}

pub(crate) fn builder<S: Store>(world: &World, store: S) -> Countermand<S> {
    Countermand::on(store)
        .target(TargetId::new(TARGET).unwrap(), world.clone())
        .refunds(world.clone())
        .oms(world.clone())
        .terms(terms())
        .pace(Pace {
            poll_initial: ms(10),
            poll_max: ms(40),
        })
        .options(options())
}

pub(crate) async fn engine(world: &World) -> (Handle, MemoryStore) {
    let store = MemoryStore::new(SystemClock);
    let handle = builder(world, share(&store)).start().await.unwrap();
    (handle, store)
}

/// Another handle on the same data and incarnation.
pub(crate) fn share(store: &MemoryStore) -> MemoryStore {
    store.clone()
}

pub(crate) fn draft(order: &str, external_id: Option<&str>) -> Draft {
    Draft {
        order_id: order.to_owned(),
        external_id: external_id.map(str::to_owned),
        ..Draft::default()
    }
}

/// Keeps a test from hanging for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}

/// The id of a cancellation that was begun.
pub(crate) fn created(outcome: CancelOutcome) -> InstanceId {
    match outcome {
        CancelOutcome::Created(view) => view.id,
        other => panic!("not created: {other:?}"),
    }
}
