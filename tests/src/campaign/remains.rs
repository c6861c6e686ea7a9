//! What a killed daemon left behind: a copy of its store as it was at that moment.

use std::path::Path;

use anyhow::Context as _;
use countermand::store::{Filter, SqliteStore, Store};
use tempfile::TempDir;

/// The file and what SQLite keeps beside it.
const FILES: [&str; 3] = ["countermand.db", "countermand.db-wal", "countermand.db-shm"];

/// A copy of the store. The store itself is not opened: whoever starts next finds it untouched.
pub(super) struct Remains(TempDir);

/// What the copy shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// The newest incarnation.
    pub(super) incarnation: u64,
    /// Cancellations with an intent that this very incarnation stored, and no outcome yet.
    pub(super) open: u64,
    /// What is wrong with it, where it was proved.
    pub(super) violations: Vec<String>,
}

impl Remains {
    /// Copies the store of a daemon that is gone; none where it had none yet.
    pub(super) fn take(place: &Path) -> anyhow::Result<Option<Self>> {
        let copy = tempfile::Builder::new()
            .prefix("countermand-remains-")
            .tempdir()?;
        for name in FILES {
            let from = place.join(name);
            if from.exists() {
                std::fs::copy(&from, copy.path().join(name))
                    .with_context(|| format!("failed to copy {name}"))?;
            }
        }
        Ok(copy
            .path()
            .join("countermand.db")
            .exists()
            .then_some(Self(copy)))
    }

    /// Puts it back in the place of a newer store: what no disk may do.
    pub(super) fn put_back(&self, place: &Path) -> anyhow::Result<()> {
        for name in FILES {
            let (from, to) = (self.0.path().join(name), place.join(name));
            if to.exists() {
                std::fs::remove_file(&to)?;
            }
            if from.exists() {
                std::fs::copy(&from, &to)?;
            }
        }
        Ok(())
    }

    /// Looks into it, and proves it when told to. A store that was not made to its end shows nothing.
    pub(super) async fn look(&self, prove: bool) -> anyhow::Result<Found> {
        let path = self.0.path().join("countermand.db");
        let Ok(store) = SqliteStore::open_read_only(path).await else {
            return Ok(Found::default());
        };
        let incarnation = store.info().await?.incarnation;
        let mut found = Found {
            incarnation: incarnation.0,
            ..Found::default()
        };
        let filter = Filter::default();
        let mut after = None;
        loop {
            let page = store.list(&filter, after.as_ref(), 500).await?;
            for row in &page.rows {
                found.open += u64::from(row.body.open_intent_epoch == Some(incarnation));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if prove {
            let report = countermand::verify(&store).await?;
            found
                .violations
                .extend(report.violations.into_iter().map(|violation| {
                    let id = violation.id.unwrap_or_default();
                    format!("{} {id}: {}", violation.invariant, violation.detail)
                }));
        }
        store.close().await;
        Ok(found)
    }
}
