//! A batch's questions and its plan as JSON, the form in which they are bound to statements.

use std::collections::BTreeMap;

use countermand_core::{Epoch, InstanceId, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::rows::{Detail, column, time, unsigned};
use super::sql;
use crate::hash::record_hash;
use crate::model::{Body, Hash, Subject};
use crate::plan::{
    DeliveryKey, ExternalKey, Knowledge, KnownFact, KnownOperation, KnownRow, KnownSubject, Plan,
    PlannedEntry, PlannedRecord, PlannedSave, PlannedSchedule, PlannedStart, Questions, RecordRef,
    SubjectKey,
};

pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Values that serialise always: maps with text keys, lists, texts, numbers.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| String::from("null"))
}

pub(super) fn ids(ids: &[InstanceId]) -> String {
    json(&ids)
}

pub(super) fn subjects(subjects: &[Subject]) -> String {
    let subjects: Vec<_> = subjects
        .iter()
        .map(|asked| {
            (
                &asked.kind,
                &asked.scope,
                &asked.subject,
                &asked.external_id,
            )
        })
        .collect();
    json(&subjects)
}

pub(super) fn texts(texts: &[String]) -> String {
    json(&texts)
}

pub(super) fn know(questions: &Questions) -> Statement {
    let subjects: Vec<_> = questions
        .subjects
        .iter()
        .map(|key| (&key.kind, &key.scope, &key.subject))
        .collect();
    let external_ids: Vec<_> = questions
        .external_ids
        .iter()
        .map(|key| (&key.kind, &key.scope, &key.external_id))
        .collect();
    let deliveries: Vec<_> = questions
        .deliveries
        .iter()
        .map(|key| (&key.source, &key.transport_key, &key.fact_key))
        .collect();
    sqlx::query(sql::KNOW)
        .bind(json(&questions.ids))
        .bind(json(&subjects))
        .bind(json(&external_ids))
        .bind(json(&questions.external_ids_of))
        .bind(json(&questions.facts))
        .bind(json(&questions.operations))
        .bind(json(&deliveries))
}

/// What the row of [`sql::KNOW`] answers: the number of commits so far, and the knowledge.
/// `now` gives the store's time from the newest time stored.
pub(super) fn knowledge(
    row: &SqliteRow,
    questions: &Questions,
    now: impl FnOnce(Option<Timestamp>) -> Timestamp,
) -> Result<(i64, Knowledge), Detail> {
    let incarnation = Epoch(unsigned(column(row, 0)?)?);
    let newest = column::<Option<i64>>(row, 1)?.map(time);
    let commits = column(row, 2)?;

    let mut rows = BTreeMap::new();
    let mut damaged = BTreeMap::new();
    for answer in list::<serde_json::Value>(row, 3)? {
        let id = InstanceId::deserialize(&answer[0]).map_err(|error| error.to_string())?;
        match RowAnswer::read(&answer) {
            Ok(known) => drop(rows.insert(id, known)),
            Err(detail) => drop(damaged.insert(id, detail)),
        }
    }
    let mut subjects = BTreeMap::new();
    let asked: Vec<&SubjectKey> = questions.subjects.iter().collect();
    for (index, live, finished) in list::<(usize, Option<InstanceId>, u64)>(row, 4)? {
        if let Some(key) = asked.get(index) {
            subjects.insert(SubjectKey::clone(key), KnownSubject { live, finished });
        }
    }
    let mut external_ids = BTreeMap::new();
    for index in [5, 6] {
        for (kind, scope, external_id, id) in list::<(_, _, _, InstanceId)>(row, index)? {
            let key = ExternalKey {
                kind,
                scope,
                external_id,
            };
            external_ids.insert(key, id);
        }
    }
    let mut facts = BTreeMap::new();
    for (fact, number, instance_id) in list::<(String, i64, Option<InstanceId>)>(row, 7)? {
        let known = KnownFact {
            record: RecordRef::Stored(number),
            instance_id,
        };
        facts.insert(fact, known);
    }
    let mut operations = BTreeMap::new();
    for (operation, instance_id, seq, hash) in list::<(String, InstanceId, u64, Hex)>(row, 8)? {
        let known = KnownOperation {
            instance_id,
            seq,
            hash: hash.0,
        };
        operations.insert(operation, known);
    }
    let mut deliveries = BTreeMap::new();
    let asked: Vec<&DeliveryKey> = questions.deliveries.iter().collect();
    for (index, number) in list::<(usize, Option<i64>)>(row, 9)? {
        if let (Some(key), Some(number)) = (asked.get(index), number) {
            deliveries.insert(DeliveryKey::clone(key), RecordRef::Stored(number));
        }
    }
    let known = Knowledge {
        incarnation,
        now: now(newest),
        rows,
        damaged,
        subjects,
        external_ids,
        facts,
        operations,
        deliveries,
    };
    Ok((commits, known))
}

