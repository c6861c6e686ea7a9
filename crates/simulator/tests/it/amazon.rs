//! What happens to orders, scenario by scenario, and that nobody is protected.

use countermand_simulator::{Fault, Remote, Scenario, Span};
use serde_json::{Value, json};

use crate::support::{CANCEL, Caller, cancellation, error, eventually, packages, refunds};

fn number(value: &Value) -> rust_decimal::Decimal {
    value.to_string().parse().unwrap()
}

#[tokio::test]
async fn happy_ends_with_one_refund_over_everything() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    caller.cancelled(&order, "SUCCESS").await;
    let seen = caller.until(&order, |seen| !refunds(seen).is_empty()).await;
    assert_eq!(refunds(&seen).len(), 1);
    let refund = &refunds(&seen)[0];
    assert_eq!(refund["state"], "PENDING");
    assert_eq!(refund["refundRequestReason"], "CANCELLED_ORDER");
    assert_eq!(
        refund["refundTotal"]["totalAmount"],
        seen["totalPrice"]["value"]
    );
    // The same entry stands under each line item.
    for item in seen["lineItems"].as_array().unwrap() {
        assert_eq!(&item["cancellations"]["details"][0], cancellation(&seen));
    }
}

#[tokio::test]
async fn two_refunds_add_up_to_the_whole() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::TwoRefunds);
    let lines = caller.see(&order).await["lineItems"]
        .as_array()
        .unwrap()
        .len();
    caller.cancelled(&order, "SUCCESS").await;
    let seen = caller
        .until(&order, |seen| refunds(seen).len() == lines)
        .await;
    assert!(lines >= 2);
    let sum: rust_decimal::Decimal = refunds(&seen)
        .iter()
        .map(|refund| number(&refund["refundTotal"]["totalAmount"]["amount"]))
        .sum();
    assert_eq!(sum, number(&seen["totalPrice"]["value"]["amount"]));
}

#[tokio::test]
async fn no_refund_and_a_refund_of_nothing() {
    let caller = Caller::quick().await;
    let none = caller.order(Scenario::NoRefund);
    let zero = caller.order(Scenario::ZeroRefund);
    caller.cancelled(&none, "SUCCESS").await;
    caller.cancelled(&zero, "SUCCESS").await;
    let seen = caller.until(&zero, |seen| !refunds(seen).is_empty()).await;
    assert_eq!(
        refunds(&seen)[0]["refundTotal"]["totalAmount"]["amount"],
        json!(0.0)
    );
    assert!(refunds(&caller.see(&none).await).is_empty());
}

#[tokio::test]
async fn rejected_later_and_shipped() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Rejected);
    caller.cancelled(&order, "REJECTED").await;
    let seen = caller
        .until(&order, |seen| packages(seen).contains(&"IN_TRANSIT"))
        .await;
    assert!(refunds(&seen).is_empty());
}

#[tokio::test]
async fn refused_at_once_though_it_looked_cancellable() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Refused);
    assert!(
        packages(&caller.see(&order).await)
            .iter()
            .all(|state| *state == "PENDING")
    );
    let answer = caller.cancel(&order, "a").await;
    assert_eq!(error(&answer)["errorType"], "ValidationError");
    assert_eq!(answer["data"], json!({ "cancelOrder": null }));
    caller
        .until(&order, |seen| packages(seen).contains(&"IN_TRANSIT"))
        .await;
    assert_eq!(*cancellation(&caller.see(&order).await), Value::Null);
}

#[tokio::test]
async fn shipped_and_partly_shipped_are_refused() {
    let caller = Caller::quick().await;
    for scenario in [Scenario::Shipped, Scenario::PartlyShipped] {
        let order = caller.order(scenario);
        let answer = caller.cancel(&order, "a").await;
        assert_eq!(error(&answer)["errorType"], "ValidationError", "{scenario}");
    }
    let ledger = caller.simulator.ledger();
    assert!(ledger.cancels.iter().all(|call| !call.accepted));
    assert_eq!(ledger.cancels.len(), 2);
}

#[tokio::test]
async fn ships_meanwhile_ends_shipped_whoever_wins() {
    let caller = Caller::quick().await;
    let (early, late) = (
        caller.order(Scenario::ShipsMeanwhile),
        caller.order(Scenario::ShipsMeanwhile),
    );
    caller.see(&early).await;
    caller.cancel(&early, "a").await;
    caller
        .until(&late, |seen| packages(seen).contains(&"IN_TRANSIT"))
        .await;
    let answer = caller.cancel(&late, "b").await;
    assert_eq!(error(&answer)["errorType"], "ValidationError");
    let seen = caller
        .until(&early, |seen| packages(seen).contains(&"IN_TRANSIT"))
        .await;
    assert_ne!(cancellation(&seen)["state"], "PENDING");
    assert_ne!(cancellation(&seen)["state"], "SUCCESS");
}

