//! May the order be cancelled at all? The traps of the domain.

use std::time::Duration;

use countermand_core::cancellation::exemplars::Script;
use countermand_core::cancellation::exemplars::orders::{
    self, DOUBLE, PACKAGE_A, PACKAGE_B, SINGLE, package, pieces,
};
use countermand_core::cancellation::order::{CancellationState, Order, PackageState};
use countermand_core::cancellation::verdict::{Readiness, precheck};
use countermand_core::cancellation::{RejectedWhy, effect::Patience};

use crate::{agenda, attention, sound};

const LAG: Duration = Duration::from_mins(6);

fn is_not_yet(order: &Order) -> bool {
    matches!(precheck(order), Readiness::NotYet { .. })
}

#[test]
fn all_pending_and_covered() {
    assert_eq!(precheck(&orders::all_pending()), Readiness::Ready);
    let contents = vec![pieces(SINGLE, 1), pieces(DOUBLE, 2)];
    let one = orders::with_packages(vec![package(PACKAGE_A, PackageState::Pending, contents)]);
    assert_eq!(precheck(&one), Readiness::Ready);
    let mut split = orders::line_split();
    for package in &mut split.packages {
        package.state = PackageState::Pending;
    }
    assert_eq!(precheck(&split), Readiness::Ready);
}

#[test]
fn partially_shipped_although_the_summary_says_pending() {
    let Readiness::FurtherOn { detail } = precheck(&orders::partially_shipped()) else {
        panic!("a package is on its way");
    };
    assert!(
        detail.contains(PACKAGE_A) && detail.contains(SINGLE) && detail.contains("IN_TRANSIT"),
        "{detail}"
    );
    assert!(matches!(
        precheck(&orders::line_split()),
        Readiness::FurtherOn { .. }
    ));
    let delivered = orders::with_states(PackageState::Pending, PackageState::Delivered);
    assert!(matches!(precheck(&delivered), Readiness::FurtherOn { .. }));
}

#[test]
fn all_of_nothing_passes_nothing() {
    assert!(is_not_yet(&orders::no_packages()));
    let mut empty = orders::all_pending();
    empty.line_items.clear();
    assert!(is_not_yet(&empty), "no line items");
}

#[test]
fn amounts_must_be_covered() {
    let short = orders::with_packages(vec![
        package(PACKAGE_A, PackageState::Pending, vec![pieces(SINGLE, 1)]),
        package(PACKAGE_B, PackageState::Pending, vec![pieces(DOUBLE, 1)]),
    ]);
    assert!(is_not_yet(&short), "one piece of two is nowhere");
    let silent = orders::with_packages(vec![package(PACKAGE_A, PackageState::Pending, Vec::new())]);
    assert!(
        is_not_yet(&silent),
        "the package does not say what is in it"
    );
}

#[test]
fn an_unknown_state_is_not_guessed() {
    let strange = PackageState::from("PAUSED");
    assert!(is_not_yet(&orders::with_states(
        strange.clone(),
        PackageState::Pending
    )));
    // What is certain decides, whatever else is there.
    let shipped = orders::with_states(strange, PackageState::InTransit);
    assert!(matches!(precheck(&shipped), Readiness::FurtherOn { .. }));
}

#[test]
fn what_the_merchant_delivers_does_not_count() {
    let mut mixed = orders::with_packages(vec![package(
        PACKAGE_A,
        PackageState::Pending,
        vec![pieces(SINGLE, 1)],
    )]);
    assert!(is_not_yet(&mixed));
    mixed.line_items[1].merchant_fulfilled = true;
    assert_eq!(
        precheck(&mixed),
        Readiness::Ready,
        "no package of Amazon's will ever cover it"
    );
    // Its own package, where there is one, stands in nobody's way, and helps nobody.
    let theirs = package(PACKAGE_B, PackageState::InTransit, vec![pieces(DOUBLE, 2)]);
    mixed.packages.push(theirs);
    assert_eq!(precheck(&mixed), Readiness::Ready);
    mixed.packages.remove(0);
    assert!(is_not_yet(&mixed));
    // A package that does not say what is in it may hold anything.
    mixed.packages = vec![package(PACKAGE_B, PackageState::InTransit, Vec::new())];
    assert!(matches!(precheck(&mixed), Readiness::FurtherOn { .. }));
    for line in &mut mixed.line_items {
        line.merchant_fulfilled = true;
    }
    mixed.packages.clear();
    assert!(is_not_yet(&mixed), "nothing here is Amazon's");
}

