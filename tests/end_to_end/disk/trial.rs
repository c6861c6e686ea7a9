//! What a daemon must keep through a failing disk: nothing that was acknowledged is lost, nothing is
//! sent that was not stored before, and it works again soon after the disk does, without a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_simulator::{Asked, Chaos, EventSink, Handle, judge};
use countermand_tests::{Daemon, INGEST, simulator};
use nix::errno::Errno;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::load::{Call, Load, What, draft};
use super::site::{Site, Trouble};

/// So many requests are accepted, and mutations sent, before the trouble begins: then much is under
/// way.
const UNDER_WAY: usize = 20;
/// Within this they are.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);
/// How long what was begun before the trouble may take to have its answer, or its effect: the
/// time-out of its requests, and a little.
const SETTLES: Duration = Duration::from_millis(1_200);
/// From then on to the end of the trouble.
const LASTS: Duration = Duration::from_millis(1_000);
/// Within this the trouble must be felt: by then whatever room a log on a full disk still had is used
/// up.
const STRIKES_WITHIN: Duration = Duration::from_secs(30);
/// Within this it must work again.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Within this everything that was asked for must have ended.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// `EventBridge` gives up after five seconds: an answer must come before.
const EVENT_WITHIN: Duration = Duration::from_millis(4_500);

/// Somewhere to try it, and the world around.
pub(crate) struct Trial {
    pub(crate) world: Handle,
    pub(crate) site: Site,
    trouble: Trouble,
}

/// When the trouble was there.
struct Times {
    began: Instant,
    settled: Instant,
    over: Instant,
}

impl Trial {
    pub(crate) async fn new(seed: u64, trouble: Trouble) -> anyhow::Result<Self> {
        let world = simulator(seed, Chaos::None, |_| {}).await?;
        let (site, trouble) = match trouble {
            Trouble::Full => match Site::real(&world).await {
                Ok(site) => (site, trouble),
                Err(why) => {
                    // Not every system lets its users mount something: then the shim stands in.
                    eprintln!(
                        "no file system to be filled can be had here ({why:#}): the shim stands in"
                    );
                    (Site::shimmed(&world).await?, Trouble::Writes(Errno::ENOSPC))
                }
            },
            _ => (Site::shimmed(&world).await?, trouble),
        };
        Ok(Self {
            world,
            site,
            trouble,
        })
    }

    pub(crate) async fn serve(&self) -> anyhow::Result<Daemon> {
        let daemon = self.site.place().serve().await?;
        self.world.set_event_sink(Some(EventSink {
            url: format!("http://{}/v1/events", daemon.address()),
            token: Some(INGEST.to_owned()),
        }));
        Ok(daemon)
    }

    /// Load, trouble, and no restart.
    pub(crate) async fn live_through(&self) -> anyhow::Result<()> {
        self.lived_through().await.map_err(|error| self.told(error))
    }

    async fn lived_through(&self) -> anyhow::Result<()> {
        let mut daemon = self.serve().await?;
        let load = Load::start(&daemon, &self.world.credentials().target_id, "a");
        self.is_under_way(&load).await?;
        let began = Instant::now();
        self.site.break_down(self.trouble, Some(&daemon)).await?;
        sleep(SETTLES).await;
        let (settled, sent) = (Instant::now(), self.sent());
        // No fact ends this one: that nothing goes out meanwhile is what is looked for.
        sleep(LASTS).await;
        if self.trouble.is_total() || self.trouble == Trouble::Full {
            // The log may hold room from before: how long that lasts is a matter of the machine.
            self.strikes(&load).await?;
        }
        let sent_meanwhile = self.sent() - sent;
        ensure!(!daemon.has_ended()?, "the daemon did not survive it");
        let over = Instant::now();
        self.site.repair(self.trouble, Some(&daemon)).await?;
        let times = Times {
            began,
            settled,
            over,
        };
        self.comes_back(&load, &times).await?;
        sleep(SETTLES).await;
        let calls = load.stop().await?;
        if self.trouble.is_total() {
            ensure!(
                sent_meanwhile == 0,
                "{sent_meanwhile} mutations went out whose intents cannot have been stored"
            );
        }
        self.judge_answers(&calls, &times)?;
        self.ends_well(daemon, &calls).await
    }

    /// Load, trouble, SIGKILL in the middle of it, and a restart after it.
    pub(crate) async fn die_of(&self) -> anyhow::Result<()> {
        self.died_of().await.map_err(|error| self.told(error))
    }

    async fn died_of(&self) -> anyhow::Result<()> {
        let daemon = self.serve().await?;
        let load = Load::start(&daemon, &self.world.credentials().target_id, "a");
        self.is_under_way(&load).await?;
        self.site.break_down(self.trouble, Some(&daemon)).await?;
        sleep(SETTLES).await;
        daemon.kill().await?;
        let calls = load.stop().await?;
        // While the disk fails there is no start, and what is there is not harmed by the attempt.
        self.is_refused().await?;
        self.site.repair(self.trouble, None).await?;
        let daemon = self.serve().await?;
        self.ends_well(daemon, &calls).await
    }

