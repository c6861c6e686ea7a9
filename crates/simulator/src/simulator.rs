//! Start, handle, stop.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::chaos::{Chaos, Fault, Remote};
use crate::deliver;
use crate::error::StartError;
use crate::graphql;
use crate::http::{self, App, Weather, Wire};
use crate::ledger::{Counters, Ledger};
use crate::operation::Aim;
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
    /// The controls; `orders`, `ledger`, `counters`, `faults`, `restart` and `sink` are below it.
    pub control: String,
}

impl Endpoints {
    fn at(address: SocketAddr, doors: &BTreeMap<Remote, SocketAddr>) -> Self {
        let base = format!("http://{address}");
        let at = |remote, path| {
            let door = doors.get(&remote).copied().unwrap_or(address);
            format!("http://{door}/{path}")
        };
        Self {
            token: at(Remote::Token, "token"),
            graphql: at(Remote::BuyWithPrime, "graphql"),
            refunds: at(Remote::Refunds, "refunds"),
            oms: at(Remote::Oms, "oms"),
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
        let (listener, address) = open(listen).await?;
        let mut doors = Vec::new();
        if listen.port() == 0 {
            for remote in Remote::ALL {
                doors.push((remote, open(listen).await?));
            }
        }

        let mut levels: BTreeMap<_, _> = Remote::ALL
            .into_iter()
            .map(|remote| (remote, options.chaos))
            .collect();
        levels.extend(options.chaos_per_remote);
        let weather = Weather {
            seed: Seed::new(options.seed),
            pace: options.pace,
        };
        let wire = Arc::new(Wire::new(weather, levels));
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
            wire,
            api: graphql::api(Arc::clone(&world)),
            sink: Arc::clone(&sink),
            oms_signatures,
        };
        let stop = CancellationToken::new();
        let addresses = doors
            .iter()
            .map(|(remote, (_, address))| (*remote, *address))
            .collect();
        let mut servers = vec![tokio::spawn(http::serve(
            listener,
            None,
            app.clone(),
            stop.clone(),
        ))];
        for (remote, (listener, _)) in doors {
            let serve = http::serve(listener, Some(remote), app.clone(), stop.clone());
            servers.push(tokio::spawn(serve));
        }
        let motion = tokio::spawn(deliver::run(world, sink, options.client, stop.clone()));
        tracing::info!(%address, seed = options.seed, chaos = %options.chaos, "simulator listening");
        Ok(Handle {
            app,
            address,
            endpoints: Endpoints::at(address, &addresses),
            stop,
            servers,
            motion: Some(motion),
        })
    }
}

async fn open(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// A running simulator. Dropping it stops it, without waiting.
pub struct Handle {
    app: App,
    address: SocketAddr,
    endpoints: Endpoints,
    stop: CancellationToken,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
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
        self.app.ledger()
    }

    /// What was counted on the way to the remotes and back. Cheap, other than the ledger.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.app.wire.counters()
    }

    /// Mutations that arrived and are not answered yet, just now. Very cheap.
    #[must_use]
    pub fn open_mutations(&self) -> u64 {
        self.app.wire.open_mutations()
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

    /// Sets right what the scenario of an order needs a person for, as far as the world goes: the
    /// packages appear, the OMS takes its messages, and so on; see [`Scenario`]. `None` where there
    /// is no such order; `false` where nothing was wrong, or it was set right already.
    #[must_use]
    pub fn heal(&self, order_id: &str) -> Option<bool> {
        self.app.world.heal(order_id)
    }

    /// Events go there from now on; `None` keeps them until there is a sink again.
    pub fn set_event_sink(&self, sink: Option<EventSink>) {
        self.app.set_sink(sink);
    }

    /// The next so many calls of a remote go wrong in this way, before the seed decides again.
    pub fn force(&self, remote: Remote, fault: Fault, calls: usize) {
        self.app.wire.force(remote, Aim::ANY, fault, calls);
    }

    /// The same for the next so many calls that `aim` takes: reads, mutations, or one operation.
    pub fn force_on(&self, remote: Remote, aim: impl Into<Aim>, fault: Fault, calls: usize) {
        self.app.wire.force(remote, aim.into(), fault, calls);
    }

    /// Forgets the forced faults of a remote that have not struck yet.
    pub fn relent(&self, remote: Remote) {
        self.app.wire.relent(remote);
    }

    /// From now on so much goes wrong with the calls of this remote.
    pub fn set_chaos(&self, remote: Remote, chaos: Chaos) {
        self.app.wire.set_chaos(remote, chaos);
    }

    /// The remote goes down now and comes back after so long, as it was. Its connections are cut;
    /// new ones are refused where it has a port of its own, else cut.
    pub fn restart(&self, remote: Remote, down: Duration) {
        self.app.wire.restart(remote, down);
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
        self.app.wire.close();
        if let Some(motion) = self.motion.take() {
            // It only fails by a panic, which the runtime has already reported.
            let _ = motion.await;
        }
        let deadline = Instant::now() + STOP_WITHIN;
        for server in &mut self.servers {
            if timeout_at(deadline, &mut *server).await.is_err() {
                server.abort();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.app.wire.close();
        for server in &self.servers {
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
    /// Everything that was seen and done so far.
    pub(crate) fn ledger(&self) -> Ledger {
        // In this order: a late effect that comes in between counts as still to come.
        let counters = self.wire.counters();
        let world = self.world.ledger();
        let late = usize::try_from(counters.late_effects_to_come).unwrap_or(usize::MAX);
        Ledger {
            requests: counters.requests,
            under_way: world.under_way.saturating_add(late),
            ..world
        }
    }

    pub(crate) fn set_sink(&self, sink: Option<EventSink>) {
        *self.sink.write().unwrap_or_else(PoisonError::into_inner) = sink;
        self.world.changed.notify_one();
    }
}