fn list<T: for<'de> Deserialize<'de>>(row: &SqliteRow, index: usize) -> Result<Vec<T>, Detail> {
    let text: &str = column(row, index)?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// One instance of the answer, after its id.
#[derive(Deserialize)]
struct RowAnswer(
    serde::de::IgnoredAny,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    i64,
    Hex,
    i64,
    Option<i64>,
);

impl RowAnswer {
    fn read(answer: &serde_json::Value) -> Result<KnownRow, Detail> {
        let answer = Self::deserialize(answer).map_err(|error| error.to_string())?;
        Ok(KnownRow {
            kind: answer.1,
            scope: answer.2,
            subject: answer.3,
            phase: answer.4,
            external_id: answer.5,
            revision: unsigned(answer.6)?,
            epoch: Epoch(unsigned(answer.7)?),
            head: answer.8.0,
            updated_at: time(answer.9),
            finished_at: answer.10.map(time),
        })
    }
}

/// The statement that carries out a plan, if nobody else has written since the plan was made.
pub(super) fn write(plan: &Plan<'_>, commits: i64, incarnation: Epoch) -> Statement {
    let saves: Vec<_> = plan.saves.iter().map(SaveForm::of).collect();
    let schedules: Vec<_> = plan.schedules.iter().map(ScheduleForm::of).collect();
    let starts: Vec<_> = plan.starts.iter().map(StartForm::of).collect();
    let entries: Vec<_> = plan.entries.iter().map(EntryForm::of).collect();
    let records: Vec<_> = plan.records.iter().map(RecordForm::of).collect();
    let redelivered: Vec<_> = plan.redelivered.iter().collect();
    sqlx::query(sql::WRITE)
        .bind((plan.newest > Timestamp::MIN).then(|| plan.newest.as_millis()))
        .bind(commits)
        .bind(signed(incarnation.0))
        .bind(json(&saves))
        .bind(count(saves.len()))
        .bind(json(&schedules))
        .bind(count(schedules.len()))
        .bind(json(&starts))
        .bind(json(&entries))
        .bind(json(&records))
        .bind(json(&redelivered))
}

/// Numbers beyond the signed range were refused before.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[derive(Serialize)]
struct BodyForm<'a> {
    phase: &'a str,
    outcome: Option<&'a str>,
    in_doubt: bool,
    attention_since_ms: Option<i64>,
    attention_why: Option<&'a str>,
    open_intent_epoch: Option<u64>,
    external_id: Option<&'a str>,
    fingerprint: Option<&'a str>,
    version: u32,
    state: &'a str,
}

impl<'a> BodyForm<'a> {
    fn of(body: &'a Body) -> Self {
        let attention = body.attention.as_ref();
        Self {
            phase: &body.phase,
            outcome: body.outcome.as_deref(),
            in_doubt: body.in_doubt,
            attention_since_ms: attention.map(|flag| flag.since.as_millis()),
            attention_why: attention.map(|flag| flag.why.as_str()),
            open_intent_epoch: body.open_intent_epoch.map(|epoch| epoch.0),
            external_id: body.external_id.as_deref(),
            fingerprint: body.fingerprint.as_deref(),
            version: body.version,
            state: &body.state,
        }
    }
}

#[derive(Serialize)]
struct SaveForm<'a> {
    id: &'a str,
    old_revision: u64,
    revision: u64,
    epoch: u64,
    head: Hex,
    updated_at_ms: i64,
    finished_at_ms: Option<i64>,
    due_at_ms: Option<i64>,
    retries: &'a str,
    #[serde(flatten)]
    body: BodyForm<'a>,
}

impl<'a> SaveForm<'a> {
    fn of(planned: &'a PlannedSave<'a>) -> Self {
        Self {
            id: planned.save.id.as_str(),
            old_revision: planned.old_revision,
            revision: planned.revision,
            epoch: planned.epoch.0,
            head: Hex(planned.head),
            updated_at_ms: planned.updated_at.as_millis(),
            finished_at_ms: planned.finished_at.map(Timestamp::as_millis),
            due_at_ms: planned.save.due_at.map(Timestamp::as_millis),
            retries: &planned.save.retries,
            body: BodyForm::of(&planned.save.body),
        }
    }
}

