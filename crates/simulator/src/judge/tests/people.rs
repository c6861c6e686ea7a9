//! Where people had to help, and where others acted beside us: what they did excuses what it
//! explains, and no more.

use super::*;

fn word(order: &str, fact: PersonsFact) -> PersonsWord {
    PersonsWord::of(order, fact)
}

fn paid_by_hand(payment: &str, amount: &str) -> PersonsFact {
    PersonsFact::RefundPaid {
        refund_id: "r-A".to_owned(),
        payment_id: payment.to_owned(),
        amount: money(amount),
    }
}

fn not_due() -> PersonsFact {
    PersonsFact::RefundNotDue {
        refund_id: "r-A".to_owned(),
    }
}

/// The world that was right, changed; then judged with and without the word.
fn weighed(fact: PersonsFact, change: impl FnOnce(&mut Vec<Asked>, &mut Ledger)) -> (Proof, Proof) {
    let (mut asked, mut ledger) = right();
    change(&mut asked, &mut ledger);
    let words = [word("A", fact)];
    (judge_with(&asked, &words, &ledger), judge(&asked, &ledger))
}

fn needs_the_word(fact: PersonsFact, change: impl FnOnce(&mut Vec<Asked>, &mut Ledger)) {
    let (with, without) = weighed(fact, change);
    assert!(with.ok, "{with:#?}");
    assert!(!without.ok, "it was right without the word, too");
}

fn unpaid(ledger: &mut Ledger) {
    ledger.payments.retain(|payment| payment.order_id != "A");
    ledger.payouts.retain(|call| call.order_id != "A");
}

#[test]
fn a_request_that_was_withdrawn() {
    needs_the_word(PersonsFact::Withdrawn, |_, ledger| {
        unpaid(ledger);
        ledger.cancels.clear();
        ledger.orders[0] = order("A", "PENDING");
        ledger.oms.retain(|message| message.order_id != "A");
        let told = message("A", "1", "cancellation.rejected", 2, 1);
        ledger.oms.push(told);
    });
}

#[test]
fn a_request_for_no_order_that_was_withdrawn() {
    needs_the_word(PersonsFact::Withdrawn, |_, ledger| {
        unpaid(ledger);
        ledger.cancels.clear();
        ledger.orders[0] = order("A", "PENDING");
        ledger.orders[0].exists = false;
        ledger.oms.retain(|message| message.order_id != "A");
        let told = message("A", "1", "cancellation.rejected", 2, 1);
        ledger.oms.push(told);
    });
}

#[test]
fn what_was_withdrawn_must_not_be_cancelled() {
    let (with, _) = weighed(PersonsFact::Withdrawn, |_, _| {});
    says(&with.wrong, "A", "withdrawn");
}

#[test]
fn a_cancellation_that_a_person_decided() {
    for (fact, told) in [
        (PersonsFact::Cancelled, "cancellation.succeeded"),
        (PersonsFact::Rejected, "cancellation.rejected"),
    ] {
        needs_the_word(fact, |_, ledger| {
            unpaid(ledger);
            ledger.orders[0] = order("A", "PENDING");
            ledger.orders[0].cancellations.push(ours("PENDING", "A"));
            ledger.oms.retain(|message| message.order_id != "A");
            ledger.oms.push(message("A", "1", told, 2, 1));
        });
    }
}

#[test]
fn a_refund_that_was_paid_by_hand() {
    needs_the_word(paid_by_hand("cheque", "40.00"), |_, ledger| {
        unpaid(ledger);
        ledger.orders[0].refunds[0].reported_total = Some(money("40.00"));
        ledger.orders[0].refunds[0].payments[0].amount = Some(money("40.00"));
    });
}

#[test]
fn a_refund_that_was_paid_by_hand_and_by_the_provider() {
    let (with, _) = weighed(paid_by_hand("cheque", "43.99"), |_, _| {});
    says(&with.doubled, "A", "by hand and by the provider");
    // The same payment, named by a person.
    let (with, _) = weighed(paid_by_hand("pay-A-k", "43.99"), |_, _| {});
    assert!(with.ok, "{with:#?}");
}

#[test]
fn a_payment_that_differed_and_was_looked_into() {
    needs_the_word(paid_by_hand("pay-A-k", "21.99"), |_, ledger| {
        ledger.payments[0].paid = money("21.99");
        ledger.orders[0].refunds[0].reported_total = Some(money("21.99"));
        ledger.orders[0].refunds[0].payments[0].amount = Some(money("21.99"));
    });
}

#[test]
fn a_report_of_something_else_than_was_said() {
    let (with, _) = weighed(paid_by_hand("cheque", "40.00"), |_, ledger| unpaid(ledger));
    says(&with.wrong, "A", "is 40.00, reported was 43.99");
}

#[test]
fn a_refund_that_a_person_gave_up() {
    needs_the_word(not_due(), |_, ledger| {
        unpaid(ledger);
        let refund = &mut ledger.orders[0].refunds[0];
        refund.state = "REJECTED".to_owned();
        refund.reported_total = Some(Decimal::ZERO);
        refund.payments.clear();
    });
    let (with, _) = weighed(not_due(), |_, _| {});
    says(&with.wrong, "A", "not due");
    says(&with.wrong, "A", "is not to be paid, and is SUCCESS");
}

