//! The demonstration, and that it finds what it must.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Background, countermand, run};

#[test]
fn the_demonstration_proves_itself_and_leaves_its_store() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("demo");
    let ran = run(countermand()
        .args(["demo", "--orders", "15", "--seed", "7", "--json", "--dir"])
        .arg(&place))
    .exits(0);
    let shown = ran.json();
    assert_eq!(shown["ok"], true);
    assert_eq!(
        (shown["orders"].as_i64(), shown["asked"].as_i64()),
        (Some(15), Some(14))
    );
    let open: i64 = shown["kills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kill| kill["openMutations"].as_i64().unwrap())
        .sum();
    assert!(open > 0, "{shown}");
    assert!(
        shown["proof"]["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["ok"] == true),
        "{shown}"
    );
    // What it left can be looked at with its own configuration; and is not overwritten.
    let config = place.join("countermand.toml");
    let listed = run(countermand()
        .arg("--config")
        .arg(&config)
        .args(["list", "--all", "--json"]))
    .exits(0);
    assert_eq!(listed.out.lines().count(), 15);
    run(countermand().arg("--config").arg(&config).arg("verify")).exits(0);
    run(countermand()
        .args(["demo", "--orders", "1", "--dir"])
        .arg(&place))
    .exits(4);
}

#[test]
fn lost_and_doubled_messages_do_no_harm() {
    let ran = run(countermand().args([
        "demo", "--orders", "25", "--seed", "3", "--chaos", "light", "--json",
    ]))
    .exits(0);
    let shown = ran.json();
    assert_eq!(shown["ok"], true, "{shown}");
}

#[track_caller]
fn finds(plant: &str, finding: &str) {
    let directory = tempfile::tempdir().unwrap();
    let ran = run(countermand()
        .env("COUNTERMAND_DEMO_PLANT", plant)
        .args(["demo", "--orders", "6", "--seed", "3", "--dir"])
        .arg(directory.path().join("demo")))
    .exits(1);
    assert!(
        ran.out.contains(finding) && ran.out.contains("FAILED"),
        "{plant}:\n{}",
        ran.out
    );
}

#[test]
fn a_second_payout_is_found() {
    finds("double_payout", "doubled: ");
}

#[test]
fn a_forgotten_order_is_found() {
    finds("lost_order", "lost: ");
}

#[test]
fn a_forged_message_is_found() {
    finds("forged_message", "wrong: ");
}

#[test]
fn a_cancellation_that_never_ends_is_found() {
    finds("stuck", "stuck: ");
}

/// A demonstration whose daemon has just begun, with the daemon's address.
fn begun(temporary: &std::path::Path) -> (Background, SocketAddr) {
    let mut child = countermand()
        .env("TMPDIR", temporary)
        .args(["demo", "--orders", "100"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let child = Background(child);
    for line in said.lines() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("the daemon listens on ") {
            let (address, _) = rest.split_once(' ').unwrap();
            return (child, address.parse().unwrap());
        }
    }
    panic!("no daemon was started");
}

#[track_caller]
fn ends(daemon: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(daemon).is_ok() {
        assert!(Instant::now() < deadline, "the daemon at {daemon} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_interrupted_demonstration_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let temporary = tempfile::tempdir().unwrap();
        let (demonstration, daemon) = begun(temporary.path());
        assert_eq!(demonstration.ends_with(signal), 1);
        assert!(TcpStream::connect(daemon).is_err(), "{signal}");
        let left = std::fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(left, 0, "{signal}");
    }
}

#[test]
fn a_killed_demonstration_leaves_no_daemon_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let (demonstration, daemon) = begun(temporary.path());
    assert_eq!(demonstration.ends_with("-KILL"), -1);
    ends(daemon);
}
