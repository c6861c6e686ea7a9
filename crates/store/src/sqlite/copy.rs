//! A copy of a store on its way to its name: made beside it, marked, checked, and on disk before
//! anybody can take it for a store.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use countermand_core::{Epoch, InstanceId, Timestamp};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use super::connection::{self, explain};
use super::file::{Found, Why};
use super::rows::{self, Detail, column, time, unsigned};
use super::sql;
use crate::hash::{GENESIS, StoreHead, entry_hash, record_hash};
use crate::model::Hash;

/// The files that SQLite keeps beside a database.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Damage is told of up to so many pieces.
const FINDINGS_MAX: usize = 10;

/// A file with the same name and more.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes the names in a directory to disk.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// A copy that is not done. Unless it is taken away before, it is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// An empty file beside `target`, readable by its owner alone.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let mut number = 0_u32;
        loop {
            let path = beside(target, &format!(".tmp-{}-{number}", std::process::id()));
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
            {
                Ok(_) => return Ok(Self { path }),
                // Of another task of this process, or of an earlier one with the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what was copied to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in SIDE_FILES.iter().chain(&[""]) {
            let path = beside(&self.path, suffix);
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "an unfinished copy could not be removed");
                }
            }
        }
    }
}

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) store_id: String,
    pub(super) newest: Option<Timestamp>,
    pub(super) incarnation: Epoch,
    pub(super) restored: Option<Timestamp>,
    pub(super) instances: u64,
    pub(super) live: u64,
    pub(super) entries: u64,
    pub(super) head: Hash,
}

/// Marks a copy: whoever opens it learns that its history may be behind the world.
pub(super) async fn mark(path: &Path, at: Timestamp) -> Result<(), sqlx::Error> {
    let mut connection = connection::alone(path).connect().await?;
    let marked = sqlx::query(sql::MARK_RESTORED)
        .bind(at.as_millis())
        .execute(&mut connection)
        .await;
    let closed = connection.close().await;
    marked?;
    closed
}

/// Proves a copy: its structure, that each row is the one its history proves, that no entry and no
/// event was changed, and that this program may go on with it.
pub(super) async fn prove(path: &Path) -> Result<Contents, Why> {
    if let Found::Nothing | Found::Fresh = connection::look(path, true).await?.found {
        return Err("there is no store in it".into());
    }
    let findings = connection::check(path).await.map_err(|e| explain(&e))?;
    refuse(&findings)?;
    let mut connection = connection::reading(path)
        .connect()
        .await
        .map_err(|error| explain(&error))?;
    let proved = prove_with(&mut connection).await;
    connection.close().await.ok();
    proved
}

fn refuse(findings: &[String]) -> Result<(), Why> {
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!("it is damaged ({})", findings.join("; ")))
}

async fn prove_with(connection: &mut SqliteConnection) -> Result<Contents, Why> {
    let mut findings = chains(connection).await?;
    findings.extend(events(connection).await?);
    findings.truncate(FINDINGS_MAX);
    refuse(&findings)?;
    contents(connection).await
}

/// Recomputes every history's chain of hashes.
async fn chains(connection: &mut SqliteConnection) -> Result<Vec<String>, Why> {
    let mut broken = BTreeSet::new();
    let mut before: Option<(InstanceId, u64, Hash)> = None;
    let mut entries = sqlx::query(sql::ALL_ENTRIES).fetch(connection);
    while let Some(row) = entries.try_next().await.map_err(|e| explain(&e))? {
        if broken.len() >= FINDINGS_MAX {
            break;
        }
        let entry = match rows::entry(&row) {
            Ok(entry) => entry,
            Err(error) => {
                broken.insert(error.to_string());
                continue;
            }
        };
        let (seq, hash) = match before.take().filter(|(id, ..)| *id == entry.instance_id) {
            Some((_, seq, hash)) => (seq + 1, hash),
            None => (1, GENESIS),
        };
        let wanted = entry_hash(&hash, &entry.instance_id, entry.seq, &entry.entry);
        if entry.seq != seq || entry.hash != wanted {
            let id = &entry.instance_id;
            broken.insert(format!("the history of {id} was changed"));
        }
        before = Some((entry.instance_id, entry.seq, entry.hash));
    }
    Ok(broken.into_iter().collect())
}

async fn events(connection: &mut SqliteConnection) -> Result<Vec<String>, Why> {
    const PAGE: i64 = 1000;
    let mut findings = Vec::new();
    let mut after = i64::MIN;
    while findings.len() < FINDINGS_MAX {
        let page = sqlx::query(sql::INBOX_AFTER)
            .bind(after)
            .bind(PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| explain(&error))?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            after = column(row, 8)?;
            match rows::record(row) {
                Ok((record, number, hash)) if hash != record_hash(&record) => {
                    findings.push(format!("event {number} of the inbox was changed"));
                }
                Ok(_) => {}
                Err(error) => findings.push(error.to_string()),
            }
        }
    }
    Ok(findings)
}

async fn contents(connection: &mut SqliteConnection) -> Result<Contents, Why> {
    let found = sqlx::query(sql::CONTENTS)
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| explain(&error))?;
    let row = found.first().ok_or("its row about itself is missing")?;
    let number = |index| -> Result<u64, Detail> { unsigned(column(row, index)?) };
    let moment = |index| -> Result<Option<Timestamp>, Detail> {
        Ok(column::<Option<i64>>(row, index)?.map(time))
    };
    let mut head = StoreHead::new();
    let mut heads = sqlx::query(sql::ALL_HEADS).fetch(connection);
    while let Some(row) = heads.try_next().await.map_err(|error| explain(&error))? {
        head.add(&column::<String>(&row, 0)?, &column::<Vec<u8>>(&row, 1)?);
    }
    Ok(Contents {
        store_id: column(row, 0)?,
        newest: moment(1)?,
        incarnation: Epoch(number(2)?),
        restored: moment(3)?,
        instances: number(4)?,
        live: number(5)?,
        entries: number(6)?,
        head: head.finish(),
    })
}
