//! The recorded and reconstructed samples: the requests are understood, the answers have their shape.

use countermand_simulator::Scenario;
use serde_json::Value;

use crate::support::{Caller, cancellation, packages, refunds};

const ORDER: &str = "322-T7QM-2LH9WD";
const REFUND: &str = "3a7d51f09c2be846d0f7195ab8c3e2647f18d09ba5c4e3726180f9d3b7a2c516";

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../reference/samples/", $name, ".json"))
    };
}

fn parse(sample: &str) -> Value {
    serde_json::from_str(sample).unwrap()
}

/// Every member of one is a member of the other, of the same kind; lists are compared by their first
/// elements; null fits everything.
fn same_shape(ours: &Value, sample: &Value, path: &str) {
    match (ours, sample) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(a), Value::Object(b)) => {
            let names = |map: &serde_json::Map<String, Value>| {
                map.keys()
                    .cloned()
                    .collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(names(a), names(b), "at {path}");
            for (name, value) in a {
                same_shape(value, &b[name], &format!("{path}.{name}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if let (Some(a), Some(b)) = (a.first(), b.first()) {
                same_shape(a, b, &format!("{path}[0]"));
            }
        }
        (a, b) => assert_eq!(
            std::mem::discriminant(a),
            std::mem::discriminant(b),
            "at {path}: {a} and {b}"
        ),
    }
}

async fn send(caller: &Caller, request: &str) -> Value {
    caller
        .post(request.to_owned())
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn with(scenario: Scenario) -> Caller {
    let caller = Caller::quick().await;
    caller
        .simulator
        .create_order(Some(ORDER.to_owned()), scenario)
        .unwrap();
    caller
}

/// Sends the sample query until the answer is as it is wanted.
async fn read_until(caller: &Caller, is_so: impl Fn(&Value) -> bool) -> Value {
    crate::support::eventually(async || {
        let answer = send(caller, sample!("request-order-query")).await;
        is_so(&answer["data"]["order"]).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn an_order_before_anything_happened() {
    let caller = with(Scenario::Happy).await;
    let answer = send(&caller, sample!("request-order-query")).await;
    same_shape(&answer, &parse(sample!("order-all-pending")), "");
    assert_eq!(answer["data"]["order"]["refunds"], Value::Null);
    assert_eq!(
        answer["data"]["order"]["lineItems"][0]["cancellations"],
        Value::Null
    );
}

#[tokio::test]
async fn an_order_by_alias() {
    let caller = Caller::quick().await;
    caller
        .simulator
        .create_order(Some("100482".to_owned()), Scenario::Happy)
        .unwrap();
    let answer = send(&caller, sample!("request-order-query-by-alias")).await;
    assert_eq!(answer["data"]["order"]["id"], "100482");
}

#[tokio::test]
async fn orders_in_their_other_states() {
    for (scenario, sample) in [
        (Scenario::Shipped, sample!("order-shipped")),
        (Scenario::PartlyShipped, sample!("order-partially-shipped")),
        (
            Scenario::NoPackagesYet,
            sample!("order-no-package-information"),
        ),
        (
            Scenario::SplitLine,
            sample!("order-line-split-across-packages"),
        ),
        (
            Scenario::ShopperCancelled,
            sample!("order-cancelled-by-shopper"),
        ),
    ] {
        let caller = with(scenario).await;
        let answer = send(&caller, sample!("request-order-query")).await;
        same_shape(&answer, &parse(sample), scenario.name());
    }
    let caller = with(Scenario::NotFound).await;
    let answer = send(&caller, sample!("request-order-query")).await;
    same_shape(&answer, &parse(sample!("order-error-not-found")), "");
    assert_eq!(answer["data"], parse(r#"{"order": null}"#));
}

#[tokio::test]
async fn orders_that_fail_by_themselves() {
    for (scenario, sample) in [
        (
            Scenario::Unfulfillable,
            sample!("order-unfulfillable-partial"),
        ),
        (Scenario::Undeliverable, sample!("order-undeliverable")),
    ] {
        let caller = with(scenario).await;
        let answer = read_until(&caller, |order| !refunds(order).is_empty()).await;
        same_shape(&answer, &parse(sample), scenario.name());
    }
}

#[tokio::test]
async fn a_cancellation_from_request_to_refund() {
    let caller = with(Scenario::Happy).await;
    let answer = send(&caller, sample!("request-cancel-order")).await;
    let sample = parse(sample!("cancel-order-success"));
    same_shape(&answer, &sample, "");
    let entry = &answer["data"]["cancelOrder"]["cancellation"];
    let expected = &sample["data"]["cancelOrder"]["cancellation"];
    for echoed in [
        "state",
        "aliases",
        "reason",
        "additionalComments",
        "requestedBy",
    ] {
        assert_eq!(entry[echoed], expected[echoed]);
    }
    assert_eq!(entry["createdAt"], entry["updatedAt"]);
    assert_eq!(entry["id"].as_str().unwrap().len(), 64);

    let answer = read_until(&caller, |order| cancellation(order)["state"] == "SUCCESS").await;
    same_shape(&answer, &parse(sample!("order-cancellation-success")), "");
    assert!(
        packages(&answer["data"]["order"])
            .iter()
            .all(|state| *state == "CANCELLED")
    );

    let answer = read_until(&caller, |order| !refunds(order).is_empty()).await;
    let refund = refunds(&answer["data"]["order"])[0]["id"].as_str().unwrap();
    // The sample's amounts are those of its own order; what is reported is believed.
    for (request, told, state) in [
        (
            sample!("request-update-order-refund-partial"),
            sample!("update-order-refund-partial"),
            sample!("order-refund-partial"),
        ),
        (
            sample!("request-update-order-refund-success"),
            sample!("update-order-refund-success"),
            sample!("order-refund-success"),
        ),
    ] {
        let answer = send(&caller, &request.replace(REFUND, refund)).await;
        let expected = parse(&told.replace(REFUND, refund));
        assert_eq!(answer, expected);
        let answer = send(&caller, sample!("request-order-query")).await;
        same_shape(&answer, &parse(state), "");
    }
}

#[tokio::test]
async fn the_other_forms_of_a_request() {
    let caller = with(Scenario::Happy).await;
    let answer = send(&caller, sample!("request-cancel-order-minimal")).await;
    let sample = parse(sample!("cancel-order-success-minimal"));
    same_shape(&answer, &sample, "");
    let entry = &answer["data"]["cancelOrder"]["cancellation"];
    let expected = &sample["data"]["cancelOrder"]["cancellation"];
    for echoed in ["aliases", "reason", "additionalComments"] {
        assert_eq!(entry[echoed], expected[echoed]);
    }
    let answer = send(&caller, sample!("request-cancel-order-other-reason")).await;
    same_shape(
        &answer,
        &parse(sample!("cancel-order-success-other-reason")),
        "",
    );
    assert_eq!(
        answer["data"]["cancelOrder"]["cancellation"]["additionalComments"],
        "DAMAGED PRODUCT"
    );
}

#[tokio::test]
async fn a_rejected_cancellation() {
    let caller = with(Scenario::Rejected).await;
    send(&caller, sample!("request-cancel-order")).await;
    let answer = read_until(&caller, |order| cancellation(order)["state"] == "REJECTED").await;
    same_shape(&answer, &parse(sample!("order-cancellation-rejected")), "");
}

#[tokio::test]
async fn errors_have_the_shape_of_the_samples() {
    let caller = with(Scenario::Shipped).await;
    let answer = send(&caller, sample!("request-cancel-order")).await;
    let sample = parse(sample!("cancel-order-error-not-cancellable"));
    same_shape(&answer, &sample, "");
    assert_eq!(answer["data"], sample["data"]);
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );
    assert_eq!(answer["errors"][0]["path"], sample["errors"][0]["path"]);

    let unknown = sample!("request-cancel-order").replace(ORDER, "322-NONE-NONE00");
    let answer = send(&caller, &unknown).await;
    let sample = parse(sample!("cancel-order-error-not-found"));
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );

    let note = sample!("request-cancel-order").replace("additionalComments\": ", "note\": ");
    let answer = send(&caller, &note).await;
    let sample = parse(sample!("cancel-order-error-graphql-validation"));
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );
    assert!(answer.get("data").is_none());
}

#[tokio::test]
async fn refund_reports_are_refused_as_documented() {
    let caller = with(Scenario::ShopperCancelled).await;
    let answer = read_until(&caller, |order| !refunds(order).is_empty()).await;
    let refund = refunds(&answer["data"]["order"])[0]["id"].as_str().unwrap();
    let success = sample!("request-update-order-refund-success").replace(REFUND, refund);

    let answer = send(&caller, sample!("request-update-order-refund-success")).await;
    let sample = parse(sample!("update-order-error-invalid-refund-id"));
    same_shape(&answer, &sample, "");
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );

    let nameless = success.replace(&format!("\"id\": \"{refund}\","), "");
    let answer = send(&caller, &nameless).await;
    let sample = parse(sample!("update-order-error-missing-refund-id"));
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );

    send(&caller, &success).await;
    let mut back = parse(&success);
    back["variables"]["input"]["refunds"]["details"][0]["state"] = "PENDING".into();
    let back = back.to_string();
    let answer = send(&caller, &back).await;
    let sample = parse(sample!(
        "update-order-error-invalid-refund-state-transition"
    ));
    assert_eq!(
        answer["errors"][0]["extensions"],
        sample["errors"][0]["extensions"]
    );
}

#[tokio::test]
async fn subscriptions_and_the_sandbox() {
    let caller = with(Scenario::Happy).await;
    let answer = send(&caller, sample!("request-create-event-subscription")).await;
    same_shape(
        &answer,
        &parse(sample!("response-create-event-subscription")),
        "",
    );
    let again = send(&caller, sample!("request-create-event-subscription")).await;
    assert_eq!(
        crate::support::error(&again)["code"],
        "SubscriptionAlreadyExists"
    );

    let order = caller.see(ORDER).await;
    let package = order["packageInformation"]["details"][0]["id"]
        .as_str()
        .unwrap();
    let request = sample!("request-sandbox-cancel-package")
        .replace("4b0e6c1a-8f3d-4c57-a9e2-6d17f0b35c84", package);
    let answer = send(&caller, &request).await;
    same_shape(
        &answer,
        &parse(sample!("response-sandbox-cancel-package")),
        "",
    );
    let order = caller
        .until(ORDER, |order| packages(order).contains(&"CANCELLED"))
        .await;
    assert_eq!(
        order["packageInformation"]["details"][0]["reason"],
        "CUSTOMER_REQUESTED"
    );
    let again = send(&caller, &request).await;
    assert_eq!(
        crate::support::error(&again)["code"],
        "InvalidPackageDeliveryDetailStateTransition"
    );
    caller
        .until(ORDER, |order| !refunds(order).is_empty())
        .await;
}
