//! Bugs that are planted, and found.

use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::PACKAGE_B;
use countermand_core::cancellation::order::{CancellationState, PackageReason, Requester};
use countermand_core::strategies::life::{Deed, Life, Packing};

use crate::brain::{Brain, Bug};
use crate::oracle;
use crate::scenario::{Faults, Payment, Reply, Scenario, secs};
use crate::world::World;

/// Somebody asks, Amazon cancels within a minute, and a refund of 43.99 USD follows.
pub(crate) fn scenario(seed: u64) -> Scenario {
    Scenario {
        requested: true,
        asks_after: Duration::ZERO,
        life: Life {
            packing: Packing::ByLine,
            packed: true,
            deeds: Vec::new(),
        },
        reply: Reply {
            refuses: false,
            at_once: CancellationState::Pending,
            later: CancellationState::Success,
            after: secs(60),
            refunds: vec![(43_99, secs(600), None)],
        },
        payments: vec![Payment::Smooth],
        faults: Faults {
            until: Duration::from_hours(1),
            lag: secs(200),
            ..Faults::none()
        },
        seed,
    }
}

/// Some of fifty runs show the bug, and say so; without it, none says anything.
#[track_caller]
fn is_found(bug: Bug, says: &str, make: impl Fn(u64) -> Scenario) {
    let mut found = Vec::new();
    for seed in 0..50 {
        let scenario = make(seed);
        let sound = World::new(&scenario, Brain::sound()).run();
        assert!(
            oracle::verdict(&sound).is_empty(),
            "without the bug: {:?}",
            oracle::verdict(&sound)
        );
        found.extend(oracle::verdict(
            &World::new(&scenario, Brain::with(bug)).run(),
        ));
    }
    assert!(!found.is_empty(), "{bug:?} was not found");
    let says_so = found.iter().any(|wrong| wrong.contains(says));
    assert!(says_so, "{bug:?}: {:?}", found.first());
}

#[test]
fn refunds_not_deduplicated() {
    is_found(
        Bug::RefundsNotDeduplicated,
        "nobody asked for refund",
        |seed| {
            // The payout takes its time, so that the refund is seen more than once.
            let mut scenario = scenario(seed);
            scenario.payments = vec![Payment::Slow];
            scenario
        },
    );
}

#[test]
fn doubt_ignored() {
    is_found(
        Bug::DoubtIgnored,
        "cancellations of ours were accepted",
        |seed| {
            let mut scenario = scenario(seed);
            scenario.faults.answer_lost = 500;
            scenario
        },
    );
}

#[test]
fn unknown_is_failure() {
    is_found(
        Bug::UnknownIsFailure,
        "cancellations of ours were accepted",
        |seed| {
            let mut scenario = scenario(seed);
            scenario.faults.answer_lost = 500;
            scenario
        },
    );
}

#[test]
fn paid_before_decided() {
    is_found(Bug::PaidBeforeDecided, "before the decision", |seed| {
        let mut scenario = scenario(seed);
        scenario.faults.lag = Duration::ZERO;
        scenario.life.deeds = vec![
            (secs(0), Deed::Ask(Requester::Shopper)),
            (
                secs(600),
                Deed::Drop(PACKAGE_B, PackageReason::Unfulfillable),
            ),
            (
                secs(700),
                Deed::AskRefund {
                    name: "r-1",
                    cents: 19_00,
                    reason: "CANCELLED_ORDER",
                },
            ),
            (secs(9_000), Deed::Decide(CancellationState::Success)),
        ];
        scenario
    });
}

#[test]
fn amount_thaws() {
    is_found(Bug::AmountThaws, "and then", |seed| {
        let mut scenario = scenario(seed);
        scenario.reply.refunds = vec![(43_99, secs(600), Some(50_00))];
        scenario.faults.not_sent = 950;
        scenario
    });
}

#[test]
fn no_grace() {
    is_found(Bug::NoGrace, "was never paid", |seed| {
        let mut scenario = scenario(seed);
        scenario.reply.refunds = vec![(43_99, secs(7_200), None)];
        scenario.faults.event_lost = 1000;
        scenario
    });
}

#[test]
fn precheck_by_summary() {
    is_found(
        Bug::PrecheckBySummary,
        "was long not to be cancelled",
        |seed| {
            let mut scenario = scenario(seed);
            scenario.life.deeds = vec![(secs(0), Deed::Ship(PACKAGE_B))];
            // The daemon is away while the package leaves.
            scenario.faults.crashes = vec![(Duration::ZERO, secs(1_000))];
            scenario
        },
    );
    is_found(
        Bug::PrecheckBySummary,
        "was long not to be cancelled",
        |seed| {
            let mut scenario = scenario(seed);
            scenario.life.packed = false;
            scenario.life.deeds = vec![(secs(1_200), Deed::Pack)];
            scenario.faults.crashes = vec![(secs(0), secs(600))];
            scenario
        },
    );
}

#[test]
fn oms_out_of_order() {
    is_found(Bug::OmsOutOfOrder, "", |seed| {
        let mut scenario = scenario(seed);
        scenario.faults.request_lost = 700;
        scenario
    });
}

#[test]
fn observed_cancels() {
    is_found(Bug::ObservedCancels, "observed", |seed| {
        let mut scenario = scenario(seed);
        scenario.requested = false;
        scenario.life.deeds = vec![(
            secs(10),
            Deed::AskRefund {
                name: "r-1",
                cents: 0,
                reason: "RETURN_RECEIVED",
            },
        )];
        scenario
    });
}
