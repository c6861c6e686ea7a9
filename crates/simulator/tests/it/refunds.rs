//! Refund reports at Amazon, payouts at the provider.

use std::time::Duration;

use countermand_simulator::{PaymentState, Scenario};
use serde_json::{Value, json};

use crate::support::{Caller, cancellation, error, payout, refunds, swift};

/// An order with its refund open: ids of both, and the amount's own text.
async fn open(caller: &Caller, scenario: Scenario) -> (String, String, String) {
    let order = caller.order(scenario);
    caller.see(&order).await;
    caller.cancel(&order, &format!("alias-{order}")).await;
    let seen = caller.until(&order, |seen| !refunds(seen).is_empty()).await;
    let refund = refunds(&seen)[0]["id"].as_str().unwrap().to_owned();
    let amount = caller
        .simulator
        .ledger()
        .orders
        .into_iter()
        .find(|known| known.order_id == order)
        .unwrap()
        .refunds[0]
        .amount
        .to_string();
    (order, refund, amount)
}

fn details(refund: &str, state: &str, total: &str, payments: &[(&str, &str)]) -> String {
    let payments: Vec<String> = payments
        .iter()
        .map(|(id, amount)| {
            format!(
                r#"{{"id":"{id}","amount":{{"amount":{amount},"currencyCode":"USD"}},"state":"SUCCESS"}}"#
            )
        })
        .collect();
    format!(
        r#"[{{"id":"{refund}","state":"{state}","refundTotal":{{"totalAmount":{{"amount":{total},"currencyCode":"USD"}}}},"paymentDetails":[{}]}}]"#,
        payments.join(",")
    )
}

#[tokio::test]
async fn amounts_keep_their_digits_on_the_wire_both_ways() {
    let caller = Caller::quick().await;
    let (order, refund, _) = open(&caller, Scenario::Happy).await;
    // No binary float has this value.
    let exact = "12345678901234567.89";
    caller
        .report(
            &order,
            &details(&refund, "PARTIAL", exact, &[("p", "43.990")]),
        )
        .await;
    let query = json!({
        "query": crate::support::ORDER_QUERY,
        "variables": { "by": { "orderId": order } }
    });
    let text = caller
        .post(query.to_string())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.contains(&format!("\"amount\":{exact}")), "{text}");
    assert!(text.contains("\"amount\":43.990"), "{text}");
    let ledger = caller.simulator.ledger();
    assert_eq!(ledger.reports[0].total.unwrap().to_string(), exact);
}

