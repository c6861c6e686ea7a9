//! Every branch of the executor.

mod stage;

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::effect::{Patience, Timer};
use countermand_core::cancellation::input::{PayoutState, Unknown};
use countermand_core::cancellation::order::{CancellationState, PackageState, RefundState};

use self::stage::*;
use super::*;
use crate::ports::{CancelAnswer, TellError};

#[tokio::test]
async fn reads() {
    let stage = stage();
    push(&stage.script.reads, Ok(Some(order())));
    push(&stage.script.reads, Ok(None));
    push(&stage.script.reads, Err(read_error()));
    let first = stage.perform(read("bp-1"), None).await;
    assert_eq!(shape(&first), ["order_read true", "answered"]);
    let second = stage.perform(read("bp-1"), None).await;
    assert_eq!(shape(&second), ["order_read false", "empty"]);
    let third = stage.perform(read("bp-1"), None).await;
    assert_eq!(shape(&third), ["failed true"]);
    let hangs = stage.perform(read("bp-1"), None).await;
    assert_eq!(shape(&hangs), ["failed false"]);
    let elsewhere = stage.perform(read("bp-2"), None).await;
    assert_eq!(shape(&elsewhere), ["unable"]);
    assert_eq!(stage.log().len(), 4);
}

#[tokio::test]
async fn a_cancellation_is_sent_only_after_a_look_that_finds_nothing() {
    let stage = stage();
    push(&stage.script.reads, Ok(Some(order())));
    let answer = CancelAnswer {
        state: CancellationState::Pending,
        cancellation_id: None,
        created_at: None,
    };
    push(&stage.script.cancels, Ok(answer));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(shape(&performed), ["done CancelOrder {", "answered"]);
    assert_eq!(stage.log(), ["read", "cancel"]);
}

#[tokio::test]
async fn a_look_that_finds_keeps_the_send_back() {
    let stage = stage();
    push(&stage.script.reads, Ok(Some(cancelled_by_us())));
    let performed = stage.perform(cancel(true), None).await;
    assert_eq!(
        shape(&performed),
        ["looked true false false", "order_read true", "answered"]
    );

    let mut shipped = order();
    shipped.packages[0].state = PackageState::InTransit;
    push(&stage.script.reads, Ok(Some(shipped)));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(
        shape(&performed),
        ["not_sent NotCancellable", "order_read true", "answered"]
    );
    assert_eq!(stage.log(), ["read", "read"]);
}

#[tokio::test]
async fn a_look_that_fails_keeps_the_send_back() {
    let stage = stage();
    push(&stage.script.reads, Err(read_error()));
    push(&stage.script.reads, Ok(None));
    let performed = stage.perform(cancel(true), None).await;
    assert_eq!(shape(&performed), ["not_sent LookFailed", "failed true"]);
    let performed = stage.perform(cancel(true), None).await;
    // It answered: the circuit breaker must not hear of a failure.
    assert_eq!(shape(&performed), ["not_sent LookFailed", "unable"]);
    let hangs = stage.perform(cancel(true), None).await;
    assert_eq!(shape(&hangs), ["not_sent LookFailed", "failed false"]);
    assert!(!stage.log().contains(&"cancel".to_owned()));
}

/// One call finds out that there is no token: those that waited for it have not failed.
#[tokio::test]
async fn who_followed_another_in_vain_has_not_failed() {
    let stage = stage();
    let no_token = || ReadError {
        not_sent: Some(NotSent::NoToken),
        ..read_error()
    };
    push(&stage.script.reads, Err(no_token()));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(shape(&performed), ["not_sent LookFailed", "deferred"]);
    push(&stage.script.reads, Err(no_token()));
    let performed = stage.perform(read("bp-1"), None).await;
    assert_eq!(shape(&performed), ["deferred"]);
    push(&stage.script.reads, Ok(Some(order())));
    let not_sent = CallError::NotSent {
        why: NotSent::NoToken,
        detail: "no token".to_owned(),
        retry_after: None,
    };
    push(&stage.script.cancels, Err(not_sent));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(shape(&performed), ["not_sent NoToken", "deferred"]);
}

#[tokio::test]
async fn every_end_of_a_send() {
    let refused = CallError::Refused {
        code: "ValidationError".to_owned(),
        message: "no".to_owned(),
    };
    let unknown = CallError::Unknown {
        why: Unknown::ServerError,
        detail: "d".to_owned(),
        retry_after: None,
    };
    let table = [
        (refused, vec!["refused ValidationError", "answered"]),
        (unknown, vec!["unknown ServerError", "failed false"]),
        (
            not_sent(NotSent::Throttled),
            vec!["not_sent Throttled", "failed true"],
        ),
        (
            not_sent(NotSent::Unauthorized),
            vec!["not_sent Unauthorized", "failed true"],
        ),
        (
            not_sent(NotSent::ConnectionRefused),
            vec!["not_sent ConnectionRefused", "failed true"],
        ),
        (
            not_sent(NotSent::DeadlineOver),
            vec!["not_sent DeadlineOver", "deferred"],
        ),
    ];
    for (outcome, expected) in table {
        for doubted in [false, true] {
            let stage = stage();
            push(&stage.script.reads, Ok(Some(order())));
            push(&stage.script.cancels, Err(outcome.clone()));
            let performed = stage.perform(cancel(doubted), None).await;
            let mut expected = expected.clone();
            if doubted {
                expected.insert(0, "looked false false false");
            }
            assert_eq!(shape(&performed), expected, "{outcome}");
        }
    }
}

