//! A history for people: one line an entry, in words.

use countermand::HistoryEntry;
use serde_json::Value;

use crate::output::escape;
use crate::view::{print, table, unbroken};

/// The history as a timeline.
pub(crate) fn timeline(entries: &[HistoryEntry]) -> String {
    let mut table = table(&["#", "AT", "STATE", "WHAT"]);
    for entry in entries {
        let state = match &entry.from {
            Some(from) if *from == entry.to => escape(&entry.to),
            _ => format!("→ {}", escape(&entry.to)),
        };
        let mut what = describe(entry);
        if !entry.accepted {
            what.push_str(" (not accepted, kept as evidence)");
        }
        if let Some(actor) = &entry.actor {
            what.push_str(" (by ");
            what.push_str(&escape(actor));
            what.push(')');
        }
        table.add_row([entry.seq.to_string(), entry.at.to_string(), state, what]);
    }
    unbroken(&mut table, 1, 24);
    print(table)
}

/// An input in a few words.
pub(crate) fn describe(entry: &HistoryEntry) -> String {
    let Ok(input) = serde_json::from_str::<Value>(entry.input.get()) else {
        return entry.input_type();
    };
    let text = |key: &str| {
        input
            .get(key)
            .and_then(Value::as_str)
            .map(escape)
            .unwrap_or_default()
    };
    let number = |key: &str| input.get(key).and_then(Value::as_u64).unwrap_or_default();
    let effect = || {
        let refund = input.get("refundId").and_then(Value::as_str);
        let refund = refund.map_or_else(String::new, |id| format!(" {}", shorten(&escape(id))));
        format!("{}{refund}, attempt {}", text("effect"), number("attempt"))
    };
    match entry.input_type().as_str() {
        "requested" => format!("cancellation requested{}", colon(&text("reason"))),
        "observed" => format!(
            "something was heard of the order{}",
            colon(&event_type(&input))
        ),
        "order_read" => "order read".to_owned() + &order(&input),
        "intent_recorded" => format!("about to send: {}", effect()),
        "effect_done" => match text("effect").as_str() {
            "update_oms" => "the OMS was told".to_owned(),
            _ => format!("done: {}{}", effect(), colon(&text("state"))),
        },
        "effect_refused" => format!(
            "refused: {}: {} {}",
            effect(),
            text("code"),
            text("message")
        ),
        "effect_not_sent" => format!("not sent: {}: {}", effect(), text("why")),
        "effect_unknown" => format!("in doubt: {}: {}", effect(), text("why")),
        "looked" => {
            let found = input
                .get("found")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            format!(
                "looked: {}: {}",
                effect(),
                if found { "found" } else { "not there" }
            )
        }
        "payout_seen" => format!("payout of refund {} seen", shorten(&text("refundId"))),
        "upgraded" => format!(
            "stored form brought from version {} to {}",
            number("from"),
            number("to")
        ),
        "restored" => "the store was restored from a backup: to be looked at again".to_owned(),
        "event_received" => format!("event{}", colon(&event_type(&input))),
        "timer_fired" => format!("waited too long: {}", text("timer")),
        "attention_raised" => {
            format!(
                "a person is asked for: {} failed {} times: {}",
                text("lane"),
                number("failures"),
                text("error")
            )
        }
        "attention_cleared" => format!("no person is needed any more: {}", text("lane")),
        "operator" => match text("action").as_str() {
            "note" => format!("note: {}", text("text")),
            "resolve" => format!("told: {}: {}", text("fact"), text("note")),
            "withdraw" => format!("withdrawn{}", colon(&text("note"))),
            action => action.to_owned(),
        },
        other => escape(other),
    }
}

fn colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// Refund ids of 64 digits say nothing beyond their first ones.
fn shorten(id: &str) -> String {
    match id.char_indices().nth(12) {
        Some((at, _)) if id.chars().count() > 16 => format!("{}…", id.get(..at).unwrap_or(id)),
        _ => id.to_owned(),
    }
}

fn event_type(input: &Value) -> String {
    input
        .get("eventType")
        .or_else(|| input.pointer("/event/eventType"))
        .and_then(Value::as_str)
        .map(escape)
        .unwrap_or_default()
}

/// What an order showed, in a few words.
fn order(input: &Value) -> String {
    let Some(order) = input.get("order").filter(|order| !order.is_null()) else {
        return ": Amazon does not know it".to_owned();
    };
    let states = |list: &str| -> Vec<String> {
        let items = order.get(list).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.get("state").and_then(Value::as_str).map(escape))
            .collect()
    };
    let mut parts = Vec::new();
    for (list, name) in [
        ("packages", "packages"),
        ("cancellations", "cancellation"),
        ("refunds", "refunds"),
    ] {
        let found = states(list);
        if !found.is_empty() {
            parts.push(format!("{name} {}", found.join(" ")));
        }
    }
    colon(&parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_told_in_words() {
        for (input, words) in [
            (
                r#"{"type":"requested","reason":"OUT_OF_STOCK"}"#,
                "cancellation requested: OUT_OF_STOCK",
            ),
            (
                r#"{"type":"observed","event":{"eventType":"REFUND_REQUESTED"}}"#,
                "something was heard of the order: REFUND_REQUESTED",
            ),
            (
                r#"{"type":"order_read","order":null}"#,
                "order read: Amazon does not know it",
            ),
            (
                r#"{"type":"order_read","order":{"packages":[{"state":"PENDING"}],"refunds":[]}}"#,
                "order read: packages PENDING",
            ),
            (
                r#"{"type":"intent_recorded","effect":"pay_refund","refundId":"R","attempt":2}"#,
                "about to send: pay_refund R, attempt 2",
            ),
            (
                r#"{"type":"effect_done","effect":"update_oms","attempt":1}"#,
                "the OMS was told",
            ),
            (
                r#"{"type":"effect_done","effect":"cancel_order","attempt":1,"state":"PENDING"}"#,
                "done: cancel_order, attempt 1: PENDING",
            ),
            (
                r#"{"type":"effect_refused","effect":"cancel_order","attempt":1,"code":"ValidationError","message":"no"}"#,
                "refused: cancel_order, attempt 1: ValidationError no",
            ),
            (
                r#"{"type":"effect_unknown","effect":"cancel_order","attempt":1,"why":"owner_lost"}"#,
                "in doubt: cancel_order, attempt 1: owner_lost",
            ),
            (
                r#"{"type":"effect_not_sent","effect":"cancel_order","attempt":1,"why":"throttled"}"#,
                "not sent: cancel_order, attempt 1: throttled",
            ),
            (
                r#"{"type":"looked","effect":"cancel_order","attempt":1,"found":true}"#,
                "looked: cancel_order, attempt 1: found",
            ),
            (
                r#"{"type":"timer_fired","timer":"pending"}"#,
                "waited too long: pending",
            ),
            (
                r#"{"type":"operator","action":"retry","actor":"ann"}"#,
                "retry",
            ),
            (
                r#"{"type":"operator","action":"note","text":"a\u001bb"}"#,
                "note: a\\u{1b}b",
            ),
            (r#"{"type":"of_tomorrow"}"#, "of_tomorrow"),
        ] {
            let entry: HistoryEntry = serde_json::from_str(&format!(
                r#"{{"seq":1,"at":"2026-01-01T00:00:00.000Z","from":null,"to":"precheck","input":{input},"accepted":true,"actor":null,"epoch":1}}"#
            ))
            .unwrap();
            assert_eq!(describe(&entry), words);
        }
    }
}
