//! The file: who may open it, and what is refused before a byte of it changes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteSynchronous;

use super::*;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file beside the store, with its bytes. SQLite's shared memory is no content.
fn contents(scene: &Scene) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(scene.directory.path()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let contents = paths.filter(|path| !path.to_string_lossy().ends_with("-shm"));
    contents
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let scene = Scene::new();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = PathBuf::from(format!("{}{suffix}", scene.path().display()));
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
    assert_eq!(
        contents(&scene).len(),
        2,
        "a store that was closed is one file and its lock"
    );
}

#[tokio::test]
async fn what_others_may_write_to_is_refused() {
    let scene = Scene::new();
    scene.open().await.close().await;
    for writable in [0o602, 0o620, 0o666] {
        chmod(&scene.path(), writable);
        let before = contents(&scene);
        let why = scene.refusal().await;
        assert!(
            why.contains("others may write to") && why.contains("chmod go-w"),
            "{why}"
        );
        assert!(contents(&scene) == before, "a file was written to");
    }
    chmod(&scene.path(), 0o600);
    chmod(scene.directory.path(), 0o777);
    let why = scene.refusal().await;
    assert!(why.contains("everybody may replace files"), "{why}");
    // As /tmp is: nobody can replace another's file there.
    chmod(scene.directory.path(), 0o1777);
    scene.open().await.close().await;
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_of_the_first() {
    let scene = Scene::new();
    let first = scene.open().await;
    first.announce("127.0.0.1:8080").unwrap();
    begin(&first, &["a"]).await;
    let why = scene.refusal().await;
    let pid = std::process::id().to_string();
    assert!(why.contains(&pid) && why.contains("store.db.lock"), "{why}");
    let holder = SqliteStore::holder(scene.path()).unwrap().unwrap();
    assert_eq!(
        (holder.pid, holder.address.as_deref()),
        (std::process::id(), Some("127.0.0.1:8080"))
    );
    // Another name for the same file is no way around it.
    let link = scene.directory.path().join("link.db");
    std::os::unix::fs::symlink(scene.path(), &link).unwrap();
    assert!(refusal(SqliteStore::open(link).await).contains(&pid));
    first.close().await;
    assert_eq!(SqliteStore::holder(scene.path()).unwrap(), None);
    let second = scene.open().await;
    assert_eq!(second.incarnation(), Epoch(2));
    assert_eq!(
        SqliteStore::holder(scene.path()).unwrap().unwrap().address,
        None
    );
    second.close().await;
}

#[tokio::test]
async fn the_last_handle_closes_the_store() {
    let scene = Scene::new();
    let store = scene.open().await;
    let clone = store.clone();
    drop(store);
    begin(&clone, &["a"]).await;
    drop(clone);
    // The next one waits for the lock.
    let store = scene.open().await;
    assert!(load(&store, "a").await.is_some());
    store.close().await;
    let closed = store.commit(vec![start("b")]).await;
    assert!(refusal(closed).contains("closed"));
}

#[tokio::test]
async fn a_newer_schema_is_refused_untouched() {
    let scene = Scene::new();
    scene.open().await.close().await;
    scene.tamper("PRAGMA user_version = 2").await;
    let before = contents(&scene);
    assert!(scene.refusal().await.contains("newer program"));
    assert!(refusal(SqliteStore::open_read_only(scene.path()).await).contains("newer program"));
    assert!(contents(&scene) == before, "a file was written to");
    scene
        .tamper("PRAGMA user_version = 1; UPDATE meta SET min_writer = 2")
        .await;
    let before = contents(&scene)[&scene.path()].clone();
    assert!(scene.refusal().await.contains("newer program"));
    SqliteStore::open_read_only(scene.path())
        .await
        .unwrap()
        .close()
        .await;
    assert!(
        contents(&scene)[&scene.path()] == before,
        "the file was written to"
    );
}

#[tokio::test]
async fn foreign_files_are_refused_untouched() {
    let scene = Scene::new();
    let (mut foreign, _) = {
        file::create(&scene.path()).unwrap();
        connection::connect_writer(&scene.path()).await.unwrap()
    };
    execute(&mut foreign, "CREATE TABLE recipes (name TEXT)").await;
    foreign.close().await.unwrap();
    let before = contents(&scene)[&scene.path()].clone();
    assert!(scene.refusal().await.contains("another program"));
    assert!(
        contents(&scene)[&scene.path()] == before,
        "the file was written to"
    );
    for text in [
        "a letter to a friend",
        &"x".repeat(5000),
        "SQLite format 3\0",
    ] {
        std::fs::write(scene.path(), text).unwrap();
        assert!(
            scene.refusal().await.contains("no SQLite database"),
            "{text}"
        );
        assert_eq!(std::fs::read(scene.path()).unwrap(), text.as_bytes());
    }
    for name in ["", ":memory:", "file::memory:?cache=shared"] {
        let why = refusal(SqliteStore::open(PathBuf::from(name)).await);
        assert!(why.contains("must be a file"), "{why}");
    }
    let why = refusal(SqliteStore::open(scene.directory.path()).await);
    assert!(why.contains("no regular file"), "{why}");
    let why = refusal(SqliteStore::open(scene.directory.path().join("no/store.db")).await);
    assert!(why.contains("its directory"), "{why}");
}

#[tokio::test]
async fn an_empty_file_is_a_fresh_store() {
    let scene = Scene::new();
    file::create(&scene.path()).unwrap();
    let store = scene.open().await;
    begin(&store, &["a"]).await;
    store.close().await;
}

/// A first start that was killed before its first migration was through.
#[tokio::test]
async fn a_first_start_that_was_killed_is_made_up_for() {
    for left in ["SELECT 1", "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
        installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
        execution_time BIGINT NOT NULL)"] {
        let scene = Scene::new();
        file::create(&scene.path()).unwrap();
        scene.tamper(left).await;
        assert!(refusal(SqliteStore::open_read_only(scene.path()).await).contains("is empty"));
        let store = scene.open().await;
        assert_eq!(store.incarnation(), Epoch(1));
        store.close().await;
    }
}

