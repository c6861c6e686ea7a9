//! Observed cancellations: they watch, pay and report, and never cancel.

use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{
    Script, observation, package_event, refund_event, report, request,
};
use countermand_core::cancellation::input::{Done, EventType, Fact, Input, PayoutState};
use countermand_core::cancellation::order::{
    CancellationState, Order, PackageState, RefundDetails, RefundState,
};
use countermand_core::cancellation::{
    CancelRequest, Cancellation, Origin, Outcome, Phase, Prior, Rejection, Request, State,
};
use countermand_core::{Admission, Workflow};

use crate::{agenda, attention, sound};

const PATIENT: Duration = Duration::from_mins(31);

fn delivered(refund: RefundDetails) -> Order {
    let mut order = orders::with_states(PackageState::Delivered, PackageState::Delivered);
    order.refunds.push(refund);
    order
}

fn of_reason(reason: Option<&str>, state: RefundState) -> RefundDetails {
    RefundDetails {
        reason: reason.map(str::to_owned),
        ..orders::refund(state)
    }
}

#[test]
fn never_goes_to_requested() {
    let script = Script::observed_by_hand();
    for order in [
        orders::all_pending(),
        orders::partially_shipped(),
        orders::no_packages(),
    ] {
        let script = sound(script.clone().read(order));
        assert_eq!(script.state.phase.name(), "precheck");
    }
}

#[test]
fn a_request_takes_an_observed_one_over_while_it_is_in_precheck() {
    let script = sound(Script::observed(Prior::default()).input(Input::Requested(request())));
    assert_eq!(script.state.case.origin, Origin::Requested);
    let projection = Cancellation::default().project(&script.state);
    let identity = Cancellation::default().identity(&Request::Requested(request()));
    assert_eq!(
        (projection.external_id, projection.fingerprint),
        (identity.external_id, Some(identity.fingerprint))
    );
    let script = sound(script.read(orders::all_pending()));
    assert_eq!(script.state.phase.name(), "requested");
    assert_eq!(script.state.case.alias.alias_id, "web-1");

    let entry = orders::shoppers(CancellationState::Pending);
    let pending = Script::observed_by_hand().read(orders::cancelling(entry));
    let other_order = CancelRequest {
        order_id: orders::id("322-ANOTHER"),
        ..request()
    };
    for (script, request) in [
        (pending, request()),
        (Script::requested(), request()),
        (Script::observed_by_hand(), other_order),
    ] {
        let refused = script.clone().input(Input::Requested(request));
        assert!(matches!(
            refused.turned_down[..],
            [(_, Rejection::Refused { .. })]
        ));
        assert!(refused.state == script.state);
    }
}

#[test]
fn what_was_accepted_before_a_take_over_is_not_ours() {
    let done = Done::CancelOrder {
        attempt: 1,
        state: CancellationState::Pending,
        cancellation_id: None,
        created_at: None,
    };
    let script = Script::observed_by_hand().input(Input::EffectDone(done));
    let script = script
        .input(Input::Requested(request()))
        .read(orders::all_pending());
    assert_eq!(agenda(&sound(script)), ["cancel_order now"]);
}

#[test]
fn a_payable_refund_leads_to_refund() {
    let script = sound(Script::observed(Prior::default()).read(delivered(of_reason(
        Some("DELIVERY_ISSUES"),
        RefundState::Pending,
    ))));
    assert_eq!(script.state.phase.name(), "refund");
    let lane = format!("pay_refund/{}", orders::REFUND);
    let script = script
        .intent(&lane)
        .paid(PayoutState::Success, usd(43_99))
        .told();
    let script = script
        .intent(&report().lane())
        .reported(RefundState::Success);
    let after = script
        .after(Duration::from_hours(25))
        .read(delivered(of_reason(
            Some("DELIVERY_ISSUES"),
            RefundState::Success,
        )));
    assert_eq!(sound(after).state.outcome(), Some("refunded"));
}

#[test]
fn a_refund_of_another_kind_is_not_ours() {
    let order = || delivered(of_reason(Some("RETURN_RECEIVED"), RefundState::Pending));
    let script = sound(Script::observed(Prior::default()).read(order()));
    assert_eq!(
        (script.state.phase.name(), attention(&script)),
        ("precheck", vec![])
    );
    let script = sound(script.after(PATIENT).read(order()));
    assert_eq!(
        script.state.phase,
        Phase::OmsUpdated {
            outcome: Outcome::NothingToDo
        }
    );
}

#[test]
fn nothing_to_do_is_not_the_end_while_the_oms_is_owed_a_message() {
    let order = |state| delivered(of_reason(Some("RETURN_RECEIVED"), state));
    let script = Script::observed(Prior::default()).read(order(RefundState::Pending));
    // Whoever handles returns brings the refund to its end; the OMS hears of that.
    let script = script.read(order(RefundState::Success));
    assert_eq!(script.state.case.milestones.queue.len(), 1);
    let script = sound(script.after(PATIENT).read(order(RefundState::Success)));
    assert_eq!(script.state.phase.name(), "precheck");
    let script = sound(script.told().read(order(RefundState::Success)));
    assert_eq!(script.state.outcome(), Some("nothing_to_do"));
}