#[tokio::test]
async fn a_closed_fence_defers_and_a_hanging_port_is_in_doubt() {
    let mut stage = stage();
    stage.fence = false;
    push(&stage.script.reads, Ok(Some(order())));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(shape(&performed), ["not_sent Fenced", "deferred"]);
    stage.fence = true;
    push(&stage.script.reads, Ok(Some(order())));
    let performed = stage.perform(cancel(false), None).await;
    assert_eq!(shape(&performed), ["unknown TimeOut", "failed false"]);
}

#[tokio::test]
async fn payouts() {
    let stage = stage();
    push(&stage.script.lists, Ok(Vec::new()));
    push(&stage.script.pays, Ok(payout(PayoutState::Success)));
    let performed = stage.perform(pay(None), None).await;
    assert_eq!(
        shape(&performed),
        ["looked false false false", "done PayRefund { r", "answered"]
    );
    assert_eq!(stage.log(), ["list", "pay k 43.99 USD"]);

    push(&stage.script.lists, Ok(vec![payout(PayoutState::Pending)]));
    let performed = stage.perform(pay(None), None).await;
    assert_eq!(shape(&performed), ["looked true true false", "answered"]);

    push(&stage.script.lists, Err(read_error()));
    let performed = stage.perform(pay(None), None).await;
    assert_eq!(shape(&performed), ["not_sent LookFailed", "failed true"]);
    assert_eq!(
        stage
            .log()
            .iter()
            .filter(|line| line.starts_with("pay"))
            .count(),
        1
    );
}

#[tokio::test]
async fn an_expired_key_is_never_sent() {
    let mut stage = stage();
    push(&stage.script.lists, Ok(Vec::new()));
    let performed = stage.perform(pay(Some(at(1000))), None).await;
    assert_eq!(shape(&performed), ["looked false false true", "answered"]);
    stage.clock_behind = true;
    push(&stage.script.lists, Ok(Vec::new()));
    let performed = stage.perform(pay(Some(Timestamp::MAX)), None).await;
    assert_eq!(shape(&performed), ["looked false false true", "answered"]);
    assert_eq!(stage.log(), ["list", "list"]);
}

#[tokio::test]
async fn reports() {
    let stage = stage();
    push(
        &stage.script.reads,
        Ok(Some(with_refund(RefundState::Pending))),
    );
    push(&stage.script.reports, Ok(()));
    let performed = stage.perform(report(), None).await;
    assert_eq!(shape(&performed), ["done ReportRefund ", "answered"]);
    assert_eq!(stage.log(), ["read", "report 1"]);

    push(
        &stage.script.reads,
        Ok(Some(with_refund(RefundState::Success))),
    );
    let performed = stage.perform(report(), None).await;
    assert_eq!(
        shape(&performed),
        ["looked true false false", "order_read true", "answered"]
    );

    push(
        &stage.script.reads,
        Ok(Some(with_refund(RefundState::Rejected))),
    );
    let performed = stage.perform(report(), None).await;
    assert_eq!(
        shape(&performed),
        ["refused contradicted", "order_read true", "answered"]
    );

    push(&stage.script.reads, Err(read_error()));
    let performed = stage.perform(report(), None).await;
    assert_eq!(shape(&performed), ["not_sent LookFailed", "failed true"]);

    // A read that lags behind: nothing is sent, and it is tried again.
    push(&stage.script.reads, Ok(Some(order())));
    let performed = stage.perform(report(), None).await;
    assert_eq!(shape(&performed), ["not_sent NotFound", "unable"]);
    assert_eq!(stage.log().len(), 6);
}

#[tokio::test]
async fn only_news_of_a_payout_is_told() {
    let stage = stage();
    let known = payout(PayoutState::Pending);
    push(&stage.script.lists, Ok(vec![known.clone()]));
    let performed = stage.perform(watch(), Some(&known)).await;
    assert_eq!(shape(&performed), ["answered"]);
    push(&stage.script.lists, Ok(vec![payout(PayoutState::Success)]));
    let performed = stage.perform(watch(), Some(&known)).await;
    assert_eq!(shape(&performed), ["payout_seen Success", "answered"]);
    push(&stage.script.lists, Ok(Vec::new()));
    let performed = stage.perform(watch(), Some(&known)).await;
    assert_eq!(shape(&performed), ["unable"]);
    push(&stage.script.lists, Err(read_error()));
    let performed = stage.perform(watch(), Some(&known)).await;
    assert_eq!(shape(&performed), ["failed true"]);
}

#[tokio::test]
async fn milestones() {
    let mut stage = stage();
    push(&stage.script.tells, Ok(()));
    let performed = stage.perform(tell(), None).await;
    let done = Input::EffectDone(Done::UpdateOms {
        attempt: 4,
        id: "m1".to_owned(),
    });
    assert_eq!(performed, answered(vec![done]));
    assert_eq!(stage.log(), ["tell m1 {}"]);
    push(&stage.script.tells, Err(TellError::new("down")));
    assert_eq!(shape(&stage.perform(tell(), None).await), ["failed false"]);
    assert_eq!(shape(&stage.perform(tell(), None).await), ["failed false"]);
    stage.emission = Ok(None);
    assert_eq!(shape(&stage.perform(tell(), None).await), ["failed false"]);
    stage.emission = Err("the store is down".to_owned());
    assert_eq!(shape(&stage.perform(tell(), None).await), ["deferred"]);
    assert_eq!(stage.log().len(), 3);
}

#[tokio::test]
async fn a_timer_is_nothing_to_perform() {
    let timer = Effect::Timer(Timer::Patience(Patience::Look));
    assert_eq!(shape(&stage().perform(timer, None).await), ["deferred"]);
}
