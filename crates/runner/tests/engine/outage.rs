//! Remotes that are away, slow or failing, on virtual time: they are spared, and nobody else waits.

use std::time::Duration;

use countermand_core::InstanceId;
use countermand_runner::{BreakerLimits, Limits, Options, Rate};

use crate::support::{Behaviour, Phase, Rig, options, parcel};

const HOUR: Duration = Duration::from_secs(3600);

async fn start_many(rig: &Rig, names: impl Iterator<Item = String>) -> Vec<InstanceId> {
    // Fewer at once than there may wait to be committed.
    let mut ids = Vec::new();
    let names: Vec<String> = names.collect();
    for some in names.chunks(2000) {
        let starts = some
            .iter()
            .map(|name| async { rig.start(name).await.row.id });
        ids.extend(futures_util::future::join_all(starts).await);
    }
    ids
}

async fn all_done(rig: &Rig, ids: &[InstanceId]) {
    for id in ids {
        let done = rig
            .handle
            .wait_until(id, |now| now.state.phase == Phase::Done);
        tokio::time::timeout(2 * HOUR, done)
            .await
            .unwrap_or_else(|_| panic!("{id} is stuck"))
            .unwrap();
    }
}

/// No window holds more calls than the rate allows, whatever its length.
fn assert_rate(calls: &[Duration], rate: Rate) {
    for window in [1, 10, 60, 600] {
        let window = Duration::from_secs(window);
        let most = u128::from(rate.burst) + window.as_nanos() / rate.period.as_nanos();
        let mut last = 0;
        for (first, from) in calls.iter().enumerate() {
            while calls.get(last).is_some_and(|at| *at < *from + window) {
                last += 1;
            }
            let within = (last - first) as u128;
            assert!(within <= most, "{within} within {window:?} from {from:?}");
        }
    }
}

/// Fault 52 of the matrix: a retry storm after two hours without the remote. (With ten thousand, and
/// without a store that finds each by looking at all: the tests of the gate.)
#[tokio::test(start_paused = true)]
async fn all_that_wait_keep_to_the_rate_once_it_is_back() {
    const COUNT: usize = 1500;
    let rate = Rate::per_second(20.0).unwrap();
    let mut options = Options {
        held: 256,
        ..options()
    };
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let limits = Limits {
        rate: Some(rate),
        // Ten times as long as otherwise, for a test of seconds.
        breaker: BreakerLimits {
            open_max: minutes(10),
            ..BreakerLimits::default()
        },
        ..Limits::default()
    };
    options.remotes.insert("scales".to_owned(), limits);
    let rig = Rig::with(options, parcel(), 1);
    rig.remotes.always("weigh", Behaviour::Refuses);
    let names = (0..COUNT).map(|number| format!("p{number}"));
    let ids = start_many(&rig, names).await;
    tokio::time::sleep(2 * HOUR).await;
    let outage = rig.remotes.ledger().calls_of("weigh");
    // Once open, one probe at a time, and further and further apart: ten minutes in the end.
    let burst = outage.iter().take_while(|at| **at < outage[0] + minutes(1));
    let probes = &outage[burst.count()..];
    assert!((11..=20).contains(&probes.len()), "{probes:?}");
    let apart = |pair: &[Duration]| pair[1].saturating_sub(pair[0]);
    assert!(
        probes.windows(2).all(|pair| apart(pair) >= minutes(1)),
        "{probes:?}"
    );
    let last = probes.windows(2).last().map(apart);
    assert!(last >= Some(minutes(10)), "{probes:?}");
    rig.remotes.calm();
    all_done(&rig, &ids).await;
    let calls = rig.remotes.ledger().calls_of("weigh");
    assert_eq!(calls.len(), outage.len() + COUNT, "nobody asks twice");
    assert_rate(&calls, rate);
    let last = calls.last().copied().unwrap();
    let after = last.saturating_sub(calls[outage.len()]);
    assert!(after < minutes(20), "the rate is used: {after:?}");
}

/// The oldest of those that wait is poisoned: it must not be the probe for ever.
#[tokio::test(start_paused = true)]
async fn a_poison_parcel_does_not_keep_a_remote_away() {
    let rig = Rig::new();
    rig.remotes
        .always_for("weigh", "poison", Behaviour::Refuses);
    start_many(&rig, ["poison".to_owned()].into_iter()).await;
    rig.remotes.always("weigh", Behaviour::Refuses);
    let ids = start_many(&rig, names("p").into_iter()).await;
    tokio::time::sleep(HOUR).await;
    rig.remotes.calm();
    rig.remotes
        .always_for("weigh", "poison", Behaviour::Refuses);
    let before = tokio::time::Instant::now();
    all_done(&rig, &ids).await;
    assert!(
        before.elapsed() < Duration::from_secs(240),
        "{:?}",
        before.elapsed()
    );
}

