//! What the tests have in common.

mod faulty;
mod parcel;
mod prove;
mod remote;
mod world;

pub(crate) use faulty::{Fault, FaultyStore, Freeze, Moment};
pub(crate) use parcel::{Effect, Input, Parcel, Phase, Ship, State};
pub(crate) use prove::prove;
pub(crate) use remote::{Behaviour, Courier, Remotes};
pub(crate) use world::{KillableWorld, virtual_clock};

use std::sync::Arc;
use std::time::Duration;

use countermand_core::Backoff;
use countermand_runner::{Engine, Handle, Instance, Options, Retry, Started, World};
use countermand_store::{MemoryStore, Row, Store};

/// Options with short waits.
pub(crate) fn options() -> Options {
    Options {
        budget: Duration::from_secs(2),
        slack: Duration::from_millis(500),
        retry: Retry {
            backoff: Backoff {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(5),
            },
            attempts: 0,
        },
        ..Options::default()
    }
}

/// A workflow with short waits.
pub(crate) fn parcel() -> Arc<Parcel> {
    Arc::new(Parcel::default())
}

/// An engine over a memory store on virtual time, and everything to look into it.
pub(crate) struct Rig {
    pub(crate) handle: Handle<Parcel, MemoryStore>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) remotes: Arc<Remotes>,
    pub(crate) world: Arc<KillableWorld>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(options(), parcel(), 1)
    }

    pub(crate) fn with(options: Options, workflow: Arc<Parcel>, seed: u64) -> Self {
        let store = Arc::new(MemoryStore::new(virtual_clock()));
        Self::over(store, Arc::new(Remotes::new()), options, workflow, seed)
    }

    pub(crate) fn over(
        store: Arc<MemoryStore>,
        remotes: Arc<Remotes>,
        options: Options,
        workflow: Arc<Parcel>,
        seed: u64,
    ) -> Self {
        let world = Arc::new(KillableWorld::seeded(seed));
        let handle = launch(store.clone(), remotes.clone(), options, workflow, &world);
        Self {
            handle,
            store,
            remotes,
            world,
        }
    }

    pub(crate) async fn start(&self, name: &str) -> Instance<State> {
        created(self.handle.start(Ship::new(name)).await.unwrap())
    }

    /// Waits until it is finished.
    pub(crate) async fn finished(&self, instance: &Instance<State>) -> Instance<State> {
        let done = |now: &Instance<State>| now.row.finished_at.is_some();
        let wait = self.handle.wait_until(&instance.row.id, done);
        let minutes = Duration::from_secs(3600);
        let done = tokio::time::timeout(minutes, wait).await;
        done.expect("not finished within an hour")
            .unwrap()
            .expect("the engine stopped")
    }

    pub(crate) async fn prove(&self) -> Vec<Row> {
        prove(&*self.store, &Parcel::default()).await
    }
}

pub(crate) fn launch<S: Store>(
    store: Arc<S>,
    remotes: Arc<Remotes>,
    options: Options,
    workflow: Arc<Parcel>,
    world: &Arc<KillableWorld>,
) -> Handle<Parcel, S> {
    let dynamic: Arc<dyn World> = world.clone();
    let courier = Arc::new(Courier {
        remotes,
        world: dynamic.clone(),
    });
    Engine::new(options, workflow, store, courier, dynamic).start()
}

pub(crate) fn created(started: Started<State>) -> Instance<State> {
    match started {
        Started::Created(instance) => instance,
        other => panic!("not created: {other:?}"),
    }
}