#[tokio::test]
async fn a_payment_reported_twice_is_booked_twice() {
    let caller = Caller::quick().await;
    let (order, refund, amount) = open(&caller, Scenario::Happy).await;
    for _ in 0..2 {
        let answer = caller
            .report(
                &order,
                &details(&refund, "SUCCESS", &amount, &[("pay-1", &amount)]),
            )
            .await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    let ledger = caller.simulator.ledger();
    let booked = &ledger
        .orders
        .iter()
        .find(|known| known.order_id == order)
        .unwrap()
        .refunds[0];
    assert_eq!(booked.payments.len(), 2);
    assert_eq!(booked.reported_total.unwrap().to_string(), amount);
    assert_eq!(ledger.reports.len(), 2);
    let seen = caller.see(&order).await;
    assert_eq!(
        refunds(&seen)[0]["paymentDetails"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn states_walk_as_documented_and_no_other_way() {
    let caller = Caller::quick().await;
    for (walk, refused) in [
        (
            &["FAILURE", "PARTIAL", "PARTIAL", "SUCCESS", "SUCCESS"][..],
            "PARTIAL",
        ),
        (&["PARTIAL"][..], "FAILURE"),
        (&["FAILURE"][..], "PENDING"),
        (&["PENDING", "REJECTED"][..], "SUCCESS"),
        (&["SUCCESS"][..], "REJECTED"),
    ] {
        let (order, refund, _) = open(&caller, Scenario::Happy).await;
        for state in walk {
            let answer = caller
                .report(&order, &details(&refund, state, "1.00", &[]))
                .await;
            assert!(answer.get("errors").is_none(), "{state}: {answer}");
        }
        let answer = caller
            .report(&order, &details(&refund, refused, "1.00", &[]))
            .await;
        assert_eq!(
            error(&answer)["code"],
            "InvalidRefundStateTransition",
            "{walk:?} {refused}"
        );
    }
    let ledger = caller.simulator.ledger();
    assert_eq!(
        ledger.reports.iter().filter(|call| !call.accepted).count(),
        5
    );
}

#[tokio::test]
async fn malformed_reports_change_nothing() {
    let caller = Caller::quick().await;
    let (order, refund, _) = open(&caller, Scenario::TwoRefunds).await;
    let seen = caller.until(&order, |seen| refunds(seen).len() > 1).await;
    let other = refunds(&seen)
        .iter()
        .map(|known| known["id"].as_str().unwrap())
        .find(|id| *id != refund)
        .unwrap();
    let total = r#""refundTotal":{"totalAmount":{"amount":1,"currencyCode":"USD"}}"#;
    let alias = r#""aliases":[{"aliasId":"x","aliasType":"T"}]"#;
    for (details, code) in [
        (format!("[{{{total}}}]"), "MissingRefundId"),
        (
            format!(r#"[{{"id":"{refund}",{total}}},{{"id":"{refund}",{total}}}]"#),
            "DuplicateRefundId",
        ),
        (format!(r#"[{{"id":"nope",{total}}}]"#), "InvalidRefundId"),
        (
            format!(r#"[{{"id":"{refund}",{total},{alias}}},{{"id":"{other}",{total},{alias}}}]"#),
            "DuplicateAliasId",
        ),
        (
            format!(r#"[{{"id":"{refund}",{total},"refundRequestReason":"OTHERS"}}]"#),
            "InvalidRefundRequestReasonUpdate",
        ),
        (
            format!(
                r#"[{{"id":"{refund}","state":"SUCCESS","refundTotal":{{"totalAmount":{{"amount":1,"currencyCode":"EUR"}}}}}}]"#
            ),
            "INVENTED_CurrencyMismatch",
        ),
    ] {
        let answer = caller.report(&order, &details).await;
        assert_eq!(error(&answer)["code"], code, "{answer}");
        assert_eq!(error(&answer)["errorType"], "ValidationError");
    }
    assert!(
        refunds(&caller.see(&order).await)
            .iter()
            .all(|refund| refund["state"] == "PENDING")
    );
}

#[tokio::test]
async fn the_same_key_is_a_replay_and_a_new_one_pays_again() {
    let caller = Caller::quick().await;
    let (order, refund, amount) = open(&caller, Scenario::Happy).await;
    assert_eq!(caller.listed(&refund).await, json!([]));
    let (status, first) = caller.pay("k1", &order, &refund, &amount).await;
    assert_eq!(status, 200);
    assert_eq!(first["state"], "SUCCESS");
    assert_eq!(
        first["amount"],
        json!({ "amount": amount, "currencyCode": "USD" })
    );
    assert_eq!(caller.pay("k1", &order, &refund, &amount).await.1, first);
    assert_eq!(caller.listed(&refund).await, json!([first]));

    let (_, second) = caller.pay("k2", &order, &refund, &amount).await;
    assert_ne!(second["paymentId"], first["paymentId"]);
    assert_eq!(caller.listed(&refund).await, json!([first, second]));
    // Another body under a known key is refused, and tells on the caller.
    assert_eq!(caller.pay("k1", &order, &refund, "0.01").await.0, 422);

    let ledger = caller.simulator.ledger();
    let effects: Vec<bool> = ledger.payouts.iter().map(|call| call.effect).collect();
    assert_eq!(effects, [true, false, true, false]);
    assert!(ledger.payouts[3].error.is_some());
    assert!(ledger.payouts.iter().all(|call| call.open_at_amazon));
    assert_eq!(ledger.payments.len(), 2);
}

#[tokio::test]
async fn a_forgotten_key_pays_again() {
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.pace.key_lifetime = Duration::from_millis(30);
    })
    .await;
    let (order, refund, amount) = open(&caller, Scenario::Happy).await;
    let (_, first) = caller.pay("k", &order, &refund, &amount).await;
    crate::support::eventually(async || {
        let (_, again) = caller.pay("k", &order, &refund, &amount).await;
        (again["paymentId"] != first["paymentId"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn payouts_that_take_their_time() {
    let caller = Caller::quick().await;
    for (scenario, first) in [
        (Scenario::PartialPayout, "PARTIAL"),
        (Scenario::PendingPayout, "PENDING"),
    ] {
        let (order, refund, amount) = open(&caller, scenario).await;
        let (_, told) = caller.pay(&refund, &order, &refund, &amount).await;
        assert_eq!(told["state"], first);
        if first == "PARTIAL" {
            assert_ne!(told["amount"]["amount"], json!(amount));
        }
        let done = crate::support::eventually(async || {
            let listed = caller.listed(&refund).await;
            (listed[0]["state"] == "SUCCESS").then_some(listed)
        })
        .await;
        assert_eq!(done[0]["amount"]["amount"], json!(amount));
        assert_eq!(done[0]["paymentId"], told["paymentId"]);
        // The key remembers the first answer, not how it ended.
        assert_eq!(caller.pay(&refund, &order, &refund, &amount).await.1, told);
    }
}

#[tokio::test]
async fn a_payout_that_fails_succeeds_under_a_new_key() {
    let caller = Caller::quick().await;
    let (order, refund, amount) = open(&caller, Scenario::FailingPayoutThenSuccess).await;
    let (_, failed) = caller.pay("k1", &order, &refund, &amount).await;
    assert_eq!(failed["state"], "FAILURE");
    assert_eq!(caller.pay("k1", &order, &refund, &amount).await.1, failed);
    let (_, paid) = caller.pay("k2", &order, &refund, &amount).await;
    assert_eq!(paid["state"], "SUCCESS");
    let payments = caller.simulator.ledger().payments;
    assert_eq!(payments[0].state, PaymentState::Failure);
    assert_eq!(payments[0].paid.to_string(), "0");
    assert_eq!(payments[1].paid.to_string(), amount);
}

#[tokio::test]
async fn payouts_that_are_no_payouts_are_refused() {
    let caller = Caller::quick().await;
    let post = async |key: Option<&str>, body: String| {
        let mut request = caller
            .client
            .post(&caller.simulator.endpoints().refunds)
            .body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    assert_eq!(post(None, payout("o", "r", "1.00")).await.0, 400);
    assert_eq!(post(Some("k"), "{}".to_owned()).await.0, 400);
    for amount in ["0", "0.00", "-1.00", "one"] {
        let (status, body) = post(Some("k"), payout("o", "r", amount)).await;
        assert_eq!(status, 422, "{amount}");
        assert!(body["error"].is_string());
    }
    // An unknown refund is paid all the same, and the ledger tells.
    assert_eq!(post(Some("k"), payout("o", "r", "1.00")).await.0, 200);
    let ledger = caller.simulator.ledger();
    assert_eq!(ledger.payouts.len(), 1);
    assert!(!ledger.payouts[0].open_at_amazon);
}

#[tokio::test]
async fn an_alias_of_a_refund_overwrites_by_kind() {
    let caller = Caller::quick().await;
    let (order, refund, _) = open(&caller, Scenario::Happy).await;
    for id in ["first", "second"] {
        let details = format!(
            r#"[{{"id":"{refund}","refundTotal":{{}},"aliases":[{{"aliasId":"{id}","aliasType":"EXTERNAL_REFUND_ID"}}]}}]"#
        );
        let answer = caller.report(&order, &details).await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    let query = "query o($by: OrderIdentifierInput!) { order(orderIdentifier: $by) {
        refunds { details { aliases { aliasId } } } } }";
    let answer = caller
        .graphql(query, json!({ "by": { "orderId": order } }))
        .await;
    assert_eq!(
        answer["data"]["order"]["refunds"]["details"][0]["aliases"],
        json!([{ "aliasId": "second" }])
    );
    assert_eq!(cancellation(&caller.see(&order).await)["state"], "SUCCESS");
}
