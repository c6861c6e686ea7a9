//! `verify` finds what was tampered with, and names the broken promise.

use std::sync::Arc;

use crate::support::{World, draft, engine, share, soon};
use countermand::core::{AttentionFlag, Epoch, InstanceId, Timestamp};
use countermand::store::{
    Claim, Claimed, Cursor, Entry, Error, Filter, InboxRecord, Info, Journal, Known, MemoryStore,
    Now, Page, Pause, Row, Spent, Stats, Store, Subject, Write, Written, entry_hash,
};
use countermand::{CancelOutcome, CancellationState, Until, verify};

type Change<T> = Arc<dyn Fn(&mut T) + Send + Sync>;

/// A store whose reads are tampered with.
#[derive(Clone)]
struct Tampered {
    inner: MemoryStore,
    rows: Change<Vec<Row>>,
    entries: Change<Vec<Entry>>,
    inbox: Change<Vec<InboxRecord>>,
    damaged: Damaged,
}

/// What cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damaged {
    Nothing,
    Row,
    Histories,
    Inbox,
    /// Rows, where they are loaded by id.
    Loads,
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt {
        what: what.to_owned(),
        detail: "scratched".to_owned(),
    }
}

fn untouched(inner: MemoryStore) -> Tampered {
    Tampered {
        inner,
        rows: Arc::new(|_| {}),
        entries: Arc::new(|_| {}),
        inbox: Arc::new(|_| {}),
        damaged: Damaged::Nothing,
    }
}

impl Store for Tampered {
    fn incarnation(&self) -> Epoch {
        self.inner.incarnation()
    }

    async fn now(&self) -> Result<Now, Error> {
        self.inner.now().await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        self.inner.commit(batch).await
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        if self.damaged == Damaged::Loads {
            return Err(corrupt("the instance"));
        }
        self.inner.load(ids).await
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        self.inner.look_up(subjects).await
    }

    async fn known_facts(&self, keys: &[String]) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        self.inner.known_facts(keys).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, Error> {
        self.inner.claim(claim).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut page = self.inner.list(filter, after, limit).await?;
        (self.rows)(&mut page.rows);
        if self.damaged == Damaged::Row {
            page.rows.remove(0);
            page.unreadable.push("the instance x: scratched".to_owned());
        }
        Ok(page)
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        if self.damaged == Damaged::Histories {
            return Err(corrupt("history entry 2"));
        }
        // Read whole, so that a change can look at all of it.
        let mut entries = self.inner.history(id, 0, 10_000).await?;
        (self.entries)(&mut entries);
        entries.retain(|entry| entry.seq > after);
        entries.truncate(limit);
        Ok(entries)
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        self.inner.spent(kind, since).await
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        self.inner.journal(after, limit).await
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        self.inner.journal_end().await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        if self.damaged == Damaged::Inbox {
            return Err(corrupt("event 1 of the inbox"));
        }
        let mut records = self.inner.inbox(limit).await?;
        (self.inbox)(&mut records);
        Ok(records)
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.inner.stats().await
    }

    async fn info(&self) -> Result<Info, Error> {
        self.inner.info().await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.inner.set_pause(pause).await
    }
}

/// A store with one finished cancellation, with a refund, and one unfinished one.
async fn lived_in() -> MemoryStore {
    let world = World::default();
    world.order("322-A");
    world.order("322-B");
    {
        let mut inside = world.lock();
        inside.refund = Some("10".to_owned());
        inside.decision = Some(CancellationState::Success);
    }
    let (handle, store) = engine(&world).await;
    let first = handle
        .cancel(&draft("322-A", Some("a")), None)
        .await
        .unwrap();
    let CancelOutcome::Created(view) = first else {
        panic!("{first:?}");
    };
    soon(handle.wait(&view.id, Until::Finished)).await.unwrap();
    world.lock().amazon_down = true;
    handle
        .cancel(&draft("322-B", Some("b")), None)
        .await
        .unwrap();
    let refund = serde_json::json!({
        "eventDescriptor": "REFUND_REQUESTED",
        "resources": [format!("businessProduct/{}/order/322-B/refund/R", crate::support::TARGET)],
    });
    handle
        .ingest(refund.to_string().as_bytes(), "test")
        .await
        .unwrap();
    soon(handle.shutdown(crate::support::ms(1000))).await;
    share(&store)
}

async fn broken(store: &Tampered) -> Vec<String> {
    let report = verify(store).await.unwrap();
    assert_eq!(report.ok, report.violations.is_empty());
    let mut names: Vec<_> = report
        .violations
        .into_iter()
        .map(|found| found.invariant)
        .collect();
    names.dedup();
    names
}

