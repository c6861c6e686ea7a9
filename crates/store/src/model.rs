//! What the store keeps, as plain values. The store knows no workflow: states, inputs and messages
//! are JSON text to it, and what must be searchable arrives as columns.

use std::time::Duration;

use countermand_core::{AttentionFlag, Epoch, InstanceId, Timestamp};
use serde::{Deserialize, Serialize};

/// A SHA-256 over a history entry and everything before it.
pub type Hash = [u8; 32];

/// An instance as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: InstanceId,
    /// The workflow's kind.
    pub kind: String,
    /// The namespace of subjects and external ids (the target id).
    pub scope: String,
    /// The thing of which at most one instance is alive (the order id).
    pub subject: String,
    /// The part that a save replaces.
    pub body: Body,
    /// The number of the newest history entry.
    pub revision: u64,
    /// The epoch of the newest entry; never falls.
    pub epoch: Epoch,
    /// The hash of the newest entry.
    pub head: Hash,
    /// When the instance began.
    pub created_at: Timestamp,
    /// When the row last changed, by its newest entry or by a schedule; never falls.
    pub updated_at: Timestamp,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// When something is next due; `None` if and only if finished.
    pub due_at: Option<Timestamp>,
    /// What the shell remembers for itself, as JSON (outside the fold).
    pub retries: String,
}

/// The part of a row that follows from the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The state's name.
    pub phase: String,
    /// How it ended, once finished.
    pub outcome: Option<String>,
    /// Is any mutation in doubt?
    pub in_doubt: bool,
    /// Is a person needed?
    pub attention: Option<AttentionFlag>,
    /// The lowest epoch among the open intents.
    pub open_intent_epoch: Option<Epoch>,
    /// The caller's idempotency key.
    pub external_id: Option<String>,
    /// The request after defaults; compared when an external id comes again.
    pub fingerprint: Option<String>,
    /// The version of the stored form.
    pub version: u32,
    /// The state, as JSON.
    pub state: String,
}

/// A history entry to be written. Its number follows from the guard, its hash from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Unique for ever: a commit whose answer was lost is read back by it (rule R3).
    pub operation_id: String,
    /// When, by the store's time.
    pub at: Timestamp,
    /// The state's name before; equal to `to` of the entry before.
    pub from: String,
    /// The state's name after.
    pub to: String,
    /// The input in full, as JSON.
    pub input: String,
    /// Was it accepted? A rejected input that is evidence changes nothing.
    pub accepted: bool,
    /// The person behind it.
    pub actor: Option<String>,
    /// The row's present epoch.
    pub epoch: Epoch,
    /// The version of the stored form that wrote it.
    pub version: u32,
    /// Messages that it raised, as a JSON array of [`countermand_core::Emission`].
    pub emissions: Option<String>,
    /// W3C trace context of whoever caused it.
    pub trace_context: Option<String>,
    /// What it commits to spend, as JSON of [`countermand_core::Spend`].
    pub spend: Option<String>,
}

/// A history entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The instance.
    pub instance_id: InstanceId,
    /// Counted from 1, without gaps.
    pub seq: u64,
    /// What was written.
    pub entry: NewEntry,
    /// The hash over this entry and everything before it.
    pub hash: Hash,
}

/// What an entry committed to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The instance.
    pub instance_id: InstanceId,
    /// When, by the store's time.
    pub at: Timestamp,
    /// What: JSON of [`countermand_core::Spend`].
    pub spend: String,
}

/// Under which condition a save may happen (fence decisions, never evidence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Intents, schedules, lease releases, results of reads: the row must have this revision, and
    /// the writer must still own it under this epoch.
    Decision {
        /// The revision the decision was made on.
        revision: u64,
        /// The epoch the writer owns the row under.
        epoch: Epoch,
    },
    /// Outcomes of mutations, events, commands: facts, whoever brings them.
    Fact {
        /// The revision the fact was applied to.
        revision: u64,
    },
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Begin an instance.
    Start(Start),
    /// Change an instance and append to its history.
    Save(Save),
    /// Keep an event that changes no instance (unroutable, unknown kind, another target). An event
    /// of the same source, transport key and fact key that is stored already is only counted again;
    /// one without either key is always stored.
    Keep(InboxRecord),
}

