//! The [`Handle`]: everything that can be asked of a running engine.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{InstanceId, Workflow};
use countermand_store::{self as store, InboxRecord, Pause, Row, Store};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::shared::Shared;
use crate::task::{Alter, Authority, Mark, Reply, SubmitErrorOf, Task};
use crate::{Event, GetError, Ingested, Instance, Started, SubmitError};

/// An instance has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub id: InstanceId,
    /// Its newest entry.
    pub revision: u64,
    /// The name of its state.
    pub phase: String,
}

/// A running engine. Cheap to clone; all clones speak to the same engine. When the last one is
/// dropped the engine stops as [`shutdown`](Self::shutdown) does, without a limit to its grace.
///
/// Every method that changes something answers only after the change is durable. Each may be
/// dropped while it is awaited: then the change happens or not.
pub struct Handle<W: Workflow, S: Store> {
    inner: Arc<Inner<W, S>>,
}

struct Inner<W: Workflow, S: Store> {
    shared: Arc<Shared<W, S>>,
    outside: mpsc::Sender<Task<W>>,
    rested: watch::Receiver<u64>,
    abort: CancellationToken,
    closed: CancellationToken,
    _stop: DropGuard,
}

impl<W: Workflow, S: Store> Clone for Handle<W, S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<W: Workflow, S: Store> std::fmt::Debug for Handle<W, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("kind", &W::KIND)
            .finish_non_exhaustive()
    }
}

impl<W: Workflow, S: Store> Handle<W, S> {
    pub(crate) fn new(
        shared: Arc<Shared<W, S>>,
        outside: mpsc::Sender<Task<W>>,
        rested: watch::Receiver<u64>,
        abort: CancellationToken,
        closed: CancellationToken,
    ) -> Self {
        let stop = shared.stopping.clone().drop_guard();
        Self {
            inner: Arc::new(Inner {
                shared,
                outside,
                rested,
                abort,
                closed,
                _stop: stop,
            }),
        }
    }

    async fn ask<T>(
        &self,
        task: impl FnOnce(Reply<T, W>) -> Task<W>,
    ) -> Result<T, SubmitErrorOf<W>> {
        if !self.is_running() {
            return Err(SubmitError::Closed);
        }
        let (reply, answer) = oneshot::channel();
        self.inner
            .outside
            .try_send(task(reply))
            .map_err(|error| match error {
                TrySendError::Full(_) => SubmitError::Overloaded,
                TrySendError::Closed(_) => SubmitError::Closed,
            })?;
        answer.await.unwrap_or(Err(SubmitError::Closed))
    }

    /// Begins an instance. Safe to repeat with the same external id.
    ///
    /// # Errors
    /// [`SubmitError::Overloaded`], [`Closed`](SubmitError::Closed),
    /// [`Store`](SubmitError::Store), [`Contended`](SubmitError::Contended);
    /// [`Refused`](SubmitError::Refused) and [`Panicked`](SubmitError::Panicked) for a request
    /// that cannot be kept.
    pub async fn start(&self, request: W::Request) -> Result<Started<W::State>, SubmitErrorOf<W>> {
        self.ask(|reply| Task::Start { request, reply }).await
    }

    /// Hands an input to an instance: a command, or a fact from elsewhere.
    ///
    /// With `resets_retries`, every lane that waits after a failure, or has used up its attempts,
    /// is tried again now, if the input is accepted.
    ///
    /// # Errors
    /// [`SubmitError::Rejected`] with the workflow's reason; [`Missing`](SubmitError::Missing); and
    /// as [`start`](Self::start).
    pub async fn submit(
        &self,
        id: &InstanceId,
        input: W::Input,
        resets_retries: bool,
    ) -> Result<Instance<W::State>, SubmitErrorOf<W>> {
        let alter = Alter {
            id: id.clone(),
            inputs: vec![input],
            mark: resets_retries.then_some(Mark::Reset),
            authority: Authority::Fact,
            internal: false,
        };
        let altered = self.ask(|reply| Task::Alter { alter, reply }).await?;
        match altered.rejections.into_iter().next() {
            Some(rejection) => Err(SubmitError::Rejected(rejection)),
            None => Ok(altered.instance),
        }
    }

    /// Takes an event in: at most once per business fact it is applied to the live instance of its
    /// subject, or begins one. Whatever becomes of it, it is kept.
    ///
    /// # Errors
    /// As [`start`](Self::start). An event that was refused is not kept: deliver it again.
    pub async fn ingest(&self, event: Event<W>) -> Result<Ingested<W::State>, SubmitErrorOf<W>> {
        self.ask(|reply| Task::Ingest { event, reply }).await
    }

