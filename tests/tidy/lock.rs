//! The dependency tree: what a crate reaches, and what `Cargo.lock` holds once or never.

use std::collections::BTreeSet;

use crate::Findings;

/// What `countermand-core` must not reach, by any path.
pub(crate) const NOT_IN_CORE: &[&str] = &[
    "async-std",
    "axum",
    "futures",
    "governor",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tracing",
];

/// Two versions of these are two runtimes, two TLS stacks, two SQLite libraries.
pub(crate) const ONE_VERSION: &[&str] = &[
    "axum",
    "h2",
    "http",
    "hyper",
    "libsqlite3-sys",
    "reqwest",
    "ring",
    "rustls",
    "serde",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tower",
    "tracing",
];

/// Never: another TLS, another crypto provider.
pub(crate) const ABSENT: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
];

/// Name and version of each package in the lock file.
fn packages(lock: &toml::Table) -> Vec<(&str, &str)> {
    let all = lock.get("package").and_then(toml::Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(|package| {
            Some((
                package.get("name")?.as_str()?,
                package.get("version")?.as_str()?,
            ))
        })
        .collect()
}

/// Which of `forbidden` stand in a tree as `cargo tree --prefix depth` prints it, and by which path.
pub(crate) fn reached(tree: &str, forbidden: &[&str]) -> Findings {
    let mut path: Vec<&str> = Vec::new();
    let mut findings = Vec::new();
    for line in tree.lines() {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (depth, package) = line.split_at(digits);
        let (Ok(depth), Some(name)) = (depth.parse::<usize>(), package.split(' ').next()) else {
            findings.push(format!("not a line of a tree: {line}"));
            continue;
        };
        path.truncate(depth);
        path.push(name);
        if forbidden.contains(&name) {
            findings.push(path.join(" -> "));
        }
    }
    if path.is_empty() {
        findings.push("the tree is empty".to_owned());
    }
    findings
}

/// Which of these have more than one version.
pub(crate) fn doubled(lock: &toml::Table, once: &[&str]) -> Findings {
    let packages = packages(lock);
    once.iter()
        .filter_map(|name| {
            let versions: BTreeSet<&str> = packages
                .iter()
                .filter(|(package, _)| package == name)
                .map(|(_, version)| *version)
                .collect();
            (versions.len() > 1)
                .then(|| format!("{name} has versions {versions:?}; one is allowed"))
        })
        .collect()
}

/// Which of these are there at all.
pub(crate) fn present(lock: &toml::Table, absent: &[&str]) -> Findings {
    packages(lock)
        .iter()
        .filter(|(name, _)| absent.contains(name))
        .map(|(name, version)| format!("{name} {version} must not be in the tree"))
        .collect()
}

#[cfg(test)]
const PLANTED: &str = r#"
[[package]]
name = "deep"
version = "1.0.0"
[[package]]
name = "deep"
version = "2.0.0"
[[package]]
name = "tokio"
version = "1.0.0"
[[package]]
name = "rand"
version = "1.0.0"
"#;

#[test]
fn finds_what_is_reached_through_others() {
    let tree =
        "0pure v0.1.0 (/a/b)\n1deep v1.0.0\n2tokio v1.53.0 (*)\n1other v1.0.0\n2rand v0.9.0\n";
    assert_eq!(
        reached(tree, &["tokio", "rand"]),
        ["pure -> deep -> tokio", "pure -> other -> rand"]
    );
    assert_eq!(reached(tree, &["sqlx"]), Findings::new());
    assert_eq!(reached("", &["sqlx"]).len(), 1, "no tree proves nothing");
}

#[test]
fn finds_doubles_and_intruders() {
    let lock = toml::from_str(PLANTED).unwrap();
    assert_eq!(doubled(&lock, &["deep", "tokio"]).len(), 1);
    assert_eq!(present(&lock, &["rand", "openssl"]).len(), 1);
}
