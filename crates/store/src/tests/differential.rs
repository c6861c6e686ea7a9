//! Whatever is done to it, the SQLite store answers as the memory store does.

mod steps;

use std::collections::BTreeSet;
use std::time::Duration;

use countermand_core::{AttentionFlag, Epoch, InstanceId, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use steps::{Change, Event, Extra, How, IDS, NAMES, SUBJECTS, Step, Whose, step};

use super::fixtures::{MemoryFixture, SqliteFixture};
use crate::conformance::Fixture;
use crate::{
    Body, Claim, Clock, Disposition, Filter, Guard, InboxRecord, MemoryStore, NewEntry, Pause, Row,
    Save, SqliteStore, Start, Status, Store, Subject, Write,
};

fn id(number: u8) -> InstanceId {
    InstanceId::new(format!("i-{number}")).unwrap()
}

/// Both stores, side by side.
struct Pair {
    memory: MemoryFixture,
    sqlite: SqliteFixture,
    model: MemoryStore,
    /// `None` where only the model is asked.
    store: Option<SqliteStore>,
    operations: u64,
    answers: BTreeSet<String>,
    batches: Vec<Vec<Write>>,
}

impl Pair {
    async fn open() -> Self {
        let mut pair = Self::open_model().await;
        pair.store = Some(pair.sqlite.open().await.unwrap());
        pair
    }

    async fn open_model() -> Self {
        let (memory, sqlite) = (MemoryFixture::default(), SqliteFixture::new());
        Self {
            model: memory.open().await.unwrap(),
            store: None,
            memory,
            sqlite,
            operations: 0,
            answers: BTreeSet::new(),
            batches: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.memory.clock().now()
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Commit(changes) => {
                let mut batch = Vec::new();
                for change in changes {
                    batch.push(self.write(change).await);
                }
                self.commit(batch.clone()).await;
                self.batches.push(batch);
            }
            Step::Again(which) => {
                if !self.batches.is_empty() {
                    let batch = which.get(&self.batches).clone();
                    self.commit(batch).await;
                }
            }
            Step::Claim { limit, held } => {
                let claim = Claim {
                    kind: "parcel".into(),
                    limit,
                    holder: "tester".into(),
                    lease: Duration::from_secs(1),
                    held: held.into_iter().map(id).collect(),
                };
                let model = self.model.claim(claim.clone()).await.unwrap();
                if let Some(store) = &self.store {
                    assert_eq!(store.claim(claim).await.unwrap(), model);
                }
            }
            Step::Wait(millis) => {
                let at = Timestamp::from_millis(self.now().as_millis() + millis);
                self.memory.clock().set(at);
                self.sqlite.clock().set(at);
            }
            Step::Restart => {
                self.model = self.memory.open().await.unwrap();
                if let Some(store) = self.store.take() {
                    store.close().await;
                    self.store = Some(self.sqlite.open().await.unwrap());
                }
            }
            Step::Pause(on) => {
                let pause = on.then(|| Pause {
                    since: self.now(),
                    by: "somebody".into(),
                    why: String::new(),
                });
                self.model.set_pause(pause.clone()).await.unwrap();
                if let Some(store) = &self.store {
                    store.set_pause(pause).await.unwrap();
                }
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Write>) {
        let model = self.model.commit(batch.clone()).await.unwrap();
        if let Some(store) = &self.store {
            assert_eq!(store.commit(batch).await.unwrap(), model);
        }
        for answer in model {
            let name = format!("{answer:?}");
            self.answers
                .extend(name.split([' ', '{']).next().map(str::to_owned));
        }
    }

    fn entry(&mut self, from: &str, to: &str, epoch: Epoch) -> NewEntry {
        self.operations += 1;
        let number = self.operations;
        NewEntry {
            operation_id: format!("operation-{number}"),
            at: self.now().minus(Duration::from_millis(number % 3 * 700)),
            from: from.into(),
            to: to.into(),
            input: format!(r#"{{"type":"moved", "n":{number}.0}}"#),
            accepted: true,
            actor: number.is_multiple_of(4).then(|| "ünknown".into()),
            epoch,
            version: u32::try_from(number % 3).unwrap(),
            emissions: number.is_multiple_of(5).then(|| "[]".into()),
            trace_context: number.is_multiple_of(6).then(|| "00-1-2-01".into()),
            spend: number
                .is_multiple_of(5)
                .then(|| format!("{{\"n\":{number}}}")),
        }
    }

    fn record(&self, event: &Event, instance: Option<InstanceId>) -> InboxRecord {
        InboxRecord {
            source: if event.source { "http" } else { "cli" }.into(),
            transport_key: event.transport.map(|key| format!("transport-{key}")),
            fact_key: event.fact.map(|key| format!("fact-{key}")),
            event_type: "ARRIVED".into(),
            received_at: Timestamp::from_millis(self.now().as_millis() + event.late),
            disposition: *event.disposition.get(&Disposition::ALL),
            instance_id: instance,
            raw: "{}".into(),
        }
    }

    fn inbox(&self, extra: &Extra) -> Vec<InboxRecord> {
        let record = |event: &Event| {
            let mut record = self.record(event, None);
            // Most events that come with a write are applied by it.
            if event.late > -1_000 {
                record.disposition = Disposition::Applied;
            }
            record
        };
        extra.events.iter().map(record).collect()
    }

    fn body(&self, phase: &str, name: Option<u8>, extra: &Extra) -> Body {
        Body {
            phase: phase.into(),
            in_doubt: extra.open,
            attention: extra.attention.then(|| AttentionFlag {
                since: self.now(),
                why: "help".into(),
            }),
            open_intent_epoch: extra.open.then(|| self.model.incarnation()),
            external_id: name.map(|name| format!("web-{name}")),
            fingerprint: name.map(|name| format!("{name}")),
            version: 1,
            state: if extra.spoilt == 0 {
                "{"
            } else {
                r#"{"a":[1, 2.50]}"#
            }
            .into(),
            ..Body::default()
        }
    }

    async fn write(&mut self, change: Change) -> Write {
        match change {
            Change::Keep(event) => Write::Keep(self.record(&event, None)),
            Change::Start {
                id: number,
                subject,
                scope,
                name,
                earlier,
                extra,
            } => {
                let of = Subject {
                    kind: "parcel".into(),
                    scope: if scope { "shop" } else { "another" }.into(),
                    subject: format!("order-{subject}"),
                    external_id: None,
                };
                let known = self.model.look_up(std::slice::from_ref(&of)).await.unwrap();
                let epoch = self.model.incarnation();
                Write::Start(Start {
                    id: id(number),
                    kind: of.kind,
                    scope: of.scope,
                    subject: of.subject,
                    earlier: earlier.unwrap_or(known[0].finished.len() as u64),
                    body: self.body("new", name, &extra),
                    due_at: Timestamp::from_millis(self.now().as_millis() + extra.due),
                    retries: "{}".into(),
                    entries: vec![self.entry("new", "new", epoch)],
                    inbox: self.inbox(&extra),
                })
            }
            Change::Save {
                id: number,
                how,
                behind,
                epoch,
                entries,
                name,
                extra,
            } => {
                let row = self
                    .model
                    .load(&[id(number)])
                    .await
                    .unwrap()
                    .pop()
                    .flatten();
                Write::Save(self.save(
                    id(number),
                    row.as_ref(),
                    how,
                    behind,
                    epoch,
                    entries,
                    name,
                    &extra,
                ))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one variant")]
    fn save(
        &mut self,
        id: InstanceId,
        row: Option<&Row>,
        how: How,
        behind: u64,
        whose: Whose,
        entries: usize,
        name: Option<u8>,
        extra: &Extra,
    ) -> Save {
        let phase = row
            .as_ref()
            .map_or("new", |row| row.body.phase.as_str())
            .to_owned();
        let finished = row.is_some_and(|row| row.finished_at.is_some());
        let revision = row
            .as_ref()
            .map_or(1, |row| row.revision)
            .saturating_sub(behind);
        let head = row.map_or([0; 32], |row| row.head);
        let ours = self.model.incarnation();
        let epoch = match whose {
            Whose::Ours => ours,
            Whose::Earlier => Epoch(ours.0.saturating_sub(1)),
            Whose::Rows => row.map_or(ours, |row| row.epoch),
        };
        let decides = matches!(how, How::Decision | How::Schedule);
        let ends = matches!(how, How::End) || (finished && !matches!(how, How::Reopen));
        let mut save = Save {
            id,
            guard: if decides {
                Guard::Decision { revision, epoch }
            } else {
                Guard::Fact { revision }
            },
            head,
            body: self.body(&phase, name, extra),
            due_at: (!ends).then(|| Timestamp::from_millis(self.now().as_millis() + extra.due)),
            retries: format!(r#"{{"n":{}}}"#, self.operations),
            entries: Vec::new(),
            inbox: self.inbox(extra),
        };
        save.body.outcome = ends.then(|| "over".into());
        if matches!(how, How::Schedule) {
            return save;
        }
        for number in 0..entries {
            let from = save.body.phase.clone();
            let rejected = matches!(how, How::Rejected);
            let to = if rejected {
                from.clone()
            } else {
                format!("phase-{}", number % 2)
            };
            let mut entry = self.entry(&from, &to, epoch);
            entry.accepted = !rejected;
            save.entries.push(entry);
            save.body.phase = to;
        }
        if extra.spoilt == 1 {
            save.entries[0].input = "nonsense".into();
        }
        save
    }

    /// Compares everything that can be seen.
    async fn compare(&self) {
        let (model, store) = (&self.model, self.store.as_ref().unwrap());
        let ids: Vec<InstanceId> = (0..IDS).map(id).collect();
        assert_eq!(store.incarnation(), model.incarnation());
        assert_eq!(store.now().await.unwrap(), model.now().await.unwrap());
        assert_eq!(
            store.load(&ids).await.unwrap(),
            model.load(&ids).await.unwrap()
        );
        for id in &ids {
            for (after, limit) in [(0, usize::MAX), (1, 2)] {
                let found = store.history(id, after, limit).await.unwrap();
                assert_eq!(found, model.history(id, after, limit).await.unwrap());
            }
        }
        let mut subjects = Vec::new();
        for scope in ["shop", "another"] {
            for (subject, name) in (0..SUBJECTS).zip([None, Some(0), Some(1)]) {
                subjects.push(Subject {
                    kind: "parcel".into(),
                    scope: scope.into(),
                    subject: format!("order-{subject}"),
                    external_id: name.map(|name: u8| format!("web-{name}")),
                });
            }
        }
        assert_eq!(
            store.look_up(&subjects).await.unwrap(),
            model.look_up(&subjects).await.unwrap()
        );
        let facts: Vec<String> = (0..=NAMES).map(|key| format!("fact-{key}")).collect();
        assert_eq!(
            store.known_facts(&facts).await.unwrap(),
            model.known_facts(&facts).await.unwrap()
        );
        for limit in [usize::MAX, 2] {
            assert_eq!(
                store.inbox(limit).await.unwrap(),
                model.inbox(limit).await.unwrap()
            );
        }
        assert_eq!(store.stats().await.unwrap(), model.stats().await.unwrap());
        assert_eq!(store.paused().await.unwrap(), model.paused().await.unwrap());
        let (found, wanted) = (store.info().await.unwrap(), model.info().await.unwrap());
        assert_eq!(
            (
                found.schema,
                found.incarnation,
                found.instances,
                found.live,
                found.entries,
                found.head,
                found.paused
            ),
            (
                wanted.schema,
                wanted.incarnation,
                wanted.instances,
                wanted.live,
                wanted.entries,
                wanted.head,
                wanted.paused
            ),
        );
        for filter in filters(self.now()) {
            let mut after = None;
            loop {
                let found = store.list(&filter, after.as_ref(), 2).await.unwrap();
                assert_eq!(
                    found,
                    model.list(&filter, after.as_ref(), 2).await.unwrap(),
                    "{filter:?}"
                );
                after = found.next;
                if after.is_none() {
                    break;
                }
            }
        }
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

fn filters(now: Timestamp) -> Vec<Filter> {
    let mut filters = vec![
        Filter::default(),
        Filter {
            kind: Some("parcel".into()),
            created_before: Some(now),
            ..Filter::default()
        },
        Filter {
            phase: Some("phase-1".into()),
            ..Filter::default()
        },
        Filter {
            subject: Some("order-1".into()),
            ..Filter::default()
        },
    ];
    for status in [
        Status::Running,
        Status::Waiting,
        Status::Attention,
        Status::Finished,
    ] {
        filters.push(Filter {
            status: Some(status),
            ..Filter::default()
        });
    }
    filters
}

/// A few unless told: `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(96),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_stores_cannot_be_told_apart(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::open().await;
            for step in steps {
                pair.run(step).await;
            }
            pair.compare().await;
            pair.store.unwrap().close().await;
        });
    }
}

/// The random sequences must reach every kind of answer, or the comparison says little.
#[test]
fn the_sequences_reach_every_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..300 {
        let steps = prop::collection::vec(step(), 1..30)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        runtime.block_on(async {
            let mut pair = Pair::open_model().await;
            for step in steps {
                pair.run(step).await;
            }
            seen.extend(pair.answers);
        });
    }
    let wanted = [
        "Conflict",
        "Duplicate",
        "Kept",
        "LeaseLost",
        "Missing",
        "Refused",
        "Saved",
        "Taken",
    ];
    assert_eq!(seen, BTreeSet::from(wanted.map(str::to_owned)));
}
