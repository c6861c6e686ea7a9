//! Events through a running engine: kept, applied once, whatever their form.

use crate::support::{TARGET, World, builder, draft, engine, share, soon};
use countermand::store::{Disposition, Store};
use countermand::{Error, Ingested, Until, verify};

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

fn only(ingested: &Ingested) -> Disposition {
    match ingested.facts.as_slice() {
        [fact] => fact.disposition,
        facts => panic!("{facts:?}"),
    }
}

#[tokio::test]
async fn a_shoppers_cancellation_is_heard_of_and_paid_once() {
    let world = World::default();
    world.order("322-A");
    {
        let mut inside = world.lock();
        inside.refund = Some("12".to_owned());
        // Nothing ends before the OMS was told.
        inside.oms_down = true;
    }
    world.shopper_cancels("322-A");
    let (handle, store) = engine(&world).await;
    let refund = event("REFUND_REQUESTED", "322-A/refund/R-322-A", "k1");
    let first = handle.ingest(refund.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&first), Disposition::Applied);
    let id = first.facts[0].cancellation_id.clone().unwrap();
    // The same fact by another subscription.
    let again = event("REFUND_REQUESTED", "322-A/refund/R-322-A", "k2");
    let second = handle.ingest(again.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&second), Disposition::Duplicate);
    let package = event("DELIVERY_CANCELLED", "322-A/delivery/A", "k3");
    let third = handle.ingest(package.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&third), Disposition::Applied);
    assert_eq!(third.facts[0].cancellation_id.as_ref(), Some(&id));

    world.lock().oms_down = false;
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(
        (view.origin.as_str(), view.outcome.as_deref()),
        ("observed", Some("cancelled"))
    );
    world.with(|inside| {
        assert!(inside.cancel_calls.is_empty());
        assert_eq!(inside.payouts["R-322-A"].len(), 1);
    });

    // After the end, the same facts by yet another subscription start nothing.
    let late = event("REFUND_REQUESTED", "322-A/refund/R-322-A", "k4");
    let fourth = handle.ingest(late.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&fourth), Disposition::Duplicate);
    let report = verify(&share(&store)).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(report.checked.instances, 1);
}

#[tokio::test]
async fn everything_is_kept_and_only_what_concerns_us_is_applied() {
    let world = World::default();
    let (handle, store) = engine(&world).await;
    let table = [
        (
            event("INVENTORY_CHANGED", "322-A", "k1"),
            Disposition::UnknownType,
        ),
        (
            event("PACKAGE_DELIVERED", "322-A/delivery/A", "k2"),
            Disposition::Ignored,
        ),
        (
            event("REFUND_REQUESTED", "322-A/refund/R1", "k3").replace(TARGET, "bp-9"),
            Disposition::OtherTarget,
        ),
        (
            event("REFUND_REQUESTED", "322-A/refund/R1", "k4").replace("/order/", "/parcel/"),
            Disposition::Unroutable,
        ),
    ];
    for (text, expected) in &table {
        let ingested = handle.ingest(text.as_bytes(), "test").await.unwrap();
        assert_eq!(only(&ingested), *expected, "{text}");
        assert_eq!(ingested.facts[0].cancellation_id, None);
    }
    let kept = share(&store).inbox(100).await.unwrap();
    assert_eq!(kept.len(), table.len());
    assert!(
        kept.iter()
            .all(|record| record.source == "test" && record.received_at.as_millis() > 0)
    );
    let stats = handle.stats().await.unwrap();
    assert_eq!(stats.events.values().sum::<u64>(), 4);
    assert!(stats.counts.is_empty());
}

