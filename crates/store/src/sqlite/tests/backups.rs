//! Backups, and stores made of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use sqlx::ConnectOptions;

use super::*;
use crate::LOST_INCARNATIONS;
use crate::sqlite::copy::{Draft, beside, mark};
use crate::sqlite::restore::{Step, Swap};

impl Scene {
    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Every file, with its bytes; shared memory is no content.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_file() && !name.ends_with("-shm") {
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// A backup of a store with these instances, and no store.
    async fn backup_only(ids: &[&str]) -> Self {
        let scene = Self::new();
        let store = scene.open().await;
        begin(&store, ids).await;
        store.backup(scene.at("backup.db")).await.unwrap();
        store.close().await;
        std::fs::remove_file(scene.path()).unwrap();
        std::fs::remove_file(scene.at("store.db.lock")).unwrap();
        scene
    }

    async fn restore(&self, from: &str, replace: bool) -> Result<Restored, BackupError> {
        SqliteStore::restore(self.at(from), self.path(), replace).await
    }
}

fn live(info: &crate::model::Info) -> (u64, u64, crate::model::Hash) {
    (info.instances, info.entries, info.head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_the_store_as_of_one_moment_while_it_is_written_to() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["first"]).await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            let mut number = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let mut batch = vec![start(&format!("n{number}"))];
                let news = fact(&store, "first", &format!("f{number}")).await;
                batch.push(Write::Save(news));
                store.commit(batch).await.unwrap();
                number += 1;
            }
            number
        }
    });
    let mut last = 0;
    for number in 0..6 {
        let path = scene.at(&format!("{number}.db"));
        let backup = store.backup(&path).await.unwrap();
        // Each transaction brought one instance and two entries; none is there by half.
        assert_eq!(backup.entries, 2 * backup.instances - 1, "{backup:?}");
        assert!(backup.instances >= last, "{backup:?}");
        assert_eq!(backup.bytes, path.metadata().unwrap().len());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        last = backup.instances;
    }
    done.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(written > 6, "the writer was kept waiting: {written}");
    let reader = SqliteStore::open_read_only(scene.path()).await.unwrap();
    let quiet = reader.backup(scene.at("quiet.db")).await.unwrap();
    assert_eq!(
        (quiet.instances, quiet.entries, quiet.head),
        live(&store.info().await.unwrap())
    );
    assert!(quiet.as_of.is_some() && quiet.newest.is_some());
    reader.close().await;
    store.close().await;
    assert!(scene.names().iter().all(|name| !name.contains(".tmp-")));
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half_done() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    std::fs::write(scene.at("letter"), "dear").unwrap();
    std::os::unix::fs::symlink("nowhere", scene.at("link")).unwrap();
    std::fs::create_dir(scene.at("directory")).unwrap();
    for name in ["letter", "link", "directory", "store.db"] {
        match store.backup(scene.at(name)).await.unwrap_err() {
            BackupError::Exists { path } => assert_eq!(path, scene.at(name)),
            other => panic!("{other:?}"),
        }
    }
    // Nobody can create files there.
    for path in ["/proc/backup.db", "/no/such/place/backup.db", "/"] {
        let error = store.backup(path).await.unwrap_err();
        assert!(
            matches!(error, BackupError::Io { .. } | BackupError::Exists { .. }),
            "{error:?}"
        );
    }
    assert_eq!(std::fs::read(scene.at("letter")).unwrap(), b"dear");
    store.close().await;
    assert_eq!(scene.names(), ["letter", "store.db", "store.db.lock"]);
}

/// A file that a person copies by hand is as safe as one that was restored.
#[tokio::test]
async fn a_backup_that_is_opened_as_it_is_counts_as_restored() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a", "b"]).await;
    assert_eq!(store.restored().await.unwrap(), None);
    let backup = store.backup(scene.at("backup.db")).await.unwrap();
    let before = store.info().await.unwrap();
    store.close().await;

    for round in 1..4 {
        let copy = SqliteStore::open(scene.at("backup.db")).await.unwrap();
        assert_eq!(copy.restored().await.unwrap(), backup.as_of);
        let least = round * LOST_INCARNATIONS + before.incarnation.0;
        assert!(copy.incarnation().0 > least, "{}", copy.incarnation());
        let now = copy.now().await.unwrap().at.as_millis();
        assert!(copy.incarnation().0 + 60_000 > u64::try_from(now).unwrap());
        assert_eq!(live(&copy.info().await.unwrap()), live(&before));
        assert_eq!(copy.check().await.unwrap(), Vec::<String>::new());
        // Stopped before it was made up for: the next start finds the mark as it was.
        copy.close().await;
    }
    let copy = SqliteStore::open(scene.at("backup.db")).await.unwrap();
    copy.caught_up().await.unwrap();
    assert_eq!(copy.restored().await.unwrap(), None);
    let incarnation = copy.incarnation();
    copy.close().await;
    let copy = SqliteStore::open(scene.at("backup.db")).await.unwrap();
    assert_eq!(copy.restored().await.unwrap(), None);
    assert_eq!(copy.incarnation(), Epoch(incarnation.0 + 1));
    copy.close().await;
}

