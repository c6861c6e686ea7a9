//! The engine's side: whole workflows through the public handle, on a SQLite file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countermand_core::InstanceId;
use countermand_runner::{Engine, Handle, Limits, Options, Started, TokioWorld};
use countermand_store::SqliteStore;
use tokio::sync::{broadcast, oneshot};

use crate::ladder::{Climber, Input, Ladder, Request};
use crate::report::Run;

type Calls = Arc<Mutex<HashMap<InstanceId, oneshot::Sender<()>>>>;

/// Who waits for an instance to come to the rung where it wants the event, and to its end.
#[derive(Clone, Default)]
struct Waiters {
    waiting: Calls,
    finished: Calls,
}

/// Runs `workflows` of them, `in_flight` at a time.
pub(crate) async fn run(
    directory: &Path,
    workflows: usize,
    in_flight: usize,
) -> anyhow::Result<Run> {
    let file = directory.join("engine.db");
    let store = Arc::new(SqliteStore::open(file.as_path()).await?);
    let options = Options {
        concurrency: in_flight.max(64),
        held: in_flight.max(64) * 2,
        remote: Limits {
            concurrency: in_flight.max(64),
            ..Limits::default()
        },
        ..Options::default()
    };
    let world = Arc::new(TokioWorld::new());
    let engine = Engine::new(
        options,
        Arc::new(Ladder),
        store.clone(),
        Arc::new(Climber),
        world,
    );
    let handle = engine.start();
    let waiters = Waiters::default();
    let listener = tokio::spawn(listen(handle.clone(), waiters.clone()));

    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..in_flight {
        let share = workflows / in_flight + usize::from(client < workflows % in_flight);
        clients.push(tokio::spawn(climb(
            handle.clone(),
            waiters.clone(),
            client,
            share,
        )));
    }
    let mut latencies = Vec::with_capacity(workflows);
    for client in clients {
        latencies.extend(client.await??);
    }
    let took = began.elapsed();
    listener.abort();
    handle.shutdown(Duration::from_secs(5)).await;
    drop(handle);
    store.close().await;
    let bytes = std::fs::metadata(&file)?.len();
    Ok(Run::new(took, latencies, bytes))
}

async fn climb(
    handle: Handle<Ladder, SqliteStore>,
    waiters: Waiters,
    client: usize,
    share: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(share);
    for nth in 0..share {
        let began = Instant::now();
        let request = Request::Started {
            order: format!("order-{client}-{nth}"),
        };
        let Started::Created(instance) = handle.start(request).await? else {
            anyhow::bail!("an order came twice");
        };
        let id = instance.row.id;
        let (waiting, finished) = waiters.expect(&id);
        // It may have come there before anybody waited.
        if handle.get(&id).await?.state.rung < crate::ladder::WAITING {
            waiting.await?;
        }
        handle.submit(&id, Input::Called, false).await?;
        finished.await?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

impl Waiters {
    fn expect(&self, id: &InstanceId) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
        let expect = |calls: &Calls| {
            let (call, called) = oneshot::channel();
            lock(calls).insert(id.clone(), call);
            called
        };
        (expect(&self.waiting), expect(&self.finished))
    }
}

async fn listen(handle: Handle<Ladder, SqliteStore>, waiters: Waiters) {
    let mut changes = handle.changes();
    loop {
        match changes.recv().await {
            Ok(change) => {
                let calls = match change.phase.as_str() {
                    "three" => &waiters.waiting,
                    "seven" => &waiters.finished,
                    _ => continue,
                };
                if let Some(call) = lock(calls).remove(&change.id) {
                    // Nobody waits any more: then nobody needs to be told.
                    call.send(()).ok();
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                eprintln!("the listener missed {missed} changes: the figures are not valid");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn lock(calls: &Calls) -> std::sync::MutexGuard<'_, HashMap<InstanceId, oneshot::Sender<()>>> {
    calls
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
