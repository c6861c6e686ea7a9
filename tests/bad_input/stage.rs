//! What the rows are tried on: one daemon in a simulated world, spoken to byte by byte.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_simulator::{Chaos, Handle};
use countermand_tests::{Daemon, OPERATE, Place, simulator};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// How long an answer may take. The longest of ours is that to a body that never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);

/// A daemon and its world.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) world: Handle,
    pub(crate) daemon: Daemon,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Did the daemon close the connection, or say that it will?
    pub(crate) closed: bool,
    pub(crate) took: Duration,
}

impl Stage {
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let world = simulator(7, Chaos::None, |_| {}).await?;
        let place = Place::new(crate::program(), &world)?;
        let daemon = place.serve().await?;
        Ok(Self {
            place,
            world,
            daemon,
        })
    }

    /// Sends these bytes over a connection of their own and reads the first answer. None when the
    /// connection was closed without any.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> anyhow::Result<Option<Raw>> {
        let began = Instant::now();
        let mut stream = TcpStream::connect(self.daemon.address()).await?;
        // The daemon may answer and close before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        let raw = timeout(ANSWER_WITHIN, read(&mut stream, began))
            .await
            .context("there is no answer")?;
        Ok(raw)
    }

    /// A request with these header lines and this body, as an operator.
    pub(crate) async fn send(
        &self,
        line: &str,
        headers: &[&str],
        body: impl AsRef<[u8]>,
    ) -> anyhow::Result<Raw> {
        let body = body.as_ref();
        let mut head =
            format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if !body.is_empty() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(bytes).await?.context("closed without an answer")
    }

    /// A JSON document, posted as an operator.
    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> anyhow::Result<Raw> {
        let line = format!("POST {path}");
        self.send(&line, &["Content-Type: application/json"], body)
            .await
    }

    /// A request for a cancellation.
    pub(crate) async fn ask(&self, body: impl AsRef<[u8]>) -> anyhow::Result<Raw> {
        self.post("/v1/cancellations", body).await
    }

    /// A read.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Raw> {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// The daemon lives and answers, and has not panicked.
    pub(crate) async fn is_sound(&self) -> anyhow::Result<()> {
        self.get("/healthz").await?.is(200)?;
        let log = std::fs::read_to_string(self.place.path().join("daemon.log"))?;
        ensure!(!log.contains("panick"), "the daemon panicked");
        Ok(())
    }
}

impl Raw {
    /// Demands a problem with this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> anyhow::Result<Value> {
        ensure!(
            self.status == status,
            "status {} instead of {status}: {:.200}",
            self.status,
            self.body
        );
        ensure!(
            self.head
                .to_ascii_lowercase()
                .contains("content-type: application/problem+json"),
            "no problem document: {}",
            self.head
        );
        let problem: Value = serde_json::from_str(&self.body)?;
        ensure!(
            problem["code"] == code,
            "code {} instead of {code}",
            problem["code"]
        );
        ensure!(problem["requestId"].is_string(), "no request id");
        Ok(problem)
    }

    /// Demands a problem about this member.
    pub(crate) fn about(&self, code: &str, pointer: &str) -> anyhow::Result<()> {
        let problem = self.problem(400, code)?;
        let named = &problem["errors"][0]["pointer"];
        ensure!(named == pointer, "pointer {named} instead of {pointer}");
        Ok(())
    }

    /// Demands this status.
    pub(crate) fn is(&self, status: u16) -> anyhow::Result<()> {
        ensure!(
            self.status == status,
            "status {} instead of {status}: {:.200}",
            self.status,
            self.body
        );
        Ok(())
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

async fn read(stream: &mut TcpStream, began: Instant) -> Option<Raw> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0_u8; 16 * 1024];
    let mut ended = false;
    loop {
        if let Some(raw) = parse(&bytes, ended, began) {
            return Some(raw);
        }
        if ended {
            return None;
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => ended = true,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The first answer, once it is whole.
fn parse(bytes: &[u8], ended: bool, began: Instant) -> Option<Raw> {
    let text = String::from_utf8_lossy(bytes);
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let whole = length.is_some_and(|length: usize| rest.len() >= length);
    (whole || ended).then(|| Raw {
        status,
        head: head.to_owned(),
        body: rest.to_owned(),
        closed: ended || lower.contains("connection: close"),
        took: began.elapsed(),
    })
}
