//! Whole gates on virtual time.

use super::*;
use crate::options::{BreakerLimits, Rate};
use crate::world::TokioWorld;

fn id(number: usize) -> InstanceId {
    InstanceId::new(format!("c-{number}")).unwrap()
}

/// One that waits: tries until it got through to a remote that is there again.
async fn wait_for(
    gates: &Gates,
    who: &InstanceId,
    back_at: Duration,
    calls: &Mutex<Vec<Duration>>,
) {
    let world = gates.world.clone();
    let mut failures = 0_u64;
    loop {
        let entry = gates
            .enter(("amazon", Some("bp-1")), (who, "read"), 1)
            .await;
        let pass = match entry {
            Entry::PutOff { wait, .. } => {
                world.sleep(wait.unwrap_or(HOLD)).await;
                continue;
            }
            Entry::Pass(pass) => pass,
        };
        lock(calls).push(world.monotonic());
        world.sleep(Duration::from_millis(50)).await;
        if world.monotonic() >= back_at {
            pass.tell(&Tally::Answered);
            return;
        }
        pass.tell(&Tally::Failed {
            message: "connection refused".to_owned(),
            retry_after: None,
        });
        failures += 1;
        world.sleep(Duration::from_secs(failures.min(60))).await;
    }
}

/// Ten thousand after an outage of two hours: one probe an interval while it lasts, and never more
/// than the bucket afterwards, in any window.
#[tokio::test(start_paused = true)]
async fn ten_thousand_that_wait_never_exceed_the_bucket() {
    const COUNT: usize = 10_000;
    let rate = Rate::per_second(50.0).unwrap();
    let limits = Limits {
        rate: Some(rate),
        // Longer than otherwise, for a test of seconds.
        breaker: BreakerLimits {
            open_max: Duration::from_secs(600),
            ..BreakerLimits::default()
        },
        ..Limits::default()
    };
    let options = Options {
        held: 8 * COUNT,
        remotes: BTreeMap::from([("amazon".to_owned(), limits)]),
        ..Options::default()
    };
    let gates = Gates::new(Arc::new(TokioWorld::seeded(1)), Arc::new(options));
    let back_at = Duration::from_secs(2 * 3600);
    let calls = Mutex::default();
    let ids: Vec<InstanceId> = (0..COUNT).map(id).collect();
    let all = ids.iter().map(|who| wait_for(&gates, who, back_at, &calls));
    futures_util::future::join_all(all).await;
    let calls = calls.into_inner().unwrap();
    let outage: Vec<Duration> = calls
        .iter()
        .copied()
        .take_while(|at| *at < back_at)
        .collect();
    let probes: Vec<Duration> = outage
        .iter()
        .copied()
        .filter(|at| *at > Duration::from_secs(1200))
        .collect();
    assert!((8..=12).contains(&probes.len()), "{probes:?}");
    for pair in probes.windows(2) {
        assert!(
            pair[1].saturating_sub(pair[0]) >= Duration::from_secs(600),
            "{pair:?}"
        );
    }
    for window in [1, 5, 60] {
        let window = Duration::from_secs(window);
        let most = u128::from(rate.burst) + window.as_nanos() / rate.period.as_nanos();
        let mut last = 0;
        for (first, from) in calls.iter().enumerate() {
            while calls.get(last).is_some_and(|at| *at < *from + window) {
                last += 1;
            }
            assert!((last - first) as u128 <= most, "{window:?} from {from:?}");
        }
    }
    let took = calls.last().copied().unwrap().saturating_sub(back_at);
    assert!(
        took < Duration::from_secs(900),
        "the rate is used: {took:?}"
    );
}

