//! One HTTP exchange, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use countermand_core::cancellation::input::{NotSent, Unknown};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Body, Client, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::cap::chain;
use crate::fence::{FencedBody, Gate, Progress, SendFence};
use crate::retry_after;

/// The most that is read of an answer to a call, in bytes.
pub(crate) const ANSWER_MAX: usize = 1024 * 1024;

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For a mutation: may it still be sent?
    pub(crate) fence: Option<&'a SendFence>,
    pub(crate) deadline: Instant,
    /// The most that is read of the answer, in bytes.
    pub(crate) answer_max: usize,
}

/// An answer.
pub(crate) struct Exchange {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// The body, where the status does not say it all.
    pub(crate) body: Result<Vec<u8>, Lost>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request certainly did not take effect.
    NotSent { why: NotSent, detail: String },
    /// It left, in part or whole, and there is no (whole) answer.
    Lost(Lost),
}

/// How an answer got lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) why: Unknown,
    pub(crate) detail: String,
}

impl Lost {
    fn new(why: Unknown, detail: impl Into<String>) -> Self {
        Self {
            why,
            detail: detail.into(),
        }
    }
}

/// Sends a request and reads the answer, all before its deadline. Dropping the future gives the
/// request up; whether it took effect is then unknown.
pub(crate) async fn exchange(http: &Client, request: Request<'_>) -> Result<Exchange, Failure> {
    let length = HeaderValue::from(request.body.len());
    let (body, gate) = match request.fence {
        Some(fence) => {
            let (body, gate) = FencedBody::new(request.body, fence.clone());
            (Body::wrap(body), Some(gate))
        }
        None => (Body::from(request.body), None),
    };
    let sending = http
        .post(request.url.clone())
        .headers(request.headers)
        // A body in flight whose length is known and that never starts is no request.
        .header("content-length", length)
        .body(body)
        .send();
    let response = match timeout_at(request.deadline, sending).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failure(error, gate.as_ref())),
        Err(_) => return Err(overdue(gate.as_ref())),
    };
    let status = response.status();
    let retry_after = retry_after::parse(response.headers(), jiff::Timestamp::now());
    let telling = status.is_success()
        || (status.is_client_error()
            && !matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS
            ));
    let body = if telling {
        timeout_at(request.deadline, read(response, request.answer_max))
            .await
            .unwrap_or_else(|_| {
                Err(Lost::new(
                    Unknown::TimeOut,
                    "the answer did not end in time",
                ))
            })
    } else {
        Ok(Vec::new())
    };
    Ok(Exchange {
        status,
        retry_after,
        body,
    })
}

async fn read(mut response: Response, answer_max: usize) -> Result<Vec<u8>, Lost> {
    let too_long = || {
        Lost::new(
            Unknown::Unreadable,
            format!("an answer of more than {answer_max} bytes"),
        )
    };
    if response
        .content_length()
        .is_some_and(|length| length > answer_max as u64)
    {
        return Err(too_long());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > answer_max => return Err(too_long()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => {
                let error = error.without_url();
                return Err(Lost::new(
                    Unknown::ConnectionLost,
                    format!("the answer broke off: {}", chain(&error)),
                ));
            }
        }
    }
}

/// The request failed. Closing the gate first makes "it had not started" certain.
fn failure(error: reqwest::Error, gate: Option<&Gate>) -> Failure {
    let error = error.without_url();
    let detail = chain(&error);
    match gate.map(Gate::close) {
        Some(Progress::Fenced) => fenced(),
        Some(Progress::NeverStarted) => Failure::NotSent {
            why: NotSent::ConnectionRefused,
            detail: format!("no connection was made: {detail}"),
        },
        None if error.is_connect() || error.is_builder() => Failure::NotSent {
            why: NotSent::ConnectionRefused,
            detail: format!("no connection was made: {detail}"),
        },
        None | Some(Progress::Started) => {
            let why = if error.is_timeout() {
                Unknown::TimeOut
            } else {
                Unknown::ConnectionLost
            };
            Failure::Lost(Lost::new(why, format!("the connection was lost: {detail}")))
        }
    }
}

/// The deadline is over.
fn overdue(gate: Option<&Gate>) -> Failure {
    match gate.map(Gate::close) {
        Some(Progress::Fenced) => fenced(),
        Some(Progress::NeverStarted) => Failure::NotSent {
            why: NotSent::DeadlineOver,
            detail: "the time was over before the request could start".to_owned(),
        },
        None | Some(Progress::Started) => {
            Failure::Lost(Lost::new(Unknown::TimeOut, "no answer in time"))
        }
    }
}

fn fenced() -> Failure {
    Failure::NotSent {
        why: NotSent::Fenced,
        detail: "the request was about to start when it was no longer wanted".to_owned(),
    }
}
