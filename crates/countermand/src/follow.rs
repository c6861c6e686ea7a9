//! Following what happens to all cancellations, entry by entry, from a place that is kept.

use countermand_core::cancellation::Cancellation;
use countermand_core::cancellation::view::Status;
use countermand_core::{InstanceId, OrderId, TargetId, Workflow};
use countermand_store::Store;
use serde::Serialize;

use crate::api::{Error, HistoryEntry};
use crate::source::{Source, shown, view};

/// Most entries of a stretch.
const STRETCH_MAX: usize = 500;

/// An entry of some cancellation's history, with what belongs to it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happened {
    /// The cancellation.
    pub cancellation_id: InstanceId,
    /// Its target.
    pub target_id: TargetId,
    /// Its order.
    pub order_id: OrderId,
    /// Its status, if this is its newest entry.
    pub status: Option<Status>,
    /// How it ended, if this entry ended it, or came after the end.
    pub outcome: Option<String>,
    /// What happened.
    pub entry: HistoryEntry,
}

/// What happened to all cancellations, in the order in which it was stored.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stretch {
    /// The entries. Nothing in one stretch is in the next one as well, and nothing is in none.
    pub items: Vec<Happened>,
    /// The place where the next stretch begins.
    pub next: u64,
}

impl<S: Store> Source<S> {
    /// See [`Reader::happened`](crate::Reader::happened).
    pub(crate) async fn stretch(&self, after: u64, limit: usize) -> Result<Stretch, Error> {
        let journal = self
            .store
            .journal(after, limit.clamp(1, STRETCH_MAX))
            .await?;
        for damage in &journal.unreadable {
            tracing::error!(%damage, "an entry cannot be told; `verify` tells more");
        }
        if journal.entries.is_empty() {
            return Ok(Stretch {
                items: Vec::new(),
                next: journal.next,
            });
        }
        let mut ids: Vec<InstanceId> = journal
            .entries
            .iter()
            .map(|entry| entry.instance_id.clone())
            .collect();
        ids.sort();
        ids.dedup();
        let now = self.store.now().await?.at;
        let mut views = std::collections::BTreeMap::new();
        // The rows are read after the entries, so each is at least as new.
        for row in self.store.load(&ids).await?.into_iter().flatten() {
            if row.kind == Cancellation::KIND {
                views.insert(row.id.clone(), view(&self.workflow, &row, now)?);
            }
        }
        let mut items = Vec::with_capacity(journal.entries.len());
        for entry in journal.entries {
            let Some(view) = views.get(&entry.instance_id) else {
                continue;
            };
            let is_newest = entry.seq == view.revision;
            items.push(Happened {
                cancellation_id: view.id.clone(),
                target_id: view.target_id.clone(),
                order_id: view.order_id.clone(),
                status: is_newest.then_some(view.status),
                outcome: view.outcome.clone().filter(|_| is_newest),
                entry: shown(entry)?,
            });
        }
        Ok(Stretch {
            items,
            next: journal.next,
        })
    }
}
