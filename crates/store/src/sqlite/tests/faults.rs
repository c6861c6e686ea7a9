//! What goes wrong under a store, and how it goes on.

use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::model::{Claim, Disposition};
use crate::plan::{Questions, named_before, plan};

/// A second writer on the store's own terms, for steps that the store's own never shows.
async fn writer(store: &SqliteStore) -> Writer {
    let (connection, _) = connection::connect_writer(&store.shared.path)
        .await
        .unwrap();
    Writer::new(Arc::clone(&store.shared), connection)
}

fn retired(store: &SqliteStore) -> u64 {
    store.shared.retired.load(Ordering::Relaxed)
}

/// Rule R1: after an error the connection is another one, nothing of the batch is half done, and the
/// write to blame is the only one that is refused.
#[tokio::test]
async fn the_write_to_blame_is_refused_alone() {
    let scene = Scene::new();
    let store = scene.open().await;
    scene
        .tamper(
            "CREATE TRIGGER trap BEFORE INSERT ON history WHEN NEW.instance_id = 'bad'
            BEGIN SELECT RAISE(ABORT, 'sprung'); END",
        )
        .await;
    for size in 1..6 {
        for place in 0..size {
            let batch: Vec<Write> = (0..size)
                .map(|n| {
                    start(&if n == place {
                        "bad".to_owned()
                    } else {
                        format!("{size}-{place}-{n}")
                    })
                })
                .collect();
            let before = retired(&store);
            let answers = store.commit(batch).await.unwrap();
            assert!(retired(&store) > before);
            for (n, answer) in answers.iter().enumerate() {
                match answer {
                    Written::Refused { detail } if n == place => {
                        assert!(detail.contains("sprung"), "{detail}");
                    }
                    Written::Saved { .. } if n != place => {}
                    other => panic!("{n} of {size} with {place} to blame: {other:?}"),
                }
            }
        }
    }
    assert!(load(&store, "bad").await.is_none());
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    store.close().await;
}

/// Rule R1: a full disk must not outlive itself, and nothing may be committed in halves.
#[tokio::test]
async fn a_full_disk_is_got_over() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    let mut writer = writer(&store).await;
    execute(
        writer.connection.as_mut().unwrap(),
        "PRAGMA max_page_count = 1",
    )
    .await;
    let mut large = start("b");
    if let Write::Start(start) = &mut large {
        start.body.state = format!("[\"{}\"]", "x".repeat(500_000));
    }
    let batch = vec![start("c"), large, start("d")];
    match writer.commit(&batch).await.unwrap_err() {
        Error::Unavailable { operation, cause } => {
            assert_eq!(operation, "commit a batch");
            assert!(cause.to_string().contains("full"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    for id in ["b", "c", "d"] {
        assert!(load(&store, id).await.is_none(), "{id}");
    }
    // The next connection has no such limit: the disk is free again.
    let answers = writer.commit(&batch).await.unwrap();
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Written::Saved { .. })),
        "{answers:?}"
    );
    drop(writer);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    store.close().await;
}

/// The log itself may be what fills the disk: then it must be moved, or the disk stays full.
#[tokio::test]
async fn a_full_disk_moves_the_log() {
    let scene = Scene::new();
    let store = scene.open().await;
    let mut writer = writer(&store).await;
    // Not by the store's own writer, which would move it by itself when it is idle.
    writer.commit(&[start("a")]).await.unwrap();
    let file_has = async || {
        let alone = Scene::new();
        std::fs::copy(scene.path(), alone.path()).unwrap();
        let reader = SqliteStore::open_read_only(alone.path()).await.unwrap();
        let row = load(&reader, "a").await;
        reader.close().await;
        row.is_some()
    };
    assert!(!file_has().await);
    execute(
        writer.connection.as_mut().unwrap(),
        "PRAGMA max_page_count = 1",
    )
    .await;
    let mut large = start("b");
    if let Write::Start(start) = &mut large {
        start.body.state = format!("[\"{}\"]", "x".repeat(500_000));
    }
    writer.commit(&[large]).await.unwrap_err();
    assert!(file_has().await);
    assert_eq!(writer.commits, 0);
    drop(writer);
    store.close().await;
}

