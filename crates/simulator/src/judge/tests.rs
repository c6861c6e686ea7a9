//! The judge must find what is wrong: each test plants one defect into a world that was right.

mod people;

use rust_decimal::Decimal;

use super::*;
use crate::ledger::{
    AliasRecord, CancelCall, CancellationRecord, EventRecord, OmsMessage, OrderRecord,
    PackageRecord, Payment, PaymentPart, PaymentState, PayoutCall, RefundRecord, ReportCall,
};
use crate::scenario::Scenario;

fn money(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn alias(id: &str) -> AliasRecord {
    AliasRecord {
        alias_id: id.to_owned(),
        alias_type: "EXT_CANCEL_ID".to_owned(),
    }
}

fn message(order: &str, id: &str, kind: &str, revision: u64, seq: u64) -> OmsMessage {
    OmsMessage {
        webhook_id: if kind == "refund.updated" {
            format!("{order}-{id}:refund_updated:r-{order}:1")
        } else {
            format!("{order}-{id}")
        },
        kind: kind.to_owned(),
        order_id: order.to_owned(),
        cancellation_id: format!("c-{order}"),
        revision: Some(revision),
        refund_ids: if kind == "refund.updated" {
            vec![format!("r-{order}")]
        } else {
            Vec::new()
        },
        deliveries: vec![seq],
        first_at: String::new(),
        body_sha256: "00".to_owned(),
        byte_identical: true,
    }
}

fn order(id: &str, package: &str) -> OrderRecord {
    OrderRecord {
        order_id: id.to_owned(),
        scenario: Scenario::Happy,
        exists: true,
        reads: 1,
        packages: vec![PackageRecord {
            id: format!("p-{id}"),
            state: package.to_owned(),
            reason: None,
        }],
        cancellations: Vec::new(),
        refunds: Vec::new(),
    }
}

fn entry(state: &str, by: &str) -> CancellationRecord {
    CancellationRecord {
        state: state.to_owned(),
        requested_by: by.to_owned(),
        aliases: Vec::new(),
    }
}

/// The entry that our call led to.
fn ours(state: &str, id: &str) -> CancellationRecord {
    CancellationRecord {
        aliases: vec![alias(&format!("a-{id}"))],
        ..entry(state, "MERCHANT")
    }
}

fn cancel(id: &str) -> CancelCall {
    CancelCall {
        seq: 1,
        at: String::new(),
        order_id: id.to_owned(),
        aliases: vec![alias(&format!("a-{id}"))],
        accepted: true,
        error: None,
        beside_visible: false,
    }
}

fn refund(id: &str, amount: &str) -> RefundRecord {
    RefundRecord {
        id: format!("r-{id}"),
        state: "SUCCESS".to_owned(),
        reason: "CANCELLED_ORDER".to_owned(),
        amount: money(amount),
        currency: "USD".to_owned(),
        reported_total: Some(money(amount)),
        payments: vec![PaymentPart {
            id: Some(format!("pay-{id}")),
            amount: Some(money(amount)),
            currency: Some("USD".to_owned()),
        }],
        by_others: false,
    }
}

fn payout(id: &str, key: &str, amount: &str) -> PayoutCall {
    PayoutCall {
        seq: 3,
        at: String::new(),
        key: key.to_owned(),
        order_id: id.to_owned(),
        refund_id: format!("r-{id}"),
        amount: money(amount),
        currency: "USD".to_owned(),
        effect: true,
        payment_id: Some(format!("pay-{id}-{key}")),
        error: None,
        open_at_amazon: true,
    }
}

fn payment(id: &str, key: &str, amount: &str) -> Payment {
    Payment {
        seq: 3,
        payment_id: format!("pay-{id}-{key}"),
        key: key.to_owned(),
        order_id: id.to_owned(),
        refund_id: format!("r-{id}"),
        state: PaymentState::Success,
        amount: money(amount),
        paid: money(amount),
        currency: "USD".to_owned(),
    }
}

/// One order cancelled by us and refunded, one that had shipped, one that the shopper cancelled and
/// that nobody asked for.
fn right() -> (Vec<Asked>, Ledger) {
    let mut ledger = Ledger::default();

    let mut happy = order("A", "CANCELLED");
    happy.cancellations.push(ours("SUCCESS", "A"));
    happy.refunds.push(refund("A", "43.99"));
    ledger.orders.push(happy);
    ledger.cancels.push(cancel("A"));
    ledger.payouts.push(payout("A", "k", "43.99"));
    ledger.payments.push(payment("A", "k", "43.99"));
    ledger.reports.push(ReportCall {
        seq: 5,
        at: String::new(),
        order_id: "A".to_owned(),
        refund_id: Some("r-A".to_owned()),
        state: Some("SUCCESS".to_owned()),
        total: Some(money("43.99")),
        currency: Some("USD".to_owned()),
        payments: Vec::new(),
        accepted: true,
        error: None,
    });
    ledger
        .oms
        .push(message("A", "1", "cancellation.pending", 4, 2));
    ledger
        .oms
        .push(message("A", "2", "cancellation.succeeded", 7, 4));
    ledger.oms.push(message("A", "3", "refund.updated", 9, 6));

    ledger.orders.push(order("B", "IN_TRANSIT"));
    ledger
        .oms
        .push(message("B", "1", "cancellation.rejected", 2, 7));

    let mut observed = order("C", "CANCELLED");
    observed.cancellations.push(entry("SUCCESS", "SHOPPER"));
    observed.refunds.push(refund("C", "12.00"));
    ledger.orders.push(observed);
    ledger.events.push(EventRecord {
        seq: 8,
        event_id: "e".to_owned(),
        event_type: "REFUND_REQUESTED".to_owned(),
        order_id: "C".to_owned(),
        subject_id: "r-C".to_owned(),
        copies: 1,
        attempts: 1,
        acknowledged: 1,
        first_acknowledged_at: None,
        last_error: None,
    });
    ledger.payouts.push(payout("C", "k", "12.00"));
    ledger.payments.push(payment("C", "k", "12.00"));
    ledger
        .oms
        .push(message("C", "1", "cancellation.succeeded", 2, 9));
    ledger.oms.push(message("C", "2", "refund.updated", 4, 10));

    let asked = vec![
        Asked {
            order_id: "A".to_owned(),
            cancellation_id: Some("c-A".to_owned()),
        },
        Asked::order("B"),
    ];
    (asked, ledger)
}

fn planted(plant: impl FnOnce(&mut Vec<Asked>, &mut Ledger)) -> Proof {
    let (mut asked, mut ledger) = right();
    plant(&mut asked, &mut ledger);
    let proof = judge(&asked, &ledger);
    assert!(!proof.ok, "the defect was not found: {proof:#?}");
    assert!(proof.rows.iter().any(|row| !row.ok));
    proof
}

fn says(findings: &[Finding], order: &str, part: &str) {
    assert!(
        findings
            .iter()
            .any(|finding| finding.order_id == order && finding.what.contains(part)),
        "no {part:?} about {order:?} in {findings:#?}"
    );
}

#[test]
fn what_is_right_is_right() {
    let (asked, ledger) = right();
    let proof = judge(&asked, &ledger);
    assert!(proof.ok, "{proof:#?}");
    assert!(proof.lost.is_empty() && proof.doubled.is_empty());
    assert!(proof.stuck.is_empty() && proof.wrong.is_empty());
    let row = |name: &str| proof.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("orders asked for").expected, "2");
    let cancels = row("cancelOrder calls that took effect");
    assert_eq!((&*cancels.expected, &*cancels.seen), ("1", "1"));
    assert_eq!(
        proof.rightly_not,
        [("a package had left".to_owned(), 1)].into()
    );
    assert_eq!(row("money paid").seen, "55.99 USD");
    assert_eq!(row("refunds above 0 paid exactly once").seen, "2");
    assert_eq!(row("outcomes told to the OMS").seen, "3");
}

