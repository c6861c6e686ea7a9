//! A store made of a backup. The copy is proved and marked before it gets its name, so whatever
//! stops this half way leaves the old store, none, or one that knows that it was restored.

use std::io;
use std::path::{Path, PathBuf};

use countermand_core::{Epoch, Timestamp};

use super::backup::{Backup, BackupError, failed, log_of};
use super::copy::{self, Draft, SIDE_FILES, beside, sync_directory_of};
use super::file::{self, Found, Why};
use super::lock::{self, Lock, Refused};
use super::{SqliteOptions, SqliteStore, bytes_of};
use crate::error::Error;
use crate::incarnation_after_restore;

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where the store is.
    pub path: PathBuf,
    /// What it was restored from.
    pub backup: Backup,
    /// When.
    pub at: Timestamp,
    /// The incarnation it stands at; the next start takes a later one. It is past every one that
    /// the store may have had after the backup.
    pub incarnation: Epoch,
    /// The store that was there before, where it is now, its side files with it.
    pub replaced: Vec<PathBuf>,
}

impl SqliteStore {
    /// Makes a store of a backup, at the place that `options` name. It keeps the name of the store
    /// that the backup is of ([`Backup::store_id`]), and counts as restored: see
    /// [`Store::restored`](crate::Store::restored).
    ///
    /// A store that is there already is moved aside if `replace` says so, else it is an error. The
    /// backup itself is only read. Killed at any moment, it leaves the old store, or none, or the
    /// restored one; perhaps also an unfinished copy, whose name says `.tmp-`.
    ///
    /// It is carried to its end even when this is dropped.
    ///
    /// # Errors
    /// [`BackupError::Missing`], [`BackupError::Unfit`] (damaged, another program's, newer),
    /// [`BackupError::InUse`], [`BackupError::StoreExists`], [`BackupError::Same`],
    /// [`BackupError::Io`], [`BackupError::Store`]. Nothing has changed then.
    pub async fn restore(
        from: impl AsRef<Path>,
        options: impl Into<SqliteOptions>,
        replace: bool,
    ) -> Result<Restored, BackupError> {
        let (from, options) = (from.as_ref().to_owned(), options.into());
        let path = options.path.clone();
        tokio::spawn(async move { restore(&from, &options, replace).await })
            .await
            .unwrap_or_else(|error| Err(failed("restore", &path)(error)))
    }
}

async fn restore(
    from: &Path,
    options: &SqliteOptions,
    replace: bool,
) -> Result<Restored, BackupError> {
    let unusable = |why: Why| Error::Unusable {
        location: options.path.display().to_string(),
        why,
    };
    let unfit = |why: Why| BackupError::Unfit {
        path: from.into(),
        why,
    };
    let path = file::resolve(&options.path).map_err(unusable)?;
    file::check_file_system(&path).map_err(unusable)?;
    file::check_permissions(&path).map_err(unusable)?;
    let stands = Stands::at(&path).map_err(unusable)?;
    let lock_path = lock::path_of(&path);
    match lock::holder(&lock_path) {
        Ok(None) => {}
        Ok(holder) => return Err(BackupError::InUse { path, holder }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(BackupError::InUse { path, holder: None });
        }
        Err(error) => return Err(failed("read", &lock_path)(error)),
    }
    match file::inspect(from).map_err(unfit)? {
        Found::Nothing => return Err(BackupError::Missing { path: from.into() }),
        Found::Fresh => return Err(unfit("there is no store in it".into())),
        Found::Store(_) => {}
    }
    if from.canonicalize().is_ok_and(|from| from == path) {
        return Err(BackupError::Same { path });
    }
    if stands == Stands::Store && !replace {
        return Err(BackupError::StoreExists { path });
    }
    if let Some(log) = log_of(from) {
        return Err(unfit(format!(
            "{} stands beside it, so it is a store that was not closed, not a backup: open it once, or make a backup of it",
            log.display()
        )));
    }

    let at = options.clock.now();
    let draft = Draft::beside(&path).map_err(failed("write", &path))?;
    duplicate(from, draft.path()).await?;
    let found = copy::prove(draft.path()).await.map_err(unfit)?;
    copy::mark(draft.path(), at)
        .await
        .map_err(failed("write", &path))?;
    draft.sync().map_err(failed("write", &path))?;

    let lock = match Lock::acquire(&lock_path, at).await {
        Ok(lock) => lock,
        Err(Refused::Held(holder)) => return Err(BackupError::InUse { path, holder }),
        Err(Refused::Io(error)) => return Err(failed("lock", &lock_path)(error)),
    };
    // Somebody may have come before us.
    if Stands::at(&path).map_err(unusable)? == Stands::Store && !replace {
        return Err(BackupError::StoreExists { path });
    }
    let swap = Swap::plan(&path, draft.path(), at);
    for step in &swap.steps {
        step.take()?;
    }
    lock.release();
    let bytes = bytes_of(from, "");
    let as_of = found.restored.or(found.newest);
    Ok(Restored {
        incarnation: incarnation_after_restore(found.incarnation, at),
        path,
        backup: Backup::new(from, bytes, as_of, found),
        at,
        replaced: swap.replaced,
    })
}

