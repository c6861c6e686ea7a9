//! The one writer: a task that owns the one writing connection and is never aborted. Callers may
//! stop waiting for an answer; what they asked for is carried out all the same (rule R2).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Shared;
use super::connection::{connect_writer, has_no_room, result_code};
use super::rows::{column, corrupt};
use super::{encode, sql};
use crate::error::Error;
use crate::model::{InboxRecord, NewEntry, Pause, Save, Start, Write, Written};
use crate::plan::{Questions, named_before, plan, refused};

/// After this long without work, what is in the log moves to the database file.
const IDLE: Duration = Duration::from_millis(200);
/// So it does after this much work without a pause. A commit fills some ten pages of the log, so
/// that keeps the log at a few megabytes however long the load lasts.
const COMMITS_MAX: u32 = 200;
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// A log of this size is shortened as soon as nobody reads from it.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// After a checkpoint has failed, another one is not tried before.
const CHECKPOINT_AGAIN: Duration = Duration::from_secs(1);
/// A checkpoint that readers hold up for longer than this is worth a warning.
const BLOCKED_MAX: Duration = Duration::from_secs(60);
/// The most that one transaction carries. A statement's argument may have a thousand million bytes.
const TRANSACTION_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) enum Command {
    Commit {
        batch: Vec<Write>,
        answer: oneshot::Sender<Result<Vec<Written>, Error>>,
    },
    SetPause {
        pause: Option<Pause>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
    CaughtUp {
        answer: oneshot::Sender<Result<(), Error>>,
    },
    Close {
        answer: oneshot::Sender<()>,
    },
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    /// `None` after an error retired it (rule R1), until the next command opens another.
    pub(super) connection: Option<SqliteConnection>,
    pub(super) commits: u32,
    pub(super) bytes: usize,
    pub(super) blocked_since: Option<Instant>,
    /// When a checkpoint failed, unless one has succeeded since.
    pub(super) checkpoint_failed: Option<Instant>,
    pub(super) transaction_bytes_max: usize,
}

/// How a transaction ended that gave no answers.
enum Failed {
    /// The database refused something in it. Nothing of it happened.
    Rejected(String),
    /// Something is wrong with the store, not with the batch.
    Store(Error),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: SqliteConnection) -> Self {
        Self {
            shared,
            connection: Some(connection),
            commits: 0,
            bytes: 0,
            blocked_since: None,
            checkpoint_failed: None,
            transaction_bytes_max: TRANSACTION_BYTES_MAX,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut closed = None;
        loop {
            let command = if self.commits == 0 {
                commands.recv().await
            } else {
                let Ok(command) = tokio::time::timeout(IDLE, commands.recv()).await else {
                    self.checkpoint().await;
                    continue;
                };
                command
            };
            match command {
                Some(Command::Commit { batch, answer }) => {
                    answer.send(self.commit(&batch).await).ok();
                }
                Some(Command::SetPause { pause, answer }) => {
                    answer.send(self.set_pause(pause).await).ok();
                }
                Some(Command::CaughtUp { answer }) => {
                    answer.send(self.caught_up().await).ok();
                }
                Some(Command::Close { answer }) => {
                    closed = Some(answer);
                    break;
                }
                None => break,
            }
            if self.commits >= COMMITS_MAX || self.bytes >= BYTES_MAX {
                self.checkpoint().await;
            }
        }
        // Whoever still waits learns that nobody will answer.
        drop(commands);
        self.shut_down().await;
        if let Some(answer) = closed {
            answer.send(()).ok();
        }
    }

    pub(super) async fn commit(&mut self, batch: &[Write]) -> Result<Vec<Written>, Error> {
        self.shared.usable()?;
        let named_before = named_before(batch);
        let mut answers = Vec::with_capacity(batch.len());
        let mut parts = transactions(batch, self.transaction_bytes_max);
        while let Some(part) = parts.pop() {
            let (Some(writes), Some(named)) =
                (batch.get(part.clone()), named_before.get(part.clone()))
            else {
                break;
            };
            match self.transaction(writes, named).await {
                Ok(some) => answers.extend(some),
                Err(Failed::Rejected(detail)) if writes.len() == 1 => answers.push(refused(detail)),
                // One of them is to blame: halve until it stands alone.
                Err(Failed::Rejected(_)) => {
                    let middle = part.start + writes.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                // Those before it are committed, so "nothing was written" would be wrong.
                Err(Failed::Store(Error::Unavailable { cause, .. })) if !answers.is_empty() => {
                    return Err(Error::CommitUnknown { cause });
                }
                Err(Failed::Store(error)) => return Err(error),
            }
        }
        Ok(answers)
    }

    /// Asks, plans, and writes. Twice, if somebody else wrote in between.
    async fn transaction(
        &mut self,
        batch: &[Write],
        named_before: &[bool],
    ) -> Result<Vec<Written>, Failed> {
        let mut guard_missed = false;
        loop {
            let questions = Questions::of(batch);
            let (commits, known) = self.know(&questions).await.map_err(Failed::Store)?;
            let incarnation = known.incarnation;
            let plan = plan(batch, named_before, known);
            if plan.is_empty() {
                return Ok(plan.answers);
            }
            let connection = self.connection().await.map_err(Failed::Store)?;
            let written = encode::write(&plan, commits, incarnation)
                .execute(connection)
                .await;
            let Err(error) = written else {
                self.written(plan.newest, batch);
                return Ok(plan.answers);
            };
            self.retire().await;
            match blames(&error) {
                Blame::Batch => return Err(Failed::Rejected(error.to_string())),
                Blame::Guard if guard_missed => {
                    return Err(Failed::Rejected(
                        "another program writes to this store".into(),
                    ));
                }
                Blame::Guard => {
                    tracing::error!("another program writes to this store: planning again");
                    guard_missed = true;
                }
                Blame::Store => {
                    let happened = self.happened(commits).await;
                    if is_short_of_room(&error) {
                        // The log itself may be what fills the disk, and nothing but a checkpoint
                        // lets it begin anew.
                        self.checkpoint().await;
                    }
                    return match happened {
                        Some(true) => {
                            tracing::warn!(%error, "a commit failed, but happened");
                            self.written(plan.newest, batch);
                            Ok(plan.answers)
                        }
                        Some(false) => Err(Failed::Store(unavailable("commit a batch", error))),
                        None => Err(Failed::Store(Error::CommitUnknown {
                            cause: error.into(),
                        })),
                    };
                }
            }
        }
    }

    pub(super) async fn know(
        &mut self,
        questions: &Questions,
    ) -> Result<(i64, crate::plan::Knowledge), Error> {
        let shared = Arc::clone(&self.shared);
        // A fresh connection may do what an old one could not.
        for last in [false, true] {
            let connection = self.connection().await?;
            match encode::know(questions).fetch_all(connection).await {
                Ok(rows) => {
                    let row = rows.first().ok_or_else(|| {
                        corrupt("the row about the store", "it is missing".into())
                    })?;
                    return encode::knowledge(row, questions, |newest| shared.time(newest).at)
                        .map_err(|detail| corrupt("what a batch asks for", detail));
                }
                Err(error) => {
                    self.retire().await;
                    if last {
                        return Err(unavailable("look up what a batch concerns", error));
                    }
                    tracing::warn!(%error, "a look-up failed: trying once more on a new connection");
                }
            }
        }
        Err(unavailable(
            "look up what a batch concerns",
            sqlx::Error::WorkerCrashed,
        ))
    }

    /// Did the commit after the `commits`th happen, whose answer was an error? Read on a fresh
    /// connection (rule R3). `None`: it cannot be found out now.
    pub(super) async fn happened(&mut self, commits: i64) -> Option<bool> {
        let connection = self.connection().await.ok()?;
        let rows = match sqlx::query(sql::COMMITS).fetch_all(connection).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "a failed commit cannot be read back");
                self.retire().await;
                return None;
            }
        };
        let found: i64 = column(rows.first()?, 0).ok()?;
        match found - commits {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn written(&mut self, newest: Timestamp, batch: &[Write]) {
        self.shared.stored(newest);
        self.commits += 1;
        self.bytes += batch.iter().map(size).sum::<usize>();
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => match connect_writer(&self.shared.path).await {
                Ok((connection, _)) => connection,
                Err(error) => return Err(unavailable("open a connection", error)),
            },
        };
        Ok(self.connection.insert(connection))
    }

    /// After any error the connection is closed, which rolls back whatever it had begun (rules R1
    /// and R9).
    async fn retire(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await.ok();
            self.shared.count_retired();
        }
    }

    async fn set_pause(&mut self, pause: Option<Pause>) -> Result<(), Error> {
        self.shared.usable()?;
        let (since, by, why) = match pause {
            Some(pause) => (
                Some(pause.since.as_millis()),
                Some(pause.by),
                Some(pause.why),
            ),
            None => (None, None, None),
        };
        let connection = self.connection().await?;
        let written = sqlx::query(sql::SET_PAUSE)
            .bind(since)
            .bind(by)
            .bind(why)
            .execute(connection)
            .await;
        self.commits += 1;
        match written {
            Ok(_) => Ok(()),
            Err(error) => {
                self.retire().await;
                // To set it again does no harm, so whether it happened need not be found out.
                Err(unavailable("set the pause", error))
            }
        }
    }

    async fn caught_up(&mut self) -> Result<(), Error> {
        self.shared.usable()?;
        let connection = self.connection().await?;
        let written = sqlx::query(sql::CAUGHT_UP).execute(connection).await;
        self.commits += 1;
        match written {
            Ok(_) => Ok(()),
            Err(error) => {
                self.retire().await;
                // To do it again does no harm, so whether it happened need not be found out.
                Err(unavailable("note that it has caught up", error))
            }
        }
    }

    pub(super) async fn checkpoint(&mut self) {
        if self
            .checkpoint_failed
            .is_some_and(|at| at.elapsed() < CHECKPOINT_AGAIN)
        {
            return;
        }
        self.checkpoint_failed = Some(Instant::now());
        let long = self.shared.log_bytes() > LOG_BYTES_MAX;
        let statement = if long { sql::TRUNCATE } else { sql::CHECKPOINT };
        let Ok(connection) = self.connection().await else {
            return;
        };
        match sqlx::query(statement).fetch_all(connection).await {
            Ok(rows) => {
                self.checkpoint_failed = None;
                (self.commits, self.bytes) = (0, 0);
                // The row of the checkpoint is the one with three columns: busy, frames in the
                // log, frames moved.
                let left = rows.iter().any(|row| {
                    let number = |index| column::<i64>(row, index).ok();
                    number(1)
                        .zip(number(2))
                        .is_some_and(|(log, moved)| moved < log)
                });
                self.note_blocked(left);
            }
            Err(error) => {
                tracing::warn!(%error, "a checkpoint failed");
                self.retire().await;
            }
        }
    }

    fn note_blocked(&mut self, blocked: bool) {
        if !blocked {
            self.blocked_since = None;
            return;
        }
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        if since.elapsed() > BLOCKED_MAX {
            tracing::warn!(
                log_bytes = self.shared.log_bytes(),
                "a reader has held up checkpoints for a minute"
            );
            self.blocked_since = None;
        }
    }

    async fn shut_down(mut self) {
        let incarnation = encode::signed(self.shared.incarnation.0);
        if let Ok(connection) = self.connection().await {
            let noted = sqlx::query(sql::SHUT_DOWN_CLEANLY)
                .bind(incarnation)
                .execute(connection)
                .await;
            if let Err(error) = noted {
                tracing::warn!(%error, "the store could not note that it was closed");
            }
        }
        // Readers first: the last connection to close folds the log into the file.
        self.shared.pool.close().await;
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the store's connection did not close");
        }
        self.shared.release();
    }
}

