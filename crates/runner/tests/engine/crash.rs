//! A crash at every call of the store in turn, before it and after it: nothing acknowledged is lost,
//! nothing is done twice, everything comes to its end.

use std::sync::Arc;
use std::time::Duration;

use countermand_runner::{Event, Options, Started};
use countermand_store::{Disposition, InboxRecord, MemoryStore, SqliteStore, Store};
use futures_util::{StreamExt, stream};

use crate::support::{
    Behaviour, FaultyStore, Freeze, Input, KillableWorld, Moment, Parcel, Phase, Remotes, Ship,
    launch, options, prove, virtual_clock,
};

fn request() -> Ship {
    Ship {
        external_id: Some("web-1".to_owned()),
        ..Ship::new("book")
    }
}

fn event() -> Event<Parcel> {
    Event {
        record: InboxRecord {
            source: "http".to_owned(),
            transport_key: Some("delivery-1".to_owned()),
            fact_key: Some("fact-1".to_owned()),
            event_type: "hint".to_owned(),
            received_at: countermand_core::Timestamp::MIN,
            disposition: Disposition::Applied,
            instance_id: None,
            raw: "{}".to_owned(),
        },
        input: Input::Hint { number: 1 },
        request: Ship::new("book"),
    }
}

/// How long everything takes.
struct Speed {
    options: Options,
    workflow: Parcel,
    latency: Duration,
}

/// A client: asks until it is answered, here and after the crash.
async fn drive<S: Store>(
    store: Arc<S>,
    remotes: Arc<Remotes>,
    world: &Arc<KillableWorld>,
    speed: &Speed,
    acknowledged: &mut (bool, bool),
) {
    let workflow = Arc::new(speed.workflow.clone());
    let handle = launch(store, remotes, speed.options.clone(), workflow, world);
    let started = handle.start(request()).await.unwrap();
    let instance = match started {
        Started::Created(instance) => {
            assert!(
                !acknowledged.0,
                "what was acknowledged is there after the crash"
            );
            instance
        }
        Started::Existing(instance) => instance,
        other => panic!("{other:?}"),
    };
    acknowledged.0 = true;
    if !acknowledged.1 {
        handle.ingest(event()).await.unwrap();
        acknowledged.1 = true;
    }
    let done = handle
        .wait_until(&instance.row.id, |now| now.state.phase == Phase::Done)
        .await;
    assert_eq!(done.unwrap().unwrap().state.hints, 1);
}

/// One crash. Answers whether the run was over before it.
async fn crash<S: Store>(
    store: Arc<S>,
    reopen: impl AsyncFnOnce(Arc<S>) -> Arc<S>,
    freeze: Freeze,
    behaviour: &[Behaviour],
    speed: &Speed,
) -> bool {
    let remotes = Arc::new(Remotes::new());
    remotes.next("ship", behaviour);
    remotes.latency(speed.latency);
    let mut acknowledged = (false, false);
    let world = Arc::new(KillableWorld::seeded(1));
    let frozen = Arc::new(FaultyStore::freezing(store.clone(), freeze));
    let is_over = tokio::select! {
        biased;
        () = frozen.frozen() => false,
        () = drive(frozen.clone(), remotes.clone(), &world, speed, &mut acknowledged) => true,
    };
    world.kill().await;
    drop(frozen);
    if is_over {
        return true;
    }
    let store = reopen(store).await;
    let world = Arc::new(KillableWorld::seeded(2));
    let drive = drive(
        store.clone(),
        remotes.clone(),
        &world,
        speed,
        &mut acknowledged,
    );
    let hour = Duration::from_secs(3600);
    tokio::time::timeout(hour, drive)
        .await
        .unwrap_or_else(|_| panic!("stuck after {freeze:?}"));
    world.kill().await;
    assert_eq!(remotes.shipped("book"), 1, "{freeze:?}");
    let mut messages = remotes.ledger().messages;
    messages.dedup();
    assert_eq!(messages.len(), 1, "{freeze:?}");
    let rows = prove(&*store, &speed.workflow).await;
    assert_eq!(rows.len(), 1, "{freeze:?}");
    false
}

#[tokio::test(start_paused = true)]
async fn at_every_call_of_the_memory_store() {
    let speed = Speed {
        options: options(),
        workflow: Parcel::default(),
        latency: Duration::from_millis(20),
    };
    for behaviour in [&[][..], &[Behaviour::LosesTheAnswer], &[Behaviour::Hangs]] {
        for moment in [Moment::Before, Moment::After] {
            let mut call = 0;
            loop {
                let store = Arc::new(MemoryStore::new(virtual_clock()));
                let reopen = async |store: Arc<MemoryStore>| Arc::new(store.reopen());
                if crash(store, reopen, Freeze { call, moment }, behaviour, &speed).await {
                    break;
                }
                call += 1;
            }
            assert!(call > 30, "only {call} calls");
        }
    }
}

/// In real time, so everything is short. The file is opened anew as the crash left it: with its
/// write-ahead log, and without a clean end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_every_call_of_the_sqlite_store() {
    /// Runs at once.
    const CHUNK: usize = 12;
    let mut options = options();
    options.budget = Duration::from_millis(300);
    options.slack = Duration::from_millis(50);
    options.poll = Duration::from_millis(200);
    let speed = Speed {
        options,
        workflow: Parcel {
            lag: Duration::from_millis(100),
            rest: Duration::from_millis(5),
            ..Parcel::default()
        },
        latency: Duration::from_millis(2),
    };
    let directory = tempfile::tempdir().unwrap();
    let run = async |call: usize, moment, behaviour: &[Behaviour]| {
        let name = format!("{call}-{moment:?}-{behaviour:?}");
        let path = directory.path().join(format!("{name}.db"));
        let store = Arc::new(SqliteStore::open(path.clone()).await.unwrap());
        let reopen = async |store: Arc<SqliteStore>| {
            // What was handed to the writer before the crash comes to its end first.
            store.commit(Vec::new()).await.unwrap();
            let image = directory.path().join(format!("{name}-crashed.db"));
            std::fs::copy(&path, &image).unwrap();
            let log = |file: &std::path::Path| format!("{}-wal", file.display());
            std::fs::copy(log(&path), log(&image)).unwrap();
            store.close().await;
            Arc::new(SqliteStore::open(image).await.unwrap())
        };
        crash(store, reopen, Freeze { call, moment }, behaviour, &speed).await
    };
    for behaviour in [
        &[Behaviour::Works][..],
        &[Behaviour::LosesTheAnswer],
        &[Behaviour::Hangs],
    ] {
        for moment in [Moment::Before, Moment::After] {
            let mut call = 0;
            loop {
                let over: Vec<bool> = stream::iter(call..call + CHUNK)
                    .map(|call| run(call, moment, behaviour))
                    .buffered(CHUNK)
                    .collect()
                    .await;
                call += CHUNK;
                if over.iter().all(|over| *over) {
                    break;
                }
            }
            assert!(call > 2 * CHUNK, "only {call} calls");
        }
    }
}
