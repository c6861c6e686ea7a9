//! What listens.

mod answers;
mod call;
mod connection;
mod control;
mod faults;
mod oms;
mod pieces;
mod refunds;
mod shop;
mod wire;

use std::io;
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::chaos::Remote;
use crate::graphql::Api;
use crate::options::EventSink;
use crate::world::SharedWorld;

use connection::{Cuttable, Door};
use faults::Gate;

pub(crate) use wire::{Weather, Wire};

/// Where events go, as it is just now.
pub(crate) type SharedSink = Arc<RwLock<Option<EventSink>>>;

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) world: SharedWorld,
    pub(crate) wire: Arc<Wire>,
    pub(crate) api: Api,
    pub(crate) sink: SharedSink,
    pub(crate) oms_signatures: Option<Arc<standardwebhooks::Webhook>>,
}

fn router(app: App) -> Router {
    let gate = |remote| {
        from_fn_with_state(
            Gate {
                wire: Arc::clone(&app.wire),
                seed: app.world.laws.seed,
                remote,
            },
            faults::pass,
        )
    };
    Router::new()
        .route("/token", post(shop::token).layer(gate(Remote::Token)))
        .route(
            "/graphql",
            post(shop::graphql).layer(gate(Remote::BuyWithPrime)),
        )
        .route(
            "/refunds",
            post(refunds::pay)
                .get(refunds::list)
                .layer(gate(Remote::Refunds)),
        )
        .route("/oms", post(oms::take).layer(gate(Remote::Oms)))
        .route(
            "/control/orders",
            post(control::create_orders).get(control::orders),
        )
        .route("/control/ledger", get(control::ledger))
        .route("/control/counters", get(control::counters))
        .route("/control/heal", post(control::heal))
        .route(
            "/control/faults",
            post(control::faults).delete(control::relent),
        )
        .route("/control/chaos", post(control::chaos))
        .route("/control/restart", post(control::restart))
        .route("/control/sink", post(control::sink))
        .route("/", get(control::index))
        .with_state(app)
}

/// Serves at one address until it is told to stop. The door of a remote shuts while that remote is
/// down.
pub(crate) async fn serve(
    listener: TcpListener,
    remote: Option<Remote>,
    app: App,
    stop: CancellationToken,
) -> io::Result<()> {
    let power = remote.and_then(|remote| app.wire.power(remote));
    let door = Door::new(listener, power)?;
    let service = router(app).into_make_service_with_connect_info::<Cuttable>();
    axum::serve(door, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// An error in the plain form that the provider, the OMS and the controls use.
fn refuse(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(json!({ "error": error }))).into_response()
}
