//! Exit codes (docs/interfaces.md) and the errors that carry them.

use std::fmt;

use serde_json::{Value, json};

/// How the program ends; a documented interface, so no number ever changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; an existing, equal request too.
    Done = 0,
    /// Failed, in a way that has no number of its own.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such thing.
    Missing = 3,
    /// Refused or in conflict.
    Refused = 4,
    /// Finished, but not cancelled (`--wait`).
    NotCancelled = 5,
    /// The store cannot be used.
    Store = 6,
    /// The configuration is wrong.
    Config = 7,
    /// Still under way when the wait was over.
    UnderWay = 8,
    /// The daemon cannot be reached or refuses the token.
    Daemon = 9,
}

impl Exit {
    /// The stable name in error objects.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Missing => "not_found",
            Self::Refused => "refused",
            Self::NotCancelled => "not_cancelled",
            Self::Store => "store",
            Self::Config => "config",
            Self::UnderWay => "under_way",
            Self::Daemon => "daemon",
        }
    }
}

/// An error that says how the program is to end.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, with which input, and what to do.
    pub(crate) message: String,
    /// More for programs (`--json`).
    pub(crate) details: Option<Value>,
}

impl Failure {
    /// With a message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            details: None,
        }
    }

    /// With more for programs.
    pub(crate) fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The error object of `--json`.
    pub(crate) fn as_json(&self) -> Value {
        let mut error = json!({
            "code": self.exit as u8,
            "kind": self.exit.name(),
            "message": self.message,
        });
        if let (Some(Value::Object(details)), Some(error)) = (&self.details, error.as_object_mut())
        {
            for (key, value) in details {
                error.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
