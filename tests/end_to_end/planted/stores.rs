//! Stores with a bug, over the memory store.

use std::time::Duration;

use countermand::core::Epoch;
use countermand::store::{
    Claim, Claimed, Cursor, Entry, Error, Filter, InboxRecord, Info, Journal, Known, MemoryStore,
    Now, Page, Pause, Row, Spent, Stats, Store, Subject, Write, Written,
};
use countermand::{InstanceId, Timestamp};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How far what is on disk is behind what was answered.
const BEHIND: Duration = Duration::from_secs(2);

/// What is wrong with it.
enum Bug {
    /// An event is a known one by its own key, not by the fact that it tells of.
    KnowsEventsByKey,
    /// What is to be durable is answered first, and written some time later.
    AnswersFirst(mpsc::UnboundedSender<Vec<Write>>),
}

/// A store with a bug.
pub(crate) struct Planted {
    inner: MemoryStore,
    bug: Bug,
}

impl Planted {
    /// Events are told apart by their own keys alone.
    pub(crate) fn knows_events_by_key(inner: MemoryStore) -> Self {
        Self {
            inner,
            bug: Bug::KnowsEventsByKey,
        }
    }

    /// Answers before the commit, which `durable` sees some time later.
    pub(crate) fn answers_first(inner: MemoryStore, durable: impl Store) -> Self {
        let (later, mut batches) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                sleep(BEHIND).await;
                // Nobody waits for the answer: that is the bug.
                drop(durable.commit(batch).await);
            }
        });
        Self {
            inner,
            bug: Bug::AnswersFirst(later),
        }
    }
}

fn forget_the_fact(record: &mut InboxRecord) {
    if record.fact_key.is_some() {
        record.fact_key.clone_from(&record.transport_key);
    }
}

impl Store for Planted {
    fn incarnation(&self) -> Epoch {
        self.inner.incarnation()
    }

    async fn now(&self) -> Result<Now, Error> {
        self.inner.now().await
    }

    async fn commit(&self, mut batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        match &self.bug {
            Bug::KnowsEventsByKey => {
                for write in &mut batch {
                    match write {
                        Write::Start(start) => start.inbox.iter_mut().for_each(forget_the_fact),
                        Write::Save(save) => save.inbox.iter_mut().for_each(forget_the_fact),
                        Write::Keep(record) => forget_the_fact(record),
                    }
                }
            }
            Bug::AnswersFirst(later) => {
                later.send(batch.clone()).ok();
            }
        }
        self.inner.commit(batch).await
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        self.inner.load(ids).await
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        self.inner.look_up(subjects).await
    }

    async fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        self.inner.known_facts(fact_keys).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        self.inner.claim(claim).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.inner.list(filter, after, limit).await
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.inner.history(id, after, limit).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        self.inner.journal(after, limit).await
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        self.inner.journal_end().await
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        self.inner.spent(kind, since).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        self.inner.inbox(limit).await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.inner.stats().await
    }

    async fn info(&self) -> Result<Info, Error> {
        self.inner.info().await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.inner.set_pause(pause).await
    }
}
