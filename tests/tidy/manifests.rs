//! Manifests: which way the arrows between our crates point, and what the workspace settles.

use crate::Findings;
use crate::tree::Member;

/// Whom each of our crates may depend on, directly.
const ARROWS: &[(&str, &[&str])] = &[
    ("countermand-core", &[]),
    ("countermand-store", &["countermand-core"]),
    (
        "countermand-runner",
        &["countermand-core", "countermand-store"],
    ),
    ("countermand-buy-with-prime", &["countermand-core"]),
    (
        "countermand",
        &[
            "countermand-buy-with-prime",
            "countermand-core",
            "countermand-runner",
            "countermand-store",
        ],
    ),
    // An oracle that shares code with what it judges shares its mistakes.
    ("countermand-simulator", &[]),
    // Hosts like any other.
    ("countermand-server", &["countermand"]),
    (
        "countermand-cli",
        &["countermand", "countermand-server", "countermand-simulator"],
    ),
];

/// Nothing depends on these; they may depend on everything.
const LEAVES: &[&str] = &["countermand-examples", "countermand-tests"];

/// Dependencies between our crates that point the wrong way.
pub(crate) fn wrong_arrows(members: &[Member]) -> Findings {
    let mut findings = Vec::new();
    for member in members {
        let allowed = ARROWS.iter().find(|(name, _)| *name == member.name);
        if allowed.is_none() && !LEAVES.contains(&member.name.as_str()) {
            findings.push(format!(
                "{}: has no place among the arrows of tests/tidy/manifests.rs",
                member.name
            ));
        }
        let Some((_, allowed)) = allowed else {
            continue;
        };
        for dependency in member.dependencies(&["dependencies", "build-dependencies"]) {
            if dependency.starts_with("countermand") && !allowed.contains(&dependency) {
                findings.push(format!("{} must not depend on {dependency}", member.name));
            }
        }
    }
    findings
}

/// Members that settle for themselves what the workspace settles.
pub(crate) fn own_ways(members: &[Member]) -> Findings {
    let mut findings = Vec::new();
    for member in members {
        let mut found = |what: &str| findings.push(format!("{}/Cargo.toml: {what}", member.folder));
        let package = member.manifest.get("package");
        for key in [
            "version",
            "edition",
            "rust-version",
            "license",
            "repository",
            "publish",
        ] {
            if !inherits(package.and_then(|package| package.get(key))) {
                found(&format!("write `{key}.workspace = true`"));
            }
        }
        let description = package.and_then(|package| package.get("description"));
        if description
            .and_then(toml::Value::as_str)
            .is_none_or(|text| text.trim().is_empty())
        {
            found("write a `description`");
        }
        if !inherits(member.manifest.get("lints")) {
            found("write `[lints] workspace = true`");
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = member.manifest.get(table).and_then(toml::Value::as_table);
            for (name, value) in dependencies.into_iter().flatten() {
                if !inherits(Some(value)) {
                    found(&format!(
                        "write `{name}.workspace = true`: versions live in the root"
                    ));
                }
            }
        }
        for table in unsorted(&member.text) {
            found(&format!("sort `{table}`"));
        }
        if member.manifest.contains_key("target") {
            found("tables per target are not checked here: do without");
        }
    }
    findings
}

/// Tables of dependencies whose lines are not in order.
fn unsorted(text: &str) -> Vec<&str> {
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            tables.push((line, Vec::new()));
        } else if let (Some((name, _)), Some((_, names))) =
            (line.split_once(['.', ' ', '=']), tables.last_mut())
        {
            names.push(name);
        }
    }
    tables
        .into_iter()
        .filter(|(table, names)| table.ends_with("dependencies]") && !names.is_sorted())
        .map(|(table, _)| table)
        .collect()
}

fn inherits(value: Option<&toml::Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(toml::Value::as_bool)
        .unwrap_or(false)
}

#[test]
fn finds_a_wrong_arrow() {
    let member = |text: &str| Member::parse("crates/x", text).unwrap();
    let found = wrong_arrows(&[
        member(
            "[package]\nname = \"countermand-store\"\n[dependencies]\ncountermand-core.workspace = true\n",
        ),
        member(
            "[package]\nname = \"countermand-core\"\n[dependencies]\ncountermand-store.workspace = true\n",
        ),
        member(
            "[package]\nname = \"countermand-core\"\n[dev-dependencies]\ncountermand-store.workspace = true\n",
        ),
        member(
            "[package]\nname = \"countermand-tests\"\n[dependencies]\ncountermand.workspace = true\n",
        ),
        member("[package]\nname = \"countermand-new\"\n"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        "countermand-core must not depend on countermand-store"
    );
    assert!(found[1].starts_with("countermand-new"));
}

#[test]
fn finds_own_ways() {
    let good = "[package]\nname = \"a\"\ndescription = \"d\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\nrepository.workspace = true\n\
        publish.workspace = true\n[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";
    let findings = |text: &str| own_ways(&[Member::parse("a", text).unwrap()]);
    assert_eq!(findings(good), Findings::new());
    for (from, to) in [
        ("version.workspace = true", "version = \"1\""),
        ("\"d\"", "\"\""),
        ("[lints]\nworkspace = true\n", ""),
        ("serde.workspace = true", "serde = \"1\""),
        ("serde.workspace = true", "serde.path = \"../serde\""),
        (
            "serde.workspace = true",
            "serde.workspace = true\nanyhow.workspace = true",
        ),
    ] {
        assert!(
            !findings(&good.replacen(from, to, 1)).is_empty(),
            "{to} was not found"
        );
    }
}
