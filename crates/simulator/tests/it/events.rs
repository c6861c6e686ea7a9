//! Events, as a sink sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use countermand_simulator::{Chaos, EventSink, Scenario};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Caller, eventually, swift};

#[derive(Clone, Default)]
struct Sink {
    heard: Arc<Mutex<Vec<Value>>>,
    /// So many calls are answered 503.
    refusals: Arc<Mutex<u32>>,
}

async fn hear(State(sink): State<Sink>, headers: HeaderMap, body: String) -> StatusCode {
    if headers
        .get("authorization")
        .is_none_or(|given| given != "Bearer ingest")
    {
        return StatusCode::UNAUTHORIZED;
    }
    {
        let mut refusals = sink.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    let event: Value = serde_json::from_str(&body).unwrap();
    // An SQS message holds an event in its turn.
    let event = match event.get("Body") {
        None => event,
        Some(body) => serde_json::from_str(body.as_str().unwrap()).unwrap(),
    };
    sink.heard.lock().unwrap().push(event);
    StatusCode::ACCEPTED
}

fn listen(listener: TcpListener) -> Sink {
    let sink = Sink::default();
    let router = Router::new()
        .route("/v1/events", post(hear))
        .with_state(sink.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    sink
}

async fn port() -> (TcpListener, EventSink) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/events", listener.local_addr().unwrap());
    let sink = EventSink {
        url,
        token: Some("ingest".to_owned()),
    };
    (listener, sink)
}

/// Type and subject, from whichever form.
fn fact(event: &Value) -> (String, String) {
    let kind = event.get("detail-type").or(event.get("eventDescriptor"));
    let path = event["resources"][0].as_str().unwrap();
    (
        kind.unwrap().as_str().unwrap().to_owned(),
        path.rsplit('/').next().unwrap().to_owned(),
    )
}

fn sample(name: &str) -> Value {
    let text = match name {
        "webhook" => {
            include_str!("../reference/samples/event-package-delivery-cancelled.webhook.json")
        }
        "eventbridge" => {
            include_str!("../reference/samples/event-package-delivery-cancelled.eventbridge.json")
        }
        _ => include_str!("../reference/samples/event-delivery-cancelled.legacy.eventbridge.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn members(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[tokio::test]
async fn each_fact_is_told_once_in_calm_weather() {
    let (listener, target) = port().await;
    let sink = listen(listener);
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.event_sink = Some(target);
    })
    .await;
    let orders: Vec<String> = (0..12)
        .map(|_| caller.order(Scenario::TwoRefunds))
        .collect();
    for order in &orders {
        caller.cancel(order, order).await;
    }
    let ledger = eventually(async || {
        let ledger = caller.simulator.ledger();
        // One package and one refund per line.
        let complete = ledger
            .orders
            .iter()
            .all(|order| order.refunds.len() == order.packages.len());
        let facts: usize = ledger
            .orders
            .iter()
            .map(|order| order.packages.len() + order.refunds.len())
            .sum();
        let told = ledger
            .events
            .iter()
            .filter(|event| event.acknowledged > 0)
            .count();
        (complete && told == facts).then_some(ledger)
    })
    .await;
    let heard = sink.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), ledger.events.len());
    let mut forms: BTreeMap<bool, usize> = BTreeMap::new();
    for event in &heard {
        let enveloped = event.get("detail").is_some();
        *forms.entry(enveloped).or_default() += 1;
        let sample = sample(if enveloped { "eventbridge" } else { "webhook" });
        assert_eq!(members(event), members(&sample));
        if enveloped {
            assert_eq!(members(&event["detail"]), members(&sample["detail"]));
        }
        assert!(
            event["resources"][0]
                .as_str()
                .unwrap()
                .starts_with(&format!(
                    "businessProduct/{}/order/",
                    caller.simulator.credentials().target_id
                ))
        );
    }
    assert_eq!(forms.len(), 2, "both forms occur: {forms:?}");
    assert!(ledger.events.iter().all(|event| event.copies == 1));
    for event in &heard {
        let (kind, subject) = fact(event);
        let known = ledger
            .events
            .iter()
            .find(|known| known.event_type == kind && known.subject_id == subject);
        assert!(known.is_some(), "{kind} {subject}");
    }
}

