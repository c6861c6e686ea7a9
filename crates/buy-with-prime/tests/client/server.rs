//! A listener that speaks just enough HTTP/1.1, and misbehaves by script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use countermand_buy_with_prime::{CancelAnswer, Client, SendFence, Settings, http_client};
use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
use countermand_core::cancellation::input::Unknown;
use countermand_core::cancellation::order::{Alias, Order, RefundState, ReportedPayment};
use countermand_core::cancellation::request::CancellationReason;
use countermand_core::{Money, OrderId, PaymentId, RefundId, TargetId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const ORDER: &str = "322-T7QM-2LH9WD";
pub(crate) const TARGET: &str = "bp-7d2f6a10-3c84-4e19-9b57-51e0c8a4d3f6";
pub(crate) const REFUND: &str = "3a7d51f09c2be846d0f7195ab8c3e2647f18d09ba5c4e3726180f9d3b7a2c516";
pub(crate) const SECRET: &str = "CANARY-SECRET";
pub(crate) const TOKEN: &str = "CANARY-TOKEN";
/// Ample; no test waits for it.
pub(crate) const BUDGET: Duration = Duration::from_secs(20);
/// For tests that do wait for it.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    /// The head, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    /// How many requests for this path came before it.
    pub(crate) nth: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }
}

/// What the listener does about a request.
pub(crate) enum Reply {
    /// Answers with a status and a body.
    Status(u16, String),
    /// The same, with one more header line.
    With(u16, String, String),
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes, then nothing more, but holds the connection.
    Stall(Vec<u8>),
    /// Sends a head, then a body without end.
    Endless,
    /// Says nothing, holds the connection.
    Silence,
    /// Says nothing, closes.
    Close,
}

pub(crate) fn json(body: impl Into<String>) -> Reply {
    Reply::Status(200, body.into())
}

pub(crate) fn granted() -> Reply {
    json(format!(
        r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":900}}"#
    ))
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    bytes: Vec<u8>,
    connections: usize,
}

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Server {
    /// Answers every request, also those for tokens, by the script.
    pub(crate) async fn scripted(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = log.clone();
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                tokio::spawn(serve(stream, shared.clone(), script.clone()));
            }
        });
        Self { addr, log }
    }

    /// Grants tokens, and answers GraphQL requests by the script.
    pub(crate) async fn answering(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::scripted(move |seen| {
            if seen.path == "/token" {
                granted()
            } else {
                script(seen)
            }
        })
        .await
    }

    /// The GraphQL requests that arrived whole.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen("/graphql")
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let log = self.log.lock().unwrap();
        log.seen
            .iter()
            .filter(|seen| seen.path == path)
            .cloned()
            .collect()
    }

    /// Every byte that arrived, on whatever connection.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap().bytes).into_owned()
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(&format!("http://{}", self.addr))
    }

    pub(crate) fn client(&self) -> Client {
        client(self.settings())
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Log>>, script: Arc<impl Fn(&Seen) -> Reply>) {
    let mut buffer = Vec::new();
    loop {
        let Some(mut seen) = request(&mut stream, &mut buffer, &log).await else {
            return;
        };
        {
            let mut log = log.lock().unwrap();
            seen.nth = log
                .seen
                .iter()
                .filter(|other| other.path == seen.path)
                .count();
            log.seen.push(seen.clone());
        }
        let (bytes, more) = match script(&seen) {
            Reply::Status(status, body) => (head(status, "", &body), None),
            Reply::With(status, line, body) => (head(status, &format!("{line}\r\n"), &body), None),
            Reply::Bytes(bytes) => (bytes, Some(false)),
            Reply::Stall(bytes) => (bytes, Some(true)),
            Reply::Silence => (Vec::new(), Some(true)),
            Reply::Close => (Vec::new(), Some(false)),
            Reply::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b' '; 4096]).await.is_ok() {}
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match more {
            None => {}
            Some(false) => return,
            // Until the client goes away.
            Some(true) => {
                let _ = stream.read(&mut [0; 64]).await;
                return;
            }
        }
    }
}

fn head(status: u16, lines: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{lines}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Reads one whole request; `None` when the client leaves before.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>, log: &Mutex<Log>) -> Option<Seen> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                return Some(Seen {
                    path,
                    head,
                    body,
                    nth: 0,
                });
            }
        }
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        buffer.extend_from_slice(&chunk[..n]);
        log.lock().unwrap().bytes.extend_from_slice(&chunk[..n]);
    }
}

pub(crate) fn settings(base: &str) -> Settings {
    Settings {
        endpoint: format!("{base}/graphql").parse().unwrap(),
        token_endpoint: format!("{base}/token").parse().unwrap(),
        client_id: "client & co".to_owned(),
        client_secret: SECRET.into(),
        target_id: TargetId::new(TARGET).unwrap(),
        target_header: Settings::TARGET_HEADER.to_owned(),
        api_version: Settings::API_VERSION.to_owned(),
        extra_headers: Vec::new(),
        request_timeout: Settings::REQUEST_TIMEOUT,
    }
}

pub(crate) fn client(settings: Settings) -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::new(http_client(Duration::from_secs(5)).unwrap(), settings).unwrap()
}

pub(crate) fn order_id() -> OrderId {
    OrderId::new(ORDER).unwrap()
}

/// The request of `samples/request-cancel-order.json`.
pub(crate) fn cancel_call() -> CancelOrder {
    CancelOrder {
        attempt: 1,
        doubted: false,
        target_id: TargetId::new(TARGET).unwrap(),
        order_id: order_id(),
        alias: Alias {
            alias_id: "cnl-100482-1".to_owned(),
            alias_type: "EXTERNAL_CANCELLATION_ID".to_owned(),
        },
        reason: Some(CancellationReason::OrderedByMistake),
        additional_comments: Some("Shopper ordered the wrong colour".to_owned()),
    }
}

pub(crate) fn report_call(state: RefundState, total: &str) -> ReportRefund {
    ReportRefund {
        attempt: 1,
        doubted: false,
        target_id: TargetId::new(TARGET).unwrap(),
        order_id: order_id(),
        refund_id: RefundId::new(REFUND).unwrap(),
        state,
        total: Money::parse(total, "USD").unwrap(),
        payments: Vec::new(),
    }
}

pub(crate) fn payment(id: &str, amount: &str) -> ReportedPayment {
    ReportedPayment {
        id: PaymentId::new(id).unwrap(),
        amount: Some(Money::parse(amount, "USD").unwrap()),
    }
}

pub(crate) fn open() -> SendFence {
    Arc::new(|| true)
}

pub(crate) fn sample(name: &str) -> String {
    let path = format!("{}/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `cancelOrder` comes to when this is the answer.
pub(crate) async fn cancel(
    budget: Duration,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<CancelAnswer, CallError> {
    let server = Server::answering(move |_| reply()).await;
    server
        .client()
        .cancel_order(&cancel_call(), budget, &open())
        .await
}

/// What the order query comes to when this is the answer.
pub(crate) async fn read(
    budget: Duration,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<Option<Order>, ReadError> {
    let server = Server::answering(move |_| reply()).await;
    server.client().read_order(&order_id(), budget).await
}

/// Why the outcome of `cancelOrder` is unknown when this is the answer.
pub(crate) async fn unknown(
    budget: Duration,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Unknown {
    match cancel(budget, reply).await {
        Err(CallError::Unknown { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}
