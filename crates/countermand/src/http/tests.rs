//! The adapters against a listener that answers what it is told to.

use std::time::{Duration, Instant};

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::{NotSent, PayoutState, Unknown};
use countermand_core::cancellation::order::ItemQuantity;
use countermand_core::{
    Epoch, InstanceId, LineItemId, Money, OrderId, RefundId, TargetId, Timestamp,
};
use countermand_runner::Fence;
use serde_json::json;
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{HttpOms, HttpOptions, HttpRefundProvider};
use crate::ports::{Message, Oms, Payment, RefundProvider};

const BUDGET: Duration = Duration::from_secs(5);

fn options(url: &str) -> HttpOptions {
    HttpOptions::new(url.parse().unwrap())
}

fn provider(url: &str) -> HttpRefundProvider {
    HttpRefundProvider::new(options(url)).unwrap()
}

fn payment() -> Payment {
    Payment {
        key: "refund:bp-1:322-A:R1:1".to_owned(),
        target_id: TargetId::new("bp-1").unwrap(),
        order_id: OrderId::new("322-A").unwrap(),
        refund_id: RefundId::new("R1").unwrap(),
        amount: Money::parse("43.99", "USD").unwrap(),
        line_items: vec![ItemQuantity {
            id: LineItemId::new("L1").unwrap(),
            quantity: "2.0".parse().unwrap(),
        }],
        cancellation_id: InstanceId::new("c-1").unwrap(),
    }
}

fn open() -> Fence {
    Fence::new(Epoch(1), || true)
}

async fn paid(answer: ResponseTemplate) -> Result<PayoutState, CallError> {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let provider = provider(&server.uri());
    let payout = provider.pay(&payment(), BUDGET, &open()).await?;
    Ok(payout.state)
}

fn sound(state: &str, amount: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "paymentId": "P1",
        "state": state,
        "amount": {"amount": amount, "currencyCode": "USD"},
    }))
}

fn why(outcome: &Result<PayoutState, CallError>) -> String {
    match outcome {
        Ok(state) => format!("{state:?}"),
        Err(CallError::Refused { code, .. }) => format!("refused {code}"),
        Err(CallError::NotSent {
            why, retry_after, ..
        }) => format!("not sent {why:?} {retry_after:?}"),
        Err(CallError::Unknown {
            why, retry_after, ..
        }) => format!("unknown {why:?} {retry_after:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_sent_as_the_contract_says() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/refunds"))
        .and(header("idempotency-key", "refund:bp-1:322-A:R1:1"))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({
            "orderId": "322-A",
            "targetId": "bp-1",
            "refundId": "R1",
            "amount": {"amount": "43.99", "currencyCode": "USD"},
            "lineItems": [{"id": "L1", "amount": 2}],
            "cancellationId": "c-1",
        })))
        .respond_with(sound("SUCCESS", "43.990"))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&format!("{}/refunds", server.uri()));
    let payout = provider.pay(&payment(), BUDGET, &open()).await.unwrap();
    assert_eq!(payout.payment_id.as_str(), "P1");
}

#[tokio::test]
async fn answers_to_a_payment() {
    let status = ResponseTemplate::new;
    let body = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    let other_refund = ResponseTemplate::new(200).set_body_json(json!({
        "paymentId": "P1", "state": "SUCCESS", "refundId": "R2",
        "amount": {"amount": "43.99", "currencyCode": "USD"},
    }));
    let euros = ResponseTemplate::new(200).set_body_json(json!({
        "paymentId": "P1", "state": "SUCCESS",
        "amount": {"amount": "43.99", "currencyCode": "EUR"},
    }));
    let table = [
        (sound("SUCCESS", "43.99"), "Success"),
        (sound("PENDING", "0"), "Pending"),
        (sound("PENDING", "43.99"), "Pending"),
        (sound("PARTIAL", "10.00"), "Partial"),
        (sound("FAILURE", "0"), "Failure"),
        (sound("SUCCESS", "43.98"), "unknown ForeignAnswer None"),
        (sound("PARTIAL", "44.00"), "unknown ForeignAnswer None"),
        (euros, "unknown ForeignAnswer None"),
        (other_refund, "unknown ForeignAnswer None"),
        (sound("DONE", "43.99"), "unknown Unreadable None"),
        (sound("SUCCESS", "-43.99"), "unknown Unreadable None"),
        (body(""), "unknown Unreadable None"),
        (body("<html>"), "unknown Unreadable None"),
        (body("null"), "unknown Unreadable None"),
        (body(&"x".repeat(2 << 20)), "unknown Unreadable None"),
        (status(202), "unknown Unreadable None"),
        (status(204), "unknown Unreadable None"),
        (
            status(307).insert_header("location", "http://127.0.0.1:1/"),
            "unknown Unreadable None",
        ),
        (status(400), "refused http_400"),
        (status(403), "refused http_403"),
        (status(404), "refused http_404"),
        (status(422), "refused http_422"),
        (status(401), "not sent Unauthorized None"),
        (
            status(429).insert_header("retry-after", "7"),
            "not sent Throttled Some(7s)",
        ),
        (status(408), "unknown TimeOut None"),
        (status(409), "unknown ServerError None"),
        (status(500), "unknown ServerError None"),
        (
            status(503).insert_header("retry-after", "9"),
            "unknown ServerError Some(9s)",
        ),
        (status(599), "unknown ServerError None"),
    ];
    for (answer, expected) in table {
        let shown = format!("{answer:?}");
        assert_eq!(why(&paid(answer).await), expected, "{shown:.200}");
    }
}

