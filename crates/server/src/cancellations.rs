//! `/v1/cancellations`: ask, look, and the operator's four actions.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countermand::{
    CancelOutcome, CancellationPage, CaseReport, Conflict, Draft, Fact, HistoryEntry, InstanceId,
    Money, View,
};
use serde::Serialize;

use crate::app::App;
use crate::auth::{Caller, Need};
use crate::body::{self, BODY_MAX};
use crate::json::{self, Fields};
use crate::problem::{Problem, location};
use crate::query::{self, IdPath};

/// Who acts, where no tokens are configured.
const NOBODY: &str = "local";
/// Longest text of a note, in characters.
const NOTE_MAX: usize = 2000;
/// Longest name of an actor, in characters.
const ACTOR_MAX: usize = 128;

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let caller = app.admit(&headers, Need::Operate)?;
    let mut fields = object(&headers, body).await?;
    let draft = Draft {
        order_id: fields.required("orderId"),
        target_id: fields.text("targetId"),
        external_id: fields.text("externalId"),
        reason: fields.text("reason"),
        additional_comments: fields.text("additionalComments"),
    };
    fields.finish()?;
    match app.handle.cancel(&draft, caller.0.as_deref()).await? {
        CancelOutcome::Created(view) => Ok(located(StatusCode::ACCEPTED, &view)),
        CancelOutcome::Existing(view) => Ok(located(StatusCode::OK, &view)),
        CancelOutcome::Conflict(conflict) => Err(conflicting(conflict)),
    }
}

fn conflicting(conflict: Conflict) -> Problem {
    Problem {
        cancellation_id: Some(conflict.with),
        ..Problem::new(StatusCode::CONFLICT, conflict.why.code(), conflict.message)
    }
}

