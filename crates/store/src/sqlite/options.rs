//! How a SQLite store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::error::Error;

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

    /// The store of a URL such as `sqlite://countermand.db` or `sqlite:///var/lib/x.db`; a relative
    /// path is relative to `base`, the directory of the configuration file.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is no such URL.
    pub fn from_url(url: &str, base: &Path) -> Result<Self, Error> {
        let refuse = |why: &str| Error::Unusable {
            location: url.chars().take(200).collect(),
            why: why.into(),
        };
        let rest = url
            .strip_prefix("sqlite:")
            .ok_or_else(|| refuse("it does not begin with sqlite:// and a path"))?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.contains('?') {
            return Err(refuse(
                "settings in the URL are not understood: remove what follows the `?`",
            ));
        }
        if path.is_empty() {
            return Err(refuse("it names no file"));
        }
        Ok(Self::new(if path.contains(":memory:") {
            PathBuf::from(path)
        } else {
            base.join(path)
        }))
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
