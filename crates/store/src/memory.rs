//! The store in memory: the model that every other store is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countermand_core::{Epoch, InstanceId, Timestamp};

use crate::clock::{Clock, StoreTime};
use crate::error::Error;
use crate::hash::StoreHead;
use crate::model::{
    Claim, Claimed, Count, Cursor, Disposition, Entry, Filter, InboxRecord, Info, Journal, Known,
    Page, Pause, Row, Spent, Stats, Status, Subject, Write, Written,
};
use crate::plan::{
    DeliveryKey, ExternalKey, Knowledge, KnownFact, KnownOperation, KnownRow, KnownSubject, Plan,
    Questions, RecordRef, SubjectKey, named_before, plan,
};
use crate::{Now, Store};

/// A store that lives as long as its last handle.
///
/// ```
/// # use countermand_core::Timestamp;
/// # use countermand_store::{MemoryStore, Store};
/// let store = MemoryStore::new(|| Timestamp::from_millis(0));
/// assert_eq!(store.reopen().incarnation().0, 2);
/// ```
///
/// It keeps every rule of [`Store`] except durability. Clones are handles of one incarnation;
/// [`reopen`](Self::reopen) gives a handle of the next one over the same data, as a restart would.
#[derive(Clone)]
pub struct MemoryStore {
    incarnation: Epoch,
    clock: Arc<dyn Clock>,
    data: Arc<Mutex<Data>>,
}

#[derive(Clone, Default)]
struct Data {
    incarnation: Epoch,
    /// Since when the data may be behind the world.
    restored: Option<Timestamp>,
    newest: StoreTime,
    rows: BTreeMap<InstanceId, Row>,
    histories: BTreeMap<InstanceId, Vec<Entry>>,
    /// Every entry, in the order of writing.
    journal: Vec<(InstanceId, u64)>,
    inbox: Vec<Kept>,
    pause: Option<Pause>,
    // What the unique indexes of a database know.
    subjects: BTreeMap<SubjectKey, KnownSubject>,
    external_ids: BTreeMap<ExternalKey, InstanceId>,
    facts: BTreeMap<String, KnownFact>,
    operations: BTreeMap<String, KnownOperation>,
    deliveries: BTreeMap<DeliveryKey, RecordRef>,
}

#[derive(Clone)]
struct Kept {
    record: InboxRecord,
    deliveries: u64,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore")
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store, in its first incarnation.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            incarnation: Epoch(0),
            clock: Arc::new(clock),
            data: Arc::default(),
        }
        .reopen()
    }

    /// The next incarnation over the same data. Handles of earlier ones can read, and bring facts,
    /// but decide nothing any more.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut data = self.data();
        data.incarnation = match data.restored {
            None => Epoch(data.incarnation.0 + 1),
            Some(_) => crate::incarnation_after_restore(data.incarnation, self.clock.now()),
        };
        Self {
            incarnation: data.incarnation,
            clock: Arc::clone(&self.clock),
            data: Arc::clone(&self.data),
        }
    }

    /// A copy of the data as they are now, marked as a backup is: whoever opens it (by
    /// [`reopen`](Self::reopen)) makes up for what it does not know.
    #[must_use]
    pub fn backup(&self) -> Self {
        let mut data = self.data().clone();
        data.restored = Some(self.time(&data).at);
        Self {
            incarnation: data.incarnation,
            clock: Arc::clone(&self.clock),
            data: Arc::new(Mutex::new(data)),
        }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // No code that may panic runs under the lock between two halves of a change.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self, data: &Data) -> Now {
        data.newest.now(&*self.clock)
    }
}

impl Data {
    fn know(&self, questions: &Questions, now: Timestamp) -> Knowledge {
        let mut external_ids = questions.external_ids.clone();
        for (id, external_id) in &questions.external_ids_of {
            let key = self.rows.get(id).map(|row| external_key(row, external_id));
            external_ids.extend(key);
        }
        let row = |id: &InstanceId| Some((id.clone(), known_row(self.rows.get(id)?)));
        Knowledge {
            incarnation: self.incarnation,
            now,
            rows: questions.ids.iter().filter_map(row).collect(),
            damaged: BTreeMap::new(),
            subjects: pick(&self.subjects, &questions.subjects),
            external_ids: pick(&self.external_ids, &external_ids),
            facts: pick(&self.facts, &questions.facts),
            operations: pick(&self.operations, &questions.operations),
            deliveries: pick(&self.deliveries, &questions.deliveries),
        }
    }

