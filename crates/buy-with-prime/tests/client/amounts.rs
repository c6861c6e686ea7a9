//! Amounts pass exactly, in both directions.

use countermand_core::cancellation::order::RefundState;

use crate::server::{BUDGET, REFUND, Server, json, open, order_id, payment, report_call, sample};

/// The total of the first refund when Amazon's answer says `amount`, in `currency`.
async fn total(amount: &str, currency: &str) -> Option<String> {
    let order = sample("order-cancellation-success")
        .replace("43.99", amount)
        .replace("\"USD\"", currency);
    let server = Server::answering(move |_| json(order.clone())).await;
    let order = server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(order.refunds[0].id.as_str(), REFUND);
    order.refunds[0].total.map(|total| total.to_string())
}

#[tokio::test]
async fn sound_amounts_are_read_digit_by_digit() {
    for (json, read) in [
        ("43.99", "43.99 USD"),
        ("43.990", "43.990 USD"),
        ("10", "10 USD"),
        ("10.0", "10.0 USD"),
        ("0", "0 USD"),
        ("0.30000000000000004", "0.30000000000000004 USD"),
        ("9007199254740993.01", "9007199254740993.01 USD"),
        (
            "1234567890123456789012345.678",
            "1234567890123456789012345.678 USD",
        ),
        ("1E+1", "10 USD"),
        ("4399e-2", "43.99 USD"),
    ] {
        assert_eq!(
            total(json, "\"USD\"").await.as_deref(),
            Some(read),
            "{json}"
        );
    }
}

#[tokio::test]
async fn unsound_amounts_are_no_amounts() {
    for json in [
        "-1",
        "-0.01",
        "1e400",
        "1e-400",
        "\"10\"",
        "\"43.99\"",
        "null",
        "true",
        "[43.99]",
        "{\"amount\": 1}",
        "0.12345678901234567890123456789",
        "99999999999999999999999999999",
    ] {
        assert_eq!(total(json, "\"USD\"").await, None, "{json}");
    }
    for currency in ["\"usd\"", "\"\"", "\"DOLLAR\"", "null"] {
        assert_eq!(total("43.99", currency).await, None, "{currency}");
    }
}

#[tokio::test]
async fn a_number_that_is_none_spoils_the_whole_answer() {
    for json in ["NaN", "Infinity", "0x10", "1_000", "01", "1.", ".5", "+1"] {
        let order = sample("order-cancellation-success").replace("43.99", json);
        let server = Server::answering(move |_| crate::server::json(order.clone())).await;
        assert!(
            server
                .client()
                .read_order(&order_id(), BUDGET)
                .await
                .is_err(),
            "{json}"
        );
    }
}

#[tokio::test]
async fn quantities_must_be_sound() {
    for bad in ["-2", "\"2\"", "1e400", "null"] {
        // Of a line item: nothing can be decided about such an order.
        let order = sample("order-pending-one-package").replacen("\"value\": 2", "\"value\": X", 1);
        let in_package = order.replace("\"value\": X", &format!("\"value\": {bad}"));
        let in_item = sample("order-pending-one-package");
        let at = in_item.rfind("\"value\": 2").unwrap();
        let in_item = in_item[..at].to_owned() + &in_item[at..].replacen('2', bad, 1);

        let server = Server::answering(move |_| json(in_item.clone())).await;
        let error = server
            .client()
            .read_order(&order_id(), BUDGET)
            .await
            .unwrap_err();
        assert!(error.message.contains("sound quantity"), "{bad}: {error}");

        // In a package: it covers nothing.
        let server = Server::answering(move |_| json(in_package.clone())).await;
        let order = server
            .client()
            .read_order(&order_id(), BUDGET)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(order.packages[0].contents.len(), 1, "{bad}");
    }
    // The same unit all over can be compared; two units cannot.
    let metres = sample("order-pending-one-package").replace("ONE", "m");
    let server = Server::answering(move |_| json(metres.clone())).await;
    let order = server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(order.packages[0].contents.len(), 2);
    let mixed = sample("order-pending-one-package").replacen("ONE", "m", 1);
    let server = Server::answering(move |_| json(mixed.clone())).await;
    let order = server
        .client()
        .read_order(&order_id(), BUDGET)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(order.packages[0].contents.len(), 1);
}

#[tokio::test]
async fn amounts_go_out_as_numbers_with_their_own_digits() {
    for text in [
        "43.99",
        "20.0",
        "10",
        "0",
        "0.30000000000000004",
        "1234567890123456789012345.678",
    ] {
        let server = Server::answering(|_| json(sample("update-order-refund-success"))).await;
        let call = report_call(RefundState::Success, text);
        server
            .client()
            .report_refund(&call, &[payment("pay-1", text)], BUDGET, &open())
            .await
            .unwrap();
        let body = &server.calls()[0].body;
        let money = format!(r#"{{"amount":{text},"currencyCode":"USD"}}"#);
        assert!(
            body.contains(&format!(r#""refundTotal":{{"totalAmount":{money}}}"#)),
            "{body}"
        );
        assert!(
            body.contains(&format!(r#""amount":{money},"state":"SUCCESS""#)),
            "{body}"
        );
    }
}
