//! The one verdict: what an order says about the cancellation that we follow.

use countermand_core::cancellation::exemplars::Script;
use countermand_core::cancellation::exemplars::orders::{self, OUR_TIME};
use countermand_core::cancellation::input::Mutation;
use countermand_core::cancellation::order::{Alias, CancellationState, Order, Requester};
use countermand_core::cancellation::verdict::{Verdict, judge};
use countermand_core::cancellation::{Prior, RejectedWhy};

use crate::sound;
use std::time::Duration;

use CancellationState::{Pending, Rejected, Success};

fn with(states: &[(bool, CancellationState)], alias: &Alias) -> Order {
    let mut order = orders::all_pending();
    for (ours, state) in states {
        order.cancellations.push(match ours {
            true => orders::ours(state.clone(), alias),
            false => orders::shoppers(state.clone()),
        });
    }
    order
}

fn verdict(script: &Script, states: &[(bool, CancellationState)]) -> String {
    let order = with(states, &script.alias());
    match judge(&script.state.case, &order) {
        Verdict::Cancelled { whole } => format!("cancelled {whole}"),
        Verdict::Pending(entry) => format!("pending {}", !entry.aliases.is_empty()),
        Verdict::Rejected(entry) => format!("rejected {}", !entry.aliases.is_empty()),
        Verdict::None => "none".to_owned(),
    }
}

fn in_flight() -> Script {
    Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
}

#[test]
fn any_success_decides_and_then_any_pending() {
    for script in [
        Script::requested(),
        in_flight(),
        in_flight().crash(),
        Script::observed(Prior::default()),
    ] {
        assert_eq!(
            verdict(
                &script,
                &[(true, Rejected), (false, Pending), (false, Success)]
            ),
            "cancelled true"
        );
        assert_eq!(
            verdict(&script, &[(true, Rejected), (false, Pending)]),
            "pending false"
        );
        assert_eq!(
            verdict(&script, &[(false, Pending), (true, Pending)]),
            "pending true"
        );
        assert_eq!(verdict(&script, &[(true, Rejected)]), "rejected true");
        assert_eq!(
            verdict(&script, &[(false, Rejected)]),
            "none",
            "we do not follow it"
        );
        assert_eq!(verdict(&script, &[]), "none");
    }
}

#[test]
fn an_unknown_state_of_ours_is_undecided() {
    let strange = CancellationState::from("CANCELING");
    assert_eq!(
        verdict(&in_flight(), &[(true, strange.clone())]),
        "pending true"
    );
    assert_eq!(verdict(&in_flight(), &[(false, strange)]), "none");
}

#[test]
fn packages_decide_for_an_observed_one_only() {
    let observed = Script::observed(Prior::default());
    let partly = judge(&observed.state.case, &orders::unfulfillable())
        == Verdict::Cancelled { whole: false };
    let wholly =
        judge(&observed.state.case, &orders::undeliverable()) == Verdict::Cancelled { whole: true };
    assert!(partly && wholly);
    let requested = Script::requested();
    assert_eq!(
        judge(&requested.state.case, &orders::undeliverable()),
        Verdict::None
    );
}

fn adopted() -> Script {
    Script::requested().read(orders::cancelling(orders::shoppers(Pending)))
}

#[test]
fn an_adopted_rejection_counts_as_long_as_we_have_not_sent() {
    assert_eq!(verdict(&adopted(), &[(false, Rejected)]), "rejected false");
    let script = sound(adopted().read(orders::not_cancelled(orders::shoppers(Rejected))));
    let rejection = script.state.case.rejection.as_ref().unwrap();
    assert_eq!(rejection.why, RejectedWhy::RejectedByAmazon);
    assert_eq!(
        rejection.detail.as_deref(),
        Some("the request of SHOPPER was rejected")
    );
    // Another entry of the same requester is another one.
    let mut other = orders::shoppers(Rejected);
    other.created_at = Some(OUR_TIME.to_owned());
    let script = adopted().read(orders::not_cancelled(other));
    assert_eq!(script.state.phase.name(), "pending");
}

#[test]
fn an_adopted_rejection_does_not_count_while_ours_is_on_its_way() {
    let rejected = || orders::not_cancelled(orders::shoppers(Rejected));
    let in_flight = in_flight().read(orders::cancelling(orders::shoppers(Pending)));
    assert_eq!(in_flight.state.phase.name(), "pending");
    let script = in_flight
        .clone()
        .after(Duration::from_hours(1))
        .read(rejected());
    assert_eq!(
        script.state.phase.name(),
        "pending",
        "an attempt of ours is open"
    );

    let in_doubt = in_flight.unknown(Mutation::CancelOrder);
    let script = in_doubt.clone().read(rejected());
    assert_eq!(
        script.state.phase.name(),
        "pending",
        "an attempt of ours is in doubt"
    );
    let script = in_doubt.clone().after(Duration::from_mins(6));
    let ours = script
        .clone()
        .read(with(&[(false, Rejected), (true, Pending)], &script.alias()));
    assert_eq!(ours.state.phase.name(), "pending", "ours is there");
    assert!(ours.state.case.accepted && !ours.state.case.in_doubt());
    let script = sound(script.read(rejected()));
    assert_eq!(
        script.state.phase.name(),
        "rejected",
        "ours is not there, and the lag is over"
    );
    assert!(!script.state.case.in_doubt());
}

#[test]
fn an_accepted_attempt_is_never_disbelieved() {
    let script = in_flight()
        .accepted(Pending)
        .after(Duration::from_hours(30));
    // Neither by its absence nor by anybody else's rejection.
    let script = script.read(orders::all_pending());
    let script = script.read(orders::cancelling(orders::shoppers(Pending)));
    let script = sound(script.read(orders::not_cancelled(orders::shoppers(Rejected))));
    assert_eq!(script.state.phase.name(), "pending");
    let alias = script.alias();
    let script = script.read(with(&[(false, Rejected), (true, Rejected)], &alias));
    assert_eq!(script.state.phase.name(), "rejected");
}

#[test]
fn the_alias_is_compared_whole() {
    let mut alias = Script::requested().alias();
    alias.alias_type = "EXTERNAL_ID".to_owned();
    let order = orders::cancelling(orders::ours(Rejected, &alias));
    assert_eq!(judge(&in_flight().state.case, &order), Verdict::None);
    let entry = orders::entry(Requester::Merchant, Pending, OUR_TIME, vec![alias]);
    let order = orders::cancelling(entry);
    assert!(
        matches!(judge(&in_flight().state.case, &order), Verdict::Pending(_)),
        "adopted all the same"
    );
}
