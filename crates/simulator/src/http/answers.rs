//! Answers that are not the ones asked for.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::chaos::{Beside, ErrorClass, RetryAfter};
use crate::http::refuse;
use crate::operation::Operation;
use crate::seeded::Seed;

/// A page, as whoever stands before a remote likes to send.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Service notice</title></head>\n\
                    <body><h1>Service notice</h1><p>Please try again.</p></body></html>\n";

/// An HTTP error: JSON from the remote itself, a page from whoever stands before it.
pub(crate) fn failure(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    ) {
        return page(status);
    }
    refuse(status, "something went wrong")
}

/// An HTML page.
pub(crate) fn page(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "text/html")], PAGE).into_response()
}

/// 429.
pub(crate) fn throttled(retry_after: RetryAfter) -> Response {
    let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests");
    let headers = answer.headers_mut();
    let value = match retry_after {
        RetryAfter::Absent => return answer,
        RetryAfter::Zero => HeaderValue::from_static("0"),
        RetryAfter::Seconds(seconds) => seconds.into(),
        RetryAfter::Fractional => HeaderValue::from_static("0.5"),
        RetryAfter::Negative => HeaderValue::from_static("-1"),
        RetryAfter::Garbage => HeaderValue::from_static("a little while"),
        RetryAfter::DatePast => HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
        RetryAfter::DateFuture(seconds) => {
            let now = Timestamp::now();
            let then = now
                .checked_add(SignedDuration::from_secs(seconds.into()))
                .unwrap_or(now);
            if let Some(now) = http_date(now) {
                headers.insert(DATE, now);
            }
            match http_date(then) {
                Some(then) => then,
                None => return answer,
            }
        }
        RetryAfter::Huge => HeaderValue::from_static("1000000000"),
    };
    headers.insert(RETRY_AFTER, value);
    answer
}

fn http_date(at: Timestamp) -> Option<HeaderValue> {
    let text = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

/// GraphQL errors. `honest` is the answer of a remote that acted.
pub(crate) fn graphql_errors(
    class: ErrorClass,
    beside: Beside,
    operation: Operation,
    honest: Option<&[u8]>,
) -> Response {
    let named = |kind: &str, code: u16| json!({ "classification": { "errorType": kind, "errorCode": code } });
    let mut error = json!({ "message": "The request could not be completed." });
    let extensions = match class {
        ErrorClass::Unclassified => None,
        ErrorClass::Throttling => Some(named("ThrottlingError", 429)),
        ErrorClass::InternalServer => Some(named("InternalServerError", 500)),
        ErrorClass::InternalServerOldForm => {
            error["errorType"] = json!("InternalServerError");
            error["errorInfo"] = Value::Null;
            None
        }
        ErrorClass::AccessDenied => Some(named("AccessDeniedError", 403)),
        ErrorClass::ResourceNotFound => Some(named("ResourceNotFoundError", 404)),
        ErrorClass::Conflict => Some(named("ConflictError", 409)),
        ErrorClass::Validation => Some(named("ValidationError", 400)),
        ErrorClass::BareWord => Some(json!({ "classification": "ValidationError" })),
    };
    if let Some(extensions) = extensions {
        error["extensions"] = extensions;
    }
    let errors = json!([error]).to_string();
    let null_fields = || {
        let field = field(operation);
        format!(r#"{{"{field}":null}}"#)
    };
    let data = match beside {
        Beside::Nothing => None,
        Beside::NullData => Some("null".to_owned()),
        Beside::NullFields => Some(null_fields()),
        Beside::Data => Some(honest.and_then(data_of).unwrap_or_else(null_fields)),
    };
    // As text, so that the numbers of the data keep their digits.
    let body = match data {
        None => format!(r#"{{"errors":{errors}}}"#),
        Some(data) => format!(r#"{{"data":{data},"errors":{errors}}}"#),
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn field(operation: Operation) -> &'static str {
    match operation {
        Operation::CancelOrder => "cancelOrder",
        Operation::ReportRefund => "updateOrder",
        _ => "order",
    }
}

fn data_of(answer: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        data: Box<serde_json::value::RawValue>,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(answer.data.get().to_owned())
}

/// The answer that somebody else should have got to a call of the same kind.
pub(crate) fn foreign(seed: Seed, operation: Operation, honest: &[u8]) -> Response {
    let stranger = format!("322-{}-STRANGE", seed.code(4, &["stranger"]));
    let payment = json!({
        "paymentId": "pay-of-somebody-else",
        "refundId": format!("refund-of-{stranger}"),
        "state": "SUCCESS",
        // A figure that nobody asks for.
        "amount": { "amount": "987654.32", "currencyCode": "USD" },
    });
    let body = match operation {
        Operation::Token => json!({
            "access_token": format!("sim-{}", seed.hex(40, &["somebody else's token"])),
            "token_type": "Bearer",
            "expires_in": 900,
        }),
        Operation::PayRefund => payment,
        Operation::ListRefunds => json!([payment]),
        Operation::UpdateOms => json!({}),
        Operation::ReadOrder
        | Operation::CancelOrder
        | Operation::ReportRefund
        | Operation::OtherRead
        | Operation::OtherMutation => {
            let mut answer: Value = serde_json::from_slice(honest).unwrap_or_default();
            let data = &mut answer["data"];
            for pointer in ["/order", "/updateOrder/order"] {
                if let Some(order) = data.pointer_mut(pointer).filter(|order| order.is_object()) {
                    order["id"] = json!(stranger);
                }
            }
            for_each_alias(data, &|alias| {
                *alias = json!(format!("alias-of-{stranger}"));
            });
            answer
        }
    };
    axum::Json(body).into_response()
}

fn for_each_alias(value: &mut Value, change: &impl Fn(&mut Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "aliasId" {
                    change(member);
                } else {
                    for_each_alias(member, change);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                for_each_alias(item, change);
            }
        }
        _ => {}
    }
}

/// A sound answer to another kind of call.
pub(crate) fn to_another_call(operation: Operation) -> Response {
    let body = match operation {
        Operation::ReadOrder | Operation::OtherRead => json!({
            "data": { "cancelOrder": { "cancellation": {
                "id": "cancellation-of-somebody-else", "state": "PENDING", "aliases": [],
            } } }
        }),
        Operation::CancelOrder | Operation::ReportRefund | Operation::OtherMutation => json!({
            "data": { "order": { "id": "322-ANOTHER-CALL", "lineItems": [] } }
        }),
        Operation::ListRefunds => json!({ "paymentId": "pay-1", "state": "SUCCESS" }),
        Operation::PayRefund | Operation::UpdateOms => json!([]),
        Operation::Token => json!({ "data": { "order": null } }),
    };
    axum::Json(body).into_response()
}

/// How long the beginning of an answer needs to reach the wire before the connection is cut.
pub(crate) const FLUSHED: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_changed_wherever_they_are() {
        let mut value = json!({ "a": [{ "aliasId": "x", "aliasType": "T" }], "aliasId": "y" });
        for_each_alias(&mut value, &|alias| *alias = json!("z"));
        assert_eq!(
            value,
            json!({ "a": [{ "aliasId": "z", "aliasType": "T" }], "aliasId": "z" })
        );
    }

    #[test]
    fn data_keep_their_digits() {
        let honest = br#"{"data":{"x":43.990}}"#;
        assert_eq!(data_of(honest).as_deref(), Some(r#"{"x":43.990}"#));
        assert_eq!(data_of(b"{}"), None);
    }
}
