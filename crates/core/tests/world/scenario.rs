//! What is to happen in a run: the life of the order, Amazon's and the provider's answers, and what
//! goes wrong on the way.

use std::time::Duration;

use countermand_core::cancellation::order::CancellationState;
use countermand_core::strategies::life::{Deed, Life, Packing, lives};
use proptest::collection::vec;
use proptest::prelude::*;

/// What Amazon makes of our `cancelOrder`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    /// It refuses, whatever the order looks like.
    pub(crate) refuses: bool,
    /// The state in its answer.
    pub(crate) at_once: CancellationState,
    /// What it decides later.
    pub(crate) later: CancellationState,
    /// How much later.
    pub(crate) after: Duration,
    /// The refunds that follow a success: cents, how long after, and the correction of the estimate.
    pub(crate) refunds: Vec<(u32, Duration, Option<u32>)>,
}

/// How a payout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payment {
    /// Paid at once.
    Smooth,
    /// PENDING at first.
    Slow,
    /// A part at first.
    Partly,
    /// Fails, and goes well under the next key.
    FailsOnce,
    /// PENDING at first, then fails; goes well under the next key.
    FailsLate,
    /// A part at first, then the rest fails; it goes well under the next key.
    PartlyFails,
    /// Is refused once, and goes well under the next key.
    RefusedOnce,
}

/// How often, of a thousand times, something goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Faults {
    /// Connections refused and throttling.
    pub(crate) not_sent: u64,
    /// Requests that never arrive.
    pub(crate) request_lost: u64,
    /// Effects without an answer.
    pub(crate) answer_lost: u64,
    /// Reads that fail.
    pub(crate) read_fails: u64,
    /// Performances without any outcome at all.
    pub(crate) vanishes: u64,
    /// Events that come twice.
    pub(crate) event_twice: u64,
    /// Events that never come.
    pub(crate) event_lost: u64,
    /// How late events come, at most.
    pub(crate) event_late: Duration,
    /// By how much a read is behind, at most. Less than the visibility lag.
    pub(crate) lag: Duration,
    /// When the process dies, and for how long it stays away.
    pub(crate) crashes: Vec<(Duration, Duration)>,
    /// How often it dies just as a request arrives at a remote.
    pub(crate) dies: u64,
    /// Outcomes that a dead process still delivers.
    pub(crate) zombie: u64,
    /// When all of this ends.
    pub(crate) until: Duration,
}

