//! An API over an engine in memory whose remotes are all down: cancellations stay where they are.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use countermand::store::{MemoryStore, SystemClock};
use countermand::{
    BoxFuture, CallError, CancelAnswer, CancelOrder, Countermand, Fence, Handle, Message, NotSent,
    Oms, Order, OrderId, Orders, Payment, Payout, ReadError, RefundId, RefundProvider,
    ReportRefund, ReportedPayment, TellError,
};
use countermand_server::{Options, Role, Token, router};
use serde_json::Value;
use tower::ServiceExt;

/// Remotes that are down.
pub(crate) struct Down;

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

fn not_sent<T>() -> Result<T, CallError> {
    Err(CallError::NotSent {
        why: NotSent::ConnectionRefused,
        detail: "down".to_owned(),
        retry_after: None,
    })
}

fn unread<T>() -> Result<T, ReadError> {
    Err(ReadError {
        message: "down".to_owned(),
        retry_after: None,
        not_sent: Some(NotSent::ConnectionRefused),
    })
}

impl Orders for Down {
    fn read_order<'a>(
        &'a self,
        _: &'a OrderId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        ready(unread())
    }

    fn cancel_order<'a>(
        &'a self,
        _: &'a CancelOrder,
        _: Duration,
        _: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        ready(not_sent())
    }

    fn report_refund<'a>(
        &'a self,
        _: &'a ReportRefund,
        _: &'a [ReportedPayment],
        _: Duration,
        _: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        ready(not_sent())
    }
}

impl RefundProvider for Down {
    fn pay<'a>(
        &'a self,
        _: &'a Payment,
        _: Duration,
        _: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        ready(not_sent())
    }

    fn list<'a>(
        &'a self,
        _: &'a RefundId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        ready(unread())
    }
}

impl Oms for Down {
    fn tell<'a>(&'a self, _: &'a Message, _: Duration) -> BoxFuture<'a, Result<(), TellError>> {
        ready(Err(TellError::new("down")))
    }
}

pub(crate) async fn engine() -> Handle {
    engine_on(MemoryStore::new(SystemClock)).await
}

pub(crate) async fn engine_on(store: MemoryStore) -> Handle {
    engine_with(store, countermand::runner::Options::default()).await
}

pub(crate) async fn engine_with(
    store: MemoryStore,
    options: countermand::runner::Options,
) -> Handle {
    Countermand::on(store)
        .options(options)
        .target("bp-1".parse().unwrap(), Down)
        .refunds(Down)
        .oms(Down)
        .start()
        .await
        .unwrap()
}

pub(crate) fn tokens() -> Options {
    Options {
        tokens: vec![
            Token::new("viewer", Role::Read, &"read-secret".into()),
            Token::new("shop", Role::Operate, &"operate-secret".into()),
            Token::new("amazon", Role::Ingest, &"ingest-secret".into()),
        ],
    }
}

/// The API without tokens.
pub(crate) async fn open_api() -> Api {
    let handle = engine().await;
    Api {
        router: router(handle.clone(), Options::default()),
        handle,
    }
}

pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) handle: Handle,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status, and the code of the problem; checks that it is a whole one.
    pub(crate) fn problem(&self) -> (u16, String) {
        let document = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(document["requestId"].as_str(), self.header("x-request-id"));
        assert!(document["title"].is_string() && document["detail"].is_string());
        let code = document["code"].as_str().unwrap().to_owned();
        (self.status.as_u16(), code)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Api {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10 << 20).await.unwrap();
        assert_eq!(parts.headers["cache-control"], "no-store");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// Asks for a cancellation.
    pub(crate) async fn cancel(&self, body: impl Into<Body>) -> Answer {
        self.post("/v1/cancellations", body).await
    }
}