#[tokio::test]
async fn a_sink_that_is_down_is_tried_again() {
    let (listener, target) = port().await;
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.event_sink = Some(target.clone());
    })
    .await;
    // Nobody listens: the port is closed again.
    drop(listener);
    let order = caller.order(Scenario::Happy);
    caller.cancel(&order, "a").await;
    eventually(async || {
        let events = caller.simulator.ledger().events;
        events.iter().any(|event| event.attempts >= 2).then_some(())
    })
    .await;
    // The daemon comes back, elsewhere, and refuses a while.
    let (listener, target) = port().await;
    let sink = listen(listener);
    *sink.refusals.lock().unwrap() = 3;
    caller.simulator.set_event_sink(Some(target));
    let ledger = eventually(async || {
        let ledger = caller.simulator.ledger();
        let refunds = ledger.orders[0].refunds.len();
        let all = ledger.events.iter().all(|event| event.acknowledged > 0);
        (refunds == 1 && all && ledger.events.len() >= 2).then_some(ledger)
    })
    .await;
    assert!(ledger.events.iter().any(|event| event.last_error.is_some()));
    assert!(
        ledger
            .events
            .iter()
            .all(|event| event.first_acknowledged_at.is_some())
    );
}

#[tokio::test]
async fn without_a_sink_events_wait_for_one() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::ShopperObserved);
    eventually(async || {
        let ledger = caller.simulator.ledger();
        (ledger.orders[0].refunds.len() == 1).then_some(())
    })
    .await;
    assert!(
        caller
            .simulator
            .ledger()
            .events
            .iter()
            .all(|event| event.attempts == 0)
    );
    let (listener, target) = port().await;
    let sink = listen(listener);
    let body = serde_json::to_string(&target).unwrap();
    let url = format!("{}/sink", caller.simulator.endpoints().control);
    let answer = caller
        .client
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    eventually(async || {
        let heard = sink.heard.lock().unwrap();
        let kinds: Vec<String> = heard.iter().map(|event| fact(event).0).collect();
        (kinds.contains(&"REFUND_REQUESTED".to_owned())
            && kinds.contains(&"PACKAGE_DELIVERY_CANCELLED".to_owned()))
        .then_some(())
    })
    .await;
    assert!(
        sink.heard.lock().unwrap()[0]["resources"][0]
            .as_str()
            .unwrap()
            .contains(&order)
    );
}

#[tokio::test]
async fn in_rough_weather_facts_come_twice_out_of_order_and_under_old_names() {
    let (listener, target) = port().await;
    let sink = listen(listener);
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.seed = 4;
        options.chaos = Chaos::Light;
        options.event_sink = Some(target);
    })
    .await;
    for _ in 0..60 {
        caller.order(Scenario::ShopperObserved);
    }
    let ledger = eventually(async || {
        let ledger = caller.simulator.ledger();
        let done = ledger.orders.iter().all(|order| order.refunds.len() == 1)
            && ledger
                .events
                .iter()
                .all(|event| event.acknowledged == event.copies);
        done.then_some(ledger)
    })
    .await;
    let heard = sink.heard.lock().unwrap().clone();
    let copies: u32 = ledger.events.iter().map(|event| event.copies).sum();
    assert_eq!(heard.len(), copies as usize);
    assert!(ledger.events.iter().any(|event| event.copies == 2));

    let oldest = sample("oldest");
    let old: Vec<&Value> = heard
        .iter()
        .filter(|event| fact(event).0 == "DELIVERY_CANCELLED")
        .collect();
    assert!(!old.is_empty());
    for event in old {
        assert_eq!(members(event), members(&oldest));
        assert_eq!(event["detail"], oldest["detail"]);
    }

    // Copies differ: a redelivery has the same key, a second subscription another key, a new event
    // another id.
    let mut keys: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for event in &heard {
        let inner = event.get("detail").unwrap_or(event);
        if let (Some(key), Some(id)) = (inner["idempotencyKey"].as_str(), inner["eventId"].as_str())
        {
            let seen = keys.entry(fact(event).1).or_default();
            seen.push((key.to_owned(), id.to_owned()));
        }
    }
    let pairs: Vec<_> = keys.values().filter(|seen| seen.len() == 2).collect();
    assert!(pairs.iter().any(|pair| pair[0] == pair[1]));
    assert!(
        pairs
            .iter()
            .any(|pair| pair[0].0 != pair[1].0 && pair[0].1 == pair[1].1)
    );
    assert!(pairs.iter().any(|pair| pair[0].1 != pair[1].1));

    // Some refund was heard of before its package.
    let order_of = |event: &Value| {
        let path = event["resources"][0].as_str().unwrap().to_owned();
        path.split('/').nth(3).unwrap().to_owned()
    };
    let overtaken = heard.iter().enumerate().any(|(place, event)| {
        fact(event).0 == "REFUND_REQUESTED"
            && !heard[..place].iter().any(|earlier| {
                order_of(earlier) == order_of(event) && fact(earlier).0.contains("DELIVERY")
            })
    });
    assert!(overtaken);
}
