//! What goes wrong in the world itself, and what is set right when a person was needed.

use countermand_simulator::{Chaos, Happening, Mix, Remote, Scenario};
use serde_json::{Value, json};

use crate::support::{Caller, cancellation, error, eventually, packages, refunds, swift};

async fn hostile(seed: u64) -> Caller {
    Caller::start(|options| {
        options.pace = swift();
        options.seed = seed;
        options.chaos = Chaos::Heavy;
        // The way there is calm: every call of a test counts.
        for remote in Remote::ALL {
            options.chaos_per_remote.insert(remote, Chaos::None);
        }
    })
    .await
}

#[tokio::test]
async fn whatever_can_go_wrong_does_and_is_counted() {
    let caller = hostile(5).await;
    let orders = caller.simulator.create_orders(400);
    for order in &orders {
        caller.read(&order.order_id).await;
        caller.read(&order.order_id).await;
        caller.cancel(&order.order_id, &order.order_id).await;
        caller.read(&order.order_id).await;
    }
    let ledger = eventually(async || {
        let ledger = caller.simulator.ledger();
        (ledger.under_way == 0).then_some(ledger)
    })
    .await;
    assert_eq!(ledger.happenings.len(), Happening::ALL.len());
    let never: Vec<_> = ledger
        .happenings
        .iter()
        .filter(|(_, count)| **count == 0)
        .collect();
    assert!(never.is_empty(), "never happened: {never:?}");
    // Nobody else gives an alias, so ours is found again.
    assert!(
        ledger
            .orders
            .iter()
            .flat_map(|order| &order.cancellations)
            .all(|entry| entry.requested_by == "MERCHANT" || entry.aliases.is_empty())
    );
}

#[tokio::test]
async fn in_calm_weather_nothing_goes_wrong_by_itself() {
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.mix = Mix::new([(Scenario::Happy, 2), (Scenario::Rejected, 1)]);
    })
    .await;
    for order in caller.simulator.create_orders(30) {
        caller.read(&order.order_id).await;
        caller.cancel(&order.order_id, &order.order_id).await;
    }
    let ledger = eventually(async || {
        let ledger = caller.simulator.ledger();
        (ledger.under_way == 0).then_some(ledger)
    })
    .await;
    for kind in [
        Happening::ReadBehind,
        Happening::AliasHidden,
        Happening::ForeignBetween,
        Happening::RefundByOthers,
        Happening::EventLost,
        Happening::EventWrongTarget,
    ] {
        assert_eq!(ledger.happenings[&kind], 0, "{kind:?}");
    }
}

#[tokio::test]
async fn twists_are_for_orders_that_were_drawn() {
    let caller = hostile(6).await;
    let mut orders = Vec::new();
    for n in 0..40 {
        let id = format!("SIM-no_refund-{n}");
        caller.read(&id).await;
        caller.cancel(&id, &id).await;
        orders.push(id);
    }
    eventually(async || (caller.simulator.ledger().under_way == 0).then_some(())).await;
    for record in caller.simulator.ledger().orders {
        let states: Vec<_> = record.cancellations.iter().map(|c| &*c.state).collect();
        assert_eq!(states, ["SUCCESS"], "{}", record.order_id);
    }
}

async fn healed(caller: &Caller, order: &str) {
    let url = format!("{}/heal", caller.simulator.endpoints().control);
    let answer = caller
        .client
        .post(url)
        .header("content-type", "application/json")
        .body(json!({ "orderId": order }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(caller.simulator.heal(order), Some(false), "once is enough");
}

/// Cancelled, and its refund is there.
async fn refunded(caller: &Caller, order: &str) -> Value {
    caller.cancel(order, order).await;
    caller.until(order, |seen| !refunds(seen).is_empty()).await
}

#[tokio::test]
async fn only_what_needs_a_person_can_be_healed() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    assert_eq!(caller.simulator.heal(&order), Some(false));
    assert_eq!(caller.simulator.heal("322-NONE-000000"), None);
}

#[tokio::test]
async fn orders_that_cannot_be_decided_on() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverReady);
    assert!(packages(&caller.see(&order).await).is_empty());
    healed(&caller, &order).await;
    assert!(!packages(&caller.see(&order).await).is_empty());

    let order = caller.order(Scenario::NotFound);
    let answer = caller.read(&order).await;
    assert_eq!(error(&answer)["errorType"], "ResourceNotFoundError");
    healed(&caller, &order).await;
    caller.cancelled(&order, "SUCCESS").await;

    let order = caller.order(Scenario::NeverDecides);
    caller.cancel(&order, "a").await;
    assert_eq!(cancellation(&caller.see(&order).await)["state"], "PENDING");
    healed(&caller, &order).await;
    assert_eq!(cancellation(&caller.see(&order).await)["state"], "SUCCESS");
}

#[tokio::test]
async fn a_cancellation_in_doubt() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::CancelInDoubt);
    caller.see(&order).await;
    let answer = caller.cancel(&order, "a").await;
    assert_eq!(error(&answer)["errorType"], "InternalServerError");
    let answer = caller.read(&order).await;
    assert_eq!(error(&answer)["errorType"], "InternalServerError");
    let calls = caller.simulator.ledger().cancels;
    assert!(calls[0].accepted && calls[0].error.is_none());
    healed(&caller, &order).await;
    caller.until(&order, |seen| !refunds(seen).is_empty()).await;
}