#[tokio::test]
async fn a_restored_store_is_the_backup_and_knows_it() {
    let scene = Scene::backup_only(&["a", "b"]).await;
    let before = scene.files()["backup.db"].clone();
    let restored = scene.restore("backup.db", false).await.unwrap();
    assert_eq!(restored.path, scene.path().canonicalize().unwrap());
    assert_eq!(restored.replaced, Vec::<PathBuf>::new());
    assert_eq!((restored.backup.instances, restored.backup.entries), (2, 2));
    assert_eq!(scene.files()["backup.db"], before, "only read");
    assert_eq!(scene.names(), ["backup.db", "store.db", "store.db.lock"]);
    assert_eq!(SqliteStore::holder(scene.path()).unwrap(), None);
    let mode = scene.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let reader = SqliteStore::open_read_only(scene.path()).await.unwrap();
    assert_eq!(reader.incarnation(), restored.incarnation, "as was told");
    reader.close().await;
    let store = scene.open().await;
    assert_eq!(store.restored().await.unwrap(), Some(restored.at));
    assert!(store.incarnation() > restored.incarnation);
    assert_eq!(store.info().await.unwrap().head, restored.backup.head);
    begin(&store, &["c"]).await;
    store.caught_up().await.unwrap();
    // A backup of the restored one is of the same store.
    let again = store.backup(scene.at("again.db")).await.unwrap();
    assert_eq!(again.store_id, restored.backup.store_id);
    store.close().await;
}

