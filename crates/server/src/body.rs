//! Request bodies: the right type, not too long, not too slow.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::problem::Problem;

/// Most bytes of a request body.
pub(crate) const BODY_MAX: usize = 256 * 1024;
/// Most bytes of a body with events.
pub(crate) const EVENTS_MAX: usize = 1024 * 1024;
/// A body must have arrived within this.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Reads the whole body. One that is too long is refused before it is read, where it says so
/// itself.
pub(crate) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Problem> {
    if declared_length(headers).is_some_and(|length| length > max as u64) {
        return Err(too_long(max));
    }
    match timeout(BODY_TIME, collect(body, max)).await {
        Ok(read) => read,
        Err(_) => Err(Problem {
            close: true,
            ..Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_time_out",
                "the body did not arrive in time",
            )
        }),
    }
}

async fn collect(body: Body, max: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem {
            close: true,
            ..Problem::bad_request("body_broken", "the body broke off")
        })?;
        if bytes.len() + chunk.len() > max {
            return Err(too_long(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The body is JSON, and not compressed. (This also keeps out what a web page can send to us
/// without being asked: forms and plain text.)
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail: &str| {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    };
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(unsupported("the body must not be compressed"));
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(unsupported("the Content-Type must be application/json"));
    };
    if value.to_str().is_ok_and(is_json) {
        Ok(())
    } else {
        Err(unsupported("the Content-Type must be application/json"))
    }
}

/// `application/json` or `application/…+json`, in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts.all(|parameter| {
        parameter.split_once('=').is_none_or(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    // A length that is no number of 64 bits is longer than anything.
    Some(text.parse().unwrap_or(u64::MAX))
}

fn too_long(max: usize) -> Problem {
    Problem {
        close: true,
        ..Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_long",
            format!("the body may have {max} bytes at most"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/cloudevents+json",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jsonx",
            "",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