#[test]
fn further_on_is_rejected_and_says_which_item() {
    let script = sound(Script::requested().read(orders::partially_shipped()));
    let rejection = script.state.case.rejection.as_ref().unwrap();
    assert_eq!(rejection.why, RejectedWhy::NotCancellable);
    assert!(rejection.detail.as_ref().unwrap().contains(PACKAGE_A));
    assert_eq!(agenda(&script), ["update_oms #2 now"]);
    assert_eq!(sound(script.told()).state.outcome(), Some("rejected"));
}

#[test]
fn no_packages_wait_and_ask_for_a_person() {
    let script = Script::requested().read(orders::no_packages());
    assert_eq!(agenda(&script), ["read_order poll at once"]);
    let script = script
        .after(Duration::from_mins(31))
        .timer(Patience::Precheck);
    assert_eq!(attention(&script), ["precheck_undecided"]);
    assert_eq!(agenda(&script), ["read_order poll at once"]);
    let script = sound(script.read(orders::all_pending()));
    assert_eq!(script.state.phase.name(), "requested");
    assert_eq!(attention(&script), Vec::<&str>::new());
}

#[test]
fn a_cancelled_package_without_an_entry_is_looked_at_for_the_lag() {
    let script = Script::requested().read(orders::unexplained());
    assert_eq!(script.state.phase.name(), "precheck");
    let lag_over = script
        .state
        .case
        .unfit_since
        .unwrap()
        .plus(Duration::from_mins(5));
    assert_eq!(
        agenda(&script),
        [format!("read_order poll, until {lag_over}")]
    );
    // The entry was late.
    let entry = orders::shoppers(CancellationState::Success);
    let late = sound(script.clone().read(orders::cancelled(entry, Vec::new())));
    assert_eq!(late.state.phase.name(), "success");
    // There is none.
    let none = sound(script.after(LAG).read(orders::unexplained()));
    assert_eq!(none.state.phase.name(), "rejected");
    assert!(none.state.case.grace.is_some(), "a refund may follow");
}

#[test]
fn the_lag_counts_from_the_first_sight_of_the_cancelled_package() {
    // The packages had vanished for an hour before: that says nothing about the entry.
    let script = Script::requested()
        .read(orders::all_pending())
        .read(orders::no_packages());
    let script = script
        .after(Duration::from_hours(1))
        .read(orders::unexplained());
    assert_eq!(script.state.phase.name(), "requested");
    let script = sound(script.after(LAG).read(orders::unexplained()));
    assert_eq!(script.state.phase.name(), "rejected");
}

#[test]
fn a_split_after_the_precheck_stops_the_attempts() {
    let script = sound(
        Script::requested()
            .read(orders::all_pending())
            .read(orders::no_packages()),
    );
    assert_eq!(script.state.phase.name(), "requested");
    assert!(
        agenda(&script)
            .iter()
            .all(|line| !line.starts_with("cancel_order"))
    );
    let script = script.intent("cancel_order");
    assert_eq!(script.state.case.cancel.made, 0);
    let waiting = script
        .clone()
        .after(Duration::from_mins(31))
        .timer(Patience::Precheck);
    assert_eq!(attention(&sound(waiting)), ["precheck_undecided"]);
    let ready = sound(script.read(orders::all_pending()));
    assert_eq!(agenda(&ready), ["cancel_order now"]);
}
