//! The rules of the store: what becomes of each write of a batch, given what the store holds.
//!
//! Every store works in the same three steps: it asks itself the [`Questions`] of a batch, lets
//! [`plan`] judge the writes on the answers ([`Knowledge`]), and carries out the [`Plan`] in one
//! transaction. So the rules stand here once, and the stores differ only in how they look up and
//! write. Writes are judged in order, each one knowing what those before it will have changed.

mod form;
mod questions;

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::{Epoch, InstanceId, Timestamp};

use crate::hash::{GENESIS, entry_hash};
use crate::model::{
    Disposition, Guard, Hash, InboxRecord, NewEntry, Save, Start, Taken, Write, Written,
};

pub(crate) use questions::{
    DeliveryKey, ExternalKey, Knowledge, KnownFact, KnownOperation, KnownRow, KnownSubject,
    Questions, RecordRef, SubjectKey,
};

/// What is to be written, and the answer for each write once it is.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) answers: Vec<Written>,
    pub(crate) starts: Vec<PlannedStart<'a>>,
    pub(crate) saves: Vec<PlannedSave<'a>>,
    pub(crate) schedules: Vec<PlannedSchedule<'a>>,
    pub(crate) entries: Vec<PlannedEntry<'a>>,
    pub(crate) records: Vec<PlannedRecord<'a>>,
    /// Stored events that were delivered again, and how often.
    pub(crate) redelivered: BTreeMap<i64, u64>,
    /// The latest of the times that are written.
    pub(crate) newest: Timestamp,
}

impl Plan<'_> {
    /// Is there nothing to write?
    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
            && self.saves.is_empty()
            && self.schedules.is_empty()
            && self.records.is_empty()
            && self.redelivered.is_empty()
    }
}

#[derive(Debug)]
pub(crate) struct PlannedStart<'a> {
    pub(crate) start: &'a Start,
    pub(crate) revision: u64,
    pub(crate) epoch: Epoch,
    pub(crate) head: Hash,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct PlannedSave<'a> {
    pub(crate) save: &'a Save,
    pub(crate) old_revision: u64,
    pub(crate) revision: u64,
    pub(crate) epoch: Epoch,
    pub(crate) head: Hash,
    pub(crate) updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct PlannedSchedule<'a> {
    pub(crate) save: &'a Save,
    pub(crate) revision: u64,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct PlannedEntry<'a> {
    pub(crate) instance_id: &'a InstanceId,
    pub(crate) seq: u64,
    pub(crate) entry: &'a NewEntry,
    pub(crate) hash: Hash,
}

#[derive(Debug)]
pub(crate) struct PlannedRecord<'a> {
    pub(crate) record: &'a InboxRecord,
    /// The record's own, else the one of the write that applies it.
    pub(crate) instance_id: Option<&'a InstanceId>,
    pub(crate) deliveries: u64,
}

impl PlannedRecord<'_> {
    /// The record as it is stored.
    pub(crate) fn stored(&self) -> InboxRecord {
        InboxRecord {
            instance_id: self.instance_id.cloned(),
            ..self.record.clone()
        }
    }
}

/// Which writes name an instance that an earlier one of the batch has named? One instance, one
/// write: two would have to be folded into each other.
pub(crate) fn named_before(batch: &[Write]) -> Vec<bool> {
    let mut named = BTreeSet::new();
    let again = |write: &Write| match write {
        Write::Start(start) => !named.insert(start.id.clone()),
        Write::Save(save) => !named.insert(save.id.clone()),
        Write::Keep(_) => false,
    };
    batch.iter().map(again).collect()
}

