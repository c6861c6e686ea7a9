//! The access token: one renewal at a time, once more on 401, and never a reason for doubt.

use std::time::Duration;

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::NotSent;
use tokio::task::JoinSet;

use crate::server::{
    BUDGET, Reply, SECRET, Server, TARGET, TOKEN, cancel_call, client, json, open, order_id, sample,
};

#[tokio::test]
async fn what_is_sent() {
    let server = Server::answering(|_| json(sample("order-all-pending"))).await;
    let mut settings = server.settings();
    settings.extra_headers = vec![("X-Api-Access-Key".to_owned(), "key".into())];
    client(settings)
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap();

    let token = &server.seen("/token")[0];
    assert_eq!(
        token.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        token.body,
        format!("grant_type=client_credentials&client_id=client+%26+co&client_secret={SECRET}")
    );
    assert_eq!(token.header("authorization"), None);

    let call = &server.calls()[0];
    assert_eq!(
        call.header("authorization"),
        Some(&*format!("bearer {TOKEN}").to_lowercase())
    );
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("x-api-target-id"), Some(TARGET));
    assert_eq!(call.header("x-api-version"), Some("2024-11-01"));
    assert_eq!(call.header("x-api-access-key"), Some("key"));
    assert!(
        call.header("user-agent")
            .unwrap()
            .starts_with("countermand/")
    );
    assert_eq!(call.header("accept-encoding"), None);
}

#[tokio::test]
async fn the_target_header_can_be_another() {
    let server = Server::answering(|_| json(sample("order-all-pending"))).await;
    let mut settings = server.settings();
    settings.target_header = "X-Omni-TargetId".to_owned();
    client(settings)
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap();
    assert_eq!(server.calls()[0].header("x-omni-targetid"), Some(TARGET));
    assert_eq!(server.calls()[0].header("x-api-target-id"), None);
}

#[tokio::test]
async fn many_callers_share_one_renewal() {
    let server = Server::answering(|_| json(sample("order-all-pending"))).await;
    let client = server.client();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.read_order(&order_id(), BUDGET).await.map(|_| ()) });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(server.seen("/token").len(), 1);
    assert_eq!(server.calls().len(), 50);
}

#[tokio::test]
async fn a_failed_renewal_is_shared_too() {
    let server = Server::scripted(|_| Reply::Status(500, String::new())).await;
    let client = server.client();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.read_order(&order_id(), BUDGET).await });
    }
    let mut followed = 0;
    while let Some(call) = calls.join_next().await {
        let why = call.unwrap().unwrap_err().not_sent;
        followed += usize::from(why == Some(NotSent::NoToken));
    }
    let asked = server.seen("/token").len();
    assert!(
        asked < 10,
        "{asked} token requests for 50 calls that began together"
    );
    // Only those that asked know of a failure; the others say that they did not try.
    assert_eq!(asked + followed, 50);
}

#[tokio::test]
async fn a_401_renews_once_and_repeats() {
    let server = Server::answering(|seen| match seen.nth {
        0 => Reply::Status(401, String::new()),
        _ => json(sample("cancel-order-success")),
    })
    .await;
    let client = server.client();
    client
        .cancel_order(&cancel_call(), BUDGET, &open())
        .await
        .unwrap();
    assert_eq!((server.seen("/token").len(), server.calls().len()), (2, 2));
    assert_eq!(server.calls()[0].body, server.calls()[1].body);
}

