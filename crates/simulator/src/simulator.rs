//! Start, handle, stop.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::chaos::{Fault, Remote};
use crate::deliver;
use crate::error::StartError;
use crate::graphql;
use crate::http::{self, App};
use crate::ledger::Ledger;
use crate::options::{Credentials, EventSink, Options};
use crate::scenario::Scenario;
use crate::seeded::Seed;
use crate::world::{Laws, SharedWorld, World};

/// How long connections may take to finish when the simulator stops.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The world outside, as a program.
#[derive(Debug)]
pub struct Simulator;

/// Where the remotes listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The address itself, without a path.
    pub base: String,
    /// Buy with Prime: access tokens.
    pub token: String,
    /// Buy with Prime: orders.
    pub graphql: String,
    /// The refund provider.
    pub refunds: String,
    /// The order management system.
    pub oms: String,
    /// The controls; `orders`, `ledger`, `faults` and `sink` are below it.
    pub control: String,
}

impl Endpoints {
    fn at(address: SocketAddr) -> Self {
        let base = format!("http://{address}");
        Self {
            token: format!("{base}/token"),
            graphql: format!("{base}/graphql"),
            refunds: format!("{base}/refunds"),
            oms: format!("{base}/oms"),
            control: format!("{base}/control"),
            base,
        }
    }
}

/// An order that was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// Its id.
    pub order_id: String,
    /// What will happen to it.
    pub scenario: Scenario,
}

impl Simulator {
    /// Listens, and lets the world begin.
    ///
    /// # Errors
    /// When the address is not a loopback address or cannot be listened on, or when a secret or
    /// an address among the options is malformed.
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        let listen = options.listen;
        if !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback { listen });
        }
        if let Some(sink) = options.event_sink.as_ref().filter(|sink| !sink.is_sound()) {
            return Err(StartError::EventSink {
                url: sink.url.clone(),
            });
        }
        let oms_signatures = options
            .credentials
            .oms_secret
            .as_deref()
            .map(standardwebhooks::Webhook::new)
            .transpose()
            .map_err(|source| StartError::OmsSecret { source })?
            .map(Arc::new);
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| StartError::Listen { listen, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { listen, source })?;

        let world: SharedWorld = Arc::new(World::new(Laws {
            seed: Seed::new(options.seed),
            chaos: options.chaos,
            pace: options.pace,
            credentials: options.credentials,
            mix: options.mix,
        }));
        let sink = Arc::new(RwLock::new(options.event_sink));
        let app = App {
            world: Arc::clone(&world),
            api: graphql::api(Arc::clone(&world)),
            sink: Arc::clone(&sink),
            oms_signatures,
        };
        let stop = CancellationToken::new();
        let server = tokio::spawn(http::serve(listener, app.clone(), stop.clone()));
        let motion = tokio::spawn(deliver::run(world, sink, options.client, stop.clone()));
        tracing::info!(%address, seed = options.seed, chaos = %options.chaos, "simulator listening");
        Ok(Handle {
            app,
            address,
            endpoints: Endpoints::at(address),
            stop,
            server: Some(server),
            motion: Some(motion),
        })
    }
}

/// A running simulator. Dropping it stops it, without waiting.
pub struct Handle {
    app: App,
    address: SocketAddr,
    endpoints: Endpoints,
    stop: CancellationToken,
    server: Option<JoinHandle<std::io::Result<()>>>,
    motion: Option<JoinHandle<()>>,
}

impl Handle {
    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL, without a path.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.endpoints.base
    }

    /// Where the remotes listen.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// What callers must present.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.app.world.laws.credentials
    }

    /// Everything that was seen and done so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.app.world.ledger()
    }

    /// Creates orders with ids and scenarios drawn from the seed.
    #[must_use]
    pub fn create_orders(&self, count: usize) -> Vec<NewOrder> {
        (0..count)
            .filter_map(|_| self.app.world.create_order(None, None))
            .map(|(order_id, scenario)| NewOrder { order_id, scenario })
            .collect()
    }

    /// Creates an order with this scenario, under a drawn id or the one given. `None` where an order
    /// has that id already.
    #[must_use]
    pub fn create_order(&self, order_id: Option<String>, scenario: Scenario) -> Option<NewOrder> {
        self.app
            .world
            .create_order(order_id, Some(scenario))
            .map(|(order_id, scenario)| NewOrder { order_id, scenario })
    }

    /// Events go there from now on; `None` keeps them until there is a sink again.
    pub fn set_event_sink(&self, sink: Option<EventSink>) {
        self.app.set_sink(sink);
    }

    /// The next so many calls of a remote go wrong in this way, before the seed decides again.
    pub fn force(&self, remote: Remote, fault: Fault, calls: usize) {
        self.app.world.force(remote, fault, calls);
    }

    /// The sections of a configuration file that point a daemon at this simulator.
    #[must_use]
    pub fn configuration(&self) -> String {
        let Endpoints {
            token,
            graphql,
            refunds,
            oms,
            ..
        } = &self.endpoints;
        let credentials = self.credentials();
        let mut text = format!(
            "[buy_with_prime]\nendpoint = \"{graphql}\"\ntoken_endpoint = \"{token}\"\n\
             client_id = \"{}\"\nclient_secret = \"{}\"\ntarget_id = \"{}\"\n\
             target_header = \"{}\"\n\n[refunds]\nurl = \"{refunds}\"\n\n[oms]\nurl = \"{oms}\"\n",
            credentials.client_id,
            credentials.client_secret,
            credentials.target_id,
            credentials.target_header,
        );
        if let Some(secret) = &credentials.oms_secret {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "secret = \"{secret}\"");
        }
        text
    }

    /// Stops, and waits until nothing runs any more: at most about a second. Once begun it stops
    /// even when its future is dropped.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(motion) = self.motion.take() {
            // It only fails by a panic, which the runtime has already reported.
            let _ = motion.await;
        }
        if let Some(mut server) = self.server.take()
            && timeout(STOP_WITHIN, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn set_sink(&self, sink: Option<EventSink>) {
        *self.sink.write().unwrap_or_else(PoisonError::into_inner) = sink;
        self.world.changed.notify_one();
    }
}
