//! Every sample of the reference, each with what is made of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countermand_buy_with_prime::{Resource, parse_events};
use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::{Named, NotSent, Unknown};
use countermand_core::cancellation::order::{Order, RefundState};
use countermand_core::cancellation::request::CancellationReason;

use crate::server::{
    BUDGET, REFUND, Server, cancel_call, json, open, order_id, payment, report_call, sample,
};

/// Every sample, and what is expected of it.
#[rustfmt::skip]
const TABLE: &[(&str, Expect)] = &[
    ("cancel-order-error-access-denied", Expect::Cancel("not sent: Unauthorized")),
    ("cancel-order-error-conflict", Expect::Cancel("unknown: ServerError")),
    ("cancel-order-error-graphql-validation", Expect::Cancel("refused: ValidationError: Validation error: input field 'note' is not defined on type 'CancelOrderInput'.")),
    ("cancel-order-error-internal", Expect::Cancel("unknown: ServerError")),
    ("cancel-order-error-not-cancellable", Expect::Cancel("refused: ValidationError: INVENTED_OrderNotCancellable: The order cannot be cancelled because at least one item has left the PENDING state.")),
    ("cancel-order-error-not-found", Expect::Cancel("not sent: NotFound")),
    ("cancel-order-error-throttled", Expect::Cancel("not sent: Throttled")),
    ("cancel-order-error-without-classification", Expect::Cancel("unknown: ServerError")),
    ("cancel-order-success", Expect::Cancel("PENDING 9f3c71d2 2025-02-20T09:13:22.138Z")),
    ("cancel-order-success-minimal", Expect::Cancel("unknown: ForeignAnswer")),
    ("cancel-order-success-other-reason", Expect::Cancel("PENDING 9f3c71d2 2025-02-20T09:13:22.138Z")),
    ("event-delivery-cancelled.legacy.eventbridge", Expect::Event("PACKAGE_DELIVERY_CANCELLED 81e5a7d3 81e5a7d3 package:4b0e6c1a")),
    ("event-package-delivered.eventbridge", Expect::Event("PACKAGE_DELIVERED MWY4ZTRj 196c8d2f package:4b0e6c1a")),
    ("event-package-delivery-cancelled.eventbridge", Expect::Event("PACKAGE_DELIVERY_CANCELLED MWY4ZTRj 0c4e2b77 package:4b0e6c1a")),
    ("event-package-delivery-cancelled.second-package.eventbridge", Expect::Event("PACKAGE_DELIVERY_CANCELLED MWY4ZTRj 5d17f3c8 package:c92a7f05")),
    ("event-package-delivery-cancelled.webhook", Expect::Event("PACKAGE_DELIVERY_CANCELLED MWY4ZTRj 0c4e2b77 package:4b0e6c1a")),
    ("event-package-delivery-cancelled.webhook-enriched", Expect::Event("PACKAGE_DELIVERY_CANCELLED MWY4ZTRj 0c4e2b77 package:4b0e6c1a")),
    ("event-package-delivery-in-transit.eventbridge", Expect::Event("PACKAGE_DELIVERY_IN_TRANSIT MWY4ZTRj b3f06a9e package:4b0e6c1a")),
    ("event-refund-completed.object-shape.webhook", Expect::Event("REFUND_COMPLETED MWY4ZTRj 72b9d4e6 refund:3a7d51f0")),
    ("event-refund-completed.webhook", Expect::Event("REFUND_COMPLETED MWY4ZTRj 72b9d4e6 refund:3a7d51f0")),
    ("event-refund-requested.eventbridge", Expect::Event("REFUND_REQUESTED MWY4ZTRj e8a35b10 refund:3a7d51f0")),
    ("event-refund-requested.eventbridge-enriched", Expect::Event("REFUND_REQUESTED MWY4ZTRj e8a35b10 refund:3a7d51f0")),
    ("event-refund-requested.new-event-same-refund.webhook", Expect::Event("REFUND_REQUESTED MWY4ZTRj 4e81c0d7 refund:3a7d51f0")),
    ("event-refund-requested.same-event-second-subscription.webhook", Expect::Event("REFUND_REQUESTED YTYwZDNi e8a35b10 refund:3a7d51f0")),
    ("event-refund-requested.two-resources.webhook", Expect::Event("REFUND_REQUESTED MWY4ZTRj f5d2096b refund:3a7d51f0 refund:b14c8e77")),
    ("event-refund-requested.webhook", Expect::Event("REFUND_REQUESTED MWY4ZTRj e8a35b10 refund:3a7d51f0")),
    ("event-refund-requested.webhook-enriched", Expect::Event("REFUND_REQUESTED MWY4ZTRj e8a35b10 refund:3a7d51f0")),
    ("event-unknown-type.eventbridge", Expect::Event("PACKAGE_TELEPORTED MWY4ZTRj 2b60f9c4 package:4b0e6c1a")),
    ("order-all-pending", Expect::Order("1x5c1d 2xe07b | 4b0e PENDING 1x5c1d | c92a PENDING 2xe07b")),
    ("order-cancellation-pending", Expect::Order("1x5c1d 2xe07b | 4b0e PENDING 1x5c1d | c92a PENDING 2xe07b | PENDING MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z")),
    ("order-cancellation-rejected", Expect::Order("1x5c1d 2xe07b | 4b0e IN_TRANSIT 1x5c1d | c92a IN_TRANSIT 2xe07b | REJECTED MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z")),
    ("order-cancellation-rejected-then-retried-success", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | REJECTED MERCHANT cnl-100482-0 OTHER 2025-02-20T09:05:00.000Z | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z | 3a7d PENDING CANCELLED_ORDER 43.99 USD 1x5c1d+2xe07b")),
    ("order-cancellation-success", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z | 3a7d PENDING CANCELLED_ORDER 43.99 USD 1x5c1d+2xe07b")),
    ("order-cancellation-success-refund-not-yet-visible", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z")),
    ("order-cancellation-success-two-refunds", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z | 3a7d PENDING CANCELLED_ORDER 24.99 USD 1x5c1d | b14c PENDING CANCELLED_ORDER 19.0 USD 2xe07b")),
    ("order-cancelled-by-shopper", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS SHOPPER  ITEMS_ARRIVING_LATE 2025-02-20T09:10:05.700Z | 3a7d PENDING CANCELLED_ORDER 43.99 USD 1x5c1d+2xe07b")),
    ("order-error-not-found", Expect::Order("not known")),
    ("order-line-split-across-packages", Expect::Order("1x5c1d 2xe07b | 4b0e PENDING 1x5c1d+1xe07b | c92a IN_TRANSIT 1xe07b")),
    ("order-no-package-information", Expect::Order("1x5c1d 2xe07b")),
    ("order-partially-shipped", Expect::Order("1x5c1d 2xe07b | 4b0e IN_TRANSIT 1x5c1d | c92a PENDING 2xe07b")),
    ("order-pending-one-package", Expect::Order("1x5c1d 2xe07b | 4b0e PENDING 1x5c1d+2xe07b")),
    ("order-refund-partial", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z | 3a7d PARTIAL CANCELLED_ORDER 20.0 USD 1x5c1d+2xe07b")),
    ("order-refund-success", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:CUSTOMER_REQUESTED 1x5c1d | c92a CANCELLED:CUSTOMER_REQUESTED 2xe07b | SUCCESS MERCHANT cnl-100482-1 ORDERED_BY_MISTAKE 2025-02-20T09:13:22.138Z | 3a7d SUCCESS CANCELLED_ORDER 43.99 USD 1x5c1d+2xe07b")),
    ("order-shipped", Expect::Order("1x5c1d 2xe07b | 4b0e IN_TRANSIT 1x5c1d | c92a DELIVERED 2xe07b")),
    ("order-undeliverable", Expect::Order("1x5c1d 2xe07b | 4b0e CANCELLED:UNDELIVERABLE 1x5c1d+2xe07b | 3a7d PENDING DELIVERY_ISSUES 43.99 USD 1x5c1d+2xe07b")),
    ("order-unfulfillable-partial", Expect::Order("1x5c1d 2xe07b | 4b0e IN_TRANSIT 1x5c1d | c92a CANCELLED:UNFULFILLABLE 2xe07b | b14c PENDING CANCELLED_ORDER 19.0 USD 2xe07b")),
    ("request-cancel-order", Expect::OurRequest),
    ("request-cancel-order-minimal", Expect::NotOurs),
    ("request-cancel-order-other-reason", Expect::OurRequest),
    ("request-create-event-subscription", Expect::NotOurs),
    ("request-order-query", Expect::OurRequest),
    ("request-order-query-by-alias", Expect::NotOurs),
    ("request-sandbox-cancel-package", Expect::NotOurs),
    ("request-update-order-refund-partial", Expect::OurRequest),
    ("request-update-order-refund-success", Expect::OurRequest),
    ("response-create-event-subscription", Expect::NotOurs),
    ("response-sandbox-cancel-package", Expect::NotOurs),
    ("response-token", Expect::Token),
    ("sqs-receive-refund-requested", Expect::Event("REFUND_REQUESTED MWY4ZTRj e8a35b10 refund:3a7d51f0")),
    ("update-order-error-invalid-refund-id", Expect::Update("refused: ValidationError: InvalidRefundId: The refund id is not known for this order.")),
    ("update-order-error-invalid-refund-state-transition", Expect::Update("refused: ValidationError: InvalidRefundStateTransition: The refund cannot move from SUCCESS to PENDING.")),
    ("update-order-error-missing-refund-id", Expect::Update("refused: ValidationError: MissingRefundId: A refund id must be given.")),
    ("update-order-refund-partial", Expect::Update("done")),
    ("update-order-refund-success", Expect::Update("done")),
];

enum Expect {
    /// An answer to `cancelOrder`.
    Cancel(&'static str),
    /// An answer to `updateOrder`.
    Update(&'static str),
    /// An answer to the order query.
    Order(&'static str),
    /// An answer of the token endpoint.
    Token,
    /// An event.
    Event(&'static str),
    /// A request that we make, with these variables.
    OurRequest,
    /// A request that we never make, or an answer to one.
    NotOurs,
}

#[tokio::test]
async fn every_sample_is_understood() {
    let mut failures = String::new();
    for (name, expect) in TABLE {
        let (found, expected) = match expect {
            Expect::Cancel(expected) => (cancel(name).await, *expected),
            Expect::Update(expected) => (update(name).await, *expected),
            Expect::Order(expected) => (read(name).await, *expected),
            Expect::Event(expected) => (event(name), *expected),
            Expect::Token => (token(name).await, "bearer example-not-a-real-token"),
            Expect::OurRequest => (request(name).await, "as in the sample"),
            Expect::NotOurs => continue,
        };
        if found != expected {
            let _ = writeln!(
                failures,
                "{name}\n  found    {found}\n  expected {expected}"
            );
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn no_sample_is_left_out() {
    let folder = format!("{}/samples", env!("CARGO_MANIFEST_DIR"));
    let present: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mentioned: BTreeSet<String> = TABLE
        .iter()
        .map(|(name, _)| format!("{name}.json"))
        .collect();
    assert_eq!(present, mentioned);
}

fn call_error(error: CallError) -> String {
    match error {
        CallError::Refused { code, message } => format!("refused: {code}: {message}"),
        CallError::NotSent { why, .. } => {
            assert!(matches!(
                why,
                NotSent::Unauthorized | NotSent::Throttled | NotSent::NotFound
            ));
            format!("not sent: {why:?}")
        }
        CallError::Unknown { why, .. } => {
            assert!(matches!(why, Unknown::ServerError | Unknown::ForeignAnswer));
            format!("unknown: {why:?}")
        }
    }
}

async fn answering(name: &str) -> Server {
    let body = sample(name);
    Server::answering(move |_| json(body.clone())).await
}

async fn cancel(name: &str) -> String {
    let server = answering(name).await;
    match server
        .client()
        .cancel_order(&cancel_call(), BUDGET, &open())
        .await
    {
        Ok(answer) => {
            let id = answer.cancellation_id.unwrap();
            format!(
                "{} {} {}",
                answer.state,
                &id[..8],
                answer.created_at.unwrap()
            )
        }
        Err(error) => call_error(error),
    }
}

async fn update(name: &str) -> String {
    let server = answering(name).await;
    let call = report_call(RefundState::Success, "43.99");
    match server
        .client()
        .report_refund(&call, &[], BUDGET, &open())
        .await
    {
        Ok(()) => "done".to_owned(),
        Err(error) => call_error(error),
    }
}

async fn read(name: &str) -> String {
    let server = answering(name).await;
    match server.client().read_order(&order_id(), BUDGET).await {
        Ok(Some(order)) => summary(&order),
        Ok(None) => "not known".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// An order on one line: items, packages, cancellations, refunds.
fn summary(order: &Order) -> String {
    let mut text = String::new();
    for item in &order.line_items {
        let _ = write!(text, "{}x{} ", item.quantity, &item.id.as_str()[..4]);
    }
    for package in &order.packages {
        let reason = package
            .reason
            .as_ref()
            .map(|reason| format!(":{reason}"))
            .unwrap_or_default();
        let contents: Vec<_> = package
            .contents
            .iter()
            .map(|content| format!("{}x{}", content.quantity, &content.id.as_str()[..4]))
            .collect();
        let _ = write!(
            text,
            "| {} {}{reason} {} ",
            &package.id.as_str()[..4],
            package.state,
            contents.join("+")
        );
    }
    for entry in &order.cancellations {
        let by = entry
            .requested_by
            .as_ref()
            .map_or("?".to_owned(), ToString::to_string);
        let aliases: Vec<_> = entry.aliases.iter().map(|alias| &*alias.alias_id).collect();
        let reason = entry.reason.as_deref().unwrap_or("-");
        let at = entry.created_at.as_deref().unwrap_or("-");
        let _ = write!(
            text,
            "| {} {by} {} {reason} {at} ",
            entry.state,
            aliases.join("+")
        );
    }
    for refund in &order.refunds {
        let total = refund
            .total
            .map_or("-".to_owned(), |total| total.to_string());
        let reason = refund.reason.as_deref().unwrap_or("-");
        let of: Vec<_> = refund
            .line_items
            .iter()
            .map(|content| format!("{}x{}", content.quantity, &content.id.as_str()[..4]))
            .collect();
        let _ = write!(
            text,
            "| {} {} {reason} {total} {} ",
            &refund.id.as_str()[..4],
            refund.state,
            of.join("+")
        );
        assert!(refund.payments.is_empty());
    }
    text.trim_end().to_owned()
}

async fn token(name: &str) -> String {
    let body = sample(name);
    let server = Server::scripted(move |seen| {
        json(if seen.path == "/token" {
            body.clone()
        } else {
            sample("order-all-pending")
        })
    })
    .await;
    server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap();
    server.calls()[0]
        .header("authorization")
        .unwrap()
        .to_owned()
}

fn event(name: &str) -> String {
    let mut text = String::new();
    for delivery in parse_events(sample(name).as_bytes()).unwrap() {
        assert_eq!(delivery.disagreement, None);
        let short = |text: Option<String>| text.map_or("-".to_owned(), |text| text[..8].to_owned());
        let _ = write!(
            text,
            "{} {} {}",
            delivery.event_type,
            short(delivery.transport_key),
            short(delivery.event_id)
        );
        for resource in &delivery.resources {
            let Resource::Routed {
                target,
                order,
                named,
            } = resource
            else {
                panic!("{resource:?}");
            };
            assert_eq!(
                (target.as_str(), order),
                (crate::server::TARGET, &order_id())
            );
            let _ = match named {
                Named::Refund { refund_id } => write!(text, " refund:{}", &refund_id.as_str()[..8]),
                Named::Package { package_id } => {
                    write!(text, " package:{}", &package_id.as_str()[..8])
                }
                Named::Order {} => write!(text, " order"),
            };
        }
    }
    text
}

/// Makes the request of a sample and compares the variables. What the sample adds and we leave out
/// on purpose (an alias for the refund, the payment method) is taken out of it first.
async fn request(name: &str) -> String {
    let server = Server::answering(|seen| {
        let answer = if seen.body.contains("cancelOrder") {
            "cancel-order-success"
        } else if seen.body.contains("updateOrder") {
            "update-order-refund-success"
        } else {
            "order-all-pending"
        };
        json(sample(answer))
    })
    .await;
    let client = server.client();
    let mut call = cancel_call();
    match name {
        "request-cancel-order" => {
            client.cancel_order(&call, BUDGET, &open()).await.unwrap();
        }
        "request-cancel-order-other-reason" => {
            call.reason = Some(CancellationReason::Other);
            call.additional_comments = Some("DAMAGED PRODUCT".to_owned());
            client.cancel_order(&call, BUDGET, &open()).await.unwrap();
        }
        "request-order-query" => {
            client.read_order(&order_id(), BUDGET).await.unwrap();
        }
        "request-update-order-refund-partial" => {
            let call = report_call(RefundState::Partial, "20.0");
            client
                .report_refund(&call, &[payment("pay-out-7731", "20.0")], BUDGET, &open())
                .await
                .unwrap();
        }
        "request-update-order-refund-success" => {
            let call = report_call(RefundState::Success, "43.99");
            client
                .report_refund(&call, &[payment("pay-out-7732", "23.99")], BUDGET, &open())
                .await
                .unwrap();
        }
        other => panic!("{other}"),
    }
    let ours: serde_json::Value = serde_json::from_str(&server.calls()[0].body).unwrap();
    let mut theirs: serde_json::Value = serde_json::from_str(&sample(name)).unwrap();
    if let Some(details) = theirs.pointer_mut("/variables/input/refunds/details") {
        for refund in details.as_array_mut().unwrap() {
            assert_eq!(refund["id"], REFUND);
            refund.as_object_mut().unwrap().remove("aliases");
            for payment in refund["paymentDetails"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                payment.as_object_mut().unwrap().remove("paymentMethod");
            }
        }
    }
    if ours["variables"] == theirs["variables"] {
        "as in the sample".to_owned()
    } else {
        format!(
            "{}\n  in the sample {}",
            ours["variables"], theirs["variables"]
        )
    }
}

#[tokio::test]
async fn nothing_but_query_and_variables_is_sent() {
    let server = answering("order-all-pending").await;
    server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap();
    let body: serde_json::Value = serde_json::from_str(&server.calls()[0].body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["query", "variables"]);
}
