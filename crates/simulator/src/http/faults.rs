//! The gate before every remote: counts the call, and lets go wrong what must.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, sleep};

use crate::chaos::{Fault, FaultKind, Remote};
use crate::http::answers::{self, FLUSHED};
use crate::http::call::{Call, TookEffect, operation};
use crate::http::connection::Cuttable;
use crate::http::pieces::{Pieces, Then};
use crate::http::refuse;
use crate::http::wire::{Gauge, Wire};
use crate::operation::Operation;
use crate::seeded::Seed;

/// Largest request body that is read.
const BODY_MAX: usize = 1 << 20;

/// Largest answer of our own that a fault works on.
const ANSWER_MAX: usize = 64 << 20;

/// Drops of an answer that drips.
const DROPS: u32 = 12;

/// Stands before one remote.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) wire: Arc<Wire>,
    pub(crate) seed: Seed,
    pub(crate) remote: Remote,
}

/// Lets a call pass, or not.
pub(crate) async fn pass(
    State(gate): State<Gate>,
    ConnectInfo(connection): ConnectInfo<Cuttable>,
    request: Request,
    next: Next,
) -> Response {
    // All of it must have arrived before anything is decided: half a request has no effect, and an
    // early answer would be cut short by the rest.
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    };
    let operation = operation(gate.remote, &parts.method, &body);
    let Some(fault) = gate.wire.receive(gate.remote, operation, &connection) else {
        connection.reset();
        return cut();
    };
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(Call {
        arrived: Instant::now(),
        operation,
        fault,
    });
    let passage = Passage {
        open: operation.is_mutation().then(|| gate.wire.open()),
        gate,
        operation,
        kind: fault.kind(),
        connection,
    };
    passage.pass(fault, request, next).await
}

/// What is answered on a connection that is cut: nobody sees it.
fn cut() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// One call on its way.
struct Passage {
    gate: Gate,
    operation: Operation,
    kind: Option<FaultKind>,
    connection: Cuttable,
    /// The call is open until this is dropped.
    open: Option<Gauge>,
}

impl Passage {
    async fn pass(self, fault: Fault, request: Request, next: Next) -> Response {
        match fault {
            Fault::None
            | Fault::TokenExpiresEarly { .. }
            | Fault::TokenLifeZero
            | Fault::TokenLifeAbsent
            | Fault::TokenLifeText => self.act(request, next).await,
            Fault::RequestLost => {
                self.connection.cut();
                cut()
            }
            Fault::ResetBeforeEffect => {
                self.connection.reset();
                cut()
            }
            Fault::AnswerLost => {
                self.act(request, next).await;
                self.connection.cut();
                cut()
            }
            Fault::ResetAfterEffect => {
                self.act(request, next).await;
                self.connection.reset();
                cut()
            }
            Fault::NeverAnswered => self.never().await,
            Fault::NeverAnsweredAfterEffect => {
                self.act(request, next).await;
                self.never().await
            }
            Fault::LateEffect { after_ms, hang } => {
                self.act_later(Duration::from_millis(after_ms), request, next);
                if hang {
                    return self.never().await;
                }
                self.connection.cut();
                cut()
            }
            Fault::Restart { down_ms, acts } => {
                if acts {
                    self.act(request, next).await;
                }
                // Registered or not, this connection goes first.
                self.connection.reset();
                let down = Duration::from_millis(down_ms);
                self.gate.wire.restart(self.gate.remote, down);
                cut()
            }
            Fault::Unavailable => refuse(StatusCode::SERVICE_UNAVAILABLE, "try again later"),
            Fault::Unauthorized => refuse(StatusCode::UNAUTHORIZED, "the credentials are unknown"),
            Fault::Throttled { retry_after } => answers::throttled(retry_after),
            Fault::ErrorBeforeEffect { status } => answers::failure(status),
            Fault::ErrorAfterEffect { status } => {
                self.act(request, next).await;
                answers::failure(status)
            }
            Fault::GraphqlErrorBeforeEffect { .. } | Fault::GraphqlErrorAfterEffect { .. } => {
                self.graphql_error(fault, request, next).await
            }
            Fault::Slow { delay_ms } => {
                let answer = self.act(request, next).await;
                sleep(Duration::from_millis(delay_ms)).await;
                answer
            }
            Fault::Drip { .. }
            | Fault::Truncated
            | Fault::Endless
            | Fault::Html
            | Fault::Empty
            | Fault::Foreign
            | Fault::AnotherAnswer => {
                let answer = self.act(request, next).await;
                self.spoil(fault, answer).await
            }
        }
    }

