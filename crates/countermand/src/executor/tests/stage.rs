//! An executor on ports that answer what they are told to, and effects to perform.

use std::collections::VecDeque;
use std::sync::Mutex;

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::PayoutState;
use countermand_core::cancellation::order::{
    Alias, CancellationEntry, CancellationState, LineItem, Package, PackageState, RefundDetails,
    RefundState, ReportedPayment,
};
use countermand_core::{Epoch, LineItemId, Money, PackageId, PaymentId, RefundId};

use super::super::*;
use crate::ports::{BoxFuture, CancelAnswer, TellError};

/// Answers in the order given, and remembers what it was asked.
#[derive(Default)]
pub(super) struct Script {
    pub(super) reads: Mutex<VecDeque<Result<Option<Order>, ReadError>>>,
    pub(super) cancels: Mutex<VecDeque<Result<CancelAnswer, CallError>>>,
    pub(super) reports: Mutex<VecDeque<Result<(), CallError>>>,
    pub(super) pays: Mutex<VecDeque<Result<Payout, CallError>>>,
    pub(super) lists: Mutex<VecDeque<Result<Vec<Payout>, ReadError>>>,
    pub(super) tells: Mutex<VecDeque<Result<(), TellError>>>,
    pub(super) log: Mutex<Vec<String>>,
}

impl Script {
    pub(super) fn took(&self, what: &str) {
        self.log.lock().unwrap().push(what.to_owned());
    }
}

/// The next answer; without one, none ever comes.
pub(super) fn answer<'a, T: Send + 'a>(queue: &Mutex<VecDeque<T>>) -> BoxFuture<'a, T> {
    match queue.lock().unwrap().pop_front() {
        Some(answer) => Box::pin(std::future::ready(answer)),
        None => Box::pin(std::future::pending()),
    }
}

pub(super) struct Port(Arc<Script>);

impl Orders for Port {
    fn read_order<'a>(
        &'a self,
        _: &'a OrderId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        self.0.took("read");
        answer(&self.0.reads)
    }

    fn cancel_order<'a>(
        &'a self,
        _: &'a CancelOrder,
        _: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        self.0.took("cancel");
        if !fence.holds() {
            return Box::pin(std::future::ready(Err(not_sent(NotSent::Fenced))));
        }
        answer(&self.0.cancels)
    }

    fn report_refund<'a>(
        &'a self,
        _: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        _: Duration,
        _: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        self.0.took(&format!("report {}", payments.len()));
        answer(&self.0.reports)
    }
}

impl RefundProvider for Port {
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        _: Duration,
        _: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        self.0
            .took(&format!("pay {} {}", payment.key, payment.amount));
        answer(&self.0.pays)
    }

    fn list<'a>(
        &'a self,
        _: &'a RefundId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        self.0.took("list");
        answer(&self.0.lists)
    }
}

impl Oms for Port {
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>> {
        self.0
            .took(&format!("tell {} {}", message.id, message.body));
        answer(&self.0.tells)
    }
}

pub(super) struct Stage {
    pub(super) script: Arc<Script>,
    pub(super) executor: Executor,
    pub(super) fence: bool,
    pub(super) clock_behind: bool,
    pub(super) emission: Result<Option<String>, String>,
}

pub(super) fn stage() -> Stage {
    let script = Arc::new(Script::default());
    let target = TargetId::new("bp-1").unwrap();
    let orders: Arc<dyn Orders> = Arc::new(Port(script.clone()));
    Stage {
        executor: Executor {
            targets: BTreeMap::from([(target, orders)]),
            refunds: Arc::new(Port(script.clone())),
            oms: Arc::new(Port(script.clone())),
        },
        script,
        fence: true,
        clock_behind: false,
        emission: Ok(Some("{}".to_owned())),
    }
}

