//! How a SQLite store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};

/// How a SQLite store is opened. Everything but the path has a default.
#[derive(Clone)]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) readers: u32,
}

impl std::fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("path", &self.path)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl SqliteOptions {
    /// The store in this file, on the machine's clock.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            clock: Arc::new(SystemClock),
            readers: 3,
        }
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Reads with at most so many connections at a time (3 unless told, at least 1).
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }
}

impl From<PathBuf> for SqliteOptions {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

impl From<&Path> for SqliteOptions {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<&str> for SqliteOptions {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}
