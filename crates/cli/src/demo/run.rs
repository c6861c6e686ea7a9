//! The demonstration, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countermand::store::SqliteStore;
use countermand::{ListFilter, Reader, Status, View};
use countermand_simulator::{
    Asked, Credentials, EventRecord, Handle, Ledger, NewOrder, Options, Simulator, judge,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::ask;
use super::child::{Daemon, Launch, read_config};
use super::place::{Place, configuration, token};
use super::progress::Progress;
use super::proof::Outcome;
use super::stage::{FEW, PATIENCE, Stage, ended_by_itself};
use super::world::{self, Plant};
use crate::args::Demo;
use crate::commands::OMS_SECRET;
use crate::daemon::{chain, plain_client};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::signals::Signals;
use crate::store;

/// Between two looks at the store.
const LOOK: Duration = Duration::from_millis(100);
/// The same where a test plants a cancellation that never ends.
const PATIENCE_PLANTED: Duration = Duration::from_secs(12);

/// Runs it; the exit code says whether the proof holds.
pub(crate) async fn run(arguments: &Demo, out: &mut Output) -> Result<Exit, Failure> {
    let plant = Plant::from_env()?;
    let place = Place::new(arguments.dir.as_deref())?;
    let mut signals = Signals::install()?;
    let (outcome, is_interrupted) = tokio::select! {
        biased;
        // Dropping the work kills the daemon and waits for its end.
        name = signals.next() => {
            (Err(Failure::new(Exit::Failed, format!("stopped by {name}"))), true)
        }
        outcome = perform(arguments, plant, &place) => (outcome, false),
    };
    match outcome {
        Ok(mut outcome) => {
            outcome.directory = place
                .leave(!outcome.ok)
                .map(|path| path.display().to_string());
            outcome.print(out)?;
            Ok(if outcome.ok { Exit::Done } else { Exit::Failed })
        }
        Err(failure) => {
            // Whoever interrupts it looks for no cause.
            let kept = place.leave(!is_interrupted);
            let hint = kept.map_or_else(String::new, |path| {
                format!("\nits files are in {}", path.display())
            });
            Err(Failure {
                message: format!("{}{hint}", failure.message),
                ..failure
            })
        }
    }
}

async fn perform(
    arguments: &Demo,
    plant: Option<Plant>,
    place: &Place,
) -> Result<Outcome, Failure> {
    let simulator = simulate(arguments).await?;
    let (operate, ingest) = (token()?, token()?);
    let text = configuration(
        simulator.endpoints(),
        simulator.credentials(),
        &operate,
        &ingest,
    );
    let file = place.write("countermand.toml", &text)?;
    let launch = Launch {
        program: std::env::current_exe().map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("this program cannot be found: {error}"),
            )
        })?,
        config: read_config(&file)?,
        file,
        log: place.path().join("daemon.log"),
        token: operate.into(),
    };
    let mut progress = Progress::new(arguments.orders as usize);
    let orders = world::orders(&simulator, arguments.orders as usize, plant);
    let asked: Vec<NewOrder> = orders
        .iter()
        .filter(|order| order.scenario.is_requested())
        .cloned()
        .collect();

    progress.say(&format!(
        "the simulated world listens on {}, seed {}, chaos {}",
        simulator.base_url(),
        arguments.seed,
        arguments.chaos
    ));
    let mut stage = Stage {
        launch,
        simulator,
        ingest,
        current: watch::channel(None).0,
        accepted: Arc::default(),
        kills: Vec::new(),
    };
    let daemon = stage.start().await?;
    progress.say(&format!(
        "the daemon listens on {} (process {})",
        daemon.address,
        daemon.pid()
    ));
    let asking = tokio::spawn(ask::all(
        asked.clone(),
        arguments.seed,
        stage.current.subscribe(),
        Arc::clone(&stage.accepted),
    ));
    let daemon = stage
        .kill_in_the_middle(daemon, asked.len(), &progress)
        .await?;
    let daemon = stage
        .await_end(daemon, &orders, plant, &mut progress)
        .await?;
    let mut faults = Vec::new();
    let Waited { daemon, unfinished } = daemon;
    if asking.is_finished() {
        match asking.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => faults.push(failure.message),
            Err(error) => faults.push(chain(&error)),
        }
    } else {
        asking.abort();
        faults.push("not every request was accepted".to_owned());
    }
    if let Some(plant) = plant {
        world::misbehave(&stage.simulator, plant).await?;
    }
    if let Err(failure) = daemon.stop(stage.launch.config.runner.shutdown_grace).await {
        faults.push(failure.message);
    }
    // A handful of orders may need no mutation at all.
    if asked.len() >= FEW && stage.kills.iter().all(|kill| kill.open_mutations == 0) {
        faults.push("the daemon was never killed while a mutation was under way".to_owned());
    }
    progress.end();
    stage
        .conclude(&orders, asked, unfinished, faults, plant, &progress, place)
        .await
}

