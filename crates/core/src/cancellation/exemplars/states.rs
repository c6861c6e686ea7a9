//! One script for each situation that a cancellation can be in.

use std::time::Duration;

use crate::cancellation::Prior;
use crate::cancellation::effect::Patience;
use crate::cancellation::exemplars::Exemplar;
use crate::cancellation::exemplars::orders::{self, usd};
use crate::cancellation::exemplars::refunds::{self, all_cancelled, paid};
use crate::cancellation::exemplars::script::{Script, package_event, pay, refund_event, report};
use crate::cancellation::input::{Action, EventType, Fact, Input, Mutation, NotSent, PayoutState};
use crate::cancellation::order::{
    CancellationState, Order, PackageState, RefundDetails, RefundState,
};

pub(super) const MINUTES_6: Duration = Duration::from_mins(6);
pub(super) const MINUTES_31: Duration = Duration::from_mins(31);
const HOURS_25: Duration = Duration::from_hours(25);

/// Every exemplar, in the order of the life cycle.
#[must_use]
pub fn all() -> Vec<Exemplar> {
    let phases = [
        precheck(),
        requested(),
        pending(),
        success(),
        rejected(),
        refunds::paying(),
        refunds::reporting(),
        oms_updated(),
    ];
    let named = phases.into_iter().flatten();
    named
        .map(|(name, script)| Exemplar { name, script })
        .collect()
}

fn precheck() -> Vec<(&'static str, Script)> {
    let unclear = RefundDetails {
        reason: None,
        ..orders::refund(RefundState::Pending)
    };
    let mut without_reason = orders::all_pending();
    without_reason.refunds.push(unclear);
    let prior = Prior {
        packages: vec![orders::id(orders::PACKAGE_B)],
        succeeded: true,
        ..Prior::default()
    };
    vec![
        ("precheck.new", Script::requested()),
        ("precheck.undecided", undecided()),
        (
            "precheck.cancelled_package",
            Script::requested().read(orders::unexplained()),
        ),
        ("precheck.observed", Script::observed(Prior::default())),
        ("precheck.observed_again", Script::observed(prior)),
        (
            "precheck.observed_look_overdue",
            Script::observed(Prior::default())
                .after(MINUTES_31)
                .timer(Patience::Look),
        ),
        ("precheck.observed_by_hand", Script::observed_by_hand()),
        (
            "precheck.observed_unclear_refund",
            Script::observed(Prior::default()).read(without_reason),
        ),
        ("precheck.taken_over", {
            let request = crate::cancellation::exemplars::script::request();
            Script::observed(Prior::default()).input(Input::Requested(request))
        }),
    ]
}

fn undecided() -> Script {
    Script::requested()
        .read(orders::no_packages())
        .after(MINUTES_31)
        .timer(Patience::Precheck)
}

/// Every package is PENDING: Amazon is to be asked.
#[must_use]
fn ready() -> Script {
    Script::requested().read(orders::all_pending())
}

fn in_flight() -> Script {
    ready().intent("cancel_order")
}

fn in_doubt() -> Script {
    in_flight().crash()
}

fn refused() -> Script {
    in_flight().refused(Mutation::CancelOrder)
}

fn requested() -> Vec<(&'static str, Script)> {
    vec![
        ("requested.new", ready()),
        ("requested.in_flight", in_flight()),
        (
            "requested.not_sent",
            in_flight().not_sent(Mutation::CancelOrder, NotSent::ConnectionRefused),
        ),
        ("requested.in_doubt", in_doubt()),
        (
            "requested.in_doubt_for_long",
            in_doubt().after(MINUTES_31).timer(Patience::Doubt),
        ),
        (
            "requested.in_flight_again",
            in_doubt().after(MINUTES_6).intent("cancel_order"),
        ),
        (
            "requested.in_doubt_again",
            in_doubt()
                .after(MINUTES_6)
                .intent("cancel_order")
                .unknown(Mutation::CancelOrder),
        ),
        ("requested.refused", refused()),
        (
            "requested.unfit",
            in_flight().not_sent(Mutation::CancelOrder, NotSent::NotCancellable),
        ),
        (
            "requested.unfit_for_long",
            ready()
                .read(orders::no_packages())
                .after(MINUTES_31)
                .timer(Patience::Precheck),
        ),
        (
            "requested.stopped",
            ready().input(Input::AttentionRaised {
                lane: "cancel_order".to_owned(),
                failures: 20,
                error: "connection refused".to_owned(),
                limited: false,
            }),
        ),
    ]
}

fn accepted() -> Script {
    in_flight().accepted(CancellationState::Pending)
}

fn adopted() -> Script {
    let entry = orders::shoppers(CancellationState::Pending);
    Script::requested().read(orders::cancelling(entry))
}

fn pending() -> Vec<(&'static str, Script)> {
    let shoppers = orders::shoppers(CancellationState::Pending);
    let event = package_event(EventType::PackageDeliveryCancelled, orders::PACKAGE_A);
    vec![
        ("pending.accepted", accepted()),
        ("pending.told", accepted().told()),
        ("pending.adopted", adopted()),
        (
            "pending.adopted_in_doubt",
            in_doubt().read(orders::cancelling(shoppers.clone())),
        ),
        (
            "pending.adopted_in_flight",
            in_flight().read(orders::cancelling(shoppers)),
        ),
        (
            "pending.look_owed",
            accepted().told().input(Input::EventReceived(event)),
        ),
        (
            "pending.for_long",
            accepted().told().after(HOURS_25).timer(Patience::Pending),
        ),
    ]
}

