//! What the steps of a demonstration share, and the kill in its middle.

use std::sync::Arc;
use std::time::Duration;

use countermand::store::{Filter, SqliteStore, Store};
use countermand_simulator::{EventSink, Fault, Handle, Remote};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::ask::Accepted;
use super::child::{Daemon, Launch};
use super::progress::Progress;
use super::proof::Kill;
use crate::daemon::Api;
use crate::exit::{Exit, Failure};
use crate::store;

/// Nothing finished for so long: stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);
/// Among fewer cancellations a mutation is seldom under way by itself.
pub(super) const FEW: usize = 40;
/// Kills, until one finds a mutation under way.
const KILLS_MAX: usize = 5;
/// How long a mutation is waited for before a kill.
///
/// Longer than a circuit breaker stays open: under chaos one that opens at once is no rare thing.
const MUTATION_WITHIN: Duration = Duration::from_secs(7);
/// How much later the remotes answer when a mutation is wanted under way.
const SLOW_MS: u64 = 400;

/// What the steps share.
pub(super) struct Stage {
    pub(super) launch: Launch,
    pub(super) simulator: Handle,
    /// The token that events are sent with.
    pub(super) ingest: String,
    /// The daemon that runs now, if one does.
    pub(super) current: watch::Sender<Option<Api>>,
    pub(super) accepted: Arc<Accepted>,
    pub(super) kills: Vec<Kill>,
}

impl Stage {
    /// Starts a daemon; requests and events go to it from now on.
    pub(super) async fn start(&self) -> Result<Daemon, Failure> {
        let daemon = self.launch.start().await?;
        self.simulator.set_event_sink(Some(EventSink {
            url: format!("http://{}/v1/events", daemon.address),
            token: Some(self.ingest.clone()),
        }));
        self.current.send_replace(Some(daemon.api.clone()));
        Ok(daemon)
    }

    /// Kills the daemon while mutations are under way, and starts another one; again, if the kill
    /// found none.
    pub(super) async fn kill_in_the_middle(
        &mut self,
        mut daemon: Daemon,
        asked: usize,
        progress: &Progress,
    ) -> Result<Daemon, Failure> {
        while self.kills.len() < KILLS_MAX {
            if asked < FEW || !self.kills.is_empty() {
                // The remotes take their time now, after having acted, so that the kill takes
                // answers away.
                for remote in [Remote::BuyWithPrime, Remote::Refunds] {
                    let fault = Fault::Slow { delay_ms: SLOW_MS };
                    self.simulator.force(remote, fault, asked.min(20));
                }
            }
            self.await_acceptance(&mut daemon, asked.div_ceil(2))
                .await?;
            self.await_mutations((asked as u64 / 5).clamp(1, 5)).await?;
            self.current.send_replace(None);
            let pid = daemon.pid();
            daemon.kill().await?;
            let (open_mutations, live) = left_behind(&self.open().await?).await?;
            self.kills.push(Kill {
                pid,
                open_mutations,
                live,
            });
            progress.say(&format!(
                "killed the daemon with SIGKILL: {live} cancellations live, {open_mutations} mutations under way"
            ));
            daemon = self.start().await?;
            progress.say(&format!(
                "a new daemon took over (process {})",
                daemon.pid()
            ));
            if open_mutations > 0 || (live == 0 && self.accepted.count() == asked) {
                break;
            }
        }
        Ok(daemon)
    }

    async fn open(&self) -> Result<SqliteStore, Failure> {
        store::read_only(&self.launch.config).await
    }

    /// Waits until so many requests were accepted.
    async fn await_acceptance(&self, daemon: &mut Daemon, count: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while self.accepted.count() < count {
            if daemon.has_ended() {
                return Err(ended_by_itself());
            }
            if let Some(why) = self.accepted.refused() {
                return Err(Failure::new(Exit::Failed, why));
            }
            if Instant::now() >= deadline {
                let trouble = self.accepted.last_trouble();
                let why = trouble.map_or_else(String::new, |why| format!(" ({why})"));
                return Err(Failure::new(
                    Exit::Failed,
                    format!(
                        "the daemon accepted {} of {count} requests within {}{why}; see daemon.log",
                        self.accepted.count(),
                        humantime::format_duration(PATIENCE),
                    ),
                ));
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Waits until so many mutations are under way, or for a while.
    async fn await_mutations(&self, wanted: u64) -> Result<(), Failure> {
        let store = self.open().await?;
        let deadline = Instant::now() + MUTATION_WITHIN;
        loop {
            let (open, live) = left_behind(&store).await?;
            if open >= wanted || live == 0 || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What is said when there is no daemon any more although nobody killed it.
pub(super) fn ended_by_itself() -> Failure {
    Failure::new(Exit::Failed, "the daemon ended by itself; see daemon.log")
}

/// Mutations whose intent is stored and whose outcome is not, and cancellations that live.
async fn left_behind(store: &SqliteStore) -> Result<(u64, u64), Failure> {
    let (mut open, mut live) = (0, 0);
    let mut after = None;
    loop {
        let page = store
            .list(&Filter::default(), after.as_ref(), 500)
            .await
            .map_err(|error| store::unusable(&error))?;
        for row in &page.rows {
            open += u64::from(row.body.open_intent_epoch.is_some());
            live += u64::from(row.finished_at.is_none());
        }
        after = page.next;
        if after.is_none() {
            return Ok((open, live));
        }
    }
}
