//! A campaign from its beginning to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_simulator::{Chaos, EventSink, Fault, Remote};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;
use super::evidence;
use super::plant::Plant;
use super::proof::{self, Outcome};
use super::remains::{Found, Remains};
use super::stage::{Request, Stage};
use super::strike::{Manner, Slowness, Strike};
use super::task::Task;
use super::{asking, operating};
use crate::daemon::Daemon;
use crate::place::{INGEST, Place, simulator};
use crate::program::Program;

/// Nothing moved for so long: stuck.
const PATIENCE: Duration = Duration::from_secs(45);
/// The same where a fault is planted that keeps something from ending.
const PATIENCE_PLANTED: Duration = Duration::from_secs(8);
/// Between two looks at what is left.
const LOOK: Duration = Duration::from_millis(200);
/// How long an acknowledgement is waited for before a kill.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(3);
/// So many calls of a remote are slow when it is slow.
const SLOW_CALLS: usize = 8;
/// Longer than the simulated world takes to show a refund, late ones and lags included.
const REFUND_GRACE: &str = "3s";
/// For so long the last daemon waits for a kind of chaos that has not come yet.
const STAY: Duration = Duration::from_secs(40);
/// Every so many kills the store that was left behind is proved.
const PROVE_EVERY: u32 = 10;
/// Every so many kills there is a line of progress.
const TELL_EVERY: u32 = 10;

/// What a campaign is run with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the daemon is killed.
    pub kills: u32,
    /// Decides all that is random.
    pub seed: u64,
    /// How much goes wrong in the world.
    pub chaos: Chaos,
    /// How many orders are in flight at once.
    pub in_flight: usize,
    /// Where the files go, and stay; a temporary directory, which stays on failure only, if not given.
    pub directory: Option<PathBuf>,
    /// A fault to plant.
    pub plant: Option<Plant>,
}

/// Runs a campaign.
///
/// # Errors
/// When it cannot be run to its end: the daemon does not start, ends by itself, answers what it must
/// not. The message says where the files are.
pub async fn run(
    program: Program,
    settings: &Settings,
    tell: impl Fn(String),
) -> anyhow::Result<Outcome> {
    let world = simulator(settings.seed, settings.chaos, |_| {}).await?;
    let mut place = match &settings.directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            let directory = std::path::absolute(directory)?;
            ensure!(
                !directory.join("countermand.db").exists(),
                "{} holds a store already: give another directory",
                directory.display()
            );
            Place::within(directory, program, &world)?
        }
        None => Place::new(program, &world)?,
    };
    // A refund that appears late and whose event is lost is seen by nobody once the grace is over.
    place.set("policy", "refund_grace", REFUND_GRACE)?;
    let stage = Arc::new(Stage::new(settings.seed, world));
    let mut campaign = Campaign {
        settings,
        place,
        stage,
        began: Instant::now(),
        manners: BTreeMap::new(),
        kills: 0,
        on_the_wire: 0,
        startup: Duration::from_millis(200),
        looks: Vec::new(),
        previous: None,
        rolled_back: false,
    };
    match campaign.perform(&tell).await {
        Ok(mut outcome) => {
            if settings.directory.is_some() || !outcome.is_good() {
                outcome.directory = Some(campaign.place.keep());
            }
            Ok(outcome)
        }
        Err(error) => {
            let ledger = serde_json::to_string_pretty(&campaign.stage.world.ledger());
            campaign
                .place
                .write("ledger.json", &ledger.unwrap_or_default())
                .ok();
            let kept = campaign.place.keep();
            Err(error.context(format!(
                "the campaign ended early; its files are in {}",
                kept.display()
            )))
        }
    }
}

struct Campaign<'a> {
    settings: &'a Settings,
    place: Place,
    stage: Arc<Stage>,
    began: Instant,
    manners: BTreeMap<Manner, u32>,
    kills: u32,
    /// Kills at which a remote was working on a mutation.
    on_the_wire: u32,
    /// How long the last start took.
    startup: Duration,
    /// Into what each kill left behind.
    looks: Vec<JoinHandle<anyhow::Result<Found>>>,
    /// What the kill before the last one left behind; kept only for the fault that needs it.
    previous: Option<(Remains, usize)>,
    rolled_back: bool,
}

