//! The daemon as a child process, and its API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::place::OPERATE;

/// How long a daemon may take to get ready, or to end.
const WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pid: Pid,
    api: Api,
    log: PathBuf,
}

/// A daemon that is still starting, or not even that. Killed when dropped.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    pid: Pid,
    log: PathBuf,
    /// The length of the log before it wrote to it.
    before: u64,
}

/// The way to a daemon's API, as an operator. Cheap to clone; outlives the daemon.
#[derive(Debug, Clone)]
pub struct Api {
    address: SocketAddr,
    http: reqwest::Client,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The document; null where there was none.
    pub body: Value,
}

impl Answer {
    /// Demands this status.
    ///
    /// # Errors
    /// When it was another one.
    pub fn is(self, status: u16) -> anyhow::Result<Value> {
        ensure!(
            self.status == status,
            "status {} instead of {status}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }
}

impl Starting {
    /// Starts it with this command line, in this directory, and waits for nothing.
    pub(crate) fn spawn(mut command: Command, directory: &Path) -> anyhow::Result<Self> {
        let log = directory.join("daemon.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        let before = file.metadata()?.len();
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context("failed to start the daemon")?;
        let pid = child.id().context("the daemon ended at once")?;
        let pid = Pid::from_raw(i32::try_from(pid)?);
        Ok(Self {
            child,
            pid,
            log,
            before,
        })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or does not get ready in time; the end of its log says why.
    pub async fn ready(mut self) -> anyhow::Result<Daemon> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(WITHIN)
            .build()?;
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the daemon ended at its start: {status}; {}",
                    tail(&self.log)
                );
            }
            if let Some(address) = listening(&self.log, self.before)
                && let Ok(answer) = http.get(format!("http://{address}/readyz")).send().await
                && answer.status().is_success()
            {
                return Ok(Daemon {
                    child: self.child,
                    pid: self.pid,
                    api: Api { address, http },
                    log: self.log,
                });
            }
            ensure!(
                Instant::now() < deadline,
                "the daemon does not get ready; {}",
                tail(&self.log)
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends it with SIGKILL, and waits until it is gone. Was it still there?
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> anyhow::Result<bool> {
        let was_there = self.child.try_wait()?.is_none();
        self.child
            .kill()
            .await
            .context("failed to kill the daemon")?;
        Ok(was_there)
    }
}

impl Api {
    /// Calls it; `path` begins with a slash.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self
            .http
            .request(method, format!("http://{}{path}", self.address))
            .bearer_auth(OPERATE);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).with_context(|| format!("{path}: no JSON"))?
        };
        Ok(Answer { status, body })
    }

    /// Reads.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// Posts.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }
}

impl Daemon {
    /// Where its API is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.api.address
    }

    /// The way to its API.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Has it ended by itself?
    ///
    /// # Errors
    /// When the system does not say.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks it to stop with SIGTERM, and waits for nothing.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn terminate(&self) -> anyhow::Result<()> {
        Ok(kill(self.pid, Signal::SIGTERM)?)
    }

    /// The end of its log, for whoever must explain something.
    #[must_use]
    pub fn log_ends(&self) -> String {
        tail(&self.log)
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("failed to kill the daemon")
    }

    /// Asks it to stop with SIGTERM, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop in time, or with another exit code than 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // Waiting would close it, and a second reason to stop means: at once.
        let _stays_open = self.child.stdin.take();
        kill(self.pid, Signal::SIGTERM)?;
        let status = timeout(WITHIN, self.child.wait())
            .await
            .context("the daemon does not stop")??;
        ensure!(
            status.success(),
            "it ended with {status}; {}",
            tail(&self.log)
        );
        Ok(())
    }

    /// Calls its API as an operator; `path` begins with a slash.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.api.call(method, path, body).await
    }

    /// Reads.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// Posts.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Asks for a cancellation, and answers with its id.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn cancel(&self, order_id: &str) -> anyhow::Result<String> {
        let draft = serde_json::json!({ "orderId": order_id, "externalId": order_id });
        let answer = self.post("/v1/cancellations", &draft).await?;
        ensure!(
            matches!(answer.status, 200 | 202),
            "{order_id} was not accepted: {} {}",
            answer.status,
            answer.body
        );
        let id = answer.body["id"].as_str().context("it has no id")?;
        Ok(id.to_owned())
    }

    /// Waits until a cancellation is as `is` says, and answers with it.
    ///
    /// # Errors
    /// When it does not get there in time; says where it was last.
    pub async fn wait_until(
        &self,
        id: &str,
        within: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + within;
        loop {
            let view = self
                .get(&format!("/v1/cancellations/{id}"))
                .await?
                .is(200)?;
            if is(&view) {
                return Ok(view);
            }
            ensure!(Instant::now() < deadline, "it does not get there: {view:#}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// A cancellation's history.
    ///
    /// # Errors
    /// When there is no answer, or no such cancellation.
    pub async fn history(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self
            .get(&format!("/v1/cancellations/{id}/history"))
            .await?
            .is(200)?;
        let items = answer["items"].as_array().or_else(|| answer.as_array());
        Ok(items.context("it is no list")?.clone())
    }
}

/// The address of the newest line "listening" of this process.
fn listening(log: &Path, from: u64) -> Option<SocketAddr> {
    let bytes = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(bytes.get(usize::try_from(from).ok()?..)?).into_owned();
    text.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "listening")
            .then(|| line["address"].as_str()?.parse().ok())
            .flatten()
    })
}

/// The end of the log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut last: Vec<&str> = text.lines().rev().take(5).collect();
    last.reverse();
    format!("its log ends with:\n{}", last.join("\n"))
}
