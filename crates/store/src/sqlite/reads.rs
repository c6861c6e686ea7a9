//! Reading: a small pool of connections that cannot write, beside the writer.

use std::collections::BTreeMap;

use countermand_core::{Epoch, InstanceId, Timestamp};
use futures_util::TryStreamExt;
use sqlx::QueryBuilder;
use sqlx::sqlite::SqliteRow;

use super::connection::result_code;
use super::encode::{self, Statement, count, signed};
use super::rows::{self, column, corrupt, time, unsigned};
use super::writer::unavailable;
use super::{Shared, sql};
use crate::error::Error;
use crate::hash::{StoreHead, record_hash};
use crate::model::{
    Claim, Claimed, Count, Cursor, Disposition, Entry, Filter, Hash, InboxRecord, Journal, Known,
    Page, Pause, Row, Spent, Stats, Status, Subject,
};

/// How many damaged rows one claim passes over before it gives up.
const DAMAGED_MAX: usize = 100;

impl Shared {
    /// Runs one statement to its end in a task of its own: a caller that stops waiting leaves the
    /// connection in order (rule R2).
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<SqliteRow>, Error> {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            let mut connection = pool.acquire().await?;
            let rows = statement.fetch_all(&mut *connection).await;
            if rows.is_err() {
                connection.close_on_drop();
            }
            rows
        });
        answer(task.await)
    }

    async fn row(&self, statement: Statement) -> Result<SqliteRow, Error> {
        let mut rows = self.rows(statement).await?;
        rows.pop()
            .ok_or_else(|| corrupt("the row about the store", "it is missing".into()))
    }

    pub(super) async fn newest(&self) -> Result<Option<Timestamp>, Error> {
        let row = self.row(sqlx::query(sql::NEWEST)).await?;
        let newest: Option<i64> = column(&row, 0).map_err(about_the_store)?;
        Ok(newest.map(time))
    }

    pub(super) async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: Vec<Option<Row>> = vec![None; ids.len()];
        for row in self
            .rows(sqlx::query(sql::LOAD).bind(encode::ids(ids)))
            .await?
        {
            if let Some(place) = found.get_mut(place(&row)?) {
                *place = Some(rows::instance(&row)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = vec![Known::default(); subjects.len()];
        let asked = sqlx::query(sql::LOOK_UP).bind(encode::subjects(subjects));
        for found in self.rows(asked).await? {
            let Some(known) = known.get_mut(place(&found)?) else {
                continue;
            };
            let by_external_id = column::<i64>(&found, 24).map_err(about_the_store)? == 1;
            let row = rows::instance(&found)?;
            if by_external_id {
                known.by_external_id = Some(row);
            } else if row.finished_at.is_some() {
                known.finished.push(row);
            } else {
                known.live = Some(row);
            }
        }
        for known in &mut known {
            known
                .finished
                .sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        }
        Ok(known)
    }

    pub(super) async fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        if fact_keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = vec![None; fact_keys.len()];
        let asked = sqlx::query(sql::KNOWN_FACTS).bind(encode::texts(fact_keys));
        for row in self.rows(asked).await? {
            let index = column::<i64>(&row, 0)
                .and_then(unsigned)
                .map_err(about_the_store)?;
            let instance: Option<String> = column(&row, 1).map_err(about_the_store)?;
            let instance = instance
                .map(InstanceId::new)
                .transpose()
                .map_err(|error| corrupt("an applied event of the inbox", error.to_string()))?;
            if let Some(place) = usize::try_from(index)
                .ok()
                .and_then(|index| known.get_mut(index))
            {
                *place = Some(instance);
            }
        }
        Ok(known)
    }

    /// A damaged row is logged once, and passed over as if it were held.
    pub(super) async fn claim(&self, claim: &Claim, now: Timestamp) -> Result<Claimed, Error> {
        let held = encode::ids(&claim.held);
        for _ in 0..DAMAGED_MAX {
            let statement = sqlx::query(sql::CLAIM)
                .bind(claim.kind.clone())
                .bind(now.as_millis())
                .bind(held.clone())
                .bind(signed(self.incarnation.0))
                .bind(count(claim.limit).min(i64::MAX - 1))
                .bind(self.damaged_rows());
            let found = self.rows(statement).await?;
            let mut claimed = Claimed::default();
            let mut whole = true;
            for row in &found {
                let next: Option<i64> = column(row, 23).map_err(about_the_store)?;
                claimed.next_due = next.map(time);
                let Some(number) = column::<Option<i64>>(row, 0).map_err(about_the_store)? else {
                    continue;
                };
                match rows::instance(row) {
                    Ok(row) => claimed.rows.push(Row {
                        epoch: self.incarnation.max(row.epoch),
                        ..row
                    }),
                    Err(error) => {
                        tracing::error!(%error, "a damaged instance is not worked on");
                        whole = false;
                        self.note_damaged(number);
                    }
                }
            }
            if whole {
                return Ok(claimed);
            }
        }
        Err(corrupt(
            "the table of instances",
            format!("more than {DAMAGED_MAX} rows are damaged"),
        ))
    }

    pub(super) async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, Error> {
        let statement = listing(filter, after, limit, now);
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            let mut statement = statement;
            let mut connection = pool.acquire().await?;
            let rows = statement.build().fetch_all(&mut *connection).await;
            if rows.is_err() {
                connection.close_on_drop();
            }
            rows
        });
        let mut found = answer(task.await)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let mut page = Page::default();
        for row in &found {
            match rows::instance(row) {
                Ok(row) => page.rows.push(row),
                Err(error) => {
                    tracing::error!(%error, "a damaged instance cannot be listed");
                    page.unreadable.push(error.to_string());
                }
            }
        }
        if more {
            page.next = found.iter().rev().find_map(cursor);
            if page.next.is_none() && limit > 0 {
                return Err(corrupt(
                    "a page of the listing",
                    "all its rows are damaged".into(),
                ));
            }
        }
        Ok(page)
    }

    pub(super) async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let statement = sqlx::query(sql::HISTORY)
            .bind(id.as_str().to_owned())
            .bind(signed(after))
            .bind(count(limit));
        self.rows(statement)
            .await?
            .iter()
            .map(rows::entry)
            .collect()
    }

    pub(super) async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        let statement = sqlx::query(sql::JOURNAL)
            .bind(signed(after))
            .bind(count(limit));
        let mut journal = Journal {
            next: after,
            ..Journal::default()
        };
        for row in &self.rows(statement).await? {
            journal.next = column::<i64>(row, 15)
                .and_then(unsigned)
                .map_err(about_the_store)?;
            match rows::entry(row) {
                Ok(entry) => journal.entries.push(entry),
                Err(error) => journal.unreadable.push(error.to_string()),
            }
        }
        Ok(journal)
    }

    pub(super) async fn journal_end(&self) -> Result<u64, Error> {
        let row = self.row(sqlx::query(sql::JOURNAL_END)).await?;
        column::<i64>(&row, 0)
            .and_then(unsigned)
            .map_err(about_the_store)
    }

    pub(super) async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        let statement = sqlx::query(sql::SPENT)
            .bind(kind.to_owned())
            .bind(since.as_millis());
        self.rows(statement)
            .await?
            .iter()
            .map(rows::spent)
            .collect()
    }

    pub(super) async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        let found = self
            .rows(sqlx::query(sql::INBOX).bind(count(limit)))
            .await?;
        found.iter().map(|row| Ok(rows::record(row)?.0)).collect()
    }

    pub(super) async fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        let mut counts: BTreeMap<(String, Status), u64> = BTreeMap::new();
        let mut events: BTreeMap<Disposition, u64> = BTreeMap::new();
        for row in self
            .rows(sqlx::query(sql::STATS).bind(now.as_millis()))
            .await?
        {
            let name: String = column(&row, 0).map_err(about_the_store)?;
            let what: String = column(&row, 1).map_err(about_the_store)?;
            let number = |index| {
                column::<i64>(&row, index)
                    .and_then(unsigned)
                    .map_err(about_the_store)
            };
            let (rows, sum) = (number(2)?, number(3)?);
            let oldest: Option<i64> = column(&row, 4).map_err(about_the_store)?;
            let of = match what.as_str() {
                "attention" => Status::Attention,
                "running" => Status::Running,
                "waiting" => Status::Waiting,
                "finished" => Status::Finished,
                _ => {
                    if let Some(disposition) = Disposition::from_name(&name) {
                        events.insert(disposition, rows);
                        stats.deliveries += sum;
                    }
                    continue;
                }
            };
            stats.in_doubt += sum;
            if of == Status::Attention {
                stats.attention += rows;
            }
            stats.oldest_due = [stats.oldest_due, oldest.map(time).filter(|due| *due <= now)]
                .into_iter()
                .flatten()
                .min();
            counts.insert((name, of), rows);
        }
        let count = |((phase, status), count)| Count {
            phase,
            status,
            count,
        };
        stats.counts = counts.into_iter().map(count).collect();
        stats.events = events.into_iter().collect();
        Ok(stats)
    }

    pub(super) async fn paused(&self) -> Result<Option<Pause>, Error> {
        let found = self.rows(sqlx::query(sql::PAUSED)).await?;
        let read = |row: &SqliteRow| {
            Ok(Pause {
                since: time(column(row, 0)?),
                by: column(row, 1)?,
                why: column(row, 2)?,
            })
        };
        found
            .first()
            .map(read)
            .transpose()
            .map_err(|detail| corrupt("the pause", detail))
    }

    /// The incarnation, and the numbers of instances, of live ones, and of entries.
    pub(super) async fn counts(&self) -> Result<(Epoch, u64, u64, u64), Error> {
        let row = self.row(sqlx::query(sql::INFO)).await?;
        let number = |index| {
            column::<i64>(&row, index)
                .and_then(unsigned)
                .map_err(about_the_store)
        };
        Ok((Epoch(number(0)?), number(1)?, number(2)?, number(3)?))
    }

    pub(super) async fn head(&self) -> Result<Hash, Error> {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            let mut connection = pool.acquire().await?;
            let mut heads = sqlx::query(sql::ALL_HEADS).fetch(&mut *connection);
            let mut all = StoreHead::new();
            let read = loop {
                match heads.try_next().await {
                    Ok(None) => break Ok(all.finish()),
                    Ok(Some(row)) => {
                        // A damaged id or head gives another hash, which is all that is asked here.
                        let id: String = column(&row, 0).unwrap_or_default();
                        let head: Vec<u8> = column(&row, 1).unwrap_or_default();
                        all.add(&id, &head);
                    }
                    Err(error) => break Err(error),
                }
            };
            drop(heads);
            if read.is_err() {
                connection.close_on_drop();
            }
            read
        });
        answer(task.await)
    }

    /// Events whose hash does not fit.
    pub(super) async fn check_inbox(&self) -> Result<Vec<String>, Error> {
        const PAGE: i64 = 1000;
        let mut findings = Vec::new();
        let mut after = i64::MIN;
        loop {
            let statement = sqlx::query(sql::INBOX_AFTER).bind(after).bind(PAGE);
            let page = self.rows(statement).await?;
            if page.is_empty() {
                return Ok(findings);
            }
            for row in &page {
                after = column(row, 8).map_err(about_the_store)?;
                match rows::record(row) {
                    Ok((record, number, hash)) if hash != record_hash(&record) => {
                        findings.push(format!("event {number} of the inbox was changed"));
                    }
                    Ok(_) => {}
                    Err(error) => findings.push(error.to_string()),
                }
            }
        }
    }
}

