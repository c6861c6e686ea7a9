//! What is found in the store at the end, and what is kept of an order that something is wrong with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countermand::store::{SqliteStore, Store as _};
use countermand::{HistoryEntry, ListFilter, Reader, View};
use countermand_simulator::Ledger;
use serde_json::{Value, json};

/// A cancellation and everything that happened to it.
pub(super) struct Story {
    pub(super) view: View,
    pub(super) history: Vec<HistoryEntry>,
}

/// Every cancellation by its id.
pub(super) async fn stories(store: &Path) -> anyhow::Result<BTreeMap<String, Story>> {
    let store = SqliteStore::open_read_only(store.to_owned()).await?;
    let reader = Reader::on(store.clone());
    let mut stories = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = reader
            .list(&ListFilter::default(), cursor.as_deref(), 500)
            .await?;
        for view in page.items {
            let history = reader.history(&view.id).await?;
            stories.insert(view.id.to_string(), Story { view, history });
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    store.close().await;
    Ok(stories)
}

/// How many deliveries of events the store knows of, repeated ones included.
pub(super) async fn deliveries(store: &Path) -> anyhow::Result<u64> {
    let store = SqliteStore::open_read_only(store.to_owned()).await?;
    let stats = store.stats().await?;
    store.close().await;
    Ok(stats.deliveries)
}

/// Looks that found something, and looks that did not, by effect: `pay_refund, absent`.
pub(super) fn looks(stories: &BTreeMap<String, Story>) -> BTreeMap<String, u64> {
    let mut looks = BTreeMap::new();
    for entry in stories.values().flat_map(|story| &story.history) {
        let Ok(entry) = serde_json::to_value(entry) else {
            continue;
        };
        let input = &entry["input"];
        if input["type"] == "looked" {
            let effect = input["effect"].as_str().unwrap_or_default();
            let found = if input["found"] == true {
                "found"
            } else {
                "absent"
            };
            *looks.entry(format!("{effect}, {found}")).or_default() += 1;
        }
    }
    looks
}

/// Everything that is known of these orders, from all books.
pub(super) fn about(
    orders: &BTreeSet<&str>,
    stories: &BTreeMap<String, Story>,
    ledger: &Ledger,
) -> Value {
    let all = serde_json::to_value(ledger).unwrap_or_default();
    let of = |list: &str, order: &str| -> Vec<Value> {
        let items = all[list].as_array().into_iter().flatten();
        items
            .filter(|item| item["orderId"] == order)
            .cloned()
            .collect()
    };
    orders
        .iter()
        .map(|order| {
            let ours: Vec<Value> = stories
                .values()
                .filter(|story| story.view.order_id.to_string() == **order)
                .map(|story| json!({ "view": story.view, "history": story.history }))
                .collect();
            let books = [
                "orders", "cancels", "payouts", "payments", "reports", "oms", "events",
            ]
            .into_iter()
            .map(|list| (list.to_owned(), json!(of(list, order))))
            .collect::<serde_json::Map<_, _>>();
            json!({ "order": order, "cancellations": ours, "books": books })
        })
        .collect()
}
