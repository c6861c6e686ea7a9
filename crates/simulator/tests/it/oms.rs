//! Messages to the order management system.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use standardwebhooks::Webhook;

use crate::support::{Caller, swift};

const SECRET: &str = "whsec_c2ltdWxhdGVkLW9tcy1zZWNyZXQ=";

fn body(kind: &str, revision: u64) -> String {
    json!({
        "type": kind,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {
            "id": "c-1",
            "targetId": "bp-1",
            "orderId": "322-1",
            "state": "success",
            "refunds": [{ "id": "r-1", "state": "SUCCESS" }],
            "revision": revision
        }
    })
    .to_string()
}

async fn send(caller: &Caller, id: &str, body: &str, secret: Option<&str>) -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timestamp = i64::try_from(now.as_secs()).unwrap();
    let mut request = caller
        .client
        .post(&caller.simulator.endpoints().oms)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .body(body.to_owned());
    if let Some(secret) = secret {
        let signature = Webhook::new(secret)
            .unwrap()
            .sign(id, timestamp, body.as_bytes())
            .unwrap();
        request = request.header("webhook-signature", signature);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn signed() -> Caller {
    Caller::start(|options| {
        options.pace = swift();
        options.credentials.oms_secret = Some(SECRET.to_owned());
    })
    .await
}

#[tokio::test]
async fn signed_messages_are_taken_and_known_by_their_id() {
    let caller = signed().await;
    let first = body("cancellation.pending", 4);
    assert_eq!(send(&caller, "m-1", &first, Some(SECRET)).await, 204);
    assert_eq!(send(&caller, "m-1", &first, Some(SECRET)).await, 204);
    let second = body("refund.updated", 9);
    assert_eq!(send(&caller, "m-2", &second, Some(SECRET)).await, 204);

    let ledger = caller.simulator.ledger();
    assert_eq!(ledger.oms.len(), 2);
    let message = &ledger.oms[0];
    assert_eq!(message.kind, "cancellation.pending");
    assert_eq!(message.order_id, "322-1");
    assert_eq!(message.cancellation_id, "c-1");
    assert_eq!(message.revision, Some(4));
    assert_eq!(message.refund_ids, ["r-1"]);
    assert_eq!(message.deliveries.len(), 2);
    assert!(message.byte_identical);
    assert!(message.deliveries[1] < ledger.oms[1].deliveries[0]);
    assert_eq!(message.body_sha256.len(), 64);
}

#[tokio::test]
async fn another_body_under_a_known_id_is_noted() {
    let caller = signed().await;
    let first = body("cancellation.pending", 4);
    send(&caller, "m-1", &first, Some(SECRET)).await;
    let other = body("cancellation.pending", 5);
    assert_eq!(send(&caller, "m-1", &other, Some(SECRET)).await, 204);
    assert!(!caller.simulator.ledger().oms[0].byte_identical);
}

#[tokio::test]
async fn bad_signatures_and_unreadable_bodies_are_turned_away() {
    let caller = signed().await;
    let body = body("cancellation.pending", 4);
    assert_eq!(send(&caller, "m-1", &body, None).await, 401);
    let other = "whsec_b3RoZXItc2VjcmV0";
    assert_eq!(send(&caller, "m-1", &body, Some(other)).await, 401);
    assert_eq!(send(&caller, "m-2", "{}", Some(SECRET)).await, 400);
    assert_eq!(send(&caller, "", &body, Some(SECRET)).await, 400);
    let ledger = caller.simulator.ledger();
    assert!(ledger.oms.is_empty());
    assert_eq!(ledger.oms_invalid.len(), 4);
}

#[tokio::test]
async fn without_a_secret_nothing_is_checked() {
    let caller = Caller::quick().await;
    let body = body("cancellation.pending", 4);
    assert_eq!(send(&caller, "m-1", &body, None).await, 204);
}