/// What is at the place of the store?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Nothing,
    /// A file, whatever is in it: it may be damaged, which is what backups are for.
    Store,
}

impl Stands {
    fn at(path: &Path) -> Result<Self, Why> {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Self::Store),
            Ok(_) => Err("it is no regular file".into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Copies the bytes of a file; the draft keeps its own mode.
async fn duplicate(from: &Path, draft: &Path) -> Result<(), BackupError> {
    let (source, target) = (from.to_owned(), draft.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        let mut reader = std::fs::File::open(&source).map_err(failed("read", &source))?;
        let mut writer = std::fs::OpenOptions::new()
            .write(true)
            .open(&target)
            .map_err(failed("write", &target))?;
        io::copy(&mut reader, &mut writer).map_err(failed("write", &target))
    });
    match copied.await {
        Ok(copied) => copied.map(drop),
        Err(error) => Err(failed("read", from)(error)),
    }
}

/// How the draft takes the place of the store: step by step, each one atomic.
#[derive(Debug)]
pub(super) struct Swap {
    pub(super) steps: Vec<Step>,
    replaced: Vec<PathBuf>,
}

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    /// Gives a file a second name.
    Link(PathBuf, PathBuf),
    /// Takes a name away.
    Remove(PathBuf),
    /// Gives the draft its name.
    Rename(PathBuf, PathBuf),
    /// Writes the names of the directory of a file to disk.
    Sync(PathBuf),
}

impl Swap {
    /// The old store gets its new names first, all of them, so that its log never parts from it; then
    /// it loses the old ones, the log after the file that needs it. A log that is left of a store
    /// without a file must not meet the new one.
    pub(super) fn plan(path: &Path, draft: &Path, at: Timestamp) -> Self {
        let mut steps = Vec::new();
        let mut replaced = Vec::new();
        let mut removed = Vec::new();
        let aside = free_name(path, at);
        for suffix in [""].iter().chain(&SIDE_FILES) {
            let old = beside(path, suffix);
            let Ok(metadata) = old.symlink_metadata() else {
                continue;
            };
            // Shared memory is built anew, and a reader may leave an empty log.
            if suffix.is_empty() || (*suffix != "-shm" && metadata.len() > 0) {
                let new = beside(&aside, suffix);
                steps.push(Step::Link(old.clone(), new.clone()));
                replaced.push(new);
            }
            removed.push(Step::Remove(old));
        }
        if !removed.is_empty() {
            steps.push(Step::Sync(path.to_owned()));
            steps.extend(removed);
            steps.push(Step::Sync(path.to_owned()));
        }
        steps.push(Step::Rename(draft.to_owned(), path.to_owned()));
        steps.push(Step::Sync(path.to_owned()));
        Self { steps, replaced }
    }
}

/// A name for the store that is replaced, with the time in it.
fn free_name(path: &Path, at: Timestamp) -> PathBuf {
    let time = at.to_string().replace(':', "-");
    let mut name = beside(path, &format!(".replaced-{time}"));
    let mut number = 2;
    while name.symlink_metadata().is_ok() {
        name = beside(path, &format!(".replaced-{time}-{number}"));
        number += 1;
    }
    name
}

impl Step {
    pub(super) fn take(&self) -> Result<(), BackupError> {
        match self {
            Self::Link(old, new) => std::fs::hard_link(old, new).map_err(failed("move aside", old)),
            Self::Remove(old) => std::fs::remove_file(old).map_err(failed("move aside", old)),
            Self::Rename(draft, path) => {
                std::fs::rename(draft, path).map_err(failed("write", path))
            }
            Self::Sync(path) => sync_directory_of(path).map_err(failed("write", path)),
        }
    }
}
