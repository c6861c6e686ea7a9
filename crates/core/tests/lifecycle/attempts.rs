//! Attempts at `cancelOrder`: doubts, refusals, late outcomes.

use std::time::Duration;

use countermand_core::cancellation::exemplars::Script;
use countermand_core::cancellation::exemplars::orders;
use countermand_core::cancellation::input::{Action, Done, Input, Mutation, NotSent, Unknown};
use countermand_core::cancellation::look::{self, CancelLook};
use countermand_core::cancellation::order::CancellationState;
use countermand_core::cancellation::{Cancellation, Effect, RejectedWhy, Rejection};
use countermand_core::{When, Workflow};

use crate::{agenda, attention, sound};

const LAG: Duration = Duration::from_mins(6);

fn ready() -> Script {
    Script::requested().read(orders::all_pending())
}

fn in_flight() -> Script {
    ready().intent("cancel_order")
}

fn done(attempt: u32, state: CancellationState) -> Input {
    Input::EffectDone(Done::CancelOrder {
        attempt,
        state,
        cancellation_id: None,
        created_at: None,
    })
}

fn not_sent(attempt: u32) -> Input {
    Input::EffectNotSent {
        mutation: Mutation::CancelOrder,
        attempt,
        why: NotSent::ConnectionRefused,
        detail: None,
    }
}

#[test]
fn outcomes_of_older_attempts_are_evidence_only_unless_done() {
    let second = in_flight().crash().after(LAG).intent("cancel_order");
    assert_eq!(second.state.case.cancel.made, 2);
    for outcome in [
        not_sent(1),
        Input::EffectRefused {
            mutation: Mutation::CancelOrder,
            attempt: 1,
            code: "x".into(),
            message: "y".into(),
        },
        Input::EffectUnknown {
            mutation: Mutation::CancelOrder,
            attempt: 1,
            why: Unknown::TimeOut,
            detail: None,
        },
    ] {
        assert!(Cancellation::default().is_evidence(&outcome));
        let late = second.clone().input(outcome);
        assert!(matches!(
            late.turned_down[..],
            [(_, Rejection::PastAttempt { attempt: 1 })]
        ));
        assert!(late.state == second.state);
    }
    let believed = sound(second.input(done(1, CancellationState::Pending)));
    assert_eq!(believed.state.phase.name(), "pending");
    assert!(
        believed.state.case.cancel.open.is_some(),
        "the second one is still on the wire"
    );
}

#[test]
fn word_of_the_newest_attempt_does_not_settle_an_older_doubt() {
    let script = in_flight()
        .crash()
        .after(LAG)
        .intent("cancel_order")
        .crash();
    let doubt = script.state.case.cancel.doubt.as_ref().unwrap();
    assert_eq!((doubt.attempt, doubt.earlier), (2, true));
    // The zombie tells that its attempt was not sent; the first one may have arrived all the same.
    let script = sound(script.input(not_sent(2)));
    assert!(script.state.case.in_doubt());
    assert!(
        agenda(&script)
            .iter()
            .any(|line| line.starts_with("cancel_order 300s after"))
    );
    let only = sound(in_flight().crash().input(not_sent(1)));
    assert!(!only.state.case.in_doubt());
    assert_eq!(agenda(&only), ["cancel_order now"]);
}

#[test]
fn a_doubt_ages_however_often_it_is_renewed() {
    use countermand_core::cancellation::effect::Patience;

    let begun = in_flight().crash();
    let first = begun.state.case.cancel.doubt.clone().unwrap();
    assert_eq!((first.began(), first.first), (first.since, None));
    // Each attempt is unknown again long before the patience (30 minutes) is over.
    let mut script = begun;
    for _ in 0..5 {
        script = sound(script.after(LAG).intent("cancel_order").crash());
        let doubt = script.state.case.cancel.doubt.as_ref().unwrap();
        assert_eq!(doubt.began(), first.since);
        // What is not there is disbelieved after the newest attempt all the same.
        assert!(doubt.counted_from() >= first.since.plus(LAG));
        let agenda = Cancellation::default().next(&script.state);
        let timer = agenda
            .items()
            .iter()
            .find(|item| item.key == "timer/doubt")
            .unwrap();
        let patience = script.state.case.terms.patience;
        assert_eq!(timer.when, When::At(first.since.plus(patience)));
        assert_eq!(attention(&script), Vec::<&str>::new());
    }
    let script = sound(script.after(Duration::from_mins(1)).timer(Patience::Doubt));
    assert_eq!(attention(&script), ["in_doubt"]);
    // The looking goes on.
    assert!(
        agenda(&script)
            .iter()
            .any(|line| line.starts_with("cancel_order 300s after"))
    );
}

