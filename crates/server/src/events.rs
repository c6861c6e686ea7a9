//! `POST /v1/events`: events in every form, acknowledged once they are durable.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use countermand::Ingested;
use tokio::time::timeout;

use crate::app::App;
use crate::auth::Need;
use crate::body::{self, EVENTS_MAX};
use crate::json;
use crate::problem::Problem;

/// `EventBridge` gives up after 5 s: an answer must have left before.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

pub(crate) async fn ingest(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Ingested>), Problem> {
    app.admit(&headers, Need::Ingest)?;
    body::require_json(&headers)?;
    let bytes = body::read(&headers, body, EVENTS_MAX).await?;
    json::read(&bytes)?;
    match timeout(ANSWER_WITHIN, app.handle.ingest(&bytes, "http")).await {
        Ok(ingested) => Ok((StatusCode::ACCEPTED, Json(ingested?))),
        Err(_) => Err(Problem::unavailable(
            "overloaded",
            "the events could not be stored in time; send them again",
            Duration::from_secs(5),
        )),
    }
}
