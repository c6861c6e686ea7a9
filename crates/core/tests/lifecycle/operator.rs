//! What people do and know.

use std::time::Duration;

use countermand_core::Workflow;
use countermand_core::cancellation::effect::Patience;
use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{Script, pay, report};
use countermand_core::cancellation::input::{Action, Fact, Input, Mutation, PayoutState};
use countermand_core::cancellation::order::{CancellationState, RefundDetails, RefundState};
use countermand_core::cancellation::view::{RowFacts, Status, View};
use countermand_core::cancellation::{Cancellation, Effect, RejectedWhy, Rejection};

use crate::{agenda, attention, sound};

fn in_flight() -> Script {
    Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
}

fn due() -> Script {
    let script = in_flight().accepted(CancellationState::Pending);
    let entry = orders::ours(CancellationState::Success, &script.alias());
    script
        .read(orders::cancelled(
            entry,
            vec![orders::refund(RefundState::Pending)],
        ))
        .told()
}

#[track_caller]
fn refused(script: &Script, fact: Fact) {
    let after = script.clone().resolve(fact);
    assert!(
        matches!(after.turned_down[..], [(_, Rejection::Refused { .. })]),
        "{:?}",
        after.turned_down
    );
    assert!(after.state == script.state);
}

#[test]
fn a_person_knows_the_decision() {
    for script in [
        Script::requested(),
        in_flight().crash(),
        in_flight().accepted(CancellationState::Pending),
    ] {
        let cancelled = sound(script.clone().resolve(Fact::Cancelled));
        assert_eq!(cancelled.state.phase.name(), "success");
        let rejected = sound(script.resolve(Fact::Rejected));
        assert_eq!(
            rejected.state.case.rejection.as_ref().unwrap().why,
            RejectedWhy::Operator
        );
    }
    let in_flight_still = sound(in_flight().resolve(Fact::Cancelled));
    assert_eq!(in_flight_still.state.phase.name(), "success");
    refused(&in_flight(), Fact::Rejected);
    refused(&Script::observed_by_hand(), Fact::Rejected);
    refused(&due(), Fact::Rejected);
    let rejected = in_flight().crash().resolve(Fact::Rejected);
    let corrected = sound(rejected.resolve(Fact::Cancelled));
    assert_eq!(
        (
            corrected.state.phase.name(),
            &corrected.state.case.rejection
        ),
        ("success", &None)
    );
}

#[test]
fn a_rejection_by_a_person_does_not_end_what_is_in_doubt() {
    let script = sound(in_flight().crash().resolve(Fact::Rejected).told());
    assert_eq!(script.state.phase.name(), "rejected");
    let early = script.clone().read(orders::all_pending());
    assert_eq!(early.state.phase.name(), "rejected");
    let settled = sound(
        script
            .after(Duration::from_mins(6))
            .read(orders::all_pending()),
    );
    assert_eq!(settled.state.outcome(), Some("rejected"));
}

#[test]
fn a_persons_word_ends_what_amazon_never_decides() {
    let script = in_flight()
        .accepted(CancellationState::Pending)
        .told()
        .resolve(Fact::Rejected);
    let script = sound(script.told());
    assert_eq!(script.state.phase.name(), "rejected");
    let entry = orders::ours(CancellationState::Pending, &script.alias());
    let shown = script.read(orders::cancelling(entry));
    assert_eq!(sound(shown).state.outcome(), Some("rejected"));
}

/// As long as the entry that Amazon accepted may be there without being shown, the cancellation
/// stays alive, so that no other request for the order can ask Amazon again.
#[test]
fn a_persons_word_does_not_end_what_amazon_accepted_and_does_not_show_yet() {
    let script = in_flight()
        .accepted(CancellationState::Pending)
        .told()
        .resolve(Fact::Rejected)
        .told();
    let early = sound(script.clone().read(orders::all_pending()));
    assert_eq!(early.state.phase.name(), "rejected");
    let late = script.after(Duration::from_mins(6));
    let settled = sound(late.read(orders::all_pending()));
    assert_eq!(settled.state.outcome(), Some("rejected"));
}