/// Judges a batch, or a part of one; `named_before` says of each write what the function of that
/// name found for the whole batch.
pub(crate) fn plan<'a>(batch: &'a [Write], named_before: &[bool], known: Knowledge) -> Plan<'a> {
    let mut planner = Planner {
        plan: Plan {
            answers: Vec::with_capacity(batch.len()),
            starts: Vec::new(),
            saves: Vec::new(),
            schedules: Vec::new(),
            entries: Vec::new(),
            records: Vec::new(),
            redelivered: BTreeMap::new(),
            newest: Timestamp::MIN,
        },
        known,
    };
    for (write, named_before) in batch.iter().zip(named_before) {
        let answer = match write {
            Write::Start(Start { id, .. }) | Write::Save(Save { id, .. }) if *named_before => Err(
                refused(format!("another write of the batch names {id}, too")),
            ),
            Write::Start(start) => planner.start(start),
            Write::Save(save) => planner.save(save),
            Write::Keep(record) => planner.keep(record),
        };
        planner.plan.answers.push(answer.unwrap_or_else(|no| no));
    }
    planner.plan
}

struct Planner<'a> {
    plan: Plan<'a>,
    known: Knowledge,
}

/// `Err` is an answer, too: the write will not happen.
type Answer = Result<Written, Written>;

pub(crate) fn refused(detail: impl Into<String>) -> Written {
    Written::Refused {
        detail: detail.into(),
    }
}

impl<'a> Planner<'a> {
    fn start(&mut self, start: &'a Start) -> Answer {
        form::start(start)?;
        if let Some(saved) = self.happened_before(&start.id, &start.entries)? {
            return Ok(saved);
        }
        self.facts_are_new(&start.inbox)?;
        if self.known.rows.contains_key(&start.id) || self.known.damaged.contains_key(&start.id) {
            return Err(refused(format!("an instance {} exists already", start.id)));
        }
        let subject = SubjectKey::of_start(start);
        let external = ExternalKey::of_start(start);
        if let Some(by) = external
            .as_ref()
            .and_then(|key| self.known.external_ids.get(key))
        {
            return Err(Written::Taken {
                by: by.clone(),
                why: Taken::ExternalId,
            });
        }
        let of_subject = self.known.subjects.entry(subject).or_default();
        if let Some(by) = &of_subject.live {
            return Err(Written::Taken {
                by: by.clone(),
                why: Taken::SubjectAlive,
            });
        }
        if of_subject.finished != start.earlier {
            return Err(Written::Conflict);
        }
        let (Some(first), Some(last)) = (start.entries.first(), start.entries.last()) else {
            return Err(refused("a start has an opening entry"));
        };
        let epoch = epoch_after(Epoch(0), &start.entries, self.known.incarnation)?;

        of_subject.live = Some(start.id.clone());
        if let Some(key) = external {
            self.known.external_ids.insert(key, start.id.clone());
        }
        let (revision, head) = self.append(&start.id, 0, GENESIS, &start.entries);
        for record in &start.inbox {
            self.record(record, Some(&start.id));
        }
        self.stores_time(last.at);
        self.plan.starts.push(PlannedStart {
            start,
            revision,
            epoch,
            head,
            created_at: first.at,
            updated_at: first.at.max(last.at),
        });
        Ok(Written::Saved { revision, head })
    }

