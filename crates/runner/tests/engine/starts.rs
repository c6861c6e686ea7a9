//! Requests and events: what begins an instance, what does not, and what a store that fails does to
//! either.

use std::sync::Arc;
use std::time::Duration;

use countermand_runner::{Event, Handle, Ingested, Instance, Started, SubmitError};
use countermand_store::{Disposition, InboxRecord, MemoryStore, Store};

use crate::support::{
    Behaviour, Fault, FaultyStore, Input, KillableWorld, Parcel, Phase, Remotes, Rig, Ship, State,
    created, launch, options, parcel, prove, virtual_clock,
};

fn named(name: &str, external_id: &str) -> Ship {
    Ship {
        external_id: Some(external_id.to_owned()),
        ..Ship::new(name)
    }
}

fn event(name: &str, fact: &str, number: u32) -> Event<Parcel> {
    Event {
        record: InboxRecord {
            source: "http".to_owned(),
            transport_key: Some(format!("delivery of {fact}")),
            fact_key: Some(fact.to_owned()),
            event_type: "hint".to_owned(),
            received_at: countermand_core::Timestamp::MIN,
            disposition: Disposition::Unroutable,
            instance_id: None,
            raw: "{}".to_owned(),
        },
        input: Input::Hint { number },
        request: Ship::new(name),
    }
}

