//! The end of an engine: asked for, forced, or because it has lost a part of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countermand_runner::{BoxFuture, Engine, SubmitError, TokioWorld, World};
use countermand_store::{MemoryStore, Store};

use crate::support::{Behaviour, Courier, Phase, Remotes, Rig, options, parcel, virtual_clock};

#[tokio::test(start_paused = true)]
async fn shutdown_drains() {
    let rig = Rig::new();
    let parcel = rig.start("book").await;
    rig.handle
        .wait_until(&parcel.row.id, |now| now.state.attempts == 1)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(22)).await;
    assert_eq!(rig.remotes.shipped("book"), 1, "on the wire");
    assert!(rig.handle.shutdown(Duration::from_secs(30)).await);
    let row = rig.handle.get(&parcel.row.id).await.unwrap();
    assert_eq!(row.state.phase, Phase::Shipped, "its outcome is committed");
    assert_eq!(
        rig.remotes.ledger().messages.len(),
        0,
        "nothing new was begun"
    );
    assert!(matches!(
        rig.handle.start(crate::support::Ship::new("late")).await,
        Err(SubmitError::Closed)
    ));
    assert!(rig.handle.shutdown(Duration::from_secs(30)).await, "again");
    assert!(!rig.handle.is_running());
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let rig = Rig::new();
    rig.remotes.always("weigh", Behaviour::Hangs);
    rig.start("book").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = tokio::time::Instant::now();
    assert!(!rig.handle.shutdown(Duration::from_millis(500)).await);
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_stops_the_engine() {
    let rig = Rig::new();
    let parcel = rig.start("book").await;
    drop(rig.handle);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let row = rig
        .store
        .load(std::slice::from_ref(&parcel.row.id))
        .await
        .unwrap();
    assert!(row[0].as_ref().unwrap().finished_at.is_none());
    rig.world.kill().await;
}

#[tokio::test(start_paused = true)]
async fn its_end_can_be_waited_for() {
    let rig = Rig::new();
    let waiting = tokio::spawn({
        let handle = rig.handle.clone();
        async move { handle.stopped().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    rig.handle.shutdown(Duration::from_secs(1)).await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_engine_whose_tasks_are_gone_is_no_engine() {
    let rig = Rig::new();
    rig.world.kill().await;
    rig.handle.stopped().await;
}

/// A world in which one of the engine's tasks comes to nothing.
struct Careless {
    inner: TokioWorld,
    spawned: AtomicU32,
    loses: u32,
}

impl World for Careless {
    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(wait)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        if self.spawned.fetch_add(1, Ordering::SeqCst) == self.loses {
            drop(task);
        } else {
            self.inner.spawn(task);
        }
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }
}

/// The committer and the dispatcher are the first two: without either the engine only seems alive.
#[tokio::test(start_paused = true)]
async fn the_loss_of_one_task_ends_the_engine() {
    for loses in [0, 1] {
        let world = Arc::new(Careless {
            inner: TokioWorld::seeded(1),
            spawned: AtomicU32::new(0),
            loses,
        });
        let store = Arc::new(MemoryStore::new(virtual_clock()));
        let courier = Arc::new(Courier {
            remotes: Arc::new(Remotes::new()),
            world: world.clone(),
        });
        let engine = Engine::new(options(), parcel(), store, courier, world);
        let handle = engine.start();
        let ended = tokio::time::timeout(Duration::from_secs(60), handle.stopped());
        assert!(ended.await.is_ok(), "without task {loses} it goes on");
    }
}
