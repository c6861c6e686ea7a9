//! The controls: for whoever runs the simulator, not part of the simulated world.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chaos::{Chaos, Fault, FaultKind, Remote};
use crate::http::{App, refuse};
use crate::ledger::{Counters, Ledger, OrderRecord};
use crate::operation::Aim;
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Healed {
    order_id: String,
}

/// `POST /control/heal`: what a person was needed for is set right, as far as the world goes.
pub(crate) async fn heal(State(app): State<App>, Json(wanted): Json<Healed>) -> Response {
    match app.world.heal(&wanted.order_id) {
        None => refuse(
            StatusCode::NOT_FOUND,
            &format!("there is no order {}", wanted.order_id),
        ),
        Some(changed) => Json(json!({ "healed": changed })).into_response(),
    }
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
    Json(app.ledger())
}

/// `GET /control/counters`.
pub(crate) async fn counters(State(app): State<App>) -> Json<Counters> {
    Json(app.wire.counters())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forced {
    remote: Remote,
    #[serde(flatten)]
    fault: Fault,
    #[serde(default)]
    on: Aim,
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
    let Forced {
        remote,
        fault,
        on,
        calls,
    } = forced;
    if calls > FORCED_MAX {
        return refuse(StatusCode::BAD_REQUEST, "at most 10000 calls");
    }
    if let Some(kind) = fault.kind().filter(|kind| !kind.fits(remote)) {
        let why = format!("{kind} makes no sense with {remote}");
        return refuse(StatusCode::BAD_REQUEST, &why);
    }
    app.wire.force(remote, on, fault, calls);
    StatusCode::NO_CONTENT.into_response()
}

/// `DELETE /control/faults`: what was forced and has not struck yet is forgotten.
pub(crate) async fn relent(State(app): State<App>) -> Response {
    for remote in Remote::ALL {
        app.wire.relent(remote);
    }
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Level {
    /// `None`: all of them.
    #[serde(default)]
    remote: Option<Remote>,
    chaos: Chaos,
}

/// `POST /control/chaos`: from now on so much goes wrong.
pub(crate) async fn chaos(State(app): State<App>, Json(level): Json<Level>) -> Response {
    for remote in Remote::ALL {
        if level.remote.is_none_or(|wanted| wanted == remote) {
            app.wire.set_chaos(remote, level.chaos);
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Restarted {
    remote: Remote,
    down_ms: u64,
}

/// `POST /control/restart`: a remote goes down now, for a while.
pub(crate) async fn restart(State(app): State<App>, Json(wanted): Json<Restarted>) -> Response {
    let down = Duration::from_millis(wanted.down_ms);
    app.wire.restart(wanted.remote, down);
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
            "POST /control/heal": "{orderId}: end what its scenario needs a person for",
            "GET /control/ledger": "everything that was seen and done",
            "GET /control/counters": "calls, faults, mutations under way",
            "POST /control/faults": "{remote, fault, calls?, on?: reads, mutations, an operation}",
            "DELETE /control/faults": "forget the forced faults",
            "POST /control/chaos": "{chaos, remote?}: from now on so much goes wrong",
            "POST /control/restart": "{remote, downMs}: a remote goes down for a while",
            "POST /control/sink": "where events go: {url, token?} or null",
        },
        "scenarios": Scenario::ALL,
        "faults": FaultKind::ALL,
    }))
    .into_response()
}