#[test]
fn an_oms_that_was_told_by_hand() {
    needs_the_word(PersonsFact::OmsTold, |_, ledger| {
        ledger.oms.retain(|message| message.order_id != "A");
    });
}

#[test]
fn a_refund_that_somebody_else_brought_to_its_end() {
    let (asked, mut ledger) = right();
    unpaid(&mut ledger);
    ledger.reports.clear();
    ledger.orders[0].refunds[0].by_others = true;
    let proof = judge(&asked, &ledger);
    assert!(proof.ok, "{proof:#?}");
    // The OMS hears of it, whoever did it, and once.
    let told = ledger.oms.iter();
    let is_it = |it: &&OmsMessage| it.kind == "refund.updated" && it.order_id == "A";
    let told = told.clone().find(is_it).unwrap().clone();
    let mut silent = ledger.clone();
    silent.oms.retain(|it| it.webhook_id != told.webhook_id);
    says(&judge(&asked, &silent).lost, "A", "of refund r-A");
    let mut twice = ledger.clone();
    let mut again = told.clone();
    again.webhook_id = again.webhook_id.replace(":1", ":2");
    twice.oms.push(again);
    says(&judge(&asked, &twice).doubled, "A", "told 2 times");
    // A message about another refund that lists this one does not count.
    let mut other = ledger.clone();
    for message in &mut other.oms {
        message.webhook_id = message.webhook_id.replace(":r-A:", ":r-other:");
    }
    says(&judge(&asked, &other).lost, "A", "of refund r-A");
    // Paid all the same.
    ledger.payments.push(payment("A", "k", "43.99"));
    says(&judge(&asked, &ledger).wrong, "A", "not due");
    ledger.payments.pop();
    // Left half way: nothing to tell yet.
    ledger.oms.retain(|it| it.webhook_id != told.webhook_id);
    ledger.orders[0].refunds[0].state = "PARTIAL".to_owned();
    assert_eq!(judge(&asked, &ledger).lost, []);
    says(&judge(&asked, &ledger).stuck, "A", "still PARTIAL");
}

#[test]
fn a_report_of_a_refund_that_is_somebody_elses() {
    let proof = planted(|_, ledger| ledger.orders[0].refunds[0].by_others = true);
    says(&proof.wrong, "A", "somebody else's");
}

/// Ours was rejected, and then a shopper's succeeded.
fn overtaken(asked: &mut [Asked], ledger: &mut Ledger) {
    asked[0].cancellation_id = Some("first".to_owned());
    let entries = &mut ledger.orders[0].cancellations;
    *entries = vec![ours("REJECTED", "A"), entry("SUCCESS", "SHOPPER")];
    let mut told = message("A", "0", "cancellation.rejected", 3, 1);
    "first".clone_into(&mut told.cancellation_id);
    ledger.oms[0] = told;
}

#[test]
fn a_late_success_of_somebody_elses() {
    let (mut asked, mut ledger) = right();
    overtaken(&mut asked, &mut ledger);
    let proof = judge(&asked, &ledger);
    assert!(proof.ok, "{proof:#?}");
    // It must be told all the same, by whichever cancellation.
    ledger.oms.remove(1);
    let proof = judge(&asked, &ledger);
    says(&proof.lost, "A", "never told cancellation.succeeded");
    // And whoever asked must hear of the rejection.
    let proof = planted(|asked, ledger| {
        overtaken(asked, ledger);
        ledger.oms.remove(0);
    });
    says(&proof.lost, "A", "never told the outcome of first");
}

#[test]
fn somebody_elses_request_by_the_same_hand_is_not_ours() {
    // The console's entry is the merchant's, too, and has no alias of ours.
    let (asked, mut ledger) = right();
    ledger.orders[1]
        .cancellations
        .push(entry("SUCCESS", "MERCHANT"));
    ledger.orders[1].packages[0].state = "CANCELLED".to_owned();
    ledger.oms.retain(|message| message.order_id != "B");
    ledger
        .oms
        .push(message("B", "1", "cancellation.succeeded", 2, 7));
    let proof = judge(&asked, &ledger);
    assert!(proof.ok, "{proof:#?}");
    assert_eq!(
        proof.rightly_not,
        [("somebody else cancelled".to_owned(), 1)].into()
    );
}

#[test]
fn a_rejection_that_amazon_does_not_know() {
    let proof = planted(|_, ledger| {
        unpaid(ledger);
        ledger.orders[0] = order("A", "PENDING");
        ledger.orders[0].cancellations.push(ours("PENDING", "A"));
        ledger.oms.retain(|message| message.order_id != "A");
        let told = message("A", "1", "cancellation.rejected", 2, 1);
        ledger.oms.push(told);
    });
    says(&proof.wrong, "A", "rejection that Amazon does not know");
}
