//! The life cycle of a cancellation, by its states, its inputs and its stored forms.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/invariants.rs"]
mod invariants;

mod attempts;
mod dismissed;
mod looks;
mod observed;
mod operator;
mod page;
mod pairs;
mod precheck;
mod refunds;
mod restored;
mod runs;
mod stored;
mod verdict;
mod walkthrough;

use countermand_core::cancellation::Cancellation;
use countermand_core::cancellation::exemplars::Script;
use countermand_core::{Item, When, Workflow};

/// The agenda in a few words a line, without the timers for people.
fn agenda(script: &Script) -> Vec<String> {
    let agenda = Cancellation::default().next(&script.state);
    let items = agenda
        .items()
        .iter()
        .filter(|item| !item.key.starts_with("timer/"));
    items.map(line).collect()
}

fn line(item: &Item<countermand_core::cancellation::Effect>) -> String {
    use countermand_core::cancellation::Effect;
    let when = match item.when {
        When::Now => "now".to_owned(),
        When::At(at) => format!("at {at}"),
        When::Poll {
            prompt: true,
            until: None,
            ..
        } => "poll at once".to_owned(),
        When::Poll {
            prompt: false,
            until: None,
            ..
        } => "poll".to_owned(),
        When::Poll {
            prompt: true,
            until: Some(at),
            ..
        } => format!("poll at once, until {at}"),
        When::Poll {
            prompt: false,
            until: Some(at),
            ..
        } => format!("poll, until {at}"),
        When::Settled { since, wait } => format!("{}s after {since}", wait.as_secs()),
    };
    match &item.effect {
        Effect::UpdateOms(update) => format!("{} #{} {when}", item.key, update.seq),
        Effect::WatchPayout(_) => format!("{} watched, {when}", item.key),
        _ => format!("{} {when}", item.key),
    }
}

/// The script has no input that was turned down; its state and agenda keep every rule.
#[track_caller]
fn sound(script: Script) -> Script {
    assert!(script.turned_down.is_empty(), "{:?}", script.turned_down);
    invariants::of_state(&script.state).unwrap();
    script
}

/// Is this person's attention asked for?
fn attention(script: &Script) -> Vec<&'static str> {
    script
        .state
        .case
        .attention
        .iter()
        .map(|attention| attention.about.code())
        .collect()
}
