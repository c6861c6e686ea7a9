//! Connections: every setting explicit, and read back (rule R4).

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

use super::file::{APPLICATION_ID, Found, Why, belongs};
use super::rows::column;
use super::sql;
use crate::SCHEMA;

/// Older ones can lose committed data: the WAL-reset bug, present from 2010 on.
const OLDEST_LIBRARY: (u32, u32, u32) = (3, 51, 3);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const JOURNAL_BYTES_MAX: i64 = 64 * 1024 * 1024;

fn common(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", JOURNAL_BYTES_MAX.to_string())
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0")
        .pragma("temp_store", "MEMORY")
        .row_buffer_size(512)
        .disable_statement_logging()
}

/// The writer checkpoints when it is idle, so a commit need not wait for that (rule R6).
fn writing(path: &Path) -> SqliteConnectOptions {
    common(path)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("wal_autocheckpoint", "0")
        .pragma("query_only", "OFF")
}

/// A reader cannot write, whatever it is told (rule R5).
pub(super) fn reading(path: &Path) -> SqliteConnectOptions {
    common(path).read_only(true).pragma("query_only", "ON")
}

/// For a copy from which nobody else reads: no file stands beside it, and a crash costs only the
/// copy.
pub(super) fn alone(path: &Path) -> SqliteConnectOptions {
    common(path)
        .journal_mode(SqliteJournalMode::Memory)
        .pragma("query_only", "OFF")
}

/// For copying: reads the store, and can write to nothing but the copy.
pub(super) fn copying(path: &Path) -> SqliteConnectOptions {
    common(path).read_only(true).pragma("query_only", "OFF")
}

/// What a connection found.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) library: String,
    pub(super) application_id: i64,
    pub(super) schema: i64,
}

/// Opens the writer's connection; refuses one whose settings are not what was asked for.
pub(super) async fn connect_writer(path: &Path) -> Result<(SqliteConnection, Facts), sqlx::Error> {
    let mut connection = writing(path).connect().await?;
    match facts(&mut connection, false).await {
        Ok(facts) => Ok((connection, facts)),
        Err(error) => {
            connection.close().await.ok();
            Err(error)
        }
    }
}

/// Reads the settings back.
pub(super) async fn facts(
    connection: &mut SqliteConnection,
    reader: bool,
) -> Result<Facts, sqlx::Error> {
    let rows = sqlx::query(sql::PRAGMAS).fetch_all(connection).await?;
    let row = rows
        .first()
        .ok_or_else(|| wrong("the pragmas answer nothing"))?;
    let number = |index| column::<i64>(row, index).map_err(wrong);
    let text = |index| column::<String>(row, index).map_err(wrong);
    let library = text(0)?;
    if parse_version(&library).is_none_or(|version| version < OLDEST_LIBRARY) {
        let (major, minor, patch) = OLDEST_LIBRARY;
        return Err(wrong(format!(
            "the SQLite library is {library}; before {major}.{minor}.{patch} it can lose committed data"
        )));
    }
    if !reader && text(3)? != "wal" {
        return Err(wrong("the journal mode is not WAL"));
    }
    for (name, found, wanted) in [
        ("synchronous", number(4)?, 2),
        ("foreign_keys", number(5)?, 1),
        ("busy_timeout", number(6)?, 5000),
        ("journal_size_limit", number(7)?, JOURNAL_BYTES_MAX),
        ("trusted_schema", number(8)?, 0),
        ("cell_size_check", number(9)?, 1),
        ("query_only", number(10)?, i64::from(reader)),
    ] {
        if found != wanted {
            return Err(wrong(format!(
                "the setting {name} is {found}, not {wanted}"
            )));
        }
    }
    if text(11)? != "UTF-8" {
        return Err(wrong("the database's text is not UTF-8"));
    }
    Ok(Facts {
        library,
        application_id: number(1)?,
        schema: number(2)?,
    })
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

fn wrong(what: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Configuration(what.into().into())
}

/// What a store says before it is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) found: Found,
    /// Was it closed as it should be?
    pub(super) clean: bool,
}