impl Faults {
    /// Nothing goes wrong, and nothing is late.
    pub(crate) fn none() -> Self {
        Self {
            not_sent: 0,
            request_lost: 0,
            answer_lost: 0,
            read_fails: 0,
            vanishes: 0,
            event_twice: 0,
            event_lost: 0,
            event_late: Duration::ZERO,
            lag: Duration::ZERO,
            crashes: Vec::new(),
            dies: 0,
            zombie: 0,
            until: Duration::ZERO,
        }
    }
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// Does somebody ask us? Else the first event begins it.
    pub(crate) requested: bool,
    /// How long after the beginning.
    pub(crate) asks_after: Duration,
    pub(crate) life: Life,
    pub(crate) reply: Reply,
    pub(crate) payments: Vec<Payment>,
    pub(crate) faults: Faults,
    pub(crate) seed: u64,
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn replies() -> impl Strategy<Value = Reply> {
    use CancellationState::{Pending, Rejected, Success};
    let kind = prop_oneof![
        5 => Just((false, Pending, Success)),
        2 => Just((false, Pending, Rejected)),
        1 => Just((false, Success, Success)),
        1 => Just((false, Rejected, Rejected)),
        1 => Just((true, Pending, Pending)),
    ];
    let after = prop_oneof![3 => 1_u64..3_600, 1 => 3_600_u64..80_000].prop_map(secs);
    let refund = (
        prop_oneof![1 => Just(0_u32), 6 => 1_u32..100_000],
        (1_u64..20_000).prop_map(secs),
        proptest::option::of(1_u32..100_000),
    )
        .prop_map(|(cents, after, corrected)| (cents, after, corrected.filter(|_| cents > 0)));
    (kind, after, vec(refund, 0..=2)).prop_map(|((refuses, at_once, later), after, refunds)| {
        Reply {
            refuses,
            at_once,
            later,
            after,
            refunds,
        }
    })
}

fn payments() -> impl Strategy<Value = Vec<Payment>> {
    use Payment::{FailsLate, FailsOnce, Partly, PartlyFails, RefusedOnce, Slow, Smooth};
    vec(
        prop_oneof![
            4 => Just(Smooth), 2 => Just(Slow), 2 => Just(Partly),
            1 => Just(FailsOnce), 1 => Just(FailsLate), 1 => Just(RefusedOnce), 1 => Just(PartlyFails),
        ],
        2,
    )
}

/// Everything that may go wrong; each kind is absent in some runs.
pub(crate) fn faults() -> impl Strategy<Value = Faults> {
    let often = || prop_oneof![1 => Just(0_u64), 2 => 0_u64..500];
    let crash = (
        prop_oneof![3 => 0_u64..600, 1 => 0_u64..40_000].prop_map(secs),
        prop_oneof![4 => 0_u64..120, 1 => 0_u64..100_000].prop_map(secs),
    );
    let sends = (
        often(),
        often(),
        often(),
        often(),
        prop_oneof![2 => Just(0_u64), 1 => 0_u64..300],
    );
    let events = (often(), 0_u64..40_000, 0_u64..240);
    let dies = prop_oneof![2 => Just(0_u64), 1 => 0_u64..300];
    (sends, events, vec(crash, 0..4), (0_u64..1000, dies)).prop_map(
        |(sends, events, crashes, (zombie, dies))| Faults {
            not_sent: sends.0,
            request_lost: sends.1,
            answer_lost: sends.2,
            read_fails: sends.3,
            vanishes: sends.4,
            event_twice: events.0,
            event_lost: 0,
            event_late: secs(events.1),
            lag: secs(events.2),
            crashes,
            dies,
            zombie,
            until: Duration::from_hours(12),
        },
    )
}

fn quiet_life() -> impl Strategy<Value = Life> {
    let packing = prop_oneof![
        Just(Packing::ByLine),
        Just(Packing::Together),
        Just(Packing::Split)
    ];
    (packing, proptest::option::weighted(0.2, 1_u64..1_200)).prop_map(|(packing, late)| Life {
        packing,
        packed: late.is_none(),
        deeds: late
            .map(|late| (secs(late), Deed::Pack))
            .into_iter()
            .collect(),
    })
}

/// Somebody asks us, and nobody else does anything: how it ends depends on nothing but Amazon's and
/// the provider's answers.
pub(crate) fn asked() -> impl Strategy<Value = Scenario> {
    (quiet_life(), replies(), payments(), faults(), any::<u64>()).prop_map(
        |(life, reply, payments, mut faults, seed)| {
            // Polls find everything; events only hasten it.
            faults.event_lost = seed % 1000;
            Scenario {
                requested: true,
                asks_after: Duration::ZERO,
                life,
                reply,
                payments,
                faults,
                seed,
            }
        },
    )
}

/// We only hear of it.
pub(crate) fn heard() -> impl Strategy<Value = Scenario> {
    (lives(), replies(), payments(), faults(), any::<u64>()).prop_map(
        |(mut life, reply, payments, faults, seed)| {
            // All of it within some hours, so that one cancellation sees everything.
            for (when, _) in &mut life.deeds {
                *when /= 4;
            }
            Scenario {
                requested: false,
                asks_after: Duration::ZERO,
                life,
                reply,
                payments,
                faults,
                seed,
            }
        },
    )
}

/// Somebody asks us while anything may happen to the order.
pub(crate) fn contended() -> impl Strategy<Value = Scenario> {
    let asks_after = prop_oneof![1 => Just(0_u64), 1 => 0_u64..4_000].prop_map(secs);
    (
        lives(),
        replies(),
        payments(),
        faults(),
        (asks_after, any::<u64>()),
    )
        .prop_map(
            |(life, reply, payments, faults, (asks_after, seed))| Scenario {
                requested: true,
                asks_after,
                life,
                reply,
                payments,
                faults,
                seed,
            },
        )
}
