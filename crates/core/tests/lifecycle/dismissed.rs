//! What an event named, no read shows, and a person settles.

use std::time::Duration;

use countermand_core::cancellation::Prior;
use countermand_core::cancellation::effect::Patience;
use countermand_core::cancellation::exemplars::orders::{self, PACKAGE_A};
use countermand_core::cancellation::exemplars::{Script, package_event, refund_event};
use countermand_core::cancellation::input::{Action, EventType, Fact, Input};
use countermand_core::cancellation::order::{CancellationState, Order, RefundDetails, RefundState};
use countermand_core::{PaymentId, RefundId};

use crate::{agenda, attention, sound};

fn cancelled(refunds: Vec<RefundDetails>) -> Order {
    let alias = Script::requested().alias();
    orders::cancelled(orders::ours(CancellationState::Success, &alias), refunds)
}

/// The order is cancelled, an event named a refund, and for longer than the patience and the grace
/// no read has shown it.
fn not_visible() -> Script {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(CancellationState::Pending)
        .read(cancelled(Vec::new()))
        .told()
        .input(Input::EventReceived(refund_event()))
        .after(Duration::from_hours(25))
        .read(cancelled(Vec::new()))
        .timer(Patience::Look);
    assert_eq!(attention(&script), ["not_visible"]);
    script
}

fn refund() -> RefundId {
    orders::id(orders::REFUND)
}

fn not_due() -> Fact {
    Fact::RefundNotDue {
        refund_id: refund(),
    }
}

fn pays(script: &Script) -> bool {
    agenda(script)
        .iter()
        .any(|line| line.starts_with("pay_refund/"))
}

#[test]
fn either_word_ends_it() {
    for fact in [Fact::EventWrong, not_due()] {
        let script = sound(not_visible().resolve(fact));
        assert_eq!(script.state.outcome(), Some("cancelled"));
        assert_eq!(attention(&script), Vec::<&str>::new());
    }
}

#[test]
fn a_retry_only_buys_time() {
    let script = not_visible()
        .operator(Action::Retry)
        .read(cancelled(Vec::new()));
    assert_eq!(attention(&script), Vec::<&str>::new());
    assert_eq!(script.state.case.looks.len(), 1);
    let script = script.after(Duration::from_hours(1)).timer(Patience::Look);
    assert_eq!(attention(&script), ["not_visible"]);
}

#[test]
fn nobody_is_asked_before_the_patience_is_over() {
    let early = Script::requested().input(Input::EventReceived(refund_event()));
    assert_eq!(early.state.case.looks.len(), 1);
    let script = early.clone().resolve(Fact::EventWrong);
    assert_eq!(script.turned_down.len(), 1, "{:?}", script.turned_down);
    // Of a refund it is said by name: that can be said at any time.
    assert!(sound(early.resolve(not_due())).state.case.looks.is_empty());
    let unknown = Fact::RefundNotDue {
        refund_id: orders::id("R9"),
    };
    assert_eq!(not_visible().resolve(unknown).turned_down.len(), 1);
}

/// The same, and the order is not decided: it goes on when the look is settled.
fn undecided(fact: Fact) -> Script {
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(CancellationState::Pending)
        .told()
        .input(Input::EventReceived(refund_event()))
        .after(Duration::from_hours(1))
        .timer(Patience::Look);
    sound(script.resolve(fact))
}

#[test]
fn the_same_event_is_not_owed_another_look() {
    for fact in [Fact::EventWrong, not_due()] {
        let script = undecided(fact).input(Input::EventReceived(refund_event()));
        assert!(script.state.case.looks.is_empty());
        // Another kind of event about the refund is the same news.
        let mut completed = refund_event();
        completed.event_type = EventType::RefundCompleted;
        let script = script.input(Input::EventReceived(completed));
        assert!(script.state.case.looks.is_empty());
    }
}

#[test]
fn a_refund_that_shows_after_all_is_paid_unless_that_was_ruled_out() {
    let pending = || cancelled(vec![orders::refund(RefundState::Pending)]);
    let script = sound(undecided(Fact::EventWrong).read(pending()));
    assert_eq!(attention(&script), Vec::<&str>::new());
    assert!(pays(&script), "{:?}", agenda(&script));

    let script = sound(undecided(not_due()).read(pending()));
    assert_eq!(attention(&script), ["refund_unclear"]);
    assert!(!pays(&script), "{:?}", agenda(&script));
    // A read that shows the same again, and a retry, change nothing.
    let script = sound(script.operator(Action::Retry).read(pending()));
    assert_eq!(attention(&script), ["refund_unclear"]);
    assert!(!pays(&script), "{:?}", agenda(&script));
    // It does not end before a person has spoken.
    let waits = sound(
        script
            .after(Duration::from_hours(25))
            .told()
            .read(pending()),
    );
    assert_eq!(waits.state.outcome(), None);
    let said = sound(waits.clone().resolve(not_due()));
    assert_eq!(attention(&said), Vec::<&str>::new());
    assert!(
        agenda(&said)
            .iter()
            .any(|line| line.starts_with("report_refund/"))
    );
    let paid = Fact::RefundPaid {
        refund_id: refund(),
        payment_id: orders::id::<PaymentId>("cheque-7"),
        amount: orders::usd(43_99),
    };
    let said = sound(waits.resolve(paid));
    assert_eq!(attention(&said), Vec::<&str>::new());
    assert!(!pays(&said), "{:?}", agenda(&said));
}

#[test]
fn a_later_cancellation_remembers_it() {
    let prior = Prior::of([&not_visible().resolve(not_due()).state]);
    let again = Script::observed(prior);
    assert!(again.state.case.looks.is_empty());
    let shown = sound(
        again
            .clone()
            .read(cancelled(vec![orders::refund(RefundState::Pending)])),
    );
    assert!(attention(&shown).contains(&"refund_unclear"));
    assert!(!pays(&shown), "{:?}", agenda(&shown));
    let nothing = again
        .after(Duration::from_hours(1))
        .read(orders::all_pending());
    assert_eq!(nothing.state.outcome(), Some("nothing_to_do"));
}

#[test]
fn of_a_package_only_that_kind_of_event_was_wrong() {
    let event = |kind| Input::EventReceived(package_event(kind, PACKAGE_A));
    let script = Script::requested()
        .read(orders::all_pending())
        .intent("cancel_order")
        .accepted(CancellationState::Pending)
        .told()
        .input(event(EventType::PackageDelivered))
        .after(Duration::from_hours(1))
        .read(orders::all_pending())
        .timer(Patience::Look);
    assert_eq!(attention(&script), ["not_visible"]);
    let script = sound(script.resolve(Fact::EventWrong));
    assert_eq!(attention(&script), Vec::<&str>::new());
    let script = script.input(event(EventType::PackageDelivered));
    assert!(script.state.case.looks.is_empty());
    let script = script.input(event(EventType::PackageDeliveryInTransit));
    assert_eq!(script.state.case.looks.len(), 1);
}
