//! Migrations: numbered without gaps, and never edited once a release has shipped them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::Findings;
use crate::tree::{File, has_extension};

/// Released migrations whose text is not what it was, or which are gone.
pub(crate) fn edited(files: &[File], released: &[(&str, &str)]) -> Findings {
    released
        .iter()
        .filter_map(|(path, hash)| {
            let Some(file) = files.iter().find(|file| file.path == *path) else {
                return Some(format!("{path}: was released and is gone"));
            };
            (hex(&file.text) != *hash)
                .then(|| format!("{path}: was released and is never edited; write a new migration"))
        })
        .collect()
}

/// Migrations whose names are not `NNNN_what.sql`, counted from 1 without gaps.
pub(crate) fn misnamed(files: &[File]) -> Findings {
    let mut numbers: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in files {
        let Some((folder, name)) = file
            .path
            .strip_prefix("migrations/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let number = name
            .split_once('_')
            .filter(|(digits, rest)| digits.len() == 4 && has_extension(rest, &["sql"]))
            .and_then(|(digits, _)| digits.parse().ok());
        match number {
            Some(number) => numbers.entry(folder).or_default().push(number),
            None => findings.push(format!("{}: name it NNNN_what_it_does.sql", file.path)),
        }
    }
    for (folder, mut numbers) in numbers {
        numbers.sort_unstable();
        if !numbers.iter().copied().eq((1..).take(numbers.len())) {
            findings.push(format!(
                "migrations/{folder}: numbers {numbers:?} are not 1, 2, 3, ..."
            ));
        }
    }
    findings
}

/// A changelog that tells of a release, while no migration counts as released.
pub(crate) fn unlisted(changelog: &str, released: &[(&str, &str)]) -> Findings {
    let has_release = changelog
        .lines()
        .any(|line| line.starts_with("## [") && !line.starts_with("## [Unreleased]"));
    if has_release && released.is_empty() {
        return vec!["list the migrations of the release in tests/tidy/exceptions.rs".to_owned()];
    }
    Findings::new()
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[test]
fn finds_an_edited_migration() {
    let released = [
        (
            "migrations/sqlite/0001_a.sql",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "migrations/sqlite/0002_b.sql",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "migrations/sqlite/0003_c.sql",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ];
    let files = [
        File::new("migrations/sqlite/0001_a.sql", "abc"),
        File::new("migrations/sqlite/0002_b.sql", "abd"),
    ];
    let found = edited(&files, &released);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("0002") && found[1].contains("gone"));
}

#[test]
fn finds_misnamed_migrations_and_gaps() {
    let files =
        |names: &[&str]| -> Vec<File> { names.iter().map(|name| File::new(name, "")).collect() };
    assert_eq!(
        misnamed(&files(&[
            "migrations/sqlite/0001_a.sql",
            "migrations/sqlite/0002_b.sql"
        ])),
        Findings::new()
    );
    assert_eq!(
        misnamed(&files(&[
            "migrations/sqlite/0001_a.sql",
            "migrations/sqlite/0003_b.sql"
        ]))
        .len(),
        1
    );
    assert_eq!(misnamed(&files(&["migrations/sqlite/first.sql"])).len(), 1);
}

#[test]
fn finds_a_release_without_its_migrations() {
    let changelog = "# Changelog\n## [Unreleased]\n## [0.1.0] - 2026-12-01\n";
    assert_eq!(unlisted(changelog, &[]).len(), 1);
    assert_eq!(
        unlisted("# Changelog\n## [Unreleased]\n", &[]),
        Findings::new()
    );
}
