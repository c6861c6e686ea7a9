//! Bad moments, each of which once led to a wrong end.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use countermand::core::cancellation::input::Fact;
use countermand::core::cancellation::order::{PackageState, RefundDetails};
use countermand::runner::Options;
use countermand::store::{Disposition, MemoryStore, Pause, Store, SystemClock};
use countermand::*;

use crate::support::*;

/// Waits for something that is bound to happen.
async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(ms(5)).await;
    }
    panic!("it never came to this: {what}");
}

fn event(kind: &str, path: &str, key: &str) -> String {
    serde_json::json!({
        "idempotencyKey": key,
        "eventDescriptor": kind,
        "resources": [format!("businessProduct/{TARGET}/order/{path}")],
        "eventId": format!("event-{key}"),
        "apiVersion": "2024-11-01",
        "eventTime": "2025-02-20T09:21:41Z",
        "data": {},
    })
    .to_string()
}

fn few_attempts(attempts: u32) -> Options {
    let mut options = options();
    options.retry.attempts = attempts;
    options
}

/// The read lane has failed as often as a person should know of. It goes on all the same, events
/// wake it, and nobody is asked for once it works again.
#[tokio::test]
async fn reads_never_stop() {
    let world = World::default();
    world.order("A");
    world.lock().refund = Some("12".into());
    let store = MemoryStore::new(SystemClock);
    let engine = builder(&world, share(&store)).options(few_attempts(3));
    let handle = engine.start().await.unwrap();
    let id = created(handle.cancel(&draft("A", None), None).await.unwrap());
    until("it is sent", || world.with(|w| w.cancel_calls.len() == 1)).await;

    world.lock().amazon_down = true;
    let asked = handle.wait(&id, Until::Settled);
    let view = soon(asked).await.unwrap();
    assert_eq!(view.status, Status::Attention, "{view:?}");

    world.lock().amazon_down = false;
    world.decide("A", &CancellationState::Success);
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(world.with(|w| w.payouts.len()), 1);
}

/// A restart without a target that is still worked on: attempts back off, and a person is asked.
#[tokio::test]
async fn a_target_that_is_gone_makes_no_hot_loop() {
    let world = World::default();
    world.order("A");
    let store = MemoryStore::new(SystemClock);
    let pause = Pause {
        since: store.now().await.unwrap().at,
        by: "test".into(),
        why: "to stay in requested".into(),
    };
    store.set_pause(Some(pause)).await.unwrap();
    let handle = builder(&world, share(&store)).start().await.unwrap();
    let id = created(handle.cancel(&draft("A", None), None).await.unwrap());
    soon(async {
        while handle.get(&id).await.unwrap().state != "requested" {
            tokio::time::sleep(ms(5)).await;
        }
    })
    .await;
    handle.shutdown(ms(1000)).await;
    store.set_pause(None).await.unwrap();

    let elsewhere = Countermand::on(share(&store))
        .target(TargetId::new("bp-other").unwrap(), world.clone())
        .refunds(world.clone())
        .oms(world.clone())
        .terms(terms())
        .options(few_attempts(3));
    let handle = elsewhere.start().await.unwrap();
    let view = soon(handle.wait(&id, Until::Settled)).await.unwrap();
    assert_eq!(view.status, Status::Attention, "{view:?}");
    assert!(view.revision < 20, "revision {}", view.revision);
    assert_eq!(world.with(|w| w.cancel_calls.len()), 0);
}

/// Asks the engine to take an event in at the very moment in which the OMS is told the last thing.
#[derive(Clone)]
struct Meanwhile {
    world: World,
    handle: Arc<OnceLock<Handle>>,
    answers: Arc<Mutex<Vec<Disposition>>>,
}

impl Oms for Meanwhile {
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        budget: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>> {
        let handle = self.handle.get().unwrap().clone();
        let answers = self.answers.clone();
        if message.body.contains("cancellation.rejected") {
            tokio::spawn(async move {
                let event = event("REFUND_REQUESTED", "A/refund/R9", "k9");
                for _ in 0..2 {
                    let ingested = handle.ingest(event.as_bytes(), "test").await.unwrap();
                    answers.lock().unwrap().push(ingested.facts[0].disposition);
                }
            });
        }
        self.world.tell(message, budget)
    }
}

/// The event and the last fact of the instance come in one round: whichever is first, the refund is
/// paid, by this instance or by another.
#[tokio::test]
async fn an_event_is_not_lost_to_an_instance_that_ends_at_that_moment() {
    let world = World::default();
    world.order("A");
    {
        let mut inside = world.lock();
        let order = inside.orders.get_mut("A").unwrap();
        order.packages[0].state = PackageState::InTransit;
    }
    let oms = Meanwhile {
        world: world.clone(),
        handle: Arc::default(),
        answers: Arc::default(),
    };
    let store = MemoryStore::new(SystemClock);
    let engine = builder(&world, share(&store)).oms(oms.clone());
    let handle = engine.start().await.unwrap();
    oms.handle.set(handle.clone()).ok();
    created(handle.cancel(&draft("A", None), None).await.unwrap());
    until("both are answered", || {
        oms.answers.lock().unwrap().len() == 2
    })
    .await;
    world
        .lock()
        .orders
        .get_mut("A")
        .unwrap()
        .refunds
        .push(RefundDetails {
            id: RefundId::new("R9").unwrap(),
            state: RefundState::Pending,
            reason: Some("DELIVERY_ISSUES".into()),
            total: Some(Money::parse("12", "USD").unwrap()),
            line_items: Vec::new(),
            payments: Vec::new(),
        });
    until("the refund is paid", || {
        world.with(|w| w.payouts.len() == 1)
    })
    .await;
    let answers = oms.answers.lock().unwrap().clone();
    assert_eq!(answers, [Disposition::Applied, Disposition::Duplicate]);
}

