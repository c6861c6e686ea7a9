//! Where the program runs: pipes and disks, signals, directories, an endless input.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, Ran, countermand, run};

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Whoever prints says so when it could not be written, and never ends with 0.
#[test]
fn a_full_disk_is_an_error_for_every_command() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full here");
        return;
    };
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["show", "322-A"],
        &["show", "322-A", "--history", "--json"],
        &["stats"],
        &["verify"],
        &["diagram"],
        &["db", "info"],
        &["config", "show"],
        &["config", "check"],
        &["completions", "bash"],
        &["observe", "322-A"],
        &["cancel", "322-B"],
        &["man", "pages"],
    ] {
        let mut command = place.command(arguments);
        let ran = run(command.stdout(full.try_clone().unwrap())).exits(1);
        assert!(
            ran.err.contains("cannot write to standard output"),
            "{arguments:?}: {}",
            ran.err
        );
    }
    // What was asked for is stored all the same.
    place.run(&["show", "322-B"]).exits(0);
}

#[test]
fn a_closed_pipe_ends_every_listing_quietly() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    for arguments in [
        &["list", "--all"][..],
        &["list", "--all", "--json"],
        &["show", "322-A", "--history"],
        &["stats"],
        &["completions", "zsh"],
        &["config", "show"],
        &["observe", "322-A"],
    ] {
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap()).exits(0);
        assert_eq!(ran.err, "", "{arguments:?}");
    }
}

/// Of an input without end, no more is read than is allowed.
#[cfg(target_os = "linux")]
#[test]
fn an_endless_input_is_refused() {
    let place = Place::bare();
    place.run(&["db", "migrate"]).exits(0);
    for arguments in [
        &["cancel", "--file", "-"][..],
        &["observe", "--file", "-"],
        &["event", "-"],
        &["--config", "/dev/stdin", "list"],
    ] {
        let zero = File::open("/dev/zero").unwrap();
        let ran = run(place.command(arguments).stdin(zero));
        assert!(
            matches!(ran.code, 2 | 7) && ran.err.contains("is larger than"),
            "{arguments:?}: {} {}",
            ran.code,
            ran.err
        );
    }
}

/// Ctrl-C while the daemon does not answer: it is said what is known of the outcome.
#[test]
fn an_interrupted_request_says_what_is_known() {
    let mut place = Place::with_world();
    place.serve();
    let daemon = place.daemon();
    signal("-STOP", daemon.0.id());
    let file = place.write("one", "322-C\n");
    for (arguments, says) in [
        (&["cancel", "322-A"][..], "the same command again is safe"),
        (&["observe", "322-B"], "the same command again is safe"),
        (
            &["observe", "--file", file.to_str().unwrap()],
            "line 1: interrupted",
        ),
        (&["note", "abc", "x"], "`countermand show abc` tells"),
    ] {
        let child = place
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The signal is ours as soon as it is caught; before, there is nothing to be said.
        let status = format!("/proc/{}/status", child.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while !catches_interrupts(&status) {
            assert!(Instant::now() < deadline, "{arguments:?}");
            std::thread::yield_now();
        }
        signal("-INT", child.id());
        let ran = Ran::of(&child.wait_with_output().unwrap()).exits(1);
        assert!(
            ran.err.contains("interrupted: ")
                && (ran.err.contains(says) || ran.err.contains("nothing was")),
            "{arguments:?}: {}",
            ran.err
        );
    }
    signal("-CONT", daemon.0.id());
    // The same again is safe.
    place.run(&["observe", "322-B"]).exits(0);
    assert_eq!(daemon.ends_with("-TERM"), 0);
}

/// Does the process handle SIGINT?
fn catches_interrupts(status: &str) -> bool {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 0b10 != 0)
}

/// A working directory that is gone, no home, a time zone that is none.
#[test]
fn a_lost_directory_does_no_harm() {
    let place = Place::bare();
    let config = place.path().join("countermand.toml");
    let config = config.to_str().unwrap();
    place.run(&["db", "migrate"]).exits(0);
    for (arguments, code) in [
        (&["--config", config, "list"][..], 0),
        (&["--config", config, "cancel", "322-A"], 0),
        (&["--config", config, "observe", "322-B"], 0),
        (&["--config", config, "config", "check"], 0),
        (&["config", "example"], 0),
        (&["completions", "bash"], 0),
        (&["diagram"], 0),
        (&["list"], 7),
        (&["man", "pages"], 1),
    ] {
        // A shell takes the directory away under its own feet.
        let mut shell = Command::new("sh");
        let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        shell.args(["-c", script, "sh"]);
        shell.arg(countermand().get_program()).args(arguments);
        let ran = run(shell
            .current_dir(place.path())
            .env_remove("HOME")
            .env("TZ", "garbage/\u{1}")
            .env("LC_ALL", "C")
            .env_remove("COUNTERMAND_CONFIG")
            .stdin(Stdio::null()));
        assert!(!ran.err.contains("panicked"), "{arguments:?}: {}", ran.err);
        ran.exits(code);
    }
}

#[cfg(unix)]
#[test]
fn no_command_panics_on_arguments_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::bare();
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for arguments in [
        &["cancel"][..],
        &["cancel", "322-A", "--reason"],
        &["observe"],
        &["observe", "322-A", "--target"],
        &["list", "--order"],
        &["note", "x"],
        &["resolve", "x", "--fact", "cancelled", "--note"],
        &["event"],
        &["cancel", "--file"],
        &["completions"],
        &["diagram", "--of"],
        &["db"],
    ] {
        let output = place.command(arguments).arg(bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
}
