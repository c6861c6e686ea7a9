//! Errors as RFC 9457 problem documents.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countermand::{Error, InstanceId};
use serde::Serialize;

/// The most characters of a caller's own input that a problem shows.
const ECHO_CHARS: usize = 64;

/// What went wrong, for programs (`code`) and people.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) cancellation_id: Option<InstanceId>,
    /// In seconds.
    pub(crate) retry_after_s: Option<u32>,
    /// The refusal's own stable code, where the engine gave one.
    pub(crate) reason: Option<Box<str>>,
    /// Must the connection be closed, because its request was not read to the end?
    pub(crate) close: bool,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// Where: a JSON pointer into the body, or a parameter's name.
    pub(crate) pointer: String,
    /// What kind.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation_id: Option<&'a InstanceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            cancellation_id: None,
            retry_after_s: None,
            reason: None,
            close: false,
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Several things are wrong: the first one names the problem.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let code = errors.first().map_or("invalid", |error| error.code);
        let details: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {}", error.pointer, error.detail))
            .collect();
        Self {
            errors,
            ..Self::bad_request(code, details.join("; "))
        }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn unavailable(code: &'static str, detail: &str, retry_after: Duration) -> Self {
        Self {
            retry_after_s: Some(u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    fn of_store(cause: &countermand::store::Error) -> Self {
        use countermand::store::Error;
        const SOON: Duration = Duration::from_secs(5);
        tracing::error!(error = %Chain(cause), "the store failed a request");
        match cause {
            Error::Corrupt { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable",
                "what is stored about this cannot be read; `verify` tells more",
            ),
            Error::CommitUnknown { .. } => Self::unavailable(
                "store_unavailable",
                "whether it was stored is not known; the same request again is safe",
                SOON,
            ),
            Error::Unusable { .. } | Error::Unavailable { .. } => {
                Self::unavailable("store_unavailable", "the store cannot be used now", SOON)
            }
        }
    }

    /// The document, with the id by which the log knows the request.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            cancellation_id: self.cancellation_id.as_ref(),
            reason: self.reason.as_deref(),
        };
        // Serialising strings and numbers cannot fail; an empty body would still have the status.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(location) = self.cancellation_id.as_ref().and_then(location) {
            headers.insert(header::LOCATION, location);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"countermand\""),
            );
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        (self.status, headers, body).into_response()
    }
}

/// The path of a cancellation.
pub(crate) fn location(id: &InstanceId) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("/v1/cancellations/{id}")).ok()
}

/// The problem travels to the outermost layer, which knows the request's id and renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        const SOON: Duration = Duration::from_secs(5);
        match error {
            Error::Invalid { problems } => Self::fields(
                problems
                    .into_iter()
                    .map(|problem| FieldError {
                        pointer: format!("/{}", problem.field),
                        code: "invalid",
                        detail: problem.message,
                    })
                    .collect(),
            ),
            Error::NotFound { what } => {
                Self::not_found(format!("there is no cancellation {}", echo(&what)))
            }
            Error::Refused { id, code, message } => Self {
                cancellation_id: Some(id),
                reason: Some(code.into()),
                ..Self::new(StatusCode::CONFLICT, "refused", message)
            },
            Error::BadEvents { index, message } => Self {
                errors: index
                    .map(|index| FieldError {
                        pointer: format!("/{index}"),
                        code: "event_invalid",
                        detail: message.clone(),
                    })
                    .into_iter()
                    .collect(),
                ..Self::bad_request(
                    "event_invalid",
                    index.map_or(message.clone(), |index| {
                        format!("member {index}: {message}")
                    }),
                )
            },
            Error::BadCursor => Self::bad_request("cursor", error.to_string()),
            Error::Overloaded { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let detail = format!(
                    "too much is waiting to be stored; the same request again is safe, in {seconds} s"
                );
                Self::unavailable("overloaded", &detail, retry_after)
            }
            Error::Defect { detail } => {
                tracing::error!(%detail, "a request could not be carried out");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "something is wrong with this program; its log knows the request by its id",
                )
            }
            Error::Closed => Self::unavailable("shutting_down", "the engine is stopping", SOON),
            Error::Store(cause) => Self::of_store(&cause),
        }
    }
}

/// An error with its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// A caller's own text, short and escaped.
pub(crate) fn echo(text: &str) -> String {
    let mut shown: String = text.chars().take(ECHO_CHARS).collect();
    if text.chars().nth(ECHO_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{}`", shown.escape_debug())
}
