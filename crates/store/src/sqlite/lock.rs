//! One daemon per file: the lock beside the database is the lease of every row in it (rule R8).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countermand_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Whoever holds a store's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The boot of the machine that the process id belongs to, where the system tells.
    pub boot_id: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Where its HTTP API listens, once it does.
    pub address: Option<String>,
}

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: Mutex<File>,
    holder: Mutex<Holder>,
}

/// How often, and how long apart, a lock is tried: a process that ends, or a reader that looks who
/// holds it, gives it up within moments.
const TRIES: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(25);

/// The lock file of a database.
pub(super) fn path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

pub(super) enum Refused {
    /// Somebody has it.
    Held(Option<Holder>),
    Io(io::Error),
}

impl Lock {
    pub(super) async fn acquire(path: &Path, since: Timestamp) -> Result<Self, Refused> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(Refused::Io)?;
        let mut tries = TRIES;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(Refused::Io(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            tries -= 1;
            if tries == 0 {
                return Err(Refused::Held(read(&file)));
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
        let lock = Self {
            file: Mutex::new(file),
            holder: Mutex::new(Holder {
                pid: std::process::id(),
                boot_id: boot_id(),
                since,
                address: None,
            }),
        };
        lock.write().map_err(Refused::Io)?;
        Ok(lock)
    }

    /// Notes where the holder listens.
    pub(super) fn announce(&self, address: &str) -> io::Result<()> {
        self.holder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .address = Some(address.to_owned());
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(&*holder).map_err(io::Error::other)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())
    }

    /// Gives the lock up, even while other parts of the program still hold this value.
    pub(super) fn release(&self) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.unlock() {
            tracing::warn!(%error, "the store's lock file could not be unlocked");
        }
    }
}

/// Who holds the lock of the database, if anybody does.
pub(super) fn holder(lock: &Path) -> io::Result<Option<Holder>> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => read(&file).map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it is held, but does not say by whom",
            )
        }),
    }
}

fn read(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}
