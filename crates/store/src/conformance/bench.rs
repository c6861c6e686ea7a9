//! What the cases are written with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countermand_core::{Epoch, InstanceId, Timestamp};

use crate::{
    Body, Claim, Claimed, Clock, Disposition, Entry, Error, Guard, InboxRecord, NewEntry, Row,
    Save, Start, Store, Write, Written,
};

/// How a case ended.
pub type Outcome = Result<(), Failure>;

/// The rule that a store broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

macro_rules! check {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(Failure::new(format!($($text)+)));
        }
    };
}

macro_rules! check_eq {
    ($found:expr, $wanted:expr, $($text:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => {
                if found != wanted {
                    let what = format!($($text)+);
                    return Err(Failure::new(format!("{what}: found {found:?}, not {wanted:?}")));
                }
            }
        }
    };
}

pub(super) use {check, check_eq};

/// A clock that stands still until it is told.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_millis())))
    }

    /// Shows this time from now on.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millis(), Ordering::SeqCst);
    }

    /// Goes forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_795_500_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A store under test, and the clock that it runs on.
pub trait Fixture: Send + Sync + 'static {
    /// The store.
    type Store: Store;

    /// The clock that every opening of this fixture's store takes its time from.
    fn clock(&self) -> &ManualClock;

    /// Opens the fixture's store: empty at first, then with what was in it.
    fn open(&self) -> impl Future<Output = Result<Self::Store, Error>> + Send;

    /// Closes it, as at the end of a process.
    fn close(&self, store: Self::Store) -> impl Future<Output = ()> + Send;
}

/// A fixture, its store, and short ways to say what the cases do.
pub struct Bench<F: Fixture> {
    fixture: F,
    store: Option<F::Store>,
    operations: u64,
}

pub(super) const KIND: &str = "parcel";
pub(super) const SCOPE: &str = "shop";

impl<F: Fixture> Bench<F> {
    pub(super) async fn open(fixture: F) -> Result<Self, Failure> {
        let store = fixture.open().await?;
        Ok(Self {
            fixture,
            store: Some(store),
            operations: 0,
        })
    }

    pub(super) async fn close(&mut self) {
        if let Some(store) = self.store.take() {
            self.fixture.close(store).await;
        }
    }

    /// Ends the process, as it were, and starts the next.
    pub(super) async fn restart(&mut self) -> Outcome {
        self.close().await;
        self.store = Some(self.fixture.open().await?);
        Ok(())
    }

    pub(super) fn store(&self) -> Result<&F::Store, Failure> {
        self.store
            .as_ref()
            .ok_or_else(|| Failure::new("the store is closed"))
    }

    pub(super) fn clock(&self) -> &ManualClock {
        self.fixture.clock()
    }

    /// What the clock shows.
    pub(super) fn time(&self) -> Timestamp {
        self.clock().now()
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.store.as_ref().map_or(Epoch(0), Store::incarnation)
    }

