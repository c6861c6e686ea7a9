//! An engine: [`Options`] and everything it works with; started, it is a [`Handle`].

use std::sync::Arc;

use countermand_core::Workflow;
use countermand_store::Store;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::committer::Committer;
use crate::dispatcher::Dispatcher;
use crate::embargo::Embargo;
use crate::gate::Gates;
use crate::lane::Tools;
use crate::shared::{Commits, Hints, KillSwitch, Quarantine, Shared};
use crate::shelf::Shelf;
use crate::sights::Sights;
use crate::spending::Purse;
use crate::{Handle, Options, Perform, World};

/// An engine that is not started yet.
pub struct Engine<W, S, P> {
    options: Options,
    workflow: Arc<W>,
    store: Arc<S>,
    performer: Arc<P>,
    world: Arc<dyn World>,
}

impl<W: Workflow, S: Store, P: Perform<W>> Engine<W, S, P> {
    /// An engine for one workflow on one store.
    pub fn new(
        options: Options,
        workflow: Arc<W>,
        store: Arc<S>,
        performer: Arc<P>,
        world: Arc<dyn World>,
    ) -> Self {
        Self {
            options,
            workflow,
            store,
            performer,
            world,
        }
    }

    /// Starts it. With [`TokioWorld`](crate::TokioWorld), to be called inside a `tokio` runtime.
    #[must_use = "the engine stops when its last handle is dropped"]
    pub fn start(self) -> Handle<W, S> {
        let (inside, from_inside) = mpsc::unbounded_channel();
        let (outside, from_outside) = mpsc::channel(self.options.queue.max(1));
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let (resting, rested) = watch::channel(u64::MAX);
        let options = Arc::new(self.options);
        let world = self.world;
        let shared = Arc::new(Shared {
            workflow: self.workflow,
            store: self.store,
            options: options.clone(),
            world: world.clone(),
            shelf: Shelf::default(),
            sights: Sights::default(),
            hints: Hints::default(),
            quarantine: Quarantine::default(),
            commits: Commits::default(),
            changes,
            inside,
            pause: KillSwitch::default(),
            embargo: Embargo::default(),
            purse: Purse::new(options.spending.clone()),
            stopping: CancellationToken::new(),
            halted: CancellationToken::new(),
        });
        let (finish, abort) = (CancellationToken::new(), CancellationToken::new());
        let closed = CancellationToken::new();

        let committer = Committer {
            shared: shared.clone(),
            inside: from_inside,
            outside: from_outside,
            finish: finish.clone(),
            abort: abort.clone(),
        };
        let on_close = closed.clone().drop_guard();
        world.spawn(Box::pin(async move {
            committer.run().await;
            drop(on_close);
        }));

        let workers = TaskTracker::new();
        let dispatcher = Dispatcher {
            shared: shared.clone(),
            tools: Arc::new(Tools::new(
                self.performer,
                Gates::new(world.clone(), options),
                shared.store.clone(),
            )),
            workers: workers.clone(),
            resting,
        };
        // Without a dispatcher nothing is taken up any more: better to stop than to seem alive.
        let on_end = shared.stopping.clone().drop_guard();
        world.spawn(Box::pin(workers.track_future(async move {
            dispatcher.run().await;
            drop(on_end);
        })));

        let stopping = shared.stopping.clone();
        world.spawn(Box::pin(async move {
            stopping.cancelled().await;
            workers.close();
            workers.wait().await;
            finish.cancel();
        }));
        Handle::new(shared, outside, rested, abort, closed)
    }
}

impl<W: Workflow, S, P> std::fmt::Debug for Engine<W, S, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("kind", &W::KIND)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// How far a reader of changes may fall behind before it misses some.
const CHANGES_KEPT: usize = 4096;
