//! How a lane is tried again: backoff, attempts, and what must not spin.

use std::time::Duration;

use countermand_core::Backoff;
use countermand_runner::{Retries, Retry};
use countermand_store::Store;

use crate::support::{Behaviour, Input, Rig, options, parcel};

#[tokio::test(start_paused = true)]
async fn each_lane_has_its_own_backoff() {
    let rig = Rig::new();
    rig.remotes.always("announce", Behaviour::Refuses);
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert!(now.state.tracked, "the other lane is done");
    let retries = Retries::parse(&now.row.retries);
    let lane = retries.lane("announce").unwrap();
    let calls = rig.remotes.ledger().calls_of("announce");
    assert_eq!(usize::try_from(lane.failures).unwrap(), calls.len());
    assert!((6..60).contains(&calls.len()), "{calls:?}");
    assert_eq!(
        retries
            .worst()
            .unwrap()
            .last_error
            .as_ref()
            .unwrap()
            .message,
        "503"
    );
    rig.remotes.calm();
    rig.finished(&book).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_used_up_stop_the_lane_until_a_person_asks() {
    let mut options = options();
    let retry = Retry {
        attempts: 3,
        ..options.retry
    };
    options.retry_of.insert("announce".to_owned(), retry);
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("announce", Behaviour::Refuses);
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.remotes.ledger().calls_of("announce").len(), 3);
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert!(now.row.body.attention.is_some());
    assert!(now.row.due_at.is_some(), "not finished");
    let told = || async {
        let entries = rig.store.history(&book.row.id, 0, 100).await.unwrap();
        entries
            .iter()
            .filter(|entry| entry.entry.input.contains("stopped"))
            .count()
    };
    assert_eq!(told().await, 1, "told once");

    let retry = Input::Retry {
        actor: "ann".to_owned(),
    };
    rig.handle
        .submit(&book.row.id, retry.clone(), true)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.remotes.ledger().calls_of("announce").len(), 6);
    assert_eq!(told().await, 2);

    rig.remotes.calm();
    let before = tokio::time::Instant::now();
    rig.handle.submit(&book.row.id, retry, true).await.unwrap();
    let done = rig.finished(&book).await;
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "now, not after the backoff"
    );
    assert!(done.row.body.attention.is_none());
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn reads_never_stop_and_a_person_is_told_once() {
    let mut options = options();
    let retry = Retry {
        attempts: 3,
        ..options.retry
    };
    options.retry_of.insert("weigh".to_owned(), retry);
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("weigh", Behaviour::Refuses);
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = rig.remotes.ledger().calls_of("weigh").len();
    // Backed off, and by and by as seldom as the circuit breaker probes.
    assert!((15..120).contains(&calls), "{calls} calls");
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert!(now.row.body.attention.is_some());
    let entries = rig.store.history(&book.row.id, 0, 100).await.unwrap();
    let told = entries
        .iter()
        .filter(|entry| entry.entry.input.contains("stopped"));
    assert_eq!(told.count(), 1, "told once");
    // Nobody does anything but the remote, which works again.
    rig.remotes.calm();
    rig.finished(&book).await;
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_neither_waits_for_its_lane_nor_clears_its_failures() {
    let mut options = options();
    options.retry = Retry {
        backoff: Backoff {
            initial: Duration::from_secs(100),
            max: Duration::from_secs(100),
        },
        attempts: 3,
    };
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("ship", Behaviour::Panics);
    let book = rig.start("book").await;
    let stopped = rig
        .handle
        .wait_until(&book.row.id, |now| now.state.attention.is_some());
    let stopped = tokio::time::timeout(Duration::from_secs(3600), stopped).await;
    assert_eq!(stopped.unwrap().unwrap().unwrap().state.attempts, 3);
    // The third intent is still open; it runs into its deadline all the same.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert!(now.state.doubt.is_some());
    let entries = rig.store.history(&book.row.id, 0, 100).await.unwrap();
    let at = |text: &str| {
        let of = entries
            .iter()
            .filter(|entry| entry.entry.input.contains(text));
        of.map(|entry| entry.entry.at).collect::<Vec<_>>()
    };
    let (intents, overdue) = (at("intent_recorded"), at("overdue"));
    assert_eq!((intents.len(), overdue.len()), (3, 3));
    for (intent, overdue) in intents.iter().zip(overdue) {
        assert!(overdue.since(*intent) <= Duration::from_millis(2001));
    }
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_spins() {
    // Whatever is due again at once without having moved is spaced out.
    let mut options = options();
    options.retry.backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(10),
    };
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("announce", Behaviour::HasNothing);
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let calls = rig.remotes.ledger().calls_of("announce").len();
    assert!((10..30).contains(&calls), "{calls}");
    let lane = Retries::parse(&rig.handle.get(&book.row.id).await.unwrap().row.retries);
    assert_eq!(
        lane.lane("announce").unwrap().failures,
        0,
        "no attempt is used up"
    );
    rig.remotes.calm();
    rig.finished(&book).await;
}