    pub(super) fn entry(&mut self, from: &str, to: &str) -> NewEntry {
        self.operations += 1;
        NewEntry {
            operation_id: format!("operation-{}", self.operations),
            at: self.time(),
            from: from.into(),
            to: to.into(),
            input: format!(r#"{{"type":"moved","n":{}}}"#, self.operations),
            accepted: true,
            actor: None,
            epoch: self.epoch(),
            version: 1,
            emissions: None,
            trace_context: None,
            spend: None,
        }
    }

    /// A start that nothing stands against, due at once.
    pub(super) fn start(&mut self, id: &str, subject: &str) -> Start {
        Start {
            id: name(id),
            kind: KIND.into(),
            scope: SCOPE.into(),
            subject: subject.into(),
            earlier: 0,
            body: Body {
                phase: "new".into(),
                version: 1,
                state: r#"{"state":"new"}"#.into(),
                ..Body::default()
            },
            due_at: self.time(),
            retries: "{}".into(),
            entries: vec![self.entry("new", "new")],
            inbox: Vec::new(),
        }
    }

    /// A fact that moves the row to a phase, due at once.
    pub(super) fn fact(&mut self, row: &Row, to: &str) -> Save {
        Save {
            id: row.id.clone(),
            guard: Guard::Fact {
                revision: row.revision,
            },
            head: row.head,
            body: Body {
                phase: to.into(),
                state: format!(r#"{{"state":"{to}"}}"#),
                ..row.body.clone()
            },
            due_at: row.due_at,
            retries: row.retries.clone(),
            entries: vec![self.entry(&row.body.phase, to)],
            inbox: Vec::new(),
        }
    }

    /// The same as a decision of this incarnation.
    pub(super) fn decision(&mut self, row: &Row, to: &str) -> Save {
        Save {
            guard: Guard::Decision {
                revision: row.revision,
                epoch: self.epoch(),
            },
            ..self.fact(row, to)
        }
    }

    /// A save that changes nothing but the due time.
    pub(super) fn schedule(&mut self, row: &Row, due_at: Timestamp) -> Save {
        Save {
            entries: Vec::new(),
            body: row.body.clone(),
            due_at: Some(due_at),
            ..self.decision(row, &row.body.phase)
        }
    }

    /// A fact that finishes the instance.
    pub(super) fn end(&mut self, row: &Row) -> Save {
        let mut save = self.fact(row, "done");
        save.due_at = None;
        save.body.outcome = Some("delivered".into());
        save
    }

    pub(super) async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, Failure> {
        let writes = batch.len();
        let answers = self.store()?.commit(batch).await?;
        check_eq!(answers.len(), writes, "answers to a batch");
        Ok(answers)
    }

    /// Commits one write.
    pub(super) async fn write(&self, write: Write) -> Result<Written, Failure> {
        let mut answers = self.commit(vec![write]).await?;
        answers.pop().ok_or_else(|| Failure::new("no answer"))
    }

    pub(super) async fn save(&self, save: Save) -> Result<Written, Failure> {
        self.write(Write::Save(save)).await
    }

    /// Commits a start that must succeed, and loads the row.
    pub(super) async fn begin(&self, start: Start) -> Result<Row, Failure> {
        let id = start.id.clone();
        let answer = self.write(Write::Start(start)).await?;
        check!(
            matches!(answer, Written::Saved { .. }),
            "the start of {id}: {answer:?}"
        );
        self.row(id.as_str()).await
    }

    /// Starts an instance whose subject is called as itself.
    pub(super) async fn begin_one(&mut self, id: &str) -> Result<Row, Failure> {
        let start = self.start(id, id);
        self.begin(start).await
    }

    /// Commits a save that must succeed, and loads the row.
    pub(super) async fn apply(&self, save: Save) -> Result<Row, Failure> {
        let id = save.id.clone();
        let answer = self.save(save).await?;
        check!(
            matches!(answer, Written::Saved { .. }),
            "the save of {id}: {answer:?}"
        );
        self.row(id.as_str()).await
    }

    pub(super) async fn row(&self, id: &str) -> Result<Row, Failure> {
        self.find(id)
            .await?
            .ok_or_else(|| Failure::new(format!("there is no {id}")))
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<Row>, Failure> {
        let mut rows = self.store()?.load(&[name(id)]).await?;
        check_eq!(rows.len(), 1, "rows loaded for one id");
        Ok(rows.pop().flatten())
    }

    pub(super) async fn history(&self, id: &str) -> Result<Vec<Entry>, Failure> {
        Ok(self.store()?.history(&name(id), 0, usize::MAX).await?)
    }

    pub(super) async fn inbox(&self) -> Result<Vec<InboxRecord>, Failure> {
        Ok(self.store()?.inbox(usize::MAX).await?)
    }

    pub(super) async fn claim(&self, limit: usize, held: &[&str]) -> Result<Claimed, Failure> {
        let claim = Claim {
            kind: KIND.into(),
            limit,
            holder: "tester".into(),
            lease: Duration::from_secs(120),
            held: held.iter().map(|id| name(id)).collect(),
        };
        Ok(self.store()?.claim(claim).await?)
    }

    /// An event of a source, under a transport key, about a fact.
    pub(super) fn event(
        &self,
        transport: &str,
        fact: &str,
        disposition: Disposition,
    ) -> InboxRecord {
        InboxRecord {
            source: "http".into(),
            transport_key: Some(transport.into()),
            fact_key: Some(fact.into()),
            event_type: "ARRIVED".into(),
            received_at: self.time(),
            disposition,
            instance_id: None,
            raw: r#"{"event":"arrived"}"#.into(),
        }
    }
}

/// An id that is known to be well-formed.
pub(super) fn name(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap_or_else(|error| unreachable!("the cases' ids are valid: {error}"))
}

pub(super) fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

pub(super) fn refused(answer: &Written) -> bool {
    matches!(answer, Written::Refused { .. })
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
