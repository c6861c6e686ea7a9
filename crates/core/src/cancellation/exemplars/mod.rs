//! A cancellation in each situation that it can be in, and inputs of every type for each.
//!
//! Every state here is reached by `start` and `step` alone, so each comes with the history that
//! proves it. The [diagram](super::diagram) is found by running them, the stored forms that must
//! stay readable for ever are written from them, and embedders may test against them.

pub mod orders;

mod inputs;
mod refunds;
mod script;
mod states;

pub(crate) use inputs::LATE;
pub use inputs::Offer;
pub use script::{
    BEGIN, EXTERNAL_ID, ID, PAYMENT, Script, TARGET, observation, package_event, pay, payout,
    refund_event, report, request,
};
pub use states::all;

/// A cancellation in one situation.
#[derive(Debug, Clone)]
pub struct Exemplar {
    /// The state's name, a dot, and the situation: `requested.in_doubt`.
    pub name: &'static str,
    /// How it came there.
    pub script: Script,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancellation::{Cancellation, Phase};
    use crate::fold;

    #[test]
    fn each_is_where_its_name_says() {
        for Exemplar { name, script } in all() {
            let phase = script.state.phase.name();
            assert!(
                name.starts_with(&format!("{phase}.")),
                "{name} is in {phase}"
            );
            assert!(
                script.turned_down.is_empty(),
                "{name}: {:?}",
                script.turned_down
            );
        }
    }

    #[test]
    fn no_two_share_a_name_or_a_state() {
        let all = all();
        for (index, one) in all.iter().enumerate() {
            for other in all.iter().skip(index + 1) {
                assert_ne!(one.name, other.name);
                let equal = one.script.state == other.script.state;
                assert!(!equal, "{} and {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn every_phase_is_there() {
        for phase in Phase::NAMES {
            let is_there = all()
                .iter()
                .any(|exemplar| exemplar.script.state.phase.name() == phase);
            assert!(is_there, "{phase}");
        }
    }

    #[test]
    fn each_is_the_fold_of_its_history() {
        for Exemplar { name, script } in all() {
            let workflow = Cancellation::default();
            let history = script.entries.clone();
            let folded = fold(
                &workflow,
                script.id(),
                &script.opening,
                script.opened,
                history,
            );
            assert_eq!(folded.as_ref(), Ok(&script.state), "{name}");
        }
    }
}
