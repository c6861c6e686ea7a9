//! Calls that go wrong, as the caller sees them.

use countermand_simulator::{Chaos, Fault, Remote, Scenario, Span};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CANCEL, Caller, ORDER_QUERY, cancellation, eventually, refunds, swift};

fn cancel_body(order: &str, alias: &str) -> String {
    json!({
        "query": CANCEL,
        "variables": {
            "by": { "orderId": order },
            "input": { "aliases": [{ "aliasId": alias, "aliasType": "EXT_CANCEL_ID" }] }
        }
    })
    .to_string()
}

#[tokio::test]
async fn a_lost_request_has_no_effect_and_no_answer() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    caller
        .simulator
        .force(Remote::BuyWithPrime, Fault::RequestLost, 1);
    let error = caller.post(cancel_body(&order, "a")).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let ledger = caller.simulator.ledger();
    assert!(ledger.cancels.is_empty());
    let counts = ledger.requests[&Remote::BuyWithPrime];
    assert_eq!((counts.received, counts.requests_lost), (1, 1));
    // The next call is answered again.
    assert_eq!(*cancellation(&caller.see(&order).await), Value::Null);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    caller
        .simulator
        .force(Remote::BuyWithPrime, Fault::AnswerLost, 1);
    let error = caller.post(cancel_body(&order, "a")).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let ledger = caller.simulator.ledger();
    assert_eq!(ledger.cancels.len(), 1);
    assert!(ledger.cancels[0].accepted);
    assert_eq!(
        cancellation(&caller.see(&order).await)["aliases"][0]["aliasId"],
        "a"
    );
}