    /// With the end of the daemon's log.
    fn told(&self, error: anyhow::Error) -> anyhow::Error {
        let log = self.site.place().path().join("daemon.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(12).collect();
        error.context(format!(
            "the newest lines of the log first:\n{}",
            lines.join("\n")
        ))
    }

    /// Mutations that reached a remote so far.
    fn sent(&self) -> usize {
        let ledger = self.world.ledger();
        ledger.cancels.len() + ledger.payouts.len() + ledger.reports.len()
    }

    /// Waits until so much was accepted and sent that the trouble meets work of every kind.
    async fn is_under_way(&self, load: &Load) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let accepted = load
                .calls()
                .iter()
                .filter(|call| call.is_accepted())
                .count();
            if accepted >= UNDER_WAY && self.sent() >= UNDER_WAY {
                return Ok(());
            }
            ensure!(
                began.elapsed() < BEGINS_WITHIN,
                "within {BEGINS_WITHIN:?} only {accepted} calls were accepted, and {} mutations sent",
                self.sent()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until requests and events are refused, and it says that it is not ready.
    async fn strikes(&self, load: &Load) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let calls = load.calls();
            let is_refused = |what| {
                calls
                    .iter()
                    .any(|call: &Call| call.what == what && call.status == 503)
            };
            if [What::Request, What::Event, What::Ready]
                .into_iter()
                .all(is_refused)
            {
                return Ok(());
            }
            ensure!(
                began.elapsed() < STRIKES_WITHIN,
                "a full disk refuses nothing within {STRIKES_WITHIN:?}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn comes_back(&self, load: &Load, times: &Times) -> anyhow::Result<()> {
        let is_back = |call: &Call| {
            let is_good = call.is_accepted() && matches!(call.what, What::Request | What::Ready);
            is_good && call.began > times.over
        };
        loop {
            let calls = load.calls();
            let back: BTreeSet<bool> = calls
                .iter()
                .filter(|call| is_back(call))
                .map(|call| call.what == What::Ready)
                .collect();
            if back.len() == 2 {
                return Ok(());
            }
            let last: Vec<&Call> = calls.iter().rev().take(8).collect();
            ensure!(
                times.over.elapsed() < BACK_WITHIN,
                "it does not come back within {BACK_WITHIN:?}: {last:#?}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What was answered, and when.
    fn judge_answers(&self, calls: &[Call], times: &Times) -> anyhow::Result<()> {
        let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
        let mut is_unready = false;
        for call in calls {
            let is_meanwhile = call.began > times.settled && call.ended < times.over;
            let is_total = is_meanwhile && self.trouble.is_total();
            match call.what {
                What::Request | What::Event => {
                    let kind = if call.what == What::Event {
                        "event"
                    } else {
                        "request"
                    };
                    ensure!(
                        matches!(call.status, 200 | 202 | 503),
                        "a strange answer: {call:?}"
                    );
                    ensure!(
                        !(is_total && call.is_accepted()),
                        "accepted what cannot have been stored: {call:?}"
                    );
                    if call.status == 503 {
                        let seconds = call.retry_after.as_ref().map(|text| text.parse::<u32>());
                        ensure!(
                            matches!(seconds, Some(Ok(1..=60))),
                            "no Retry-After: {call:?}"
                        );
                        ensure!(call.ended > times.began, "refused for no reason: {call:?}");
                        *refused.entry(kind).or_default() += 1;
                    }
                    ensure!(
                        call.what == What::Request || call.took() < EVENT_WITHIN,
                        "EventBridge would have given up: {call:?}"
                    );
                }
                What::Listing => ensure!(call.status == 200, "reads stopped: {call:?}"),
                What::Alive => ensure!(call.status == 200, "it is alive: {call:?}"),
                What::Ready => {
                    ensure!(
                        !(is_total && call.status == 200),
                        "it is not ready: {call:?}"
                    );
                    if call.status == 503 {
                        is_unready |= is_explained(call)?;
                    }
                }
            }
        }
        if self.trouble.is_total() || self.trouble == Trouble::Full {
            ensure!(
                refused.len() == 2 && is_unready,
                "the trouble did not strike: {refused:?}, {is_unready}"
            );
        }
        Ok(())
    }

    /// There is no start, it says why, and nothing is harmed: afterwards there is one.
    pub(crate) async fn keep_from_starting(&self) -> anyhow::Result<()> {
        for _ in 0..2 {
            self.site.break_down(self.trouble, None).await?;
            self.is_refused().await?;
            self.site.repair(self.trouble, None).await?;
            let daemon = self.serve().await?;
            daemon.cancel("SIM-happy-1").await?;
            daemon.stop().await?;
        }
        self.site.place().verify().await
    }

    async fn is_refused(&self) -> anyhow::Result<()> {
        let start = self.site.place().run(&["serve"]).await?.exits(6)?;
        // In the words of the system, or in SQLite's.
        let why: [&str; 2] = match self.trouble {
            Trouble::Writes(Errno::ENOSPC) | Trouble::Full => {
                ["No space left", "no room for it on its disk"]
            }
            Trouble::ReadOnly => ["Read-only file system", "readonly database"],
            _ => ["Input/output error", "disk I/O error"],
        };
        let last = start.err.lines().last().unwrap_or_default();
        ensure!(
            last.contains("cannot be used") && why.iter().any(|why| last.contains(why)),
            "it does not say why: {}",
            start.err
        );
        Ok(())
    }

    /// Whoever was refused asks again; then everything ends, once.
    async fn ends_well(&self, daemon: Daemon, calls: &[Call]) -> anyhow::Result<()> {
        let requests = || calls.iter().filter(|call| call.what == What::Request);
        let mut ids = BTreeMap::new();
        for call in requests() {
            let order_id = call.about.as_str();
            let answer = daemon.post("/v1/cancellations", &draft(order_id)).await?;
            // What was acknowledged is there.
            let is_acknowledged = call.is_accepted();
            ensure!(
                answer.status == 200 || (answer.status == 202 && !is_acknowledged),
                "acknowledged and lost: {order_id} ({answer:?}, before {call:?})"
            );
            let id = answer.body["id"].as_str().context("no id")?.to_owned();
            if is_acknowledged {
                let before: Value = serde_json::from_str(&call.body)?;
                ensure!(before["id"] == id.as_str(), "{order_id} has another id now");
            }
            ids.insert(order_id.to_owned(), id);
        }
        let mut asked = Vec::new();
        for (order_id, id) in &ids {
            daemon
                .wait_until(id, ENDS_WITHIN, |view| view["status"] == "finished")
                .await
                .with_context(|| order_id.clone())?;
            asked.push(Asked::order(order_id));
        }
        self.judge_intents(&daemon, &ids).await?;
        self.judge_inbox(calls).await?;
        self.site.place().verify().await?;
        daemon.stop().await?;
        // A stop leaves a clean store.
        self.site.place().run(&["verify"]).await?.exits(0)?;
        let proof = judge(&asked, &self.world.ledger());
        ensure!(proof.ok, "{proof:#?}");
        Ok(())
    }

    /// No mutation went out whose intent is not durable: there are never more calls at a remote than
    /// intents in the history.
    async fn judge_intents(
        &self,
        daemon: &Daemon,
        ids: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let ledger = self.world.ledger();
        for (order_id, id) in ids {
            let history = daemon.history(id).await?;
            let intents = |effect: &str| {
                let is_one = |entry: &&Value| {
                    entry["input"]["type"] == "intent_recorded"
                        && entry["input"]["effect"] == effect
                };
                history.iter().filter(is_one).count()
            };
            let cancels = ledger.cancels.iter().filter(|c| c.order_id == *order_id);
            let payouts = ledger.payouts.iter().filter(|c| c.order_id == *order_id);
            let reports = ledger.reports.iter().filter(|c| c.order_id == *order_id);
            for (effect, sent) in [
                ("cancel_order", cancels.count()),
                ("pay_refund", payouts.count()),
                ("report_refund", reports.count()),
            ] {
                let intended = intents(effect);
                ensure!(
                    sent <= intended,
                    "{order_id}: {sent} times {effect}, {intended} intents: {history:#?}"
                );
            }
        }
        Ok(())
    }

    /// Every event that was acknowledged is kept.
    async fn judge_inbox(&self, calls: &[Call]) -> anyhow::Result<()> {
        let stats = self
            .site
            .place()
            .run(&["stats", "--json"])
            .await?
            .exits(0)?;
        let stats = stats.json()?;
        let kept: u64 = stats["events"]
            .as_object()
            .context("no events")?
            .values()
            .filter_map(Value::as_u64)
            .sum();
        let acknowledged = calls
            .iter()
            .filter(|call| call.what == What::Event && call.is_accepted())
            .count();
        ensure!(
            acknowledged > 3,
            "only {acknowledged} events were acknowledged"
        );
        ensure!(
            kept >= u64::try_from(acknowledged)?,
            "{acknowledged} events were acknowledged, {kept} are kept: {stats}"
        );
        Ok(())
    }
}

/// Does an answer of `/readyz` say why? While a commit has failed it does; otherwise the engine is
/// stopping.
fn is_explained(call: &Call) -> anyhow::Result<bool> {
    let is_why = ["full", "I/O error", "read-only", "readonly"]
        .iter()
        .any(|why| call.body.contains(why));
    ensure!(
        call.body.contains("store_unavailable") && is_why,
        "not ready, and it does not say why: {call:?}"
    );
    Ok(true)
}
