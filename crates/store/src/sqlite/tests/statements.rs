//! The statements themselves.

use sqlx::AssertSqlSafe;

use super::*;
use crate::model::Status;

#[tokio::test]
async fn every_statement_runs_on_a_fresh_database() {
    let scene = Scene::new();
    scene.open().await.close().await;
    let mut connection = scene.outsider().await;
    for (name, text) in sql::ALL {
        let mut statement = sqlx::query(*text);
        // Texts are asked for as lists everywhere but where a number is; NULL would do nothing.
        for parameter in 1..=12 {
            let number = match (*name, parameter) {
                ("WRITE", 2) => {
                    let rows = sqlx::query(sql::COMMITS)
                        .fetch_all(&mut connection)
                        .await
                        .unwrap();
                    Some(column::<i64>(&rows[0], 0).unwrap())
                }
                ("WRITE", 3) => Some(1),
                ("WRITE", 1 | 5 | 7)
                | ("CLAIM", 2 | 4 | 5)
                | ("HISTORY" | "INBOX_AFTER", 2 | 3)
                | ("JOURNAL", 1 | 2)
                | (
                    "INBOX" | "MARK_RESTORED" | "SET_PAUSE" | "SHUT_DOWN_CLEANLY" | "STATS"
                    | "TAKE_INCARNATION",
                    1,
                ) => Some(0),
                _ => None,
            };
            statement = match number {
                Some(number) => statement.bind(number),
                None => statement.bind("[]"),
            };
        }
        let ran = statement.fetch_all(&mut connection).await;
        assert!(ran.is_ok(), "{name}: {}", ran.unwrap_err());
    }
    connection.close().await.unwrap();
}

/// The tables that may grow must be read by an index, wherever work depends on it.
#[tokio::test]
async fn nothing_that_is_done_often_scans_a_table() {
    let scene = Scene::new();
    scene.open().await.close().await;
    let mut connection = scene.outsider().await;
    let often = [
        sql::KNOW,
        sql::WRITE,
        sql::LOAD,
        sql::LOOK_UP,
        sql::KNOWN_FACTS,
        sql::CLAIM,
        sql::HISTORY,
        sql::JOURNAL,
        sql::JOURNAL_END,
        sql::SPENT,
    ];
    for text in often {
        for statement in text.split(';').map(str::trim) {
            if ["BEGIN", "COMMIT", ""]
                .iter()
                .any(|word| statement == *word || statement.starts_with("BEGIN"))
            {
                continue;
            }
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            for row in sqlx::query(explain)
                .fetch_all(&mut connection)
                .await
                .unwrap()
            {
                let step: String = column(&row, 3).unwrap();
                let scans = ["instance", "history", "inbox", "i", "h", "n", "s"]
                    .iter()
                    .any(|table| step == format!("SCAN {table}"));
                assert!(!scans, "{step}, in {statement}");
            }
        }
    }
    connection.close().await.unwrap();
}

/// A page of the listing comes from an index that is sorted as it is, whatever it is filtered by.
/// Only what is due, which may be old and few among many, is found first and sorted then.
#[tokio::test]
async fn a_listing_is_not_sorted() {
    let scene = Scene::new();
    scene.open().await.close().await;
    let mut connection = scene.outsider().await;
    let after = Cursor {
        created_at: Timestamp::from_millis(1),
        id: InstanceId::new("a").unwrap(),
    };
    let statuses = [
        None,
        Some(Status::Running),
        Some(Status::Waiting),
        Some(Status::Attention),
        Some(Status::Finished),
    ];
    for status in statuses {
        for phase in [None, Some("pending".to_owned())] {
            for after in [None, Some(&after)] {
                let filter = Filter {
                    kind: Some("parcel".to_owned()),
                    phase: phase.clone(),
                    status,
                    ..Filter::default()
                };
                let listing = reads::listing(&filter, after, 50, Timestamp::MIN);
                let explain =
                    AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", listing.sql().as_str()));
                let plan = sqlx::query(explain).fetch_all(&mut connection).await;
                let steps: Vec<String> = plan
                    .unwrap()
                    .iter()
                    .map(|row| column(row, 3).unwrap())
                    .collect();
                let is_due = status == Some(Status::Running) && phase.is_none();
                let wanted = match (status, &phase) {
                    _ if is_due => "instance_due",
                    (Some(Status::Attention), _) => "instance_",
                    (_, Some(_)) => "instance_phase",
                    (_, None) => "instance_created",
                };
                let is_read = steps.iter().any(|step| step.contains(wanted));
                assert!(is_read, "{filter:?}: {steps:?}");
                let is_sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
                assert_eq!(is_sorted, is_due, "{filter:?}: {steps:?}");
            }
        }
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_history_cannot_be_rewritten() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    let mut connection = scene.outsider().await;
    for sql in ["UPDATE history SET input = '[]'", "DELETE FROM history"] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert!(
            error.to_string().contains("history is append-only"),
            "{error}"
        );
    }
    connection.close().await.unwrap();
    store.close().await;
}

