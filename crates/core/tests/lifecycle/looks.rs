//! Looks owed, the grace, and when a cancellation may end.

use std::time::Duration;

use countermand_core::Workflow;
use countermand_core::cancellation::effect::Patience;
use countermand_core::cancellation::exemplars::orders::{self, PACKAGE_A};
use countermand_core::cancellation::exemplars::{Script, package_event, refund_event};
use countermand_core::cancellation::input::{Action, Event, EventType, Input, Named, OrderRead};
use countermand_core::cancellation::order::{CancellationState, Order, PackageState, RefundState};
use countermand_core::cancellation::{Cancellation, Prior};

use crate::{attention, sound};

fn cancelled(refunds: Vec<countermand_core::cancellation::order::RefundDetails>) -> Order {
    let alias = Script::requested().alias();
    orders::cancelled(orders::ours(CancellationState::Success, &alias), refunds)
}

fn success() -> Script {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order");
    script
        .accepted(CancellationState::Pending)
        .read(cancelled(Vec::new()))
        .told()
}

const OVER: Duration = Duration::from_hours(25);

#[test]
fn only_a_read_that_began_after_the_grace_ends_it() {
    let script = success();
    let early = script
        .clone()
        .after(Duration::from_hours(23))
        .read(cancelled(Vec::new()));
    assert_eq!(early.state.phase.name(), "success");
    // Applied after the grace, but begun before.
    let began = script.reading(Some(cancelled(Vec::new())));
    let late = script.clone().after(OVER).input(began);
    assert_eq!(late.state.phase.name(), "success");
    let script = sound(script.after(OVER).read(cancelled(Vec::new())));
    assert_eq!(script.state.outcome(), Some("cancelled"));
}

#[test]
fn a_refund_that_shows_at_the_end_of_the_grace_is_paid() {
    let refund = orders::refund(RefundState::Pending);
    let script = sound(success().after(OVER).read(cancelled(vec![refund])));
    assert_eq!(script.state.phase.name(), "success");
    assert!(
        crate::agenda(&script)
            .iter()
            .any(|line| line.starts_with("pay_refund/") && line.ends_with(" now"))
    );
}

#[test]
fn a_rejection_without_anything_to_wait_for_ends_at_once() {
    let script = Script::requested().read(orders::partially_shipped());
    assert_eq!(script.state.phase.name(), "rejected");
    assert_eq!(script.told().state.outcome(), Some("rejected"));
    let script = Script::requested().read(orders::unfulfillable()).told();
    assert_eq!(
        script.state.phase.name(),
        "rejected",
        "a CANCELLED package: a refund may follow"
    );
    let script = sound(script.after(OVER).read(orders::unfulfillable()));
    assert_eq!(script.state.outcome(), Some("rejected"));
}

#[test]
fn an_event_keeps_a_look_owed_until_a_read_shows_what_it_says() {
    let event = package_event(EventType::PackageDeliveryCancelled, PACKAGE_A);
    let script = success();
    let mut unseen = script.clone();
    unseen.state.case.cancelled_packages.clear();
    let owed = unseen.input(Input::EventReceived(event));
    assert_eq!(owed.state.case.looks.len(), 1);
    // A read that shows the package, but not as the event says.
    let owed = owed.after(OVER).read(orders::all_pending());
    assert_eq!(owed.state.case.looks.len(), 1);
    assert_eq!(owed.state.phase.name(), "success", "a look is owed: no end");
    let ended = sound(owed.read(cancelled(Vec::new())));
    assert_eq!(ended.state.outcome(), Some("cancelled"));
}

#[test]
fn a_read_that_began_before_the_event_settles_nothing() {
    let refund = orders::refund(RefundState::Pending);
    let script = success();
    let before = script.reading(Some(orders::all_pending()));
    let with_refund = script.reading(Some(cancelled(vec![refund])));
    let script = script.input(Input::EventReceived(refund_event()));
    assert_eq!(script.clone().input(before).state.case.looks.len(), 1);
    // It is applied all the same: what it shows is believed.
    let applied = script.input(with_refund);
    assert_eq!(applied.state.case.refunds.len(), 1);
    assert_eq!(applied.state.case.looks.len(), 1, "but it settles nothing");
    let seq = applied.seq();
    let later = Input::OrderRead(OrderRead {
        began_seq: seq,
        began_at: applied.now(),
        order: Some(orders::all_pending()),
    });
    assert_eq!(
        sound(applied.input(later)).state.case.looks,
        [],
        "the refund is known by now"
    );
}