#[test]
fn a_proof_about_nothing_proves_nothing() {
    assert!(!judge(&[], &Ledger::default()).ok);
    let (_, ledger) = right();
    assert!(!judge(&[], &ledger).ok);
}

#[test]
fn an_unknown_order() {
    let proof = planted(|asked, _| asked.push(Asked::order("Z")));
    says(&proof.lost, "Z", "does not know");
}

#[test]
fn an_order_that_was_never_cancelled() {
    let proof = planted(|asked, ledger| {
        ledger.orders.push(order("D", "PENDING"));
        asked.push(Asked::order("D"));
    });
    says(&proof.lost, "D", "never cancelled");
    says(&proof.lost, "D", "cancellation.rejected");
}

/// An engine that asks wrongly is refused for every order: that is no reason to be content.
#[test]
fn a_refusal_for_what_was_said_excuses_nothing() {
    let proof = planted(|_, ledger| {
        ledger.orders[0] = order("A", "PENDING");
        ledger.cancels[0].accepted = false;
        ledger.cancels[0].error = Some("INVENTED_TooManyAliases".to_owned());
    });
    says(&proof.lost, "A", "never cancelled");
    says(&proof.wrong, "A", "refused: INVENTED_TooManyAliases");
    let row = |name: &str| proof.rows.iter().find(|row| row.name == name).unwrap();
    let cancels = row("cancelOrder calls that took effect");
    assert_eq!((&*cancels.expected, &*cancels.seen), ("1", "0"));
}

