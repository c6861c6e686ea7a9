//! Where instances live: one row each, an append-only history that proves it, and an inbox.
//!
//! * [`Store`] is the interface: a batch of guarded writes in one transaction, and reads. Its rules
//!   stand there.
//! * [`MemoryStore`] is the model that every other store is compared with; its [`Clock`] can be a
//!   closure.
//! * [`SqliteStore`] keeps everything in one SQLite file, opened with [`SqliteOptions`]. It makes a
//!   [`Backup`] of itself while it is written to, and is [`Restored`] from one.
//! * [`entry_hash`] chains the entries of a history, from [`GENESIS`] to the row's head.
//! * `conformance` (a feature) holds the cases that every store must pass.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

mod clock;
mod error;
mod hash;
mod memory;
mod model;
mod plan;
mod sqlite;
#[cfg(test)]
mod tests;

pub use clock::{Clock, SystemClock};
pub use error::Error;
pub use hash::{GENESIS, entry_hash};
pub use memory::MemoryStore;
pub use model::*;
pub use sqlite::{Backup, BackupError, Holder, Restored, SqliteOptions, SqliteStore};

use countermand_core::{Epoch, InstanceId, Timestamp};

/// The version of the stored form: the number of the newest migration.
pub const SCHEMA: i64 = 1;

