//! `config check`, `config show`, `config example`, and exit code 7 everywhere else.

use crate::common::{Place, countermand, golden, run};

#[test]
fn the_example_works_as_printed() {
    let place = Place::bare();
    let example = run(countermand().args(["config", "example"])).exits(0).out;
    place.write("countermand.toml", &example);
    let checked = place.run(&["config", "check"]).exits(0);
    assert_eq!(
        (checked.out.as_str(), checked.err.as_str()),
        ("countermand.toml: no errors\n", "")
    );
    assert_eq!(
        place.run(&["config", "check", "--json"]).exits(0).json()["ok"],
        true
    );
    golden(
        "config-show.txt",
        &place.run(&["config", "show"]).exits(0).out,
    );
}

#[test]
fn every_error_is_told_with_its_place() {
    let place = Place::bare();
    place.write(
        "bad.toml",
        "[store]\nurl = \"c.db\"\n\n[log]\nfilter = \"loud\"\nfiler = 1\n",
    );
    let ran = place
        .run(&["--config", "bad.toml", "config", "check"])
        .exits(7);
    golden("config-errors.txt", &ran.err);
    for command in [
        &["list"][..],
        &["serve"],
        &["cancel", "322-A"],
        &["verify"],
        &["db", "info"],
        &["config", "show"],
    ] {
        let mut arguments = vec!["--config", "bad.toml", "--json"];
        arguments.extend(command);
        let error = place.run(&arguments).exits(7).error();
        assert_eq!(
            error["problems"].as_array().unwrap().len(),
            11,
            "{command:?}"
        );
        let problem = &error["problems"][0];
        assert!(problem["message"].is_string(), "{problem}");
    }
    let error = place
        .run(&["--config", "bad.toml", "--json", "list"])
        .error();
    let filter = error["problems"]
        .as_array()
        .unwrap()
        .iter()
        .find(|problem| problem["key"] == "log.filter")
        .unwrap();
    assert_eq!(
        (filter["file"].as_str(), filter["line"].as_i64()),
        (Some("bad.toml"), Some(5))
    );
}

#[test]
fn the_configuration_is_found() {
    let place = Place::bare();
    let moved = place.path().join("elsewhere.toml");
    std::fs::rename(place.path().join("countermand.toml"), &moved).unwrap();
    let ran = place.run(&["config", "check"]).exits(7);
    assert!(ran.err.contains("config example"), "{}", ran.err);
    place
        .run(&["config", "check", "--config", "elsewhere.toml"])
        .exits(0);
    run(place
        .command(&["config", "check"])
        .env("COUNTERMAND_CONFIG", &moved))
    .exits(0);
    // The command line wins over the environment, which wins over the usual place.
    run(place
        .command(&["config", "check", "--config", "no.toml"])
        .env("COUNTERMAND_CONFIG", &moved))
    .exits(7);
    run(place
        .command(&["config", "check", "--config", "."])
        .env("COUNTERMAND_CONFIG", &moved))
    .exits(7);
}

#[test]
fn variables_win_and_unknown_ones_are_refused() {
    let place = Place::bare();
    let shown = run(place
        .command(&["config", "show", "--json"])
        .env("COUNTERMAND_RUNNER__CONCURRENCY", "7"))
    .exits(0)
    .json();
    assert_eq!(shown["runner"]["concurrency"], 7);
    let ran = run(place
        .command(&["list"])
        .env("COUNTERMAND_RUNNER__CONCURENCY", "7"))
    .exits(7);
    assert!(
        ran.err.contains("COUNTERMAND_RUNNER__CONCURENCY") && ran.err.contains("did you mean"),
        "{}",
        ran.err
    );
    run(place
        .command(&["config", "check"])
        .env("COUNTERMAND_ANYTHING", "7"))
    .exits(0);
}

#[test]
fn secrets_stay_hidden() {
    let place = Place::bare();
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    place.write(
        "countermand.toml",
        &config
            .replace("simulated-secret", "canary-1")
            .replace("operate-operate", "canary-2canary"),
    );
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
        &["list"],
    ] {
        let ran = place.run(arguments);
        assert!(
            !ran.out.contains("canary") && !ran.err.contains("canary"),
            "{arguments:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::bare();
    let file = place.path().join("countermand.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = place.run(&["config", "check"]).exits(0);
    assert!(ran.err.contains("chmod 600"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
    let place = Place::bare();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path().join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let ran = place.run(&["--config", "pipe", "config", "check"]).exits(7);
    assert!(
        ran.err.contains("pipe: is a pipe") && ran.err.contains("name a regular file"),
        "{}",
        ran.err
    );
    run(place.command(&["list"]).env("COUNTERMAND_CONFIG", "pipe")).exits(7);
    let ran = place.run(&["--config", "/dev/zero", "list"]).exits(7);
    assert!(ran.err.contains("a device"), "{}", ran.err);
    // A secret's file, too.
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    let config = config.replace(
        "client_secret = \"simulated-secret\"",
        "client_secret_file = \"pipe\"",
    );
    assert!(config.contains("client_secret_file = \"pipe\""));
    place.write("countermand.toml", &config);
    let ran = place.run(&["config", "check"]).exits(7);
    assert!(ran.err.contains("client_secret_file"), "{}", ran.err);
}

/// What the shell has opened is as whoever typed it wanted it.
#[cfg(unix)]
#[test]
fn a_pipe_of_the_shells_is_read() {
    let place = Place::bare();
    let program = countermand();
    let program = program.get_program().to_str().unwrap();
    for script in [
        "cat countermand.toml | \"$0\" --config /dev/stdin config check",
        "\"$0\" --config /dev/stdin config check < countermand.toml",
        "\"$0\" --config /dev/fd/5 config check 5< countermand.toml",
    ] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script, program]);
        let ran = run(shell.current_dir(place.path())).exits(0);
        assert!(ran.out.contains("no errors"), "{}", ran.out);
    }
}