/// The finished cancellation's row.
fn finished(rows: &mut [Row]) -> &mut Row {
    rows.iter_mut().find(|row| row.due_at.is_none()).unwrap()
}

fn live(rows: &mut [Row]) -> &mut Row {
    rows.iter_mut().find(|row| row.due_at.is_some()).unwrap()
}

#[tokio::test]
async fn a_changed_row_is_found() {
    let inner = lived_in().await;
    assert!(broken(&untouched(inner.clone())).await.is_empty());
    let changes: Vec<(&str, Change<Vec<Row>>)> = vec![
        (
            "I3",
            Arc::new(|rows| {
                let state = &mut finished(rows).body.state;
                *state = state.replace("\"10\"", "\"11\"");
            }),
        ),
        (
            "I3",
            Arc::new(|rows| finished(rows).body.state = "{".to_owned()),
        ),
        (
            "I3",
            Arc::new(|rows| finished(rows).body.phase = "pending".to_owned()),
        ),
        ("I3", Arc::new(|rows| finished(rows).body.in_doubt = true)),
        (
            "I3",
            Arc::new(|rows| finished(rows).body.external_id = None),
        ),
        (
            "I3",
            Arc::new(|rows| finished(rows).body.fingerprint = Some(String::new())),
        ),
        (
            "I3",
            Arc::new(|rows| finished(rows).body.open_intent_epoch = Some(Epoch(1))),
        ),
        (
            "I3",
            Arc::new(|rows| finished(rows).subject = "322-C".to_owned()),
        ),
        (
            "I3",
            Arc::new(|rows| {
                finished(rows).body.attention = Some(AttentionFlag {
                    since: Timestamp::MIN,
                    why: "x".to_owned(),
                });
            }),
        ),
        ("I3", Arc::new(|rows| finished(rows).revision += 1)),
        ("I19", Arc::new(|rows| finished(rows).head[0] ^= 1)),
        ("I7", Arc::new(|rows| finished(rows).epoch.0 += 1)),
        (
            "I6",
            Arc::new(|rows| {
                live(rows).due_at = None;
            }),
        ),
        ("I6", Arc::new(|rows| finished(rows).finished_at = None)),
        (
            "I1",
            Arc::new(|rows| {
                let mut twin = live(rows).clone();
                twin.id = InstanceId::new("twin").unwrap();
                twin.body.external_id = None;
                rows.push(twin);
            }),
        ),
        (
            "I8",
            Arc::new(|rows| {
                let taken = live(rows).body.external_id.clone();
                finished(rows).body.external_id = taken;
            }),
        ),
    ];
    for (n, (invariant, change)) in changes.into_iter().enumerate() {
        let store = Tampered {
            rows: change,
            ..untouched(inner.clone())
        };
        let names = broken(&store).await;
        assert!(
            names.contains(&invariant.to_owned()),
            "{n}: {invariant}: {names:?}"
        );
    }
}

/// Recomputes the hashes, as a careful forger would.
fn rehash(entries: &mut [Entry]) {
    let mut head = countermand::store::GENESIS;
    for entry in entries {
        entry.hash = entry_hash(&head, &entry.instance_id, entry.seq, &entry.entry);
        head = entry.hash;
    }
}

fn entry<'a>(entries: &'a mut [Entry], input: &str) -> Option<&'a mut Entry> {
    entries
        .iter_mut()
        .find(|entry| entry.entry.input.contains(input))
}

