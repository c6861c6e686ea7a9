//! How a store is opened: everything that could stand against it is found out before a byte of it
//! changes.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use countermand_core::{Epoch, Timestamp};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::mpsc;

use super::file::{self, Found, Why};
use super::lock::{self, Lock, Refused};
use super::rows::{self, column};
use super::writer::Writer;
use super::{Shared, SqliteOptions, SqliteStore, bytes_of, connection, sql};
use crate::SCHEMA;
use crate::clock::StoreTime;

/// How long a start waits for the check after an unclean stop before that goes on in the background.
const CHECK_MAX: Duration = Duration::from_secs(5);
/// Batches that may wait for the writer; more callers wait for room.
const QUEUE: usize = 64;

pub(super) async fn open(options: SqliteOptions) -> Result<SqliteStore, Why> {
    let path = file::resolve(&options.path)?;
    file::check_file_system(&path)?;
    file::check_permissions(&path)?;
    file::inspect(&path)?;
    let lock = take_lock(&path, options.clock.now()).await?;
    // Somebody may have come before us.
    let mut background = None;
    match file::inspect(&path)? {
        Found::Nothing => {
            file::create(&path).map_err(|error| format!("it cannot be created: {error}"))?;
        }
        Found::Fresh if bytes_of(&path, "") == 0 => {}
        Found::Fresh | Found::Store(_) => {
            let before = connection::look(&path, true).await?;
            if !before.clean {
                tracing::info!(path = %path.display(), "the store was not closed properly: checking it");
                background = check_at_start(&path).await?;
            }
        }
    }

    let (mut connection, facts) = connection::connect_writer(&path)
        .await
        .map_err(|error| connection::explain(&error))?;
    connection::migrate(&mut connection).await?;
    let taken = sqlx::query(sql::TAKE_INCARNATION)
        .bind(options.clock.now().as_millis())
        .fetch_all(&mut connection)
        .await
        .map_err(|error| connection::explain(&error))?;
    let row = taken
        .first()
        .ok_or("its row about itself is missing: restore a backup")?;
    let incarnation = Epoch(rows::unsigned(column(row, 0)?)?);
    let newest = StoreTime::default();
    if let Some(millis) = column::<Option<i64>>(row, 1)? {
        newest.stored(Timestamp::from_millis(millis), &*options.clock);
    }

    let shared = Arc::new(Shared {
        pool: pool(&path, &options),
        library: facts.library,
        incarnation,
        clock: options.clock,
        lock: Some(lock),
        newest,
        damaged: Mutex::default(),
        unusable: OnceLock::new(),
        retired: AtomicU64::new(0),
        path,
    });
    if let Some(check) = background {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Err(why) = findings(check.await) {
                tracing::error!(
                    why,
                    "the store is damaged: nothing is written to it any more"
                );
                shared.unusable.set(why).ok();
            }
        });
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(Writer::new(Arc::clone(&shared), connection).run(receiver));
    Ok(SqliteStore {
        shared,
        writer: Some(sender),
    })
}

pub(super) async fn open_read_only(options: SqliteOptions) -> Result<SqliteStore, Why> {
    let path = file::resolve(&options.path)?;
    match file::inspect(&path)? {
        Found::Nothing => return Err("there is no store: a first cancellation creates it".into()),
        Found::Fresh if bytes_of(&path, "") == 0 => {
            return Err("the store is empty: a first cancellation fills it".into());
        }
        Found::Fresh | Found::Store(_) => {}
    }
    let before = connection::look(&path, false).await?;
    match before.found {
        Found::Store(SCHEMA) => {}
        Found::Store(schema) => {
            return Err(format!(
                "it has schema {schema}, this program reads {SCHEMA}: start the daemon, which brings it up to date"
            ));
        }
        Found::Nothing | Found::Fresh => {
            return Err("the store is empty: a first cancellation fills it".into());
        }
    }
    let shared = Shared {
        pool: pool(&path, &options),
        library: String::new(),
        incarnation: Epoch(0),
        clock: options.clock,
        lock: None,
        newest: StoreTime::default(),
        damaged: Mutex::default(),
        unusable: OnceLock::new(),
        retired: AtomicU64::new(0),
        path,
    };
    let found = shared
        .rows(sqlx::query(sql::PRAGMAS))
        .await
        .map_err(|error| error.to_string())?;
    let library = found
        .first()
        .map_or(Ok(String::new()), |row| column(row, 0))?;
    let (incarnation, ..) = shared.counts().await.map_err(|error| error.to_string())?;
    Ok(SqliteStore {
        shared: Arc::new(Shared {
            library,
            incarnation,
            ..shared
        }),
        writer: None,
    })
}

async fn take_lock(path: &Path, since: Timestamp) -> Result<Lock, Why> {
    let lock_path = lock::path_of(path);
    Lock::acquire(&lock_path, since).await.map_err(|refused| {
        let lock = lock_path.display();
        match refused {
            Refused::Held(Some(holder)) => format!(
                "process {} holds it since {} (lock file {lock}): stop that daemon, or go through its API",
                holder.pid, holder.since
            ),
            Refused::Held(None) => format!("another process holds it (lock file {lock})"),
            Refused::Io(error) => format!("its lock file {lock} cannot be used: {error}"),
        }
    })
}

type Check = tokio::task::JoinHandle<Result<Vec<String>, sqlx::Error>>;

/// Checks the file; if that takes long, the check that goes on is returned.
async fn check_at_start(path: &Path) -> Result<Option<Check>, Why> {
    let path = path.to_owned();
    let mut check = tokio::spawn(async move { connection::check(&path).await });
    match tokio::time::timeout(CHECK_MAX, &mut check).await {
        Ok(checked) => findings(checked).map(|()| None),
        Err(_) => Ok(Some(check)),
    }
}

fn findings(
    checked: Result<Result<Vec<String>, sqlx::Error>, tokio::task::JoinError>,
) -> Result<(), Why> {
    match checked {
        Ok(Ok(findings)) if findings.is_empty() => Ok(()),
        Ok(Ok(findings)) => Err(format!(
            "it is damaged ({}): restore a backup",
            findings.join("; ")
        )),
        Ok(Err(error)) => Err(connection::explain(&error)),
        Err(error) => Err(format!(
            "the check after an unclean stop did not end: {error}"
        )),
    }
}

fn pool(path: &Path, options: &SqliteOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .min_connections(0)
        // A reader that failed is closed by whoever saw it fail.
        .test_before_acquire(false)
        .after_connect(|reader, _| {
            Box::pin(async move { connection::facts(reader, true).await.map(drop) })
        })
        .connect_lazy_with(connection::reading(path))
}
