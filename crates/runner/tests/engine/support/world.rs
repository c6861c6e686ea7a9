//! A world whose tasks can all be killed at once, as a process is.

use std::sync::Mutex;
use std::time::Duration;

use countermand_core::Timestamp;
use countermand_runner::{BoxFuture, TokioWorld, World};
use tokio::task::JoinHandle;

pub(crate) struct KillableWorld {
    inner: TokioWorld,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl KillableWorld {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            inner: TokioWorld::seeded(seed),
            tasks: Mutex::default(),
        }
    }

    /// Kills everything: no task takes another step.
    pub(crate) async fn kill(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            drop(task.await);
        }
    }
}

impl World for KillableWorld {
    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(wait)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.lock().unwrap().push(tokio::spawn(task));
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }
}

/// A wall clock that goes with `tokio`'s, so that it is virtual where that is.
pub(crate) fn virtual_clock() -> impl Fn() -> Timestamp {
    let start = tokio::time::Instant::now();
    move || Timestamp::from_millis(1_800_000_000_000).plus(start.elapsed())
}
