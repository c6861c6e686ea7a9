//! Bugs that are planted, and caught by the checks that guard the product: each check passes with
//! the product as it is, and fails with the bug.
//!
//! The bugs are wrapped around the product's own adapters and stores, here in the tests: no build of
//! the product contains them. Twins of them in the life cycle itself are planted and caught in
//! `crates/core/tests/world/planted.rs`, twins in the store in
//! `crates/store/src/tests/planted_bugs.rs`.

mod engine;
mod ports;
mod stores;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use countermand::Orders;
use countermand::buy_with_prime::Client;
use countermand::store::{Disposition, MemoryStore, SqliteStore, Store, SystemClock};
use countermand_simulator::{Asked, FaultKind, RequestCounts, judge};
use countermand_tests::Place;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{sleep, timeout};

use engine::{Way, ask, cancel, world};
use ports::{LossyOrders, LossyRefunds, Summary};
use stores::Planted;

type Tested = anyhow::Result<()>;

/// The check must fail, and say this.
#[track_caller]
fn is_caught(checked: &Tested, says: &str) {
    match checked {
        Ok(()) => panic!("the check does not notice the bug"),
        Err(error) => assert!(format!("{error:#}").contains(says), "{error:#}"),
    }
}

/// An answer gets lost on the way back; the effect must happen once all the same.
async fn one_effect_per_lost_answer(cancels_again: bool, pays_again: bool) -> Tested {
    const ORDER: &str = "SIM-happy-1";
    let world = world(31).await?;
    let way = Way::to(&world);
    let orders = LossyOrders::new(way.orders()?, &world, cancels_again);
    let refunds = LossyRefunds::new(way.refunds()?, &world, pays_again);
    let engine = way
        .engine(MemoryStore::new(SystemClock), orders, refunds)
        .await?;
    cancel(&engine, ORDER).await?;
    engine.shutdown(Duration::from_secs(5)).await;
    let ledger = world.ledger();
    let lost = |counts: &RequestCounts| counts.struck(FaultKind::AnswerLost).with_effect;
    let lost: u64 = ledger.requests.values().map(lost).sum();
    ensure!(
        lost == 2,
        "{lost} answers were lost after their effect, not two"
    );
    let proof = judge(&[Asked::order(ORDER)], &ledger);
    ensure!(proof.ok, "the world is not as it should be: {proof:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_leads_to_one_effect() -> Tested {
    one_effect_per_lost_answer(false, false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_resend_after_a_lost_answer_is_caught() {
    is_caught(
        &one_effect_per_lost_answer(true, false).await,
        "2 cancelOrder calls took effect",
    );
    is_caught(
        &one_effect_per_lost_answer(false, true).await,
        "was paid 2 times",
    );
}

/// What may not be cancelled is not even asked for; what may be soon is asked for then.
async fn only_what_is_pending_is_cancelled<O: Orders>(
    order_id: &str,
    see: impl FnOnce(Client) -> O,
) -> Tested {
    let world = world(32).await?;
    let way = Way::to(&world);
    let engine = way
        .engine(
            MemoryStore::new(SystemClock),
            see(way.orders()?),
            way.refunds()?,
        )
        .await?;
    cancel(&engine, order_id).await?;
    engine.shutdown(Duration::from_secs(5)).await;
    let ledger = world.ledger();
    let refused = ledger.cancels.iter().find(|call| !call.accepted);
    ensure!(
        refused.is_none(),
        "cancelOrder was sent for what cannot be cancelled: {refused:?}"
    );
    let proof = judge(&[Asked::order(order_id)], &ledger);
    ensure!(proof.ok, "{proof:#?}");
    Ok(())
}

const PARTLY_SHIPPED: &str = "SIM-partly_shipped-1";
const NO_PACKAGES_YET: &str = "SIM-no_packages_yet-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pre_check_looks_at_every_package() -> Tested {
    only_what_is_pending_is_cancelled(PARTLY_SHIPPED, |client| client).await?;
    only_what_is_pending_is_cancelled(NO_PACKAGES_YET, |client| client).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_pre_check_by_summary_is_caught() {
    for order_id in [PARTLY_SHIPPED, NO_PACKAGES_YET] {
        is_caught(
            &only_what_is_pending_is_cancelled(order_id, Summary).await,
            "cancelOrder was sent for what cannot be cancelled",
        );
    }
}

/// Two subscriptions tell of one fact, under keys of their own.
async fn one_fact_is_applied_once(store: impl Store) -> Tested {
    const ORDER: &str = "SIM-shopper_cancelled-1";
    let world = world(33).await?;
    let way = Way::to(&world);
    let engine = way.engine(store, way.orders()?, way.refunds()?).await?;
    let resource = format!(
        "businessProduct/{}/order/{ORDER}/delivery/d-1",
        way.target_id()
    );
    let event = |key: &str| {
        json!({
            "idempotencyKey": key,
            "eventDescriptor": "PACKAGE_DELIVERY_CANCELLED",
            "resources": [&resource],
            "eventId": format!("event-{key}"),
            "apiVersion": "2024-11-01",
            "eventTime": "2025-02-20T09:21:41Z",
            "data": {},
        })
        .to_string()
    };
    let mut applied = Vec::new();
    for key in ["first-subscription", "second-subscription"] {
        let ingested = engine.ingest(event(key).as_bytes(), "test").await?;
        let fact = ingested.facts.first().context("no fact")?;
        if fact.disposition == Disposition::Applied {
            applied.extend(fact.cancellation_id.clone());
        }
    }
    let mut entries = 0;
    if let Some(id) = applied.first() {
        let history = engine.history(id).await?;
        let is_event =
            |input: &str| input.contains("\"event_received\"") || input.contains("\"observed\"");
        entries = history
            .iter()
            .filter(|entry| is_event(entry.input.get()))
            .count();
    }
    engine.shutdown(Duration::from_secs(5)).await;
    ensure!(
        applied.len() == 1,
        "one fact was applied {} times ({entries} entries tell of it)",
        applied.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_two_subscriptions_tell_of_is_one() -> Tested {
    one_fact_is_applied_once(MemoryStore::new(SystemClock)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_dedup_by_event_id_is_caught() {
    let store = Planted::knows_events_by_key(MemoryStore::new(SystemClock));
    is_caught(
        &one_fact_is_applied_once(store).await,
        "one fact was applied 2 times",
    );
}

/// What a child process is told: how to work, and where.
const CHILD: &str = "PLANTED_CHILD";

/// How a child process keeps what it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Keeps {
    /// As the product does.
    First,
    /// Later.
    Afterwards,
}

/// What a child process acknowledges. One thing each: whatever follows could flush what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum What {
    Request,
    Event,
}

/// What was acknowledged is there after SIGKILL.
async fn what_is_acknowledged_survives(keeps: Keeps, what: What) -> Tested {
    let world = world(34).await?;
    let place = Place::new(crate::program(), &world)?;
    let told = serde_json::to_string(&(keeps, what, Way::to(&world), place.store()))?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "planted::a_child_that_is_killed", "--nocapture"])
        .env(CHILD, told)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let id = timeout(Duration::from_secs(30), async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, id)) = line.split_once("acknowledged ") {
                return Ok(id.to_owned());
            }
        }
        bail!("the child ended by itself")
    })
    .await??;
    child.kill().await?;
    let daemon = place.serve().await?;
    match what {
        What::Request => {
            let found = daemon.get(&format!("/v1/cancellations/{id}")).await?;
            ensure!(
                found.status == 200,
                "acknowledged and lost: cancellation {id} ({found:?})"
            );
        }
        What::Event => {
            let stats = place.run(&["stats", "--json"]).await?.exits(0)?.json()?;
            let events = stats["events"]
                .as_object()
                .is_some_and(|events| !events.is_empty());
            ensure!(events, "acknowledged and lost: an event ({stats})");
        }
    }
    daemon.stop().await?;
    place.verify().await
}

