//! The way to a store: read it, also beside a daemon; change it through the daemon where one runs,
//! else open it here.

use std::net::SocketAddr;
use std::time::Duration;

use countermand::store::{Disposition, Holder, SqliteStore};
use countermand::{Conflict, Error, Handle, Reader, Report, Violation};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::daemon::{Api, chain};
use crate::exit::{Exit, Failure};
use crate::{engine, output};

/// How long a daemon may take from its lock to its address.
const DAEMON_STARTS: Duration = Duration::from_secs(10);
/// Between two looks at the lock file.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What an engine of our own is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Drive what is due, as the daemon would.
    Drive,
    /// Only store what it is told.
    StoreOnly,
    /// Only store what it is told, in a store that is there already.
    Existing,
}

/// The way in for commands that change something.
pub(crate) enum Access {
    /// A daemon runs on the store.
    Daemon(Api),
    /// Nobody does: the store is open here.
    Here(Local),
}

/// An engine of our own, for the length of one command.
pub(crate) struct Local {
    pub(crate) handle: Handle,
    store: SqliteStore,
    grace: Duration,
}

impl Local {
    /// Stops it in good order and gives the store up.
    pub(crate) async fn close(self) {
        if !self.handle.shutdown(self.grace).await {
            output::tell(
                "some requests were still under way; the next start looks what became of them",
            );
        }
        self.store.close().await;
    }
}

/// Reads the store; a running daemon is not disturbed.
pub(crate) async fn reader(config: &Config) -> Result<Reader, Failure> {
    Ok(Reader::on(read_only(config).await?))
}

/// Opens the store for reading only.
pub(crate) async fn read_only(config: &Config) -> Result<SqliteStore, Failure> {
    SqliteStore::open_read_only(config.store.path.clone())
        .await
        .map_err(|error| unusable(&error))
}

/// Opens the store, creating and migrating it where needed, and takes its lock.
pub(crate) async fn open(config: &Config) -> Result<SqliteStore, Failure> {
    SqliteStore::open(config.store.path.clone())
        .await
        .map_err(|error| unusable(&error))
}

/// Whoever holds the store's lock.
pub(crate) fn holder(config: &Config) -> Result<Option<Holder>, Failure> {
    SqliteStore::holder(&config.store.path).map_err(|error| unusable(&error))
}

/// The daemon where one runs, else an engine of our own.
pub(crate) async fn access(config: &Config, mode: Mode) -> Result<Access, Failure> {
    let deadline = Instant::now() + DAEMON_STARTS;
    loop {
        let holder = match holder(config) {
            Ok(holder) => holder,
            // Whoever has just taken the lock has not written yet who it is.
            Err(_) if Instant::now() < deadline => {
                sleep(LOOK_AGAIN).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let Some(holder) = holder else {
            if mode == Mode::Existing && !config.store.path.exists() {
                return Err(Failure::new(
                    Exit::Store,
                    format!(
                        "there is no store at {}; `countermand db migrate` creates one",
                        config.store.path.display()
                    ),
                ));
            }
            let store = match open(config).await {
                Ok(store) => store,
                // Another command, or a daemon, was faster: wait for it, or go through it.
                Err(_) if Instant::now() < deadline && is_held(config) => continue,
                Err(failure) => return Err(failure),
            };
            let handle = engine::start(config, store.clone(), mode).await?;
            return Ok(Access::Here(Local {
                handle,
                store,
                grace: config.runner.shutdown_grace,
            }));
        };
        if let Some(address) = holder
            .address
            .as_deref()
            .and_then(|text| text.parse::<SocketAddr>().ok())
        {
            return Ok(Access::Daemon(Api::new(config, address)?));
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Exit::Store,
                format!(
                    "the store {} is in use by process {} since {}, which does not listen: try again when it has ended",
                    config.store.path.display(),
                    holder.pid,
                    holder.since
                ),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Does anybody hold the store's lock, or has it been taken so lately that it does not say?
fn is_held(config: &Config) -> bool {
    !matches!(holder(config), Ok(None))
}

/// Proves the store: replays every history, and checks the file and its hashes.
pub(crate) async fn verify(store: &SqliteStore) -> Result<Report, Failure> {
    let mut report = countermand::verify(store)
        .await
        .map_err(|error| unusable(&error))?;
    for detail in store.check().await.map_err(|error| unusable(&error))? {
        report.checked.violations += 1;
        report.violations.push(Violation {
            invariant: "I19".to_owned(),
            id: None,
            detail,
        });
    }
    report.ok = report.violations.is_empty();
    Ok(report)
}

/// A store that cannot be used: exit code 6.
pub(crate) fn unusable(error: &countermand::store::Error) -> Failure {
    Failure::new(Exit::Store, chain(error))
}

/// The exit code of an engine's error.
pub(crate) fn failure(error: &Error) -> Failure {
    let exit = match error {
        Error::Invalid { .. } | Error::BadEvents { .. } => Exit::Usage,
        Error::NotFound { .. } => Exit::Missing,
        Error::Refused { .. } => Exit::Refused,
        Error::Store(_) => Exit::Store,
        _ => Exit::Failed,
    };
    Failure::new(exit, chain(error))
}

/// A cancellation stands against a request.
pub(crate) fn conflict(conflict: &Conflict) -> Failure {
    Failure::new(Exit::Refused, conflict.message.clone()).with(json!({
        "cancellationId": conflict.with,
        "problem": conflict.why.code(),
    }))
}

/// The stable name of what became of an event.
pub(crate) fn disposition_name(disposition: Disposition) -> String {
    serde_json::to_value(disposition)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
