//! A new key pays once more: only where nothing can have been paid under those before it.

use std::time::Duration;

use countermand_core::cancellation::Effect;
use countermand_core::cancellation::effect::PayRefund;
use countermand_core::cancellation::exemplars::orders::usd;
use countermand_core::cancellation::exemplars::{PAYMENT, Script, pay, payout};
use countermand_core::cancellation::input::{Action, Fact, PayoutState};
use countermand_core::cancellation::look::{self, PayLook};

use super::{LAG, key, paid, paying};
use crate::{attention, sound};

fn attempt(script: &Script) -> PayRefund {
    let mut effects = script.effects().into_iter();
    effects
        .find_map(|effect| match effect {
            Effect::PayRefund(pay) => Some(pay),
            _ => None,
        })
        .expect("an attempt is due")
}

/// A provider that still works on the first request may refuse the second one under its key.
#[test]
fn a_refusal_ends_no_earlier_doubt_and_spends_no_key() {
    let doubted = paying().unknown(pay()).after(LAG).intent(&pay().lane());
    let refused = sound(doubted.refused(pay()));
    assert!(refused.state.case.in_doubt());
    assert_eq!(
        (attention(&refused), key(&refused)),
        (vec!["payout_failed"], None)
    );
    let script = sound(refused.operator(Action::Retry));
    assert!(key(&script).is_some_and(|key| key.ends_with(":1")));
    let late = script.clone().after(Duration::from_hours(21));
    let attempt = attempt(&late);
    assert_eq!(
        look::pay(&attempt, &[], late.now(), false),
        PayLook::KeyExpired
    );
    // The refusal is over with the next attempt: its key is not spent for it later either.
    let script = script.after(LAG).intent(&pay().lane()).unknown(pay());
    let late = script.after(Duration::from_hours(21));
    let stopped = late.intent(&pay().lane()).looked(pay(), None, true);
    let script = sound(sound(stopped).operator(Action::Retry));
    assert!(key(&script).is_some_and(|key| key.ends_with(":1")));
    // Once a person has ended the doubt, a refusal counts again.
    let again = sound(script.resolve(Fact::NotSent)).intent(&pay().lane());
    let script = sound(again.refused(pay())).operator(Action::Retry);
    assert!(key(&sound(script)).is_some_and(|key| key.ends_with(":2")));
}

#[test]
fn a_payment_that_had_failed_and_is_paid_after_all_is_not_paid_again() {
    let script = paid(PayoutState::Failure, 0).operator(Action::Retry);
    let now = script.now();
    let failed = payout(PAYMENT, PayoutState::Failure, usd(0));
    assert_eq!(
        look::pay(&attempt(&script), &[failed], now, false),
        PayLook::Send
    );
    for (state, cents) in [
        (PayoutState::Pending, 0),
        (PayoutState::Partial, 10_00),
        (PayoutState::Success, 43_99),
    ] {
        let revived = payout(PAYMENT, state, usd(cents));
        let looked = look::pay(
            &attempt(&script),
            std::slice::from_ref(&revived),
            now,
            false,
        );
        assert_eq!(looked, PayLook::Found(revived.clone()));
        let script = script.clone().intent(&pay().lane());
        let script = sound(script.looked(pay(), Some(revived), false));
        assert_eq!(
            (attention(&script), key(&script)),
            (vec!["payout_differs"], None)
        );
    }
}