/// Looks through a reader's eyes: at what the header may not show yet, and whether this program may
/// read it, or write to it.
pub(super) async fn look(path: &Path, to_write: bool) -> Result<Before, Why> {
    let mut connection = reading(path)
        .connect()
        .await
        .map_err(|error| explain(&error))?;
    let before = look_with(&mut connection, to_write).await;
    connection.close().await.ok();
    before
}

async fn look_with(connection: &mut SqliteConnection, to_write: bool) -> Result<Before, Why> {
    let facts = facts(connection, true)
        .await
        .map_err(|error| explain(&error))?;
    let found = belongs(facts.application_id, facts.schema)?;
    if found == Found::Fresh {
        let rows = sqlx::query(sql::TABLES)
            .fetch_all(connection)
            .await
            .map_err(|error| explain(&error))?;
        let tables: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
        return if tables == 0 {
            Ok(Before { found, clean: true })
        } else {
            Err("it is the database of another program: give another path, or move it away".into())
        };
    }
    let rows = sqlx::query(sql::META)
        .fetch_all(connection)
        .await
        .map_err(|error| explain(&error))?;
    let row = rows
        .first()
        .ok_or("its row about itself is missing: restore a backup")?;
    let oldest: i64 = column(row, if to_write { 3 } else { 2 })?;
    if oldest > SCHEMA {
        return Err(format!(
            "it wants a program that knows schema {oldest}, this one knows up to {SCHEMA}: use a newer program"
        ));
    }
    Ok(Before {
        found,
        clean: column::<i64>(row, 4)? == 1,
    })
}

/// Checks the file's structure, and that each row is proved by its history (rule R10).
pub(super) async fn check(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = reading(path).connect().await?;
    let findings = check_with(&mut connection).await;
    connection.close().await.ok();
    findings
}

async fn check_with(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut findings = Vec::new();
    for row in sqlx::query(sql::QUICK_CHECK)
        .fetch_all(&mut *connection)
        .await?
    {
        let line: String = column(&row, 0).map_err(wrong)?;
        if line != "ok" {
            findings.push(line);
        }
    }
    if !findings.is_empty() {
        return Ok(findings);
    }
    for row in sqlx::query(sql::HEADS).fetch_all(&mut *connection).await? {
        let id: String = column(&row, 0).map_err(wrong)?;
        findings.push(format!(
            "the history of {} does not prove its row",
            id.escape_debug()
        ));
    }
    Ok(findings)
}

/// A database error as a sentence about the file.
pub(super) fn explain(error: &sqlx::Error) -> Why {
    const CORRUPT: i32 = 11;
    const NO_DATABASE: i32 = 26;
    match result_code(error) {
        _ if has_no_room(error) => {
            format!("there is no room for it on its disk ({error}): free some space")
        }
        Some(CORRUPT | NO_DATABASE) => format!("it is damaged ({error}): restore a backup"),
        _ => format!("{error}"),
    }
}

/// Is the disk full? What is told of the shared memory is not told in so many words.
pub(super) fn has_no_room(error: &sqlx::Error) -> bool {
    const FULL: &str = "13";
    const IOERR_SHMSIZE: &str = "4874";
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| [FULL, IOERR_SHMSIZE].contains(&&*code))
}

/// SQLite's primary result code.
pub(super) fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|extended| extended & 0xff)
}

/// The migrations, embedded. A released one is never edited.
pub(super) fn migrator() -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        "instances".into(),
        MigrationType::Simple,
        include_str!("../../../../migrations/sqlite/0001_instances.sql").into_sql_str(),
        false,
    )])
}

/// Brings the schema up to date. Only ever called under the store's lock.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Why> {
    migrator()
        .run_direct(None, connection, false)
        .await
        .map_err(|error| format!("its schema cannot be brought up to date: {error}"))?;
    let facts = facts(connection, false)
        .await
        .map_err(|error| explain(&error))?;
    if (facts.application_id, facts.schema) != (APPLICATION_ID, SCHEMA) {
        return Err(format!(
            "its schema is {} after the migrations, not {SCHEMA}",
            facts.schema
        ));
    }
    // So that the header says what it is to whoever looks without opening it.
    sqlx::query(sql::TRUNCATE)
        .fetch_all(connection)
        .await
        .map(drop)
        .map_err(|error| explain(&error))
}
