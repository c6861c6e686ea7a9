//! The order management system over HTTP: signed messages after the Standard Webhooks scheme.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use standardwebhooks::HEADER_WEBHOOK_ID;

use crate::chaos::Fault;
use crate::http::call::{Call, TookEffect};
use crate::http::{App, refuse};
use crate::world::{OmsAnswer, OmsSignature};

/// `POST /oms`.
pub(crate) async fn take(
    State(app): State<App>,
    Extension(call): Extension<Call>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
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
    let is_late = matches!(call.fault, Fault::LateEffect { .. });
    match app.world.tell_oms(webhook_id, signature, &body, is_late) {
        OmsAnswer::Taken => (StatusCode::NO_CONTENT, Extension(TookEffect)).into_response(),
        OmsAnswer::Unreadable => refuse(StatusCode::BAD_REQUEST, "the message is not readable"),
        OmsAnswer::Failing => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this order cannot be updated",
        ),
        OmsAnswer::BadSignature => refuse(StatusCode::UNAUTHORIZED, "the signature is not valid"),
    }
}
