//! What keeps remotes and instances from each other: breaker, rate, room, pause, overload.

use std::sync::Arc;
use std::time::Duration;

use countermand_runner::{BreakerLimits, Limits, Options, Rate, Retries, SubmitError};
use countermand_store::{MemoryStore, Pause, Store};

use crate::support::{
    Behaviour, FaultyStore, Freeze, Input, KillableWorld, Moment, Phase, Remotes, Rig, Ship,
    launch, options, parcel, virtual_clock,
};

fn limited(remote: &str, limits: Limits) -> Options {
    let mut options = options();
    options.remotes.insert(remote.to_owned(), limits);
    options
}

async fn start_many(rig: &Rig, count: usize) -> Vec<countermand_core::InstanceId> {
    let starts =
        (0..count).map(|number| async move { rig.start(&format!("p{number}")).await.row.id });
    futures_util::future::join_all(starts).await
}

#[tokio::test(start_paused = true)]
async fn a_dead_remote_delays_no_other_lane_and_no_other_instance() {
    // Far more wait for the dead remote than can be held.
    let options = Options {
        held: 128,
        ..options()
    };
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("track", Behaviour::Hangs);
    start_many(&rig, 600).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.remotes.ledger().messages.len(), 600, "all else went on");
    let before = tokio::time::Instant::now();
    let book = rig.start("book").await;
    while !rig
        .remotes
        .ledger()
        .messages
        .iter()
        .any(|(id, _)| id == "book/shipped")
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(
        before.elapsed() < Duration::from_millis(200),
        "{:?}",
        before.elapsed()
    );
    rig.remotes.calm();
    rig.finished(&book).await;
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn who_holds_nothing_takes_nothing_up_and_stores_all_the_same() {
    let nothing = Options {
        held: 0,
        ..options()
    };
    let rig = Rig::with(nothing, parcel(), 1);
    let book = rig.start("book").await;
    let hint = Input::Hint { number: 1 };
    rig.handle.submit(&book.row.id, hint, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert_eq!((now.row.revision, now.state.hints), (2, 1));
    assert!(rig.remotes.ledger().calls.is_empty(), "nothing was done");
    assert!(rig.handle.shutdown(Duration::from_secs(1)).await);

    let store = Arc::new(rig.store.reopen());
    let rig = Rig::over(store, rig.remotes.clone(), options(), parcel(), 2);
    rig.finished(&book).await;
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_held_comes_to_its_end_and_a_new_one_is_not_starved() {
    let options = Options {
        held: 64,
        ..options()
    };
    let rig = Rig::with(options, parcel(), 1);
    start_many(&rig, 700).await;
    let before = tokio::time::Instant::now();
    let book = rig.start("book").await;
    rig.finished(&book).await;
    // In the order of their due times: behind those before it, and never behind those after it.
    let took = before.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    rig.handle.settled().await;
    let rows = rig.prove().await;
    assert_eq!(rows.len(), 701);
}

#[tokio::test(start_paused = true)]
async fn a_failing_remote_is_left_alone_and_probed_once() {
    let limits = Limits {
        breaker: BreakerLimits {
            failures: 5,
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(20),
        },
        ..Limits::default()
    };
    let rig = Rig::with(limited("scales", limits), parcel(), 1);
    rig.remotes.always("weigh", Behaviour::Refuses);
    let ids = start_many(&rig, 100).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let burst = rig.remotes.ledger().calls_of("weigh").len();
    assert!(burst <= 32 + 5, "those that had begun: {burst}");
    tokio::time::sleep(Duration::from_secs(198)).await;
    let calls = rig.remotes.ledger().calls_of("weigh");
    let probes = &calls[burst..];
    assert!((8..=16).contains(&probes.len()), "{probes:?}");
    for pair in probes.windows(2) {
        assert!(pair[1] >= pair[0] + Duration::from_secs(5), "{probes:?}");
    }
    let now = rig.handle.get(&ids[99]).await.unwrap();
    let retries = Retries::parse(&now.row.retries);
    let lane = retries.lane("weigh").unwrap();
    assert!(
        lane.failures < 5,
        "time behind the breaker is no failure: {lane:?}"
    );

    rig.remotes.calm();
    for id in &ids {
        let done = rig
            .handle
            .wait_until(id, |now| now.state.phase == Phase::Done);
        tokio::time::timeout(Duration::from_secs(600), done)
            .await
            .unwrap()
            .unwrap();
    }
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_for_a_thousand_that_wait() {
    let limits = Limits {
        rate: Rate::per_second(5.0),
        ..Limits::default()
    };
    let rig = Rig::with(limited("scales", limits), parcel(), 1);
    let before = tokio::time::Instant::now();
    let ids = start_many(&rig, 1000).await;
    // Somebody who needs another remote is not kept.
    for id in &ids {
        let done = rig
            .handle
            .wait_until(id, |now| now.state.phase == Phase::Done);
        tokio::time::timeout(Duration::from_secs(3600), done)
            .await
            .unwrap()
            .unwrap();
    }
    let took = before.elapsed();
    assert!(
        took < Duration::from_secs(230),
        "the rate is used: {took:?}"
    );
    let calls = rig.remotes.ledger().calls_of("weigh");
    assert_eq!(calls.len(), 1000);
    for (index, from) in calls.iter().enumerate() {
        let within = calls[index..]
            .iter()
            .take_while(|at| **at < *from + Duration::from_secs(10));
        let within = within.count();
        assert!(
            within <= 5 + 50,
            "{within} within ten seconds from {from:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_wanted_when_its_turn_comes_is_not_performed() {
    let limits = Limits {
        rate: Rate::per_second(1.0),
        ..Limits::default()
    };
    let rig = Rig::with(limited("scales", limits), parcel(), 1);
    let ids = start_many(&rig, 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The second one waits for its turn; somebody else knows what it weighs.
    let weighed = Input::Weighed { grams: 7 };
    rig.handle.submit(&ids[1], weighed, false).await.unwrap();
    for id in &ids {
        let done = rig
            .handle
            .wait_until(id, |now| now.state.phase == Phase::Done);
        done.await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.remotes.ledger().calls_of("weigh").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mutation_counts_twice() {
    let limits = Limits {
        rate: Rate::per_second(1.0),
        ..Limits::default()
    };
    let rig = Rig::with(limited("carrier", limits), parcel(), 1);
    let before = tokio::time::Instant::now();
    for id in start_many(&rig, 10).await {
        rig.handle
            .wait_until(&id, |now| now.state.phase == Phase::Done)
            .await
            .unwrap();
    }
    assert!(
        before.elapsed() >= Duration::from_secs(18),
        "{:?}",
        before.elapsed()
    );
    let intents = rig.remotes.ledger().calls_of("ship").len();
    assert_eq!(intents, 10, "none ran into its deadline in a queue");
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_holds_mutations_and_nothing_else() {
    let rig = Rig::new();
    rig.handle.pause("ann", "a fire").await.unwrap();
    let book = rig.start("book").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let now = rig.handle.get(&book.row.id).await.unwrap();
    assert_eq!(
        (now.state.phase, now.state.attempts),
        (Phase::Shipping, 0),
        "it was weighed"
    );
    assert_eq!(rig.store.paused().await.unwrap().unwrap().by, "ann");
    rig.handle.resume().await.unwrap();
    let before = tokio::time::Instant::now();
    rig.finished(&book).await;
    assert!(before.elapsed() < Duration::from_secs(61));

    // Thrown by somebody else, it is noticed within seconds.
    let pause = Pause {
        since: rig.store.now().await.unwrap().at,
        by: "bob".to_owned(),
        why: "another fire".to_owned(),
    };
    rig.store.set_pause(Some(pause)).await.unwrap();
    tokio::time::sleep(options().poll).await;
    let pen = rig.start("pen").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.handle.get(&pen.row.id).await.unwrap().state.attempts, 0);

    // It outlives a restart.
    rig.world.kill().await;
    let store = Arc::new(rig.store.reopen());
    let rig = Rig::over(store, rig.remotes.clone(), options(), parcel(), 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.remotes.shipped("pen"), 0);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_stops_an_attempt_before_it_sends() {
    let rig = Rig::new();
    let book = rig.start("book").await;
    rig.handle
        .wait_until(&book.row.id, |now| now.state.attempts == 1)
        .await
        .unwrap();
    rig.handle.pause("ann", "a fire").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        rig.remotes.shipped("book"),
        0,
        "the look was under way, the fence held"
    );
    rig.handle.resume().await.unwrap();
    rig.finished(&book).await;
    assert_eq!(rig.remotes.shipped("book"), 1);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_no_longer_wants_the_mutation_stops_it_before_it_sends() {
    let rig = Rig::new();
    let book = rig.start("book").await;
    rig.handle
        .wait_until(&book.row.id, |now| now.state.attempts == 1)
        .await
        .unwrap();
    rig.remotes.always("weigh", Behaviour::HasNothing);
    rig.handle
        .submit(&book.row.id, Input::Hint { number: 999 }, false)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.remotes.shipped("book"), 0);
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn overload_is_refused_before_anything_is_accepted() {
    let memory = Arc::new(MemoryStore::new(virtual_clock()));
    let freeze = Freeze {
        call: 20,
        moment: Moment::Before,
    };
    let store = Arc::new(FaultyStore::freezing(memory.clone(), freeze));
    let world = Arc::new(KillableWorld::seeded(1));
    let options = Options {
        queue: 10,
        batch: 5,
        ..options()
    };
    let handle = launch(
        store.clone(),
        Arc::new(Remotes::new()),
        options,
        parcel(),
        &world,
    );
    handle.start(Ship::new("book")).await.unwrap();
    store.frozen().await;
    let asks = (0..50).map(|number| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.start(Ship::new(&format!("p{number}"))).await })
    });
    let asks: Vec<_> = asks.collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut refused = 0;
    for ask in asks {
        if ask.is_finished() {
            assert!(matches!(ask.await.unwrap(), Err(SubmitError::Overloaded)));
            refused += 1;
        } else {
            ask.abort();
        }
    }
    assert!((35..=40).contains(&refused), "{refused} of 50");
    world.kill().await;
}

/// Another process throws it: it is heard of within a look round, however much is due.
#[tokio::test(start_paused = true)]
async fn the_kill_switch_is_heard_of_by_a_busy_engine() {
    let rig = Rig::new();
    let poll = options().poll;
    let start = |number: u32| {
        let rig = &rig;
        async move {
            rig.start(&format!("p{number}")).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    for number in 0..50 {
        start(number).await;
    }
    let pause = Pause {
        since: rig.store.now().await.unwrap().at,
        by: "kim".to_owned(),
        why: "to see".to_owned(),
    };
    rig.store.set_pause(Some(pause)).await.unwrap();
    let heard = 50 + u32::try_from(poll.as_millis() / 100).unwrap() + 5;
    for number in 50..heard {
        start(number).await;
    }
    let before = rig.remotes.ledger().calls_of("ship").len();
    assert!(before > 40, "{before}");
    for number in heard..heard + 50 {
        start(number).await;
    }
    assert_eq!(rig.remotes.ledger().calls_of("ship").len(), before);
}
