//! The product as a child process.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;
use tokio::process::Command;

/// The first argument that makes a binary of this package the product.
pub const PRODUCT: &str = "countermand";

/// How the product is started.
#[derive(Debug, Clone)]
pub struct Program {
    binary: PathBuf,
}

impl Program {
    /// By a binary of this package: `env!("CARGO_BIN_EXE_kill-campaign")` in tests, the running
    /// executable in the campaign itself.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
        }
    }

    /// A command line, with nothing of the caller's environment that the product would look at.
    /// Standard input is empty.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(PRODUCT).args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERMAND_") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1")
            .kill_on_drop(true);
        command
    }
}

/// What a command line came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, or prints what is not UTF-8.
    pub async fn of(mut command: Command) -> anyhow::Result<Self> {
        let output = command
            .output()
            .await
            .context("failed to run the product")?;
        Ok(Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).context("its output is not UTF-8")?,
            err: String::from_utf8(output.stderr).context("its errors are not UTF-8")?,
        })
    }

    /// Demands this exit code.
    ///
    /// # Errors
    /// When it was another one.
    pub fn exits(self, code: i32) -> anyhow::Result<Self> {
        anyhow::ensure!(
            self.code == code,
            "exit code {} instead of {code}\nstdout:\n{}\nstderr:\n{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// The one JSON document on standard output.
    ///
    /// # Errors
    /// When there is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.out)
            .with_context(|| format!("no JSON document: {}{}", self.out, self.err))
    }
}