/// What the tests below start in a process of its own. Without their orders it has nothing to do.
#[test]
fn a_child_that_is_killed() -> Tested {
    let Ok(told) = std::env::var(CHILD) else {
        return Ok(());
    };
    let (keeps, what, way, path): (Keeps, What, Way, std::path::PathBuf) =
        serde_json::from_str(&told)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let durable = SqliteStore::open(path).await?;
        match keeps {
            Keeps::First => acknowledge(what, &way, durable).await,
            Keeps::Afterwards => {
                let store = Planted::answers_first(MemoryStore::new(SystemClock), durable);
                acknowledge(what, &way, store).await
            }
        }
    })
}

/// Takes a request or an event in, says so, and waits for its end.
async fn acknowledge(what: What, way: &Way, store: impl Store) -> Tested {
    let engine = way.engine(store, way.orders()?, way.refunds()?).await?;
    let event = json!({
        "idempotencyKey": "k-1",
        "eventDescriptor": "PACKAGE_DELIVERED",
        "resources": [format!("businessProduct/{}/order/SIM-happy-2/delivery/d-1", way.target_id())],
        "eventId": "event-1",
        "apiVersion": "2024-11-01",
        "eventTime": "2025-02-20T09:21:41Z",
        "data": {},
    });
    match what {
        What::Request => println!("acknowledged {}", ask(&engine, "SIM-happy-1").await?.id),
        What::Event => {
            engine.ingest(event.to_string().as_bytes(), "test").await?;
            println!("acknowledged an event");
        }
    }
    sleep(Duration::from_secs(60)).await;
    bail!("nobody killed it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() -> Tested {
    what_is_acknowledged_survives(Keeps::First, What::Request).await?;
    what_is_acknowledged_survives(Keeps::First, What::Event).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_acknowledgement_before_commit_is_caught() {
    for what in [What::Request, What::Event] {
        is_caught(
            &what_is_acknowledged_survives(Keeps::Afterwards, what).await,
            "acknowledged and lost",
        );
    }
}