#[test]
fn what_is_known_owes_nothing() {
    let refund = orders::refund(RefundState::Pending);
    let script = success().read(cancelled(vec![refund]));
    let cancelled_again = package_event(EventType::PackageDeliveryCancelled, PACKAGE_A);
    let events = [
        refund_event(),
        cancelled_again,
        Event {
            event_type: EventType::from("NEW_KIND"),
            ..refund_event()
        },
        Event {
            names: Named::Order {},
            ..refund_event()
        },
    ];
    for event in events {
        assert_eq!(
            script
                .clone()
                .input(Input::EventReceived(event))
                .state
                .case
                .looks,
            []
        );
    }
    let twice = package_event(EventType::PackageDelivered, PACKAGE_A);
    let script = script
        .input(Input::EventReceived(twice.clone()))
        .input(Input::EventReceived(twice));
    assert_eq!(script.state.case.looks.len(), 1);
}

#[test]
fn a_look_owed_outlives_the_patience() {
    let script = Script::observed(Prior::default()).after(Duration::from_mins(31));
    let script = script.read(orders::all_pending());
    assert_eq!(
        script.state.phase.name(),
        "precheck",
        "attention, not nothing_to_do"
    );
    let script = sound(script.timer(Patience::Look));
    assert_eq!(attention(&script), ["not_visible"]);
    assert!(
        crate::agenda(&script).contains(&"read_order poll at once".to_owned()),
        "polling goes on"
    );
    let mut shown = orders::with_states(PackageState::Delivered, PackageState::Delivered);
    shown.refunds.push(orders::refund(RefundState::Pending));
    let script = sound(script.read(shown));
    assert_eq!(
        (script.state.phase.name(), attention(&script)),
        ("refund", vec![])
    );
}

#[test]
fn retry_reads_the_order_once_more() {
    let script = success().operator(Action::Retry);
    assert_eq!(script.state.case.looks.len(), 1);
    let none = script.clone().input(script.reading(None));
    assert_eq!(none.state.case.looks.len(), 1, "the order was not there");
    assert_eq!(
        sound(script.read(cancelled(Vec::new()))).state.case.looks,
        []
    );
}

#[test]
fn a_late_success_of_the_shopper_is_followed() {
    let script = Script::requested().read(orders::unfulfillable()).told();
    let entry = orders::shoppers(CancellationState::Success);
    let script = sound(script.read(orders::cancelled(entry, Vec::new())));
    assert_eq!(script.state.phase.name(), "success");
    assert!(script.state.case.rejection.is_none());
    let names: Vec<_> = script
        .state
        .case
        .milestones
        .counts
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["cancellation.rejected", "cancellation.succeeded"]);
}

#[test]
fn prior_facts_are_not_told_again() {
    let prior = Prior {
        packages: vec![orders::id(PACKAGE_A), orders::id(orders::PACKAGE_B)],
        succeeded: true,
        whole: true,
        ..Prior::default()
    };
    let refund = orders::refund(RefundState::Pending);
    let entry = orders::shoppers(CancellationState::Success);
    let script = sound(Script::observed(prior).read(orders::cancelled(entry, vec![refund])));
    assert_eq!(script.state.phase.name(), "success");
    assert!(
        script.state.case.milestones.queue.is_empty(),
        "an earlier one told of the success"
    );
    assert_eq!(script.state.case.refunds.len(), 1);
}

#[test]
fn refunds_of_earlier_cancellations_are_not_touched() {
    let prior = Prior {
        refunds: vec![orders::id(orders::REFUND)],
        succeeded: true,
        whole: true,
        ..Prior::default()
    };
    let second = countermand_core::cancellation::order::RefundDetails {
        id: orders::id("R2"),
        ..orders::refund(RefundState::Pending)
    };
    let entry = orders::shoppers(CancellationState::Success);
    let order = orders::cancelled(entry, vec![orders::refund(RefundState::Pending), second]);
    let script = Script::observed(prior).read(order);
    let known: Vec<_> = script
        .state
        .case
        .refunds
        .keys()
        .map(countermand_core::RefundId::as_str)
        .collect();
    assert_eq!(known, ["R2"]);
    assert!(
        !Cancellation::default()
            .next(&script.state)
            .items()
            .iter()
            .any(|item| item.key.contains(orders::REFUND))
    );
}