#[tokio::test]
async fn what_is_late_appears_after_the_first_look() {
    let caller = Caller::start(|options| {
        // Late enough for a second call on a busy machine.
        options.pace.appear = Span::millis(1_000, 1_200);
    })
    .await;
    let bare = caller.order(Scenario::NoPackagesYet);
    let seen = caller.see(&bare).await;
    assert_eq!(seen["packageInformation"], Value::Null);
    assert_eq!(seen["metadata"]["executionState"], "NOT_STARTED");
    assert!(caller.cancel(&bare, "early").await.get("errors").is_some());
    let seen = caller.until(&bare, |seen| !packages(seen).is_empty()).await;
    assert_eq!(seen["metadata"]["executionState"], "STARTED");
    caller.cancelled(&bare, "SUCCESS").await;

    let hidden = caller.order(Scenario::AppearsLate);
    let answer = caller.read(&hidden).await;
    assert_eq!(error(&answer)["errorType"], "ResourceNotFoundError");
    crate::support::eventually(async || {
        let answer = caller.read(&hidden).await;
        answer.get("errors").is_none().then_some(())
    })
    .await;
    caller.cancelled(&hidden, "SUCCESS").await;

    let never = caller.order(Scenario::NotFound);
    for answer in [caller.read(&never).await, caller.cancel(&never, "a").await] {
        assert_eq!(error(&answer)["errorType"], "ResourceNotFoundError");
    }
}

#[tokio::test]
async fn a_line_over_two_packages() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::SplitLine);
    let seen = caller.see(&order).await;
    let of = |package: usize| {
        &seen["packageInformation"]["details"][package]["packageInformationDetailsFor"]["orderLineItems"]
            [0]
    };
    assert_eq!(of(0)["lineItem"], of(1)["lineItem"]);
    assert_eq!(
        number(&of(0)["amount"]["value"]) + number(&of(1)["amount"]["value"]),
        number(&seen["lineItems"][0]["amount"]["value"])
    );
    caller.cancelled(&order, "SUCCESS").await;
}

#[tokio::test]
async fn the_shopper_was_first() {
    let caller = Caller::quick().await;
    let done = caller.order(Scenario::ShopperCancelled);
    let seen = caller.see(&done).await;
    assert_eq!(cancellation(&seen)["requestedBy"], "SHOPPER");
    assert_eq!(cancellation(&seen)["state"], "SUCCESS");
    caller.until(&done, |seen| !refunds(seen).is_empty()).await;

    let pending = caller.order(Scenario::ShopperPending);
    assert_eq!(
        cancellation(&caller.see(&pending).await)["state"],
        "PENDING"
    );
    caller
        .until(&pending, |seen| cancellation(seen)["state"] == "SUCCESS")
        .await;
    caller
        .until(&pending, |seen| !refunds(seen).is_empty())
        .await;

    // A request beside it is accepted all the same, and the ledger tells.
    let answer = caller.cancel(&done, "mine").await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let ledger = caller.simulator.ledger();
    assert!(ledger.cancels[0].accepted && ledger.cancels[0].beside_visible);
}

/// What counts is what the caller had in its hands: an answer that was lost shows nothing.
#[tokio::test]
async fn an_answer_that_was_lost_shows_nothing() {
    for is_lost in [true, false] {
        let caller = Caller::quick().await;
        let order = caller.order(Scenario::ShopperObserved);
        let first = caller.see(&order).await;
        assert!(cancellation(&first).is_null(), "{first}");
        eventually(|| async {
            let ledger = caller.simulator.ledger();
            let known = ledger.orders.iter().find(|known| known.order_id == order)?;
            (!known.cancellations.is_empty()).then_some(())
        })
        .await;
        if is_lost {
            let simulator = &caller.simulator;
            simulator.force(Remote::BuyWithPrime, Fault::AnswerLost, 1);
            let query = json!({ "query": format!("{{ order(orderIdentifier: {{ orderId: \"{order}\" }}) {{ id }} }}") });
            assert!(caller.post(query.to_string()).await.is_err());
        } else {
            caller.see(&order).await;
        }
        caller.cancel(&order, "mine").await;
        let ledger = caller.simulator.ledger();
        assert_eq!(ledger.cancels[0].beside_visible, !is_lost);
    }
}

#[tokio::test]
async fn what_nobody_asked_for_happens_by_itself() {
    let caller = Caller::quick().await;
    let shopper = caller.order(Scenario::ShopperObserved);
    let unfulfillable = caller.order(Scenario::Unfulfillable);
    let undeliverable = caller.order(Scenario::Undeliverable);
    let seen = caller
        .until(&shopper, |seen| !refunds(seen).is_empty())
        .await;
    assert_eq!(cancellation(&seen)["requestedBy"], "SHOPPER");

    let seen = caller
        .until(&unfulfillable, |seen| !refunds(seen).is_empty())
        .await;
    assert_eq!(*cancellation(&seen), Value::Null);
    let states = packages(&seen);
    assert_eq!(states.last(), Some(&"CANCELLED"));
    assert_eq!(states.first(), Some(&"IN_TRANSIT"));
    let total = number(&refunds(&seen)[0]["refundTotal"]["totalAmount"]["amount"]);
    assert!(total < number(&seen["totalPrice"]["value"]["amount"]));

    let seen = caller
        .until(&undeliverable, |seen| !refunds(seen).is_empty())
        .await;
    assert_eq!(refunds(&seen)[0]["refundRequestReason"], "DELIVERY_ISSUES");
    assert_eq!(
        seen["packageInformation"]["details"][0]["reason"],
        "UNDELIVERABLE"
    );
}