/// Could it be that a write found no room: on the disk, or below a limit to the size of files?
fn is_short_of_room(error: &sqlx::Error) -> bool {
    const IOERR_WRITE: &str = "778";
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    has_no_room(error) || code.is_some_and(|code| code == IOERR_WRITE)
}

enum Blame {
    Batch,
    Guard,
    Store,
}

/// Who is to blame for a failed transaction?
fn blames(error: &sqlx::Error) -> Blame {
    const ERROR: i32 = 1;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    match result_code(error) {
        Some(ERROR)
            if error
                .as_database_error()
                .is_some_and(|e| e.message() == sql::GUARD_MISSED) =>
        {
            Blame::Guard
        }
        Some(ERROR | TOO_BIG | CONSTRAINT | MISMATCH) => Blame::Batch,
        _ => Blame::Store,
    }
}

pub(super) fn unavailable(operation: &'static str, cause: sqlx::Error) -> Error {
    Error::Unavailable {
        operation,
        cause: cause.into(),
    }
}

/// The parts of a batch that are one transaction each, last first: all of it, unless it is huge.
fn transactions(batch: &[Write], bytes_max: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (index, write) in batch.iter().enumerate() {
        let size = size(write);
        if bytes + size > bytes_max && index > begin {
            parts.push(begin..index);
            (begin, bytes) = (index, 0);
        }
        bytes += size;
    }
    if begin < batch.len() {
        parts.push(begin..batch.len());
    }
    parts.reverse();
    parts
}

/// The bytes of a write's long texts.
fn size(write: &Write) -> usize {
    let entries = |entries: &[NewEntry]| -> usize {
        let of =
            |entry: &NewEntry| entry.input.len() + entry.emissions.as_ref().map_or(0, String::len);
        entries.iter().map(of).sum()
    };
    let records = |records: &[InboxRecord]| -> usize { records.iter().map(|r| r.raw.len()).sum() };
    match write {
        Write::Start(Start {
            body,
            retries,
            entries: e,
            inbox,
            ..
        })
        | Write::Save(Save {
            body,
            retries,
            entries: e,
            inbox,
            ..
        }) => body.state.len() + retries.len() + entries(e) + records(inbox),
        Write::Keep(record) => record.raw.len(),
    }
}