/// A durable store.
///
/// # Writes
///
/// [`commit`](Self::commit) takes a batch. Its writes are judged in order, each one knowing what
/// those before it change, and carried out in one transaction (a batch of many megabytes may be
/// several). One that cannot be made never fails the others.
///
/// * **At most once.** A write whose entries' operation ids are stored already is answered
///   [`Saved`](Written::Saved) with the place where it stands, and nothing happens; so it can be
///   handed in again after an error. The row may have moved on since: whoever goes on from that
///   place then gets a conflict.
/// * **Facts once.** A write with an applied event whose fact key is known, from whichever source
///   and under whichever transport key, is a [`Duplicate`](Written::Duplicate): only the known
///   event's deliveries are counted. Facts are known from applied events alone.
/// * **Guards.** [`Guard::Decision`] wants the row's revision and the store's newest incarnation,
///   else [`LeaseLost`](Written::LeaseLost) or, with the right epoch, [`Conflict`](Written::Conflict).
///   [`Guard::Fact`] wants the revision only. Either way the head must fit the revision.
/// * **Epochs** of a history never fall, and none is ahead of the store's newest incarnation.
/// * **Entries** follow each other: the first goes out from the row's phase, each next one from
///   where the one before went, and the last to the phase of the new body. One that was not accepted
///   goes nowhere. The opening entry may come from anywhere.
/// * **Starts** answer [`Taken`](Written::Taken) where an instance of the same kind and scope has
///   the same external id (named first), or is alive for the same subject;
///   [`Conflict`](Written::Conflict) where other instances of the subject have finished than the
///   caller saw.
/// * **Schedules.** A save without entries moves the due time and the retries, and nothing else: the
///   body that comes with it is not looked at. It is a decision.
/// * **The end.** A save without a due time finishes the instance, at the time of its last entry; it
///   has an outcome from then on, and not before. A finished instance never becomes due again, but
///   facts may still be appended.
/// * **Form.** Texts hold no NUL character and at most 16 MiB, states, inputs, retries and emissions
///   are JSON, numbers fit 63 bits: else [`Refused`](Written::Refused).
///
/// # Cancellation
///
/// Every method may be dropped while it is awaited without harm to the store: the operation itself
/// goes on to its end elsewhere, only its answer is lost (rule R2). A commit whose answer was lost
/// may or may not have happened.
pub trait Store: Send + Sync + 'static {
    /// The epoch that this process works under: the incarnation number its opening took. On a
    /// shared database, the lowest epoch of any claim it may still make.
    fn incarnation(&self) -> Epoch;

    /// The store's time; never earlier than any time it has stored.
    fn now(&self) -> impl Future<Output = Result<Now, Error>> + Send;

    /// Carries out a batch and answers for each write, in order. Durable when it returns.
    ///
    /// Two writes for one instance are not allowed in one batch: the second is
    /// [`Refused`](Written::Refused).
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nothing was written. [`Error::CommitUnknown`]: some or all of it may
    /// be written; the same batch can be handed in again.
    fn commit(&self, batch: Vec<Write>)
    -> impl Future<Output = Result<Vec<Written>, Error>> + Send;

    /// Loads instances by id, in order.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the first that cannot be understood; so it does in all reads of
    /// single things. Listings and claims pass over it.
    fn load(
        &self,
        ids: &[InstanceId],
    ) -> impl Future<Output = Result<Vec<Option<Row>>, Error>> + Send;

    /// What is known of each subject, in order.
    fn look_up(
        &self,
        subjects: &[Subject],
    ) -> impl Future<Output = Result<Vec<Known>, Error>> + Send;

    /// Which of these business facts were applied already, in order; and to which instance.
    fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Option<InstanceId>>>, Error>> + Send;

    /// Takes up due instances. On a store with one owner this is a read; rows whose open intent is
    /// of an earlier incarnation are due at once. Rows that cannot be understood are logged and
    /// passed over, as if somebody held them.
    fn claim(&self, claim: Claim) -> impl Future<Output = Result<Claimed, Error>> + Send;

    /// A page of the listing, newest first (then by id, backwards). Rows that cannot be understood
    /// are told of in [`Page::unreadable`] and count towards the limit.
    fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, Error>> + Send;

    /// History entries of an instance with a number above `after`, in order.
    fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, Error>> + Send;

    /// History entries of all instances after a place of the journal, in the order in which they
    /// were stored; 0 is the beginning. Whoever reads on from [`Journal::next`] misses none and sees
    /// none twice. Damaged entries are told of and count towards the limit. An instance's row is
    /// never behind its entries that were read before it.
    fn journal(
        &self,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Journal, Error>> + Send;

    /// The present end of the journal: every entry stored until now lies before it.
    fn journal_end(&self) -> impl Future<Output = Result<u64, Error>> + Send;

    /// What entries of instances of a kind have committed to spend since a time, oldest first.
    fn spent(
        &self,
        kind: &str,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<Spent>, Error>> + Send;

    /// Events, the last to arrive first.
    fn inbox(&self, limit: usize) -> impl Future<Output = Result<Vec<InboxRecord>, Error>> + Send;

    /// Counts. A status is judged by the store's time; a finished instance needs nobody's attention.
    fn stats(&self) -> impl Future<Output = Result<Stats, Error>> + Send;

    /// What the store says of itself.
    fn info(&self) -> impl Future<Output = Result<Info, Error>> + Send;

    /// Is every mutation held back? Asked every few seconds; a store that has a cheaper way than
    /// [`info`](Self::info) goes it.
    fn paused(&self) -> impl Future<Output = Result<Option<Pause>, Error>> + Send {
        async { Ok(self.info().await?.paused) }
    }

    /// Was this store restored from a backup, so that its history may be behind the world, and is
    /// that not made up for yet? Answers since when: the time of the restore, or of the backup
    /// where that was opened as it is. A store that cannot be restored answers `None`.
    fn restored(&self) -> impl Future<Output = Result<Option<Timestamp>, Error>> + Send {
        async { Ok(None) }
    }

    /// It is made up for: the store counts as any other from now on. Durable when it returns.
    fn caught_up(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Sets or lifts the kill switch.
    fn set_pause(&self, pause: Option<Pause>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// How many incarnations a restore passes over at the least: the starts that the lost future may
/// have counted. No store is started a million times between a backup and its restore.
pub(crate) const LOST_INCARNATIONS: u64 = 1 << 20;

/// The incarnation after a restore. Past every one that the lost future can have had, those of
/// earlier restores of the same backup included: each began with the time of its restore, and no
/// start takes less than a millisecond.
pub(crate) fn incarnation_after_restore(before: Epoch, now: Timestamp) -> Epoch {
    let by_time = u64::try_from(now.as_millis()).unwrap_or(0);
    Epoch(before.0.saturating_add(LOST_INCARNATIONS).max(by_time))
}

/// The store's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time: the clock's, or the newest stored time if the clock runs behind it.
    pub at: Timestamp,
    /// Does the clock run behind the newest stored time?
    pub behind: bool,
}