    fn apply(&mut self, plan: Plan<'_>, clock: &dyn Clock) -> Vec<Written> {
        if !plan.is_empty() {
            self.newest.stored(plan.newest, clock);
        }
        // Saves come before starts, since a save may end the life that stands against a start.
        for planned in &plan.saves {
            if let Some(row) = self.rows.get_mut(&planned.save.id) {
                if row.finished_at.is_none() && planned.finished_at.is_some() {
                    let subject = SubjectKey::of_row(&known_row(row));
                    let of_subject = self.subjects.entry(subject).or_default();
                    of_subject.live = None;
                    of_subject.finished += 1;
                }
                if let Some(old) = &row.body.external_id {
                    self.external_ids.remove(&external_key(row, old));
                }
                if let Some(new) = &planned.save.body.external_id {
                    self.external_ids
                        .insert(external_key(row, new), row.id.clone());
                }
                row.body = planned.save.body.clone();
                row.revision = planned.revision;
                row.epoch = planned.epoch;
                row.head = planned.head;
                row.updated_at = planned.updated_at;
                row.finished_at = planned.finished_at;
                row.due_at = planned.save.due_at;
                row.retries.clone_from(&planned.save.retries);
            }
        }
        for planned in &plan.starts {
            let start = planned.start;
            let row = Row {
                id: start.id.clone(),
                kind: start.kind.clone(),
                scope: start.scope.clone(),
                subject: start.subject.clone(),
                body: start.body.clone(),
                revision: planned.revision,
                epoch: planned.epoch,
                head: planned.head,
                created_at: planned.created_at,
                updated_at: planned.updated_at,
                finished_at: None,
                due_at: Some(start.due_at),
                retries: start.retries.clone(),
            };
            let subject = SubjectKey::of_row(&known_row(&row));
            self.subjects.entry(subject).or_default().live = Some(row.id.clone());
            if let Some(external_id) = &row.body.external_id {
                self.external_ids
                    .insert(external_key(&row, external_id), row.id.clone());
            }
            self.rows.insert(start.id.clone(), row);
        }
        for planned in &plan.schedules {
            if let Some(row) = self.rows.get_mut(&planned.save.id) {
                row.updated_at = planned.updated_at;
                row.due_at = planned.save.due_at;
                row.retries.clone_from(&planned.save.retries);
            }
        }
        for planned in &plan.entries {
            let id = planned.instance_id;
            let operation = KnownOperation {
                instance_id: id.clone(),
                seq: planned.seq,
                hash: planned.hash,
            };
            self.operations
                .insert(planned.entry.operation_id.clone(), operation);
            self.journal.push((id.clone(), planned.seq));
            self.histories.entry(id.clone()).or_default().push(Entry {
                instance_id: id.clone(),
                seq: planned.seq,
                entry: planned.entry.clone(),
                hash: planned.hash,
            });
        }
        for (number, times) in &plan.redelivered {
            let kept = usize::try_from(*number)
                .ok()
                .and_then(|index| self.inbox.get_mut(index));
            if let Some(kept) = kept {
                kept.deliveries += times;
            }
        }
        for planned in &plan.records {
            self.store(planned.stored(), planned.deliveries);
        }
        plan.answers
    }

    fn store(&mut self, record: InboxRecord, deliveries: u64) {
        let number = RecordRef::Stored(i64::try_from(self.inbox.len()).unwrap_or(i64::MAX));
        if let Some(fact) = record
            .fact_key
            .as_ref()
            .filter(|_| record.disposition == Disposition::Applied)
        {
            let known = KnownFact {
                record: number,
                instance_id: record.instance_id.clone(),
            };
            self.facts.insert(fact.clone(), known);
        }
        if let Some(key) = DeliveryKey::of(&record) {
            self.deliveries.entry(key).or_insert(number);
        }
        self.inbox.push(Kept { record, deliveries });
    }

    /// From when on an instance is due: after a restart at once, if an intent is open whose owner
    /// is gone. `None` when finished.
    fn due(&self, row: &Row, now: Timestamp) -> Option<Timestamp> {
        let owner_lost = row
            .body
            .open_intent_epoch
            .is_some_and(|epoch| epoch < self.incarnation);
        row.due_at
            .map(|due| if owner_lost { due.min(now) } else { due })
    }
}