async fn simulate(arguments: &Demo) -> Result<Handle, Failure> {
    let mut options = Options::new(plain_client()?);
    options.seed = arguments.seed;
    options.chaos = arguments.chaos;
    options.credentials = Credentials {
        oms_secret: Some(OMS_SECRET.to_owned()),
        ..Credentials::default()
    };
    Simulator::start(options)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))
}

/// The end of the waiting.
struct Waited {
    daemon: Daemon,
    unfinished: Vec<String>,
}

impl Stage {
    /// Waits until every order's cancellation is finished and every event delivered, or nothing
    /// moves any more.
    async fn await_end(
        &self,
        mut daemon: Daemon,
        orders: &[NewOrder],
        plant: Option<Plant>,
        progress: &mut Progress,
    ) -> Result<Waited, Failure> {
        let reader = store::reader(&self.launch.config).await?;
        let patience = if plant == Some(Plant::Stuck) {
            PATIENCE_PLANTED
        } else {
            PATIENCE
        };
        let (mut best, mut moved) = (0, Instant::now());
        let mut quiet_looks = 0;
        loop {
            sleep(LOOK).await;
            if daemon.has_ended() {
                return Err(ended_by_itself());
            }
            let stats = reader
                .stats()
                .await
                .map_err(|error| store::failure(&error))?;
            let count = |finished: bool| -> u64 {
                let counts = stats.counts.iter();
                counts
                    .filter(|count| (count.status == Status::Finished) == finished)
                    .map(|count| count.count)
                    .sum()
            };
            let (finished, live) = (count(true), count(false));
            progress.at(finished.min(orders.len() as u64), self.accepted.count());
            if finished > best {
                (best, moved) = (finished, Instant::now());
            }
            let looks_done =
                live == 0 && finished >= orders.len() as u64 && self.world_is_at_rest();
            if looks_done && covers(&reader, orders).await? {
                quiet_looks += 1;
                // An event may still be on its way into the store.
                if quiet_looks == 3 {
                    return Ok(Waited {
                        daemon,
                        unfinished: Vec::new(),
                    });
                }
                continue;
            }
            quiet_looks = 0;
            if moved.elapsed() >= patience {
                let unfinished = self.unfinished(&reader, orders).await?;
                return Ok(Waited { daemon, unfinished });
            }
        }
    }

    /// Is nothing going to happen any more that the engine has not heard of?
    fn world_is_at_rest(&self) -> bool {
        let ledger = self.simulator.ledger();
        ledger.under_way == 0
            && self.simulator.counters().late_effects_to_come == 0
            && undelivered(&ledger).next().is_none()
    }