/// Ways of being dead: nothing arrives, everything fails, nothing ever comes back, wait.
const DEAD: [Behaviour; 4] = [
    Behaviour::Refuses,
    Behaviour::LosesTheAnswer,
    Behaviour::Hangs,
    Behaviour::Throttles(30),
];

/// When each parcel was shipped after it was handed in, longest first.
async fn shipping(rig: &Rig, names: Vec<String>) -> Vec<Duration> {
    let before = tokio::time::Instant::now();
    let ids = start_many(rig, names.into_iter()).await;
    let waits = ids.iter().map(|id| async {
        let shipped = rig.handle.wait_until(id, |now| {
            !matches!(now.state.phase, Phase::Weighing | Phase::Shipping)
        });
        shipped.await.unwrap().unwrap();
        before.elapsed()
    });
    let mut waits = futures_util::future::join_all(waits).await;
    waits.sort();
    waits.reverse();
    waits
}

fn names(prefix: &str) -> Vec<String> {
    (0..200).map(|number| format!("{prefix}{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_customer_delays_no_shipment() {
    let healthy = shipping(&Rig::new(), names("p")).await;
    for dead in DEAD {
        let rig = Rig::new();
        rig.remotes.always("announce", dead);
        // Many that wait for it already.
        shipping(&rig, names("before")).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let waits = shipping(&rig, names("p")).await;
        let second = Duration::from_secs(1);
        assert!(
            waits[2] <= healthy[2] + second,
            "{dead:?}: {waits:?} against {healthy:?}"
        );
        rig.remotes.calm();
        rig.handle.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_branch_delays_no_other_branch() {
    let north = || (0..200).map(|number| format!("p{number}@north"));
    let south = || (0..200).map(|number| format!("p{number}@south")).collect();
    let healthy = shipping(&Rig::new(), south()).await;
    for dead in DEAD {
        let rig = Rig::new();
        rig.remotes.always_for("ship", "@north", dead);
        let stuck = start_many(&rig, north()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let waits = shipping(&rig, south()).await;
        let second = Duration::from_secs(1);
        assert!(
            waits[0] <= healthy[0] + second,
            "{dead:?}: {waits:?} against {healthy:?}"
        );
        rig.remotes.calm();
        all_done(&rig, &stuck).await;
        rig.prove().await;
    }
}

/// Each branch has a rate of its own, its own where it is named, else the remote's.
#[tokio::test(start_paused = true)]
async fn each_branch_has_a_rate_of_its_own() {
    let mut options = options();
    for (name, calls) in [("carrier", 4.0), ("carrier/south", 8.0)] {
        let limits = Limits {
            rate: Rate::per_second(calls),
            ..Limits::default()
        };
        options.remotes.insert(name.to_owned(), limits);
    }
    let rig = Rig::with(options, parcel(), 1);
    for (branch, seconds) in [("north", 20), ("east", 20), ("south", 10)] {
        let before = tokio::time::Instant::now();
        let names = (0..40).map(|number| format!("p{number}@{branch}"));
        let ids = start_many(&rig, names).await;
        all_done(&rig, &ids).await;
        // A shipment counts as two calls.
        let took = before.elapsed().as_secs();
        assert!(
            (seconds - 2..=seconds + 2).contains(&took),
            "{branch}: {took}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_poison_parcel_delays_nobody() {
    let healthy = shipping(&Rig::new(), names("p")).await;
    for poison in [Behaviour::Panics, Behaviour::Hangs, Behaviour::Refuses] {
        let rig = Rig::new();
        rig.remotes.always_for("weigh", "poison", poison);
        start_many(&rig, ["poison".to_owned()].into_iter()).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let waits = shipping(&rig, names("p")).await;
        let second = Duration::from_secs(1);
        assert!(
            waits[0] <= healthy[0] + second,
            "{poison:?}: {waits:?} against {healthy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_remote_asks_for_is_given_up_to_an_hour() {
    for (asked, longest) in [
        (90, 90),
        (3600, 3600),
        (1_000_000_000, 3600),
        (u64::MAX, 3600),
    ] {
        let rig = Rig::new();
        rig.remotes.next("weigh", &[Behaviour::Throttles(asked)]);
        let book = rig.start("book").await;
        let done = rig
            .handle
            .wait_until(&book.row.id, |now| now.state.phase == Phase::Done);
        tokio::time::timeout(2 * HOUR, done).await.unwrap().unwrap();
        let calls = rig.remotes.ledger().calls_of("weigh");
        let waited = calls[1].saturating_sub(calls[0]);
        let (least, most) = (
            Duration::from_secs(longest),
            Duration::from_secs(longest + longest / 2 + 10),
        );
        assert!((least..=most).contains(&waited), "{asked}: {waited:?}");
    }
}
