//! The daemon's HTTP API, as far as commands need it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use countermand::{Ingested, View};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::config::{Config, Role};
use crate::exit::{Exit, Failure};
use crate::output::escape;

/// For the connection: the daemon is near, or it is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole request: the daemon answers after a commit.
const REQUEST: Duration = Duration::from_secs(35);
/// No answer of ours is larger.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// A client of a daemon's API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<SecretString>,
}

/// An answer that was a success, with its status.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Api {
    /// For the daemon at this address, with the first `operate` token of the configuration.
    pub(crate) fn new(config: &Config, address: SocketAddr) -> Result<Self, Failure> {
        let token = config
            .http
            .tokens
            .iter()
            .find(|token| token.role == Role::Operate)
            .map(|token| token.secret.clone());
        if token.is_none() && !config.http.tokens.is_empty() {
            return Err(Failure::new(
                Exit::Daemon,
                "the daemon wants a token and the configuration has none with the role \"operate\"; add one under [[http.tokens]]",
            ));
        }
        Self::with(address, token)
    }

    /// For the daemon at this address.
    pub(crate) fn with(address: SocketAddr, token: Option<SecretString>) -> Result<Self, Failure> {
        Ok(Self {
            http: plain_client()?,
            base: format!("http://{}", reachable(address)),
            token,
        })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let unreachable = |error: reqwest::Error| {
            let why = chain(&error);
            let known = if error.is_connect() {
                "nothing was changed"
            } else {
                "whether it took effect is not known; the same command again is safe"
            };
            Failure::new(
                Exit::Daemon,
                format!(
                    "the daemon at {} cannot be reached: {why}; {known}",
                    self.base
                ),
            )
        };
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(Failure::new(
                    Exit::Failed,
                    "the daemon's answer is too large",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            Ok(Answer { status, body })
        } else {
            Err(refusal(&self.base, status, &body))
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.call(Method::POST, path, Some(body.to_string().into_bytes()))
            .await
    }

    /// Asks for a cancellation. True when it was created just now.
    pub(crate) async fn cancel(&self, draft: &Value) -> Result<(View, bool), Failure> {
        let answer = self.post("/v1/cancellations", draft).await?;
        let created = answer.status == StatusCode::ACCEPTED;
        Ok((read(&answer.body)?, created))
    }

    /// An operator's action: `retry`, `withdraw`, `resolve`, `notes`.
    pub(crate) async fn operate(
        &self,
        id: &str,
        action: &str,
        body: &Value,
    ) -> Result<View, Failure> {
        let answer = self
            .post(&format!("/v1/cancellations/{id}/{action}"), body)
            .await?;
        read(&answer.body)
    }

    /// Has an order looked at. True when that began just now.
    pub(crate) async fn observe(&self, order: &Value) -> Result<(View, bool), Failure> {
        let answer = self.post("/v1/observations", order).await?;
        let created = answer.status == StatusCode::ACCEPTED;
        Ok((read(&answer.body)?, created))
    }

    /// Takes in events.
    pub(crate) async fn ingest(&self, events: Vec<u8>) -> Result<Ingested, Failure> {
        let answer = self.call(Method::POST, "/v1/events", Some(events)).await?;
        read(&answer.body)
    }

    /// One cancellation.
    pub(crate) async fn get(&self, id: &str) -> Result<View, Failure> {
        let answer = self
            .call(Method::GET, &format!("/v1/cancellations/{id}"), None)
            .await?;
        read(&answer.body)
    }

    /// Does it take up work?
    pub(crate) async fn is_ready(&self) -> bool {
        self.call(Method::GET, "/readyz", None).await.is_ok()
    }
}

/// A client that does what it is told: no redirect, no repetition, no proxy, all within a time.
pub(crate) fn plain_client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .build()
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the HTTP client cannot be set up: {error}"),
            )
        })
}

/// Where a daemon that listens on `address` can be reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(
            Exit::Daemon,
            format!(
                "the daemon's answer cannot be read ({error}); is it a daemon of this version?"
            ),
        )
    })
}

/// What a refusal means for the exit code.
fn refusal(base: &str, status: StatusCode, body: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem
        .get("detail")
        .and_then(Value::as_str)
        .map_or_else(|| format!("the daemon at {base} answered {status}"), escape);
    let (exit, message) = match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            (Exit::Usage, detail)
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            Exit::Daemon,
            format!(
                "the daemon at {base} refuses the token: {detail}; is this the configuration that it runs with?"
            ),
        ),
        StatusCode::NOT_FOUND => (Exit::Missing, detail),
        StatusCode::CONFLICT => (Exit::Refused, detail),
        _ => (Exit::Failed, detail),
    };
    let failure = Failure::new(exit, message);
    let more: serde_json::Map<String, Value> = ["cancellationId", "reason", "requestId", "errors"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), problem.get(key)?.clone())))
        .collect();
    let code = problem
        .get("code")
        .cloned()
        .map_or_else(|| json!({}), |code| json!({ "problem": code }));
    match (more.is_empty(), code) {
        (true, code) if code == json!({}) => failure,
        (_, Value::Object(mut code)) => {
            code.extend(more);
            failure.with(Value::Object(code))
        }
        _ => failure,
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    escape(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        for (listen, reach) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reach);
        }
    }

    #[test]
    fn refusals_have_their_exit_codes() {
        for (status, exit) in [
            (400, Exit::Usage),
            (401, Exit::Daemon),
            (403, Exit::Daemon),
            (404, Exit::Missing),
            (409, Exit::Refused),
            (503, Exit::Failed),
        ] {
            let failure = refusal(
                "http://x",
                StatusCode::from_u16(status).unwrap(),
                b"{\"detail\":\"no\",\"code\":\"c\",\"cancellationId\":\"c-1\"}",
            );
            assert_eq!(failure.exit, exit);
            assert!(failure.message.contains("no"));
            assert_eq!(failure.as_json()["error"]["cancellationId"], "c-1");
        }
    }
}
