//! From the tree to the typed configuration, section by section.

mod engine;
mod incoming;
mod remotes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::notes::Notes;
use super::problem::{Origin, Problem, quote};
use super::reader::Section;
use super::tree::Table;
use super::{Config, Store, relations, secrets, urls};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Builds the configuration.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn build(
    file: Option<PathBuf>,
    base: &Path,
    table: Table,
) -> Result<Config, Vec<Problem>> {
    let mut notes = Notes::new(file.clone());
    let mut root = Section::root(table);
    let store = store(root.section(&mut notes, "store"), &mut notes, base);
    let targets = remotes::targets(&mut notes, &mut root, base);
    let refunds = remotes::refunds(root.section(&mut notes, "refunds"), &mut notes);
    let oms = remotes::oms(root.section(&mut notes, "oms"), &mut notes, base);
    let http = incoming::http(root.section(&mut notes, "http"), &mut notes, base);
    incoming::events(&mut notes, &mut root);
    let policy = engine::policy(root.section(&mut notes, "policy"), &mut notes);
    let limits = engine::limits(root.section(&mut notes, "limits"), &mut notes);
    let retry = engine::retry(root.section(&mut notes, "retry"), &mut notes);
    let runner = engine::runner(root.section(&mut notes, "runner"), &mut notes);
    let log = engine::log(root.section(&mut notes, "log"), &mut notes);
    root.close(&mut notes);

    warn_of_permissions(&mut notes);
    let (Some(refunds), Some(oms)) = (refunds, oms) else {
        return Err(notes.problems);
    };
    let mut config = Config {
        file,
        store,
        targets,
        refunds,
        oms,
        http,
        policy,
        limits,
        retry,
        runner,
        log,
        warnings: Vec::new(),
        shown: Vec::new(),
    };
    relations::check(&mut notes, &config);
    if notes.problems.is_empty() {
        config.warnings = notes.warnings;
        config.shown = notes.shown;
        Ok(config)
    } else {
        Err(notes.problems)
    }
}

fn store(mut section: Section, notes: &mut Notes, base: &Path) -> Store {
    const WANTS: &str = "sqlite:// and a path, such as \"sqlite://countermand.db\" or \"sqlite:///var/lib/countermand/countermand.db\"";
    const DEFAULT: &str = "sqlite://countermand.db";
    let text = section
        .text(notes, "url", Some(DEFAULT))
        .unwrap_or_else(|| DEFAULT.to_owned());
    let path = match store_path(&text, base) {
        Ok(path) => path,
        Err(message) => {
            notes.problem("store.url", format!("{message}; it must be {WANTS}"));
            base.join("countermand.db")
        }
    };
    section.boolean(notes, "auto_migrate", false);
    section.close(notes);
    Store { path }
}

fn store_path(text: &str, base: &Path) -> Result<PathBuf, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        // The URL may hold a password: it is not repeated.
        return Err("names a Postgres database, which this version cannot use yet".to_owned());
    }
    let path = text
        .strip_prefix("sqlite://")
        .or_else(|| text.strip_prefix("sqlite:"))
        .ok_or_else(|| format!("is {}", quote(text)))?;
    if path.is_empty() {
        return Err("names no file".to_owned());
    }
    if path.starts_with(':') || path.contains(['?', '#', '\0']) {
        return Err(format!(
            "is {}: a store is a file on disk, without options",
            quote(text)
        ));
    }
    if path.len() > 3_500 {
        return Err(format!(
            "is {} bytes long, at most 3500 are allowed",
            path.len()
        ));
    }
    let path = base.join(path);
    if path.is_dir() {
        return Err(format!(
            "names the directory {}, not a file",
            path.display()
        ));
    }
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        return Err(format!(
            "names a file in {}, which is no directory: create it first",
            parent.display()
        ));
    }
    Ok(path)
}

fn url(notes: &mut Notes, section: &mut Section, key: &str, allow_plaintext: bool) -> Option<Url> {
    let text = section.required(notes, key, "a URL such as https://example.com/path")?;
    match urls::check(&text, allow_plaintext) {
        Ok(url) => Some(url),
        Err(message) => {
            notes.problem(&section.full(key), message);
            None
        }
    }
}

fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

fn warn_of_permissions(notes: &mut Notes) {
    if notes.secret_in_file
        && let Some(file) = notes.file.clone()
        && let Some(mode) = secrets::readable_by_others(&file)
    {
        let message = format!(
            "the file holds secrets and others can read it (mode {mode:04o}): run `chmod 600` on it"
        );
        let problem = Problem::new(Some(&file), &Origin::Default, None, message);
        notes.warnings.push(problem);
    }
    for (path, key, _) in std::mem::take(&mut notes.secret_files) {
        if let Some(mode) = secrets::readable_by_others(&path) {
            let message = format!(
                "others can read {} (mode {mode:04o}): run `chmod 600` on it",
                path.display()
            );
            notes.warn(&key, message);
        }
    }
}
