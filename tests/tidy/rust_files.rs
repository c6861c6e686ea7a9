//! Rust files: each opens with its purpose, is short, and belongs to a target.

use crate::Findings;
use crate::source::{Source, occurrences};
use crate::tree::{File, joined};

const LINES_MAX: usize = 500;

/// Files that do not open with a `//!` line.
pub(crate) fn without_purpose(files: &[File]) -> Findings {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//! "))
        .map(|file| {
            format!(
                "{}: begin with a `//!` line that says what the file is for",
                file.path
            )
        })
        .collect()
}

/// Files over 500 lines that nobody has given a reason.
pub(crate) fn too_long(files: &[File], allowed: &[(&str, &str)]) -> Findings {
    long(files)
        .filter(|(file, _)| allowed.iter().all(|(path, _)| *path != file.path))
        .map(|(file, lines)| {
            format!(
                "{}: {lines} lines; split it by responsibility, or give a reason in tests/tidy/exceptions.rs",
                file.path
            )
        })
        .collect()
}

/// Reasons for long files that are not long (any more).
pub(crate) fn idle_exceptions(files: &[File], allowed: &[(&str, &str)]) -> Findings {
    allowed
        .iter()
        .filter(|(path, _)| !long(files).any(|(file, _)| file.path == *path))
        .map(|(path, _)| format!("{path}: not longer than {LINES_MAX} lines; remove the exception"))
        .collect()
}

fn long(files: &[File]) -> impl Iterator<Item = (&File, usize)> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
}

/// Files that no module and no manifest names: nothing compiles them.
pub(crate) fn orphans(files: &[File]) -> Findings {
    files
        .iter()
        .filter(|file| file.is_rust() && !is_target(file, files) && !is_module(file, files))
        .map(|file| format!("{}: no `mod` and no target names it; remove it", file.path))
        .collect()
}

/// Does Cargo find it by its place, or does a manifest name it?
fn is_target(file: &File, files: &[File]) -> bool {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let by_place = match (folder.rsplit('/').next(), name) {
        (Some("src"), "lib.rs" | "main.rs") => true,
        (Some("bin" | "tests" | "benches" | "examples"), _) => folder.contains('/'),
        (_, "build.rs") => files
            .iter()
            .any(|other| other.path == format!("{folder}/Cargo.toml")),
        (_, "main.rs") => {
            folder.contains("/tests/") || folder.contains("/bin/") || folder.contains("/examples/")
        }
        _ => false,
    };
    by_place
        || files.iter().any(|manifest| {
            manifest
                .path
                .strip_suffix("Cargo.toml")
                .and_then(|root| file.path.strip_prefix(root))
                .is_some_and(|inside| manifest.text.contains(&format!("\"{inside}\"")))
        })
}

/// Does a file beside or above it declare it, or any file by its path?
fn is_module(file: &File, files: &[File]) -> bool {
    let path = file.path.trim_end_matches(".rs");
    let module = path.strip_suffix("/mod").unwrap_or(path);
    let Some((folder, name)) = module.rsplit_once('/') else {
        return false;
    };
    let declaration = format!("mod {name};");
    files
        .iter()
        .filter(|other| other.is_rust() && other.path != file.path)
        .any(|other| {
            let near = other.path == format!("{folder}.rs")
                || (other.path.rsplit_once('/')).is_some_and(|(beside, _)| beside == folder);
            let declares = || {
                let code = Source::parse(&other.text).code();
                !occurrences(&code, &declaration).is_empty()
            };
            (near && declares()) || names_by_path(other, &file.path)
        })
}

/// Does `#[path = "..."]` in `other` lead to `path`?
fn names_by_path(other: &File, path: &str) -> bool {
    other.text.contains("#[path")
        && Source::parse(&other.text)
            .code_and_literals()
            .split("#[path = \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .any(|to| joined(&other.path, to).as_deref() == Some(path))
}

#[test]
fn finds_a_file_without_purpose() {
    let files = [
        File::new("a.rs", "//! Says it.\n"),
        File::new("b.rs", "use a;\n//! Too late.\n"),
        File::new("c.md", "prose"),
    ];
    assert_eq!(without_purpose(&files).len(), 1);
}

#[test]
fn finds_a_long_file() {
    let files = [
        File::new("a.rs", &"\n".repeat(501)),
        File::new("b.rs", &"\n".repeat(500)),
        File::new("c.rs", &"\n".repeat(900)),
    ];
    let allowed = [("c.rs", "a table"), ("b.rs", "was long once")];
    assert_eq!(too_long(&files, &allowed).len(), 1);
    assert!(too_long(&files, &allowed)[0].starts_with("a.rs"));
    assert!(idle_exceptions(&files, &allowed)[0].starts_with("b.rs"));
}

#[test]
fn finds_an_orphan() {
    let files = [
        File::new("crates/a/Cargo.toml", "[[bin]]\npath = \"src/tool.rs\""),
        File::new("crates/a/build.rs", ""),
        File::new(
            "crates/a/src/lib.rs",
            "mod used;\npub mod folder;\n// mod forgotten;\n",
        ),
        File::new("crates/a/src/used.rs", "mod below;"),
        File::new("crates/a/src/used/below.rs", ""),
        File::new("crates/a/src/folder/mod.rs", ""),
        File::new("crates/a/src/forgotten.rs", ""),
        File::new("crates/a/src/tool.rs", ""),
        File::new("crates/a/tests/whole.rs", ""),
        File::new(
            "crates/a/tests/many/main.rs",
            "mod part;\n#[path = \"../support/shared.rs\"]\nmod shared;",
        ),
        File::new("crates/a/tests/support/shared.rs", ""),
        File::new("crates/a/tests/many/part.rs", ""),
    ];
    let found = orphans(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("crates/a/src/forgotten.rs"));
}
