//! A store that freezes at its N-th call, before or after it is carried out, as if the process had
//! died there; or whose commits fail.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use countermand_core::{Epoch, InstanceId, Timestamp};
use countermand_store::{
    Claim, Claimed, Cursor, Entry, Error, Filter, InboxRecord, Info, Journal, Known, Now, Page,
    Pause, Row, Spent, Stats, Store, Subject, Write, Written,
};
use tokio::sync::Notify;

/// On which side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// Where it freezes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freeze {
    pub(crate) call: usize,
    pub(crate) moment: Moment,
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// All is well.
    None,
    /// Nothing is written, and the store says so.
    Unavailable,
    /// Nothing is written, but the store does not say so.
    UnknownUndone,
    /// It is written, but the store does not say so.
    UnknownDone,
}

pub(crate) struct FaultyStore<S> {
    inner: Arc<S>,
    freeze: Freeze,
    calls: AtomicUsize,
    frozen: Notify,
    faults: Mutex<VecDeque<Fault>>,
    commits: AtomicUsize,
    down: AtomicBool,
}

impl<S: Store> FaultyStore<S> {
    pub(crate) fn freezing(inner: Arc<S>, freeze: Freeze) -> Self {
        Self {
            inner,
            freeze,
            calls: AtomicUsize::new(0),
            frozen: Notify::new(),
            faults: Mutex::default(),
            commits: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        }
    }

    pub(crate) fn failing(inner: Arc<S>) -> Self {
        let never = Freeze {
            call: usize::MAX,
            moment: Moment::Before,
        };
        Self::freezing(inner, never)
    }

    /// What becomes of the next commits.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// While it is down, every call fails.
    pub(crate) fn down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// How many batches were handed in.
    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// Waits until it is frozen.
    pub(crate) async fn frozen(&self) {
        self.frozen.notified().await;
    }

    async fn call<T: Send>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        if self.down.load(Ordering::Relaxed) {
            return Err(Error::Unavailable {
                operation: "do anything",
                cause: "it is down".into(),
            });
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if number > self.freeze.call {
            std::future::pending::<()>().await;
        }
        if number < self.freeze.call {
            return call.await;
        }
        if self.freeze.moment == Moment::After {
            drop(call.await);
        }
        self.frozen.notify_one();
        std::future::pending().await
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn incarnation(&self) -> Epoch {
        self.inner.incarnation()
    }

    async fn now(&self) -> Result<Now, Error> {
        self.call(self.inner.now()).await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let fault = self
            .faults
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Fault::None);
        let cause = || "the disk is on fire".into();
        match fault {
            Fault::None => self.call(self.inner.commit(batch)).await,
            Fault::Unavailable => Err(Error::Unavailable {
                operation: "commit",
                cause: cause(),
            }),
            Fault::UnknownUndone => Err(Error::CommitUnknown { cause: cause() }),
            Fault::UnknownDone => {
                self.inner.commit(batch).await?;
                Err(Error::CommitUnknown { cause: cause() })
            }
        }
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        self.call(self.inner.load(ids)).await
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        self.call(self.inner.look_up(subjects)).await
    }

    async fn known_facts(&self, keys: &[String]) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        self.call(self.inner.known_facts(keys)).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        self.call(self.inner.claim(claim)).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.call(self.inner.list(filter, after, limit)).await
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.call(self.inner.history(id, after, limit)).await
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        self.call(self.inner.spent(kind, since)).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        self.call(self.inner.journal(after, limit)).await
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        self.call(self.inner.journal_end()).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        self.call(self.inner.inbox(limit)).await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.call(self.inner.stats()).await
    }

    async fn info(&self) -> Result<Info, Error> {
        self.call(self.inner.info()).await
    }

    async fn paused(&self) -> Result<Option<Pause>, Error> {
        self.call(self.inner.paused()).await
    }

    async fn restored(&self) -> Result<Option<Timestamp>, Error> {
        self.call(self.inner.restored()).await
    }

    async fn caught_up(&self) -> Result<(), Error> {
        self.call(self.inner.caught_up()).await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.call(self.inner.set_pause(pause)).await
    }
}
