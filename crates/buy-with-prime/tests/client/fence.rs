//! The fence is asked as the body starts, and what it forbids certainly does not happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countermand_buy_with_prime::SendFence;
use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::NotSent;

use crate::server::{BUDGET, Reply, SHORT, Server, cancel_call, json, open, sample};

fn not_sent(error: &CallError) -> NotSent {
    match error {
        CallError::NotSent { why, .. } => *why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_fence_that_does_not_hold_keeps_the_request_from_becoming_whole() {
    let server = Server::answering(|_| json(sample("cancel-order-success"))).await;
    let fence: SendFence = Arc::new(|| false);
    let error = server
        .client()
        .cancel_order(&cancel_call(), BUDGET, &fence)
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Fenced, "{error}");
    assert!(server.calls().is_empty());
    // Whatever arrived announces a body of known length and holds none of it.
    let bytes = server.bytes();
    assert!(!bytes.contains("cancelOrder"), "{bytes}");
    if let Some((_, head)) = bytes.split_once("POST /graphql") {
        assert!(head.to_lowercase().contains("content-length: "), "{head}");
        assert!(
            !head.to_lowercase().contains("content-length: 0\r\n"),
            "{head}"
        );
        assert!(!head.to_lowercase().contains("chunked"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}

#[tokio::test]
async fn the_length_is_announced_and_the_body_goes_out_once() {
    let server = Server::answering(|_| json(sample("cancel-order-success"))).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let fence: SendFence = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        true
    });
    server
        .client()
        .cancel_order(&cancel_call(), BUDGET, &fence)
        .await
        .unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].header("content-length"),
        Some(calls[0].body.len().to_string().as_str())
    );
    assert_eq!(calls[0].header("transfer-encoding"), None);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_fence_is_asked_after_the_token_is_there() {
    let token_given = Arc::new(AtomicBool::new(false));
    let given = token_given.clone();
    let server = Server::scripted(move |seen| {
        if seen.path == "/token" {
            given.store(true, Ordering::SeqCst);
            crate::server::granted()
        } else {
            json(sample("cancel-order-success"))
        }
    })
    .await;
    let fence: SendFence = Arc::new(move || token_given.load(Ordering::SeqCst));
    server
        .client()
        .cancel_order(&cancel_call(), BUDGET, &fence)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_fence_is_asked_again_when_a_401_is_repeated() {
    let server = Server::answering(|_| Reply::Status(401, String::new())).await;
    let asked = AtomicUsize::new(0);
    let fence: SendFence = Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) == 0);
    let error = server
        .client()
        .cancel_order(&cancel_call(), BUDGET, &fence)
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Fenced, "{error}");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn without_a_token_in_time_nothing_is_sent() {
    let server = Server::scripted(|_| Reply::Silence).await;
    let error = server
        .client()
        .cancel_order(&cancel_call(), SHORT, &open())
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::DeadlineOver, "{error}");
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn the_setting_bounds_the_budget() {
    let server = Server::scripted(|_| Reply::Silence).await;
    let mut settings = server.settings();
    settings.request_timeout = SHORT;
    let client = crate::server::client(settings);
    let error = client
        .cancel_order(&cancel_call(), BUDGET, &open())
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::DeadlineOver, "{error}");
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_sends_nothing() {
    // The listener's queue takes the connection, and nobody ever reads or answers: TLS never begins.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let grants = Server::answering(|_| Reply::Close).await;
    let mut settings = grants.settings();
    settings.endpoint = format!("https://{}/graphql", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let client = crate::server::client(settings);
    let asked = Arc::new(AtomicBool::new(false));
    let set = asked.clone();
    let fence: SendFence = Arc::new(move || {
        set.store(true, Ordering::SeqCst);
        true
    });
    let error = client
        .cancel_order(&cancel_call(), SHORT, &fence)
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::DeadlineOver, "{error}");
    assert!(!asked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_foreign_target_is_turned_away_here() {
    let server = Server::answering(|_| Reply::Close).await;
    let mut call = cancel_call();
    call.target_id = "bp-other".parse().unwrap();
    let error = server
        .client()
        .cancel_order(&call, BUDGET, &open())
        .await
        .unwrap_err();
    assert_eq!(not_sent(&error), NotSent::Unauthorized, "{error}");
    assert_eq!(server.connections(), 0);
}