fn conflict(started: Started<State>) -> (Instance<State>, &'static str) {
    match started {
        Started::Conflict { with, why } => (with, why),
        other => panic!("no conflict: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_finds_what_the_first_one_began() {
    let rig = Rig::new();
    let book = created(rig.handle.start(named("book", "web-1")).await.unwrap());
    let again = rig.handle.start(named("book", "web-1")).await.unwrap();
    assert!(
        matches!(&again, Started::Existing(row) if row.row.id == book.row.id),
        "{again:?}"
    );
    let other = rig.handle.start(named("pen", "web-1")).await.unwrap();
    assert_eq!(conflict(other).1, "external_id_reused");
    let live = conflict(rig.handle.start(named("book", "web-2")).await.unwrap());
    assert_eq!((live.0.row.id, live.1), (book.row.id.clone(), "live"));

    rig.finished(&book).await;
    let again = rig.handle.start(named("book", "web-1")).await.unwrap();
    assert!(
        matches!(&again, Started::Existing(row) if row.row.id == book.row.id),
        "for ever"
    );
    let once = Ship {
        once: true,
        ..Ship::new("book")
    };
    let refused = conflict(rig.handle.start(once).await.unwrap());
    assert_eq!(
        (refused.0.row.id, refused.1),
        (book.row.id.clone(), "shipped")
    );
    let second = rig.start("book").await;
    assert_eq!(second.state.hints, 100, "it was told of the one before");
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_begins_nothing() {
    let rig = Rig::new();
    let first = rig.start("known").await;
    rig.finished(&first).await;
    let again = rig.handle.start(Ship::new("known")).await.unwrap();
    assert_eq!(again, Started::Known);
}

#[tokio::test(start_paused = true)]
async fn of_requests_at_once_one_begins() {
    let rig = Rig::new();
    let same = (0..20).map(|_| rig.handle.start(named("book", "web-1")));
    let same = futures_util::future::join_all(same).await;
    let created = |started: &Started<State>| matches!(started, Started::Created(_));
    assert_eq!(
        same.iter()
            .filter(|one| created(one.as_ref().unwrap()))
            .count(),
        1
    );
    let others = (0..20).map(|_| rig.handle.start(Ship::new("pen")));
    let others = futures_util::future::join_all(others).await;
    assert_eq!(
        others
            .iter()
            .filter(|one| created(one.as_ref().unwrap()))
            .count(),
        1
    );
    let rig = &rig;
    let many = (0..500).map(|number| async move { rig.start(&format!("many-{number}")).await });
    let many = futures_util::future::join_all(many).await;
    for instance in &many {
        rig.finished(instance).await;
    }
    assert_eq!(rig.prove().await.len(), 502);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_applied_once_per_fact() {
    let rig = Rig::new();
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let book = rig.start("book").await;
    let applied = rig.handle.ingest(event("book", "fact-1", 1)).await.unwrap();
    assert!(matches!(&applied, Ingested::Applied(to) if to.state.hints == 1));
    for _ in 0..3 {
        let again = rig.handle.ingest(event("book", "fact-1", 1)).await.unwrap();
        let instance = Some(book.row.id.clone());
        assert_eq!(again, Ingested::Duplicate { instance });
    }
    let at_once = (0..10).map(|_| rig.handle.ingest(event("book", "fact-2", 2)));
    let at_once = futures_util::future::join_all(at_once).await;
    let applied = at_once
        .iter()
        .filter(|one| matches!(one, Ok(Ingested::Applied(_))));
    assert_eq!(applied.count(), 1);
    assert_eq!(rig.handle.get(&book.row.id).await.unwrap().state.hints, 2);
    let inbox = rig.store.inbox(100).await.unwrap();
    let applied: Vec<_> = inbox
        .iter()
        .filter(|record| record.disposition == Disposition::Applied)
        .collect();
    assert_eq!(applied.len(), 2);
    assert!(
        applied
            .iter()
            .all(|record| record.instance_id.as_ref() == Some(&book.row.id))
    );
    assert!(
        applied
            .iter()
            .all(|record| record.received_at > countermand_core::Timestamp::MIN)
    );
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_instance_begins_one_or_is_ignored() {
    let rig = Rig::new();
    let started = rig
        .handle
        .ingest(event("known", "fact-1", 1))
        .await
        .unwrap();
    let Ingested::Started(started) = started else {
        panic!("{started:?}");
    };
    rig.finished(&started).await;
    let again = rig
        .handle
        .ingest(event("known", "fact-1", 1))
        .await
        .unwrap();
    assert!(matches!(again, Ingested::Duplicate { .. }));
    let other = rig
        .handle
        .ingest(event("known", "fact-2", 1))
        .await
        .unwrap();
    assert_eq!(other, Ingested::Ignored);
    let mut unroutable = event("", "fact-3", 1).record;
    unroutable.fact_key = None;
    rig.handle.keep(unroutable).await.unwrap();
    let stats = rig.store.stats().await.unwrap();
    let count = |wanted| {
        stats
            .events
            .iter()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, n)| *n)
    };
    assert_eq!(count(Disposition::Applied), Some(1));
    assert_eq!(count(Disposition::Ignored), Some(1));
    assert_eq!(count(Disposition::Unroutable), Some(1));
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_in_the_round_that_ends_an_instance_begins_another() {
    let rig = Rig::new();
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let end = Input::Return {
        actor: "ann".to_owned(),
    };
    let (ended, ingested) = futures_util::future::join(
        rig.handle.submit(&book.row.id, end, false),
        rig.handle.ingest(event("book", "fact-1", 1)),
    )
    .await;
    assert_eq!(ended.unwrap().state.phase, Phase::Returned);
    let Ingested::Started(other) = ingested.unwrap() else {
        panic!("it was swallowed");
    };
    assert_ne!(other.row.id, book.row.id);
    rig.remotes.calm();
    rig.finished(&other).await;
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_for_one_subject_is_few_commits() {
    let rig = failing();
    let events = |range: std::ops::Range<u32>| {
        let handle = rig.handle.clone();
        let each = range.map(move |number| {
            let handle = handle.clone();
            // Every tenth is delivered twice.
            let fact = format!("fact-{}", number - u32::from(number % 10 == 9));
            async move { handle.ingest(event("book", &fact, 1)).await.unwrap() }
        });
        futures_util::future::join_all(each)
    };
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let ingested = events(0..500).await;
    let Ingested::Started(book) = &ingested[0] else {
        panic!("{:?}", ingested[0]);
    };
    let count =
        |wanted: fn(&Ingested<State>) -> bool| ingested.iter().filter(|i| wanted(i)).count();
    assert_eq!(count(|i| matches!(i, Ingested::Started(_))), 1);
    assert_eq!(count(|i| matches!(i, Ingested::Applied(_))), 449);
    assert_eq!(count(|i| matches!(i, Ingested::Duplicate { .. })), 50);
    let commits = rig.store.commits();
    assert!(commits < 130, "{commits} commits");
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert_eq!(now.state.hints, 449, "each fact once");
    prove(&*rig.memory, &Parcel::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_command_changes_nothing_and_evidence_is_kept() {
    let rig = Rig::new();
    let book = rig.start("book").await;
    let done = rig.finished(&book).await;
    let hint = Input::Hint { number: 1 };
    let rejected = rig.handle.submit(&book.row.id, hint, false).await;
    assert!(matches!(rejected, Err(SubmitError::Rejected(rejected)) if rejected.phase == "done"));
    assert_eq!(
        rig.handle.get(&book.row.id).await.unwrap().row.revision,
        done.row.revision
    );
    let evidence = Input::Return {
        actor: "ann".to_owned(),
    };
    let rejected = rig.handle.submit(&book.row.id, evidence, false).await;
    assert!(matches!(rejected, Err(SubmitError::Rejected(_))));
    let entries = rig
        .store
        .history(&book.row.id, done.row.revision, 10)
        .await
        .unwrap();
    assert_eq!(entries.len(), 1);
    assert!(!entries[0].entry.accepted);
    assert_eq!(entries[0].entry.actor.as_deref(), Some("ann"));
    assert_eq!(entries[0].entry.from, entries[0].entry.to);
    rig.prove().await;
}

struct Failing {
    handle: Handle<Parcel, FaultyStore<MemoryStore>>,
    store: Arc<FaultyStore<MemoryStore>>,
    memory: Arc<MemoryStore>,
    remotes: Arc<Remotes>,
}

fn failing() -> Failing {
    let memory = Arc::new(MemoryStore::new(virtual_clock()));
    let store = Arc::new(FaultyStore::failing(memory.clone()));
    let remotes = Arc::new(Remotes::new());
    let world = Arc::new(KillableWorld::seeded(1));
    let handle = launch(store.clone(), remotes.clone(), options(), parcel(), &world);
    Failing {
        handle,
        store,
        memory,
        remotes,
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_loses_nothing() {
    let rig = failing();
    let book = created(rig.handle.start(Ship::new("book")).await.unwrap());
    let shipping = rig
        .handle
        .wait_until(&book.row.id, |now| now.state.attempts == 1);
    shipping.await.unwrap();
    // The request is on the wire: its outcome outlives a store that fails for minutes.
    rig.store.next([Fault::Unavailable; 40]);
    let refused = rig.handle.start(Ship::new("pen")).await;
    assert!(
        matches!(refused, Err(SubmitError::Store(_))),
        "told at once: {refused:?}"
    );
    let failure = rig.handle.commit_failure();
    assert!(failure.is_some_and(|(ago, why)| ago < Duration::from_secs(60) && !why.is_empty()));
    let done = rig
        .handle
        .wait_until(&book.row.id, |now| now.state.phase == Phase::Done);
    tokio::time::timeout(Duration::from_secs(3600), done)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rig.handle.commit_failure(), None);
    assert_eq!(rig.remotes.shipped("book"), 1);
    assert_eq!(
        rig.remotes.ledger().calls_of("ship").len(),
        1,
        "its outcome was kept"
    );
    prove(&*rig.memory, &Parcel::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_loses_and_doubles_nothing_and_is_found_again() {
    // From every moment of the life of a parcel.
    for millis in (0..400).step_by(7) {
        let rig = failing();
        let mut ids = Vec::new();
        for number in 0..5 {
            let name = format!("p{number}");
            ids.push(
                created(rig.handle.start(Ship::new(&name)).await.unwrap())
                    .row
                    .id,
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
        rig.store.down(true);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let refused = rig.handle.ingest(event("p0", "fact-1", 1)).await;
        assert!(matches!(refused, Err(SubmitError::Store(_))), "{refused:?}");
        rig.store.down(false);
        let back = tokio::time::Instant::now();
        for id in &ids {
            let done = rig
                .handle
                .wait_until(id, |now| now.state.phase == Phase::Done);
            tokio::time::timeout(Duration::from_secs(30), done)
                .await
                .unwrap_or_else(|_| panic!("stuck after {millis} ms"))
                .unwrap();
        }
        let took = back.elapsed();
        assert!(took < Duration::from_secs(12), "{took:?} after {millis} ms");
        let ledger = rig.remotes.ledger();
        assert_eq!(ledger.shipments.len(), 5, "after {millis} ms");
        prove(&*rig.memory, &Parcel::default()).await;
        rig.handle.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_an_answer_is_read_back() {
    for seed in 0..64_u32 {
        let rig = failing();
        rig.handle.settled().await;
        // Every pattern of the first six commits.
        rig.store.next((0..6).map(|bit| match (seed >> bit) & 1 {
            0 => Fault::UnknownDone,
            _ => Fault::UnknownUndone,
        }));
        let book = created(rig.handle.start(named("book", "web-1")).await.unwrap());
        let applied = rig.handle.ingest(event("book", "fact-1", 1)).await.unwrap();
        assert!(matches!(applied, Ingested::Applied(_)), "{applied:?}");
        let done = rig
            .handle
            .wait_until(&book.row.id, |now| now.state.phase == Phase::Done);
        let done = tokio::time::timeout(Duration::from_secs(3600), done)
            .await
            .unwrap();
        let done = done.unwrap().unwrap();
        assert_eq!(
            (done.state.hints, rig.remotes.shipped("book")),
            (1, 1),
            "seed {seed}"
        );
        assert_eq!(done.row.revision, 8, "each input once, seed {seed}");
        prove(&*rig.memory, &Parcel::default()).await;
        rig.handle.shutdown(Duration::from_secs(1)).await;
    }
}