#[test]
fn a_refusal_settles_only_after_the_lag() {
    let script = in_flight().refused(Mutation::CancelOrder);
    let script = script
        .after(Duration::from_mins(4))
        .read(orders::all_pending());
    assert_eq!(script.state.phase.name(), "requested");
    let script = sound(
        script
            .after(Duration::from_mins(2))
            .read(orders::all_pending()),
    );
    assert_eq!(
        script.state.case.rejection.as_ref().unwrap().why,
        RejectedWhy::Refused
    );
}

#[test]
fn a_refusal_of_a_second_attempt_may_mean_that_the_first_one_arrived() {
    let script = in_flight()
        .crash()
        .after(LAG)
        .intent("cancel_order")
        .refused(Mutation::CancelOrder);
    let entry = orders::ours(CancellationState::Pending, &script.alias());
    let script = sound(script.read(orders::cancelling(entry)));
    assert_eq!(script.state.phase.name(), "pending");
    assert!(script.state.case.accepted && !script.state.case.in_doubt());
}

#[test]
fn done_is_believed_in_every_state_and_the_order_is_read() {
    let rejected = Script::requested().read(orders::partially_shipped());
    let script = sound(rejected.input(done(1, CancellationState::Pending)).told());
    assert_eq!(script.state.phase.name(), "rejected");
    assert_eq!(agenda(&script), ["read_order poll at once"]);
    // Amazon has our entry, and has not decided: it is waited for.
    let entry = |state| orders::ours(state, &Script::requested().alias());
    let undecided = sound(script.read(orders::cancelling(entry(CancellationState::Pending))));
    assert_eq!(undecided.state.phase.name(), "rejected");
    let again = undecided
        .clone()
        .read(orders::cancelling(entry(CancellationState::Pending)));
    assert!(again.state == undecided.state, "no entry for each look");
    let success = undecided.clone().read(orders::cancelled(
        entry(CancellationState::Success),
        Vec::new(),
    ));
    assert_eq!(sound(success).state.phase.name(), "success");
    let no = undecided.read(orders::not_cancelled(entry(CancellationState::Rejected)));
    assert_eq!(sound(no).state.outcome(), Some("rejected"));
}

#[test]
fn done_at_once() {
    let success = sound(in_flight().accepted(CancellationState::Success));
    assert_eq!(success.state.phase.name(), "success");
    let rejected = sound(in_flight().accepted(CancellationState::Rejected).told());
    assert_eq!(rejected.state.phase.name(), "rejected");
    assert_eq!(
        agenda(&rejected),
        ["read_order poll at once"],
        "the order is read before the end"
    );
}

#[test]
fn done_is_believed_where_a_restore_has_made_us_forget_the_attempt() {
    let script = sound(Script::requested().input(done(1, CancellationState::Pending)));
    assert_eq!(script.state.phase.name(), "pending");
    // An observed one has sent nothing; nothing is made of it.
    let observed = sound(Script::observed_by_hand().input(done(1, CancellationState::Pending)));
    assert_eq!(observed.state.phase.name(), "precheck");
}

#[test]
fn the_look_that_finds_an_order_which_cannot_be_cancelled_stops_the_attempts() {
    let script = sound(in_flight().not_sent(Mutation::CancelOrder, NotSent::NotCancellable));
    assert!(
        agenda(&script)
            .iter()
            .all(|line| !line.starts_with("cancel_order"))
    );
    let shipped = sound(script.clone().read(orders::partially_shipped()));
    assert_eq!(
        shipped.state.case.rejection.as_ref().unwrap().why,
        RejectedWhy::NotCancellable
    );
    let ready = sound(script.read(orders::all_pending()));
    assert_eq!(agenda(&ready), ["cancel_order now"]);
}

