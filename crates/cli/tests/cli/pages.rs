//! `completions` and `man`: made from the definitions of the command line, without a configuration.

use std::process::{Command, Stdio};

use crate::common::{Place, countermand, run};

#[test]
fn shells_are_told_what_they_can_complete() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(countermand().args(["completions", shell])).exits(0);
        assert!(
            ran.out.contains("observe") && ran.out.contains("external-id"),
            "{shell}"
        );
        assert_eq!(ran.err, "");
    }
    run(countermand().args(["completions", "tcsh"])).exits(2);
    run(countermand().arg("completions")).exits(2);
    let json = run(countermand().args(["completions", "fish", "--json"]))
        .exits(0)
        .json();
    assert_eq!(json["shell"], "fish");
}

#[test]
fn bash_understands_its_completions() {
    let place = Place::bare();
    let script = run(countermand().args(["completions", "bash"]))
        .exits(0)
        .out;
    let file = place.write("countermand.bash", &script);
    let Ok(status) = Command::new("bash")
        .arg("-n")
        .arg(&file)
        .stderr(Stdio::inherit())
        .status()
    else {
        eprintln!("skipped: there is no bash here");
        return;
    };
    assert!(status.success());
}

/// Every command, as `--help` names them.
fn commands() -> Vec<String> {
    let under = |arguments: &[&str]| -> Vec<String> {
        let help = run(countermand().args(arguments).arg("--help"))
            .exits(0)
            .out;
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        list.lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut all = Vec::new();
    for name in under(&[]) {
        for sub in under(&[&name]) {
            all.push(format!("{name}-{sub}"));
        }
        all.push(name);
    }
    all
}

#[test]
fn every_command_has_a_page() {
    let place = Place::bare();
    let ran = place.run(&["man", "share/man/man1", "--json"]).exits(0);
    let pages = ran.json()["pages"].as_array().unwrap().len();
    let directory = place.path().join("share/man/man1");
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    assert_eq!(pages, commands.len() + 1);
    let names = commands
        .iter()
        .map(|name| format!("countermand-{name}.1"))
        .chain(["countermand.1".to_owned()]);
    for name in names {
        let page = std::fs::read_to_string(directory.join(&name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            page.contains(".TH") && page.contains("EXIT STATUS") && page.contains("Exit codes"),
            "{name}: {page}"
        );
    }
    // Nothing else is left behind, and once more is no error.
    let before = std::fs::read_dir(&directory).unwrap().count();
    assert_eq!(before, pages);
    let ran = place.run(&["man", "share/man/man1"]).exits(0);
    assert_eq!(ran.out, format!("{pages} pages in share/man/man1\n"));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), pages);

    place.write("file", "");
    let ran = place.run(&["man", "file"]).exits(1);
    assert!(ran.err.contains("cannot write file"), "{}", ran.err);
}