    /// Keeps an event that changes nothing: unroutable, of an unknown kind, for another target. Its
    /// time of arrival is filled in.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn keep(&self, record: InboxRecord) -> Result<(), SubmitErrorOf<W>> {
        self.ask(|reply| Task::Keep { record, reply }).await
    }

    /// One instance, as it is stored.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or the store fails.
    pub async fn get(&self, id: &InstanceId) -> Result<Instance<W::State>, GetError> {
        let rows = self.store().load(std::slice::from_ref(id)).await;
        let row: Option<Row> = rows.map_err(GetError::Store)?.into_iter().next().flatten();
        let row = row.ok_or_else(|| GetError::Missing { id: id.clone() })?;
        self.inner
            .shared
            .instance(row)
            .map_err(|error| GetError::Unreadable {
                id: id.clone(),
                detail: error.to_string(),
            })
    }

    /// The store, for reads.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        &self.inner.shared.store
    }

    /// The workflow.
    #[must_use]
    pub fn workflow(&self) -> &Arc<W> {
        &self.inner.shared.workflow
    }

    /// What happens from now on. A reader that falls behind is told so by the receiver.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.shared.changes.subscribe()
    }

    /// Waits until an instance is as `done` wants it. Cancel-safe; combine it with a time-out of
    /// your own.
    ///
    /// # Errors
    /// As [`get`](Self::get); `Ok(None)` when the engine stopped first.
    pub async fn wait_until(
        &self,
        id: &InstanceId,
        mut done: impl FnMut(&Instance<W::State>) -> bool,
    ) -> Result<Option<Instance<W::State>>, GetError> {
        let mut changes = self.changes();
        loop {
            let instance = self.get(id).await?;
            if done(&instance) {
                return Ok(Some(instance));
            }
            loop {
                let change = tokio::select! {
                    biased;
                    () = self.inner.closed.cancelled() => return Ok(None),
                    change = changes.recv() => change,
                };
                match change {
                    Ok(change) if change.id != *id => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                }
            }
        }
    }

    /// Waits until nothing is due, held or under way (what is due later may be waiting), or the
    /// engine has stopped. For tests and drives to the end; under load it may never happen.
    pub async fn settled(&self) {
        let shared = &self.inner.shared;
        let mut rested = self.inner.rested.clone();
        loop {
            let given = shared.hints.given();
            if *rested.borrow_and_update() == given && shared.shelf.len() == 0 {
                return;
            }
            tokio::select! {
                biased;
                () = self.inner.closed.cancelled() => return,
                changed = rested.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Throws the kill switch: no mutation is attempted any more, at once and after a restart, until
    /// [`resume`](Self::resume). Reads go on.
    ///
    /// # Errors
    /// When the store fails. In this process it is thrown all the same.
    pub async fn pause(&self, by: &str, why: &str) -> Result<(), store::Error> {
        let shared = &self.inner.shared;
        shared.pause.set(true);
        let pause = Pause {
            since: shared.store.now().await?.at,
            by: by.to_owned(),
            why: why.to_owned(),
        };
        let set = shared.store.set_pause(Some(pause)).await;
        shared.pause.set(true);
        set
    }

    /// Lifts the kill switch. What was held back goes on within a minute.
    ///
    /// # Errors
    /// When the store fails; then it is not lifted.
    pub async fn resume(&self) -> Result<(), store::Error> {
        let shared = &self.inner.shared;
        shared.store.set_pause(None).await?;
        shared.pause.set(false);
        shared.hints.poke();
        Ok(())
    }

    /// Instances that cannot be worked on because something about them is broken (an unreadable
    /// state, a defect in the workflow), and why. They are tried again now and then.
    #[must_use]
    pub fn troubled(&self) -> Vec<(InstanceId, String)> {
        self.inner.shared.quarantine.list()
    }

    /// How long ago the newest commit failed, and why; `None` when it succeeded, or there was none.
    #[must_use]
    pub fn commit_failure(&self) -> Option<(Duration, String)> {
        let shared = &self.inner.shared;
        shared.commits.failure(shared.world.monotonic())
    }

    /// Is the engine taking up work?
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.inner.shared.stopping.is_cancelled()
    }

    /// Waits until the engine has come to its end: by a [`shutdown`](Self::shutdown), or because one
    /// of its tasks failed, which no engine goes on after. Cancel-safe.
    pub async fn stopped(&self) {
        self.inner.closed.cancelled().await;
    }

    /// Takes nothing up any more, lets what is on the wire come to its end for at most `grace`,
    /// commits the outcomes, and stops. Answers whether everything came to its end; nothing
    /// acknowledged is lost either way. May be called again, and dropped.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        let Inner {
            shared,
            abort,
            closed,
            ..
        } = &*self.inner;
        shared.stopping.cancel();
        tokio::select! {
            biased;
            () = closed.cancelled() => return !shared.halted.is_cancelled(),
            () = shared.world.sleep(grace) => {}
        }
        tracing::warn!("the grace is over: what is on the wire is given up");
        shared.halted.cancel();
        tokio::select! {
            biased;
            () = closed.cancelled() => return false,
            () = shared.world.sleep(LAST_COMMITS) => {}
        }
        abort.cancel();
        closed.cancelled().await;
        false
    }
}

/// After the grace, how long the committer may take for what was handed in.
const LAST_COMMITS: Duration = Duration::from_secs(1);
