//! The judge over a real ledger: a caller that does everything right is found right, and each thing
//! that it does wrong on top is found.

use std::cell::Cell;

use countermand_simulator::{Asked, Mix, NewOrder, Proof, Scenario, judge};
use serde_json::{Value, json};

use crate::support::{Caller, cancellation, eventually, packages, refunds, swift};

/// Somebody who sees one cancellation through, without any trouble in between.
struct Careful<'a> {
    caller: &'a Caller,
    order: &'a NewOrder,
    revision: Cell<u64>,
}

impl<'a> Careful<'a> {
    fn new(caller: &'a Caller, order: &'a NewOrder) -> Self {
        Self {
            caller,
            order,
            revision: Cell::new(0),
        }
    }

    fn id(&self) -> &str {
        &self.order.order_id
    }

    async fn tell(&self, kind: &str, refund: Option<&str>) {
        let revision = self.revision.get() + 1;
        self.revision.set(revision);
        let refunds: Vec<Value> = refund.iter().map(|id| json!({ "id": id })).collect();
        let body = json!({
            "type": kind,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "data": {
                "id": format!("c-{}", self.id()),
                "orderId": self.id(),
                "refunds": refunds,
                "revision": revision
            }
        });
        let answer = self
            .caller
            .client
            .post(&self.caller.simulator.endpoints().oms)
            // As the engine's ids do, a refund's message names it.
            .header(
                "webhook-id",
                match refund {
                    Some(refund) => format!("{}-{revision}:refund_updated:{refund}:1", self.id()),
                    None => format!("{}-{revision}", self.id()),
                },
            )
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Looks until the order shows packages, which it does once it is there.
    async fn look(&self) -> Value {
        eventually(async || {
            let mut answer = self.caller.read(self.id()).await;
            let order = answer["data"]["order"].take();
            (!packages(&order).is_empty()).then_some(order)
        })
        .await
    }

    async fn see_through(&self) {
        let seen = self.look().await;
        let adopted = matches!(
            cancellation(&seen)["state"].as_str(),
            Some("PENDING" | "SUCCESS")
        );
        if !adopted {
            let cancellable = packages(&seen).iter().all(|state| *state == "PENDING");
            let refused = !cancellable
                || self
                    .caller
                    .cancel(self.id(), &format!("alias-{}", self.id()))
                    .await
                    .get("errors")
                    .is_some();
            if refused {
                self.tell("cancellation.rejected", None).await;
                return;
            }
        }
        self.tell("cancellation.pending", None).await;
        let decided = self
            .caller
            .until(self.id(), |seen| cancellation(seen)["state"] != "PENDING")
            .await;
        if cancellation(&decided)["state"] == "REJECTED" {
            self.tell("cancellation.rejected", None).await;
            return;
        }
        self.tell("cancellation.succeeded", None).await;
        let wanted = match self.order.scenario {
            Scenario::NoRefund => 0,
            Scenario::TwoRefunds => decided["lineItems"].as_array().unwrap().len(),
            _ => 1,
        };
        let seen = self
            .caller
            .until(self.id(), |seen| refunds(seen).len() == wanted)
            .await;
        for refund in refunds(&seen) {
            self.refund(refund).await;
        }
    }

    async fn refund(&self, refund: &Value) {
        let id = refund["id"].as_str().unwrap();
        let amount = refund["refundTotal"]["totalAmount"]["amount"].to_string();
        let mut payments = String::new();
        if refund["refundTotal"]["totalAmount"]["amount"].as_f64() != Some(0.0) {
            self.caller.pay(id, self.id(), id, &amount).await;
            let paid = eventually(async || {
                let listed = self.caller.listed(id).await;
                (listed[0]["state"] == "SUCCESS").then_some(listed)
            })
            .await;
            payments = format!(
                r#"{{"id":{},"amount":{{"amount":{amount},"currencyCode":"USD"}}}}"#,
                paid[0]["paymentId"]
            );
        }
        let details = format!(
            r#"[{{"id":"{id}","state":"SUCCESS","refundTotal":{{"totalAmount":{{"amount":{amount},"currencyCode":"USD"}}}},"paymentDetails":[{payments}]}}]"#
        );
        let answer = self.caller.report(self.id(), &details).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        self.tell("refund.updated", Some(id)).await;
    }
}

fn proof(caller: &Caller, orders: &[NewOrder]) -> Proof {
    let asked: Vec<Asked> = orders
        .iter()
        .map(|order| Asked {
            order_id: order.order_id.clone(),
            cancellation_id: Some(format!("c-{}", order.order_id)),
        })
        .collect();
    judge(&asked, &caller.simulator.ledger())
}

async fn all_done(mix: Mix, count: usize) -> (Caller, Vec<NewOrder>) {
    let caller = Caller::start(|options| {
        options.pace = swift();
        options.mix = mix;
        options.seed = 8;
    })
    .await;
    let orders = caller.simulator.create_orders(count);
    for order in &orders {
        Careful::new(&caller, order).see_through().await;
    }
    (caller, orders)
}

#[tokio::test]
async fn everything_right_is_found_right_in_every_scenario() {
    // One of each that is asked for and ends by itself.
    let scenarios: Vec<Scenario> = Scenario::ALL
        .iter()
        .copied()
        .filter(|scenario| {
            // An expensive refund is like any other to a caller without limits.
            let needs_nobody = scenario.provokes().is_none() || *scenario == Scenario::Expensive;
            scenario.is_requested() && needs_nobody
        })
        .collect();
    assert_eq!(scenarios.len(), 19);
    let caller = Caller::quick().await;
    let mut orders = Vec::new();
    for scenario in scenarios {
        let order = caller.simulator.create_order(None, scenario).unwrap();
        Careful::new(&caller, &order).see_through().await;
        orders.push(order);
    }
    // What ships does so a little later than it is rejected; the judge looks at the end.
    let proof = eventually(async || {
        let proof = proof(&caller, &orders);
        proof.ok.then_some(proof)
    })
    .await;
    assert!(proof.rows.len() > 15);
}

#[tokio::test]
async fn what_was_not_seen_through_is_found() {
    let (caller, mut orders) = all_done(Mix::only(Scenario::Happy), 2).await;
    assert!(proof(&caller, &orders).ok);
    orders.push(
        caller
            .simulator
            .create_order(None, Scenario::Happy)
            .unwrap(),
    );
    let found = proof(&caller, &orders);
    assert!(!found.ok && !found.lost.is_empty());
}

#[tokio::test]
async fn a_second_payout_is_found() {
    let (caller, orders) = all_done(Mix::only(Scenario::Happy), 1).await;
    let payment = caller.simulator.ledger().payments[0].clone();
    caller
        .pay(
            "another key",
            &payment.order_id,
            &payment.refund_id,
            &payment.amount.to_string(),
        )
        .await;
    let found = proof(&caller, &orders);
    assert!(!found.ok && found.doubled[0].what.contains("paid 2 times"));
}

#[tokio::test]
async fn a_second_cancellation_is_found() {
    let (caller, orders) = all_done(Mix::only(Scenario::NoRefund), 1).await;
    caller.cancel(&orders[0].order_id, "again").await;
    let found = proof(&caller, &orders);
    assert!(!found.ok && found.doubled[0].what.contains("cancelOrder"));
}

#[tokio::test]
async fn a_second_success_is_found() {
    let (caller, orders) = all_done(Mix::only(Scenario::NoRefund), 1).await;
    let careful = Careful::new(&caller, &orders[0]);
    careful.revision.set(10);
    careful.tell("cancellation.succeeded", None).await;
    let found = proof(&caller, &orders);
    assert!(!found.ok && found.doubled[0].what.contains("under 2 ids"));
}