type Joined<T> = Result<Result<T, sqlx::Error>, tokio::task::JoinError>;

fn answer<T>(joined: Joined<T>) -> Result<T, Error> {
    const CORRUPT: i32 = 11;
    const NO_DATABASE: i32 = 26;
    match joined {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if matches!(result_code(&error), Some(CORRUPT | NO_DATABASE)) => {
            Err(corrupt("the database file", error.to_string()))
        }
        Ok(Err(error)) => Err(unavailable("read", error)),
        Err(error) => Err(Error::Unavailable {
            operation: "read",
            cause: error.into(),
        }),
    }
}

fn about_the_store(detail: String) -> Error {
    corrupt("an answer of the database", detail)
}

/// Which question a row answers: the column after those of the instance.
fn place(row: &SqliteRow) -> Result<usize, Error> {
    let key = column::<i64>(row, 23).map_err(about_the_store)?;
    usize::try_from(key).map_err(|_| about_the_store(format!("{key} is no place")))
}

fn cursor(row: &SqliteRow) -> Option<Cursor> {
    Some(Cursor {
        created_at: time(column(row, 18).ok()?),
        id: InstanceId::new(column::<String>(row, 1).ok()?).ok()?,
    })
}

/// The one statement that is put together at run time (rule R11): conditions are literals, values
/// are bound. A plus sign keeps the planner from an index that would have it sort all rows of a
/// kind; the listing's own index, or the phase's, gives the first page at once. What is due may be
/// few among many, and is found by its own.
pub(super) fn listing(
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> QueryBuilder<sqlx::Sqlite> {
    let now = now.as_millis();
    let mut sql = QueryBuilder::new(sql::LIST);
    if filter.status == Some(Status::Running) && filter.phase.is_none() && filter.subject.is_none()
    {
        sql.push(sql::LIST_BY_DUE);
    }
    sql.push(" WHERE TRUE");
    if let Some(kind) = &filter.kind {
        sql.push(" AND +i.kind = ").push_bind(kind.clone());
    }
    if let Some(phase) = &filter.phase {
        sql.push(" AND i.phase = ").push_bind(phase.clone());
    }
    if let Some(subject) = &filter.subject {
        sql.push(" AND i.subject = ").push_bind(subject.clone());
    }
    if let Some(before) = filter.created_before {
        sql.push(" AND i.created_at_ms < ")
            .push_bind(before.as_millis());
    }
    if filter.live {
        sql.push(" AND i.due_at_ms IS NOT NULL");
    }
    match filter.status {
        None => {}
        Some(Status::Finished) => {
            sql.push(" AND +i.finished_at_ms IS NOT NULL");
        }
        Some(Status::Attention) => {
            sql.push(" AND i.attention_since_ms IS NOT NULL AND i.finished_at_ms IS NULL");
        }
        Some(Status::Running) => {
            sql.push(
                " AND i.attention_since_ms IS NULL AND i.due_at_ms IS NOT NULL AND i.due_at_ms <= ",
            )
            .push_bind(now);
        }
        Some(Status::Waiting) => {
            sql.push(" AND i.attention_since_ms IS NULL AND +i.due_at_ms > ")
                .push_bind(now);
        }
    }
    if let Some(after) = after {
        sql.push(" AND (i.created_at_ms, i.id) < (")
            .push_bind(after.created_at.as_millis());
        sql.push(", ")
            .push_bind(after.id.as_str().to_owned())
            .push(")");
    }
    sql.push(" ORDER BY i.created_at_ms DESC, i.id DESC LIMIT ");
    sql.push_bind(count(limit).saturating_add(1));
    sql
}