fn pick<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, wanted: &BTreeSet<K>) -> BTreeMap<K, V> {
    let pair = |key: &K| Some((key.clone(), all.get(key)?.clone()));
    wanted.iter().filter_map(pair).collect()
}

fn external_key(row: &Row, external_id: &str) -> ExternalKey {
    ExternalKey {
        kind: row.kind.clone(),
        scope: row.scope.clone(),
        external_id: external_id.to_owned(),
    }
}

fn known_row(row: &Row) -> KnownRow {
    KnownRow {
        kind: row.kind.clone(),
        scope: row.scope.clone(),
        subject: row.subject.clone(),
        phase: row.body.phase.clone(),
        external_id: row.body.external_id.clone(),
        revision: row.revision,
        epoch: row.epoch,
        head: row.head,
        updated_at: row.updated_at,
        finished_at: row.finished_at,
    }
}

fn status(row: &Row, now: Timestamp) -> Status {
    match row.due_at {
        None => Status::Finished,
        Some(_) if row.body.attention.is_some() => Status::Attention,
        Some(due) if due <= now => Status::Running,
        Some(_) => Status::Waiting,
    }
}

fn matches(filter: &Filter, row: &Row, now: Timestamp) -> bool {
    filter.kind.as_ref().is_none_or(|kind| *kind == row.kind)
        && filter
            .phase
            .as_ref()
            .is_none_or(|phase| *phase == row.body.phase)
        && filter
            .status
            .is_none_or(|wanted| wanted == status(row, now))
        && filter
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == row.subject)
        && filter
            .created_before
            .is_none_or(|before| row.created_at < before)
        && (!filter.live || row.due_at.is_some())
}

fn newest_first(a: &Row, b: &Row) -> std::cmp::Ordering {
    (b.created_at, &b.id).cmp(&(a.created_at, &a.id))
}

impl Store for MemoryStore {
    fn incarnation(&self) -> Epoch {
        self.incarnation
    }

    async fn now(&self) -> Result<Now, Error> {
        Ok(self.time(&self.data()))
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        let mut data = self.data();
        let now = self.time(&data).at;
        let known = data.know(&Questions::of(&batch), now);
        let plan = plan(&batch, &named_before(&batch), known);
        Ok(data.apply(plan, &*self.clock))
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        let data = self.data();
        Ok(ids.iter().map(|id| data.rows.get(id).cloned()).collect())
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        let data = self.data();
        let known = |subject: &Subject| {
            let key = SubjectKey {
                kind: subject.kind.clone(),
                scope: subject.scope.clone(),
                subject: subject.subject.clone(),
            };
            let of_subject = data.subjects.get(&key);
            let live = of_subject.and_then(|of_subject| of_subject.live.as_ref());
            let external_id = subject.external_id.clone().map(|external_id| ExternalKey {
                kind: subject.kind.clone(),
                scope: subject.scope.clone(),
                external_id,
            });
            let by_external_id = external_id.and_then(|key| data.external_ids.get(&key));
            let row = |id: &InstanceId| data.rows.get(id).cloned();
            let mut finished = Vec::new();
            if of_subject.is_some_and(|of_subject| of_subject.finished > 0) {
                let is_of_subject = |row: &&Row| {
                    row.finished_at.is_some() && SubjectKey::of_row(&known_row(row)) == key
                };
                finished.extend(data.rows.values().filter(is_of_subject).cloned());
                finished.sort_by(newest_first);
            }
            Known {
                live: live.and_then(row),
                finished,
                by_external_id: by_external_id.and_then(row),
            }
        };
        Ok(subjects.iter().map(known).collect())
    }