#[derive(Serialize)]
struct ScheduleForm<'a> {
    id: &'a str,
    revision: u64,
    updated_at_ms: i64,
    due_at_ms: Option<i64>,
    retries: &'a str,
}

impl<'a> ScheduleForm<'a> {
    fn of(planned: &'a PlannedSchedule<'a>) -> Self {
        Self {
            id: planned.save.id.as_str(),
            revision: planned.revision,
            updated_at_ms: planned.updated_at.as_millis(),
            due_at_ms: planned.save.due_at.map(Timestamp::as_millis),
            retries: &planned.save.retries,
        }
    }
}

#[derive(Serialize)]
struct StartForm<'a> {
    id: &'a str,
    kind: &'a str,
    scope: &'a str,
    subject: &'a str,
    revision: u64,
    epoch: u64,
    head: Hex,
    created_at_ms: i64,
    updated_at_ms: i64,
    due_at_ms: i64,
    trace_context: Option<&'a str>,
    retries: &'a str,
    #[serde(flatten)]
    body: BodyForm<'a>,
}

impl<'a> StartForm<'a> {
    fn of(planned: &'a PlannedStart<'a>) -> Self {
        let start = planned.start;
        Self {
            id: start.id.as_str(),
            kind: &start.kind,
            scope: &start.scope,
            subject: &start.subject,
            revision: planned.revision,
            epoch: planned.epoch.0,
            head: Hex(planned.head),
            created_at_ms: planned.created_at.as_millis(),
            updated_at_ms: planned.updated_at.as_millis(),
            due_at_ms: start.due_at.as_millis(),
            trace_context: start
                .entries
                .first()
                .and_then(|first| first.trace_context.as_deref()),
            retries: &start.retries,
            body: BodyForm::of(&start.body),
        }
    }
}

#[derive(Serialize)]
struct EntryForm<'a> {
    instance_id: &'a str,
    seq: u64,
    operation_id: &'a str,
    at_ms: i64,
    from: &'a str,
    to: &'a str,
    input: &'a str,
    accepted: bool,
    actor: Option<&'a str>,
    epoch: u64,
    version: u32,
    emissions: Option<&'a str>,
    trace_context: Option<&'a str>,
    spend: Option<&'a str>,
    hash: Hex,
}

impl<'a> EntryForm<'a> {
    fn of(planned: &'a PlannedEntry<'a>) -> Self {
        let entry = planned.entry;
        Self {
            instance_id: planned.instance_id.as_str(),
            seq: planned.seq,
            operation_id: &entry.operation_id,
            at_ms: entry.at.as_millis(),
            from: &entry.from,
            to: &entry.to,
            input: &entry.input,
            accepted: entry.accepted,
            actor: entry.actor.as_deref(),
            epoch: entry.epoch.0,
            version: entry.version,
            emissions: entry.emissions.as_deref(),
            trace_context: entry.trace_context.as_deref(),
            spend: entry.spend.as_deref(),
            hash: Hex(planned.hash),
        }
    }
}

#[derive(Serialize)]
struct RecordForm<'a> {
    source: &'a str,
    transport_key: Option<&'a str>,
    fact_key: Option<&'a str>,
    event_type: &'a str,
    received_at_ms: i64,
    disposition: &'static str,
    instance_id: Option<&'a str>,
    deliveries: u64,
    raw: &'a str,
    hash: Hex,
}

impl<'a> RecordForm<'a> {
    fn of(planned: &'a PlannedRecord<'a>) -> Self {
        let record = planned.record;
        Self {
            source: &record.source,
            transport_key: record.transport_key.as_deref(),
            fact_key: record.fact_key.as_deref(),
            event_type: &record.event_type,
            received_at_ms: record.received_at.as_millis(),
            disposition: record.disposition.name(),
            instance_id: planned.instance_id.map(InstanceId::as_str),
            deliveries: planned.deliveries,
            raw: &record.raw,
            hash: Hex(record_hash(&planned.stored())),
        }
    }
}

/// A hash as hex digits.
struct Hex(Hash);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(
                    DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'),
                ));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

fn unhex(text: &str) -> Result<Hash, Detail> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err("a hash has 64 hex digits".into());
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
    }
    Ok(hash)
}