#[test]
fn a_refusal_for_what_the_order_is_excuses_it() {
    let (asked, mut ledger) = right();
    let mut refused = cancel("B");
    refused.accepted = false;
    refused.error = Some(crate::ledger::NOT_CANCELLABLE.to_owned());
    ledger.cancels.push(refused);
    let proof = judge(&asked, &ledger);
    assert!(proof.ok, "{proof:#?}");
    assert_eq!(proof.rightly_not, [("Amazon refused".to_owned(), 1)].into());
}

#[test]
fn a_report_before_the_payment() {
    let proof = planted(|_, ledger| ledger.reports[0].seq = 2);
    says(&proof.wrong, "A", "reported before it was paid");
}

#[test]
fn a_rejection_told_of_what_was_carried_out() {
    let proof = planted(|_, ledger| {
        ledger.oms[1].kind = "cancellation.rejected".to_owned();
        ledger.oms[2].kind = "cancellation.succeeded".to_owned();
    });
    says(&proof.wrong, "A", "told of a rejection");
}

#[test]
fn a_rejection_after_a_success_whatever_lies_between() {
    let proof = planted(|_, ledger| {
        let late = message("C", "3", "cancellation.rejected", 5, 11);
        ledger.oms.push(late);
    });
    says(&proof.wrong, "C", "cancellation.rejected came after");
}

#[test]
fn a_cancel_that_took_effect_twice() {
    let proof = planted(|_, ledger| {
        let mut again = cancel("A");
        again.aliases = vec![alias("another")];
        ledger.cancels.push(again);
    });
    says(&proof.doubled, "A", "2 cancelOrder calls");
}

#[test]
fn an_alias_that_was_sent_twice_even_when_asked_twice() {
    let proof = planted(|asked, ledger| {
        asked.push(Asked::order("A"));
        ledger.cancels.push(cancel("A"));
    });
    says(&proof.doubled, "A", "sent twice");
}

#[test]
fn a_cancel_without_an_alias() {
    let proof = planted(|_, ledger| ledger.cancels[0].aliases.clear());
    says(&proof.wrong, "A", "without an alias");
}

#[test]
fn a_cancel_beside_a_visible_one() {
    let proof = planted(|_, ledger| ledger.cancels[0].beside_visible = true);
    says(&proof.doubled, "A", "could be seen");
}

#[test]
fn a_cancel_that_nobody_asked_for() {
    let proof = planted(|_, ledger| ledger.cancels.push(cancel("C")));
    says(&proof.wrong, "C", "nobody asked");
}

#[test]
fn a_cancellation_that_is_never_decided() {
    let proof = planted(|_, ledger| {
        "PENDING".clone_into(&mut ledger.orders[0].cancellations[0].state);
    });
    says(&proof.stuck, "A", "still pending");
}

#[test]
fn a_refund_that_was_lost() {
    let proof = planted(|_, ledger| ledger.payments.retain(|payment| payment.order_id != "A"));
    says(&proof.lost, "A", "never paid");
}