/// While checkpoints fail they are not tried at every commit, and what they owe is not forgotten.
#[tokio::test]
async fn a_failed_checkpoint_is_made_up_for() {
    let scene = Scene::new();
    let store = scene.open().await;
    let mut writer = writer(&store).await;
    writer.commit(&[start("a")]).await.unwrap();
    // As if one had just failed.
    writer.checkpoint_failed = Some(Instant::now());
    writer.checkpoint().await;
    assert_eq!(writer.commits, 1);
    // As if that were a second ago.
    writer.checkpoint_failed = Instant::now().checked_sub(Duration::from_secs(1));
    writer.checkpoint().await;
    assert_eq!(writer.commits, 0);
    assert!(writer.checkpoint_failed.is_none());
    drop(writer);
    store.close().await;
}

/// A plan that is out of date is not carried out, not even in part.
#[tokio::test]
async fn a_stale_plan_is_not_carried_out() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    let mut connection = scene.outsider().await;
    let batch = vec![Write::Save(fact(&store, "a", "second").await), start("b")];
    let questions = Questions::of(&batch);
    let rows = encode::know(&questions)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let now = |_| Timestamp::from_millis(2_000);
    let (commits, known) = encode::knowledge(&rows[0], &questions, now).unwrap();
    let incarnation = known.incarnation;
    let planned = plan(&batch, &named_before(&batch), known);
    begin(&store, &["c"]).await;
    let missed = encode::write(&planned, commits, incarnation)
        .execute(&mut connection)
        .await
        .unwrap_err();
    assert_eq!(
        missed.as_database_error().unwrap().message(),
        sql::GUARD_MISSED
    );
    connection.close().await.unwrap();
    assert!(load(&store, "b").await.is_none());
    assert_eq!(load(&store, "a").await.unwrap().revision, 1);
    // Nor when only the row is another than it was.
    let mut connection = scene.outsider().await;
    let rows = encode::know(&questions)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let (commits, known) = encode::knowledge(&rows[0], &questions, now).unwrap();
    let planned = plan(&batch, &named_before(&batch), known);
    execute(
        &mut connection,
        "UPDATE instance SET revision = 7 WHERE id = 'a'",
    )
    .await;
    assert!(
        encode::write(&planned, commits, incarnation)
            .execute(&mut connection)
            .await
            .is_err()
    );
    connection.close().await.unwrap();
    assert!(load(&store, "b").await.is_none());
    store.close().await;
}

/// A commit whose answer was an error is told apart from one that did not happen.
#[tokio::test]
async fn a_commit_can_be_read_back() {
    let scene = Scene::new();
    let store = scene.open().await;
    let mut writer = writer(&store).await;
    let (before, _) = writer.know(&Questions::default()).await.unwrap();
    assert_eq!(writer.happened(before).await, Some(false));
    begin(&store, &["a"]).await;
    assert_eq!(writer.happened(before).await, Some(true));
    begin(&store, &["b"]).await;
    assert_eq!(writer.happened(before).await, None);
    drop(writer);
    store.close().await;
}

/// Rule R2: whoever stops waiting stops nothing.
#[tokio::test]
async fn a_caller_may_walk_away() {
    let scene = Scene::new();
    let store = scene.open().await;
    for n in 0..20 {
        let walked = store.commit(vec![start(&format!("a{n}"))]).now_or_never();
        assert!(walked.is_none());
        let read = store.list(&Filter::default(), None, 100).now_or_never();
        assert!(read.is_none());
    }
    begin(&store, &["last"]).await;
    assert_eq!(store.info().await.unwrap().instances, 21);
    assert_eq!(retired(&store), 0);
    store.close().await;
}

