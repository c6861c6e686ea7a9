//! Reading: from rows and entries of a store to what people and programs see.

use std::sync::Arc;

use countermand_core::cancellation::view::{LastError, RowFacts, Status, View};
use countermand_core::cancellation::{Cancellation, State};
use countermand_core::{InstanceId, Timestamp, Workflow};
use countermand_runner::Retries;
use countermand_store::{self as store, Cursor, Entry, Filter, Row, Store};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::api::{CancellationPage, Error, HistoryEntry, ListFilter, StateCount, Stats};
use crate::follow::Stretch;
use crate::ports::BoxFuture;
use crate::reader::Read;

/// Most items of a page.
const LIMIT_MAX: usize = 500;
/// History entries that are read at once.
const ENTRIES_AT_ONCE: usize = 500;

/// Reads cancellations from a store.
pub(crate) struct Source<S> {
    pub(crate) store: Arc<S>,
    pub(crate) workflow: Cancellation,
}

impl<S: Store> Read for Source<S> {
    fn get<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<View, Error>> {
        Box::pin(async move {
            let now = self.store.now().await?.at;
            let row = self.row(id).await?.ok_or_else(|| missing(id.as_str()))?;
            view(&self.workflow, &row, now)
        })
    }

    fn find<'a>(&'a self, id_or_order_id: &'a str) -> BoxFuture<'a, Result<View, Error>> {
        Box::pin(async { Ok(self.find_row(id_or_order_id).await?.0) })
    }

    fn find_at<'a>(
        &'a self,
        id_or_order_id: &'a str,
    ) -> BoxFuture<'a, Result<(View, Timestamp), Error>> {
        Box::pin(self.find_row(id_or_order_id))
    }

    fn list<'a>(
        &'a self,
        filter: &'a ListFilter,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<CancellationPage, Error>> {
        Box::pin(self.page(filter, false, cursor, limit))
    }

    fn history<'a>(
        &'a self,
        id: &'a InstanceId,
    ) -> BoxFuture<'a, Result<Vec<HistoryEntry>, Error>> {
        Box::pin(async move {
            let mut entries = Vec::new();
            loop {
                let after = entries.last().map_or(0, |entry: &HistoryEntry| entry.seq);
                let read = self.store.history(id, after, ENTRIES_AT_ONCE).await?;
                let more = read.len() == ENTRIES_AT_ONCE;
                for entry in read {
                    entries.push(shown(entry)?);
                }
                if !more {
                    break;
                }
            }
            if entries.is_empty() {
                return Err(missing(id.as_str()));
            }
            Ok(entries)
        })
    }

    fn history_after<'a>(
        &'a self,
        id: &'a InstanceId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<HistoryEntry>, Error>> {
        Box::pin(async move {
            let limit = limit.min(ENTRIES_AT_ONCE);
            let read = self.store.history(id, after, limit).await?;
            read.into_iter().map(shown).collect()
        })
    }

    fn live<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<CancellationPage, Error>> {
        Box::pin(async move { self.page(&ListFilter::default(), true, cursor, limit).await })
    }

    fn place(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move { Ok(self.store.journal_end().await?) })
    }

    fn happened(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Stretch, Error>> {
        Box::pin(self.stretch(after, limit))
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        Box::pin(async move {
            let stats = self.store.stats().await?;
            Ok(Stats {
                counts: stats
                    .counts
                    .into_iter()
                    .map(|count| StateCount {
                        state: count.phase,
                        status: from_store(count.status),
                        count: count.count,
                    })
                    .collect(),
                oldest_due: stats.oldest_due,
                in_doubt: stats.in_doubt,
                attention: stats.attention,
                events: stats
                    .events
                    .into_iter()
                    .map(|(disposition, count)| (disposition.name().to_owned(), count))
                    .collect(),
            })
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.store.now().await?;
            Ok(())
        })
    }
}

impl<S: Store> Source<S> {
    async fn row(&self, id: &InstanceId) -> Result<Option<Row>, Error> {
        let rows = self.store.load(std::slice::from_ref(id)).await?;
        let row = rows.into_iter().next().flatten();
        Ok(row.filter(|row| row.kind == Cancellation::KIND))
    }