/// A person who was asked about one attempt says nothing of another, which may be seconds old.
#[test]
fn not_sent_is_said_of_the_attempt_that_asked() {
    let other = RefundDetails {
        id: orders::id("second"),
        ..orders::refund(RefundState::Pending)
    };
    let refund_id = other.id.clone();
    let second = Mutation::PayRefund { refund_id };
    let two = vec![orders::refund(RefundState::Pending), other];
    let script = in_flight().accepted(CancellationState::Pending);
    let entry = orders::ours(CancellationState::Success, &script.alias());
    let script = script
        .read(orders::cancelled(entry, two))
        .told()
        .intent(&pay().lane())
        .unknown(pay());
    let old = script.after(Duration::from_mins(31)).timer(Patience::Doubt);
    let both = old.intent(&second.lane()).unknown(second.clone());
    let script = sound(both.resolve(Fact::NotSent));
    let doubt = |mutation: &Mutation| match mutation {
        Mutation::PayRefund { refund_id } => script.state.case.refunds[refund_id].pay.doubt.clone(),
        _ => None,
    };
    assert_eq!(doubt(&pay()), None, "a person was asked about it");
    assert!(
        doubt(&second).is_some(),
        "nobody was asked: it keeps its wait"
    );
}

#[test]
fn not_sent_settles_a_doubt() {
    let script = sound(in_flight().crash().resolve(Fact::NotSent));
    assert_eq!(agenda(&script), ["cancel_order now"]);
    refused(&in_flight(), Fact::NotSent);
    refused(&due(), Fact::NotSent);
    let reporting = due()
        .intent(&pay().lane())
        .paid(PayoutState::Success, usd(43_99))
        .intent(&report().lane());
    let script = sound(reporting.crash().resolve(Fact::NotSent));
    assert!(
        agenda(&script)
            .iter()
            .any(|line| line.starts_with("report_refund/") && line.ends_with(" now"))
    );
}

fn paid_by_hand(cents: u32) -> Fact {
    Fact::RefundPaid {
        refund_id: orders::id(orders::REFUND),
        payment_id: orders::id("cheque-7"),
        amount: usd(cents),
    }
}

fn not_due() -> Fact {
    Fact::RefundNotDue {
        refund_id: orders::id(orders::REFUND),
    }
}

#[test]
fn paid_by_hand_is_reported_and_never_paid() {
    let script = sound(due().resolve(paid_by_hand(43_99)).told());
    assert!(
        agenda(&script)
            .iter()
            .all(|line| !line.starts_with("pay_refund/"))
    );
    let script = script
        .intent(&report().lane())
        .reported(RefundState::Success);
    let entry = orders::ours(CancellationState::Success, &script.alias());
    let order = orders::cancelled(entry, vec![orders::refund(RefundState::Success)]);
    let script = sound(script.after(Duration::from_hours(25)).read(order));
    assert_eq!(script.state.outcome(), Some("cancelled"));
}

#[test]
fn paid_by_hand_keeps_to_what_amazon_asks_for() {
    refused(&due(), paid_by_hand(44_00));
    refused(&due(), paid_by_hand(0));
    refused(&due().intent(&pay().lane()), paid_by_hand(43_99));
    let unknown = Fact::RefundPaid {
        refund_id: orders::id("R9"),
        payment_id: orders::id("c"),
        amount: usd(1),
    };
    refused(&due(), unknown);
    let settles = sound(
        due()
            .intent(&pay().lane())
            .unknown(pay())
            .resolve(paid_by_hand(43_99)),
    );
    assert!(!settles.state.case.in_doubt());
}

#[test]
fn paid_by_hand_is_not_less_than_what_was_reported() {
    let partly = due()
        .intent(&pay().lane())
        .paid(PayoutState::Partial, usd(10_00));
    let partly = partly
        .intent(&report().lane())
        .reported(RefundState::Partial);
    refused(&partly, paid_by_hand(9_99));
    let script = sound(partly.resolve(paid_by_hand(43_99)));
    let reported = script
        .effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::ReportRefund(report) => Some((report.total, report.payments[0].amount)),
            _ => None,
        });
    assert_eq!(reported, Some((usd(43_99), Some(usd(33_99)))));
}

