//! Access tokens.

use std::time::Duration;

use countermand_simulator::{Fault, FaultKind, Remote};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Caller, ORDER_QUERY, swift};

async fn ask(caller: &Caller, form: &str) -> (StatusCode, Value) {
    let answer = caller
        .client
        .post(&caller.simulator.endpoints().token)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn good_credentials_get_a_token_that_tells_how_long_it_lives() {
    let caller = Caller::quick().await;
    let (status, body) = ask(
        &caller,
        "grant_type=client_credentials&client_id=simulated-client&client_secret=simulated-secret",
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["token_type"], "Bearer");
}

#[tokio::test]
async fn wrong_credentials_are_401_and_counted() {
    let caller = Caller::quick().await;
    let (status, _) = ask(
        &caller,
        "grant_type=client_credentials&client_id=simulated-client&client_secret=wrong",
    )
    .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _) = ask(&caller, "grant_type=password").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let counts = caller.simulator.ledger().requests[&Remote::Token].clone();
    assert_eq!((counts.received, counts.unauthorized), (3, 1));
}

#[tokio::test]
async fn a_token_expires_and_a_new_one_works() {
    let mut caller = Caller::start(|options| {
        options.pace = swift();
        options.pace.token_lifetime = Duration::from_millis(400);
    })
    .await;
    let order = caller.order(countermand_simulator::Scenario::Happy);
    let body = json!({ "query": ORDER_QUERY, "variables": { "by": { "orderId": order } } });
    crate::support::eventually(async || {
        let answer = caller.post(body.to_string()).await.unwrap();
        (answer.status() == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    caller.renew().await;
    caller.see(&order).await;
}

#[tokio::test]
async fn a_foreign_token_is_401_and_a_foreign_target_is_denied() {
    let caller = Caller::quick().await;
    let url = &caller.simulator.endpoints().graphql;
    let answer = caller
        .client
        .post(url)
        .bearer_auth("nonsense")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    let (_, token) = ask(
        &caller,
        "grant_type=client_credentials&client_id=simulated-client&client_secret=simulated-secret",
    )
    .await;
    let answer: Value = caller
        .client
        .post(url)
        .bearer_auth(token["access_token"].as_str().unwrap())
        .header("x-api-target-id", "bp-somebody-else")
        .body("{}")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        crate::support::error(&answer)["errorType"],
        "AccessDeniedError"
    );
}

const GOOD: &str =
    "grant_type=client_credentials&client_id=simulated-client&client_secret=simulated-secret";

#[tokio::test]
async fn the_life_of_a_token_can_be_told_in_odd_ways() {
    let caller = Caller::quick().await;
    for (fault, told) in [
        (Fault::TokenLifeZero, Some(json!(0))),
        (Fault::TokenLifeAbsent, None),
        (Fault::TokenLifeText, Some(json!("900"))),
    ] {
        caller.simulator.force(Remote::Token, fault, 1);
        let (status, body) = ask(&caller, GOOD).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body.get("expires_in"), told.as_ref());
        assert!(is_good(&caller, &body).await);
        let counted = caller.simulator.counters().struck(fault.kind().unwrap());
        assert_eq!((counted.reads, counted.mutations), (1, 0));
    }
}

#[tokio::test]
async fn a_token_can_die_before_its_time() {
    let caller = Caller::quick().await;
    let fault = Fault::TokenExpiresEarly { after_ms: 300 };
    caller.simulator.force(Remote::Token, fault, 1);
    let (_, body) = ask(&caller, GOOD).await;
    assert_eq!(body["expires_in"], 900);
    assert!(is_good(&caller, &body).await);
    crate::support::eventually(async || (!is_good(&caller, &body).await).then_some(())).await;
    let counted = caller.simulator.counters();
    assert_eq!(counted.struck(FaultKind::TokenExpiresEarly).reads, 1);
}

#[tokio::test]
async fn a_token_can_be_somebody_elses() {
    let caller = Caller::quick().await;
    caller.simulator.force(Remote::Token, Fault::Foreign, 1);
    let (status, body) = ask(&caller, GOOD).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!is_good(&caller, &body).await);
}

async fn is_good(caller: &Caller, token: &Value) -> bool {
    let answer = caller
        .client
        .post(&caller.simulator.endpoints().graphql)
        .bearer_auth(token["access_token"].as_str().unwrap())
        .header("x-api-target-id", &caller.simulator.credentials().target_id)
        .body(r#"{"query":"{__typename}"}"#)
        .send()
        .await
        .unwrap();
    answer.status() == StatusCode::OK
}
