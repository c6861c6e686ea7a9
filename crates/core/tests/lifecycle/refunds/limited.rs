//! A limit on payouts: nothing is paid before a person asks, and everything else goes on.

use countermand_core::Workflow;
use countermand_core::cancellation::exemplars::orders::{self, usd};
use countermand_core::cancellation::exemplars::{Script, pay, payout};
use countermand_core::cancellation::input::{Action, Done, Fact, Input, PayoutState};
use countermand_core::cancellation::{Cancellation, Effect};
use countermand_core::{Notice, Spend};

use super::{LAG, due, key, paid, paying, refund};
use crate::{agenda, attention, sound};

/// As the engine tells it.
fn limited(script: Script) -> Script {
    let effects = script.effects();
    let effect = effects
        .iter()
        .find(|effect| matches!(effect, Effect::PayRefund(_)))
        .expect("a payout is due");
    let notice = Notice::Limited {
        effect,
        key: &pay().lane(),
        detail: "200 payouts were begun within the last hour, and the limit is 200 an hour",
    };
    script.input(Cancellation::default().notice(notice))
}

#[test]
fn a_person_is_asked_and_the_rest_goes_on() {
    let script = sound(limited(due()));
    assert_eq!(
        (attention(&script), key(&script)),
        (vec!["payout_limited"], None)
    );
    let told = &script.state.case.attention[0];
    assert_eq!(
        told.detail,
        "refund R-1 is not paid: 200 payouts were begun within the last hour, and the limit is \
         200 an hour"
            .replace("R-1", orders::REFUND)
    );
    let suggestions = told.about.suggestions();
    assert!(suggestions[0].starts_with("retry ID"), "{suggestions:?}");
    assert!(suggestions[1].contains("refund_paid") && suggestions[2].contains("refund_not_due"));
    assert_eq!(refund(&script).pay.made, 0, "nothing was attempted");
    // The order is still read, and the OMS is still told.
    let reads = agenda(&script);
    assert!(
        reads.iter().any(|line| line.starts_with("read_order")),
        "{reads:?}"
    );
    let view = Cancellation::default().project(&script.state);
    assert_eq!(view.attention.unwrap().why, "payout_limited");
}

#[test]
fn a_retry_tries_again_under_the_same_key_and_may_be_limited_again() {
    let before = key(&due());
    let script = sound(limited(due()).operator(Action::Retry));
    assert_eq!((attention(&script), key(&script)), (vec![], before.clone()));
    let script = sound(limited(script));
    assert_eq!(attention(&script), ["payout_limited"]);
    let script = sound(script.operator(Action::Retry).intent(&pay().lane()));
    let script = sound(script.paid(PayoutState::Success, usd(43_99)));
    assert_eq!(attention(&script), Vec::<&str>::new());
}

#[test]
fn a_person_may_pay_or_say_that_it_is_not_due() {
    let refund_id = orders::id(orders::REFUND);
    let paid = Fact::RefundPaid {
        refund_id: orders::id(orders::REFUND),
        payment_id: orders::id("cheque-7"),
        amount: usd(43_99),
    };
    for fact in [paid, Fact::RefundNotDue { refund_id }] {
        let script = sound(limited(due()).resolve(fact));
        assert_eq!((attention(&script), key(&script)), (vec![], None));
    }
}

#[test]
fn a_payout_in_doubt_stays_so_and_can_be_settled() {
    let doubted = || paying().unknown(pay()).after(LAG);
    let script = sound(limited(doubted()));
    assert_eq!(attention(&script), ["payout_limited"]);
    assert!(script.state.case.in_doubt());
    let settled = sound(script.clone().resolve(Fact::NotSent));
    assert_eq!(attention(&settled), Vec::<&str>::new());
    assert!(key(&settled).is_some(), "it is tried again");
    // Word that comes late counts all the same, and leaves nothing to be limited.
    let late = sound(script.input(Input::EffectDone(Done::PayRefund {
        refund_id: orders::id(orders::REFUND),
        attempt: 1,
        payout: payout("pay-1", PayoutState::Success, usd(43_99)),
    })));
    assert_eq!(attention(&late), Vec::<&str>::new());
    assert!(!late.state.case.in_doubt());
}

#[test]
fn what_is_not_to_be_paid_is_not_limited() {
    let notice = |lane: String| Input::AttentionRaised {
        lane,
        failures: 0,
        error: "no room".to_owned(),
        limited: true,
    };
    let workflow = Cancellation::default();
    for script in [paid(PayoutState::Success, 43_99), paying()] {
        let stamp = script.stamp_in(LAG);
        let lanes = [
            pay().lane(),
            "pay_refund/R-unknown".to_owned(),
            "cancel_order".to_owned(),
        ];
        for lane in lanes {
            let stepped = workflow.step(&script.state, &notice(lane.clone()), stamp);
            assert!(stepped.is_err(), "{lane}");
        }
    }
}

#[test]
fn an_intent_to_pay_is_what_spends() {
    let workflow = Cancellation::default();
    let script = due();
    let effects = script.effects();
    let notices = effects.iter().filter(|effect| {
        countermand_core::Effect::class(*effect) == countermand_core::EffectClass::Mutation
    });
    let spends: Vec<Option<Spend>> = notices
        .map(|effect| {
            let deadline = script.now();
            workflow.spend(&workflow.notice(Notice::Intent { effect, deadline }))
        })
        .collect();
    let spend = Spend {
        key: key(&script).unwrap(),
        amount: usd(43_99),
    };
    assert_eq!(spends, [Some(spend)]);
}
