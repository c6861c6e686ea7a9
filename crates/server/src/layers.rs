//! What surrounds every request: bounds, an id, a log line, headers, and the rendering of problems.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::app::App;
use crate::problem::Problem;

/// Longest path and query.
const URI_MAX: usize = 4096;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Most bytes of all headers of a request.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// A request must be answered within this, its body included.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Refuses what is too much: long addresses, many headers, many requests at once, requests of
/// somebody else's web page.
pub(crate) async fn bounds(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Err(problem) = check(&request) {
        return problem.into_response();
    }
    if app.only_local && !is_addressed_here(&request) {
        return Problem::bad_request(
            "host",
            "without tokens only requests to localhost or a loopback address are answered",
        )
        .into_response();
    }
    let Ok(_place) = app.places.clone().try_acquire_owned() else {
        return overloaded("too many requests at once").into_response();
    };
    match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => overloaded("the request took too long; whether it was carried out is not known")
            .into_response(),
    }
}

fn overloaded(detail: &str) -> Problem {
    Problem::unavailable("overloaded", detail, Duration::from_secs(1))
}

fn check(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let length = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if length > URI_MAX {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            format!("the address may have {URI_MAX} characters at most"),
        ));
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            format!("at most {HEADERS_MAX} headers of {HEADER_BYTES_MAX} bytes together"),
        ));
    }
    if *request.method() == Method::POST && from_another_site(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "this may not be asked by another site's page",
        ));
    }
    Ok(())
}

/// Was the request addressed to this machine by a name that nobody else can point at it? A browser
/// always says which name it used; a program that says none is let through.
fn is_addressed_here(request: &Request) -> bool {
    let named = request.headers().get_all(header::HOST).iter();
    let named = named.map(|host| host.to_str().ok().and_then(|host| host.parse().ok()));
    let target = request.uri().authority().cloned().map(Some);
    named
        .chain(target)
        .all(|authority| authority.is_some_and(|authority: Authority| is_local(authority.host())))
}

fn is_local(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || bare
            .unwrap_or(host)
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Browsers say so; programs send nothing of the kind.
fn from_another_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// The outermost layer: gives the request an id, catches panics, renders problems, and sets the
/// headers that every answer has.
pub(crate) async fn envelope(request: Request, next: Next) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let method = request.method().clone();
    let path: String = request.uri().path().escape_debug().take(128).collect();
    let answered = std::panic::AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = answered.await.unwrap_or_else(|_| {
        tracing::error!(%request_id, %path, "a request made the server panic");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something is wrong with this program; its log knows the request by its id",
        )
        .into_response()
    });
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(&request_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let status = response.status();
    tracing::debug!(%request_id, %method, %path, status = status.as_u16(), "request");
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    if let Ok(value) = HeaderValue::try_from(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}
