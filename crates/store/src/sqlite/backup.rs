//! A backup of a store that is in use: a copy as of one moment, checked, and marked so that whoever
//! opens it knows that its history is behind the world.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countermand_core::Timestamp;
use sqlx::{ConnectOptions, Connection};

use super::copy::{self, Contents, Draft, beside, sync_directory_of};
use super::lock::Holder;
use super::rows::{column, corrupt, time};
use super::{Shared, SqliteStore, bytes_of, connection, sql};
use crate::error::Error;
use crate::model::Hash;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// The store that it is of; a restored store keeps this name.
    pub store_id: String,
    /// Since when its history may be behind the world: when it was made, or, of a file that
    /// [`SqliteStore::backup`] did not make, the newest time stored in it.
    pub as_of: Option<Timestamp>,
    /// The newest time stored in it.
    pub newest: Option<Timestamp>,
    /// Instances.
    pub instances: u64,
    /// Of them not finished.
    pub live: u64,
    /// History entries.
    pub entries: u64,
    /// A hash over the heads of all instances, as [`Info::head`](crate::Info::head).
    pub head: Hash,
    /// Its size.
    pub bytes: u64,
}

/// Why nothing was backed up, or restored. Nothing is left of the attempt.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file with the name of the backup is there.
    #[error("{} is there already, and no backup overwrites a file: give another name", .path.display())]
    Exists {
        /// Which one.
        path: PathBuf,
    },
    /// There is a store where one was to be restored, and it was not to be replaced.
    #[error("there is a store at {} already", .path.display())]
    StoreExists {
        /// Where.
        path: PathBuf,
    },
    /// The backup is the file of the store itself.
    #[error("{} is the store itself, not a backup of it", .path.display())]
    Same {
        /// Which one.
        path: PathBuf,
    },
    /// The file to restore from is not there.
    #[error("there is no {}", .path.display())]
    Missing {
        /// Which one.
        path: PathBuf,
    },
    /// The file to restore from cannot become a store: it is damaged, another program's, or of a
    /// newer one.
    #[error("{} cannot be restored from: {why}", .path.display())]
    Unfit {
        /// Which one.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Somebody works on the store that was to be replaced.
    #[error("the store {} is in use{}: stop that first", .path.display(), by(.holder.as_ref()))]
    InUse {
        /// Which one.
        path: PathBuf,
        /// By whom, where that is known.
        holder: Option<Holder>,
    },
    /// The store cannot be read, or its place not be used.
    #[error(transparent)]
    Store(#[from] Error),
    /// The disk is full, or something like that.
    #[error("failed to {operation} {}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| {
        format!(" by process {} since {}", holder.pid, holder.since)
    })
}

/// An error about a file.
pub(super) fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> BackupError {
    move |cause| BackupError::Io {
        operation,
        path: path.to_owned(),
        cause: cause.into(),
    }
}

impl Backup {
    pub(super) fn new(path: &Path, bytes: u64, as_of: Option<Timestamp>, found: Contents) -> Self {
        Self {
            path: path.to_owned(),
            store_id: found.store_id,
            as_of,
            newest: found.newest,
            instances: found.instances,
            live: found.live,
            entries: found.entries,
            head: found.head,
            bytes,
        }
    }
}

impl SqliteStore {
    /// Copies the store, as of one moment, to a new file `to`, while it is being written to; a store
    /// opened for reading only can do it beside a running daemon. Writers are never kept waiting.
    /// The file is readable by its owner alone, checked, and on disk when this answers.
    ///
    /// The copy is marked as a backup: opened in any way, with [`open`](Self::open) too, it counts as
    /// restored.
    ///
    /// It is carried to its end even when this is dropped.
    ///
    /// # Errors
    /// [`BackupError::Exists`], [`BackupError::Io`] when it cannot be written (the disk is full),
    /// [`BackupError::Store`] when the store cannot be read. Nothing is left behind then.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<Backup, BackupError> {
        let shared = Arc::clone(&self.shared);
        let to = to.as_ref().to_owned();
        let path = to.clone();
        tokio::spawn(async move { backup(&shared, &to).await })
            .await
            .unwrap_or_else(|error| Err(failed("write", &path)(error)))
    }
}

async fn backup(shared: &Shared, to: &Path) -> Result<Backup, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: to.into() });
    }
    let to = name_in_directory(to).map_err(failed("write", to))?;
    let draft = Draft::beside(&to).map_err(failed("write", &to))?;
    let as_of = shared.clock.now();
    copy_to(shared, draft.path(), &to).await?;
    copy::mark(draft.path(), as_of)
        .await
        .map_err(failed("write", &to))?;
    let found = copy::prove(draft.path())
        .await
        .map_err(|why| shared.refuse(format!("its copy does not prove itself: {why}")))?;
    draft.sync().map_err(failed("write", &to))?;
    let bytes = bytes_of(draft.path(), "");
    publish(&draft, &to)?;
    Ok(Backup::new(&to, bytes, Some(as_of), found))
}

/// A file that is to be made, by its directory without links.
fn name_in_directory(path: &Path) -> io::Result<PathBuf> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "it has no file name");
    let name = path.file_name().ok_or_else(invalid)?;
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    Ok(directory.canonicalize()?.join(name))
}

async fn copy_to(shared: &Shared, draft: &Path, to: &Path) -> Result<(), BackupError> {
    const CORRUPT: i32 = 11;
    const NO_DATABASE: i32 = 26;
    let Some(text) = draft.to_str() else {
        return Err(failed("write", to)("its name is no UTF-8"));
    };
    let mut connection = connection::copying(&shared.path)
        .connect()
        .await
        .map_err(|error| shared.refuse(connection::explain(&error)))?;
    let copied = sqlx::query(sql::COPY)
        .bind(text)
        .execute(&mut connection)
        .await;
    connection.close().await.ok();
    match copied {
        Ok(_) => Ok(()),
        Err(error) => match connection::result_code(&error) {
            Some(CORRUPT | NO_DATABASE) => Err(shared.refuse(connection::explain(&error)).into()),
            _ => Err(failed("write", to)(error)),
        },
    }
}

/// Gives the copy its name, unless that was taken meanwhile.
fn publish(draft: &Draft, to: &Path) -> Result<(), BackupError> {
    match std::fs::hard_link(draft.path(), to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists { path: to.into() });
        }
        // A file system without links.
        Err(_) if to.symlink_metadata().is_err() => {
            std::fs::rename(draft.path(), to).map_err(failed("write", to))?;
        }
        Err(_) => return Err(BackupError::Exists { path: to.into() }),
    }
    sync_directory_of(to).map_err(failed("write", to))
}

impl Shared {
    pub(super) async fn restored(&self) -> Result<Option<Timestamp>, Error> {
        let found = self.rows(sqlx::query(sql::RESTORED)).await?;
        let about = |detail| corrupt("the row about the store", detail);
        let row = found
            .first()
            .ok_or_else(|| about("it is missing".to_owned()))?;
        let restored: Option<i64> = column(row, 0).map_err(about)?;
        Ok(restored.map(time))
    }
}

/// Does a log stand beside a file, so that the file alone is not all of it?
pub(super) fn log_of(path: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"]
        .map(|suffix| beside(path, suffix))
        .into_iter()
        .find(|log| log.metadata().is_ok_and(|metadata| metadata.len() > 0))
}