#[tokio::test]
async fn an_array_is_taken_whole_or_not_at_all() {
    let world = World::default();
    world.order("322-A");
    let (handle, store) = engine(&world).await;
    let good = event("REFUND_REQUESTED", "322-A/refund/R1", "k1");
    let array = format!("[{good},{{\"eventDescriptor\":1}}]");
    match handle.ingest(array.as_bytes(), "test").await {
        Err(Error::BadEvents { index, .. }) => assert_eq!(index, Some(1)),
        other => panic!("{other:?}"),
    }
    for bad in ["", "{", "[]", "{}", "null", "\"x\""] {
        let refused = handle.ingest(bad.as_bytes(), "test").await;
        assert!(
            matches!(refused, Err(Error::BadEvents { .. })),
            "{bad}: {refused:?}"
        );
    }
    assert!(share(&store).inbox(10).await.unwrap().is_empty());

    // Two facts in one event, of two orders in one array, side by side.
    let two = good.replace(
        "\"]",
        &format!("\",\"businessProduct/{TARGET}/order/322-A/refund/R2\"]"),
    );
    let other = event("REFUND_REQUESTED", "322-B/refund/R1", "k2");
    let array = format!("[{two},{other}]");
    let ingested = handle.ingest(array.as_bytes(), "test").await.unwrap();
    assert_eq!(ingested.facts.len(), 3);
    assert!(
        ingested
            .facts
            .iter()
            .all(|fact| fact.disposition == Disposition::Applied)
    );
    let ids: Vec<_> = ingested
        .facts
        .iter()
        .map(|fact| fact.cancellation_id.clone())
        .collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn an_event_about_a_live_request_wakes_it_and_never_cancels() {
    let world = World::default();
    world.order("322-A");
    let (handle, _) = engine(&world).await;
    handle.cancel(&draft("322-A", None), None).await.unwrap();
    soon(async {
        while world.lock().cancel_calls.is_empty() {
            tokio::time::sleep(crate::support::ms(1)).await;
        }
    })
    .await;
    let shipped = event("PACKAGE_DELIVERY_IN_TRANSIT", "322-A/delivery/A", "k1");
    let ingested = handle.ingest(shipped.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&ingested), Disposition::Applied);
    let id = ingested.facts[0].cancellation_id.clone().unwrap();
    let history = handle.history(&id).await.unwrap();
    assert!(
        history
            .iter()
            .any(|entry| entry.input_type() == "event_received")
    );
}

#[tokio::test]
async fn without_observing_only_live_cancellations_hear_of_events() {
    use countermand::store::{MemoryStore, SystemClock};
    let world = World::default();
    world.order("322-A");
    world.lock().amazon_down = true;
    let store = MemoryStore::new(SystemClock);
    let handle = builder(&world, store).observe(false).start().await.unwrap();
    let text = event("REFUND_REQUESTED", "322-A/refund/R1", "k1");
    let ingested = handle.ingest(text.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&ingested), Disposition::Ignored);
    handle.cancel(&draft("322-A", None), None).await.unwrap();
    let text = event("REFUND_REQUESTED", "322-A/refund/R2", "k2");
    let ingested = handle.ingest(text.as_bytes(), "test").await.unwrap();
    assert_eq!(only(&ingested), Disposition::Applied);
}

/// A delivery with more facts than the engine's queue has places is taken in all the same.
#[tokio::test]
async fn no_delivery_is_too_large_for_the_queue() {
    let world = World::default();
    let store = countermand::store::MemoryStore::new(countermand::store::SystemClock);
    let mut options = crate::support::options();
    options.queue = 300;
    let handle = builder(&world, share(&store))
        .options(options)
        .start()
        .await
        .unwrap();
    let events: Vec<String> = (0..1_000)
        .map(|number| event("PACKAGE_DELIVERED", &format!("A-{number}/delivery/D"), "k"))
        .collect();
    let text = format!("[{}]", events.join(","));
    let ingested = soon(handle.ingest(text.as_bytes(), "test")).await.unwrap();
    assert_eq!(ingested.facts.len(), 1_000);
    let order = |number: usize| {
        ingested.facts[number]
            .order_id
            .as_ref()
            .unwrap()
            .to_string()
    };
    assert_eq!((order(0), order(999)), ("A-0".into(), "A-999".into()));
    assert_eq!(store.inbox(2_000).await.unwrap().len(), 1_000);
}