#[test]
fn a_refund_of_an_observed_order_that_was_lost() {
    let proof = planted(|_, ledger| ledger.payments.retain(|payment| payment.order_id != "C"));
    says(&proof.lost, "C", "never paid");
}

#[test]
fn a_refund_that_was_paid_twice() {
    let proof = planted(|_, ledger| {
        ledger.payouts.push(payout("A", "k2", "43.99"));
        ledger.payments.push(payment("A", "k2", "43.99"));
    });
    says(&proof.doubled, "A", "paid 2 times");
}

#[test]
fn a_payment_that_is_not_finished_and_one_that_failed() {
    let proof = planted(|_, ledger| ledger.payments[0].state = PaymentState::Partial);
    says(&proof.stuck, "A", "not finished");
    let proof = planted(|_, ledger| {
        ledger.payments[0].state = PaymentState::Failure;
        ledger.payments[0].paid = Decimal::ZERO;
    });
    says(&proof.stuck, "A", "failed");
}

#[test]
fn a_wrong_amount_and_a_wrong_currency() {
    let proof = planted(|_, ledger| {
        ledger.payments[0].amount = money("43.98");
        ledger.payments[0].paid = money("43.98");
    });
    says(&proof.wrong, "A", "paid were 43.98 USD");
    let proof = planted(|_, ledger| "EUR".clone_into(&mut ledger.payments[0].currency));
    says(&proof.wrong, "A", "paid were 43.99 EUR");
}

#[test]
fn a_payment_that_stopped_half_way_but_calls_itself_done() {
    let proof = planted(|_, ledger| ledger.payments[0].paid = money("20.00"));
    says(&proof.wrong, "A", "is 43.99 USD, paid were 20.00 USD");
}

#[test]
fn a_payment_that_was_not_due() {
    let proof = planted(|_, ledger| {
        ledger.payments.push(payment("B", "k", "5.00"));
    });
    says(&proof.wrong, "B", "not due");
    let proof = planted(|_, ledger| ledger.payouts[0].open_at_amazon = false);
    says(&proof.wrong, "A", "was not open");
}

#[test]
fn a_payout_of_an_order_that_nobody_heard_of() {
    let proof = planted(|_, ledger| ledger.events.clear());
    says(&proof.wrong, "C", "not due");
}

#[test]
fn a_key_that_was_used_for_something_else() {
    let proof = planted(|_, ledger| {
        let mut call = payout("A", "k", "1.00");
        call.effect = false;
        call.error = Some("another body".to_owned());
        ledger.payouts.push(call);
    });
    says(&proof.wrong, "A", "another body");
}

#[test]
fn a_refund_that_was_not_reported_or_not_rightly() {
    let set = |state: &'static str, total: Option<&'static str>| {
        planted(move |_, ledger| {
            let refund = &mut ledger.orders[0].refunds[0];
            state.clone_into(&mut refund.state);
            refund.reported_total = total.map(money);
            refund.payments.clear();
        })
    };
    says(&set("PENDING", None).lost, "A", "never reported");
    says(&set("PARTIAL", Some("20.00")).stuck, "A", "still PARTIAL");
    says(&set("FAILURE", Some("0")).stuck, "A", "still FAILURE");
    says(&set("SUCCESS", Some("43.98")).wrong, "A", "43.98");
    says(&set("SUCCESS", None).wrong, "A", "nothing");
    says(&set("REJECTED", Some("0")).wrong, "A", "REJECTED");
}

#[test]
fn a_payment_that_was_booked_twice() {
    let proof = planted(|_, ledger| {
        let refund = &mut ledger.orders[0].refunds[0];
        let again = refund.payments[0].clone();
        refund.payments.push(again);
    });
    says(&proof.doubled, "A", "booked twice");
}

#[test]
fn booked_payments_that_do_not_add_up() {
    let proof = planted(|_, ledger| {
        ledger.orders[0].refunds[0].payments[0].amount = Some(money("40.00"));
    });
    says(&proof.wrong, "A", "add up");
}