    fn save(&mut self, save: &'a Save) -> Answer {
        form::save(save)?;
        if let Some(saved) = self.happened_before(&save.id, &save.entries)? {
            return Ok(saved);
        }
        self.facts_are_new(&save.inbox)?;
        if let Some(detail) = self.known.damaged.get(&save.id) {
            return Err(refused(format!(
                "the stored instance {} is damaged: {detail}",
                save.id
            )));
        }
        let Some(row) = self.known.rows.get(&save.id).cloned() else {
            return Err(Written::Missing);
        };
        let revision = match save.guard {
            Guard::Decision { revision, epoch } => {
                if epoch != self.known.incarnation {
                    return Err(Written::LeaseLost);
                }
                revision
            }
            Guard::Fact { revision } => revision,
        };
        if revision != row.revision || save.head != row.head {
            return Err(Written::Conflict);
        }
        if row.finished_at.is_some() && save.due_at.is_some() {
            return Err(refused(format!("{} is finished and stays so", save.id)));
        }
        let Some(last) = save.entries.last() else {
            return self.schedule(save, &row);
        };
        if let Some(first) = save.entries.first().filter(|first| first.from != row.phase) {
            return Err(refused(format!(
                "an entry goes from `{}`, but the instance is in `{}`",
                first.from, row.phase
            )));
        }
        let epoch = epoch_after(row.epoch, &save.entries, self.known.incarnation)?;
        self.rename(save, &row)?;

        if save.due_at.is_none() && row.finished_at.is_none() {
            let subject = SubjectKey::of_row(&row);
            if let Some(of_subject) = self.known.subjects.get_mut(&subject) {
                of_subject.live = None;
                of_subject.finished += 1;
            }
        }
        let (revision, head) = self.append(&save.id, row.revision, row.head, &save.entries);
        for record in &save.inbox {
            self.record(record, Some(&save.id));
        }
        let finished_at = match save.due_at {
            Some(_) => None,
            None => row.finished_at.or(Some(last.at)),
        };
        self.stores_time(last.at);
        self.plan.saves.push(PlannedSave {
            save,
            old_revision: row.revision,
            revision,
            epoch,
            head,
            updated_at: row.updated_at.max(last.at),
            finished_at,
        });
        Ok(Written::Saved { revision, head })
    }

    /// A save without entries moves the due time and the shell's memory, nothing else: the state is
    /// the fold of the history, so it cannot have changed.
    fn schedule(&mut self, save: &'a Save, row: &KnownRow) -> Answer {
        if save.due_at.is_none() && row.finished_at.is_none() {
            return Err(refused("finishing an instance takes an entry"));
        }
        for record in &save.inbox {
            self.record(record, Some(&save.id));
        }
        let updated_at = row.updated_at.max(self.known.now);
        self.stores_time(updated_at);
        self.plan.schedules.push(PlannedSchedule {
            save,
            revision: row.revision,
            updated_at,
        });
        Ok(Written::Saved {
            revision: row.revision,
            head: row.head,
        })
    }

    fn keep(&mut self, record: &'a InboxRecord) -> Answer {
        form::record(record)?;
        if record.disposition == Disposition::Applied {
            return Err(refused(
                "an applied event is committed with the write that applies it",
            ));
        }
        self.record(record, None);
        Ok(Written::Kept)
    }

    /// The answer that a write had when it was committed, if it was (rule R3): where its last entry
    /// stands. The row may have moved on since; whoever goes on from there finds out.
    fn happened_before(
        &self,
        id: &InstanceId,
        entries: &[NewEntry],
    ) -> Result<Option<Written>, Written> {
        let mut last = None;
        let mut found = 0;
        for entry in entries {
            let Some(operation) = self.known.operations.get(&entry.operation_id) else {
                continue;
            };
            if operation.instance_id != *id {
                return Err(used_before(&entry.operation_id));
            }
            found += 1;
            last = Some(Written::Saved {
                revision: operation.seq,
                head: operation.hash,
            });
        }
        match entries.first() {
            Some(first) if found != 0 && found != entries.len() => {
                Err(used_before(&first.operation_id))
            }
            _ => Ok(last),
        }
    }

    /// An event is applied at most once per business fact, whatever its transport says.
    fn facts_are_new(&mut self, inbox: &[InboxRecord]) -> Result<(), Written> {
        let mut first = None;
        for record in inbox {
            let known = record
                .fact_key
                .as_ref()
                .filter(|_| record.disposition == Disposition::Applied)
                .and_then(|fact| self.known.facts.get(fact));
            if let Some(fact) = known {
                let (of, instance) = (fact.record, fact.instance_id.clone());
                self.redeliver(of);
                first.get_or_insert(instance);
            }
        }
        match first {
            None => Ok(()),
            Some(instance) => Err(Written::Duplicate { instance }),
        }
    }

