//! The refund provider over HTTP.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::http::call::TookEffect;
use crate::http::{App, refuse};
use crate::world::PayoutRequest;

/// The body of a payout request. All members are asked for, so that a caller that forgets one
/// learns of it here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "some members are only checked to be there")]
struct Body {
    order_id: String,
    target_id: String,
    refund_id: String,
    amount: Amount,
    line_items: Vec<LineItem>,
    cancellation_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    amount: String,
    currency_code: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only checked to be there")]
struct LineItem {
    id: String,
    amount: serde_json::Value,
}

/// `POST /refunds` with `Idempotency-Key`.
pub(crate) async fn pay(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| !key.is_empty());
    let Some(key) = key else {
        return refuse(StatusCode::BAD_REQUEST, "the Idempotency-Key is missing");
    };
    let parsed: Body = match serde_json::from_slice(&body) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let amount = match Decimal::from_str_exact(&parsed.amount.amount) {
        Ok(amount) if amount > Decimal::ZERO => amount,
        _ => {
            return refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the amount is no sum to pay",
            );
        }
    };
    let paid = app.world.pay_out(PayoutRequest {
        key: key.to_owned(),
        order_id: parsed.order_id,
        refund_id: parsed.refund_id,
        amount,
        currency: parsed.amount.currency_code,
        body: body.to_vec(),
    });
    match paid {
        Ok(answer) => (Extension(TookEffect), Json(answer)).into_response(),
        Err((status, why)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            refuse(status, why)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wanted {
    refund_id: String,
}

/// `GET /refunds?refundId=...`
pub(crate) async fn list(State(app): State<App>, Query(wanted): Query<Wanted>) -> Response {
    match app.world.payouts(&wanted.refund_id) {
        Some(listed) => Json(listed).into_response(),
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, "there is no list now"),
    }
}
