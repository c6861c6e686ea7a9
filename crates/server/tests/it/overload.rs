//! More than can wait is refused before anything is accepted, and nothing accepted is lost.

use axum::http::StatusCode;
use countermand::runner;
use countermand::store::{MemoryStore, SystemClock};
use countermand_server::{Options, router};
use futures_util::future::join_all;

use crate::support::{Answer, Api, engine_with};

/// An API over an engine in which next to nothing may wait.
async fn narrow() -> Api {
    let options = runner::Options {
        queue: 2,
        batch: 1,
        // Nothing is taken up: whatever changes was asked for here.
        held: 0,
        ..runner::Options::default()
    };
    let handle = engine_with(MemoryStore::new(SystemClock), options).await;
    Api {
        router: router(handle.clone(), Options::default()),
        handle,
    }
}

/// Those that were accepted; every other one must have been refused as it should be.
#[track_caller]
fn accepted(answers: &[Answer], as_what: StatusCode) -> Vec<usize> {
    let mut accepted = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        if answer.status == as_what {
            accepted.push(index);
            continue;
        }
        assert_eq!(answer.problem(), (503, "overloaded".to_owned()));
        let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("the same request again is safe"),
            "{detail}"
        );
    }
    accepted
}

async fn stored(api: &Api) -> Vec<String> {
    let page = api.get("/v1/cancellations?limit=500").await.json();
    let items = page["items"].as_array().unwrap().iter();
    let mut orders: Vec<String> = items
        .map(|item| item["orderId"].as_str().unwrap().to_owned())
        .collect();
    orders.sort();
    orders
}

#[tokio::test]
async fn requests_that_find_no_room_leave_nothing_behind() {
    let api = narrow().await;
    let body =
        |number: usize| format!(r#"{{"orderId":"322-{number:02}","externalId":"e-{number}"}}"#);
    let bodies: Vec<String> = (0..60).map(body).collect();
    let answers = join_all(bodies.iter().map(|body| api.cancel(body.clone()))).await;
    let took = accepted(&answers, StatusCode::ACCEPTED);
    assert!(!took.is_empty() && took.len() < 30, "{} of 60", took.len());
    let orders = |indices: &[usize]| -> Vec<String> {
        indices
            .iter()
            .map(|number| format!("322-{number:02}"))
            .collect()
    };
    assert_eq!(stored(&api).await, orders(&took), "those and no others");

    // Whoever asks again, as told, gets through.
    let all: Vec<usize> = (0..60).collect();
    for number in all.iter().filter(|number| !took.contains(number)) {
        assert_eq!(
            api.cancel(bodies[*number].clone()).await.status,
            StatusCode::ACCEPTED
        );
    }
    assert_eq!(stored(&api).await, orders(&all));
}

#[tokio::test]
async fn events_and_notes_are_refused_the_same_way() {
    let api = narrow().await;
    let made = api.cancel(r#"{"orderId":"322-A"}"#).await.json();
    let path = format!("/v1/cancellations/{}", made["id"].as_str().unwrap());
    let notes = (0..60).map(|number| {
        let (path, body) = (
            format!("{path}/notes"),
            format!(r#"{{"text":"note {number}"}}"#),
        );
        let api = &api;
        async move { api.post(&path, body).await }
    });
    let answers = join_all(notes).await;
    let took = accepted(&answers, StatusCode::OK).len();
    assert!(took > 0 && took < 60, "{took} of 60");
    let history = api.get(&format!("{path}/history")).await.json();
    let items = history["items"].as_array().unwrap();
    let kept = items
        .iter()
        .filter(|item| item["input"]["action"] == "note")
        .count();
    assert_eq!(kept, took, "each accepted note, once, and no other");

    let event = |number: usize| {
        serde_json::json!({
            "idempotencyKey": format!("k-{number}"),
            "eventDescriptor": "SOMETHING_NEW",
            "resources": ["businessProduct/bp-1/order/322-A"],
            "eventId": format!("e-{number}"),
            "apiVersion": "2024-11-01",
            "eventTime": "2025-02-20T09:21:41Z",
            "data": {},
        })
        .to_string()
    };
    // One delivery of many facts, for which there is no room all at once.
    let events: Vec<String> = (0..20).map(event).collect();
    let all = api
        .post("/v1/events", format!("[{}]", events.join(",")))
        .await;
    assert_eq!(accepted(&[all], StatusCode::ACCEPTED), Vec::<usize>::new());
    // Sent again as told, here in smaller parts, each is kept once.
    for event in &events {
        let answer = api.post("/v1/events", event.clone()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let stats = api.handle.stats().await.unwrap();
    let kept: u64 = stats.events.values().sum();
    assert_eq!(kept, 20);
}