pub(crate) fn located(status: StatusCode, view: &View) -> Response {
    let mut response = (status, Json(view)).into_response();
    if let Some(location) = location(&view.id) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(crate) async fn list(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<CancellationPage>, Problem> {
    app.admit(&headers, Need::Read)?;
    let asked = query::listing(query.as_deref())?;
    let page = app
        .handle
        .list(&asked.filter, asked.cursor.as_deref(), asked.limit)
        .await?;
    Ok(Json(page))
}

pub(crate) async fn show(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
) -> Result<Json<View>, Problem> {
    app.admit(&headers, Need::Read)?;
    Ok(Json(app.handle.get(&query::id(path)?).await?))
}

/// The whole history of a cancellation.
#[derive(Serialize)]
pub(crate) struct History {
    items: Vec<HistoryEntry>,
}

pub(crate) async fn history(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
) -> Result<Json<History>, Problem> {
    app.admit(&headers, Need::Read)?;
    let items = app.handle.history(&query::id(path)?).await?;
    Ok(Json(History { items }))
}

/// A cancellation in plain language.
pub(crate) async fn report(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
) -> Result<Json<CaseReport>, Problem> {
    app.admit(&headers, Need::Read)?;
    // Only by its own id, as everywhere below this path.
    let view = app.handle.get(&query::id(path)?).await?;
    Ok(Json(app.handle.reader().report(view.id.as_str()).await?))
}

pub(crate) async fn retry(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<View>, Problem> {
    let mut order = Order::read(&app, path, &headers, body, Emptiness::Allowed).await?;
    let actor = order.actor();
    order.fields.finish()?;
    Ok(Json(app.handle.retry(&order.id, &actor).await?))
}

pub(crate) async fn withdraw(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<View>, Problem> {
    let mut order = Order::read(&app, path, &headers, body, Emptiness::Allowed).await?;
    let actor = order.actor();
    let note = order.fields.text("note").filter(|note| !note.is_empty());
    order.check_note("note", note.as_deref());
    order.fields.finish()?;
    let view = app
        .handle
        .withdraw(&order.id, &actor, note.as_deref())
        .await?;
    Ok(Json(view))
}

pub(crate) async fn resolve(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<View>, Problem> {
    let mut order = Order::read(&app, path, &headers, body, Emptiness::Refused).await?;
    let actor = order.actor();
    let note = order.fields.required("note");
    order.check_note("note", Some(&note));
    let fact = fact(&mut order.fields);
    order.fields.finish()?;
    let fact = fact.ok_or_else(|| Problem::bad_request("invalid", "the fact is incomplete"))?;
    let view = app.handle.resolve(&order.id, &actor, fact, &note).await?;
    Ok(Json(view))
}

pub(crate) async fn note(
    State(app): State<App>,
    path: IdPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<View>, Problem> {
    let mut order = Order::read(&app, path, &headers, body, Emptiness::Refused).await?;
    let actor = order.actor();
    let text = order.fields.required("text");
    order.check_note("text", Some(&text));
    order.fields.finish()?;
    Ok(Json(app.handle.note(&order.id, &actor, &text).await?))
}

/// The fact that a person supplies; its problems are noted in `fields`.
fn fact(fields: &mut Fields) -> Option<Fact> {
    let name = fields.required("fact");
    match name.as_str() {
        "cancelled" => Some(Fact::Cancelled),
        "rejected" => Some(Fact::Rejected),
        "not_sent" => Some(Fact::NotSent),
        "oms_told" => Some(Fact::OmsTold),
        "event_wrong" => Some(Fact::EventWrong),
        "refund_paid" => {
            let refund_id = fields.parsed("refundId");
            let payment_id = fields.parsed("paymentId");
            let amount = fields.object("amount", money);
            Some(Fact::RefundPaid {
                refund_id: refund_id?,
                payment_id: payment_id?,
                amount: amount?,
            })
        }
        "refund_not_due" => Some(Fact::RefundNotDue {
            refund_id: fields.parsed("refundId")?,
        }),
        "" => None,
        _ => {
            let detail = "must be one of cancelled, rejected, not_sent, refund_paid, \
                          refund_not_due, oms_told, event_wrong";
            fields.refuse("fact", "invalid", detail);
            None
        }
    }
}

fn money(fields: &mut Fields) -> Option<Money> {
    let amount = fields.required("amount");
    let currency = fields.required("currencyCode");
    if amount.is_empty() || currency.is_empty() {
        return None;
    }
    Money::parse(&amount, &currency)
        .map_err(|error| fields.refuse("amount", "invalid", error.to_string()))
        .ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Allowed,
    Refused,
}

/// An operator's order: about which cancellation, by whom, and the rest of the body.
struct Order {
    id: InstanceId,
    caller: Caller,
    fields: Fields,
}

impl Order {
    async fn read(
        app: &App,
        path: IdPath,
        headers: &HeaderMap,
        body: Body,
        emptiness: Emptiness,
    ) -> Result<Self, Problem> {
        let caller = app.admit(headers, Need::Operate)?;
        let id = query::id(path)?;
        let bare = emptiness == Emptiness::Allowed && !headers.contains_key(header::CONTENT_TYPE);
        let fields = if bare {
            let bytes = body::read(headers, body, BODY_MAX).await?;
            if !bytes.is_empty() {
                body::require_json(headers)?;
            }
            Fields::empty()
        } else if emptiness == Emptiness::Allowed {
            body::require_json(headers)?;
            let bytes = body::read(headers, body, BODY_MAX).await?;
            if bytes.is_empty() {
                Fields::empty()
            } else {
                Fields::of(json::read(&bytes)?)?
            }
        } else {
            object(headers, body).await?
        };
        Ok(Self { id, caller, fields })
    }

    fn actor(&mut self) -> String {
        actor(&mut self.fields, &self.caller)
    }

    fn check_note(&mut self, field: &str, text: Option<&str>) {
        let Some(text) = text else { return };
        let length = text.chars().count();
        if length > NOTE_MAX {
            let detail = format!("has {length} characters, at most {NOTE_MAX} are allowed");
            self.fields.refuse(field, "too_long", detail);
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            self.fields
                .refuse(field, "charset", "holds a control character");
        } else if text.trim().is_empty() && !self.fields.has_problem(field) {
            self.fields.refuse(field, "invalid", "is blank");
        }
    }
}

/// Who acts: whoever the caller says, else the token's name.
pub(crate) fn actor(fields: &mut Fields, caller: &Caller) -> String {
    let named = fields.text("actor");
    if let Some(name) = &named {
        let sound = !name.trim().is_empty()
            && name.chars().count() <= ACTOR_MAX
            && !name.chars().any(char::is_control);
        if !sound {
            let detail = format!("must have 1 to {ACTOR_MAX} characters, none a control one");
            fields.refuse("actor", "invalid", detail);
        }
    }
    named
        .or_else(|| caller.0.clone())
        .unwrap_or_else(|| NOBODY.to_owned())
}

/// The body, which must be one JSON object.
pub(crate) async fn object(headers: &HeaderMap, body: Body) -> Result<Fields, Problem> {
    body::require_json(headers)?;
    let bytes = body::read(headers, body, BODY_MAX).await?;
    Fields::of(json::read(&bytes)?)
}
