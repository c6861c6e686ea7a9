//! The order management system over HTTP: signed messages after the Standard Webhooks scheme.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use standardwebhooks::HEADER_WEBHOOK_ID;

use crate::http::{App, refuse};
use crate::world::{OmsAnswer, OmsSignature};

/// `POST /oms`.
pub(crate) async fn take(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let webhook_id = headers
        .get(HEADER_WEBHOOK_ID)
        .and_then(|value| value.to_str().ok());
    let signature = match &app.oms_signatures {
        None => OmsSignature::Good,
        Some(checker) => match checker.verify(&body, &headers) {
            Ok(()) => OmsSignature::Good,
            Err(error) => OmsSignature::Bad(error.to_string()),
        },
    };
    match app.world.tell_oms(webhook_id, signature, &body) {
        OmsAnswer::Taken => StatusCode::NO_CONTENT.into_response(),
        OmsAnswer::Unreadable => refuse(StatusCode::BAD_REQUEST, "the message is not readable"),
        OmsAnswer::BadSignature => refuse(StatusCode::UNAUTHORIZED, "the signature is not valid"),
    }
}