#[test]
fn an_order_that_is_not_there_asks_for_a_person() {
    let script = Script::observed_by_hand();
    let none = script.reading(None);
    assert_eq!(attention(&script.clone().input(none)), Vec::<&str>::new());
    let script = script.after(PATIENT);
    let none = script.reading(None);
    let script = sound(script.input(none));
    assert_eq!(attention(&script), ["precheck_undecided"]);
    let script = sound(script.read(orders::all_pending()));
    assert_eq!(script.state.outcome(), Some("nothing_to_do"));
}

#[test]
fn a_refund_without_a_reason_asks_for_a_person_who_can_end_it() {
    let unclear = || delivered(of_reason(None, RefundState::Pending));
    let script = sound(
        Script::observed(Prior::default())
            .read(unclear())
            .after(PATIENT)
            .read(unclear()),
    );
    assert_eq!(
        (script.state.phase.name(), attention(&script)),
        ("precheck", vec!["refund_unclear"])
    );
    let refund_id = || orders::id(orders::REFUND);

    let paid = Fact::RefundPaid {
        refund_id: refund_id(),
        payment_id: orders::id("cheque-7"),
        amount: usd(43_99),
    };
    for (fact, state) in [
        (paid, RefundState::Success),
        (
            Fact::RefundNotDue {
                refund_id: refund_id(),
            },
            RefundState::Rejected,
        ),
    ] {
        let script = sound(script.clone().resolve(fact).read(unclear()));
        assert_eq!(script.state.phase.name(), "refund");
        let script = script
            .told()
            .intent(&report().lane())
            .reported(state.clone())
            .told();
        let end = script
            .after(Duration::from_hours(25))
            .read(delivered(of_reason(None, state)));
        assert_eq!(sound(end).state.outcome(), Some("refunded"));
    }
}

#[test]
fn partly_cancelled_becomes_cancelled_when_the_rest_goes_too() {
    let script = sound(Script::observed_by_hand().read(orders::unfulfillable()));
    let cancelled = |script: &Script| {
        script
            .state
            .case
            .cancelled
            .as_ref()
            .map(|cancelled| cancelled.whole)
    };
    assert_eq!(
        (script.state.phase.name(), cancelled(&script)),
        ("success", Some(false))
    );
    let entry = orders::shoppers(CancellationState::Success);
    let script = sound(script.read(orders::cancelled(entry, Vec::new())));
    assert_eq!(cancelled(&script), Some(true));
    assert_eq!(
        script
            .state
            .case
            .milestones
            .counts
            .get("cancellation.succeeded"),
        Some(&1)
    );
}

fn admit(
    event: countermand_core::cancellation::input::Event,
    earlier: &[State],
) -> Admission<Prior> {
    Cancellation::default().admit(&Request::Observed(observation(Some(event))), earlier)
}

#[test]
fn what_begins_an_observed_one() {
    let starts = |admission| matches!(admission, Admission::Start(_));
    assert!(starts(admit(refund_event(), &[])));
    assert!(starts(admit(
        package_event(EventType::PackageDeliveryCancelled, "p"),
        &[]
    )));
    for other in [
        package_event(EventType::PackageDeliveryInTransit, "p"),
        package_event(EventType::PackageDelivered, "p"),
        package_event(EventType::from("NEW_KIND"), "p"),
    ] {
        assert_eq!(admit(other, &[]), Admission::Known);
    }
    let by_hand = Request::Observed(observation(None));
    assert!(starts(Cancellation::default().admit(&by_hand, &[])));
}

#[test]
fn what_earlier_ones_handled_begins_nothing() {
    let ended = |name: &str| {
        let all = countermand_core::cancellation::exemplars::all();
        all.into_iter()
            .find(|exemplar| exemplar.name == name)
            .unwrap()
            .script
            .state
    };
    let cancelled = [ended("oms_updated.cancelled")];
    assert_eq!(admit(refund_event(), &cancelled), Admission::Known);
    assert_eq!(
        admit(
            package_event(EventType::PackageDeliveryCancelled, "another"),
            &cancelled
        ),
        Admission::Known
    );
    let partly = [ended("oms_updated.partly_cancelled")];
    let of_known = package_event(EventType::PackageDeliveryCancelled, orders::PACKAGE_B);
    let of_new = package_event(EventType::PackageDeliveryCancelled, orders::PACKAGE_A);
    assert_eq!(admit(of_known, &partly), Admission::Known);
    assert!(matches!(admit(of_new, &partly), Admission::Start(_)));

    let requested =
        |earlier: &[State]| Cancellation::default().admit(&Request::Requested(request()), earlier);
    assert_eq!(
        requested(&cancelled),
        Admission::Refuse {
            index: 0,
            why: "already_cancelled"
        }
    );
    for name in [
        "oms_updated.rejected",
        "oms_updated.withdrawn",
        "oms_updated.nothing_to_do",
        "oms_updated.partly_cancelled",
    ] {
        assert!(
            matches!(requested(&[ended(name)]), Admission::Start(_)),
            "{name}"
        );
    }
}

#[test]
fn observed_agendas_never_hold_a_cancel_order() {
    for exemplar in countermand_core::cancellation::exemplars::all() {
        if exemplar.script.state.case.origin == Origin::Observed {
            let agenda = agenda(&exemplar.script);
            assert!(
                agenda.iter().all(|line| !line.starts_with("cancel_order")),
                "{}",
                exemplar.name
            );
        }
    }
}
