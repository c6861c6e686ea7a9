//! After a restore from a backup: nothing is sent for a while, whatever is unfinished is told, and
//! what the lost future did is not done again.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::InstanceId;
use countermand_runner::Options;
use countermand_store::{MemoryStore, Store};

use crate::support::{Behaviour, FaultyStore, KillableWorld, Rig, launch, options, parcel};

const EMBARGO: Duration = Duration::from_secs(60);
const NEARLY: Duration = Duration::from_secs(59);

fn slow() -> Options {
    Options {
        embargo: EMBARGO,
        ..options()
    }
}

/// A backup while ten parcels wait to be shipped; then the future that is lost, in which they are.
async fn behind(count: usize) -> (Rig, MemoryStore, Vec<InstanceId>) {
    let rig = Rig::with(slow(), parcel(), 1);
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let mut parcels = Vec::new();
    for number in 0..count {
        parcels.push(rig.start(&format!("p{number}")).await);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let backup = rig.store.backup();
    rig.remotes.calm();
    for parcel in &parcels {
        rig.finished(parcel).await;
    }
    assert_eq!(rig.remotes.ledger().shipments.len(), count);
    let ids = parcels.into_iter().map(|parcel| parcel.row.id).collect();
    (rig, backup, ids)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_embargo_is_over_and_nothing_is_sent_again() {
    let (lost, backup, ids) = behind(10).await;
    lost.world.kill().await;
    let store = Arc::new(backup.reopen());
    let (before, since) = (lost.store.incarnation(), store.restored().await.unwrap());
    assert!(since.is_some() && store.incarnation() > before);
    let began = tokio::time::Instant::now();
    let rig = Rig::over(store.clone(), lost.remotes.clone(), slow(), parcel(), 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let fresh = rig.start("new").await;
    tokio::time::sleep(Duration::from_millis(58_990)).await;
    let calls = rig.remotes.ledger().calls_of("ship").len();
    assert_eq!(calls, 10, "those of the lost future");
    let waiting = rig.handle.get(&fresh.row.id).await.unwrap();
    assert_eq!(waiting.state.attempts, 0, "new ones are held back, too");
    assert_eq!(store.restored().await.unwrap(), since);
    for id in &ids {
        let now = rig.handle.get(id).await.unwrap();
        assert_eq!(now.state.hints, 1, "told once");
        assert_eq!(now.state.attempts, 0);
    }
    assert_eq!(waiting.state.hints, 0, "it has nothing to make up for");
    for id in ids.iter().chain([&fresh.row.id]) {
        let done = |now: &countermand_runner::Instance<_>| now.row.finished_at.is_some();
        let wait = rig.handle.wait_until(id, done);
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, wait).await.unwrap().unwrap();
    }
    assert!(began.elapsed() < EMBARGO + Duration::from_secs(10));
    for number in 0..10 {
        assert_eq!(rig.remotes.shipped(&format!("p{number}")), 1);
    }
    assert_eq!(rig.remotes.shipped("new"), 1);
    assert_eq!(store.restored().await.unwrap(), None, "made up for");
    rig.prove().await;

    // From now on it is a store like any other.
    rig.world.kill().await;
    let store = Arc::new(store.reopen());
    let rig = Rig::over(store, rig.remotes.clone(), slow(), parcel(), 3);
    let began = tokio::time::Instant::now();
    let next = rig.start("next").await;
    rig.finished(&next).await;
    assert!(began.elapsed() < EMBARGO);
}

#[tokio::test(start_paused = true)]
async fn a_crash_begins_the_embargo_anew() {
    let (lost, backup, ids) = behind(3).await;
    lost.world.kill().await;
    let mut store = backup.reopen();
    for round in 2..5 {
        let shared = Arc::new(store.clone());
        let rig = Rig::over(shared, lost.remotes.clone(), slow(), parcel(), round);
        tokio::time::sleep(NEARLY).await;
        assert_eq!(rig.remotes.ledger().calls_of("ship").len(), 3);
        rig.world.kill().await;
        assert!(store.restored().await.unwrap().is_some(), "the mark stands");
        store = store.reopen();
    }
    let rig = Rig::over(Arc::new(store), lost.remotes.clone(), slow(), parcel(), 9);
    for id in &ids {
        let done = |now: &countermand_runner::Instance<_>| now.row.finished_at.is_some();
        rig.handle.wait_until(id, done).await.unwrap();
    }
    assert_eq!(rig.remotes.ledger().shipments.len(), 3);
    rig.prove().await;
}

/// A store that does not answer is asked again; nothing is taken up meanwhile.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_at_first_is_asked_again() {
    let (lost, backup, ids) = behind(2).await;
    lost.world.kill().await;
    let store = Arc::new(FaultyStore::failing(Arc::new(backup.reopen())));
    store.down(true);
    let world = Arc::new(KillableWorld::seeded(7));
    let handle = launch(
        store.clone(),
        lost.remotes.clone(),
        slow(),
        parcel(),
        &world,
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    store.down(false);
    tokio::time::sleep(NEARLY).await;
    assert_eq!(lost.remotes.ledger().calls_of("ship").len(), 2);
    for id in &ids {
        let done = |now: &countermand_runner::Instance<_>| now.row.finished_at.is_some();
        handle.wait_until(id, done).await.unwrap();
    }
    assert_eq!(lost.remotes.ledger().shipments.len(), 2);
}
