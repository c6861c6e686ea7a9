//! Confluence: whatever the order, duplication and delay of the same facts, and whatever is lost on
//! the way, the same end and the same mutations follow, each once.
//!
//! A small engine drives the life cycle through a model of the world (`world.rs`, `perform.rs`); the
//! ledgers of the remotes tell what came of it (`oracle.rs`). Known-bad variants (`brain.rs`) show
//! that the tests find what they are for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/invariants.rs"]
mod invariants;

mod brain;
mod chance;
mod hearings;
mod instance;
mod marks;
mod oracle;
mod perform;
mod planted;
mod remotes;
mod scenario;
mod world;

use proptest::prelude::*;

use crate::brain::Brain;
use crate::scenario::{Faults, Scenario, asked, contended, heard};
use crate::world::World;

fn run(scenario: &Scenario) -> World {
    World::new(scenario, Brain::sound()).run()
}

/// The run of a scenario where nothing goes wrong.
fn tidy(scenario: &Scenario) -> Scenario {
    Scenario {
        faults: Faults::none(),
        ..scenario.clone()
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let wrong = oracle::verdict(world);
    prop_assert!(wrong.is_empty(), "{:#?}\n{}", wrong, world.story());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn asked_for_it_ends_the_same_whatever_goes_wrong(scenario in asked()) {
        let (tidy, rough) = (run(&tidy(&scenario)), run(&scenario));
        check(&tidy)?;
        check(&rough)?;
        prop_assert_eq!(oracle::outcome(&tidy), oracle::outcome(&rough), "{}", rough.story());
    }

    #[test]
    fn heard_of_it_ends_the_same_whatever_goes_wrong(scenario in heard()) {
        let (tidy, rough) = (run(&tidy(&scenario)), run(&scenario));
        check(&tidy)?;
        check(&rough)?;
        prop_assert_eq!(oracle::outcome(&tidy), oracle::outcome(&rough), "{}", rough.story());
    }

    #[test]
    fn contended_it_harms_nobody(scenario in contended()) {
        check(&run(&scenario))?;
    }
}