#[tokio::test]
async fn decided_at_once_and_never() {
    let caller = Caller::quick().await;
    let state = |answer: &Value| answer["data"]["cancelOrder"]["cancellation"]["state"].clone();
    let success = caller.order(Scenario::ImmediateSuccess);
    assert_eq!(state(&caller.cancel(&success, "a").await), "SUCCESS");
    let seen = caller
        .until(&success, |seen| !refunds(seen).is_empty())
        .await;
    assert!(packages(&seen).iter().all(|state| *state == "CANCELLED"));

    let rejected = caller.order(Scenario::ImmediateRejected);
    assert_eq!(state(&caller.cancel(&rejected, "a").await), "REJECTED");
    caller
        .until(&rejected, |seen| packages(seen).contains(&"IN_TRANSIT"))
        .await;

    let never = caller.order(Scenario::NeverDecides);
    assert_eq!(state(&caller.cancel(&never, "a").await), "PENDING");
    // The others' time is over by now, this one's is not.
    caller
        .cancelled(&caller.order(Scenario::Happy), "SUCCESS")
        .await;
    assert_eq!(cancellation(&caller.see(&never).await)["state"], "PENDING");
}

#[tokio::test]
async fn a_second_request_takes_effect_and_shows() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    caller.cancel(&order, "first").await;
    caller.cancel(&order, "second").await;
    let seen = caller
        .until(&order, |seen| {
            seen["lineItems"][0]["cancellations"]["details"][1]["state"] == "SUCCESS"
        })
        .await;
    let entries = seen["lineItems"][0]["cancellations"]["details"]
        .as_array()
        .unwrap();
    assert_eq!(entries.len(), 2);
    let ledger = caller.simulator.ledger();
    assert_eq!(ledger.cancels.len(), 2);
    assert!(ledger.cancels.iter().all(|call| call.accepted));
    assert!(!ledger.cancels[0].beside_visible && ledger.cancels[1].beside_visible);
    // The shopper is owed once all the same.
    let seen = caller.until(&order, |seen| !refunds(seen).is_empty()).await;
    assert_eq!(refunds(&seen).len(), 1);
}

#[tokio::test]
async fn an_order_is_summoned_by_its_name() {
    let caller = Caller::quick().await;
    let seen = caller.see("SIM-two_refunds-7").await;
    assert_eq!(seen["id"], "SIM-two_refunds-7");
    let answer = caller.cancel("SIM-shipped-1", "a").await;
    assert_eq!(error(&answer)["errorType"], "ValidationError");
    let answer = caller.read("SIM-nonsense-1").await;
    assert_eq!(error(&answer)["errorType"], "ResourceNotFoundError");
}

#[tokio::test]
async fn malformed_requests_are_told_so() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    let both = json!({ "by": { "orderId": order, "alias": { "aliasId": "a", "aliasType": "b" } } });
    assert_eq!(
        error(&caller.graphql(CANCEL, both).await)["errorType"],
        "ValidationError"
    );
    let aliases: Vec<Value> = (0..6)
        .map(|n| json!({ "aliasId": n.to_string(), "aliasType": "T" }))
        .collect();
    let many = json!({ "by": { "orderId": order }, "input": { "aliases": aliases } });
    assert_eq!(
        error(&caller.graphql(CANCEL, many).await)["errorType"],
        "ValidationError"
    );
    // A single object where a list is expected is a list of one.
    let single = json!({
        "by": { "orderId": order },
        "input": { "aliases": { "aliasId": "x", "aliasType": "T" } }
    });
    let answer = caller.graphql(CANCEL, single).await;
    assert_eq!(
        answer["data"]["cancelOrder"]["cancellation"]["aliases"],
        json!([{ "aliasId": "x", "aliasType": "T" }])
    );
    assert_eq!(
        caller.post("not json".to_owned()).await.unwrap().status(),
        400
    );
    // What the engine of the server itself refuses is answered, too.
    for query in [
        "query q($by: Nope!) { order(orderIdentifier: $by) { id } }",
        "query q { order(orderIdentifier: { orderId: 1.5 }) { nope } }",
        "{",
        "",
    ] {
        let answer = caller.graphql(query, json!({ "by": {} })).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["classification"], "ValidationError",
            "{query}"
        );
    }
    let counts = caller.simulator.ledger().requests[&Remote::BuyWithPrime].clone();
    assert_eq!(counts.received, 8);
}