#[tokio::test]
async fn the_other_faults_and_what_they_leave() {
    let caller = Caller::quick().await;
    for (fault, status, effect) in [
        (Fault::Unavailable, StatusCode::SERVICE_UNAVAILABLE, false),
        (
            Fault::ErrorAfterEffect,
            StatusCode::INTERNAL_SERVER_ERROR,
            true,
        ),
        (
            Fault::Throttled { retry_after_s: 7 },
            StatusCode::TOO_MANY_REQUESTS,
            false,
        ),
        (Fault::Slow { delay_ms: 30 }, StatusCode::OK, true),
    ] {
        let order = caller.order(Scenario::Happy);
        caller.simulator.force(Remote::BuyWithPrime, fault, 1);
        let began = std::time::Instant::now();
        let answer = caller.post(cancel_body(&order, "a")).await.unwrap();
        assert_eq!(answer.status(), status, "{fault:?}");
        match fault {
            Fault::Throttled { .. } => assert_eq!(answer.headers()["retry-after"], "7"),
            Fault::Slow { delay_ms } => {
                assert!(began.elapsed().as_millis() >= u128::from(delay_ms));
            }
            _ => {}
        }
        let cancels = caller.simulator.ledger().cancels;
        assert_eq!(
            cancels.iter().any(|call| call.order_id == order),
            effect,
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn every_remote_can_go_wrong() {
    let caller = Caller::quick().await;
    let endpoints = caller.simulator.endpoints().clone();
    for (remote, url) in [
        (Remote::Token, endpoints.token),
        (Remote::BuyWithPrime, endpoints.graphql),
        (Remote::Refunds, endpoints.refunds),
        (Remote::Oms, endpoints.oms),
    ] {
        let url_of_faults = format!("{}/faults", endpoints.control);
        let answer = caller
            .client
            .post(url_of_faults)
            .json(&json!({ "remote": remote, "fault": "unavailable", "calls": 2 }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        for expected in [true, true, false] {
            let answer = caller.client.post(&url).body("x").send().await.unwrap();
            assert_eq!(
                answer.status() == StatusCode::SERVICE_UNAVAILABLE,
                expected,
                "{remote}"
            );
        }
    }
}

#[tokio::test]
async fn reads_lag_behind_writes_and_catch_up() {
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.pace.visibility_lag = Span::millis(400, 400);
        // Light weather, but no call of this test goes wrong by itself.
        options.chaos = Chaos::Light;
        options.seed = calm_seed(40);
    })
    .await;
    let order = caller.order(Scenario::NeverDecides);
    caller.see(&order).await;
    let began = std::time::Instant::now();
    let answer = caller.cancel(&order, "a").await;
    assert_eq!(
        answer["data"]["cancelOrder"]["cancellation"]["state"],
        "PENDING"
    );
    let soon = caller.see(&order).await;
    if began.elapsed().as_millis() < 400 {
        assert_eq!(*cancellation(&soon), Value::Null);
    }
    let seen = caller
        .until(&order, |seen| *cancellation(seen) != Value::Null)
        .await;
    assert!(began.elapsed().as_millis() >= 400);
    assert_eq!(cancellation(&seen)["state"], "PENDING");
}

/// A seed under which the first calls of Buy with Prime and the token endpoint pass.
fn calm_seed(calls: u64) -> u64 {
    (0..100_000)
        .find(|seed| {
            (0..calls).all(|call| {
                let fault = |remote| {
                    countermand_simulator::fault(*seed, Chaos::Light, remote, call, Span::ZERO)
                };
                fault(Remote::BuyWithPrime) == Fault::None
            })
        })
        .unwrap()
}

/// A whole refund under chaos, by a caller that looks before it repeats: faults occur, and are
/// counted as the pure function says.
#[tokio::test]
async fn faults_are_those_of_the_seed() {
    for chaos in [Chaos::Light, Chaos::Heavy] {
        let caller = Caller::start(|options| {
            options.pace = swift();
            options.seed = 11;
            options.chaos = chaos;
        })
        .await;
        let order = caller.order(Scenario::Happy);
        let body = json!({ "query": ORDER_QUERY, "variables": { "by": { "orderId": order } } });
        for _ in 0..120 {
            let _ = caller.post(body.to_string()).await;
        }
        let counts = caller.simulator.ledger().requests[&Remote::BuyWithPrime];
        assert_eq!(counts.received, 120);
        let expected = |is: fn(&Fault) -> bool| {
            (0..120)
                .map(|call| {
                    countermand_simulator::fault(
                        11,
                        chaos,
                        Remote::BuyWithPrime,
                        call,
                        swift().slow_answer,
                    )
                })
                .filter(is)
                .count() as u64
        };
        assert_eq!(
            counts.requests_lost,
            expected(|fault| *fault == Fault::RequestLost)
        );
        assert_eq!(
            counts.answers_lost,
            expected(|fault| *fault == Fault::AnswerLost)
        );
        assert_eq!(
            counts.throttled,
            expected(|fault| matches!(fault, Fault::Throttled { .. }))
        );
        assert_eq!(
            counts.slow,
            expected(|fault| matches!(fault, Fault::Slow { .. }))
        );
        assert!(counts.requests_lost > 0 && counts.answers_lost > 0);
    }
}

#[tokio::test]
async fn a_listing_lags_under_chaos_and_catches_up() {
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.pace.listing_lag = Span::millis(60, 60);
        options.chaos = Chaos::Light;
        options.seed = (0..100_000)
            .find(|seed| {
                (0..60).all(|call| {
                    countermand_simulator::fault(
                        *seed,
                        Chaos::Light,
                        Remote::Refunds,
                        call,
                        Span::ZERO,
                    ) == Fault::None
                })
            })
            .unwrap();
    })
    .await;
    let (status, paid) = caller.pay("k", "o", "r", "1.00").await;
    assert_eq!(status, 200);
    let listed = eventually(async || {
        let listed = caller.listed("r").await;
        (listed != json!([])).then_some(listed)
    })
    .await;
    assert_eq!(listed, json!([paid]));
    assert!(refunds(&json!({})).is_empty());
}
