//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::output::escape;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In the file.
    File {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
    /// In a variable of the environment.
    Env(String),
    /// Nowhere: the default holds.
    Default,
}

/// One thing that is wrong, or that deserves a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The configuration file, unless the value came from the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// The column, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    /// The variable, when the value came from the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variable: Option<String>,
    /// The key, such as `buy_with_prime.rate_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

impl Problem {
    /// About a key, at the place where its value was set.
    pub(crate) fn new(
        file: Option<&PathBuf>,
        origin: &Origin,
        key: Option<&str>,
        message: impl Into<String>,
    ) -> Self {
        let mut problem = Self {
            // For people and JSON: a name that is no text is shown as well as it can be.
            file: file.map(|file| file.display().to_string()),
            line: None,
            column: None,
            variable: None,
            key: key.map(str::to_owned),
            message: message.into(),
        };
        match origin {
            Origin::File { line, column } => {
                problem.line = Some(*line);
                problem.column = Some(*column);
            }
            Origin::Env(name) => {
                problem.file = None;
                problem.variable = Some(name.clone());
            }
            Origin::Default => {}
        }
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "environment variable {}: ", escape(variable))?;
        }
        if let Some(file) = &self.file {
            write!(f, "{}:", escape(file))?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
                if let Some(column) = self.column {
                    write!(f, "{column}:")?;
                }
            }
            f.write_str(" ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{}: ", escape(key))?;
        }
        f.write_str(&escape(&self.message))
    }
}

/// A value as it is quoted in a message: escaped, and cut after 64 characters.
pub(crate) fn quote(text: &str) -> String {
    let mut cut: String = text.chars().take(64).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("\"{}\"", escape(&cut))
}
