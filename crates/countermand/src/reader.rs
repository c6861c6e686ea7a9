//! The [`Reader`]: everything that can be asked without changing anything.

use std::sync::Arc;

use countermand_core::cancellation::Cancellation;
use countermand_core::cancellation::view::View;
use countermand_core::{InstanceId, Timestamp};
use countermand_store::Store;

use crate::api::{CancellationPage, Error, HistoryEntry, ListFilter, Stats};
use crate::follow::Stretch;
use crate::ports::BoxFuture;
use crate::report::{CaseReport, case_report};
use crate::source::Source;

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// The inside of a [`Reader`], with the store's type hidden.
pub(crate) trait Read: Send + Sync + 'static {
    fn get<'a>(&'a self, id: &'a InstanceId) -> Answer<'a, View>;
    fn find<'a>(&'a self, id_or_order_id: &'a str) -> Answer<'a, View>;
    /// The same, with the store's time at which it was so.
    fn find_at<'a>(&'a self, id_or_order_id: &'a str) -> Answer<'a, (View, Timestamp)>;
    fn list<'a>(
        &'a self,
        filter: &'a ListFilter,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, CancellationPage>;
    fn history<'a>(&'a self, id: &'a InstanceId) -> Answer<'a, Vec<HistoryEntry>>;
    fn history_after<'a>(
        &'a self,
        id: &'a InstanceId,
        after: u64,
        limit: usize,
    ) -> Answer<'a, Vec<HistoryEntry>>;
    fn live<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> Answer<'a, CancellationPage>;
    fn place(&self) -> Answer<'_, u64>;
    fn happened(&self, after: u64, limit: usize) -> Answer<'_, Stretch>;
    fn stats(&self) -> Answer<'_, Stats>;
    fn ping(&self) -> Answer<'_, ()>;
}

/// Reads cancellations, also beside a running engine. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) source: Arc<dyn Read>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads from a store, without an engine; one that was opened for reading only will do.
    pub fn on(store: impl Store) -> Self {
        Self {
            source: Arc::new(Source {
                store: Arc::new(store),
                workflow: Cancellation::default(),
            }),
        }
    }

    /// One cancellation.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, id: &InstanceId) -> Result<View, Error> {
        self.source.get(id).await
    }

    /// The cancellation with this id, or of this order: the live one, else the newest.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn find(&self, id_or_order_id: &str) -> Result<View, Error> {
        self.source.find(id_or_order_id).await
    }

    /// A page of cancellations, newest first. `cursor` is [`CancellationPage::next_cursor`] of the
    /// page before; `limit` is kept between 1 and 500.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Store`].
    pub async fn list(
        &self,
        filter: &ListFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<CancellationPage, Error> {
        self.source.list(filter, cursor, limit).await
    }

    /// The whole history of a cancellation, oldest entry first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn history(&self, id: &InstanceId) -> Result<Vec<HistoryEntry>, Error> {
        self.source.history(id).await
    }

    /// Entries of a cancellation's history with a number above `after`, oldest first; at most `limit`,
    /// and none where there is no such cancellation.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn history_after(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, Error> {
        self.source.history_after(id, after, limit).await
    }

    /// A page of the cancellations that are not finished, newest first; as [`list`](Self::list).
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Store`].
    pub async fn live(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<CancellationPage, Error> {
        self.source.live(cursor, limit).await
    }

    /// The present place in what happens to all cancellations: [`happened`](Self::happened) tells
    /// what comes after it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn place(&self) -> Result<u64, Error> {
        self.source.place().await
    }

    /// What happened to all cancellations after a place, in the order in which it was stored; at most
    /// `limit` entries, which is kept between 1 and 500. Whoever reads on from [`Stretch::next`]
    /// misses nothing and sees nothing twice.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn happened(&self, after: u64, limit: usize) -> Result<Stretch, Error> {
        self.source.happened(after, limit).await
    }

    /// A cancellation in plain language, by its id or its order's (as [`find`](Self::find) does).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn report(&self, id_or_order_id: &str) -> Result<CaseReport, Error> {
        let (view, now) = self.source.find_at(id_or_order_id).await?;
        let mut history = self.source.history(&view.id).await?;
        // It may have moved on since: the report is true for one moment.
        history.retain(|entry| entry.seq <= view.revision);
        Ok(case_report(&view, &history, now))
    }

    /// Counts.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.source.stats().await
    }

    /// Does the store answer?
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.source.ping().await
    }
}
