//! The limit L(n): a writer thread on plain SQLite with group commit, `synchronous=FULL`. A
//! transition is one row update and one history insert; nothing else is done.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::ladder::TOP;
use crate::report::Run;

struct Transition {
    id: i64,
    rung: u32,
    answer: oneshot::Sender<()>,
}

/// The most transitions in one transaction; the engine's own default.
const BATCH: usize = 512;

/// Runs `workflows` of them, `in_flight` at a time.
pub(crate) async fn run(
    directory: &Path,
    workflows: usize,
    in_flight: usize,
) -> anyhow::Result<Run> {
    let file = directory.join("raw.db");
    let connection = Connection::open(&file)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
         CREATE TABLE instance (id INTEGER PRIMARY KEY, rung INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
         CREATE TABLE history (id INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, input TEXT NOT NULL) STRICT;
         CREATE UNIQUE INDEX history_seq ON history (id, seq);",
    )?;
    let (submit, submitted) = mpsc::channel();
    let writer = std::thread::spawn(move || write(&connection, &submitted));

    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..in_flight {
        let share = workflows / in_flight + usize::from(client < workflows % in_flight);
        clients.push(tokio::spawn(climb(submit.clone(), client, share)));
    }
    drop(submit);
    let mut latencies = Vec::with_capacity(workflows);
    for client in clients {
        latencies.extend(client.await??);
    }
    let took = began.elapsed();
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    let bytes = std::fs::metadata(&file)?.len();
    Ok(Run::new(took, latencies, bytes))
}

async fn climb(
    submit: mpsc::Sender<Transition>,
    client: usize,
    share: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(share);
    for nth in 0..share {
        let began = Instant::now();
        let id = i64::try_from(client << 32 | nth)?;
        for rung in 1..=TOP {
            let (answer, answered) = oneshot::channel();
            submit.send(Transition { id, rung, answer })?;
            answered.await?;
        }
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

fn write(connection: &Connection, submitted: &mpsc::Receiver<Transition>) -> rusqlite::Result<()> {
    let mut begin =
        connection.prepare("INSERT INTO instance (id, rung, state) VALUES (?1, ?2, ?3)")?;
    let mut update =
        connection.prepare("UPDATE instance SET rung = ?2, state = ?3 WHERE id = ?1")?;
    let mut append =
        connection.prepare("INSERT INTO history (id, seq, at, input) VALUES (?1, ?2, ?3, ?4)")?;
    let state = format!(
        r#"{{"rung":1,"order":"order-12-345","padding":"{}"}}"#,
        "x".repeat(120)
    );
    while let Ok(first) = submitted.recv() {
        let mut batch = vec![first];
        batch.extend(submitted.try_iter().take(BATCH - 1));
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for transition in &batch {
            let row = if transition.rung == 1 {
                &mut begin
            } else {
                &mut update
            };
            row.execute((transition.id, transition.rung, &state))?;
            append.execute((
                transition.id,
                transition.rung,
                1_764_000_000_000_i64,
                r#"{"type":"climbed","to":2}"#,
            ))?;
        }
        connection.execute_batch("COMMIT")?;
        for transition in batch {
            // A client that is gone needs no answer.
            transition.answer.send(()).ok();
        }
    }
    Ok(())
}
