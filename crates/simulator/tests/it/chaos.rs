//! Chaos by seed: which calls go wrong, and what lags.

use std::collections::BTreeMap;

use countermand_simulator::{
    Chaos, Fault, FaultKind, Operation, Remote, RequestCounts, Scenario, Span,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Caller, ORDER_QUERY, cancellation, eventually, refunds, swift};

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
                    countermand_simulator::fault(*seed, Chaos::Light, remote, call, &swift())
                };
                fault(Remote::BuyWithPrime) == Fault::None
            })
        })
        .unwrap()
}

#[tokio::test]
async fn faults_are_those_of_the_seed_and_of_the_level_of_the_remote() {
    const CALLS: u64 = 60;
    for (chaos, of_remote) in [
        (Chaos::Light, None),
        (Chaos::Heavy, None),
        (Chaos::None, Some(Chaos::Heavy)),
        (Chaos::Heavy, Some(Chaos::None)),
    ] {
        let caller = Caller::start(|options| {
            options.pace = swift();
            options.seed = 11;
            options.chaos = chaos;
            if let Some(of_remote) = of_remote {
                let remotes = [
                    (Remote::BuyWithPrime, of_remote),
                    (Remote::Token, Chaos::None),
                ];
                options.chaos_per_remote.extend(remotes);
            }
        })
        .await;
        let drawn = |call| {
            let chaos = of_remote.unwrap_or(chaos);
            countermand_simulator::fault(11, chaos, Remote::BuyWithPrime, call, &swift())
        };
        let order = caller.order(Scenario::Happy);
        let body = json!({ "query": ORDER_QUERY, "variables": { "by": { "orderId": order } } });
        let mut expected = BTreeMap::new();
        let mut call = 0;
        while call < CALLS {
            let before = caller.simulator.counters().requests;
            let is_silent = matches!(
                drawn(call),
                Fault::NeverAnswered
                    | Fault::NeverAnsweredAfterEffect
                    | Fault::LateEffect { hang: true, .. }
            );
            let counted = async || {
                let counts = caller.simulator.counters().requests;
                let counts = counts.get(&Remote::BuyWithPrime)?;
                (is_silent && counts.received > call).then_some(())
            };
            tokio::select! {
                biased;
                // Most answers are none.
                _ = caller.post(body.to_string()) => {}
                () = eventually(counted) => {}
            }
            let after = caller.simulator.counters().requests;
            let of = |counts: &BTreeMap<Remote, RequestCounts>| {
                let counts = counts
                    .get(&Remote::BuyWithPrime)
                    .cloned()
                    .unwrap_or_default();
                (counts.received, counts.while_down)
            };
            let (before, after) = (of(&before), of(&after));
            // Refused, or cut, while the remote is down.
            if after.0 == before.0 || after.1 > before.1 {
                call += after.0 - before.0;
                continue;
            }
            if let Some(kind) = drawn(call).kind() {
                *expected.entry(kind).or_insert(0) += 1;
            }
            call += 1;
        }
        let counts = &caller.simulator.ledger().requests[&Remote::BuyWithPrime];
        let struck: BTreeMap<FaultKind, u64> = counts
            .faults
            .iter()
            .map(|(kind, struck)| (*kind, struck.calls()))
            .collect();
        assert_eq!(struck, expected, "{chaos} {of_remote:?}");
        assert_eq!(struck.is_empty(), of_remote == Some(Chaos::None));
        assert_eq!(counts.operations[&Operation::ReadOrder], counts.received);
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
                        &swift(),
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
