//! `db backup` and `db restore`.

use std::path::Path;
use std::process::Command;

use crate::common::{Place, golden, mask, run};

/// Everything in a directory, with its bytes; what SQLite shares in memory is no content.
fn contents(place: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    let mut contents: Vec<_> = files
        .filter(|file| file.path().is_file())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .filter(|(name, _)| !name.ends_with("-shm"))
        .collect();
    contents.sort();
    contents
}

fn names(place: &Place) -> Vec<String> {
    let contents = contents(place.path());
    contents.into_iter().map(|(name, _)| name).collect()
}

/// Hashes, names of stores and numbers that differ from run to run.
fn steady(text: &str, place: &Place) -> String {
    let path = place.path().canonicalize().unwrap();
    let text = mask(&text.replace(path.to_str().unwrap(), "/PLACE"));
    let steady = text.lines().map(|line| {
        let (name, value) = line.split_at(line.len().min(15));
        match name.trim() {
            "head" => format!("{name}{}\n", "H".repeat(value.len())),
            "bytes" | "incarnation" => format!("{name}NNN\n"),
            "replaced" => {
                let (before, after) = value.split_once(".replaced-").unwrap();
                let (_, side) = after.split_at("2025-02-20T09-21-41.000Z".len());
                format!("{name}{before}.replaced-TTTT-TT-TTTTT-TT-TT.TTTZ{side}\n")
            }
            _ => format!("{line}\n"),
        }
    });
    steady.collect()
}

#[test]
fn a_store_is_backed_up_and_restored() {
    let place = Place::bare();
    for order in ["322-A", "322-B"] {
        place.run(&["cancel", order]).exits(0);
    }
    let told = place.run(&["db", "backup", "monday.db"]).exits(0);
    golden("db-backup.txt", &steady(&told.out, &place));
    assert_eq!(told.err, "");
    assert!(told.out.lines().all(|line| line.chars().count() <= 80));

    // What is asked for after the backup is lost with the store.
    place.run(&["cancel", "322-C"]).exits(0);
    let before = contents(place.path());
    let refused = place.run(&["db", "restore", "monday.db"]).exits(4);
    assert!(
        refused.err.contains("there is a store at"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert!(contents(place.path()) == before);

    let told = place
        .run(&["db", "restore", "monday.db", "--force"])
        .exits(0);
    golden("db-restore.txt", &steady(&told.out, &place));
    assert!(told.err.contains("looks at"), "{}", told.err);
    let info = place.run(&["db", "info", "--json"]).exits(0).json();
    assert!(info["restoredAt"].is_string(), "{info}");
    assert_eq!(
        (&info["cancellations"], &info["live"]),
        (&2.into(), &2.into())
    );
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
    place.run(&["show", "322-C"]).exits(3);
    // The one that was moved aside is whole.
    let aside = names(&place)
        .into_iter()
        .find(|name| name.contains(".replaced-"))
        .unwrap();
    let again = place.run(&["db", "restore", &aside, "--force"]).exits(0);
    assert!(again.out.contains("3 (3 live)"), "{}", again.out);
}

#[test]
fn a_backup_is_told_as_json() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    let saved = place
        .run(&["db", "backup", "b.db", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&saved["cancellations"], &saved["entries"]),
        (&1.into(), &1.into())
    );
    assert_eq!(saved["head"].as_str().unwrap().len(), 64);
    let info = place.run(&["db", "info", "--json"]).exits(0).json();
    assert_eq!(
        (&info["head"], &info["restoredAt"]),
        (&saved["head"], &serde_json::Value::Null)
    );
    let restored = place
        .run(&["db", "restore", "b.db", "--force", "--json"])
        .exits(0)
        .json();
    assert_eq!(restored["from"]["storeId"], saved["storeId"]);
    assert!(restored["incarnation"].as_u64().unwrap() > 1 << 20);
    assert_eq!(restored["replaced"].as_array().unwrap().len(), 1);
}

#[test]
fn what_stands_against_it_has_its_own_exit_code() {
    let place = Place::bare();
    place.run(&["db", "backup", "b.db"]).exits(6);
    place.run(&["db", "restore", "b.db"]).exits(3);
    place.run(&["db", "backup"]).exits(2);
    place.run(&["cancel", "322-A"]).exits(0);
    place.write("letter", "dear");
    place.run(&["db", "backup", "letter"]).exits(4);
    place.run(&["db", "backup", "countermand.db"]).exits(4);
    place.run(&["db", "backup", "no/such/place.db"]).exits(1);
    place.run(&["db", "backup", "b.db"]).exits(0);
    let error = place.run(&["db", "restore", "countermand.db", "--force", "--json"]);
    assert_eq!(error.exits(4).error()["kind"], "refused");
    place
        .run(&["db", "restore", "nothing.db", "--force"])
        .exits(3);
    let sound = std::fs::read(place.path().join("b.db")).unwrap();
    std::fs::write(place.path().join("half.db"), &sound[..sound.len() / 2]).unwrap();
    std::fs::write(place.path().join("empty.db"), "").unwrap();
    let before = contents(place.path());
    for (name, why) in [
        ("half.db", "damaged"),
        ("letter", "no SQLite database"),
        ("empty.db", "there is no store in it"),
    ] {
        let refused = place.run(&["db", "restore", name, "--force"]).exits(6);
        assert!(
            refused.err.contains(name) && refused.err.contains(why),
            "{}",
            refused.err
        );
    }
    assert!(contents(place.path()) == before);
}

#[test]
fn a_running_daemon_is_backed_up_and_not_replaced() {
    let mut place = Place::with_world();
    place.serve();
    place.run(&["cancel", "322-A"]).exits(0);
    place.run(&["db", "backup", "live.db"]).exits(0);
    let refused = place.run(&["db", "restore", "live.db", "--force"]).exits(6);
    assert!(refused.err.contains("in use by process"), "{}", refused.err);
    assert_eq!(place.daemon().ends_with("-TERM"), 0);
    place.run(&["db", "restore", "live.db", "--force"]).exits(0);
    // The next one makes up for it: a short visibility lag, and one request's time.
    place.serve();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let info = place.run(&["db", "info", "--json"]).exits(0).json();
        if info["restoredAt"].is_null() {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{info}\n{}",
            place.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let log = place.log();
    assert!(log.contains("restored from a backup"), "{log}");
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}

/// A file-size limit does what a full disk does.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    place.run(&["db", "backup", "b.db"]).exits(0);
    let before = names(&place);
    let is_large = place.path().join("b.db").metadata().unwrap().len() > 80 * 1024;
    assert!(is_large, "the limit is meant to stand in the way");
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_countermand");
        let mut shell = Command::new("sh");
        shell
            .current_dir(place.path())
            .args(["-c", &format!("ulimit -f 80; exec {program} {arguments}")]);
        run(&mut shell).exits(1)
    };
    let told = limited("db backup c.db");
    assert!(told.err.contains("failed to write"), "{}", told.err);
    assert_eq!(names(&place), before);
    let told = limited("db restore b.db --force");
    assert!(told.err.contains("failed to write"), "{}", told.err);
    assert_eq!(names(&place), before);
    place.run(&["show", "322-A"]).exits(0);
}
