//! Arguments, exit codes, and where output goes.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::common::{Place, Ran, countermand, golden, run};

#[test]
fn help_needs_no_configuration_and_is_no_error() {
    for arguments in [
        &["--help"][..],
        &["help"],
        &["cancel", "--help"],
        &["config", "--help"],
        &["db", "info", "--help"],
        &["--version"],
    ] {
        let ran = run(countermand().args(arguments)).exits(0);
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{arguments:?}");
    }
    golden("help.txt", &run(countermand().arg("--help")).out);
    golden(
        "help-cancel.txt",
        &run(countermand().args(["cancel", "--help"])).out,
    );
}

#[test]
fn wrong_arguments_are_told_with_exit_code_2() {
    for arguments in [
        &[][..],
        &["cancle", "322-A"],
        &["--no-such-flag"],
        &["list", "--limit", "abc"],
        &["list", "--limit", "-1"],
        &["list", "--limit", "0"],
        &["list", "--all", "--limit", "5"],
        &["list", "--state", "done"],
        &["list", "--status", "busy"],
        &["list", "--older-than", "yesterday"],
        &["cancel"],
        &["cancel", ""],
        &["cancel", "322 A"],
        &["cancel", "322\nA"],
        &["cancel", "322\u{1b}[31m"],
        &["cancel", "322-A", "--reason", "FRAUD"],
        &["cancel", "322-A", "--wait=soon"],
        &["cancel", "322-A", "--file", "x"],
        &["show"],
        &["show", "a/b"],
        &["retry", "a b"],
        &["retry", "a", "--actor", ""],
        &["note", "a", " "],
        &["withdraw", "a", "--note", ""],
        &["resolve", "a", "--fact", "cancelled", "--note", ""],
        &["resolve", "a", "--fact", "cancelled"],
        &["resolve", "a", "--fact", "hearsay", "--note", "x"],
        &["resolve", "a", "--fact", "refund_paid", "--note", "x"],
        &[
            "resolve",
            "a",
            "--fact",
            "cancelled",
            "--note",
            "x",
            "--refund",
            "r",
        ],
        &[
            "resolve",
            "a",
            "--fact",
            "refund_paid",
            "--note",
            "x",
            "--refund",
            "r",
            "--payment-id",
            "p",
            "--amount",
            "5,00",
        ],
        &["diagram", "--format", "png"],
        &["demo", "--orders", "0"],
        &["demo", "--chaos", "some"],
        &["simulate", "--listen", "here"],
        &["config"],
        &["db", "drop"],
    ] {
        let ran = run(countermand().args(arguments)).exits(2);
        assert!(ran.out.is_empty(), "{arguments:?}: {}", ran.out);
        assert!(!ran.err.contains('\u{1b}'), "{arguments:?}: {}", ran.err);
    }
    // What was typed is shown in one line, whatever it holds.
    let ran = run(countermand().args(["cancel", "322\nforged: all is well"])).exits(2);
    assert!(!ran.err.contains("\nforged"), "{}", ran.err);
    let ran = run(countermand().arg("cancle")).exits(2);
    assert!(ran.err.contains("cancel"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    run(countermand().arg("show").arg(bad)).exits(2);
    run(countermand().arg(bad)).exits(2);
    run(countermand().arg("--config").arg(bad).arg("list")).exits(7);
}

#[test]
fn errors_are_objects_where_json_is_asked_for() {
    let place = Place::bare();
    for (arguments, code, kind) in [
        (&["--json", "list", "--limit", "x"][..], 2, "usage"),
        (&["--json", "show", "nothing"], 6, "store"),
        (&["list", "--json", "--config", "missing.toml"], 7, "config"),
        (
            &["--json", "cancel", "322-A", "--reason", "OTHER"],
            2,
            "usage",
        ),
    ] {
        let ran = place.run(arguments).exits(code);
        assert!(ran.out.is_empty());
        let error = ran.error();
        assert_eq!(
            (error["code"].as_i64(), error["kind"].as_str()),
            (Some(i64::from(code)), Some(kind)),
            "{arguments:?}"
        );
    }
    // A store, but nothing in it.
    place.run(&["db", "migrate"]).exits(0);
    let error = place.run(&["--json", "show", "nothing"]).exits(3).error();
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = countermand()
        .args(["config", "example"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().unwrap()).exits(0);
    assert_eq!(ran.err, "");
}

#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full here");
        return;
    };
    for arguments in [&["config", "example"][..], &["--help"], &["--version"]] {
        let full = full.try_clone().unwrap();
        let ran = run(countermand().args(arguments).stdout(full)).exits(1);
        assert!(
            ran.err.contains("cannot write to standard output"),
            "{arguments:?}: {}",
            ran.err
        );
    }
}

#[test]
fn strange_surroundings_do_no_harm() {
    let ran = run(countermand()
        .args(["config", "example"])
        .env_remove("HOME")
        .env("TZ", "garbage")
        .env("LANG", "C")
        .env("NO_COLOR", "1"))
    .exits(0);
    assert!(!ran.out.contains('\u{1b}'));
}
