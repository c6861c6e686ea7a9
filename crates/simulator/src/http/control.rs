//! The controls: for whoever runs the simulator, not part of the simulated world.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chaos::{Fault, Remote};
use crate::http::{App, refuse};
use crate::ledger::{Ledger, OrderRecord};
use crate::options::EventSink;
use crate::scenario::Scenario;
use crate::simulator::NewOrder;

/// Most orders created by one call.
const ORDERS_MAX: usize = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateOrders {
    #[serde(default)]
    orders: Vec<Wanted>,
    /// So many more, with ids and scenarios drawn from the seed.
    #[serde(default)]
    count: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    scenario: Option<Scenario>,
}

#[derive(Serialize)]
struct Created {
    orders: Vec<NewOrder>,
}

/// `POST /control/orders`.
pub(crate) async fn create_orders(
    State(app): State<App>,
    Json(wanted): Json<CreateOrders>,
) -> Response {
    if wanted.count.saturating_add(wanted.orders.len()) > ORDERS_MAX {
        return refuse(
            StatusCode::BAD_REQUEST,
            "at most 100000 orders are created by one call",
        );
    }
    let unnamed = std::iter::repeat_with(|| Wanted {
        order_id: None,
        scenario: None,
    })
    .take(wanted.count);
    let mut orders = Vec::new();
    for order in wanted.orders.into_iter().chain(unnamed) {
        let id = order.order_id.clone();
        let created = app.world.create_order(order.order_id, order.scenario);
        let Some((order_id, scenario)) = created else {
            let id = id.unwrap_or_default();
            return refuse(StatusCode::CONFLICT, &format!("order {id} exists already"));
        };
        orders.push(NewOrder { order_id, scenario });
    }
    (StatusCode::CREATED, Json(Created { orders })).into_response()
}

#[derive(Serialize)]
pub(crate) struct Orders {
    orders: Vec<OrderRecord>,
}

/// `GET /control/orders`.
pub(crate) async fn orders(State(app): State<App>) -> Json<Orders> {
    Json(Orders {
        orders: app.world.orders(),
    })
}

/// `GET /control/ledger`.
pub(crate) async fn ledger(State(app): State<App>) -> Json<Ledger> {
    Json(app.world.ledger())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forced {
    remote: Remote,
    #[serde(flatten)]
    fault: Fault,
    #[serde(default = "once")]
    calls: usize,
}

const fn once() -> usize {
    1
}

/// Most calls that one order of `POST /control/faults` lets go wrong.
const FORCED_MAX: usize = 10_000;

/// `POST /control/faults`: the next calls of a remote go wrong in a given way.
pub(crate) async fn faults(State(app): State<App>, Json(forced): Json<Forced>) -> Response {
    if forced.calls > FORCED_MAX {
        return refuse(StatusCode::BAD_REQUEST, "at most 10000 calls");
    }
    app.world.force(forced.remote, forced.fault, forced.calls);
    StatusCode::NO_CONTENT.into_response()
}

/// `POST /control/sink`: where events go from now on; `null` keeps them.
pub(crate) async fn sink(State(app): State<App>, Json(sink): Json<Option<EventSink>>) -> Response {
    if let Some(sink) = &sink
        && !sink.is_sound()
    {
        return refuse(StatusCode::BAD_REQUEST, "the url is no http address");
    }
    app.set_sink(sink);
    StatusCode::NO_CONTENT.into_response()
}

/// `GET /`: what is here.
pub(crate) async fn index(State(app): State<App>) -> Response {
    let laws = &app.world.laws;
    Json(json!({
        "simulator": "countermand",
        "seed": laws.seed.value(),
        "chaos": laws.chaos,
        "remotes": {
            "POST /token": "Buy with Prime: access tokens",
            "POST /graphql": "Buy with Prime: orders",
            "POST /refunds, GET /refunds?refundId=": "the refund provider",
            "POST /oms": "the order management system",
        },
        "controls": {
            "POST /control/orders": "create orders: {orders: [{orderId?, scenario?}], count?}",
            "GET /control/orders": "all orders as they stand",
            "GET /control/ledger": "everything that was seen and done",
            "POST /control/faults": "{remote, fault, calls?}",
            "POST /control/sink": "where events go: {url, token?} or null",
        },
        "scenarios": Scenario::ALL,
    }))
    .into_response()
}
