//! Stores to test, on clocks that stand still.

use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::conformance::{Fixture, ManualClock};
use crate::{Error, MemoryStore, SqliteOptions, SqliteStore};

#[derive(Default)]
pub(crate) struct MemoryFixture {
    clock: ManualClock,
    data: Mutex<Option<MemoryStore>>,
}

impl MemoryFixture {
    /// The next incarnation; what to do with a restart is up to the caller.
    pub(crate) fn next(&self) -> MemoryStore {
        let mut data = self.data.lock().unwrap();
        let next = match data.take() {
            None => MemoryStore::new(self.clock.clone()),
            Some(store) => store.reopen(),
        };
        data.insert(next).clone()
    }
}

impl Fixture for MemoryFixture {
    type Store = MemoryStore;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Result<MemoryStore, Error> {
        Ok(self.next())
    }

    async fn close(&self, _: MemoryStore) {}
}

pub(crate) struct SqliteFixture {
    clock: ManualClock,
    directory: TempDir,
}

impl SqliteFixture {
    pub(crate) fn new() -> Self {
        Self {
            clock: ManualClock::default(),
            directory: directory(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path()).clock(self.clock.clone())
    }
}

impl Fixture for SqliteFixture {
    type Store = SqliteStore;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn open(&self) -> Result<SqliteStore, Error> {
        SqliteStore::open(self.options()).await
    }

    async fn close(&self, store: SqliteStore) {
        store.close().await;
    }
}

/// A directory in memory where the machine has one: these tests are about logic, not about disks.
pub(crate) fn directory() -> TempDir {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() {
        tempfile::tempdir_in(shm).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}
