//! The gate before every remote: counts the call, and lets go wrong what must.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::chaos::{Fault, Remote};
use crate::http::connection::Cuttable;
use crate::http::refuse;
use crate::world::SharedWorld;

/// Largest request body that is read.
const BODY_MAX: usize = 1 << 20;

/// Stands before one remote.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) world: SharedWorld,
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
    let request = Request::from_parts(parts, Body::from(body));
    let fault = gate.world.receive(gate.remote);
    match fault {
        Fault::None => next.run(request).await,
        Fault::RequestLost => {
            connection.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Fault::AnswerLost => {
            let answer = next.run(request).await;
            connection.cut();
            answer
        }
        Fault::Unavailable => refuse(StatusCode::SERVICE_UNAVAILABLE, "try again later"),
        Fault::ErrorAfterEffect => {
            next.run(request).await;
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")
        }
        Fault::Throttled { retry_after_s } => {
            let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests");
            answer
                .headers_mut()
                .insert(RETRY_AFTER, retry_after_s.into());
            answer
        }
        Fault::Slow { delay_ms } => {
            let answer = next.run(request).await;
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            answer
        }
    }
}