#[tokio::test]
async fn many_callers_at_once_are_all_answered() {
    let scene = Scene::new();
    let store = scene.open().await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        callers.spawn(async move {
            begin(&store, &[&format!("a{n}")]).await;
            load(&store, &format!("a{n}")).await.unwrap();
        });
    }
    while let Some(joined) = callers.join_next().await {
        joined.unwrap();
    }
    assert_eq!(store.info().await.unwrap().instances, 200);
    store.close().await;
}

/// One damaged row harms nobody but itself, and is reported by whatever meets it.
#[tokio::test]
async fn a_damaged_row_stands_alone() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a", "b", "c"]).await;
    scene
        .tamper("UPDATE instance SET head = x'00' WHERE id = 'b'")
        .await;
    let claim = Claim {
        kind: "parcel".into(),
        limit: 2,
        holder: "tester".into(),
        lease: Duration::from_secs(1),
        held: Vec::new(),
    };
    for _ in 0..2 {
        let claimed = store.claim(claim.clone()).await.unwrap();
        let ids: Vec<&str> = claimed.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!((ids, claimed.next_due), (vec!["a", "c"], None));
    }
    let page = store.list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.unreadable.len()), (2, 1));
    assert!(
        page.unreadable[0].contains("the instance b"),
        "{:?}",
        page.unreadable
    );
    let one_by_one = store.list(&Filter::default(), None, 1).await.unwrap();
    let second = store
        .list(&Filter::default(), one_by_one.next.as_ref(), 1)
        .await
        .unwrap();
    assert_eq!((second.rows.len(), second.unreadable.len()), (0, 1));
    assert!(
        second.next.is_some(),
        "a listing goes on behind a damaged row"
    );
    match store
        .load(&[InstanceId::new("b").unwrap()])
        .await
        .unwrap_err()
    {
        Error::Corrupt { what, .. } => assert_eq!(what, "the instance b"),
        other => panic!("{other:?}"),
    }
    let mut bad = fact(&store, "a", "bad").await;
    bad.id = InstanceId::new("b").unwrap();
    let good = fact(&store, "a", "good").await;
    let answers = store
        .commit(vec![Write::Save(bad), Write::Save(good), start("b")])
        .await
        .unwrap();
    assert!(
        matches!(&answers[0], Written::Refused { detail } if detail.contains("damaged")),
        "{answers:?}"
    );
    assert!(
        matches!(&answers[1], Written::Saved { revision: 2, .. }),
        "{answers:?}"
    );
    assert!(
        matches!(&answers[2], Written::Refused { .. }),
        "{answers:?}"
    );
    let findings = store.check().await.unwrap();
    assert_eq!(findings, ["the history of b does not prove its row"]);
    store.close().await;
}

#[tokio::test]
async fn a_changed_event_is_found() {
    let scene = Scene::new();
    let store = scene.open().await;
    for fact in ["f-1", "f-2"] {
        let record = InboxRecord {
            source: "http".into(),
            transport_key: None,
            fact_key: Some(fact.into()),
            event_type: "ARRIVED".into(),
            received_at: Timestamp::from_millis(1),
            disposition: Disposition::Ignored,
            instance_id: None,
            raw: "{}".into(),
        };
        store
            .commit(vec![Write::Keep(record.clone()), Write::Keep(record)])
            .await
            .unwrap();
    }
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    scene
        .tamper("UPDATE inbox SET raw = '{ }' WHERE fact_key = 'f-2'")
        .await;
    assert_eq!(
        store.check().await.unwrap(),
        ["event 2 of the inbox was changed"]
    );
    store.close().await;
}

/// What a process that is killed leaves behind: the files as they are at that moment.
async fn crash(scene: Scene, ids: &[&str]) -> Scene {
    let store = scene.open().await;
    begin(&store, ids).await;
    let left = Scene::new();
    for suffix in ["", "-wal"] {
        let of = |scene: &Scene| format!("{}{suffix}", scene.path().display());
        std::fs::copy(of(&scene), of(&left)).unwrap();
    }
    store.close().await;
    left
}