#[tokio::test]
async fn a_401_for_ever_is_not_sent() {
    let server = Server::answering(|_| Reply::Status(401, String::new())).await;
    let client = server.client();
    let error = client
        .cancel_order(&cancel_call(), BUDGET, &open())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            CallError::NotSent {
                why: NotSent::Unauthorized,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!((server.seen("/token").len(), server.calls().len()), (2, 2));
    let error = client.read_order(&order_id(), BUDGET).await.unwrap_err();
    assert_eq!(error.not_sent, Some(NotSent::Unauthorized));
}

#[tokio::test]
async fn a_token_revoked_for_many_is_renewed_once() {
    // The first token is refused, the second one serves.
    let server = Server::scripted(|seen| {
        if seen.path == "/token" {
            json(format!(
                r#"{{"access_token":"t{}","expires_in":900}}"#,
                seen.nth
            ))
        } else if seen.header("authorization") == Some("bearer t0") {
            Reply::Status(401, String::new())
        } else {
            json(sample("order-all-pending"))
        }
    })
    .await;
    let client = server.client();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { client.read_order(&order_id(), BUDGET).await.map(|_| ()) });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(server.seen("/token").len(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    for (reply, why, wait) in [
        ((429, "Retry-After: 7", ""), NotSent::Throttled, Some(7)),
        // In trouble, or not the token endpoint at all: that says nothing about the credentials.
        ((500, "x: y", ""), NotSent::TokenFailed, None),
        ((503, "Retry-After: 9", ""), NotSent::TokenFailed, Some(9)),
        (
            (302, "location: /elsewhere", ""),
            NotSent::TokenFailed,
            None,
        ),
        ((404, "x: y", "<html>"), NotSent::TokenFailed, None),
        ((403, "x: y", "<html>blocked"), NotSent::TokenFailed, None),
        ((400, "x: y", "{}"), NotSent::TokenFailed, None),
        (
            (400, "x: y", r#"{"error":"temporarily_unavailable"}"#),
            NotSent::TokenFailed,
            None,
        ),
        (
            (502, "x: y", r#"{"error":"invalid_client"}"#),
            NotSent::TokenFailed,
            None,
        ),
        ((200, "x: y", "<html>"), NotSent::TokenFailed, None),
        ((200, "x: y", "{}"), NotSent::TokenFailed, None),
        (
            (200, "x: y", r#"{"access_token":"a b"}"#),
            NotSent::TokenFailed,
            None,
        ),
        // Refused.
        ((401, "x: y", ""), NotSent::Unauthorized, None),
        (
            (400, "x: y", r#"{"error":"invalid_client"}"#),
            NotSent::Unauthorized,
            None,
        ),
        (
            (
                403,
                "x: y",
                r#"{"error":"access_denied","error_description":"no"}"#,
            ),
            NotSent::Unauthorized,
            None,
        ),
    ] {
        let server =
            Server::scripted(move |_| Reply::With(reply.0, reply.1.to_owned(), reply.2.to_owned()))
                .await;
        let client = server.client();
        match client.cancel_order(&cancel_call(), BUDGET, &open()).await {
            Err(CallError::NotSent {
                why: found,
                retry_after,
                ..
            }) => {
                assert_eq!(
                    (found, retry_after),
                    (why, wait.map(Duration::from_secs)),
                    "{reply:?}"
                );
            }
            other => panic!("{reply:?}: {other:?}"),
        }
        // Asked to wait, it does not ask again; the wait that is left is passed on.
        let error = client.read_order(&order_id(), BUDGET).await.unwrap_err();
        assert_eq!(error.retry_after.is_some(), wait.is_some(), "{reply:?}");
        assert_eq!(
            server.seen("/token").len(),
            if wait.is_some() { 1 } else { 2 },
            "{reply:?}"
        );
        assert!(server.calls().is_empty());
    }
}

#[tokio::test]
async fn odd_lives_do_not_stop_work() {
    for expires_in in [
        "0",
        "-1",
        "\"900\"",
        "null",
        "1000000000000",
        "\"soon\"",
        "1e400",
        "{}",
    ] {
        let server = Server::scripted(move |seen| {
            if seen.path == "/token" {
                json(format!(
                    r#"{{"access_token":"t","expires_in":{expires_in}}}"#
                ))
            } else {
                json(sample("order-all-pending"))
            }
        })
        .await;
        let client = server.client();
        for _ in 0..3 {
            client.read_order(&order_id(), BUDGET).await.unwrap();
        }
        assert_eq!(server.seen("/token").len(), 1, "{expires_in}");
    }
    let server = Server::scripted(|seen| {
        if seen.path == "/token" {
            json(r#"{"access_token":"t"}"#)
        } else {
            json(sample("order-all-pending"))
        }
    })
    .await;
    server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let server = Server::scripted(|seen| {
        if seen.path == "/token" {
            json(r#"{"access_token":"t","expires_in":1}"#)
        } else {
            json(sample("order-all-pending"))
        }
    })
    .await;
    let client = server.client();
    client.read_order(&order_id(), BUDGET).await.unwrap();
    client.read_order(&order_id(), BUDGET).await.unwrap();
    assert_eq!(server.seen("/token").len(), 1);
    tokio::time::sleep(Duration::from_millis(1001)).await;
    client.read_order(&order_id(), BUDGET).await.unwrap();
    assert_eq!(server.seen("/token").len(), 2);
}
