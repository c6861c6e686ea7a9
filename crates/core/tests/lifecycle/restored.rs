//! What a cancellation does after the store was restored from a backup.

use std::time::Duration;

use countermand_core::Workflow;
use countermand_core::cancellation::exemplars::{Script, orders};
use countermand_core::cancellation::input::{Action, Input};
use countermand_core::cancellation::order::CancellationState;
use countermand_core::cancellation::{Cancellation, Rejection};

use crate::{agenda, sound};

const SECOND: Duration = Duration::from_secs(1);

fn restored(script: Script) -> Script {
    sound(script.after(SECOND).input(Input::Restored))
}

fn withdraw(script: &Script) -> Result<countermand_core::cancellation::State, Rejection> {
    let input = Input::Operator {
        actor: "kim".to_owned(),
        action: Action::Withdraw { note: None },
    };
    Cancellation::default().step(&script.state, &input, script.stamp_in(SECOND))
}

#[test]
fn it_is_read_at_once_and_again_when_nothing_can_be_late() {
    let script = restored(Script::requested().read(orders::all_pending()));
    let lag = script.state.case.terms.visibility_lag;
    let end = script.state.case.looks[0].since.plus(lag);
    let read = format!("read_order poll at once, until {end}");
    assert!(agenda(&script).contains(&read), "{:?}", agenda(&script));
    let early = script.clone().after(lag / 2).read(orders::all_pending());
    assert_eq!(early.state, script.state, "it may be late");
    let late = sound(script.after(lag + SECOND).read(orders::all_pending()));
    assert!(late.state.case.looks.is_empty());
    assert_eq!(late.state.phase.name(), "requested");
}

#[test]
fn it_is_not_withdrawn_before() {
    for script in [
        Script::requested(),
        Script::requested().read(orders::all_pending()),
    ] {
        assert!(withdraw(&script).is_ok());
        let lag = script.state.case.terms.visibility_lag;
        let script = restored(script);
        let refused = withdraw(&script).unwrap_err().to_string();
        assert!(refused.contains("restored from a backup"), "{refused}");
        let script = script.after(lag + SECOND).read(orders::all_pending());
        assert!(withdraw(&script).is_ok());
    }
}

#[test]
fn what_is_found_is_followed() {
    let script = restored(Script::requested());
    let ours = orders::ours(CancellationState::Success, &script.alias());
    let script = sound(script.read(orders::cancelled(ours, Vec::new())));
    assert_eq!(script.state.phase.name(), "success");
    assert_eq!(script.state.case.looks.len(), 1, "still owed");
}

#[test]
fn to_be_told_again_changes_nothing() {
    let script = restored(Script::requested());
    let again = restored(script.clone());
    assert_eq!(again.state, script.state);
    assert!(!Cancellation::default().always_recorded(&Input::Restored));
    assert_eq!(Cancellation::default().restored(), Some(Input::Restored));
}
