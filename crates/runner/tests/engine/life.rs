//! The life of instances: taken up, driven, handed over, given back.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Epoch, When, Workflow};
use countermand_runner::{GetError, SubmitError};
use countermand_store::Store;

use crate::support::{Behaviour, Input, Parcel, Phase, Rig, options, parcel};

#[tokio::test(start_paused = true)]
async fn a_parcel_is_shipped_once_and_announced_with_the_stored_message() {
    let rig = Rig::new();
    let parcel = rig.start("book").await;
    let done = rig.finished(&parcel).await;
    assert_eq!(done.state.phase, Phase::Done);
    let ledger = rig.remotes.ledger();
    assert_eq!(ledger.shipments, [("book".to_owned(), 1)]);
    assert_eq!(ledger.messages.len(), 1);
    assert!(ledger.messages[0].1.starts_with("400 g shipped at "));
    let entries = rig.store.history(&done.row.id, 0, 100).await.unwrap();
    let kinds: Vec<String> = entries
        .iter()
        .map(|entry| {
            let input: serde_json::Value = serde_json::from_str(&entry.entry.input).unwrap();
            input["type"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = [
        "ship",
        "weighed",
        "intent_recorded",
        "ship_done",
        "told",
        "tracked",
        "rest_over",
    ];
    let mut sorted = kinds.clone();
    sorted.sort_unstable();
    let mut wanted = expected.map(str::to_owned).to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted, "{kinds:?}");
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_started_instance_is_worked_on_at_once() {
    let rig = Rig::new();
    rig.handle.settled().await;
    // Well away from any regular look.
    tokio::time::sleep(Duration::from_millis(777)).await;
    let before = tokio::time::Instant::now();
    let parcel = rig.start("book").await;
    rig.handle
        .wait_until(&parcel.row.id, |now| now.row.revision > 1)
        .await
        .unwrap();
    assert_eq!(
        before.elapsed(),
        Duration::from_millis(20),
        "what the remote takes, and no more"
    );
    rig.finished(&parcel).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_held_from_effect_to_effect() {
    let rig = Rig::new();
    let before = tokio::time::Instant::now();
    let parcel = rig.start("book").await;
    rig.finished(&parcel).await;
    // Four effects and a rest, one after the other, and no wait for any look.
    let took = before.elapsed();
    assert!(
        took < Duration::from_millis(20 + 30 + 20 + 300 + 20),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn hand_over_records_the_lost_owner_before_anything_else() {
    let rig = Rig::new();
    rig.remotes.next("ship", &[Behaviour::Hangs]);
    let parcel = rig.start("book").await;
    rig.handle
        .wait_until(&parcel.row.id, |now| now.state.attempts == 1)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.world.kill().await;
    assert_eq!(rig.remotes.shipped("book"), 1, "it took effect");

    let store = Arc::new(rig.store.reopen());
    let rig = Rig::over(
        store,
        rig.remotes.clone(),
        options(),
        crate::support::parcel(),
        2,
    );
    let restarted = tokio::time::Instant::now();
    let after = rig
        .handle
        .wait_until(&parcel.row.id, |now| now.row.revision > 3)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(restarted.elapsed(), Duration::ZERO, "due at once");
    assert!(after.row.body.in_doubt);
    let entries = rig.store.history(&parcel.row.id, 3, 10).await.unwrap();
    assert_eq!(
        entries[0].entry.input,
        r#"{"type":"unknown","attempt":1,"why":"owner_lost"}"#
    );
    assert_eq!(entries[0].entry.epoch, Epoch(2));
    assert_eq!(after.row.retries, r#"{"lanes":{"ship":{"lost":1}}}"#);
    let done = rig.finished(&parcel).await;
    // Attempt 2 looked, found it, and sent nothing.
    assert_eq!((done.state.attempts, rig.remotes.shipped("book")), (2, 1));
    assert!(
        restarted.elapsed() >= Duration::from_secs(5),
        "the lag is waited out"
    );
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_zombie_decides_nothing_but_its_outcome_is_recorded() {
    let rig = Rig::new();
    let behaviour = [Behaviour::Works, Behaviour::LosesTheAnswer];
    rig.remotes.next("ship", &behaviour);
    let told = rig.start("told").await;
    let is_shipping = rig
        .handle
        .wait_until(&told.row.id, |now| now.state.attempts == 1);
    is_shipping.await.unwrap();
    let sent = rig.start("sent").await;
    tokio::time::sleep(Duration::from_millis(21)).await;
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let waiting = rig.start("waiting").await;
    tokio::time::sleep(Duration::from_millis(21)).await;
    assert_eq!(rig.remotes.shipped("sent"), 1, "on the wire");
    let announced = rig.remotes.ledger().calls_of("announce").len();
    assert_eq!(announced, 1, "on the wire");
    // Another owner opens the store; this engine goes on, unaware.
    let young = rig.store.reopen();
    rig.remotes.calm();
    let looks = rig.remotes.ledger().calls.len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let entries = young.history(&sent.row.id, 3, 10).await.unwrap();
    assert_eq!(
        entries.len(),
        1,
        "the outcome, and nothing after it: {entries:?}"
    );
    assert!(entries[0].entry.input.contains("time_out"));
    let entries = young.history(&told.row.id, 4, 10).await.unwrap();
    assert_eq!(entries.len(), 1, "a delivery is a fact, a read is none");
    assert!(entries[0].entry.input.contains("told"));
    let row = young
        .load(std::slice::from_ref(&waiting.row.id))
        .await
        .unwrap();
    assert_eq!(row[0].as_ref().unwrap().revision, 1, "no new decision");
    let ledger = rig.remotes.ledger();
    assert_eq!(ledger.shipments.len(), 2, "no new mutation");
    assert!(
        ledger.calls.len() < looks + 20,
        "it does not spin: {:?}",
        ledger.calls
    );
    // Commands are facts, whoever brings them.
    rig.handle
        .submit(&waiting.row.id, Input::Hint { number: 1 }, false)
        .await
        .unwrap();
    let entries = young.history(&waiting.row.id, 1, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_a_waiting_instance() {
    let rig = Rig::new();
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let parcel = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    rig.handle.settled().await;
    let polls = rig.remotes.ledger().calls_of("weigh").len();
    assert!((10..60).contains(&polls), "waits grow: {polls} polls");
    let row = rig.handle.get(&parcel.row.id).await.unwrap().row;
    assert_eq!(
        row.revision, 1,
        "reads that show nothing new leave no trace"
    );

    rig.remotes.calm();
    // A hint that makes it begin anew: the wait since the last look starts over.
    rig.handle
        .submit(&parcel.row.id, Input::Weighed { grams: 7 }, false)
        .await
        .unwrap();
    let before = tokio::time::Instant::now();
    rig.finished(&parcel).await;
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_changes_what_a_holder_does_next() {
    let rig = Rig::new();
    rig.remotes.next("weigh", &[Behaviour::Hangs]);
    let parcel = rig.start("book").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The worker waits for the scales; the event makes it ship meanwhile.
    rig.handle
        .submit(&parcel.row.id, Input::Weighed { grams: 7 }, false)
        .await
        .unwrap();
    let before = tokio::time::Instant::now();
    rig.finished(&parcel).await;
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "{:?}",
        before.elapsed()
    );
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_lane_delays_no_other_lane() {
    let rig = Rig::new();
    rig.remotes.always("track", Behaviour::Hangs);
    let parcel = rig.start("book").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        rig.remotes.ledger().messages.len(),
        1,
        "announced beside the hanging read"
    );
    rig.remotes.calm();
    rig.finished(&parcel).await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_never_answers_runs_into_its_deadline() {
    let rig = Rig::new();
    rig.remotes
        .next("ship", &[Behaviour::Hangs, Behaviour::Panics]);
    let parcel = rig.start("book").await;
    let done = rig.finished(&parcel).await;
    assert_eq!(rig.remotes.shipped("book"), 1);
    let entries = rig.store.history(&done.row.id, 0, 100).await.unwrap();
    let overdue = entries
        .iter()
        .filter(|entry| entry.entry.input.contains("overdue"))
        .count();
    assert_eq!(overdue, 2, "nothing is invented; the agenda knows");
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_in_order() {
    let rig = Rig::new();
    let mut changes = rig.handle.changes();
    let parcel = rig.start("book").await;
    let done = rig.finished(&parcel).await;
    let mut revision = 0;
    while revision < done.row.revision {
        let change = changes.recv().await.unwrap();
        assert_eq!(change.id, parcel.row.id);
        assert!(change.revision > revision);
        revision = change.revision;
    }
    assert_eq!(done.row.body.phase, "done");
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_may_jump_and_no_doubt_is_shortened() {
    use std::sync::atomic::{AtomicI64, Ordering};
    let jump = Arc::new(AtomicI64::new(0));
    let clock = crate::support::virtual_clock();
    let shifted = jump.clone();
    let clock = move || {
        let seconds = shifted.load(Ordering::Relaxed);
        countermand_core::Timestamp::from_millis(clock().as_millis() + seconds * 1000)
    };
    let store = Arc::new(countermand_store::MemoryStore::new(clock));
    let remotes = Arc::new(crate::support::Remotes::new());
    let rig = Rig::over(store, remotes, options(), parcel(), 1);
    rig.remotes.next("ship", &[Behaviour::LosesTheAnswer]);
    let parcel = rig.start("book").await;
    rig.handle
        .wait_until(&parcel.row.id, |now| now.state.doubt.is_some())
        .await
        .unwrap();
    let doubted = tokio::time::Instant::now();
    let agenda = Parcel::default().next(&rig.handle.get(&parcel.row.id).await.unwrap().state);
    assert!(matches!(agenda.items()[0].when, When::Settled { .. }));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    jump.store(3600, Ordering::Relaxed);
    let attempts = rig
        .handle
        .wait_until(&parcel.row.id, |now| now.state.attempts == 2);
    attempts.await.unwrap();
    let waited = doubted.elapsed();
    assert!(waited >= Duration::from_secs(5), "shortened to {waited:?}");
    assert!(waited < Duration::from_secs(6), "{waited:?}");
    rig.finished(&parcel).await;
    rig.prove().await;
}

/// A wall clock that can be set, over a monotonic one.
#[derive(Clone)]
struct Settable {
    origin: std::time::Instant,
    back_ms: Arc<std::sync::atomic::AtomicI64>,
}

impl countermand_store::Clock for Settable {
    fn now(&self) -> countermand_core::Timestamp {
        let back = self.back_ms.load(std::sync::atomic::Ordering::Relaxed);
        countermand_core::Timestamp::from_millis(1_800_000_000_000 - back).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// In real time, since SQLite has a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_go_on_when_the_clock_of_a_sqlite_store_is_set_back() {
    let clock = Settable {
        origin: std::time::Instant::now(),
        back_ms: Arc::default(),
    };
    let directory = tempfile::tempdir().unwrap();
    let options_of_store = countermand_store::SqliteOptions::new(directory.path().join("a.db"));
    let store = countermand_store::SqliteStore::open(options_of_store.clock(clock.clone())).await;
    let store = Arc::new(store.unwrap());
    let remotes = Arc::new(crate::support::Remotes::new());
    remotes.latency(Duration::from_millis(1));
    remotes.always("weigh", Behaviour::HasNothing);
    let world = Arc::new(crate::support::KillableWorld::seeded(1));
    let handle =
        crate::support::launch(store.clone(), remotes.clone(), options(), parcel(), &world);
    let ship = crate::support::Ship::new("book");
    let book = crate::support::created(handle.start(ship).await.unwrap());
    let polls = || remotes.ledger().calls_of("weigh").len();
    let more_polls = async |more: usize| {
        let wanted = polls() + more;
        let poll = async {
            while polls() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let polled = tokio::time::timeout(Duration::from_secs(20), poll).await;
        polled.expect("polls stopped");
    };
    more_polls(2).await;
    for hours in [1, 2] {
        let before = store.now().await.unwrap();
        let back = hours * 3_600_000;
        clock
            .back_ms
            .store(back, std::sync::atomic::Ordering::Relaxed);
        let after = store.now().await.unwrap();
        let lost = before.at.since(after.at);
        assert!(
            after.behind && lost < Duration::from_secs(5),
            "{lost:?} lost"
        );
        more_polls(2).await;
    }
    remotes.calm();
    let weighed = Input::Weighed { grams: 7 };
    handle.submit(&book.row.id, weighed, false).await.unwrap();
    let done = handle.wait_until(&book.row.id, |now| now.row.finished_at.is_some());
    let done = tokio::time::timeout(Duration::from_secs(20), done).await;
    assert!(done.expect("stuck").unwrap().is_some());
    handle.shutdown(Duration::from_secs(5)).await;
    store.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_missing() {
    let rig = Rig::new();
    let id = countermand_core::InstanceId::new("nobody").unwrap();
    assert!(matches!(
        rig.handle.get(&id).await,
        Err(GetError::Missing { .. })
    ));
    let submitted = rig
        .handle
        .submit(&id, Input::Hint { number: 1 }, false)
        .await;
    assert!(matches!(submitted, Err(SubmitError::Missing { .. })));
}
