//! The store in one SQLite file.
//!
//! One daemon owns the file: a lock file beside it is the lease of every row in it, and each start
//! takes the next incarnation number as its epoch. One task owns the one writing connection; a small
//! pool of connections that cannot write serves all reads. Every commit is on disk when it answers
//! (`synchronous = FULL` in WAL mode).

mod backup;
mod connection;
mod copy;
mod encode;
mod file;
mod lock;
mod open;
mod options;
mod reads;
mod restore;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

use countermand_core::{Epoch, InstanceId, Timestamp};
use sqlx::sqlite::SqlitePool;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, StoreTime};
use crate::error::Error;
use crate::model::{
    Claim, Claimed, Cursor, Entry, Filter, InboxRecord, Info, Journal, Known, Page, Pause, Row,
    Spent, Stats, Subject, Write, Written,
};
use crate::{Now, SCHEMA, Store};

use file::Why;
use lock::Lock;
use writer::Command;

pub use backup::{Backup, BackupError};
pub use lock::Holder;
pub use options::SqliteOptions;
pub use restore::Restored;

/// A store in one SQLite file. Clones are handles of one opening.
///
/// It needs a tokio runtime, and lives in the one that it was opened in. When the last handle is
/// dropped it finishes what it was asked for and closes; [`close`](Self::close) waits for that.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    /// `None` where it was opened for reading only.
    writer: Option<mpsc::Sender<Command>>,
}

/// What the handles and the writer share.
pub(crate) struct Shared {
    path: PathBuf,
    library: String,
    incarnation: Epoch,
    clock: Arc<dyn Clock>,
    pool: SqlitePool,
    /// `None` where it was opened for reading only.
    lock: Option<Lock>,
    newest: StoreTime,
    /// Rows that could not be understood, by number.
    damaged: Mutex<BTreeSet<i64>>,
    /// What a check in the background found: then nothing is written any more.
    unusable: OnceLock<Why>,
    /// Connections that an error retired.
    retired: AtomicU64,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.path)
            .field("incarnation", &self.shared.incarnation)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store for a daemon: creates the file where there is none, brings its schema up to
    /// date, takes its lock and the next incarnation.
    ///
    /// # Errors
    /// [`Error::Unusable`], before anything is written, when the file is another program's, of a
    /// newer schema, damaged, writable by others, on a network file system, or held by another
    /// daemon (which is named).
    pub async fn open(options: impl Into<SqliteOptions>) -> Result<Self, Error> {
        let options = options.into();
        let location = options.path.display().to_string();
        open::open(options)
            .await
            .map_err(|why| Error::Unusable { location, why })
    }

    /// Opens the store for reading, also beside a running daemon. Takes no lock and no incarnation,
    /// and changes nothing.
    ///
    /// # Errors
    /// [`Error::Unusable`] when there is no store, or none that this program can read.
    pub async fn open_read_only(options: impl Into<SqliteOptions>) -> Result<Self, Error> {
        let options = options.into();
        let location = options.path.display().to_string();
        open::open_read_only(options)
            .await
            .map_err(|why| Error::Unusable { location, why })
    }

    /// Who holds the store at `path`, if anybody does.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the lock file cannot be read.
    pub fn holder(path: impl AsRef<Path>) -> Result<Option<Holder>, Error> {
        let Ok(path) = file::resolve(path.as_ref()) else {
            return Ok(None);
        };
        lock::holder(&lock::path_of(&path)).map_err(|error| Error::Unavailable {
            operation: "read the lock file",
            cause: error.into(),
        })
    }

    /// Notes in the lock file where the HTTP API listens, for commands on this machine to find it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the lock file cannot be written.
    pub fn announce(&self, address: &str) -> Result<(), Error> {
        let Some(lock) = &self.shared.lock else {
            return Err(self.shared.read_only());
        };
        lock.announce(address).map_err(|error| Error::Unavailable {
            operation: "write the lock file",
            cause: error.into(),
        })
    }

    /// Where the file is, with all links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Finishes what was asked for before, notes a clean stop, and gives up the lock. Other handles
    /// answer errors from then on.
    pub async fn close(&self) {
        let Some(writer) = &self.writer else {
            self.shared.pool.close().await;
            return;
        };
        let (answer, closed) = oneshot::channel();
        if writer.send(Command::Close { answer }).await.is_ok() {
            closed.await.ok();
        }
    }

    /// Checks the file's structure, that each row is the one its history proves, and that no event
    /// of the inbox was changed. Answers what is wrong; nothing, if all is well.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        let path = self.shared.path.clone();
        let checked = tokio::spawn(async move { connection::check(&path).await }).await;
        let mut findings = match checked {
            Ok(Ok(findings)) => findings,
            Ok(Err(error)) => vec![connection::explain(&error)],
            Err(error) => {
                return Err(Error::Unavailable {
                    operation: "check the file",
                    cause: error.into(),
                });
            }
        };
        findings.extend(self.shared.check_inbox().await?);
        Ok(findings)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        let Some(writer) = &self.writer else {
            return Err(self.shared.read_only());
        };
        let (sender, answer) = oneshot::channel();
        if writer.send(command(sender)).await.is_err() {
            return Err(self.shared.closed());
        }
        match answer.await {
            Ok(answer) => answer,
            // The writer ended before it came to it.
            Err(_) => Err(self.shared.closed()),
        }
    }

    async fn time(&self) -> Result<Now, Error> {
        if self.writer.is_none() {
            // Somebody else may have stored a newer time since.
            let newest = self.shared.newest().await?;
            return Ok(self.shared.time(newest));
        }
        Ok(self.shared.time(None))
    }
}

