//! Limits on what is spent: exact side by side, over crashes and restarts.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::Money;
use countermand_runner::{Options, SpendLimits};
use countermand_store::{MemoryStore, SqliteStore};

use crate::support::{
    Behaviour, Fault, FaultyStore, Freeze, Input, KillableWorld, Moment, Parcel, Phase, Remotes,
    Rig, Ship, launch, options, prove, virtual_clock,
};

const HOUR: Duration = Duration::from_secs(3600);

fn stamped() -> Arc<Parcel> {
    Arc::new(Parcel {
        postage: Some(Money::parse("4.10", "EUR").unwrap()),
        ..Parcel::default()
    })
}

fn limited(payments_per_hour: Option<u64>, per_day: &[&str]) -> Options {
    let amount = |amount: &&str| Money::parse(amount, "EUR").unwrap();
    Options {
        spending: SpendLimits {
            payments_per_hour,
            amount_per_day: per_day.iter().map(amount).collect(),
        },
        ..options()
    }
}

async fn start_many(rig: &Rig, names: std::ops::Range<usize>) -> Vec<countermand_core::InstanceId> {
    let starts = names.map(|number| async move { rig.start(&format!("p{number}")).await.row.id });
    futures_util::future::join_all(starts).await
}

fn retry() -> Input {
    Input::Retry {
        actor: "ann".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_exactly_as_many_as_there_is_room_for() {
    let rig = Rig::with(limited(Some(5), &[]), stamped(), 1);
    let ids = start_many(&rig, 0..40).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 5);
    let mut waiting = Vec::new();
    for id in &ids {
        let now = rig.handle.get(id).await.unwrap();
        match now.state.phase {
            Phase::Done => {}
            Phase::Shipping => {
                assert!(now.state.limited && now.state.attempts == 0, "{now:?}");
                waiting.push(id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waiting.len(), 35);
    // Without room, another try comes to the same.
    rig.handle.submit(waiting[0], retry(), true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.handle.get(waiting[0]).await.unwrap().state.limited);
    // And nothing is tried by itself.
    tokio::time::sleep(HOUR).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 5);
    for id in &waiting {
        rig.handle.submit(id, retry(), true).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 10);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn amounts_add_up_over_a_day() {
    let rig = Rig::with(limited(None, &["12.30"]), stamped(), 1);
    let ids = start_many(&rig, 0..8).await;
    tokio::time::sleep(20 * HOUR).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 3, "3 times 4.10");
    tokio::time::sleep(4 * HOUR + Duration::from_secs(60)).await;
    for id in &ids {
        // Those that are done turn it down.
        drop(rig.handle.submit(id, retry(), true).await);
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 6);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_spent_under_a_limit_of_nothing() {
    let rig = Rig::with(limited(Some(0), &[]), stamped(), 1);
    start_many(&rig, 0..3).await;
    tokio::time::sleep(2 * HOUR).await;
    assert!(rig.remotes.ledger().shipments.is_empty());
    rig.prove().await;
}

/// A payment in doubt, and one that was refused, are tried again in the place they have.
#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_takes_no_second_place() {
    let rig = Rig::with(limited(Some(2), &[]), stamped(), 1);
    rig.remotes.next("ship", &[Behaviour::Refuses; 6]);
    let book = rig.start("book").await;
    rig.finished(&book).await;
    rig.remotes.next("ship", &[Behaviour::LosesTheAnswer]);
    let pen = rig.start("pen").await;
    let pen = rig.finished(&pen).await;
    assert_eq!(pen.state.attempts, 2);
    let late = rig.start("late").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.handle.get(&late.row.id).await.unwrap().state.limited);
    rig.prove().await;
}

/// An intent that was not committed has taken nothing; one that may have been, has.
#[tokio::test(start_paused = true)]
async fn what_was_not_committed_counts_once_at_most() {
    for fault in [Fault::Unavailable, Fault::UnknownUndone, Fault::UnknownDone] {
        for nth in 0..12_u8 {
            let memory = Arc::new(MemoryStore::new(virtual_clock()));
            let store = Arc::new(FaultyStore::failing(memory.clone()));
            let remotes = Arc::new(Remotes::new());
            let world = Arc::new(KillableWorld::seeded(nth.into()));
            let handle = launch(
                store.clone(),
                remotes.clone(),
                limited(Some(2), &[]),
                stamped(),
                &world,
            );
            store.next(std::iter::repeat_n(Fault::None, 3 + usize::from(nth)));
            store.next([fault]);
            for name in ["a", "b", "c"] {
                handle.start(Ship::new(name)).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(120)).await;
            let shipped = remotes.ledger().shipments.len();
            assert_eq!(shipped, 2, "{fault:?} at {nth}");
            world.kill().await;
            prove(&*memory, &Parcel::default()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn earlier_incarnations_count() {
    let rig = Rig::with(limited(Some(3), &[]), stamped(), 1);
    start_many(&rig, 0..2).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    rig.world.kill().await;
    let store = Arc::new(rig.store.reopen());
    let rig = Rig::over(
        store,
        rig.remotes.clone(),
        limited(Some(3), &[]),
        stamped(),
        2,
    );
    let ids = start_many(&rig, 2..6).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 3);
    // An hour after the first two: their places are free, the third one's is not.
    tokio::time::sleep(HOUR.saturating_sub(Duration::from_secs(1199))).await;
    for id in &ids {
        drop(rig.handle.submit(id, retry(), true).await);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.remotes.ledger().shipments.len(), 5);
    rig.prove().await;
}

/// Killed at every call of the store in turn, before it and after it.
#[tokio::test(start_paused = true)]
async fn no_crash_makes_room() {
    for moment in [Moment::Before, Moment::After] {
        for call in (0..60).chain((60..120).step_by(7)) {
            let store = Arc::new(MemoryStore::new(virtual_clock()));
            let frozen = Arc::new(FaultyStore::freezing(
                store.clone(),
                Freeze { call, moment },
            ));
            let remotes = Arc::new(Remotes::new());
            let world = Arc::new(KillableWorld::seeded(1));
            let first = launch(
                frozen.clone(),
                remotes.clone(),
                limited(Some(3), &[]),
                stamped(),
                &world,
            );
            let starts = async {
                for number in 0..5 {
                    drop(first.start(Ship::new(&format!("p{number}"))).await);
                }
                first.settled().await;
            };
            tokio::select! {
                biased;
                () = frozen.frozen() => {}
                () = starts => {}
                () = tokio::time::sleep(Duration::from_secs(60)) => {}
            }
            world.kill().await;
            let store = Arc::new(store.reopen());
            let world = Arc::new(KillableWorld::seeded(2));
            let second = launch(
                store.clone(),
                remotes.clone(),
                limited(Some(3), &[]),
                stamped(),
                &world,
            );
            for number in 0..8 {
                drop(second.start(Ship::new(&format!("p{number}"))).await);
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
            let shipped = remotes.ledger().shipments.len();
            assert_eq!(shipped, 3, "call {call}, {moment:?}");
            world.kill().await;
            prove(&*store, &Parcel::default()).await;
        }
    }
}

/// The same over a file: what was spent is read back from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_remembers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let quick = || Options {
        poll: Duration::from_millis(50),
        ..limited(Some(4), &[])
    };
    let remotes = Arc::new(Remotes::new());
    for (round, wanted) in [(0, 3), (1, 4), (2, 4)] {
        let store = Arc::new(SqliteStore::open(path.as_path()).await.unwrap());
        let world = Arc::new(KillableWorld::seeded(round));
        let handle = launch(store.clone(), remotes.clone(), quick(), stamped(), &world);
        for number in 0..3 {
            let name = format!("p{round}-{number}");
            let started = handle.start(Ship::new(&name)).await.unwrap();
            let id = crate::support::created(started).row.id;
            let ended = handle.wait_until(&id, |now| {
                now.state.limited || now.state.phase == Phase::Done
            });
            ended.await.unwrap().unwrap();
        }
        assert_eq!(remotes.ledger().shipments.len(), wanted, "round {round}");
        world.kill().await;
        drop(handle);
        store.close().await;
    }
}
