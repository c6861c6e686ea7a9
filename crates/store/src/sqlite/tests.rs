//! What only the SQLite store can do wrong: its file, its faults, its statements.

mod backups;
mod faults;
mod files;
mod statements;

use countermand_core::InstanceId;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use std::time::Duration;

use super::rows::column;
use super::writer::Writer;
use super::*;
use crate::model::{Body, Guard, NewEntry, Save, Start};
use crate::tests::fixtures::directory;

/// A store in a directory of its own, on the machine's clock.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            directory: directory(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path()).await.unwrap()
    }

    /// Why the store does not open.
    async fn refusal(&self) -> String {
        refusal(SqliteStore::open(self.path()).await)
    }

    /// A connection that is none of the store's, and may do anything.
    async fn outsider(&self) -> SqliteConnection {
        let (mut connection, _) = connection::connect_writer(&self.path()).await.unwrap();
        execute(&mut connection, "PRAGMA ignore_check_constraints = ON").await;
        connection
    }

    /// Does something to the file behind the store's back.
    async fn tamper(&self, sql: &'static str) {
        let mut connection = self.outsider().await;
        execute(&mut connection, sql).await;
        connection.close().await.unwrap();
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::query(sql).fetch_all(connection).await.unwrap();
}

fn refusal<T: std::fmt::Debug>(opened: Result<T, Error>) -> String {
    match opened.unwrap_err() {
        Error::Unusable { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn start(id: &str) -> Write {
    Write::Start(Start {
        id: InstanceId::new(id).unwrap(),
        kind: "parcel".into(),
        scope: "shop".into(),
        subject: id.into(),
        earlier: 0,
        body: Body {
            phase: "new".into(),
            version: 1,
            state: "{}".into(),
            ..Body::default()
        },
        due_at: Timestamp::from_millis(0),
        retries: "{}".into(),
        entries: vec![entry(&format!("start {id}"), "new")],
        inbox: Vec::new(),
    })
}

fn entry(operation_id: &str, phase: &str) -> NewEntry {
    NewEntry {
        operation_id: operation_id.into(),
        at: Timestamp::from_millis(1_000),
        from: phase.into(),
        to: phase.into(),
        input: "{}".into(),
        accepted: true,
        actor: None,
        epoch: Epoch(1),
        version: 1,
        emissions: None,
        trace_context: None,
        spend: None,
    }
}

/// A fact about an instance that was just loaded.
async fn fact(store: &SqliteStore, id: &str, operation_id: &str) -> Save {
    let row = load(store, id).await.unwrap();
    Save {
        id: row.id,
        guard: Guard::Fact {
            revision: row.revision,
        },
        head: row.head,
        body: row.body,
        due_at: row.due_at,
        retries: row.retries,
        entries: vec![NewEntry {
            epoch: store.incarnation(),
            ..entry(operation_id, "new")
        }],
        inbox: Vec::new(),
    }
}

async fn load(store: &SqliteStore, id: &str) -> Option<Row> {
    store
        .load(&[InstanceId::new(id).unwrap()])
        .await
        .unwrap()
        .pop()
        .unwrap()
}

async fn begin(store: &SqliteStore, ids: &[&str]) {
    let answers = store
        .commit(ids.iter().map(|id| start(id)).collect())
        .await
        .unwrap();
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Written::Saved { .. })),
        "{answers:?}"
    );
}
