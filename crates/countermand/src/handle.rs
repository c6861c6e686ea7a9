//! The [`Handle`]: everything that can be asked of a running engine.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::cancellation::input::Fact;
use countermand_core::cancellation::request::Draft;
use countermand_core::cancellation::view::View;
use countermand_core::{InstanceId, OrderId, TargetId};

use crate::api::{
    CancelOutcome, CancellationPage, Error, HistoryEntry, Ingested, ListFilter, ObserveOutcome,
    Stats, Until,
};
use crate::changes::Changes;
use crate::engine::Engine;
use crate::reader::Reader;

/// A running engine. Cheap to clone; all clones speak to the same engine.
///
/// Every method that changes something answers only after the change is durable. Each may be
/// dropped while it is awaited: then the change happens or not, and asking again is safe.
#[derive(Clone)]
pub struct Handle {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) reader: Reader,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Asks for the cancellation of an order.
    ///
    /// Safe to repeat: with the same external id and the same content the answer is
    /// [`CancelOutcome::Existing`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with every problem of the draft; [`Error::Overloaded`],
    /// [`Error::Closed`], [`Error::Store`].
    pub async fn cancel(
        &self,
        draft: &Draft,
        requested_by: Option<&str>,
    ) -> Result<CancelOutcome, Error> {
        self.engine
            .cancel(draft.clone(), requested_by.map(str::to_owned))
            .await
    }

    /// Looks at an order whose events may have been lost: begins an observed cancellation, unless
    /// one is alive. `target_id` may be left out when there is one target only.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub async fn observe(
        &self,
        target_id: Option<&TargetId>,
        order_id: &OrderId,
        actor: Option<&str>,
    ) -> Result<ObserveOutcome, Error> {
        self.engine
            .observe(
                target_id.cloned(),
                order_id.clone(),
                actor.map(str::to_owned),
            )
            .await
    }

    /// Takes in events: an `EventBridge` envelope, a webhook body or an SQS message, one or an
    /// array. `source` names where they came from (`http`, `cli`, `sqs`).
    ///
    /// # Errors
    /// [`Error::BadEvents`] when any of it cannot be read; then nothing of it was kept.
    pub async fn ingest(&self, text: &[u8], source: &str) -> Result<Ingested, Error> {
        self.engine.ingest(text.to_vec(), source.to_owned()).await
    }

    /// One cancellation.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, id: &InstanceId) -> Result<View, Error> {
        self.reader.get(id).await
    }

    /// The cancellation with this id, or of this order: the live one, else the newest.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn find(&self, id_or_order_id: &str) -> Result<View, Error> {
        self.reader.find(id_or_order_id).await
    }

    /// A page of cancellations, newest first. `cursor` is [`CancellationPage::next_cursor`] of the
    /// page before.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Store`].
    pub async fn list(
        &self,
        filter: &ListFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<CancellationPage, Error> {
        self.reader.list(filter, cursor, limit).await
    }

    /// The whole history of a cancellation, oldest entry first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn history(&self, id: &InstanceId) -> Result<Vec<HistoryEntry>, Error> {
        self.reader.history(id).await
    }

    /// Counts.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.reader.stats().await
    }

    /// What can be asked without changing anything.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Tries again now whatever stopped or waits after a failure.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when the cancellation is finished.
    pub async fn retry(&self, id: &InstanceId, actor: &str) -> Result<View, Error> {
        self.engine.retry(id.clone(), actor.to_owned()).await
    }

    /// Gives a cancellation up, while nothing was sent.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] once something was or may have been sent.
    pub async fn withdraw(
        &self,
        id: &InstanceId,
        actor: &str,
        note: Option<&str>,
    ) -> Result<View, Error> {
        self.engine
            .withdraw(id.clone(), actor.to_owned(), note.map(str::to_owned))
            .await
    }

    /// Supplies a fact that a person knows.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when the state has no use for the fact.
    pub async fn resolve(
        &self,
        id: &InstanceId,
        actor: &str,
        fact: Fact,
        note: &str,
    ) -> Result<View, Error> {
        self.engine
            .resolve(id.clone(), actor.to_owned(), fact, note.to_owned())
            .await
    }

    /// Writes something down in the history.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn note(&self, id: &InstanceId, actor: &str, text: &str) -> Result<View, Error> {
        self.engine
            .note(id.clone(), actor.to_owned(), text.to_owned())
            .await
    }

    /// What happens from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.engine.changes()
    }

    /// Waits until a cancellation is done. Cancel-safe; combine it with a time-out of your own.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`]; [`Error::Closed`] when the engine shuts down first.
    pub async fn wait(&self, id: &InstanceId, until: Until) -> Result<View, Error> {
        self.engine.wait(id, until).await
    }

    /// Waits until nothing is due or under way; what is due later may be waiting. For programs that
    /// do what there is to do and end; under load it may never happen.
    pub async fn idle(&self) {
        self.engine.idle().await;
    }

    /// Takes nothing up any more, lets what is on the wire come to its end for at most `grace`, and
    /// stops. Returns whether everything came to its end. Nothing is lost either way.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.engine.shutdown(grace).await
    }

    /// Waits until the engine has come to its end: by a [`shutdown`](Self::shutdown), or because
    /// something in it failed. Then a process that only runs it may as well end. Cancel-safe.
    pub async fn stopped(&self) {
        self.engine.stopped().await;
    }

    /// Is the engine taking up work?
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.engine.is_running()
    }

    /// Cancellations that cannot be worked on because something about them is broken (an
    /// unreadable state, a defect of this program), and why. They are tried again now and then;
    /// [`verify`](crate::verify) tells more.
    #[must_use]
    pub fn troubled(&self) -> Vec<(InstanceId, String)> {
        self.engine.troubled()
    }

    /// How long ago the newest commit failed, and why; `None` when it succeeded, or there was none.
    /// Nothing that was acknowledged is lost by it.
    #[must_use]
    pub fn commit_failure(&self) -> Option<(Duration, String)> {
        self.engine.commit_failure()
    }
}
