//! Orders as Amazon writes them, and what the life cycle gets to see.

use countermand_core::cancellation::order::{CancellationState, RefundState, Requester};
use proptest::prelude::*;

use super::*;
use crate::answer::Answer;

const ITEM: &str = r#"{"id":"L1","amount":{"unit":"ONE","value":2},"cancellations":null}"#;

fn parse(json: &str) -> Result<domain::Order, String> {
    let order: wire::Order = serde_json::from_str(json).map_err(|error| error.to_string())?;
    read(order, &OrderId::new("322-A").unwrap()).map_err(|error| error.to_string())
}

fn order(items: &str, more: &str) -> Result<domain::Order, String> {
    parse(&format!(r#"{{"id":"322-A","lineItems":[{items}]{more}}}"#))
}

/// The cancellations found when each line item lists these.
fn cancellations(of_items: &[&str]) -> Vec<String> {
    let items: Vec<_> = of_items
        .iter()
        .enumerate()
        .map(|(n, details)| {
            format!(r#"{{"id":"L{n}","amount":{{"value":1}},"cancellations":{{"details":[{details}]}}}}"#)
        })
        .collect();
    order(&items.join(","), "")
        .unwrap()
        .cancellations
        .iter()
        .map(|entry| {
            let aliases: Vec<_> = entry.aliases.iter().map(|alias| &*alias.alias_id).collect();
            format!("{} {}", entry.state, aliases.join("+"))
        })
        .collect()
}

fn entry(state: &str, aliases: &[&str], by: &str, at: &str) -> String {
    let aliases: Vec<_> = aliases
        .iter()
        .map(|id| format!(r#"{{"aliasId":"{id}","aliasType":"T"}}"#))
        .collect();
    let aliases = aliases.join(",");
    format!(
        r#"{{"state":"{state}","aliases":[{aliases}],"requestedBy":"{by}","createdAt":"{at}"}}"#
    )
}

#[test]
fn a_cancellation_under_each_line_item_is_one() {
    let ours = entry("PENDING", &["a"], "MERCHANT", "1");
    assert_eq!(cancellations(&[&ours, &ours]), ["PENDING a"]);
    // Times may differ between line items (U22), aliases do not.
    let later = entry("PENDING", &["a", "b"], "MERCHANT", "2");
    assert_eq!(cancellations(&[&ours, &later]), ["PENDING a"]);
    // Without aliases: who and when.
    let shopper = entry("PENDING", &[], "SHOPPER", "1");
    let again = entry("PENDING", &[], "SHOPPER", "2");
    assert_eq!(cancellations(&[&shopper, &shopper]), ["PENDING "]);
    assert_eq!(cancellations(&[&shopper, &again]), ["PENDING ", "PENDING "]);
    // One with an alias and one without are two.
    assert_eq!(
        cancellations(&[&ours, &entry("PENDING", &[], "MERCHANT", "1")]).len(),
        2
    );
    // Several requests under one line item stay several.
    let both = format!(
        "{},{}",
        entry("REJECTED", &["a"], "MERCHANT", "1"),
        entry("SUCCESS", &["b"], "MERCHANT", "2")
    );
    assert_eq!(cancellations(&[&both, &both]), ["REJECTED a", "SUCCESS b"]);
}

#[test]
fn of_two_listings_that_differ_the_one_that_decides_more_wins() {
    let with = |state: &str| entry(state, &["a"], "MERCHANT", "1");
    for (one, two, wins) in [
        ("PENDING", "SUCCESS", "SUCCESS a"),
        ("SUCCESS", "PENDING", "SUCCESS a"),
        ("REJECTED", "SUCCESS", "SUCCESS a"),
        ("REJECTED", "PENDING", "PENDING a"),
        ("CANCELING", "REJECTED", "REJECTED a"),
    ] {
        assert_eq!(
            cancellations(&[&with(one), &with(two)]),
            [wins],
            "{one}, {two}"
        );
        let both = format!("{},{}", with(one), with(two));
        assert_eq!(
            cancellations(&[&both]),
            [wins],
            "{one}, {two} under one item"
        );
    }
}

#[test]
fn unknown_and_missing_values_are_kept_as_such() {
    let item = r#"{"id":"L1","amount":{"value":1},"cancellations":{"details":[{"state":"CANCELING","requestedBy":"ROBOT"},{"requestedBy":"SHOPPER"}]}}"#;
    let more = r#","packageInformation":{"details":[{"id":"P1","state":"LOST","reason":"FIRE"}]},"refunds":{"details":[{"id":"R1"}]}"#;
    let found = order(item, more).unwrap();
    assert_eq!(
        found.cancellations[0].state,
        CancellationState::Other("CANCELING".to_owned())
    );
    assert_eq!(
        found.cancellations[0].requested_by,
        Some(Requester::Other("ROBOT".to_owned()))
    );
    assert_eq!(
        found.cancellations[1].state,
        CancellationState::Other("(none)".to_owned())
    );
    assert_eq!(found.packages[0].state.as_str(), "LOST");
    assert_eq!(found.packages[0].reason.as_ref().unwrap().as_str(), "FIRE");
    assert!(found.packages[0].contents.is_empty());
    assert_eq!(
        found.refunds[0].state,
        RefundState::Other("(none)".to_owned())
    );
    assert_eq!(
        (found.refunds[0].total, &found.refunds[0].reason),
        (None, &None)
    );
}

#[test]
fn who_delivers() {
    let item = |offer: &str| {
        let item = format!(
            r#"{{"id":"L1","amount":{{"value":1}},"cancellations":null,"deliveryOffer":{offer}}}"#
        );
        order(&item, "").unwrap().line_items[0].merchant_fulfilled
    };
    assert!(item(r#"{"details":{"deliveryProvider":"MERCHANT"}}"#));
    for offer in [
        "null",
        "{}",
        r#"{"details":null}"#,
        r#"{"details":{"deliveryProvider":null}}"#,
        r#"{"details":{"deliveryProvider":"AMAZON"}}"#,
        r#"{"details":{"deliveryProvider":"merchant"}}"#,
    ] {
        assert!(!item(offer), "{offer}");
    }
}

#[test]
fn payments_that_were_reported() {
    let more = r#","refunds":{"details":[{"id":"R1","state":"PARTIAL","paymentDetails":[
        {"id":"p1","amount":{"amount":12.50,"currencyCode":"USD"}},
        {"id":"p2","amount":null},
        {"id":"p3","amount":{"amount":"1","currencyCode":"USD"}},
        {"id":null,"amount":{"amount":1,"currencyCode":"USD"}}]}]}"#;
    let found = order(ITEM, more).unwrap();
    let payments: Vec<_> = found.refunds[0]
        .payments
        .iter()
        .map(|payment| {
            (
                payment.id.as_str(),
                payment.amount.map(|amount| amount.to_string()),
            )
        })
        .collect();
    assert_eq!(
        payments,
        [
            ("p1", Some("12.50 USD".to_owned())),
            ("p2", None),
            ("p3", None)
        ]
    );
}

#[test]
fn refunds_in_either_shape() {
    let refund = |id: &str| {
        format!(
            r#"{{"id":"{id}","refundTotal":{{"totalAmount":{{"amount":0.30000000000000004,"currencyCode":"USD"}}}}}}"#
        )
    };
    let (one, two) = (refund("R1"), refund("R2"));
    for refunds in [
        format!(r#"{{"details":[{one},{two}]}}"#),
        format!(r#"[{{"details":[{one},{two}]}}]"#),
        format!(r#"[{{"details":{one}}},{{"details":[{two}]}}]"#),
        format!(r#"[{{"details":{one}}},{{"details":null}},{{}},{{"details":{two}}}]"#),
    ] {
        let found = order(ITEM, &format!(r#","refunds":{refunds}"#)).unwrap();
        let ids: Vec<_> = found
            .refunds
            .iter()
            .map(|refund| refund.id.as_str())
            .collect();
        assert_eq!(ids, ["R1", "R2"], "{refunds}");
        for refund in &found.refunds {
            assert_eq!(
                refund.total.unwrap().to_string(),
                "0.30000000000000004 USD",
                "{refunds}"
            );
        }
    }
    for refunds in [
        "null",
        "{}",
        "[]",
        r#"{"details":null}"#,
        r#"{"details":[]}"#,
    ] {
        assert!(
            order(ITEM, &format!(r#","refunds":{refunds}"#))
                .unwrap()
                .refunds
                .is_empty()
        );
    }
    for refunds in [
        "7",
        "\"x\"",
        "[7]",
        r#"{"details":7}"#,
        "[null]",
        r#"{"details":[null]}"#,
    ] {
        assert!(
            order(ITEM, &format!(r#","refunds":{refunds}"#)).is_err(),
            "{refunds}"
        );
    }
}

#[test]
fn what_could_hide_something_is_not_read() {
    for (items, more, why) in [
        ("null", "", "the line items hold a null"),
        ("", "", "the order shows no line items"),
        (
            r#"{"id":"L1","amount":{"value":1},"cancellations":{"details":[null]}}"#,
            "",
            "the cancellations hold a null",
        ),
        (
            r#"{"id":"L1","amount":{"value":1},"cancellations":{"details":[{"aliases":[null]}]}}"#,
            "",
            "the aliases hold a null",
        ),
        (
            r#"{"id":"L1","amount":{"value":1}}"#,
            "",
            "missing field `cancellations`",
        ),
        (
            r#"{"id":"","amount":{"value":1},"cancellations":null}"#,
            "",
            "the line item id `` cannot be used",
        ),
        (
            ITEM,
            r#","packageInformation":{"details":[null]}"#,
            "the packages hold a null",
        ),
        (
            ITEM,
            r#","packageInformation":{"details":[{"id":"P\n1","state":"PENDING"}]}"#,
            "the package id `P 1` cannot",
        ),
        (
            ITEM,
            r#","packageInformation":{"details":[{"id":"P1","state":"PENDING","packageInformationDetailsFor":{"orderLineItems":[null]}}]}"#,
            "the contents of a package hold a null",
        ),
        (
            ITEM,
            r#","refunds":{"details":[{"id":"é"}]}"#,
            "the refund id `é` cannot be used",
        ),
    ] {
        let error = order(items, more).unwrap_err();
        assert!(error.starts_with(why), "{error}");
    }
    assert_eq!(
        parse(r#"{"id":"322-B","lineItems":[]}"#).unwrap_err(),
        "the answer is about the order `322-B`"
    );
}

/// All that happens to the body of an answer.
fn whole_way(body: &[u8]) {
    let Ok(answer) = Answer::read(body) else {
        return;
    };
    let _ = answer.has_data();
    for fault in &answer.faults {
        assert!(fault.to_string().len() < 4096);
    }
    if let Ok(data) = answer.data::<wire::ReadOrder>()
        && let Some(order) = data.order
    {
        let expected = OrderId::new("322-T7QM-2LH9WD").unwrap();
        if let Ok(order) = read(order, &expected) {
            assert_eq!(order.id, expected);
            assert!(!order.line_items.is_empty());
        }
    }
    let _ = answer.data::<wire::CancelOrder>();
    let _ = answer.data::<wire::UpdateOrder>();
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

/// A JSON value of the kinds that might stand where another one should.
fn odd() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "null",
        "true",
        "-1",
        "1e400",
        "\"\"",
        "\"\\u0000\"",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "{\"details\":7}",
        "99999999999999999999999999999999",
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        whole_way(&bytes);
    }

    #[test]
    fn samples_with_other_values_are_answered(
        which in any::<proptest::sample::Index>(),
        places in proptest::collection::vec((any::<proptest::sample::Index>(), odd()), 1..4),
    ) {
        let samples = samples();
        let mut text = String::from_utf8(samples[which.index(samples.len())].clone()).unwrap();
        for (place, value) in places {
            // Puts the value where some other value begins, and takes that one's line away.
            let starts: Vec<_> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
            if starts.is_empty() {
                break;
            }
            let start = starts[place.index(starts.len())];
            let end = start + text[start..].find(['\n', ',']).unwrap_or(text.len() - start);
            text.replace_range(start..end, value);
        }
        whole_way(text.as_bytes());
    }

    #[test]
    fn damaged_samples_are_answered(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let samples = samples();
        let mut bytes = samples[which.index(samples.len())].clone();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        whole_way(&bytes);
    }
}