    async fn find_row(&self, text: &str) -> Result<(View, Timestamp), Error> {
        let now = self.store.now().await?.at;
        if let Ok(id) = InstanceId::new(text)
            && let Some(row) = self.row(&id).await?
        {
            return Ok((view(&self.workflow, &row, now)?, now));
        }
        let filter = Filter {
            kind: Some(Cancellation::KIND.to_owned()),
            subject: Some(text.to_owned()),
            ..Filter::default()
        };
        // The live one is nearly always the newest; older ones are looked through all the same,
        // since two targets may know one order id.
        let mut newest = None;
        let mut after = None;
        loop {
            let page = self.store.list(&filter, after.as_ref(), LIMIT_MAX).await?;
            for row in page.rows {
                if row.due_at.is_some() {
                    return Ok((view(&self.workflow, &row, now)?, now));
                }
                newest = newest.or(Some(row));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let newest = newest.ok_or_else(|| missing(text))?;
        Ok((view(&self.workflow, &newest, now)?, now))
    }

    async fn page(
        &self,
        filter: &ListFilter,
        live: bool,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<CancellationPage, Error> {
        let after = cursor
            .map(|text| read_cursor(filter, text).ok_or(Error::BadCursor))
            .transpose()?;
        let now = self.store.now().await?.at;
        let wanted = Filter {
            kind: Some(Cancellation::KIND.to_owned()),
            phase: filter.state.clone(),
            status: filter.status.map(to_store),
            subject: filter.order_id.as_ref().map(ToString::to_string),
            created_before: filter.older_than.map(|age| now.minus(age)),
            live,
        };
        let limit = limit.clamp(1, LIMIT_MAX);
        let page = self.store.list(&wanted, after.as_ref(), limit).await?;
        for damage in &page.unreadable {
            tracing::error!(%damage, "a row cannot be listed; `verify` tells more");
        }
        let mut items = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            match view(&self.workflow, row, now) {
                Ok(view) => items.push(view),
                // One damaged row must not hide the others.
                Err(error) => tracing::error!(id = %row.id, %error, "a row cannot be listed"),
            }
        }
        Ok(CancellationPage {
            items,
            next_cursor: page.next.map(|next| write_cursor(filter, &next)),
        })
    }
}

fn missing(what: &str) -> Error {
    Error::NotFound {
        what: what.chars().take(128).collect(),
    }
}

/// A row as people and programs see it.
pub(crate) fn view(workflow: &Cancellation, row: &Row, now: Timestamp) -> Result<View, Error> {
    let state = state(workflow, row)?;
    let retries = Retries::parse(&row.retries);
    let worst = retries.worst();
    let facts = RowFacts {
        id: row.id.clone(),
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
        finished_at: row.finished_at,
        due_at: row.due_at,
        attempt: worst.map_or(0, |lane| lane.failures),
        last_error: worst
            .and_then(|lane| lane.last_error.as_ref())
            .map(|error| LastError {
                effect: error.effect.clone(),
                message: error.message.clone(),
                at: error.at,
            }),
        now,
    };
    Ok(View::new(&state, facts))
}

/// The state in a row.
pub(crate) fn state(workflow: &Cancellation, row: &Row) -> Result<State, Error> {
    let corrupt = |detail: String| {
        Error::Store(store::Error::Corrupt {
            what: format!("cancellation {}", row.id),
            detail,
        })
    };
    if row.body.version == Cancellation::VERSION {
        serde_json::from_str(&row.body.state).map_err(|error| corrupt(error.to_string()))
    } else {
        workflow
            .upgrade(row.body.version, &row.body.state)
            .map_err(|error| corrupt(error.to_string()))
    }
}

pub(crate) fn shown(entry: Entry) -> Result<HistoryEntry, Error> {
    let Entry {
        instance_id,
        seq,
        entry,
        ..
    } = entry;
    let input = RawValue::from_string(entry.input).map_err(|error| {
        Error::Store(store::Error::Corrupt {
            what: format!("entry {seq} of cancellation {instance_id}"),
            detail: error.to_string(),
        })
    })?;
    Ok(HistoryEntry {
        seq,
        at: entry.at,
        from: Some(entry.from).filter(|from| !from.is_empty()),
        to: entry.to,
        input,
        accepted: entry.accepted,
        actor: entry.actor,
        epoch: entry.epoch.0,
    })
}

fn to_store(status: Status) -> store::Status {
    match status {
        Status::Running => store::Status::Running,
        Status::Waiting => store::Status::Waiting,
        Status::Attention => store::Status::Attention,
        Status::Finished => store::Status::Finished,
    }
}

fn from_store(status: store::Status) -> Status {
    match status {
        store::Status::Running => Status::Running,
        store::Status::Waiting => Status::Waiting,
        store::Status::Attention => Status::Attention,
        store::Status::Finished => Status::Finished,
    }
}

/// `{check}.{milliseconds}.{id}`: the check binds it to the filter, so that a cursor of another
/// listing, or one that was tampered with, is told apart. It guards nothing secret: whoever may
/// list may list everything.
fn write_cursor(filter: &ListFilter, cursor: &Cursor) -> String {
    let position = format!("{}.{}", cursor.created_at.as_millis(), cursor.id);
    format!("{}.{position}", check(filter, &position))
}

fn read_cursor(filter: &ListFilter, text: &str) -> Option<Cursor> {
    let (given, position) = text.split_once('.')?;
    if check(filter, position) != given {
        return None;
    }
    let (millis, id) = position.split_once('.')?;
    Some(Cursor {
        created_at: Timestamp::from_millis(millis.parse().ok()?),
        id: InstanceId::new(id).ok()?,
    })
}

fn check(filter: &ListFilter, position: &str) -> String {
    let bound = format!(
        "countermand cursor 1\n{:?}\n{:?}\n{:?}\n{position}",
        filter.state, filter.status, filter.order_id
    );
    let digest = Sha256::digest(bound.as_bytes());
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_belong_to_their_listing() {
        let filter = ListFilter {
            state: Some("pending".to_owned()),
            ..ListFilter::default()
        };
        let cursor = Cursor {
            created_at: Timestamp::from_millis(1_740_042_802_138),
            id: InstanceId::new("a.b:c-d").unwrap(),
        };
        let text = write_cursor(&filter, &cursor);
        assert_eq!(read_cursor(&filter, &text), Some(cursor));
        assert_eq!(read_cursor(&ListFilter::default(), &text), None);
        let tampered = text.replace("138", "139");
        for bad in [&*tampered, "", ".", "..", "x.1.a", "' OR 1=1 --"] {
            assert_eq!(read_cursor(&filter, bad), None, "{bad}");
        }
    }
}