#[test]
fn an_outcome_that_was_never_told() {
    for (order, kind) in [
        ("A", "cancellation.succeeded"),
        ("B", "cancellation.rejected"),
        ("C", "cancellation.succeeded"),
    ] {
        let proof = planted(|_, ledger| {
            ledger
                .oms
                .retain(|message| message.order_id != order || message.kind != kind);
        });
        says(&proof.lost, order, kind);
    }
}

#[test]
fn an_outcome_that_was_told_of_another_cancellation() {
    let proof = planted(|_, ledger| {
        for message in &mut ledger.oms {
            "c-other".clone_into(&mut message.cancellation_id);
        }
    });
    says(&proof.lost, "A", "the outcome of c-A");
}

#[test]
fn a_refund_that_was_never_told() {
    let proof = planted(|_, ledger| {
        ledger
            .oms
            .retain(|message| message.kind != "refund.updated");
    });
    says(&proof.lost, "A", "of refund r-A");
    says(&proof.lost, "C", "of refund r-C");
}

#[test]
fn a_milestone_under_two_ids() {
    let proof = planted(|_, ledger| {
        ledger
            .oms
            .push(message("A", "4", "cancellation.succeeded", 11, 20));
    });
    says(&proof.doubled, "A", "under 2 ids");
    let proof = planted(|_, ledger| {
        ledger
            .oms
            .push(message("B", "4", "cancellation.rejected", 11, 20));
    });
    says(&proof.doubled, "B", "under 2 ids");
}

#[test]
fn messages_out_of_order() {
    // First arrivals swapped: revision 7 before revision 4.
    let proof = planted(|_, ledger| {
        ledger.oms.swap(0, 1);
        ledger.oms[0].deliveries = vec![2];
        ledger.oms[1].deliveries = vec![4];
    });
    says(&proof.wrong, "A", "came after");
    // The first message again, after a later one.
    let proof = planted(|_, ledger| ledger.oms[0].deliveries = vec![2, 5]);
    says(&proof.wrong, "A", "came again after a later message");
    // Pending after the outcome, with revisions that pretend otherwise.
    let proof = planted(|_, ledger| {
        ledger.oms[0].deliveries = vec![5];
        ledger.oms[0].revision = Some(8);
        ledger.oms.swap(0, 1);
    });
    says(&proof.wrong, "A", "cancellation.pending came after");
    let proof = planted(|_, ledger| ledger.oms[0].revision = None);
    says(&proof.wrong, "A", "no revision");
}

#[test]
fn redeliveries_in_their_turn_are_welcome() {
    let (asked, mut ledger) = right();
    ledger.oms[0].deliveries = vec![2, 3];
    ledger.oms[2].deliveries = vec![6, 11, 12];
    assert!(judge(&asked, &ledger).ok);
}

#[test]
fn another_body_under_the_same_id() {
    let proof = planted(|_, ledger| ledger.oms[0].byte_identical = false);
    says(&proof.wrong, "A", "another body");
}

#[test]
fn a_success_that_amazon_does_not_know() {
    let proof = planted(|_, ledger| {
        ledger
            .oms
            .push(message("B", "2", "cancellation.succeeded", 9, 20));
    });
    says(&proof.wrong, "B", "does not know");
}

#[test]
fn a_message_that_is_no_milestone() {
    let proof = planted(|_, ledger| {
        ledger
            .oms
            .push(message("B", "2", "cancellation.maybe", 9, 20));
    });
    says(&proof.wrong, "B", "no milestone");
}

#[test]
fn a_message_that_was_turned_away() {
    let proof = planted(|_, ledger| ledger.oms_invalid.push("x: bad signature".to_owned()));
    says(&proof.wrong, "", "bad signature");
}

#[test]
fn absurd_amounts_are_judged_like_any_other() {
    let proof = planted(|_, ledger| {
        for payment in &mut ledger.payments {
            payment.amount = Decimal::MAX;
            payment.paid = Decimal::MAX;
        }
        let refund = &mut ledger.orders[0].refunds[0];
        refund.payments[0].amount = Some(Decimal::MAX);
        let again = refund.payments[0].clone();
        refund.payments.push(again);
    });
    says(&proof.wrong, "A", "paid were");
}