impl Campaign<'_> {
    async fn perform(&mut self, tell: &impl Fn(String)) -> anyhow::Result<Outcome> {
        let mut dice = Dice::new(self.settings.seed, "kills");
        let in_flight = match self.settings.plant {
            Some(Plant::Idle) => 0,
            _ => self.settings.in_flight,
        };
        let mut asking = Task::new(asking::keep_asking(Arc::clone(&self.stage), in_flight));
        let mut operating = Task::new(operating::work(Arc::clone(&self.stage)));
        while self.kills < self.settings.kills {
            asking.has_ended().await.context("asking failed")?;
            operating.has_ended().await.context("operating failed")?;
            let strike = Strike::draw(&mut dice, self.startup);
            let slowness = Slowness::draw(&mut dice);
            if self.strike(strike, slowness).await? {
                self.kills += 1;
                *self.manners.entry(strike.manner()).or_default() += 1;
                self.look_behind()?;
                if self.kills.is_multiple_of(TELL_EVERY) {
                    tell(format!(
                        "{} kills, {} requests acknowledged, {} s",
                        self.kills,
                        *self.stage.acknowledged.borrow(),
                        self.began.elapsed().as_secs()
                    ));
                }
            }
        }
        let mut daemon = self.start().await?;
        self.stay_for_what_is_rare().await?;
        self.ask_for_what_never_ends().await?;
        self.stage.is_asking.send_replace(false);
        // The kills were about safety; what follows is about liveness. A circuit breaker that probes a
        // world where half of all calls fail may rightly stay open for minutes.
        for remote in Remote::ALL {
            self.stage.world.relent(remote);
            self.stage.world.set_chaos(remote, Chaos::None);
        }
        tell(format!(
            "all kills done after {} s; waiting until everything has come to rest",
            self.began.elapsed().as_secs()
        ));
        let rest = self.rest(&mut daemon, &mut asking, &mut operating).await;
        drop((asking, operating));
        rest?;
        if let Some(plant) = self.settings.plant {
            plant.misbehave(&self.stage.world).await?;
        }
        self.stage.daemon.send_replace(None);
        daemon.stop().await?;
        self.conclude().await
    }

    /// Starts a daemon and kills it. Was it there to be killed?
    async fn strike(&mut self, strike: Strike, slowness: Option<Slowness>) -> anyhow::Result<bool> {
        if let Strike::StartUp(after) = strike {
            let starting = self.place.spawn()?;
            sleep(after).await;
            return starting.kill().await;
        }
        let daemon = self.start().await?;
        match strike {
            Strike::Random(after) => self.work(after, slowness).await,
            Strike::Acknowledged(after) => {
                self.work(after, slowness).await;
                let mut acknowledged = self.stage.acknowledged.subscribe();
                // Where nobody asks just now it is a random moment like any other.
                let _ = timeout(ACKNOWLEDGED_WITHIN, acknowledged.changed()).await;
            }
            Strike::Stopping { runs, stops } => {
                self.work(runs, slowness).await;
                daemon.terminate()?;
                sleep(stops).await;
            }
            Strike::StartUp(_) => {}
        }
        self.finish_off(daemon, strike.manner() == Manner::Stopping)
            .await
    }

    /// Lets the daemon work for so long, towards the end of it with slow remotes.
    async fn work(&self, runs: Duration, slowness: Option<Slowness>) {
        let Some(Slowness { lead, delay }) = slowness else {
            sleep(runs).await;
            return;
        };
        sleep(runs.saturating_sub(lead)).await;
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        for remote in [Remote::BuyWithPrime, Remote::Refunds] {
            let fault = Fault::Slow { delay_ms };
            self.stage.world.force(remote, fault, SLOW_CALLS);
        }
        sleep(lead).await;
    }

    async fn finish_off(
        &mut self,
        mut daemon: Daemon,
        may_have_ended: bool,
    ) -> anyhow::Result<bool> {
        let has_ended = daemon.has_ended()?;
        ensure!(
            may_have_ended || !has_ended,
            "the daemon ended by itself; {}",
            daemon.log_ends()
        );
        let is_on_the_wire = self.stage.world.open_mutations() > 0;
        daemon.kill().await?;
        self.on_the_wire += u32::from(is_on_the_wire && !has_ended);
        self.stage.daemon.send_replace(None);
        Ok(!has_ended)
    }

    /// Starts a daemon; requests and events go to it from now on.
    async fn start(&mut self) -> anyhow::Result<Daemon> {
        let began = Instant::now();
        let daemon = self.place.serve().await?;
        self.startup = began.elapsed();
        self.stage.world.set_event_sink(Some(EventSink {
            url: format!("http://{}/v1/events", daemon.address()),
            token: Some(INGEST.to_owned()),
        }));
        self.stage.daemon.send_replace(Some(daemon.api()));
        Ok(daemon)
    }

    /// Looks, beside everything else, into what the daemon left behind.
    fn look_behind(&mut self) -> anyhow::Result<()> {
        let Some(remains) = Remains::take(self.place.path())? else {
            return Ok(());
        };
        if self.settings.plant == Some(Plant::StoreRolledBack) {
            self.roll_back()?;
            self.previous = Some((remains, *self.stage.acknowledged.borrow()));
            let Some(remains) = Remains::take(self.place.path())? else {
                return Ok(());
            };
            self.look_into(remains);
        } else {
            self.look_into(remains);
        }
        Ok(())
    }

    fn look_into(&mut self, remains: Remains) {
        let prove = self.kills.is_multiple_of(PROVE_EVERY);
        self.looks
            .push(tokio::spawn(async move { remains.look(prove).await }));
    }

    /// Once, as soon as something was acknowledged between two kills.
    fn roll_back(&mut self) -> anyhow::Result<()> {
        let acknowledged = *self.stage.acknowledged.borrow();
        if let Some((remains, before)) = &self.previous
            && !self.rolled_back
            && acknowledged > *before
        {
            remains.put_back(self.place.path())?;
            self.rolled_back = true;
        }
        Ok(())
    }

    /// A long campaign must have met every kind of chaos. Some are so rare that a hundred kills may
    /// miss one: then the daemon works on for a while, unharmed.
    async fn stay_for_what_is_rare(&self) -> anyhow::Result<()> {
        let until = Instant::now() + STAY;
        while Instant::now() < until {
            let world = &self.stage.world;
            let counts = proof::chaos(&world.counters(), &world.ledger());
            if proof::missing(&counts, self.settings.chaos, self.kills).is_empty() {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn ask_for_what_never_ends(&self) -> anyhow::Result<()> {
        let planted = self.settings.plant;
        let Some(order) = planted.and_then(|plant| plant.order(&self.stage.world)) else {
            return Ok(());
        };
        let body = serde_json::json!({ "orderId": order, "externalId": "planted" });
        let answer = self.stage.insist("/v1/cancellations", &body).await?;
        let cancellation = answer.body["id"].as_str().unwrap_or_default().to_owned();
        self.stage.log().asked.insert(
            order,
            Request {
                body,
                cancellation,
                is_conflict: false,
            },
        );
        Ok(())
    }

    /// Waits until every cancellation has ended and every event was delivered, or nothing moves any
    /// more.
    async fn rest(
        &self,
        daemon: &mut Daemon,
        asking: &mut Task,
        operating: &mut Task,
    ) -> anyhow::Result<()> {
        let patience = match self.settings.plant {
            Some(_) => PATIENCE_PLANTED,
            None => PATIENCE,
        };
        let (mut last, mut moved, mut quiet) = (Vec::new(), Instant::now(), 0);
        loop {
            sleep(LOOK).await;
            ensure!(
                !daemon.has_ended()?,
                "the daemon ended by itself; {}",
                daemon.log_ends()
            );
            let all_asked = asking.has_ended().await.context("asking failed")?;
            operating.has_ended().await.context("operating failed")?;
            let Some(living) = self.stage.living().await? else {
                continue;
            };
            let ledger = self.stage.world.ledger();
            let undelivered = ledger
                .events
                .iter()
                .filter(|event| event.acknowledged < event.copies)
                .count();
            if living.is_empty() && undelivered == 0 && all_asked {
                quiet += 1;
                // An event may still be on its way into the store.
                if quiet == 3 {
                    return Ok(());
                }
                continue;
            }
            quiet = 0;
            let now = marks(&living, undelivered);
            if now != last {
                (last, moved) = (now, Instant::now());
            }
            if moved.elapsed() >= patience {
                ensure!(
                    all_asked,
                    "some requests are never acknowledged; {}",
                    daemon.log_ends()
                );
                // What is left is judged.
                return Ok(());
            }
        }
    }

    async fn conclude(&mut self) -> anyhow::Result<Outcome> {
        let verified = self.place.run(&["verify", "--json"]).await?;
        let stories = evidence::stories(&self.place.store()).await?;
        let ledger = self.stage.world.ledger();
        let log = self.stage.log().clone();
        let forgotten = match self.settings.plant {
            Some(Plant::ForgottenOrder) => Some("SIM-happy-forgotten"),
            _ => None,
        };
        let mut proof = proof::prove(&log, forgotten, &ledger, &stories);
        let kept = evidence::deliveries(&self.place.store()).await?;
        proof::events_are_kept(&mut proof, &ledger, kept);
        if verified.code != 0 {
            proof.wrong.push(proof::finding(
                "",
                format!(
                    "verify says: {}{}",
                    verified.out.trim(),
                    verified.err.trim()
                ),
            ));
        }
        let (mut struck, mut incarnation) = (0, 0);
        for look in std::mem::take(&mut self.looks) {
            let found = look.await??;
            // One that was killed before it took its number had no chance to open anything.
            struck += u32::from(found.incarnation > incarnation && found.open > 0);
            incarnation = found.incarnation;
            for violation in found.violations {
                let what = format!("after a kill the store shows: {violation}");
                proof.wrong.push(proof::finding("", what));
            }
        }
        let mut outcomes = BTreeMap::new();
        for story in stories.values() {
            let view = &story.view;
            let outcome = view
                .outcome
                .clone()
                .unwrap_or_else(|| format!("still {}", view.state));
            *outcomes.entry(outcome).or_default() += 1;
        }
        let mut outcome = Outcome {
            seed: self.settings.seed,
            kills: self.kills,
            manners: self.manners.clone(),
            struck,
            struck_on_the_wire: self.on_the_wire,
            orders: ledger.orders.len(),
            acknowledged: log.asked.len(),
            repeated: log.repeated,
            outcomes,
            chaos: proof::chaos(&self.stage.world.counters(), &ledger),
            looks: evidence::looks(&stories),
            proof,
            vacuous: Vec::new(),
            seconds: self.began.elapsed().as_secs(),
            directory: None,
        };
        outcome.weigh(self.settings.chaos);
        if !outcome.is_good() || self.settings.directory.is_some() {
            let pretty = serde_json::to_string_pretty(&ledger)?;
            self.place.write("ledger.json", &pretty)?;
            let orders = outcome
                .found()
                .map(|(_, finding)| finding.order_id.as_str())
                .filter(|order| !order.is_empty())
                .collect();
            let evidence = evidence::about(&orders, &stories, &ledger);
            self.place
                .write("evidence.json", &serde_json::to_string_pretty(&evidence)?)?;
        }
        Ok(outcome)
    }
}

/// What changes when anything moves.
fn marks(living: &[Value], undelivered: usize) -> Vec<(String, String)> {
    let mut marks: Vec<(String, String)> = living
        .iter()
        .map(|view| {
            // What an operator does moves nothing.
            let mark = format!("{} {}", view["state"], view["refunds"]);
            (view["id"].to_string(), mark)
        })
        .collect();
    marks.push((String::new(), undelivered.to_string()));
    marks
}
