//! Remotes that go down and come back.

use std::time::Duration;

use countermand_simulator::{Fault, FaultKind, Operation, Options, Remote, Scenario, Simulator};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Caller, cancellation, client, eventually, swift};

/// The remote is asked until it answers.
async fn comes_back(caller: &Caller, order: &str) -> Value {
    eventually(async || {
        let query = crate::support::ORDER_QUERY;
        let body = json!({ "query": query, "variables": { "by": { "orderId": order } } });
        let answer = caller.post(body.to_string()).await.ok()?;
        let answer: Value = answer.json().await.ok()?;
        Some(answer["data"]["order"].clone())
    })
    .await
}

#[tokio::test]
async fn a_remote_restarts_with_a_call_and_keeps_what_it_had() {
    for acts in [false, true] {
        let caller = Caller::quick().await;
        let order = caller.order(Scenario::NeverDecides);
        let simulator = &caller.simulator;
        caller.see(&order).await;
        let fault = Fault::Restart { down_ms: 300, acts };
        simulator.force_on(Remote::BuyWithPrime, Operation::CancelOrder, fault, 1);
        let body = json!({ "query": crate::support::CANCEL, "variables": {
            "by": { "orderId": order },
            "input": { "aliases": [{ "aliasId": "a", "aliasType": "EXT_CANCEL_ID" }] } } });
        assert!(caller.post(body.to_string()).await.is_err());
        // Nobody listens now, and the others are there.
        let refused = caller.post(body.to_string()).await.unwrap_err();
        assert!(refused.is_connect(), "{refused:?}");
        assert_eq!(caller.listed("r").await, json!([]));

        let seen = comes_back(&caller, &order).await;
        assert_eq!(*cancellation(&seen) != Value::Null, acts);
        let counted = simulator.counters().struck(FaultKind::Restart);
        assert_eq!(
            (counted.mutations, counted.with_effect),
            (1, u64::from(acts))
        );
    }
}

#[tokio::test]
async fn a_restart_cuts_every_connection_of_the_remote_and_no_other() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverDecides);
    let simulator = &caller.simulator;
    caller.see(&order).await;
    for remote in [Remote::BuyWithPrime, Remote::Refunds] {
        simulator.force(remote, Fault::Slow { delay_ms: 400 }, 1);
    }
    let body = json!({ "query": crate::support::ORDER_QUERY, "variables": {
        "by": { "orderId": order } } });
    let reading = caller.post(body.to_string());
    let listing = caller.listed("r");
    let restarting = async {
        eventually(async || {
            let requests = simulator.counters().requests;
            let both = requests.len() == 3 && requests[&Remote::BuyWithPrime].received == 2;
            both.then_some(())
        })
        .await;
        let control = format!("{}/restart", simulator.endpoints().control);
        let order = json!({ "remote": "buy_with_prime", "downMs": 50 });
        let sent = caller.client.post(control).json(&order).send().await;
        assert_eq!(sent.unwrap().status(), StatusCode::NO_CONTENT);
    };
    let (read, listed, ()) = tokio::join!(reading, listing, restarting);
    assert!(read.is_err());
    assert_eq!(listed, json!([]));
    comes_back(&caller, &order).await;
}

#[tokio::test]
async fn on_a_shared_port_a_remote_that_is_down_cuts_its_calls() {
    // A port that was free a moment ago.
    let listen = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = client();
    let mut options = Options::new(client.clone());
    options.listen = listen;
    options.pace = swift();
    let simulator = Simulator::start(options).await.unwrap();
    let endpoints = simulator.endpoints();
    assert_eq!(endpoints.oms, format!("http://{listen}/oms"));
    simulator.restart(Remote::Refunds, Duration::from_millis(200));
    let list = format!("{}?refundId=r", endpoints.refunds);
    let cut = client.get(&list).send().await.unwrap_err();
    assert!(!cut.is_connect(), "{cut:?}");
    let other = client.post(&endpoints.oms).body("x").send().await;
    assert_eq!(other.unwrap().status(), StatusCode::BAD_REQUEST);
    eventually(async || client.get(&list).send().await.ok()).await;
    let counts = &simulator.counters().requests[&Remote::Refunds];
    assert!(counts.while_down > 0, "{counts:?}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn an_orderly_end_waits_for_nobody_who_is_never_answered() {
    let caller = Caller::quick().await;
    let simulator = &caller.simulator;
    simulator.force(Remote::Refunds, Fault::NeverAnswered, 1);
    let list = format!("{}?refundId=r", simulator.endpoints().refunds);
    let asking = tokio::spawn(caller.client.get(list).send());
    eventually(async || {
        let requests = simulator.counters().requests;
        requests.contains_key(&Remote::Refunds).then_some(())
    })
    .await;
    caller.simulator.shutdown().await;
    assert!(asking.await.unwrap().is_err());
}
