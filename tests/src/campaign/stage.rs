//! What the parts of a campaign share: the world, the way to the daemon that runs just now, and the
//! log of everything that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use countermand_simulator::Handle;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::daemon::{Answer, Api};

/// Before asking a daemon again that gave no answer.
const AGAIN: Duration = Duration::from_millis(15);
/// How long one answer is waited for: a daemon that was killed resets its connections, but one may
/// hang where the kill came between accepting and reading.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the parts share.
pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) world: Handle,
    /// The daemon that runs now, if one does.
    pub(super) daemon: watch::Sender<Option<Api>>,
    /// Are new orders still being asked for?
    pub(super) is_asking: watch::Sender<bool>,
    /// How many requests were acknowledged so far.
    pub(super) acknowledged: watch::Sender<usize>,
    /// How many orders were created.
    pub(super) orders: Mutex<usize>,
    log: Mutex<Log>,
}

/// Everything that the daemon acknowledged.
#[derive(Debug, Default, Clone)]
pub(super) struct Log {
    /// By order: every one that was asked for.
    pub(super) asked: BTreeMap<String, Request>,
    /// Notes: the cancellation, and the text.
    pub(super) notes: Vec<(String, String)>,
    /// How often a retry was ordered, by cancellation.
    pub(super) retries: BTreeMap<String, usize>,
    /// Cancellations that were given up.
    pub(super) withdrawn: BTreeSet<String>,
    /// How often a request had to be repeated for want of an answer.
    pub(super) repeated: usize,
    /// Answers that should not have been.
    pub(super) wrong: Vec<(String, String)>,
}

/// A request for a cancellation.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// What was asked.
    pub(super) body: Value,
    /// The cancellation that the answer named.
    pub(super) cancellation: String,
    /// The answer was that another cancellation stands against it.
    pub(super) is_conflict: bool,
}

impl Stage {
    pub(super) fn new(seed: u64, world: Handle) -> Self {
        Self {
            seed,
            world,
            daemon: watch::channel(None).0,
            is_asking: watch::channel(true).0,
            acknowledged: watch::channel(0).0,
            orders: Mutex::new(0),
            log: Mutex::default(),
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an order, and answers how many there were before.
    pub(super) fn count_order(&self) -> usize {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *orders;
        *orders += 1;
        before
    }

    pub(super) fn asks(&self) -> bool {
        *self.is_asking.borrow()
    }

    /// The daemon that runs now; waits for one.
    async fn api(&self) -> anyhow::Result<Api> {
        let mut daemon = self.daemon.subscribe();
        let api = daemon.wait_for(Option::is_some).await?.clone();
        api.context("there is no daemon")
    }

    /// Asks once; none where the daemon gave no answer, or none that counts.
    async fn try_once(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Option<Answer>> {
        let api = self.api().await?;
        let call = async {
            match body {
                Some(body) => api.post(path, body).await,
                None => api.get(path).await,
            }
        };
        let answer = timeout(ANSWER_WITHIN, call).await;
        // Overloaded, stopping, or a disk that is full: not accepted, and told so.
        Ok(answer
            .ok()
            .and_then(Result::ok)
            .filter(|answer| answer.status != 503))
    }

    /// Reads; none where the daemon is gone.
    pub(super) async fn read(&self, path: &str) -> anyhow::Result<Option<Answer>> {
        self.try_once(path, None).await
    }

    /// Posts, and posts again until there is an answer.
    pub(super) async fn insist(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        loop {
            if let Some(answer) = self.try_once(path, Some(body)).await? {
                return Ok(answer);
            }
            self.log().repeated += 1;
            sleep(AGAIN).await;
        }
    }

    /// Every cancellation that lives; none where the daemon is gone.
    pub(super) async fn living(&self) -> anyhow::Result<Option<Vec<Value>>> {
        let mut living = BTreeMap::new();
        // One may move from a later list to an earlier one meanwhile: then it is missed this time.
        for status in ["running", "waiting", "attention", "running"] {
            let mut cursor = String::new();
            loop {
                let path = format!("/v1/cancellations?status={status}&limit=200{cursor}");
                let Some(answer) = self.read(&path).await? else {
                    return Ok(None);
                };
                let page = answer.is(200)?;
                for view in page["items"].as_array().into_iter().flatten() {
                    living.insert(view["id"].to_string(), view.clone());
                }
                let Some(next) = page["nextCursor"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }
        }
        Ok(Some(living.into_values().collect()))
    }
}