/// See [`Write::Start`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The new instance's id.
    pub id: InstanceId,
    /// The workflow's kind.
    pub kind: String,
    /// The scope.
    pub scope: String,
    /// The subject.
    pub subject: String,
    /// How many finished instances of the subject `admit` was shown. If another has finished
    /// meanwhile, the answer is [`Written::Conflict`]: look again.
    pub earlier: u64,
    /// The row.
    pub body: Body,
    /// When something is first due.
    pub due_at: Timestamp,
    /// The shell's memory.
    pub retries: String,
    /// The opening entry, and what followed from it in the same breath.
    pub entries: Vec<NewEntry>,
    /// The events that caused it; committed together or not at all.
    pub inbox: Vec<InboxRecord>,
}

/// See [`Write::Save`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// Which instance.
    pub id: InstanceId,
    /// Under which condition.
    pub guard: Guard,
    /// The hash of the entry that the guard's revision names.
    pub head: Hash,
    /// The new row.
    pub body: Body,
    /// When something is next due; `None` finishes the instance.
    pub due_at: Option<Timestamp>,
    /// The shell's memory.
    pub retries: String,
    /// Entries to append; none when only the schedule changes.
    pub entries: Vec<NewEntry>,
    /// The events applied by it; committed together or not at all.
    pub inbox: Vec<InboxRecord>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is durable. For a start or a save: the new revision and head.
    Saved {
        /// The row's revision now.
        revision: u64,
        /// The row's head now.
        head: Hash,
    },
    /// Somebody else changed the row, or its subject, first: load again and decide again.
    Conflict,
    /// The writer no longer owns the row under its epoch: drop everything.
    LeaseLost,
    /// No such instance.
    Missing,
    /// A business fact of its inbox is known already; nothing of this write happened.
    Duplicate {
        /// The instance that the fact was applied to, where there was one.
        instance: Option<InstanceId>,
    },
    /// This instance stands against it: it has the same external id, or (start) is alive for the
    /// same subject.
    Taken {
        /// Which one.
        by: InstanceId,
        /// In which way.
        why: Taken,
    },
    /// (Keep) It is durable.
    Kept,
    /// This one write cannot be made (a refused constraint, a value too large); the others of its
    /// batch were. Nothing of it happened.
    Refused {
        /// What is wrong with it.
        detail: String,
    },
}

/// In which way an instance stands against a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// An instance of the same subject is alive.
    SubjectAlive,
    /// An instance with the same external id exists in the scope.
    ExternalId,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Applied to an instance.
    Applied,
    /// Its business fact was known before.
    Duplicate,
    /// Earlier instances had handled what it speaks of, or it concerns no cancellation.
    Ignored,
    /// Of a kind that this version does not know.
    UnknownType,
    /// For a target that is not configured here.
    OtherTarget,
    /// Without an order id, or contradictory.
    Unroutable,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Self; 6] = [
        Self::Applied,
        Self::Duplicate,
        Self::Ignored,
        Self::UnknownType,
        Self::OtherTarget,
        Self::Unroutable,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::UnknownType => "unknown_type",
            Self::OtherTarget => "other_target",
            Self::Unroutable => "unroutable",
        }
    }

    /// The disposition with this stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|disposition| disposition.name() == name)
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRecord {
    /// Where it came from (`http`, `cli`, `sqs`).
    pub source: String,
    /// The key of its delivery: `idempotencyKey`, else the envelope's id. Guards nothing.
    pub transport_key: Option<String>,
    /// The business fact (target, order, kind, package or refund). Applied at most once.
    pub fact_key: Option<String>,
    /// Its kind.
    pub event_type: String,
    /// When it arrived, by the store's time.
    pub received_at: Timestamp,
    /// What became of it.
    pub disposition: Disposition,
    /// The instance that it was applied to. The store fills it in for an applied event.
    pub instance_id: Option<InstanceId>,
    /// The event as received.
    pub raw: String,
}