    /// What is not finished, and where it is.
    async fn unfinished(
        &self,
        reader: &Reader,
        orders: &[NewOrder],
    ) -> Result<Vec<String>, Failure> {
        let mut left = Vec::new();
        let mut known = BTreeSet::new();
        each(reader, |view| {
            if view.status != Status::Finished {
                let why = view
                    .attention
                    .map_or_else(String::new, |attention| format!(": {}", attention.why));
                let error = view.last_error.map_or_else(String::new, |error| {
                    format!(", last error: {}", error.message)
                });
                left.push(format!(
                    "{} in {}{why}{error} ({})",
                    view.order_id, view.state, view.id
                ));
            }
            known.insert(view.order_id.to_string());
        })
        .await?;
        for order in orders
            .iter()
            .filter(|order| !known.contains(&order.order_id))
        {
            left.push(format!("{} has no cancellation", order.order_id));
        }
        for event in undelivered(&self.simulator.ledger()) {
            left.push(format!(
                "{}: the event {} was not delivered: {}",
                event.order_id,
                event.event_type,
                event.last_error.as_deref().unwrap_or("it was not tried")
            ));
        }
        if left.is_empty() {
            left.push("the daemon came to no rest".to_owned());
        }
        Ok(left)
    }

    /// Judges, ours and the others' books.
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, at the end, with everything that was found"
    )]
    async fn conclude(
        self,
        orders: &[NewOrder],
        asked: Vec<NewOrder>,
        unfinished: Vec<String>,
        faults: Vec<String>,
        plant: Option<Plant>,
        progress: &Progress,
        place: &Place,
    ) -> Result<Outcome, Failure> {
        let store = store::read_only(&self.launch.config).await?;
        let verify = store::verify(&store).await?;
        let outcomes = outcomes(store).await?;
        let ids = self.accepted.ids();
        let mut wanted: Vec<Asked> = asked
            .iter()
            .map(|order| Asked {
                order_id: order.order_id.clone(),
                cancellation_id: ids.get(&order.order_id).cloned(),
            })
            .collect();
        if plant == Some(Plant::LostOrder) {
            wanted.push(Asked::order("SIM-happy-forgotten"));
        }
        let ledger = self.simulator.ledger();
        let books = serde_json::to_string_pretty(&ledger)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        place.write("ledger.json", &books)?;
        let proof = judge(&wanted, &ledger);
        let outcome = Outcome {
            ok: proof.ok && verify.ok && unfinished.is_empty() && faults.is_empty(),
            orders: orders.len(),
            asked: wanted.len(),
            repeated: self.accepted.repeated(),
            kills: self.kills,
            elapsed_ms: progress.elapsed().as_millis(),
            outcomes,
            unfinished,
            proof,
            verify,
            faults,
            directory: None,
        };
        self.simulator.shutdown().await;
        Ok(outcome)
    }
}

/// Events of which a copy was not acknowledged.
fn undelivered(ledger: &Ledger) -> impl Iterator<Item = &EventRecord> {
    ledger
        .events
        .iter()
        .filter(|event| event.acknowledged < event.copies)
}

/// Every cancellation, page by page.
async fn each(reader: &Reader, mut with: impl FnMut(View)) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let page = reader
            .list(&ListFilter::default(), cursor.as_deref(), 500)
            .await
            .map_err(|error| store::failure(&error))?;
        page.items.into_iter().for_each(&mut with);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// Has every order a cancellation?
async fn covers(reader: &Reader, orders: &[NewOrder]) -> Result<bool, Failure> {
    let mut known = BTreeSet::new();
    each(reader, |view| {
        known.insert(view.order_id.to_string());
    })
    .await?;
    Ok(orders.iter().all(|order| known.contains(&order.order_id)))
}

async fn outcomes(store: SqliteStore) -> Result<BTreeMap<String, u64>, Failure> {
    let mut outcomes = BTreeMap::new();
    each(&Reader::on(store), |view| {
        *outcomes
            .entry(view.outcome.unwrap_or(view.state))
            .or_insert(0) += 1;
    })
    .await?;
    Ok(outcomes)
}