/// Whoever was kept from its turn, by the circuit breaker or by a store that stood still, passes
/// later, at the rate, and not together with everybody else in the same place.
#[tokio::test(start_paused = true)]
async fn missed_turns_are_no_burst() {
    const COUNT: usize = 200;
    let rate = Rate::per_second(5.0).unwrap();
    let options = Options {
        held: 8 * COUNT,
        remotes: BTreeMap::from([(
            "amazon".to_owned(),
            Limits {
                rate: Some(rate),
                ..Limits::default()
            },
        )]),
        ..Options::default()
    };
    let gates = Gates::new(Arc::new(TokioWorld::seeded(1)), Arc::new(options));
    let ids: Vec<InstanceId> = (0..COUNT).map(id).collect();
    let calls = Mutex::new(Vec::new());
    let missed = Mutex::new(std::collections::BTreeSet::new());
    let all = ids.iter().enumerate().map(async |(number, who)| {
        loop {
            let entry = gates.enter(("amazon", None), (who, "read"), 1).await;
            match entry {
                Entry::Pass(pass) => {
                    let now = gates.world.monotonic();
                    lock(&calls).push((now, number));
                    gates.world.sleep(Duration::from_millis(50)).await;
                    pass.tell(&Tally::Answered);
                    return;
                }
                Entry::PutOff { wait, .. } => {
                    // The world stands still between the fifth second and the thirtieth.
                    let now = gates.world.monotonic();
                    let due = now + wait.unwrap_or(HOLD);
                    let held = (5..30).contains(&due.as_secs());
                    if held {
                        lock(&missed).insert(number);
                    }
                    let due = if held { Duration::from_secs(30) } else { due };
                    gates.world.sleep(due.saturating_sub(now)).await;
                }
            }
        }
    });
    futures_util::future::join_all(all).await;
    let calls = calls.into_inner().unwrap();
    let within = |from: Duration| {
        let to = from + Duration::from_secs(1);
        calls.iter().filter(move |(at, _)| (from..to).contains(at))
    };
    for (from, _) in &calls {
        let count = within(*from).count();
        assert!(count <= 10, "{count} within a second from {from:?}");
    }
    // Nobody lost its place for good: the whole takes as long as the rate says, and the time that
    // was lost.
    let (last, _) = calls.last().unwrap();
    assert!(*last < Duration::from_secs(40 + 27), "{last:?}");
    // And those who missed theirs come before those who came after them.
    let missed = missed.into_inner().unwrap();
    assert!(missed.len() > 100);
    let passed = calls.iter().filter(|(_, number)| missed.contains(number));
    let slowest = passed.map(|(at, _)| *at).max().unwrap();
    let most = Duration::from_secs(30 + 2) + rate.period * u32::try_from(missed.len()).unwrap();
    assert!(slowest < most, "{slowest:?} of {most:?}");
}

/// What is asked of one part of a remote says nothing of another, and leaves it room.
#[tokio::test(start_paused = true)]
async fn parts_of_a_remote_have_breakers_of_their_own() {
    let gates = Gates::new(Arc::new(TokioWorld::seeded(1)), Arc::default());
    let enter = async |number: usize, part| {
        let who = id(number);
        gates.enter(("amazon", Some(part)), (&who, "read"), 1).await
    };
    for number in 0..10 {
        let Entry::Pass(pass) = enter(number, "north").await else {
            panic!("closed after {number}");
        };
        pass.tell(&Tally::Failed {
            message: "503".to_owned(),
            retry_after: None,
        });
    }
    let shut = enter(10, "north").await;
    assert!(matches!(shut, Entry::PutOff { .. }), "{shut:?}");
    assert!(matches!(enter(10, "south").await, Entry::Pass(_)));
    // Those who did not try say nothing.
    for number in 0..100 {
        let Entry::Pass(pass) = enter(number, "south").await else {
            panic!("closed after {number}");
        };
        pass.tell(&Tally::Deferred {
            message: "another call could not renew the token".to_owned(),
        });
    }
    // However many hang at one part, another one gets through.
    let mut hanging = Vec::new();
    for number in 0..32 {
        hanging.push(enter(number, "east").await);
    }
    assert!(hanging.iter().all(|entry| matches!(entry, Entry::Pass(_))));
    let south = tokio::time::timeout(Duration::from_secs(1), enter(10, "south")).await;
    assert!(matches!(south, Ok(Entry::Pass(_))));
}
