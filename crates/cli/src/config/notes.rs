//! Everything that is noted while a configuration is read: what is wrong, what is odd, what holds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::problem::{Origin, Problem};

/// An effective value, for `config show`.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The section's path, such as `retry.cancel_order` or `buy_with_prime.0`.
    pub(crate) section: String,
    /// The key.
    pub(crate) key: String,
    /// The value; secrets as `(hidden)`.
    pub(crate) value: Value,
    /// Where it was set.
    pub(crate) origin: Origin,
}

/// Everything noted while reading.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) file: Option<PathBuf>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) shown: Vec<Shown>,
    origins: BTreeMap<String, Origin>,
    unsound: Vec<String>,
    /// Is a secret written into the file itself?
    pub(super) secret_in_file: bool,
    /// Files that hold secrets, with the place that names them.
    pub(super) secret_files: Vec<(PathBuf, String, Origin)>,
}

impl Notes {
    /// For a configuration from this file, if from any.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// Notes what is wrong with a key.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        self.problem_at(&origin, key, message);
    }

    /// The same, at a place that is known otherwise.
    pub(super) fn problem_at(&mut self, origin: &Origin, key: &str, message: impl Into<String>) {
        self.unsound.push(key.to_owned());
        let problem = Problem::new(self.file.as_ref(), origin, Some(key), message);
        self.problems.push(problem);
    }

    /// Notes what is odd about a key.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        let problem = Problem::new(self.file.as_ref(), &origin, Some(key), message);
        self.warnings.push(problem);
    }

    /// Did the key have a value that could be understood?
    pub(super) fn is_sound(&self, key: &str) -> bool {
        !self.unsound.iter().any(|unsound| unsound == key)
    }

    /// Was the key set at all?
    pub(super) fn is_set(&self, key: &str) -> bool {
        !matches!(self.origins.get(key), None | Some(Origin::Default))
    }

    /// Remembers where a key was set that has no value of its own to show.
    pub(super) fn place(&mut self, key: &str, origin: Origin) {
        self.origins.insert(key.to_owned(), origin);
    }

    /// Remembers an effective value and where it was set.
    pub(super) fn show(&mut self, section: &str, key: &str, value: Value, origin: Origin) {
        self.origins.insert(join(section, key), origin.clone());
        self.shown.push(Shown {
            section: section.to_owned(),
            key: key.to_owned(),
            value,
            origin,
        });
    }
}

/// The full name of a key.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}