impl Shared {
    /// The store's time, if the newest time stored is at least `newest`.
    fn time(&self, newest: Option<Timestamp>) -> Now {
        if let Some(newest) = newest {
            self.stored(newest);
        }
        self.newest.now(&*self.clock)
    }

    fn stored(&self, newest: Timestamp) {
        self.newest.stored(newest, &*self.clock);
    }

    fn usable(&self) -> Result<(), Error> {
        match self.unusable.get() {
            None => Ok(()),
            Some(why) => Err(self.refuse(why.clone())),
        }
    }

    fn refuse(&self, why: Why) -> Error {
        Error::Unusable {
            location: self.path.display().to_string(),
            why,
        }
    }

    fn read_only(&self) -> Error {
        self.refuse("it was opened for reading only".into())
    }

    fn closed(&self) -> Error {
        self.refuse("it was closed".into())
    }

    fn damaged_rows(&self) -> String {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_string(&*damaged).unwrap_or_else(|_| "[]".into())
    }

    fn note_damaged(&self, number: i64) {
        self.damaged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number);
    }

    fn count_retired(&self) {
        self.retired.fetch_add(1, Ordering::Relaxed);
    }

    fn log_bytes(&self) -> u64 {
        bytes_of(&self.path, "-wal")
    }

    fn release(&self) {
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }
}

fn bytes_of(path: &Path, suffix: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    Path::new(&name)
        .metadata()
        .map_or(0, |metadata| metadata.len())
}

impl Store for SqliteStore {
    fn incarnation(&self) -> Epoch {
        self.shared.incarnation
    }

    async fn now(&self) -> Result<Now, Error> {
        self.time().await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        self.ask(|answer| Command::Commit { batch, answer }).await
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        self.shared.load(ids).await
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        self.shared.look_up(subjects).await
    }

    async fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        self.shared.known_facts(fact_keys).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        if self.writer.is_none() {
            return Err(self.shared.read_only());
        }
        let now = self.time().await?.at;
        self.shared.claim(&claim, now).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let now = self.time().await?.at;
        self.shared.list(filter, after, limit, now).await
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.shared.history(id, after, limit).await
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        self.shared.spent(kind, since).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        self.shared.journal(after, limit).await
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        self.shared.journal_end().await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        self.shared.inbox(limit).await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let now = self.time().await?.at;
        self.shared.stats(now).await
    }

    async fn info(&self) -> Result<Info, Error> {
        let shared = &self.shared;
        let (incarnation, instances, live, entries) = shared.counts().await?;
        Ok(Info {
            location: shared.path.display().to_string(),
            backend: format!("sqlite {}", shared.library),
            schema: SCHEMA,
            incarnation,
            instances,
            live,
            entries,
            head: shared.head().await?,
            bytes: bytes_of(&shared.path, "") + shared.log_bytes(),
            paused: shared.paused().await?,
        })
    }

    async fn paused(&self) -> Result<Option<Pause>, Error> {
        self.shared.paused().await
    }

    async fn restored(&self) -> Result<Option<Timestamp>, Error> {
        self.shared.restored().await
    }

    async fn caught_up(&self) -> Result<(), Error> {
        self.ask(|answer| Command::CaughtUp { answer }).await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.ask(|answer| Command::SetPause { pause, answer }).await
    }
}