#[tokio::test]
async fn what_is_no_sound_backup_is_refused_and_nothing_is_touched() {
    let scene = Scene::backup_only(&["a", "b", "c"]).await;
    let sound = scene.files()["backup.db"].clone();
    let write = |name: &str, bytes: &[u8]| std::fs::write(scene.at(name), bytes).unwrap();
    write("empty.db", b"");
    write("letter.db", &b"a letter to a friend ".repeat(400));
    write("cut-short.db", &sound[..sound.len() / 2]);
    write("cut-in-header.db", &sound[..60]);
    let mut holes = sound.clone();
    for byte in holes.iter_mut().skip(4096).step_by(7) {
        *byte ^= 0x55;
    }
    write("holes.db", &holes);
    let tampered = async |name: &str, sql: &'static str| {
        write(name, &sound);
        let mut connection = connection::alone(&scene.at(name)).connect().await.unwrap();
        execute(&mut connection, "PRAGMA ignore_check_constraints = ON").await;
        execute(&mut connection, sql).await;
        connection.close().await.unwrap();
    };
    tampered("newer.db", "PRAGMA user_version = 9").await;
    tampered(
        "wants-newer.db",
        "UPDATE meta SET min_writer = 9, min_reader = 9",
    )
    .await;
    tampered("foreign.db", "PRAGMA application_id = 7").await;
    tampered("no-meta.db", "DELETE FROM meta").await;
    tampered("no-tables.db", "DROP TABLE inbox").await;
    tampered(
        "edited.db",
        "DROP TRIGGER history_is_never_changed; UPDATE history SET input = '{\"x\":1}' WHERE instance_id = 'b'",
    )
    .await;
    tampered(
        "behind.db",
        "UPDATE instance SET revision = 2 WHERE id = 'b'",
    )
    .await;
    write("busy.db", &sound);
    write("busy.db-wal", b"something");
    std::fs::create_dir(scene.at("directory.db")).unwrap();
    let before = scene.files();
    for (name, why) in [
        ("empty.db", "there is no store in it"),
        ("letter.db", "no SQLite database"),
        ("cut-short.db", "damaged"),
        ("cut-in-header.db", "no SQLite database"),
        ("holes.db", "damaged"),
        ("newer.db", "newer program"),
        ("wants-newer.db", "newer program"),
        ("foreign.db", "another program"),
        ("no-meta.db", "missing"),
        ("no-tables.db", "inbox"),
        ("edited.db", "the history of b was changed"),
        ("behind.db", "the history of b does not prove its row"),
        ("busy.db", "stands beside it"),
        ("directory.db", "no regular file"),
    ] {
        match scene.restore(name, true).await.unwrap_err() {
            BackupError::Unfit { path, why: told } => {
                assert_eq!(path, scene.at(name));
                assert!(told.contains(why), "{name}: {told}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    match scene.restore("nothing.db", true).await.unwrap_err() {
        BackupError::Missing { path } => assert_eq!(path, scene.at("nothing.db")),
        other => panic!("{other:?}"),
    }
    assert!(scene.files() == before, "{:?}", scene.names());
    // By another name it is as good.
    std::os::unix::fs::symlink(scene.at("backup.db"), scene.at("link.db")).unwrap();
    scene.restore("link.db", false).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_there_is_replaced_only_if_asked_and_never_in_use() {
    let scene = Scene::backup_only(&["a"]).await;
    let store = scene.open().await;
    begin(&store, &["x", "y"]).await;
    for replace in [false, true] {
        match scene.restore("backup.db", replace).await.unwrap_err() {
            BackupError::InUse { holder, .. } => {
                assert_eq!(holder.unwrap().pid, std::process::id());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(load(&store, "x").await.is_some());
    // As after a crash: the newest is in the log.
    let crashed = Scene::new();
    begin(&store, &["z"]).await;
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(scene.at(name), crashed.at(name)).unwrap();
    }
    store.close().await;
    std::fs::copy(scene.at("backup.db"), crashed.at("backup.db")).unwrap();
    assert!(crashed.at("store.db-wal").metadata().unwrap().len() > 0);

    let before = crashed.files();
    match crashed.restore("backup.db", false).await.unwrap_err() {
        BackupError::StoreExists { path } => assert!(path.ends_with("store.db")),
        other => panic!("{other:?}"),
    }
    match crashed.restore("store.db", true).await.unwrap_err() {
        BackupError::Same { path } => assert!(path.ends_with("store.db")),
        other => panic!("{other:?}"),
    }
    assert!(crashed.files() == before);
    let restored = crashed.restore("backup.db", true).await.unwrap();
    assert_eq!(restored.replaced.len(), 2, "{:?}", restored.replaced);
    let now = crashed.open().await;
    assert!(load(&now, "x").await.is_none() && load(&now, "a").await.is_some());
    now.close().await;
    let old = SqliteStore::open(restored.replaced[0].as_path())
        .await
        .unwrap();
    for id in ["x", "y", "z"] {
        assert!(load(&old, id).await.is_some(), "{id}");
    }
    assert_eq!(old.restored().await.unwrap(), None);
    old.close().await;
}

/// Killed after any step: the old store, or none, or the restored one that knows it; and the old
/// one is never without its log.
#[tokio::test]
async fn a_restore_that_is_killed_leaves_nothing_in_between() {
    let mut seen = BTreeMap::<&str, u32>::new();
    for killed_after in 0.. {
        let scene = Scene::new();
        let store = scene.open().await;
        begin(&store, &["a"]).await;
        store.backup(scene.at("backup.db")).await.unwrap();
        begin(&store, &["b"]).await;
        let crashed = Scene::new();
        for name in ["store.db", "store.db-wal", "backup.db"] {
            std::fs::copy(scene.at(name), crashed.at(name)).unwrap();
        }
        store.close().await;

        let draft = Draft::beside(&crashed.path()).unwrap();
        std::fs::copy(crashed.at("backup.db"), draft.path()).unwrap();
        let at = Timestamp::from_millis(1_740_000_000_000);
        mark(draft.path(), at).await.unwrap();
        let swap = Swap::plan(&crashed.path(), draft.path(), at);
        for step in swap.steps.iter().take(killed_after) {
            step.take().unwrap();
        }
        // A process that is killed cleans up nothing.
        std::mem::forget(draft);

        let aside = beside(&crashed.path(), ".replaced-2025-02-19T21-20-00.000Z");
        let found = if crashed.path().exists() {
            let store = crashed.open().await;
            let is_restored = store.restored().await.unwrap().is_some();
            let has_b = load(&store, "b").await.is_some();
            assert_eq!(is_restored, !has_b, "after {killed_after} steps");
            store.close().await;
            if is_restored { "restored" } else { "old" }
        } else {
            "none"
        };
        *seen.entry(found).or_default() += 1;
        if found != "old" {
            let old = SqliteStore::open(aside).await.unwrap();
            assert!(
                load(&old, "b").await.is_some(),
                "after {killed_after} steps"
            );
            old.close().await;
            // Whoever tries again gets there.
            crashed.restore("backup.db", true).await.unwrap();
            let store = crashed.open().await;
            assert!(store.restored().await.unwrap().is_some());
            assert!(load(&store, "b").await.is_none());
            store.close().await;
        }
        if killed_after >= swap.steps.len() {
            assert!(matches!(swap.steps.last(), Some(Step::Sync(_))));
            break;
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
