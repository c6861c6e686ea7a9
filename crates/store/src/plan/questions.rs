//! What must be known of a store before a batch can be judged.

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::{Epoch, InstanceId, Timestamp};

use crate::model::{Hash, InboxRecord, Start, Write};

/// A thing of which at most one instance is alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SubjectKey {
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) subject: String,
}

impl SubjectKey {
    pub(crate) fn of_start(start: &Start) -> Self {
        Self {
            kind: start.kind.clone(),
            scope: start.scope.clone(),
            subject: start.subject.clone(),
        }
    }

    pub(crate) fn of_row(row: &KnownRow) -> Self {
        Self {
            kind: row.kind.clone(),
            scope: row.scope.clone(),
            subject: row.subject.clone(),
        }
    }
}

/// A caller's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExternalKey {
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) external_id: String,
}

impl ExternalKey {
    pub(crate) fn of_start(start: &Start) -> Option<Self> {
        Some(Self {
            kind: start.kind.clone(),
            scope: start.scope.clone(),
            external_id: start.body.external_id.clone()?,
        })
    }
}

/// By what a repeated delivery of an event is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeliveryKey {
    pub(crate) source: String,
    pub(crate) transport_key: Option<String>,
    pub(crate) fact_key: Option<String>,
}

impl DeliveryKey {
    /// `None` where nothing tells a repetition from another event.
    pub(crate) fn of(record: &InboxRecord) -> Option<Self> {
        (record.transport_key.is_some() || record.fact_key.is_some()).then(|| Self {
            source: record.source.clone(),
            transport_key: record.transport_key.clone(),
            fact_key: record.fact_key.clone(),
        })
    }
}

/// What a batch asks about the store.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) ids: BTreeSet<InstanceId>,
    pub(crate) subjects: BTreeSet<SubjectKey>,
    pub(crate) external_ids: BTreeSet<ExternalKey>,
    /// External ids that saves bring, to be looked up in the instance's own kind and scope.
    pub(crate) external_ids_of: BTreeSet<(InstanceId, String)>,
    pub(crate) facts: BTreeSet<String>,
    pub(crate) operations: BTreeSet<String>,
    pub(crate) deliveries: BTreeSet<DeliveryKey>,
}

impl Questions {
    pub(crate) fn of(batch: &[Write]) -> Self {
        let mut questions = Self::default();
        for write in batch {
            match write {
                Write::Start(start) => {
                    questions.ids.insert(start.id.clone());
                    questions.subjects.insert(SubjectKey::of_start(start));
                    questions.external_ids.extend(ExternalKey::of_start(start));
                    let ids = start.entries.iter().map(|entry| entry.operation_id.clone());
                    questions.operations.extend(ids);
                    start
                        .inbox
                        .iter()
                        .for_each(|record| questions.record(record));
                }
                Write::Save(save) => {
                    questions.ids.insert(save.id.clone());
                    if let Some(external_id) = &save.body.external_id {
                        let of = (save.id.clone(), external_id.clone());
                        questions.external_ids_of.insert(of);
                    }
                    let ids = save.entries.iter().map(|entry| entry.operation_id.clone());
                    questions.operations.extend(ids);
                    save.inbox
                        .iter()
                        .for_each(|record| questions.record(record));
                }
                Write::Keep(record) => questions.record(record),
            }
        }
        questions
    }

    fn record(&mut self, record: &InboxRecord) {
        self.facts.extend(record.fact_key.clone());
        self.deliveries.extend(DeliveryKey::of(record));
    }
}

/// The answers.
#[derive(Debug)]
pub(crate) struct Knowledge {
    /// The store's newest incarnation, whoever took it.
    pub(crate) incarnation: Epoch,
    /// The store's time.
    pub(crate) now: Timestamp,
    pub(crate) rows: BTreeMap<InstanceId, KnownRow>,
    /// Instances whose rows cannot be understood, and why.
    pub(crate) damaged: BTreeMap<InstanceId, String>,
    pub(crate) subjects: BTreeMap<SubjectKey, KnownSubject>,
    pub(crate) external_ids: BTreeMap<ExternalKey, InstanceId>,
    /// Business facts that were applied.
    pub(crate) facts: BTreeMap<String, KnownFact>,
    pub(crate) operations: BTreeMap<String, KnownOperation>,
    /// The first event of each delivery.
    pub(crate) deliveries: BTreeMap<DeliveryKey, RecordRef>,
}

#[derive(Debug, Clone)]
pub(crate) struct KnownRow {
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) subject: String,
    pub(crate) phase: String,
    pub(crate) external_id: Option<String>,
    pub(crate) revision: u64,
    pub(crate) epoch: Epoch,
    pub(crate) head: Hash,
    pub(crate) updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct KnownSubject {
    pub(crate) live: Option<InstanceId>,
    pub(crate) finished: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct KnownFact {
    pub(crate) record: RecordRef,
    pub(crate) instance_id: Option<InstanceId>,
}

#[derive(Debug, Clone)]
pub(crate) struct KnownOperation {
    pub(crate) instance_id: InstanceId,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// An event of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordRef {
    /// Stored under this number.
    Stored(i64),
    /// To be stored: its place in the plan.
    New(usize),
}