/// Our cancellation is done; these refunds are asked for.
#[must_use]
fn cancelled(refunds: Vec<RefundDetails>) -> Script {
    let script = accepted().told().after(MINUTES_6);
    let entry = orders::ours(CancellationState::Success, &script.alias());
    script.read(orders::cancelled(entry, refunds))
}

pub(super) fn refund_due() -> Script {
    cancelled(vec![orders::refund(RefundState::Pending)]).told()
}

/// A person says that a refund is not to be paid that an event named and no read shows.
fn look_dismissed() -> Script {
    let owed = cancelled(Vec::new())
        .told()
        .input(Input::EventReceived(refund_event()));
    owed.resolve(Fact::RefundNotDue {
        refund_id: orders::id(orders::REFUND),
    })
}

fn success() -> Vec<(&'static str, Script)> {
    let nothing = RefundDetails {
        total: Some(usd(0)),
        ..orders::refund(RefundState::Pending)
    };
    let entry = orders::shoppers(CancellationState::Success);
    vec![
        ("success.new", cancelled(Vec::new())),
        ("success.told", cancelled(Vec::new()).told()),
        (
            "success.at_once",
            in_flight().accepted(CancellationState::Success),
        ),
        ("success.refund_due", refund_due()),
        (
            "success.look_owed",
            cancelled(Vec::new())
                .told()
                .input(Input::EventReceived(refund_event())),
        ),
        ("success.look_dismissed", look_dismissed()),
        (
            "success.refund_contested",
            look_dismissed().read(orders::cancelled(
                orders::ours(CancellationState::Success, &look_dismissed().alias()),
                vec![orders::refund(RefundState::Pending)],
            )),
        ),
        ("success.nothing_to_pay", cancelled(vec![nothing]).told()),
        (
            "success.observed",
            Script::observed(Prior::default()).read(orders::cancelled(
                entry,
                vec![orders::refund(RefundState::Pending)],
            )),
        ),
        (
            "success.observed_partly",
            Script::observed_by_hand().read(orders::unfulfillable()),
        ),
        ("success.by_operator", in_doubt().resolve(Fact::Cancelled)),
    ]
}

fn rejected() -> Vec<(&'static str, Script)> {
    let shipped = || Script::requested().read(orders::partially_shipped());
    let unfulfillable = || {
        Script::requested()
            .read(orders::unfulfillable())
            .read(orders::unfulfillable_with_refund())
    };
    vec![
        ("rejected.by_amazon", {
            let script = accepted();
            let entry = orders::ours(CancellationState::Rejected, &script.alias());
            script.read(orders::not_cancelled(entry))
        }),
        (
            "rejected.at_once",
            in_flight().accepted(CancellationState::Rejected),
        ),
        ("rejected.adopted", {
            let entry = orders::shoppers(CancellationState::Rejected);
            adopted().read(orders::not_cancelled(entry))
        }),
        ("rejected.not_cancellable", shipped()),
        ("rejected.refused", {
            refused().after(MINUTES_6).read(orders::all_pending())
        }),
        (
            "rejected.withdrawn",
            ready().operator(Action::Withdraw { note: None }),
        ),
        (
            "rejected.by_operator_in_doubt",
            in_doubt().resolve(Fact::Rejected),
        ),
        (
            "rejected.by_operator_though_accepted",
            accepted().resolve(Fact::Rejected),
        ),
        ("rejected.look_owed", {
            let event = package_event(EventType::PackageDelivered, orders::PACKAGE_A);
            shipped().input(Input::EventReceived(event))
        }),
        (
            "rejected.unfulfillable",
            Script::requested().read(orders::unfulfillable()).told(),
        ),
        ("rejected.refund_due", unfulfillable()),
        ("rejected.refund_due_told", unfulfillable().told()),
    ]
}

/// Reads the order once more after the grace, and tells the OMS the rest.
fn ended(script: Script, order: Order) -> Script {
    script.told().after(HOURS_25).read(order).told()
}

fn oms_updated() -> Vec<(&'static str, Script)> {
    let nothing_happens = Script::observed_by_hand().after(MINUTES_31);
    vec![
        ("oms_updated.cancelled", {
            let script = paid().told().intent(&report().lane());
            let script = script.reported(RefundState::Success);
            let order = all_cancelled(&script, orders::refund(RefundState::Success));
            ended(script, order)
        }),
        (
            "oms_updated.partly_cancelled",
            ended(
                Script::observed_by_hand().read(orders::unfulfillable()),
                orders::unfulfillable(),
            ),
        ),
        (
            "oms_updated.rejected",
            Script::requested().read(orders::partially_shipped()).told(),
        ),
        ("oms_updated.refunded", {
            let mut order = orders::with_states(PackageState::Delivered, PackageState::Delivered);
            order.refunds.push(orders::refund(RefundState::Pending));
            let script = Script::observed(Prior::default())
                .read(order.clone())
                .intent(&pay().lane())
                .paid(PayoutState::Success, usd(43_99))
                .intent(&report().lane())
                .reported(RefundState::Success);
            ended(script, order)
        }),
        (
            "oms_updated.withdrawn",
            Script::requested()
                .operator(Action::Withdraw {
                    note: Some("the shopper changed their mind".to_owned()),
                })
                .told(),
        ),
        (
            "oms_updated.nothing_to_do",
            nothing_happens.read(orders::all_pending()),
        ),
    ]
}