    /// The remote acts.
    async fn act(&self, request: Request, next: Next) -> Response {
        let answer = next.run(request).await;
        self.note(&answer);
        answer
    }

    fn note(&self, answer: &Response) {
        if let Some(kind) = self.kind
            && answer.extensions().get::<TookEffect>().is_some()
        {
            self.gate.wire.had_effect(self.gate.remote, kind);
        }
    }

    /// The remote acts later, whatever becomes of the connection.
    fn act_later(&self, after: Duration, request: Request, next: Next) {
        let late = self.operation.is_mutation().then(|| self.gate.wire.late());
        let Gate { wire, remote, .. } = self.gate.clone();
        let kind = self.kind;
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = wire.over.cancelled() => return,
                () = sleep(after) => {}
            }
            let answer = next.run(request).await;
            if let Some(kind) = kind
                && answer.extensions().get::<TookEffect>().is_some()
            {
                wire.had_effect(remote, kind);
            }
            drop(late);
        });
    }

    /// No answer, until the caller goes or the simulator stops.
    async fn never(&self) -> Response {
        self.connection.hang();
        self.gate.wire.over.cancelled().await;
        self.connection.cut();
        cut()
    }

    async fn graphql_error(self, fault: Fault, request: Request, next: Next) -> Response {
        let is_graphql = self.gate.remote == Remote::BuyWithPrime;
        let (class, beside, honest) = match fault {
            Fault::GraphqlErrorAfterEffect { class, beside } => {
                let answer = self.act(request, next).await;
                (class, beside, Some(bytes(answer).await))
            }
            Fault::GraphqlErrorBeforeEffect { class, beside } => (class, beside, None),
            _ => return cut(),
        };
        if !is_graphql {
            return answers::failure(500);
        }
        answers::graphql_errors(class, beside, self.operation, honest.as_deref())
    }

    /// The remote acted; its answer arrives as it should not.
    async fn spoil(self, fault: Fault, answer: Response) -> Response {
        let Self {
            gate,
            operation,
            connection,
            open,
            ..
        } = self;
        match fault {
            Fault::Html => return answers::page(StatusCode::OK),
            Fault::AnotherAnswer => return answers::to_another_call(operation),
            Fault::Empty => {
                // Which of the two is drawn by what the whole answer would have been.
                let whole = bytes(answer).await;
                let status = if whole.len().is_multiple_of(2) {
                    StatusCode::NO_CONTENT
                } else {
                    StatusCode::OK
                };
                return status.into_response();
            }
            Fault::Foreign => {
                return answers::foreign(gate.seed, operation, &bytes(answer).await);
            }
            _ => {}
        }
        let (mut parts, body) = answer.into_parts();
        let whole = to_bytes(body, ANSWER_MAX).await.unwrap_or_default();
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(TRANSFER_ENCODING);
        let body = match fault {
            Fault::Drip { for_ms } => {
                Pieces::drip(&whole, Duration::from_millis(for_ms), DROPS, open)
            }
            Fault::Endless => {
                parts.status = StatusCode::OK;
                let json = HeaderValue::from_static("application/json");
                parts.headers.insert(CONTENT_TYPE, json);
                // Sound JSON, as far as it goes.
                let first = Bytes::from_static(b"{\"data\": ");
                let again = Bytes::from_static(&[b' '; 16 * 1024]);
                // Not as fast as possible: other calls want to be answered, too.
                let gap = Duration::from_millis(1);
                Pieces::one(first, gap, Then::Again(again), open)
            }
            _ => {
                // An answer without a body has nothing that could be missing; one is invented.
                let told = whole.len().max(64);
                parts.headers.insert(CONTENT_LENGTH, told.into());
                parts.status = match parts.status {
                    StatusCode::NO_CONTENT => StatusCode::OK,
                    status => status,
                };
                let half = whole.slice(..whole.len() / 2);
                Pieces::one(half, FLUSHED, Then::Cut(connection), open)
            }
        };
        Response::from_parts(parts, Body::new(body))
    }
}

async fn bytes(answer: Response) -> Bytes {
    to_bytes(answer.into_body(), ANSWER_MAX)
        .await
        .unwrap_or_default()
}