#[tokio::test]
async fn a_closed_fence_keeps_the_body_back() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(sound("SUCCESS", "43.99"))
        .mount(&server)
        .await;
    let provider = provider(&server.uri());
    let closed = Fence::new(Epoch(1), || false);
    let outcome = provider.pay(&payment(), BUDGET, &closed).await;
    assert!(
        matches!(
            outcome,
            Err(CallError::NotSent {
                why: NotSent::Fenced,
                ..
            })
        ),
        "{outcome:?}"
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_slow_answer_is_in_doubt_and_a_closed_port_is_not() {
    let slow = sound("SUCCESS", "43.99").set_delay(Duration::from_secs(30));
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(slow)
        .mount(&server)
        .await;
    let started = Instant::now();
    let outcome = provider(&server.uri())
        .pay(&payment(), Duration::from_millis(200), &open())
        .await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(
        matches!(
            outcome,
            Err(CallError::Unknown {
                why: Unknown::TimeOut,
                ..
            })
        ),
        "{outcome:?}"
    );
    let outcome = provider("http://127.0.0.1:1/")
        .pay(&payment(), BUDGET, &open())
        .await;
    assert!(
        matches!(
            outcome,
            Err(CallError::NotSent {
                why: NotSent::ConnectionRefused,
                ..
            })
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_in_doubt() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4096];
        let count = stream.read(&mut read).await.unwrap();
        assert!(count > 0);
    });
    let outcome = provider(&url).pay(&payment(), BUDGET, &open()).await;
    server.await.unwrap();
    assert!(
        matches!(
            outcome,
            Err(CallError::Unknown {
                why: Unknown::ConnectionLost,
                ..
            })
        ),
        "{outcome:?}"
    );
}

async fn listed(answer: ResponseTemplate) -> Result<usize, Option<NotSent>> {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/refunds"))
        .and(query_param("refundId", "R 1&x"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let provider = provider(&format!("{}/refunds", server.uri()));
    let refund = RefundId::new("R 1&x").unwrap();
    let listed = provider.list(&refund, BUDGET).await;
    listed
        .map(|payouts| payouts.len())
        .map_err(|error| error.not_sent)
}

#[tokio::test]
async fn the_list_is_believed_only_when_it_is_sound() {
    let one = json!({"paymentId": "P1", "state": "PARTIAL", "amount": {"amount": "1", "currencyCode": "USD"}});
    let ok = |value: serde_json::Value| ResponseTemplate::new(200).set_body_json(value);
    assert_eq!(listed(ok(json!([]))).await, Ok(0));
    assert_eq!(listed(ok(json!([one, one]))).await, Ok(2));
    let mut foreign = one.clone();
    foreign["refundId"] = json!("R2");
    assert_eq!(listed(ok(json!([foreign]))).await, Err(None));
    assert_eq!(listed(ok(json!({}))).await, Err(None));
    assert_eq!(listed(ok(json!([{"paymentId": "P1"}]))).await, Err(None));
    assert_eq!(listed(ResponseTemplate::new(404)).await, Err(None));
    assert_eq!(listed(ResponseTemplate::new(500)).await, Err(None));
    assert_eq!(
        listed(ResponseTemplate::new(429)).await,
        Err(Some(NotSent::Throttled))
    );
    assert_eq!(
        listed(ResponseTemplate::new(401)).await,
        Err(Some(NotSent::Unauthorized))
    );
}

fn message() -> Message {
    Message {
        id: "msg_1".to_owned(),
        body: r#"{"type":"cancellation.pending"}"#.to_owned(),
        cancellation_id: InstanceId::new("c-1").unwrap(),
        at: Timestamp::from_millis(1_740_042_802_138),
        try_number: 1,
    }
}

#[tokio::test]
async fn messages_are_signed_and_byte_identical() {
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(202))
        .mount(&server)
        .await;
    let oms = HttpOms::new(options(&server.uri()), &secret.into()).unwrap();
    oms.tell(&message(), BUDGET).await.unwrap();
    oms.tell(&message(), BUDGET).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let [first, second] = requests.as_slice() else {
        panic!("two requests");
    };
    assert_eq!(first.body, message().body.as_bytes());
    assert_eq!(first.body, second.body);
    let text = |name: &str| first.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(text("webhook-id"), "msg_1");
    assert_eq!(text("webhook-timestamp"), "1740042802");
    let expected = standardwebhooks::Webhook::new(secret)
        .unwrap()
        .sign("msg_1", 1_740_042_802, message().body.as_bytes())
        .unwrap();
    assert_eq!(text("webhook-signature"), expected);
}

#[tokio::test]
async fn answers_of_the_oms() {
    for (status, taken) in [
        (200, true),
        (201, true),
        (204, true),
        (299, true),
        (409, true),
        (301, false),
        (400, false),
        (401, false),
        (410, false),
        (429, false),
        (500, false),
        (503, false),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "3");
        Mock::given(method("POST"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let secret = "whsec_AAAA".into();
        let oms = HttpOms::new(options(&server.uri()), &secret).unwrap();
        let told = oms.tell(&message(), BUDGET).await;
        assert_eq!(told.is_ok(), taken, "{status}");
        if let Err(error) = told {
            assert_eq!(error.retry_after, Some(Duration::from_secs(3)), "{status}");
        }
    }
}

#[test]
fn webhook_secrets_are_checked() {
    for bad in ["", "whsec_", "AAAA", "whsec_***", "whsec_A"] {
        let made = HttpOms::new(options("http://127.0.0.1/"), &bad.into());
        let error = made.err().map(|error| error.to_string());
        assert!(
            error.is_some_and(|text| text.contains("whsec_") && !text.contains("***")),
            "{bad}"
        );
    }
}
