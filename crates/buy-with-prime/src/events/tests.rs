//! Events in every form, generation and damage, and what is read out of them.

use proptest::prelude::*;

use super::*;

const PATH: &str = "businessProduct/bp-1/order/322-A/refund/R1";

fn webhook(fields: &str) -> String {
    format!(
        r#"{{"idempotencyKey":"k","eventDescriptor":"REFUND_REQUESTED","resources":["{PATH}"],"eventId":"e"{fields}}}"#
    )
}

fn parse(text: &str) -> Result<Vec<Delivery>, EventError> {
    parse_events(text.as_bytes())
}

fn one(text: &str) -> Delivery {
    let mut found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

fn refused(text: &str) -> String {
    match parse(text) {
        Err(error) => error.to_string(),
        Ok(found) => panic!("{text}: {found:?}"),
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn routed(order: &str, named: Named) -> Resource {
    Resource::Routed {
        target: TargetId::new("bp-1").unwrap(),
        order: OrderId::new(order).unwrap(),
        named,
    }
}

fn refund(id: &str) -> Named {
    Named::Refund {
        refund_id: id.parse().unwrap(),
    }
}

fn package(id: &str) -> Named {
    Named::Package {
        package_id: id.parse().unwrap(),
    }
}

#[test]
fn every_form_gives_the_same_event() {
    let inner = webhook("");
    let envelope = format!(
        r#"{{"version":"0","id":"x","detail-type":"REFUND_REQUESTED","resources":["{PATH}"],"detail":{inner}}}"#
    );
    let plain = one(&inner);
    assert_eq!(plain.transport_key.as_deref(), Some("k"));
    assert_eq!(plain.event_id.as_deref(), Some("e"));
    assert_eq!(plain.resources, [routed("322-A", refund("R1"))]);
    for event in [&inner, &envelope] {
        let message = format!(r#"{{"MessageId":"m","Body":{}}}"#, quoted(event));
        for text in [
            event.clone(),
            format!(" \n{event}\t"),
            quoted(event),
            format!("[{event}]"),
            format!("[{}]", quoted(event)),
            message.clone(),
            format!("[{message}]"),
            format!(r#"{{"Messages":[{message}]}}"#),
        ] {
            let found = one(&text);
            assert_eq!(&found.raw, event, "{text}");
            assert_eq!(
                Delivery {
                    raw: plain.raw.clone(),
                    ..found
                },
                plain,
                "{text}"
            );
        }
    }
    assert_eq!(parse(r#"{"Messages":[]}"#), Ok(Vec::new()));
    assert_eq!(parse(&format!("[{inner},{envelope}]")).unwrap().len(), 2);
}

#[test]
fn a_bad_member_refuses_the_whole_array() {
    let good = webhook("");
    let text = format!("[{good},{good},{{}}]");
    assert_eq!(
        refused(&text),
        "event 2: the event has neither `detail-type` nor `eventDescriptor`"
    );
    let text = r#"{"Messages":[{"Body":"x"}]}"#;
    assert!(refused(text).starts_with("event 0: the body is not JSON"));
    assert!(refused(&format!("[[{good}]]")).starts_with("event 0: an event must be an object"));
}

#[test]
fn what_is_no_event() {
    for text in [
        "",
        " ",
        "null",
        "7",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"x\"",
        "{",
        "[1]",
        "<html>",
        "\u{feff}{}",
        r#"{"a":1}{"a":2}"#,
        r#"{"Messages":{}}"#,
        r#"{"Messages":[7]}"#,
        r#"{"Messages":[{}]}"#,
        r#"{"Body":7}"#,
        r#"{"Body":{}}"#,
    ] {
        refused(text);
    }
    // A message in a message in a message.
    let nested = quoted(&quoted(&webhook("")));
    assert_eq!(
        refused(&nested),
        "the body of an SQS message must hold an event"
    );
    let message = format!(r#"{{"Body":{}}}"#, quoted(&webhook("")));
    refused(&format!(r#"{{"Body":{}}}"#, quoted(&message)));
    // Bytes that are no text, text that is no Unicode.
    assert!(parse_events(b"\xff").is_err());
    assert!(parse_events(b"{\"a\":\"\xff\"}").is_err());
    refused(&webhook(r#","data":"\ud800""#));
    for bad in [
        r#"{"eventDescriptor":7,"resources":["x"]}"#,
        r#"{"eventDescriptor":"","resources":["x"]}"#,
        r#"{"eventDescriptor":"A B","resources":["x"]}"#,
        r#"{"detail-type":"REFUND_REQUESTED","detail":[],"resources":["x"]}"#,
        r#"{"detail-type":"REFUND_REQUESTED","detail":"{}","resources":["x"]}"#,
    ] {
        refused(bad);
    }
    refused(&format!(
        r#"{{"eventDescriptor":"{}","resources":["x"]}}"#,
        "A".repeat(129)
    ));
    refused(&webhook("").replace("\"k\"", &format!("\"{}\"", "k".repeat(513))));
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let twice = webhook(r#","eventId":"f""#);
    assert_eq!(
        refused(&twice),
        "the key `eventId` stands twice in one object"
    );
    refused(&webhook(r#","data":{"a":[{"b":1,"b":2}]}"#));
    // Also where one of them is written with an escape, and within a message.
    refused(&webhook(r#","event\u0049d":"f""#));
    refused(&quoted(&twice));
    // Not across objects.
    one(&webhook(r#","data":{"a":{"b":1},"c":{"b":1}}"#));
}

#[test]
fn depth_is_bounded() {
    // The event itself is one level, `data` nests the rest.
    let nested = |levels: usize| {
        webhook(&format!(
            r#","data":{}{}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    one(&nested(31));
    assert_eq!(
        refused(&nested(32)),
        "the body is nested more than 32 levels deep"
    );
    refused(&nested(10_000));
    refused(&quoted(&nested(32)));
    refused(&"[".repeat(1_000_000));
    refused(&"{\"a\":".repeat(100_000));
}

#[test]
fn data_are_a_hint_whatever_they_are() {
    for data in [
        "{}",
        "[]",
        "null",
        "7",
        "1e400",
        "\"x\"",
        r#"{"order":{"id":"322-OTHER","refunds":[{"details":{}}]}}"#,
    ] {
        let found = one(&webhook(&format!(r#","data":{data}"#)));
        assert_eq!(found.resources, [routed("322-A", refund("R1"))], "{data}");
    }
}

#[test]
fn old_names_are_the_new_ones() {
    for (old, new) in [
        ("DELIVERY_CANCELLED", EventType::PackageDeliveryCancelled),
        ("ITEM_CANCELLED", EventType::PackageDeliveryCancelled),
        ("DELIVERY_IN_TRANSIT", EventType::PackageDeliveryInTransit),
        ("ITEM_IN_TRANSIT", EventType::PackageDeliveryInTransit),
        ("DELIVERY_COMPLETED", EventType::PackageDelivered),
        ("ITEM_DELIVERED", EventType::PackageDelivered),
        (
            "RETURN_DELIVERY_COMPLETED",
            EventType::Other("RETURN_DELIVERY_COMPLETED".to_owned()),
        ),
    ] {
        let text =
            format!(r#"{{"id":"x","detail-type":"{old}","resources":["{PATH}"],"detail":{{}}}}"#);
        let found = one(&text);
        assert_eq!(found.event_type, new);
        // The oldest form: nothing but the envelope.
        assert_eq!(found.transport_key.as_deref(), Some("x"));
        assert_eq!(found.event_id.as_deref(), Some("x"));
        let both = format!(
            r#"{{"detail-type":"{old}","resources":["{PATH}"],"detail":{{"eventDescriptor":"{new}"}}}}"#
        );
        assert_eq!(one(&both).disagreement, None);
    }
    let text = format!(
        r#"{{"detail-type":"REFUND_COMPLETED","resources":["{PATH}"],"detail":{{"eventDescriptor":"REFUND_REQUESTED"}}}}"#
    );
    let found = one(&text);
    assert_eq!(found.event_type, EventType::RefundCompleted);
    assert_eq!(
        found.disagreement.as_deref(),
        Some("`detail-type` says REFUND_COMPLETED, `eventDescriptor` says REFUND_REQUESTED")
    );
}

#[test]
fn resources_are_taken_from_outside_else_from_inside() {
    let text = |outer: &str, inner: &str| {
        format!(r#"{{"detail-type":"REFUND_REQUESTED"{outer},"detail":{{"eventId":"e"{inner}}}}}"#)
    };
    let at =
        |order: &str| format!(r#","resources":["businessProduct/bp-1/order/{order}/refund/R1"]"#);
    for (outer, inner, order) in [
        (at("A"), at("B"), "A"),
        (at("A"), String::new(), "A"),
        (String::new(), at("B"), "B"),
        (r#","resources":[]"#.to_owned(), at("B"), "B"),
        (r#","resources":null"#.to_owned(), at("B"), "B"),
    ] {
        assert_eq!(
            one(&text(&outer, &inner)).resources,
            [routed(order, refund("R1"))]
        );
    }
    for bad in [
        r#","resources":"x""#,
        r#","resources":{}"#,
        r#","resources":[7]"#,
        r#","resources":[null]"#,
    ] {
        refused(&text(bad, &at("B")));
    }
    assert_eq!(
        refused(&text("", "")),
        "`resources` has 0 entries, between 1 and 100 are allowed"
    );
    let many = |n: usize| {
        let paths: Vec<_> = (0..n)
            .map(|i| format!(r#""businessProduct/bp-1/order/322-A/refund/R{i}""#))
            .collect();
        text(&format!(r#","resources":[{}]"#, paths.join(",")), "")
    };
    assert_eq!(one(&many(100)).resources.len(), 100);
    refused(&many(101));
    refused(&many(10_000));
    // The same thing twice is one fact.
    let twice = text(&format!(r#","resources":["{PATH}","{PATH}"]"#), "");
    assert_eq!(one(&twice).resources.len(), 1);
}

#[test]
fn paths_are_read_from_the_left() {
    let read = |path: &str, kind: &str| resource::read(path, &EventType::from(kind));
    for (path, named) in [
        ("businessProduct/bp-1/order/322-A", Named::Order {}),
        ("businessProduct/bp-1/order/322-A/refund/R1", refund("R1")),
        (
            "businessProduct/bp-1/order/322-A/delivery/P1",
            package("P1"),
        ),
        (
            "businessProduct/bp-1/order/322-A/return/T1",
            Named::Order {},
        ),
        (
            "businessProduct/bp-1/order/322-A/return/T1/refund/R1",
            refund("R1"),
        ),
        ("order/322-A/businessProduct/bp-1/refund/R1", refund("R1")),
        (
            "businessProduct/bp-1/order/322-A/delivery/P1/refund/R1",
            refund("R1"),
        ),
    ] {
        assert_eq!(
            read(path, "REFUND_REQUESTED"),
            routed("322-A", named),
            "{path}"
        );
    }
    let both = "businessProduct/bp-1/order/322-A/delivery/P1/refund/R1";
    assert_eq!(
        read(both, "PACKAGE_DELIVERED"),
        routed("322-A", package("P1"))
    );
    for path in [
        "",
        "/",
        "x",
        "businessProduct/bp-1",
        "businessProduct/bp-1/order",
        "businessProduct/bp-1/order/",
        "businessProduct/bp-1/order/322-A/refund",
        "businessProduct/bp-1/order/322-A/refund/",
        "businessProduct/bp-1/order/322-A/refund/R1/",
        "/businessProduct/bp-1/order/322-A/refund/R1",
        "businessProduct//order/322-A/refund/R1",
        "order/322-A/refund/R1",
        "businessProduct/bp-1/refund/R1",
        "businessProduct/bp-1/order/322-A/shipment/S1",
        "businessProduct/bp-1/order/322-A/order/322-B",
        "businessProduct/bp-1/order/322%2FA/refund/R1",
        "businessProduct/bp-1/order/322 A/refund/R1",
        "businessProduct/bp-1/order/322-A/refund/R\n1",
        "businessProduct/bp-1/order/322-A/refund/Ä",
        "businessproduct/bp-1/order/322-A/refund/R1",
    ] {
        let found = read(path, "REFUND_REQUESTED");
        assert!(
            matches!(found, Resource::Unroutable { .. }),
            "{path}: {found:?}"
        );
    }
    let long = format!(
        "businessProduct/bp-1/order/322-A/refund/{}",
        "R".repeat(100_000)
    );
    let Resource::Unroutable { path, why } = read(&long, "REFUND_REQUESTED") else {
        panic!("routed");
    };
    assert!(path.len() < 1000 && why.len() < 1000);
}

#[test]
fn a_fact_has_one_key() {
    let (target, order) = (
        TargetId::new("bp-1").unwrap(),
        OrderId::new("322-A").unwrap(),
    );
    let key = |kind: &str, named: &Named| fact_key(&target, &order, &EventType::from(kind), named);
    assert_eq!(
        key("REFUND_REQUESTED", &refund("R1")),
        "bp-1/322-A/REFUND_REQUESTED/refund/R1"
    );
    assert_eq!(
        key("PACKAGE_DELIVERED", &package("P1")),
        "bp-1/322-A/PACKAGE_DELIVERED/package/P1"
    );
    assert_eq!(key("X", &Named::Order {}), "bp-1/322-A/X");
    // Parts that hold the separator cannot pass for others.
    assert_ne!(
        key("X", &refund("R1")),
        key("X/refund/R1", &Named::Order {})
    );
    assert_ne!(key("X", &refund("a/b")), key("X", &refund("a%2Fb")));

    // Two subscriptions, two deliveries, one fact.
    let found = ["", "-2"].map(|other| {
        let found = one(&webhook("").replace("\"k\"", &format!("\"k{other}\"")));
        let [
            Resource::Routed {
                target,
                order,
                named,
            },
        ] = &*found.resources
        else {
            panic!("{found:?}");
        };
        (
            found.transport_key.clone(),
            fact_key(target, order, &found.event_type, named),
        )
    });
    assert_ne!(found[0].0, found[1].0);
    assert_eq!(found[0].1, found[1].1);
}

fn samples() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_events(&bytes);
    }

    #[test]
    fn any_path_is_answered(path in "(businessProduct|order|refund|delivery|return|[a-zA-Z0-9%/ é-]{0,9}|/){0,12}") {
        let _ = resource::read(&path, &EventType::RefundRequested);
    }

    #[test]
    fn damaged_samples_are_answered(
        which in any::<proptest::sample::Index>(),
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0_usize..3), 1..6),
    ) {
        let samples = samples();
        let mut bytes = samples[which.index(samples.len())].clone();
        for (at, byte, what) in cuts {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        if let Ok(found) = parse_events(&bytes) {
            for delivery in found {
                prop_assert!(!delivery.resources.is_empty());
                // What is stored can be read again, to the same end.
                let again = parse_events(delivery.raw.as_bytes()).unwrap();
                prop_assert_eq!(&again[..], &[delivery][..]);
            }
        }
    }
}