    async fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        let data = self.data();
        let fact = |key| data.facts.get(key).map(|fact| fact.instance_id.clone());
        Ok(fact_keys.iter().map(fact).collect())
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        let data = self.data();
        let now = self.time(&data).at;
        let held: BTreeSet<&InstanceId> = claim.held.iter().collect();
        let mut open: Vec<(Timestamp, &Row)> = data
            .rows
            .values()
            .filter(|row| row.kind == claim.kind && !held.contains(&row.id))
            .filter_map(|row| Some((data.due(row, now)?, row)))
            .collect();
        open.sort_by_key(|(due, row)| (*due, &row.id));
        let due = open.iter().take_while(|(due, _)| *due <= now).count();
        let (taken, left) = open.split_at(due.min(claim.limit));
        let take = |(_, row): &(Timestamp, &Row)| Row {
            epoch: self.incarnation.max(row.epoch),
            ..(*row).clone()
        };
        Ok(Claimed {
            rows: taken.iter().map(take).collect(),
            next_due: left.first().map(|(due, _)| *due),
        })
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let data = self.data();
        let now = self.time(&data).at;
        let mut rows: Vec<&Row> = data
            .rows
            .values()
            .filter(|row| matches(filter, row, now))
            .filter(|row| {
                after.is_none_or(|after| (row.created_at, &row.id) < (after.created_at, &after.id))
            })
            .collect();
        rows.sort_by(|a, b| newest_first(a, b));
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor {
            created_at: row.created_at,
            id: row.id.clone(),
        });
        Ok(Page {
            rows: rows.into_iter().cloned().collect(),
            next,
            unreadable: Vec::new(),
        })
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let data = self.data();
        let entries = data.histories.get(id).into_iter().flatten();
        Ok(entries
            .filter(|entry| entry.seq > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        let data = self.data();
        let of_kind = data.histories.iter().filter(|(id, _)| {
            let row = data.rows.get(*id);
            row.is_some_and(|row| row.kind == kind)
        });
        let mut spent: Vec<Spent> = of_kind
            .flat_map(|(_, entries)| entries)
            .filter(|entry| entry.entry.at >= since)
            .filter_map(|entry| {
                Some(Spent {
                    instance_id: entry.instance_id.clone(),
                    at: entry.entry.at,
                    spend: entry.entry.spend.clone()?,
                })
            })
            .collect();
        // Stable: by instance and number otherwise.
        spent.sort_by_key(|spent| spent.at);
        Ok(spent)
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        let data = self.data();
        let begin = usize::try_from(after).unwrap_or(usize::MAX);
        let places = data.journal.iter().skip(begin).take(limit);
        let entries: Vec<Entry> = places
            .filter_map(|(id, seq)| {
                let history = data.histories.get(id)?;
                history.iter().find(|entry| entry.seq == *seq).cloned()
            })
            .collect();
        Ok(Journal {
            next: after.saturating_add(entries.len() as u64),
            entries,
            unreadable: Vec::new(),
        })
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        Ok(self.data().journal.len() as u64)
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        let data = self.data();
        Ok(data
            .inbox
            .iter()
            .rev()
            .take(limit)
            .map(|kept| kept.record.clone())
            .collect())
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let data = self.data();
        let now = self.time(&data).at;
        let mut stats = Stats::default();
        let mut counts: BTreeMap<(String, Status), u64> = BTreeMap::new();
        for row in data.rows.values() {
            *counts
                .entry((row.body.phase.clone(), status(row, now)))
                .or_default() += 1;
            if let Some(due) = row.due_at {
                stats.in_doubt += u64::from(row.body.in_doubt);
                stats.attention += u64::from(row.body.attention.is_some());
                if due <= now {
                    stats.oldest_due = Some(stats.oldest_due.map_or(due, |oldest| oldest.min(due)));
                }
            }
        }
        let count = |((phase, status), count)| Count {
            phase,
            status,
            count,
        };
        stats.counts = counts.into_iter().map(count).collect();
        let mut events: BTreeMap<Disposition, u64> = BTreeMap::new();
        for kept in &data.inbox {
            *events.entry(kept.record.disposition).or_default() += 1;
            stats.deliveries += kept.deliveries;
        }
        stats.events = events.into_iter().collect();
        Ok(stats)
    }

    async fn info(&self) -> Result<Info, Error> {
        let data = self.data();
        let mut head = StoreHead::new();
        for row in data.rows.values() {
            head.add(row.id.as_str(), &row.head);
        }
        let live = data
            .rows
            .values()
            .filter(|row| row.finished_at.is_none())
            .count();
        Ok(Info {
            location: "memory".into(),
            backend: "memory".into(),
            schema: crate::SCHEMA,
            incarnation: data.incarnation,
            instances: data.rows.len() as u64,
            live: live as u64,
            entries: data
                .histories
                .values()
                .map(|entries| entries.len() as u64)
                .sum(),
            head: head.finish(),
            bytes: 0,
            paused: data.pause.clone(),
        })
    }

    async fn paused(&self) -> Result<Option<Pause>, Error> {
        Ok(self.data().pause.clone())
    }

    async fn restored(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.data().restored)
    }

    async fn caught_up(&self) -> Result<(), Error> {
        self.data().restored = None;
        Ok(())
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.data().pause = pause;
        Ok(())
    }
}