#[test]
fn the_fence_opens_only_for_the_open_attempt() {
    let workflow = Cancellation::default();
    let effect = ready().effects().remove(0);
    assert!(!workflow.wants(&ready().state, &effect), "no intent yet");
    assert!(workflow.wants(&in_flight().state, &effect));
    for moved_on in [
        in_flight().crash(),
        in_flight().read(orders::cancelling(orders::shoppers(
            CancellationState::Pending,
        ))),
        in_flight().read(orders::no_packages()),
        in_flight().resolve(countermand_core::cancellation::input::Fact::Rejected),
    ] {
        let still = workflow.wants(&moved_on.state, &effect);
        let open = moved_on.state.case.cancel.open.is_some();
        assert!(
            !still
                || (open
                    && moved_on.state.case.unfit_since.is_none()
                    && moved_on.state.phase.name() == "requested")
        );
    }
}

#[test]
fn withdrawn_only_while_nothing_was_sent() {
    let withdraw = || Action::Withdraw {
        note: Some("changed their mind".into()),
    };
    let never_sent = in_flight().input(not_sent(1));
    for script in [Script::requested(), ready(), never_sent] {
        let script = sound(script.operator(withdraw()));
        assert_eq!(
            script.state.case.rejection.as_ref().unwrap().why,
            RejectedWhy::Withdrawn
        );
        assert_eq!(script.told().state.outcome(), Some("withdrawn"));
    }
    let adopted = Script::requested().read(orders::cancelling(orders::shoppers(
        CancellationState::Pending,
    )));
    for script in [
        in_flight(),
        in_flight().crash(),
        in_flight().refused(Mutation::CancelOrder),
        in_flight().accepted(CancellationState::Pending),
        adopted,
        Script::observed_by_hand(),
    ] {
        let refused = script.clone().operator(withdraw());
        assert!(matches!(
            refused.turned_down[..],
            [(_, Rejection::Refused { .. })]
        ));
        assert!(refused.state == script.state);
    }
}

#[test]
fn what_forbids_a_send() {
    let Some(Effect::CancelOrder(attempt)) = ready().effects().pop() else {
        panic!("an attempt is due");
    };
    let alias = ready().alias();
    assert_eq!(
        look::cancel(&attempt, &orders::all_pending()),
        CancelLook::Send
    );
    for entry in [
        orders::ours(CancellationState::Rejected, &alias),
        orders::ours(CancellationState::from("NEW"), &alias),
        orders::shoppers(CancellationState::Pending),
        orders::shoppers(CancellationState::Success),
    ] {
        assert_eq!(
            look::cancel(&attempt, &orders::cancelling(entry)),
            CancelLook::Found
        );
    }
    let old = orders::cancelling(orders::shoppers(CancellationState::Rejected));
    assert_eq!(
        look::cancel(&attempt, &old),
        CancelLook::Send,
        "a rejection of somebody else's is past"
    );
    for order in [
        orders::no_packages(),
        orders::partially_shipped(),
        orders::unexplained(),
    ] {
        assert!(matches!(
            look::cancel(&attempt, &order),
            CancelLook::NotCancellable { .. }
        ));
    }
}

#[test]
fn in_doubt_nothing_is_concluded_from_packages_before_the_lag_is_over() {
    let in_doubt = in_flight().crash();
    for order in [
        orders::partially_shipped(),
        orders::unexplained(),
        orders::no_packages(),
    ] {
        let early = sound(in_doubt.clone().read(order));
        assert_eq!(early.state.phase.name(), "requested");
        assert!(early.state.case.in_doubt() && early.state.case.unfit_since.is_none());
    }
    let late = sound(in_doubt.after(LAG).read(orders::partially_shipped()));
    assert_eq!(late.state.phase.name(), "rejected");
    assert!(!late.state.case.in_doubt());
}