#[test]
fn not_due_is_reported_as_rejected() {
    let script = sound(due().resolve(not_due()));
    assert!(
        agenda(&script)
            .iter()
            .all(|line| !line.starts_with("pay_refund/"))
    );
    let script = sound(
        script
            .intent(&report().lane())
            .reported(RefundState::Rejected),
    );
    assert_eq!(
        script.state.case.milestones.queue.len(),
        1,
        "the OMS hears of it"
    );
    refused(&due().intent(&pay().lane()), not_due());
    refused(&due().intent(&pay().lane()).crash(), not_due());
    refused(
        &due()
            .intent(&pay().lane())
            .paid(PayoutState::Success, usd(43_99)),
        not_due(),
    );
}

#[test]
fn not_due_after_a_reported_failure_leaves_nothing_to_say() {
    let failed = due()
        .intent(&pay().lane())
        .paid(PayoutState::Failure, usd(0))
        .told();
    let reported = failed
        .intent(&report().lane())
        .reported(RefundState::Failure);
    let script = sound(reported.resolve(not_due()));
    assert!(
        agenda(&script)
            .iter()
            .all(|line| !line.contains("_refund/")),
        "{:?}",
        agenda(&script)
    );
}

#[test]
fn the_oms_was_told_by_other_means() {
    let script = in_flight().accepted(CancellationState::Pending);
    assert!(
        agenda(&script)
            .iter()
            .any(|line| line.starts_with("update_oms"))
    );
    let script = sound(script.resolve(Fact::OmsTold));
    assert_eq!(agenda(&script), ["read_order poll"]);
    refused(&script, Fact::OmsTold);
}

#[test]
fn a_lane_that_stopped_is_forgotten_once_there_is_nothing_left_in_it() {
    let stopped = |script: Script, lane: String| {
        script.input(Input::AttentionRaised {
            lane,
            failures: 20,
            error: "503".to_owned(),
            limited: false,
        })
    };
    let script = stopped(due(), pay().lane());
    assert_eq!(attention(&script), ["attempts_exhausted"]);
    assert_eq!(
        attention(&script.clone().operator(Action::Retry)),
        Vec::<&str>::new()
    );
    assert_eq!(
        attention(&sound(script.resolve(paid_by_hand(43_99)))),
        Vec::<&str>::new()
    );
    let script = stopped(in_flight().crash(), Mutation::CancelOrder.lane());
    assert_eq!(
        attention(&sound(script.resolve(Fact::Cancelled))),
        Vec::<&str>::new()
    );
}

#[test]
fn who_did_it_is_kept() {
    let script = due().operator(Action::Note {
        text: "called the shopper".to_owned(),
    });
    let (input, _) = script.entries.last().unwrap();
    assert_eq!(Cancellation::default().actor(input), Some("kim"));
    assert!(Cancellation::default().always_recorded(input));
}

#[test]
fn attention_is_shown_with_what_can_be_done() {
    let script = due().intent(&pay().lane()).refused(pay());
    let facts = |due_at| RowFacts {
        id: script.id().clone(),
        revision: script.seq(),
        created_at: script.opened.at,
        updated_at: script.now(),
        finished_at: None,
        due_at,
        attempt: 0,
        last_error: None,
        now: script.now(),
    };
    let view = View::new(&script.state, facts(Some(script.now())));
    assert_eq!(view.status, Status::Attention);
    let attention = view.attention.unwrap();
    assert!(
        attention.why.starts_with("payout_failed: "),
        "{}",
        attention.why
    );
    assert!(
        attention.suggest.contains(&"retry c-1".to_owned()),
        "{:?}",
        attention.suggest
    );
    let due_later = script.now().plus(Duration::from_secs(1));
    let waiting = View::new(&due().state, facts(Some(due_later)));
    assert_eq!(
        (waiting.status, waiting.next_at),
        (Status::Waiting, Some(due_later))
    );
    let running = View::new(&due().state, facts(None));
    assert_eq!(running.status, Status::Running);
}