#[tokio::test]
async fn a_changed_history_is_found() {
    let inner = lived_in().await;
    let done = r#""type":"effect_done","effect":"pay_refund""#;
    let changes: Vec<(&str, Change<Vec<Entry>>)> = vec![
        // A single byte, anywhere.
        (
            "I19",
            Arc::new(|entries| entries[0].entry.at = Timestamp::MIN),
        ),
        (
            "I19",
            Arc::new(|entries| entries[0].entry.actor = Some("x".to_owned())),
        ),
        (
            "I19",
            Arc::new(|entries| entries[0].entry.operation_id.push('x')),
        ),
        ("I19", Arc::new(|entries| entries[0].hash[31] ^= 1)),
        // Forged with care: the head or the fold still tells.
        (
            "I3",
            Arc::new(|entries| {
                if let Some(entry) =
                    entry(entries, r#""type":"intent_recorded","effect":"pay_refund""#)
                {
                    assert!(entry.entry.spend.take().is_some());
                }
                rehash(entries);
            }),
        ),
        (
            "I3",
            Arc::new(|entries| {
                let spend = r#"{"key":"k","amount":{"amount":"1","currencyCode":"USD"}}"#;
                entries[1].entry.spend = Some(spend.to_owned());
                rehash(entries);
            }),
        ),
        (
            "I19",
            Arc::new(|entries| {
                entries[0].entry.actor = Some("x".to_owned());
                rehash(entries);
            }),
        ),
        (
            "I3",
            Arc::new(move |entries| {
                if let Some(entry) = entry(entries, done) {
                    entry.entry.input = entry.entry.input.replace("\"10\"", "\"9\"");
                }
                rehash(entries);
            }),
        ),
        (
            "I3",
            Arc::new(|entries| {
                if entries.len() > 3 {
                    entries.remove(2);
                }
            }),
        ),
        (
            "I3",
            Arc::new(|entries| entries.truncate(entries.len() - 1)),
        ),
        (
            "I3",
            Arc::new(|entries| {
                entries.last_mut().unwrap().entry.to = "pending".to_owned();
            }),
        ),
        (
            "I3",
            Arc::new(|entries| {
                entries.last_mut().unwrap().entry.from = "rejected".to_owned();
            }),
        ),
        (
            "I3",
            Arc::new(|entries| {
                let first = entries[0].entry.operation_id.clone();
                entries.last_mut().unwrap().entry.operation_id = first;
            }),
        ),
        (
            "I3",
            Arc::new(|entries| entries[0].entry.input = "{}".to_owned()),
        ),
        ("I7", Arc::new(|entries| entries[0].entry.epoch = Epoch(9))),
        (
            "I10",
            Arc::new(move |entries| {
                if let Some(entry) = entry(entries, done) {
                    entry.entry.input = entry.entry.input.replace("\"attempt\":1", "\"attempt\":2");
                }
            }),
        ),
        (
            "I10",
            Arc::new(|entries| {
                let intent = r#""type":"intent_recorded","effect":"pay_refund""#;
                if let Some(entry) = entry(entries, intent) {
                    entry.entry.input =
                        r#"{"type":"operator","actor":"x","action":"note","text":"x"}"#.to_owned();
                }
            }),
        ),
    ];
    for (n, (invariant, change)) in changes.into_iter().enumerate() {
        let store = Tampered {
            entries: change,
            ..untouched(inner.clone())
        };
        let names = broken(&store).await;
        assert!(
            names.contains(&invariant.to_owned()),
            "{n}: {invariant}: {names:?}"
        );
    }
}

#[tokio::test]
async fn a_changed_inbox_is_found() {
    let inner = lived_in().await;
    let changes: Vec<Change<Vec<InboxRecord>>> = vec![
        Arc::new(|records| records.extend(records.clone())),
        Arc::new(|records| records[0].instance_id = Some(InstanceId::new("nobody").unwrap())),
    ];
    for change in changes {
        let store = Tampered {
            inbox: change,
            ..untouched(inner.clone())
        };
        assert_eq!(broken(&store).await, ["I9"]);
    }
}

/// What cannot be read is found, counted, and hides nothing else.
#[tokio::test]
async fn damage_is_found_and_hides_nothing() {
    let inner = lived_in().await;
    for (damaged, invariant, violations, instances) in [
        (Damaged::Row, "I3", 1, 1),
        (Damaged::Histories, "I3", 2, 2),
        (Damaged::Inbox, "I9", 1, 2),
    ] {
        let store = Tampered {
            damaged,
            ..untouched(inner.clone())
        };
        let report = verify(&store).await.unwrap();
        assert!(!report.ok);
        assert_eq!(report.violations.len(), violations, "{report:?}");
        for found in &report.violations {
            assert_eq!(found.invariant, invariant);
            assert!(found.detail.contains("scratched"), "{found:?}");
        }
        assert_eq!(report.checked.instances, instances);
    }
    // A damaged row that an event names: whether it is there is asked one by one.
    let store = Tampered {
        damaged: Damaged::Loads,
        ..untouched(inner)
    };
    assert!(verify(&store).await.unwrap().ok);
}

/// A row that was put back to what it was, while its history went on.
#[tokio::test]
async fn a_row_that_stays_behind_its_history_is_found() {
    let inner = lived_in().await;
    let mut rows = inner.list(&Filter::default(), None, 10).await.unwrap().rows;
    let row = live(&mut rows).clone();
    let store = Tampered {
        entries: Arc::new(move |entries| {
            if let Some(last) = entries.last().cloned()
                && last.instance_id == row.id
            {
                entries.push(Entry {
                    seq: last.seq + 1,
                    ..last
                });
            }
        }),
        ..untouched(inner)
    };
    assert_eq!(broken(&store).await, ["I3"]);
}
