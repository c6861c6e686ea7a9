//! The tree as it is: which files there are, and what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::Findings;

/// What may stand at the top, and what for.
const TOP_LEVEL: &[(&str, &str)] = &[
    (".ci", "what a change must pass"),
    (".gitignore", "what is never committed"),
    ("ARCHITECTURE.md", "a map of the code"),
    ("CHANGELOG.md", "what changed for users"),
    ("CONTRIBUTING.md", "how to work on it"),
    ("Cargo.lock", "the versions that are built and tested"),
    ("Cargo.toml", "the workspace"),
    ("LICENSE-APACHE", "one licence"),
    ("LICENSE-MIT", "the other"),
    ("README.md", "what it is and how to start"),
    ("SECURITY.md", "how to report, and what is trusted"),
    ("clippy.toml", "rules as compiler messages"),
    ("crates", "the product"),
    ("deny.toml", "what may be in the dependency tree"),
    ("docs", "pages for users"),
    ("examples", "a package: how to embed"),
    ("migrations", "the stored form, step by step"),
    ("rustfmt.toml", "formatting"),
    ("tests", "a package: what spans crates"),
];

/// A text file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn is_rust(&self) -> bool {
        has_extension(&self.path, &["rs"])
    }
}

/// A member of the workspace.
pub(crate) struct Member {
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) manifest: toml::Table,
    /// The manifest as written: a table does not keep the order.
    pub(crate) text: String,
}

impl Member {
    pub(crate) fn parse(folder: &str, text: &str) -> Result<Self> {
        let manifest: toml::Table =
            toml::from_str(text).with_context(|| format!("{folder}/Cargo.toml"))?;
        let name = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str)
            .with_context(|| format!("{folder}/Cargo.toml has no package name"))?
            .to_owned();
        Ok(Self {
            folder: folder.to_owned(),
            name,
            manifest,
            text: text.to_owned(),
        })
    }

    /// The names under these tables (`dependencies`, `dev-dependencies`).
    pub(crate) fn dependencies(&self, tables: &[&str]) -> BTreeSet<&str> {
        tables
            .iter()
            .filter_map(|table| self.manifest.get(*table)?.as_table())
            .flat_map(toml::Table::keys)
            .map(String::as_str)
            .collect()
    }
}

/// The whole tree.
pub(crate) struct Tree {
    /// Every file, also those that are not text.
    pub(crate) paths: Vec<String>,
    /// Every text file.
    pub(crate) files: Vec<File>,
}

impl Tree {
    pub(crate) fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the package has no folder above it")?;
        let paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        let files = paths
            .iter()
            .filter_map(|path| {
                let text = std::fs::read_to_string(root.join(path)).ok()?;
                Some(File {
                    path: path.clone(),
                    text,
                })
            })
            .collect();
        Ok(Self { paths, files })
    }

    /// What a package is built with, itself first, as Cargo resolves it for this machine: one line
    /// each, its depth in front.
    pub(crate) fn dependencies_of(package: &str) -> Result<String> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["tree", "--locked", "--offline", "--prefix", "depth"])
            .args(["--edges", "normal,build", "--package", package])
            // What the package needs by itself, however the workspace is being built.
            .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .context("cargo does not run")?;
        anyhow::ensure!(
            output.status.success(),
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    pub(crate) fn text(&self, path: &str) -> Result<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
            .with_context(|| format!("{path} is missing"))
    }

    pub(crate) fn members(&self) -> Result<Vec<Member>> {
        self.files
            .iter()
            .filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?, &file.text)))
            .map(|(folder, text)| Member::parse(folder, text))
            .collect()
    }

    pub(crate) fn root_manifest(&self) -> Result<toml::Table> {
        toml::from_str(self.text("Cargo.toml")?).context("Cargo.toml")
    }

    pub(crate) fn lock(&self) -> Result<toml::Table> {
        toml::from_str(self.text("Cargo.lock")?).context("Cargo.lock")
    }
}

/// `to`, as seen from the file `from`; `None` when it leaves the tree.
pub(crate) fn joined(from: &str, to: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Is all of this Rust file compiled for tests only?
pub(crate) fn is_for_tests(path: &str) -> bool {
    let module = path.trim_end_matches(".rs");
    module
        .split('/')
        .any(|part| part == "tests" || part == "benches")
}

pub(crate) fn has_extension(path: &str, extensions: &[&str]) -> bool {
    Path::new(path)
        .extension()
        .and_then(std::ffi::OsStr::to_str)
        .is_some_and(|extension| extensions.contains(&extension))
}

/// Tracked files and new ones, without what is ignored. `None` outside of a repository.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let mut paths: Vec<String> = String::from_utf8(output.stdout)
        .ok()?
        .split('\0')
        .filter(|path| !path.is_empty() && root.join(path).exists())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    (!paths.is_empty()).then_some(paths)
}

/// For a source archive: everything but build output.
fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let relative = path
                .strip_prefix(root)?
                .to_string_lossy()
                .replace('\\', "/");
            if relative == ".git" || relative == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                paths.push(relative);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// Entries at the top that nobody has given a purpose.
pub(crate) fn unexpected(paths: &[String]) -> Findings {
    let found: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    found
        .into_iter()
        .filter(|entry| TOP_LEVEL.iter().all(|(known, _)| known != entry))
        .map(|entry| format!("{entry}: not expected at the top; give it a place below, or a purpose in tests/tidy/tree.rs"))
        .collect()
}

#[test]
fn finds_an_unexpected_entry() {
    let paths = ["Cargo.toml", "crates/core/src/lib.rs", "notes.txt"].map(str::to_owned);
    assert_eq!(unexpected(&paths).len(), 1);
    assert!(unexpected(&paths)[0].starts_with("notes.txt"));
}

#[test]
fn walks_and_lists_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let walked = walked(root).unwrap();
    assert!(walked.contains(&"tests/tidy/tree.rs".to_owned()));
    assert!(walked.iter().all(|path| !path.starts_with("target/")));
}
