//! What every route shares, and the routes themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use countermand::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::auth::{Caller, Need, Token, admit};
use crate::problem::Problem;
use crate::{cancellations, events, layers, observations};

/// Requests that are worked on at once; more are refused.
const REQUESTS_MAX: usize = 512;

/// How long a failed commit makes us unready, unless one succeeds before. Then requests are let in
/// again: without any, nothing would show that the store has recovered.
const UNREADY_FOR: Duration = Duration::from_secs(10);

/// How the API is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who may ask what. Without any token everybody may, and only loopback may be listened on.
    pub tokens: Vec<Token>,
}

/// What every route shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) handle: Handle,
    tokens: Arc<[Token]>,
    pub(crate) places: Arc<Semaphore>,
    /// Only requests that were addressed to this machine are answered.
    pub(crate) only_local: bool,
}

impl App {
    /// Lets a request through, or not.
    pub(crate) fn admit(&self, headers: &HeaderMap, need: Need) -> Result<Caller, Problem> {
        admit(&self.tokens, headers, need)
    }
}

/// The HTTP API of an engine, to be served or nested. Its errors are RFC 9457 documents.
///
/// Whoever serves it must see to it that it is not reachable from elsewhere when `options` has no
/// tokens; [`serve`](crate::serve) does.
pub fn router(handle: Handle, options: Options) -> Router {
    routes(handle, options, false)
}

/// See [`router`]. With `only_local`, what a page in a browser asks under a name of its own is
/// refused, even where that name resolves to this machine.
pub(crate) fn routes(handle: Handle, options: Options, only_local: bool) -> Router {
    let app = App {
        handle,
        tokens: options.tokens.into(),
        places: Arc::new(Semaphore::new(REQUESTS_MAX)),
        only_local,
    };
    let api = Router::new()
        .route(
            "/v1/cancellations",
            get(cancellations::list).post(cancellations::create),
        )
        .route("/v1/cancellations/{id}", get(cancellations::show))
        .route(
            "/v1/cancellations/{id}/history",
            get(cancellations::history),
        )
        .route("/v1/cancellations/{id}/report", get(cancellations::report))
        .route("/v1/cancellations/{id}/retry", post(cancellations::retry))
        .route(
            "/v1/cancellations/{id}/withdraw",
            post(cancellations::withdraw),
        )
        .route(
            "/v1/cancellations/{id}/resolve",
            post(cancellations::resolve),
        )
        .route("/v1/cancellations/{id}/notes", post(cancellations::note))
        .route("/v1/events", post(events::ingest))
        .route("/v1/observations", post(observations::create))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), layers::bounds));
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .merge(api)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(layers::envelope))
        .with_state(app)
}

/// The process is alive.
async fn alive() -> &'static str {
    "ok\n"
}

/// The engine takes up work, and its store answers and keeps what it is given. What cannot be worked
/// on is counted: whoever asks here needs no token, so the log and `verify` tell which it is.
async fn ready(State(app): State<App>) -> Response {
    let wait = Duration::from_secs(2);
    let stopping = || Problem::unavailable("shutting_down", "the engine is stopping", wait);
    if !app.handle.is_running() {
        return stopping().into_response();
    }
    if let Some((ago, why)) = app.handle.commit_failure()
        && ago < UNREADY_FOR
    {
        let detail = format!("the store could not keep what it was given last: {why}");
        return Problem::unavailable("store_unavailable", &detail, wait).into_response();
    }
    match timeout(wait, app.handle.reader().ping()).await {
        Ok(Ok(())) => match app.handle.troubled().len() {
            0 => "ready\n".into_response(),
            1 => "ready\n1 cancellation cannot be worked on: see the log, and run `verify`\n"
                .into_response(),
            count => format!(
                "ready\n{count} cancellations cannot be worked on: see the log, and run `verify`\n"
            )
            .into_response(),
        },
        Ok(Err(error)) => Problem::from(error).into_response(),
        Err(_) => {
            let detail = "the store does not answer";
            Problem::unavailable("store_unavailable", detail, wait).into_response()
        }
    }
}

async fn no_such_path(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    // Whoever has no token learns nothing about what is here.
    app.admit(&headers, Need::Read).or_else(|problem| {
        if problem.status == StatusCode::FORBIDDEN {
            Ok(Caller(None))
        } else {
            Err(problem)
        }
    })?;
    let path = crate::problem::echo(uri.path());
    Err(Problem::not_found(format!("there is nothing at {path}")))
}

async fn no_such_method(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!(
            "{} is not possible here",
            crate::problem::echo(method.as_str())
        ),
    )
}