    /// Takes over the external id that a save brings.
    fn rename(&mut self, save: &Save, row: &KnownRow) -> Result<(), Written> {
        if save.body.external_id == row.external_id {
            return Ok(());
        }
        let key = |external_id: &String| ExternalKey {
            kind: row.kind.clone(),
            scope: row.scope.clone(),
            external_id: external_id.clone(),
        };
        let new = save.body.external_id.as_ref().map(key);
        if let Some(by) = new
            .as_ref()
            .and_then(|new| self.known.external_ids.get(new))
        {
            return Err(Written::Taken {
                by: by.clone(),
                why: Taken::ExternalId,
            });
        }
        if let Some(old) = row.external_id.as_ref().map(key) {
            self.known.external_ids.remove(&old);
        }
        if let Some(new) = new {
            self.known.external_ids.insert(new, save.id.clone());
        }
        Ok(())
    }

    fn append(
        &mut self,
        id: &'a InstanceId,
        mut seq: u64,
        mut head: Hash,
        entries: &'a [NewEntry],
    ) -> (u64, Hash) {
        for entry in entries {
            seq += 1;
            head = entry_hash(&head, id, seq, entry);
            self.known.operations.insert(
                entry.operation_id.clone(),
                KnownOperation {
                    instance_id: id.clone(),
                    seq,
                    hash: head,
                },
            );
            self.stores_time(entry.at);
            self.plan.entries.push(PlannedEntry {
                instance_id: id,
                seq,
                entry,
                hash: head,
            });
        }
        (seq, head)
    }

    /// Stores an event, or counts it where it is stored already.
    fn record(&mut self, record: &'a InboxRecord, applied_to: Option<&'a InstanceId>) {
        let applied = record.disposition == Disposition::Applied;
        let fact = record.fact_key.as_ref().filter(|_| applied);
        let key = DeliveryKey::of(record);
        let known = match (fact, &key) {
            (Some(fact), _) => self.known.facts.get(fact).map(|fact| fact.record),
            (None, Some(key)) if !applied => self.known.deliveries.get(key).copied(),
            _ => None,
        };
        if let Some(known) = known {
            self.redeliver(known);
            return;
        }
        let new = RecordRef::New(self.plan.records.len());
        let instance_id = record
            .instance_id
            .as_ref()
            .or_else(|| applied_to.filter(|_| applied));
        if let Some(fact) = fact {
            let known = KnownFact {
                record: new,
                instance_id: instance_id.cloned(),
            };
            self.known.facts.insert(fact.clone(), known);
        }
        if let Some(key) = key {
            self.known.deliveries.entry(key).or_insert(new);
        }
        self.stores_time(record.received_at);
        self.plan.records.push(PlannedRecord {
            record,
            instance_id,
            deliveries: 1,
        });
    }

    fn redeliver(&mut self, record: RecordRef) {
        match record {
            RecordRef::Stored(number) => *self.plan.redelivered.entry(number).or_default() += 1,
            RecordRef::New(index) => {
                if let Some(record) = self.plan.records.get_mut(index) {
                    record.deliveries += 1;
                }
            }
        }
    }

    fn stores_time(&mut self, at: Timestamp) {
        self.plan.newest = self.plan.newest.max(at);
    }
}

fn used_before(operation_id: &str) -> Written {
    refused(format!("the operation id `{operation_id}` was used before"))
}

/// The row's epoch once these entries are written. Epochs never fall, and none is ahead of the
/// store's own.
fn epoch_after(row: Epoch, entries: &[NewEntry], incarnation: Epoch) -> Result<Epoch, Written> {
    let mut epoch = row;
    for entry in entries {
        if entry.epoch < epoch {
            return Err(refused(format!(
                "an entry of epoch {} cannot follow one of epoch {epoch}",
                entry.epoch
            )));
        }
        epoch = entry.epoch;
    }
    if epoch > incarnation {
        return Err(refused(format!(
            "epoch {epoch} is ahead of the store's own, {incarnation}"
        )));
    }
    Ok(epoch)
}