impl Stage {
    pub(super) async fn perform(&self, effect: Effect, known: Option<&Payout>) -> Performed<Input> {
        let fence = self.fence;
        let emission = self.emission.clone();
        let mut turn = Turn::new(
            InstanceId::new("c-1").unwrap(),
            7,
            at(1000),
            Duration::from_millis(200),
            Fence::new(Epoch(3), move || fence),
            Emissions::from_fn(move |_, _, _| emission.clone()),
        );
        turn.clock_behind = self.clock_behind;
        turn.try_number = 4;
        self.executor.perform_effect(turn, &effect, known).await
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.script.log.lock().unwrap().clone()
    }
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn usd(amount: &str) -> Money {
    Money::parse(amount, "USD").unwrap()
}

pub(super) fn alias() -> Alias {
    Alias {
        alias_id: "web-1".to_owned(),
        alias_type: "EXT_CANCEL_ID".to_owned(),
    }
}

pub(super) fn order() -> Order {
    Order {
        id: OrderId::new("322-A").unwrap(),
        line_items: vec![LineItem {
            id: LineItemId::new("L1").unwrap(),
            quantity: 1.into(),
            merchant_fulfilled: false,
        }],
        packages: vec![Package {
            id: PackageId::new("A").unwrap(),
            state: PackageState::Pending,
            reason: None,
            contents: Vec::new(),
        }],
        cancellations: Vec::new(),
        refunds: Vec::new(),
    }
}

pub(super) fn cancelled_by_us() -> Order {
    let entry = CancellationEntry {
        state: CancellationState::Rejected,
        requested_by: None,
        created_at: None,
        aliases: vec![alias()],
        reason: None,
    };
    Order {
        cancellations: vec![entry],
        ..order()
    }
}

pub(super) fn with_refund(state: RefundState) -> Order {
    let refund = RefundDetails {
        id: RefundId::new("R1").unwrap(),
        state,
        reason: None,
        total: Some(usd("43.99")),
        line_items: Vec::new(),
        payments: Vec::new(),
    };
    Order {
        refunds: vec![refund],
        ..order()
    }
}

pub(super) fn cancel(doubted: bool) -> Effect {
    Effect::CancelOrder(CancelOrder {
        attempt: 2,
        doubted,
        target_id: TargetId::new("bp-1").unwrap(),
        order_id: OrderId::new("322-A").unwrap(),
        alias: alias(),
        reason: None,
        additional_comments: None,
    })
}

pub(super) fn pay(key_expires: Option<Timestamp>) -> Effect {
    Effect::PayRefund(PayRefund {
        attempt: 1,
        doubted: true,
        key: "k".to_owned(),
        key_expires,
        target_id: TargetId::new("bp-1").unwrap(),
        order_id: OrderId::new("322-A").unwrap(),
        refund_id: RefundId::new("R1").unwrap(),
        amount: usd("43.99"),
        line_items: Vec::new(),
        failed_payments: Vec::new(),
        parts: Vec::new(),
    })
}

pub(super) fn report() -> Effect {
    Effect::ReportRefund(ReportRefund {
        attempt: 1,
        doubted: false,
        target_id: TargetId::new("bp-1").unwrap(),
        order_id: OrderId::new("322-A").unwrap(),
        refund_id: RefundId::new("R1").unwrap(),
        state: RefundState::Success,
        total: usd("43.99"),
        payments: vec![ReportedPayment {
            id: PaymentId::new("P1").unwrap(),
            amount: Some(usd("43.99")),
        }],
    })
}

pub(super) fn read(target: &str) -> Effect {
    Effect::ReadOrder(ReadOrder {
        target_id: TargetId::new(target).unwrap(),
        order_id: OrderId::new("322-A").unwrap(),
    })
}

pub(super) fn watch() -> Effect {
    Effect::WatchPayout(WatchPayout {
        attempt: 1,
        refund_id: RefundId::new("R1").unwrap(),
        payment_id: PaymentId::new("P1").unwrap(),
    })
}

pub(super) fn tell() -> Effect {
    Effect::UpdateOms(UpdateOms {
        seq: 4,
        id: "m1".to_owned(),
    })
}

pub(super) fn payout(state: PayoutState) -> Payout {
    Payout {
        payment_id: PaymentId::new("P1").unwrap(),
        state,
        amount: usd("43.99"),
    }
}

pub(super) fn not_sent(why: NotSent) -> CallError {
    CallError::NotSent {
        why,
        detail: "d".to_owned(),
        retry_after: Some(Duration::from_secs(9)),
    }
}

pub(super) fn read_error() -> ReadError {
    ReadError {
        message: "broken".to_owned(),
        retry_after: Some(Duration::from_secs(5)),
        not_sent: None,
    }
}

/// The shape of what was brought, without the particulars.
pub(super) fn shape(performed: &Performed<Input>) -> Vec<String> {
    let inputs = performed.inputs.iter().map(|input| match input {
        Input::OrderRead(read) => {
            assert_eq!((read.began_seq, read.began_at), (7, at(1000)));
            format!("order_read {}", read.order.is_some())
        }
        Input::Looked {
            found,
            payout,
            key_expired,
            ..
        } => {
            format!("looked {found} {} {key_expired}", payout.is_some())
        }
        Input::EffectDone(done) => format!("done {done:?}").chars().take(18).collect(),
        Input::EffectRefused { code, .. } => format!("refused {code}"),
        Input::EffectNotSent { why, .. } => format!("not_sent {why:?}"),
        Input::EffectUnknown { why, .. } => format!("unknown {why:?}"),
        Input::PayoutSeen { payout, .. } => format!("payout_seen {:?}", payout.state),
        other => format!("{other:?}"),
    });
    let tally = match &performed.tally {
        Tally::Answered => "answered".to_owned(),
        Tally::Empty { .. } => "empty".to_owned(),
        Tally::Failed { retry_after, .. } => format!("failed {}", retry_after.is_some()),
        Tally::Unable { .. } => "unable".to_owned(),
        Tally::Deferred { .. } => "deferred".to_owned(),
    };
    inputs.chain([tally]).collect()
}

pub(super) fn push<T>(queue: &Mutex<VecDeque<T>>, answer: T) {
    queue.lock().unwrap().push_back(answer);
}
