//! Every declared dependency is used, and every dependency has its reason on a page.

use crate::Findings;
use crate::source::{Source, occurrences};
use crate::tree::{File, Member, is_for_tests};

/// Dependencies whose name stands in no source of their package.
pub(crate) fn unused(
    members: &[Member],
    files: &[File],
    allowed: &[(&str, &str, &str)],
) -> Findings {
    let mut findings = Vec::new();
    for member in members {
        let root = format!("{}/", member.folder);
        let (mut product, mut everything) = (String::new(), String::new());
        for file in files.iter().filter(|file| file.is_rust()) {
            let Some(inside) = file.path.strip_prefix(&root) else {
                continue;
            };
            everything.push_str(&Source::parse(&file.text).code_and_literals());
            if !is_for_tests(inside) {
                product.push_str(
                    &Source::parse(&file.text)
                        .without_tests()
                        .code_and_literals(),
                );
            }
        }
        for (table, sources) in [
            ("dependencies", &product),
            ("build-dependencies", &product),
            ("dev-dependencies", &everything),
        ] {
            for name in member.dependencies(&[table]) {
                let is_allowed = allowed
                    .iter()
                    .any(|(package, dependency, _)| *package == member.name && *dependency == name);
                if !is_allowed && !names(sources, name) {
                    let hint = if names(&everything, name) {
                        "only tests use it: move it to `[dev-dependencies]`"
                    } else {
                        "nothing uses it: remove it"
                    };
                    findings.push(format!(
                        "{}/Cargo.toml: `{name}` in `[{table}]`: {hint}",
                        member.folder
                    ));
                }
            }
        }
    }
    findings
}

fn names(sources: &str, dependency: &str) -> bool {
    !occurrences(sources, &dependency.replace('-', "_")).is_empty()
}

/// Entries of the workspace table that no member uses.
pub(crate) fn unused_in_workspace(root: &toml::Table, members: &[Member]) -> Findings {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    foreign(root)
        .filter(|name| {
            members
                .iter()
                .all(|member| !member.dependencies(&tables).contains(name))
        })
        .map(|name| format!("Cargo.toml: no member uses `{name}`: remove it"))
        .collect()
}

/// Entries of the workspace table that the page of dependencies does not speak of.
pub(crate) fn unjustified(root: &toml::Table, page: &str) -> Findings {
    let missing = foreign(root)
        .filter(|name| !page.contains(&format!("| `{name}` |")))
        .map(|name| format!("docs/supply-chain.md: say in a line what `{name}` is for"));
    let listed = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| foreign(root).all(|known| known != *name))
        .map(|name| format!("docs/supply-chain.md: `{name}` is not in the workspace table"));
    missing.chain(listed).collect()
}

/// Names in the workspace table that are not ours.
fn foreign(root: &toml::Table) -> impl Iterator<Item = &str> {
    root.get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(name, _)| name.as_str())
}

#[test]
fn finds_unused_dependencies() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nidle = \"1\"\nlinked = \"1\"\nonly-tested = \"1\"\nused-in-code = \"1\"\nused-in-serde = \"1\"\n[dev-dependencies]\nforgotten = \"1\"\nneeded = \"1\"\n";
    let files = [
        File::new(
            "a/src/lib.rs",
            "// idle::x\nuse used_in_code::x;\n#[serde(with = \"used_in_serde\")]\nstruct S;\n#[cfg(test)]\nmod tests { use only_tested::x; }\n",
        ),
        File::new("a/tests/t.rs", "use needed::x;"),
        File::new("b/src/lib.rs", "use idle::x; use forgotten::y;"),
    ];
    let members = [Member::parse("a", manifest).unwrap()];
    let found = unused(&members, &files, &[("a", "linked", "only linked")]);
    assert_eq!(
        found,
        [
            "a/Cargo.toml: `idle` in `[dependencies]`: nothing uses it: remove it",
            "a/Cargo.toml: `only-tested` in `[dependencies]`: only tests use it: move it to `[dev-dependencies]`",
            "a/Cargo.toml: `forgotten` in `[dev-dependencies]`: nothing uses it: remove it",
        ]
    );
}

#[test]
fn finds_entries_of_the_table_without_use_or_reason() {
    let root: toml::Table = toml::from_str(
        "[workspace.dependencies]\nours = { path = \"ours\" }\nserde = \"1\"\nstray = \"1\"\n",
    )
    .unwrap();
    let members = [Member::parse(
        "a",
        "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n",
    )
    .unwrap()];
    assert_eq!(
        unused_in_workspace(&root, &members),
        ["Cargo.toml: no member uses `stray`: remove it"]
    );
    let found = unjustified(
        &root,
        "| `serde` | stored forms |\n| `gone` | was needed once |\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`stray`") && found[1].contains("`gone`"));
}