#[tokio::test]
async fn after_a_crash_the_store_is_checked_and_goes_on() {
    let scene = crash(Scene::new(), &["a"]).await;
    let scene = crash(scene, &["b"]).await;
    let store = scene.open().await;
    assert_eq!(store.incarnation(), Epoch(3));
    assert!(load(&store, "a").await.is_some() && load(&store, "b").await.is_some());
    store.close().await;
}

/// Also when nobody has opened it since: its log is read as it stands.
#[tokio::test]
async fn after_a_crash_the_store_can_be_read() {
    let scene = crash(Scene::new(), &["a"]).await;
    let before = std::fs::read(scene.path()).unwrap();
    let reader = SqliteStore::open_read_only(scene.path()).await.unwrap();
    assert!(load(&reader, "a").await.is_some());
    reader.close().await;
    assert!(
        std::fs::read(scene.path()).unwrap() == before,
        "a reader wrote to the file"
    );
}

/// Rule R6: the log is emptied by the writer, and a reader that holds that up is noticed.
#[tokio::test]
async fn the_log_is_emptied() {
    let scene = Scene::new();
    let store = scene.open().await;
    let mut reader = {
        use sqlx::ConnectOptions;
        connection::reading(&scene.path()).connect().await.unwrap()
    };
    execute(&mut reader, "BEGIN; SELECT * FROM meta").await;
    begin(&store, &["a"]).await;
    let mut writer = writer(&store).await;
    writer.checkpoint().await;
    assert!(writer.blocked_since.is_some());
    execute(&mut reader, "COMMIT").await;
    writer.checkpoint().await;
    assert!(writer.blocked_since.is_none());
    let connection = writer.connection.as_mut().unwrap();
    assert!(store.shared.log_bytes() > 0);
    execute(connection, sql::TRUNCATE).await;
    assert_eq!(store.shared.log_bytes(), 0);
    connection::facts(connection, false).await.unwrap();
    assert_eq!(retired(&store), 0);
    reader.close().await.unwrap();
    drop(writer);
    store.close().await;
}

#[tokio::test]
async fn after_a_crash_a_damaged_store_is_refused() {
    for damage in [
        "UPDATE instance SET head = zeroblob(32)",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'instance_due'",
    ] {
        let scene = crash(Scene::new(), &["a", "b"]).await;
        scene.tamper(damage).await;
        let before = std::fs::read(scene.path()).unwrap();
        let why = scene.refusal().await;
        assert!(
            why.contains("it is damaged") && why.contains("restore a backup"),
            "{why}"
        );
        assert!(
            std::fs::read(scene.path()).unwrap() == before,
            "a refused file was written to"
        );
    }
}

#[tokio::test]
async fn a_huge_batch_is_several_transactions() {
    let scene = Scene::new();
    let store = scene.open().await;
    for (max, transactions) in [(1_000_000, 1), (3_000, 5), (1, 10)] {
        let mut writer = writer(&store).await;
        writer.transaction_bytes_max = max;
        let mut batch: Vec<Write> = (0..10).map(|n| start(&format!("{max}-{n}"))).collect();
        for write in &mut batch {
            if let Write::Start(start) = write {
                start.body.state = format!("\"{}\"", "x".repeat(1_400));
            }
        }
        batch.push(start(&format!("{max}-0")));
        let (before, _) = writer.know(&Questions::default()).await.unwrap();
        let answers = writer.commit(&batch).await.unwrap();
        let (after, _) = writer.know(&Questions::default()).await.unwrap();
        assert_eq!(after - before, transactions);
        let (last, others) = answers.split_last().unwrap();
        assert!(
            others
                .iter()
                .all(|answer| matches!(answer, Written::Saved { .. })),
            "{answers:?}"
        );
        // The rules are those of the one batch, not of its parts.
        assert!(
            matches!(last, Written::Refused { detail } if detail.contains("of the batch")),
            "{last:?}"
        );
    }
    store.close().await;
}
