//! Three cancellations, entry by entry: what each input leads to, and what is on the agenda then.

use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::{self, id, usd};
use countermand_core::cancellation::exemplars::{Script, package_event, refund_event};
use countermand_core::cancellation::input::{EventType, Input, Mutation, NotSent, PayoutState};
use countermand_core::cancellation::order::{CancellationState, RefundState};
use countermand_core::cancellation::{Cancellation, Outcome, Phase, Prior, RejectedWhy, Request};
use countermand_core::{Admission, Workflow};

use crate::{agenda, sound};

const REFUND: &str = orders::REFUND;

#[track_caller]
fn expect(script: &Script, seq: u64, phase: &str, expected: &[&str]) {
    assert_eq!((script.seq(), script.state.phase.name()), (seq, phase));
    let found = agenda(script);
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| match expected.strip_suffix('…') {
                Some(start) => found.starts_with(start),
                None => found == expected,
            });
    assert!(fits, "entry {seq}: {found:#?} instead of {expected:#?}");
}

#[test]
fn everything_goes_well() {
    let pay = format!("pay_refund/{REFUND}");
    let report = format!("report_refund/{REFUND}");

    let script = Script::requested();
    expect(&script, 1, "precheck", &["read_order poll at once"]);

    let script = script.read(orders::all_pending());
    expect(&script, 2, "requested", &["cancel_order now"]);

    let script = script.intent("cancel_order");
    expect(&script, 3, "requested", &["cancel_order at …"]);

    let script = script.accepted(CancellationState::Pending);
    expect(
        &script,
        4,
        "pending",
        &["read_order poll", "update_oms #4 now"],
    );

    let script = script.told();
    expect(&script, 5, "pending", &["read_order poll"]);

    let event = package_event(EventType::PackageDeliveryCancelled, orders::PACKAGE_A);
    let script = script.input(Input::EventReceived(event));
    expect(&script, 6, "pending", &["read_order poll at once"]);

    let entry = |script: &Script| orders::ours(CancellationState::Success, &script.alias());
    let refund = orders::refund(RefundState::Pending);
    let order = orders::cancelled(entry(&script), vec![refund]);
    let script = sound(script.read(order));
    expect(
        &script,
        7,
        "success",
        &[
            "read_order poll, until …",
            &format!("{pay} now"),
            "update_oms #7 now",
        ],
    );
    assert!(script.state.case.looks.is_empty(), "A's look is settled");

    let script = script.intent(&pay);
    expect(
        &script,
        8,
        "refund",
        &[
            "read_order poll, until …",
            &format!("{pay} at …"),
            "update_oms #7 now",
        ],
    );

    let script = script.paid(PayoutState::Success, usd(43_99));
    expect(
        &script,
        9,
        "refund",
        &[
            "read_order poll, until …",
            &format!("{report} now"),
            "update_oms #7 now",
        ],
    );

    let script = script.intent(&report);
    expect(
        &script,
        10,
        "refund",
        &[
            "read_order poll, until …",
            &format!("{report} at …"),
            "update_oms #7 now",
        ],
    );

    let script = script.reported(RefundState::Success).told();
    expect(&script, 13, "refund", &["read_order poll at once"]);

    let script = script.input(Input::EventReceived(refund_event()));
    expect(&script, 14, "refund", &["read_order poll at once"]);
    assert!(script.state.case.looks.is_empty(), "R is known, and final");

    let early = script
        .clone()
        .after(Duration::from_hours(23))
        .read(orders::all_pending());
    assert_eq!(early.state.phase.name(), "refund");

    let order = orders::cancelled(entry(&script), vec![orders::refund(RefundState::Success)]);
    let script = sound(script.after(Duration::from_hours(25)).read(order));
    expect(&script, 15, "oms_updated", &[]);
    assert_eq!(script.state.outcome(), Some("cancelled"));
}

#[test]
fn the_messages_to_the_oms_are_rendered_once_and_in_order() {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order");
    let script = script.accepted(CancellationState::Pending);
    let (_, stamp) = script.entries.last().unwrap();
    let told = Cancellation::default().emissions(script.id(), &script.state, *stamp);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].id, "c-1:cancellation_pending:1");
    let body: serde_json::Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(body["type"], "cancellation.pending");
    assert_eq!(body["timestamp"], stamp.at.to_string());
    let data = body["data"].as_object().unwrap();
    let mut members: Vec<_> = data.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "additionalComments",
            "externalId",
            "id",
            "orderId",
            "origin",
            "outcome",
            "reason",
            "refunds",
            "rejection",
            "requestedBy",
            "revision",
            "state",
            "targetId"
        ]
    );
    assert_eq!(
        (&data["state"], &data["revision"]),
        (&"pending".into(), &4.into())
    );
    // The next entry raises nothing of its own, whatever is still owed.
    let script = script.read(orders::all_pending());
    let later = script.stamp_in(Duration::ZERO);
    assert_eq!(
        Cancellation::default().emissions(script.id(), &script.state, later),
        []
    );
}

fn in_flight() -> Script {
    Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
}