#[tokio::test]
async fn reading_beside_a_daemon_changes_nothing() {
    let scene = Scene::new();
    let why = refusal(SqliteStore::open_read_only(scene.path()).await);
    assert!(why.contains("there is no store"), "{why}");
    let daemon = scene.open().await;
    begin(&daemon, &["a"]).await;
    let before = contents(&scene);
    let reader = SqliteStore::open_read_only(scene.path()).await.unwrap();
    assert_eq!(reader.incarnation(), Epoch(1));
    assert!(load(&reader, "a").await.is_some());
    assert!(
        reader
            .list(&Filter::default(), None, 10)
            .await
            .unwrap()
            .next
            .is_none()
    );
    let why = refusal(reader.commit(vec![start("b")]).await);
    assert!(why.contains("for reading only"), "{why}");
    assert!(refusal(reader.set_pause(None).await).contains("for reading only"));
    assert!(contents(&scene) == before, "a file was written to");
    begin(&daemon, &["b"]).await;
    assert!(load(&reader, "b").await.is_some());
    assert_eq!(
        reader.info().await.unwrap().head,
        daemon.info().await.unwrap().head
    );
    assert_eq!(
        reader.now().await.unwrap().behind,
        daemon.now().await.unwrap().behind
    );
    reader.close().await;
    daemon.close().await;
    let reader = SqliteStore::open_read_only(scene.path()).await.unwrap();
    assert!(load(&reader, "b").await.is_some());
    reader.close().await;
}

#[tokio::test]
async fn the_settings_are_read_back() {
    let scene = Scene::new();
    let store = scene.open().await;
    let backend = store.info().await.unwrap().backend;
    assert!(backend.starts_with("sqlite 3."), "{backend}");
    // Version 2 in both places: the file is in WAL mode.
    assert_eq!(std::fs::read(scene.path()).unwrap()[18..20], [2, 2]);
    let weak = connection::reading(&scene.path()).synchronous(SqliteSynchronous::Normal);
    let mut weak = weak.connect().await.unwrap();
    let error = connection::facts(&mut weak, true)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("synchronous is 1, not 2"), "{error}");
    weak.close().await.unwrap();
    let mut reader = connection::reading(&scene.path()).connect().await.unwrap();
    let error = connection::facts(&mut reader, false)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("query_only is 1, not 0"), "{error}");
    for sql in ["DELETE FROM pause", "PRAGMA user_version = 9"] {
        assert!(
            sqlx::query(sql).execute(&mut reader).await.is_err(),
            "{sql}"
        );
    }
    reader.close().await.unwrap();
    store.close().await;
}

#[test]
fn the_schema_is_the_newest_migration() {
    let newest = connection::migrator()
        .iter()
        .map(|migration| migration.version)
        .max();
    assert_eq!(newest, Some(SCHEMA));
}
