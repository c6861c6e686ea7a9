//! `POST /v1/observations`: looks at an order whose events may have been lost. It never cancels.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use countermand::{ObserveOutcome, OrderId, TargetId};

use crate::app::App;
use crate::auth::Need;
use crate::cancellations::{actor, located, object};
use crate::problem::Problem;

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let caller = app.admit(&headers, Need::Operate)?;
    let mut fields = object(&headers, body).await?;
    let order_id: Option<OrderId> = fields.parsed("orderId");
    let target_id = fields.text("targetId").and_then(|text| {
        text.parse::<TargetId>()
            .map_err(|error| fields.refuse("targetId", "invalid", error.to_string()))
            .ok()
    });
    let actor = actor(&mut fields, &caller);
    fields.finish()?;
    let order_id =
        order_id.ok_or_else(|| Problem::bad_request("invalid", "the order id is missing"))?;
    let handle = &app.handle;
    match handle
        .observe(target_id.as_ref(), &order_id, Some(&actor))
        .await?
    {
        ObserveOutcome::Created(view) => Ok(located(StatusCode::ACCEPTED, &view)),
        ObserveOutcome::Existing(view) => Ok(located(StatusCode::OK, &view)),
    }
}
