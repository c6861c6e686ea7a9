//! What is ordered of the way to the remotes: faults that are aimed and forgotten, levels, counters.

use countermand_simulator::{FaultKind, Scenario};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Caller, ORDER_QUERY};

#[tokio::test]
async fn what_is_forced_can_be_aimed_and_forgotten() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverDecides);
    let faults = format!("{}/faults", caller.simulator.endpoints().control);
    let post = async |body: Value| {
        let sent = caller.client.post(&faults).json(&body).send();
        sent.await.unwrap().status()
    };
    let aimed = json!({ "remote": "buy_with_prime", "fault": "graphql_error_after_effect",
        "class": "throttling", "beside": "data", "on": "cancel_order", "calls": 2 });
    assert_eq!(post(aimed).await, StatusCode::NO_CONTENT);
    let all = json!({ "remote": "buy_with_prime", "fault": "unavailable", "on": "reads" });
    assert_eq!(post(all).await, StatusCode::NO_CONTENT);
    for nonsense in [
        json!({ "remote": "oms", "fault": "token_life_zero" }),
        json!({ "remote": "refunds", "fault": "graphql_error_after_effect" }),
        json!({ "remote": "oms", "fault": "unavailable", "calls": 10_001 }),
    ] {
        assert_eq!(post(nonsense).await, StatusCode::BAD_REQUEST);
    }
    for nonsense in [
        json!({ "remote": "oms", "fault": "nonsense" }),
        json!({ "remote": "oms", "fault": "unavailable", "on": "nonsense" }),
    ] {
        assert_eq!(post(nonsense).await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let read = json!({ "query": ORDER_QUERY, "variables": { "by": { "orderId": order } } });
    let read = caller.post(read.to_string()).await.unwrap();
    assert_eq!(read.status(), StatusCode::SERVICE_UNAVAILABLE);
    caller.see(&order).await;
    let answer = caller.cancel(&order, "a").await;
    assert_eq!(
        crate::support::error(&answer)["errorType"],
        "ThrottlingError"
    );
    let forgotten = caller.client.delete(&faults).send().await.unwrap();
    assert_eq!(forgotten.status(), StatusCode::NO_CONTENT);
    let answer = caller.cancel(&order, "b").await;
    assert!(answer.get("errors").is_none(), "{answer}");

    let control = format!("{}/chaos", caller.simulator.endpoints().control);
    let level = json!({ "remote": "oms", "chaos": "heavy" });
    let sent = caller.client.post(control).json(&level).send().await;
    assert_eq!(sent.unwrap().status(), StatusCode::NO_CONTENT);

    let counters = caller
        .client
        .get(format!("{}/counters", caller.simulator.endpoints().control))
        .send()
        .await
        .unwrap();
    let counters: countermand_simulator::Counters = counters.json().await.unwrap();
    assert_eq!(counters, caller.simulator.counters());
    let struck = counters.struck(FaultKind::GraphqlErrorBesideData);
    assert_eq!((struck.mutations, struck.with_effect), (1, 1));
}