#[test]
fn the_answer_is_lost_and_the_daemon_dies_with_it() {
    let script = in_flight().crash();
    expect(
        &script,
        4,
        "requested",
        &["read_order poll at once", "cancel_order 300s after …"],
    );
    assert!(script.state.case.in_doubt());
    let entry = orders::ours(CancellationState::Pending, &script.alias());
    let script = sound(script.read(orders::cancelling(entry)));
    expect(
        &script,
        5,
        "pending",
        &["read_order poll", "update_oms #5 now"],
    );
    assert!(!script.state.case.in_doubt());
}

#[test]
fn had_no_read_shown_it() {
    let script = in_flight().crash();
    let script = script
        .after(Duration::from_mins(6))
        .read(orders::all_pending());
    // "Not there" is never kept as permission: only the look within the next attempt may send.
    expect(
        &script,
        4,
        "requested",
        &["read_order poll at once", "cancel_order 300s after …"],
    );
    let script = script.intent("cancel_order");
    expect(
        &script,
        5,
        "requested",
        &["read_order poll at once", "cancel_order at …"],
    );
}

#[test]
fn had_the_daemon_lived_and_the_request_timed_out() {
    let script = sound(in_flight().unknown(Mutation::CancelOrder));
    expect(
        &script,
        4,
        "requested",
        &["read_order poll at once", "cancel_order 300s after …"],
    );
}

#[test]
fn had_the_connection_been_refused() {
    let script = sound(in_flight().not_sent(Mutation::CancelOrder, NotSent::ConnectionRefused));
    expect(&script, 4, "requested", &["cancel_order now"]);
    assert!(!script.state.case.in_doubt());
}

#[test]
fn had_amazon_answered_validation_error() {
    let script = in_flight().refused(Mutation::CancelOrder);
    expect(
        &script,
        4,
        "requested",
        &["read_order poll at once, until …"],
    );
    let early = script.clone().read(orders::all_pending());
    expect(
        &early,
        4,
        "requested",
        &["read_order poll at once, until …"],
    );
    let shows = |script: Script| {
        let entry = orders::shoppers(CancellationState::Pending);
        sound(script.read(orders::cancelling(entry)))
    };
    assert_eq!(shows(script.clone()).state.phase.name(), "pending");
    let none = sound(
        script
            .after(Duration::from_mins(6))
            .read(orders::all_pending()),
    );
    expect(&none, 5, "rejected", &["update_oms #5 now"]);
    let rejection = none.state.case.rejection.as_ref().unwrap();
    assert_eq!(rejection.why, RejectedWhy::Refused);
    assert!(
        rejection
            .detail
            .as_ref()
            .unwrap()
            .contains("the order cannot be cancelled")
    );
}

#[test]
fn the_shopper_cancels_and_we_only_hear_of_it() {
    let script = Script::observed(Prior::default());
    expect(&script, 1, "precheck", &["read_order poll at once"]);
    assert_eq!(script.state.case.looks.len(), 1);

    let nothing = script.clone().read(orders::all_pending());
    assert!(
        nothing.state == script.state,
        "the order does not show R yet: no entry"
    );

    let entry = orders::shoppers(CancellationState::Success);
    let mut refund = orders::refund(RefundState::Pending);
    refund.total = Some(usd(12_00));
    let script = sound(script.read(orders::cancelled(entry, vec![refund])));
    let pay = format!("pay_refund/{REFUND} now");
    expect(
        &script,
        2,
        "success",
        &["read_order poll, until …", &pay, "update_oms #2 now"],
    );
}

#[test]
fn the_same_event_after_the_end_starts_nothing() {
    let workflow = Cancellation::default();
    let Request::Observed(observation) = Script::observed(Prior::default()).opening.request else {
        unreachable!()
    };
    let ended = countermand_core::cancellation::exemplars::all()
        .into_iter()
        .find(|exemplar| exemplar.name == "oms_updated.cancelled")
        .unwrap();
    let earlier = [ended.script.state];
    let again = workflow.admit(&Request::Observed(observation.clone()), &earlier);
    assert_eq!(again, Admission::Known);
    let mut another = observation;
    another.event = Some(countermand_core::cancellation::input::Event {
        names: countermand_core::cancellation::input::Named::Refund {
            refund_id: id("R2"),
        },
        ..refund_event()
    });
    let new = workflow.admit(&Request::Observed(another), &earlier);
    assert!(
        matches!(new, Admission::Start(prior) if prior.succeeded),
        "a new refund begins a new one"
    );
}

#[test]
fn had_the_order_been_all_pending_with_no_cancellation() {
    let script = Script::observed_by_hand().read(orders::all_pending());
    expect(
        &script,
        1,
        "precheck",
        &["read_order poll at once, until …"],
    );
    let script = sound(
        script
            .after(Duration::from_mins(31))
            .read(orders::all_pending()),
    );
    expect(&script, 2, "oms_updated", &[]);
    assert_eq!(
        script.state.phase,
        Phase::OmsUpdated {
            outcome: Outcome::NothingToDo
        }
    );
}