#[tokio::test]
async fn refunds_that_are_not_what_they_should_be() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::RefundWithoutAmount);
    let seen = refunded(&caller, &order).await;
    assert!(refunds(&seen)[0]["refundTotal"].is_null());
    healed(&caller, &order).await;
    let seen = caller.see(&order).await;
    assert!(refunds(&seen)[0]["refundTotal"]["totalAmount"].is_object());

    let order = caller.order(Scenario::RefundWithoutReason);
    let seen = refunded(&caller, &order).await;
    assert!(refunds(&seen)[0]["refundRequestReason"].is_null());
    healed(&caller, &order).await;
    let seen = caller.see(&order).await;
    assert_eq!(refunds(&seen)[0]["refundRequestReason"], "CANCELLED_ORDER");

    for (scenario, state) in [
        (Scenario::RefundFailedElsewhere, "FAILURE"),
        (Scenario::RefundPartialElsewhere, "PARTIAL"),
    ] {
        let order = caller.order(scenario);
        let seen = refunded(&caller, &order).await;
        assert_eq!(refunds(&seen)[0]["state"], state);
        healed(&caller, &order).await;
        let seen = caller.see(&order).await;
        assert_eq!(refunds(&seen)[0]["state"], "SUCCESS");
    }

    let order = caller.order(Scenario::PhantomRefund);
    caller.cancelled(&order, "SUCCESS").await;
    let named = eventually(async || {
        let events = caller.simulator.ledger().events;
        let named = events
            .iter()
            .find(|event| event.order_id == order && event.event_type == "REFUND_REQUESTED");
        named.map(|event| event.subject_id.clone())
    })
    .await;
    assert!(refunds(&caller.see(&order).await).is_empty());
    healed(&caller, &order).await;
    let seen = caller.see(&order).await;
    assert_eq!(refunds(&seen)[0]["id"], named);
}

#[tokio::test]
async fn payouts_that_are_not_what_they_should_be() {
    let caller = Caller::quick().await;
    let pay = async |scenario: Scenario, key: &str, id: &str| {
        let order = format!("SIM-{scenario}-1");
        caller.see(&order).await;
        caller.pay(key, &order, id, "10.00").await
    };
    pay(Scenario::PayoutRefused, "1", "refused").await;
    assert!(
        caller
            .listed("refused")
            .await
            .as_array()
            .unwrap()
            .is_empty()
    );
    pay(Scenario::PayoutRefused, "2", "refused").await;
    assert_eq!(caller.listed("refused").await[0]["state"], "SUCCESS");

    pay(Scenario::PayoutPaysLess, "3", "less").await;
    let listed = caller.listed("less").await;
    assert_eq!(listed[0]["amount"]["amount"], "5.00");
    pay(Scenario::PayoutPaysMore, "4", "more").await;
    let listed = caller.listed("more").await;
    assert_eq!(listed[0]["amount"]["amount"], "11.00");

    pay(Scenario::PayoutUnlisted, "5", "unlisted").await;
    pay(Scenario::PayoutUnlisted, "5", "unlisted").await;
    let listed = caller.listed("unlisted").await;
    assert!(listed.as_array().unwrap().is_empty());
    healed(&caller, "SIM-payout_unlisted-1").await;
    let listed = caller.listed("unlisted").await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "paid once per key");

    pay(Scenario::PayoutInDoubt, "6", "doubt").await;
    let payments = caller.simulator.ledger().payments;
    assert!(payments.iter().any(|payment| payment.refund_id == "doubt"));
    healed(&caller, "SIM-payout_in_doubt-1").await;
    assert_eq!(caller.listed("doubt").await[0]["state"], "SUCCESS");
}

#[tokio::test]
async fn a_report_that_is_refused_once() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::ReportRefused);
    let seen = refunded(&caller, &order).await;
    let id = refunds(&seen)[0]["id"].as_str().unwrap().to_owned();
    let amount = refunds(&seen)[0]["refundTotal"]["totalAmount"]["amount"].to_string();
    let details = format!(
        r#"[{{"id":"{id}","state":"SUCCESS","refundTotal":{{"totalAmount":{{"amount":{amount},"currencyCode":"USD"}}}}}}]"#
    );
    let answer = caller.report(&order, &details).await;
    assert_eq!(error(&answer)["errorType"], "ValidationError");
    let answer = caller.report(&order, &details).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

#[tokio::test]
async fn an_oms_that_will_not_hear_of_one_order() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::OmsRefuses);
    let tell = async |id: &str| {
        let body = json!({
            "type": "cancellation.succeeded",
            "data": { "id": "c", "orderId": id, "revision": 1 },
        });
        let answer = caller
            .client
            .post(&caller.simulator.endpoints().oms)
            .header("webhook-id", format!("m-{id}"))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        answer.status().as_u16()
    };
    assert_eq!(tell(&order).await, 500);
    assert_eq!(tell("SIM-happy-1").await, 204);
    assert_eq!(tell(&order).await, 500);
    healed(&caller, &order).await;
    assert_eq!(tell(&order).await, 204);
    assert_eq!(caller.simulator.ledger().oms.len(), 2);
}