/// Rows that can have no meaning are refused by the database itself, whoever writes them.
#[tokio::test]
async fn impossible_rows_are_refused() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a", "b"]).await;
    store.close().await;
    let (mut connection, _) = connection::connect_writer(&scene.path()).await.unwrap();
    for sql in [
        "UPDATE instance SET due_at_ms = NULL WHERE id = 'a'",
        "UPDATE instance SET finished_at_ms = 1 WHERE id = 'a'",
        "UPDATE instance SET finished_at_ms = 1, due_at_ms = NULL WHERE id = 'a'",
        "UPDATE instance SET outcome = 'x' WHERE id = 'a'",
        "UPDATE instance SET attention_why = 'x' WHERE id = 'a'",
        "UPDATE instance SET lease_holder = 'x' WHERE id = 'a'",
        "UPDATE instance SET revision = 0 WHERE id = 'a'",
        "UPDATE instance SET epoch = -1 WHERE id = 'a'",
        "UPDATE instance SET state = '{' WHERE id = 'a'",
        "UPDATE instance SET retries = '' WHERE id = 'a'",
        "UPDATE instance SET head = x'00' WHERE id = 'a'",
        "UPDATE instance SET version = 'one' WHERE id = 'a'",
        "UPDATE instance SET updated_at_ms = created_at_ms - 1 WHERE id = 'a'",
        "UPDATE instance SET subject = 'b' WHERE id = 'a'",
        "UPDATE instance SET external_id = 'x'",
        "UPDATE instance SET id = 'b' WHERE id = 'a'",
        "INSERT INTO history (instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, epoch,
            version, hash) VALUES ('nobody', 1, 'x', 1, 'a', 'a', '{}', 1, 1, 1, zeroblob(32))",
        "INSERT INTO history (instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, epoch,
            version, hash) VALUES ('a', 1, 'x', 1, 'a', 'a', '{}', 1, 1, 1, zeroblob(32))",
        "INSERT INTO history (instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, epoch,
            version, hash) VALUES ('a', 2, 'start a', 1, 'a', 'a', '{}', 1, 1, 1, zeroblob(32))",
        "INSERT INTO history (instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, epoch,
            version, hash) VALUES ('a', 2, 'x', 1, 'a', 'b', '{}', 0, 1, 1, zeroblob(32))",
        "INSERT INTO inbox (source, event_type, received_at_ms, disposition, deliveries, raw, hash)
            VALUES ('http', 'x', 1, 'lost', 1, '', zeroblob(32))",
        "INSERT INTO inbox (source, event_type, received_at_ms, disposition, deliveries, raw, hash)
            VALUES ('http', 'x', 1, 'applied', 1, '', zeroblob(32))",
        "INSERT INTO meta SELECT * FROM meta",
    ] {
        let refused = sqlx::query(sql).execute(&mut connection).await;
        assert!(refused.is_err(), "{sql}");
    }
    connection.close().await.unwrap();
}