/// A subject to look up before a start or an event is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The workflow's kind.
    pub kind: String,
    /// The scope.
    pub scope: String,
    /// The subject.
    pub subject: String,
    /// The external id of the request, where it has one.
    pub external_id: Option<String>,
}

/// What is known of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The live instance of the subject.
    pub live: Option<Row>,
    /// Its finished instances, newest first.
    pub finished: Vec<Row>,
    /// The instance that has the external id, whatever its subject.
    pub by_external_id: Option<Row>,
}

/// Which instances to take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The workflow's kind.
    pub kind: String,
    /// At most so many.
    pub limit: usize,
    /// Who claims.
    pub holder: String,
    /// For how long, where a claim is a lease in the database.
    pub lease: Duration,
    /// Instances that this runner holds already.
    pub held: Vec<InstanceId>,
}

/// What was taken up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claimed {
    /// The rows, most overdue first; their epoch is the claimer's.
    pub rows: Vec<Row>,
    /// When the next instance that is neither held nor in `rows` becomes due.
    pub next_due: Option<Timestamp>,
}

/// Which instances to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// With this status.
    pub status: Option<Status>,
    /// Of this subject.
    pub subject: Option<String>,
    /// Begun before this time.
    pub created_before: Option<Timestamp>,
    /// Only those that are not finished.
    pub live: bool,
}

/// A stretch of all histories together, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journal {
    /// The entries. Those of one instance follow each other by their numbers.
    pub entries: Vec<Entry>,
    /// Entries of this stretch that are damaged and cannot be read: what each is, and what is wrong.
    pub unreadable: Vec<String>,
    /// The place where the next stretch begins.
    pub next: u64,
}

/// Is an instance moving? See `countermand_core::cancellation::view::Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Due.
    Running,
    /// Due later.
    Waiting,
    /// A person is needed.
    Attention,
    /// Finished.
    Finished,
}

/// Where a listing goes on: after this one, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its time of beginning.
    pub created_at: Timestamp,
    /// Its id.
    pub id: InstanceId,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// Rows of this page that are damaged and cannot be read: what each is, and what is wrong.
    pub unreadable: Vec<String>,
}

/// How many instances there are of what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Instances per phase and status.
    pub counts: Vec<Count>,
    /// The oldest due time among those that are due.
    pub oldest_due: Option<Timestamp>,
    /// Instances with a mutation in doubt.
    pub in_doubt: u64,
    /// Instances that need a person.
    pub attention: u64,
    /// Events per disposition.
    pub events: Vec<(Disposition, u64)>,
    /// Deliveries of those events, repeated ones included.
    pub deliveries: u64,
}

/// See [`Stats::counts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The phase.
    pub phase: String,
    /// The status.
    pub status: Status,
    /// How many.
    pub count: u64,
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Where it is, without secrets.
    pub location: String,
    /// The backend and its version (`sqlite 3.51.3`).
    pub backend: String,
    /// The newest migration applied.
    pub schema: i64,
    /// The number that each start takes.
    pub incarnation: Epoch,
    /// Instances.
    pub instances: u64,
    /// Of them not finished.
    pub live: u64,
    /// History entries.
    pub entries: u64,
    /// A hash over the heads of all instances.
    pub head: Hash,
    /// Bytes on disk.
    pub bytes: u64,
    /// Is every mutation held back?
    pub paused: Option<Pause>,
}

/// The kill switch: while it stands, no mutation goes out; reads go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who threw it.
    pub by: String,
    /// Why.
    pub why: String,
}