/// Amazon accepted the request and its reads lag behind.
#[derive(Clone)]
struct Hidden(World);

impl Orders for Hidden {
    fn read_order<'a>(
        &'a self,
        order: &'a OrderId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        Box::pin(async move {
            let read = self.0.read_order(order, budget).await?;
            Ok(read.map(|order| Order {
                cancellations: Vec::new(),
                ..order
            }))
        })
    }

    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        self.0.cancel_order(call, budget, fence)
    }

    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        self.0.report_refund(call, payments, budget, fence)
    }
}

/// A person says that Amazon will not cancel, although it has accepted: no other request for the
/// order reaches Amazon before the visibility lag is over.
#[tokio::test]
async fn a_hasty_word_does_not_lead_to_a_second_call() {
    let world = World::default();
    world.order("A");
    let store = MemoryStore::new(SystemClock);
    let mut slow = terms();
    slow.visibility_lag = Duration::from_secs(300);
    let engine = Countermand::on(share(&store))
        .target(TargetId::new(TARGET).unwrap(), Hidden(world.clone()))
        .refunds(world.clone())
        .oms(world.clone())
        .terms(slow)
        .options(options());
    let handle = engine.start().await.unwrap();
    let id = created(handle.cancel(&draft("A", None), None).await.unwrap());
    soon(async {
        while handle.get(&id).await.unwrap().state != "pending" {
            tokio::time::sleep(ms(5)).await;
        }
    })
    .await;
    let resolved = handle.resolve(&id, "kim", Fact::Rejected, "hasty").await;
    resolved.unwrap();
    soon(handle.idle()).await;
    let again = handle.cancel(&draft("A", None), None).await.unwrap();
    assert!(matches!(again, CancelOutcome::Conflict(_)), "{again:?}");
    assert_eq!(world.with(|w| w.cancel_calls.len()), 1);
}

/// A late event about an order that was cancelled is being looked into; a request for that order is
/// still one for an order that is cancelled already.
#[tokio::test]
async fn a_request_for_a_cancelled_order_is_refused_whatever_is_alive() {
    let world = World::default();
    world.order("A");
    let (handle, _) = engine(&world).await;
    world.lock().decision = Some(CancellationState::Success);
    let id = created(handle.cancel(&draft("A", None), None).await.unwrap());
    soon(handle.wait(&id, Until::Finished)).await.unwrap();
    world.lock().amazon_down = true;
    let late = event("REFUND_REQUESTED", "A/refund/R7", "k2");
    handle.ingest(late.as_bytes(), "test").await.unwrap();
    let again = handle.cancel(&draft("A", Some("x9")), None).await.unwrap();
    let CancelOutcome::Conflict(conflict) = again else {
        panic!("{again:?}");
    };
    assert_eq!(conflict.why, ConflictWhy::AlreadyCancelled);
}

/// Beyond the limit nothing is paid, everything else goes on, and a restart makes no room. A person
/// who raises the limit, or waits, asks for a retry.
#[tokio::test]
async fn a_limit_on_payouts_outlives_a_restart() {
    let world = World::default();
    let store = MemoryStore::new(SystemClock);
    let limited = |payments_per_hour| SpendLimits {
        payments_per_hour: Some(payments_per_hour),
        amount_per_day: Vec::new(),
    };
    let start = async |limit| {
        let engine = builder(&world, share(&store)).payout_limits(limited(limit));
        engine.start().await.unwrap()
    };
    let cancel = async |handle: &Handle, order: &str| {
        world.order(order);
        world.lock().refund = Some("12".into());
        let id = created(handle.cancel(&draft(order, None), None).await.unwrap());
        until("it is sent", || {
            world.with(|w| w.orders[order].cancellations.len() == 1)
        })
        .await;
        world.decide(order, &CancellationState::Success);
        id
    };
    let handle = start(1).await;
    let first = cancel(&handle, "A").await;
    let view = soon(handle.wait(&first, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    handle.shutdown(ms(1000)).await;

    let handle = start(1).await;
    let second = cancel(&handle, "B").await;
    let view = soon(handle.wait(&second, Until::Settled)).await.unwrap();
    let attention = view.attention.clone().unwrap();
    assert!(
        attention.why.starts_with("payout_limited: "),
        "{attention:?}"
    );
    assert!(
        attention
            .why
            .contains("the limit is 1 an hour; there is room again at")
    );
    assert!(attention.suggest[0].starts_with("retry "), "{attention:?}");
    assert_eq!(world.with(|w| w.payouts.len()), 1);
    // Without room, it is as before.
    handle.retry(&second, "kim").await.unwrap();
    let view = soon(handle.wait(&second, Until::Settled)).await.unwrap();
    assert_eq!(view.status, Status::Attention);
    assert_eq!(world.with(|w| w.payouts.len()), 1);
    handle.shutdown(ms(1000)).await;

    let handle = start(2).await;
    handle.retry(&second, "kim").await.unwrap();
    let view = soon(handle.wait(&second, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(world.with(|w| w.payouts.len()), 2);
    assert!(verify(&store).await.unwrap().ok);
}
