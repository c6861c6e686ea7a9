//! The demonstration's daemon: a process of its own, so that it can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::SecretString;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::config::Config;
use crate::daemon::Api;
use crate::exit::{Exit, Failure};
use crate::store;

/// How long a daemon may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a killed process may take to be gone.
const DEAD_WITHIN_MS: u32 = 1_000;

/// How daemons are started.
pub(super) struct Launch {
    /// This program.
    pub(super) program: PathBuf,
    /// Its configuration, as a file and as read.
    pub(super) file: PathBuf,
    pub(super) config: Config,
    /// Where its log goes.
    pub(super) log: PathBuf,
    /// The token for its API.
    pub(super) token: SecretString,
}

/// A process that ends, and has ended, when this is dropped.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // It was waited for already.
        if self.0.id().is_none() {
            return;
        }
        if self.0.start_kill().is_err() {
            return;
        }
        // It writes to files that are about to be removed. A killed process is gone in a moment;
        // there is no waiting for it in a way that a drop could await.
        for _ in 0..DEAD_WITHIN_MS {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A running daemon.
pub(super) struct Daemon {
    child: Leashed,
    pid: u32,
    /// Its API.
    pub(super) api: Api,
    /// Where that is.
    pub(super) address: String,
}

impl Launch {
    /// Starts a daemon and waits until it takes up work.
    pub(super) async fn start(&self) -> Result<Daemon, Failure> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|error| failed(format!("cannot write {}: {error}", self.log.display())))?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.file)
            .args(["serve", "--while-stdin-is-open"])
            // Nothing is written to it: it ends with this process, and the daemon with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        // The demonstration's configuration is complete: nothing of the caller's may lie over it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERMAND_") {
                command.env_remove(name);
            }
        }
        let child = command
            .spawn()
            .map_err(|error| failed(format!("cannot start {}: {error}", self.program.display())))?;
        let mut child = Leashed(child);
        let pid = child
            .0
            .id()
            .ok_or_else(|| failed("the daemon ended at once".to_owned()))?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Ok(Some(status)) = child.0.try_wait() {
                return Err(failed(format!(
                    "the daemon ended at its start ({status}); {}",
                    self.last_words()
                )));
            }
            let holder = store::holder(&self.config)
                .ok()
                .flatten()
                .filter(|holder| holder.pid == pid);
            if let Some(address) = holder.and_then(|holder| holder.address)
                && let Ok(socket) = address.parse()
            {
                let api = Api::with(socket, Some(self.token.clone()))?;
                if api.is_ready().await {
                    return Ok(Daemon {
                        child,
                        pid,
                        api,
                        address,
                    });
                }
            }
            if Instant::now() >= deadline {
                return Err(failed(format!(
                    "the daemon does not get ready; {}",
                    self.last_words()
                )));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        let words: Vec<&str> = last.into_iter().rev().collect();
        if words.is_empty() {
            "its log is empty".to_owned()
        } else {
            format!("its log ends with:\n{}", words.join("\n"))
        }
    }
}

impl Daemon {
    /// Kills it with SIGKILL: it has no chance to do anything.
    pub(super) async fn kill(mut self) -> Result<(), Failure> {
        self.child
            .0
            .kill()
            .await
            .map_err(|error| failed(format!("the daemon could not be killed: {error}")))
    }

    /// Asks it to stop and waits until it has.
    pub(super) async fn stop(mut self, grace: Duration) -> Result<(), Failure> {
        let pid = i32::try_from(self.pid).map_err(|error| failed(error.to_string()))?;
        // Waiting would close it, and a second reason to stop means: at once.
        let _stays_open = self.child.0.stdin.take();
        kill(Pid::from_raw(pid), Signal::SIGTERM)
            .map_err(|error| failed(format!("the daemon could not be asked to stop: {error}")))?;
        match timeout(grace + Duration::from_secs(5), self.child.0.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("the daemon stopped in disorder: {status}"))),
            Ok(Err(error)) => Err(failed(format!("the daemon's end was not seen: {error}"))),
            Err(_) => Err(failed("the daemon does not stop".to_owned())),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it ended by itself?
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.0.try_wait(), Ok(Some(_)) | Err(_))
    }
}

fn failed(message: String) -> Failure {
    Failure::new(Exit::Failed, message)
}

/// Reads the configuration that was written for the daemon, without the caller's environment.
pub(super) fn read_config(file: &Path) -> Result<Config, Failure> {
    crate::config::load(&crate::config::Source {
        file: Some(file.to_owned()),
        env: Vec::new(),
    })
    .map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Config, told.join("\n"))
    })
}
