//! `db info`, `db migrate`, `db backup`, `db restore`.

use std::fmt::Write;
use std::path::Path;

use countermand::Timestamp;
use countermand::store::{BackupError, Hash, Holder, SqliteStore, Store};
use serde::Serialize;

use super::configuration;
use crate::args::{Backup, Db, Global, Restore};
use crate::config::Config;
use crate::daemon::chain;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape, tell};
use crate::store;

/// What `db info --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    location: String,
    backend: String,
    schema: i64,
    incarnation: u64,
    cancellations: u64,
    live: u64,
    entries: u64,
    /// Over the newest entries of all cancellations: keep it elsewhere, and a later change of any
    /// history shows.
    head: String,
    bytes: u64,
    /// Whoever holds the store's lock.
    daemon: Option<Holder>,
    /// Since when its history may be behind the world, until a daemon has made up for it.
    restored_at: Option<Timestamp>,
}

/// What `db backup --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    path: String,
    store_id: String,
    as_of: Option<Timestamp>,
    newest_at: Option<Timestamp>,
    cancellations: u64,
    live: u64,
    entries: u64,
    head: String,
    bytes: u64,
}

/// What `db restore --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    path: String,
    from: Saved,
    restored_at: Timestamp,
    incarnation: u64,
    replaced: Vec<String>,
}

pub(super) async fn run(command: &Db, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    match command {
        Db::Info => {}
        Db::Migrate => {
            // Opening brings it to the newest schema; closing gives the lock up.
            let opened = store::open(&config).await?;
            opened.close().await;
        }
        Db::Backup(arguments) => return backup(arguments, &config, out).await,
        Db::Restore(arguments) => return restore(arguments, &config, out).await,
    }
    info(&config, out).await
}

async fn info(config: &Config, out: &mut Output) -> Result<Exit, Failure> {
    let holder = store::holder(config)?;
    let read_only = store::read_only(config).await?;
    let restored_at = read_only
        .restored()
        .await
        .map_err(|error| store::unusable(&error))?;
    let info = read_only
        .info()
        .await
        .map_err(|error| store::unusable(&error))?;
    let head = hex(&info.head);
    let info = Info {
        location: info.location,
        backend: info.backend,
        schema: info.schema,
        incarnation: info.incarnation.0,
        cancellations: info.instances,
        live: info.live,
        entries: info.entries,
        head,
        bytes: info.bytes,
        daemon: holder,
        restored_at,
    };
    if out.is_json() {
        out.document(&info)?;
        return Ok(Exit::Done);
    }
    let daemon = info.daemon.as_ref().map_or_else(
        || "none".to_owned(),
        |holder| {
            let address = holder.address.as_deref().unwrap_or("no address");
            format!(
                "process {} at {}, since {}",
                holder.pid,
                escape(address),
                holder.since
            )
        },
    );
    let restored = info.restored_at.map(|at| {
        let text = format!("as of {at}; a daemon has not made up for it yet");
        ("restored", text)
    });
    let lines = [
        ("location", escape(&info.location)),
        ("backend", escape(&info.backend)),
        ("schema", info.schema.to_string()),
        ("incarnation", info.incarnation.to_string()),
        ("daemon", daemon),
        (
            "cancellations",
            format!("{} ({} live)", info.cancellations, info.live),
        ),
        ("entries", info.entries.to_string()),
        ("bytes", info.bytes.to_string()),
        ("head", info.head.clone()),
    ];
    print(lines.into_iter().chain(restored), out)
}

fn print(
    lines: impl IntoIterator<Item = (&'static str, String)>,
    out: &mut Output,
) -> Result<Exit, Failure> {
    for (name, value) in lines {
        out.line(format!("{name:<14} {value}"))?;
    }
    Ok(Exit::Done)
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Saved {
    fn new(backup: &countermand::store::Backup) -> Self {
        Self {
            path: text(&backup.path),
            store_id: backup.store_id.clone(),
            as_of: backup.as_of,
            newest_at: backup.newest,
            cancellations: backup.instances,
            live: backup.live,
            entries: backup.entries,
            head: hex(&backup.head),
            bytes: backup.bytes,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        vec![
            ("as of", time(self.as_of)),
            ("newest", time(self.newest_at)),
            (
                "cancellations",
                format!("{} ({} live)", self.cancellations, self.live),
            ),
            ("entries", self.entries.to_string()),
            ("bytes", self.bytes.to_string()),
            ("head", self.head.clone()),
        ]
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn backup(arguments: &Backup, config: &Config, out: &mut Output) -> Result<Exit, Failure> {
    let read_only = store::read_only(config).await?;
    let saved = read_only.backup(&arguments.file).await;
    read_only.close().await;
    let saved = Saved::new(&saved.map_err(|error| not_done(&error))?);
    if out.is_json() {
        out.document(&saved)?;
        return Ok(Exit::Done);
    }
    let mut lines = vec![("backup", escape(&saved.path))];
    lines.extend(saved.lines());
    print(lines, out)
}

async fn restore(arguments: &Restore, config: &Config, out: &mut Output) -> Result<Exit, Failure> {
    let store = config.store.path.clone();
    let restored = SqliteStore::restore(&arguments.file, store, arguments.force).await;
    let restored = restored.map_err(|error| not_done(&error))?;
    let restored = Outcome {
        path: text(&restored.path),
        from: Saved::new(&restored.backup),
        restored_at: restored.at,
        incarnation: restored.incarnation.0,
        replaced: restored.replaced.iter().map(|path| text(path)).collect(),
    };
    if out.is_json() {
        out.document(&restored)?;
        return Ok(Exit::Done);
    }
    let mut lines = vec![
        ("restored", escape(&restored.path)),
        ("from", escape(&restored.from.path)),
    ];
    lines.extend(restored.from.lines());
    lines.push(("incarnation", restored.incarnation.to_string()));
    let replaced = restored.replaced.iter();
    lines.extend(replaced.map(|path| ("replaced", escape(path))));
    print(lines, out)?;
    tell("the next daemon sends nothing before the visibility lag is over, and looks at");
    tell("whatever is unfinished first; what was asked for after the backup is not known to it");
    Ok(Exit::Done)
}

fn not_done(error: &BackupError) -> Failure {
    let exit = match error {
        BackupError::Missing { .. } => Exit::Missing,
        BackupError::Exists { .. } | BackupError::StoreExists { .. } | BackupError::Same { .. } => {
            Exit::Refused
        }
        BackupError::Unfit { .. } | BackupError::InUse { .. } | BackupError::Store(_) => {
            Exit::Store
        }
        BackupError::Io { .. } => Exit::Failed,
    };
    let mut message = chain(error);
    if matches!(error, BackupError::StoreExists { .. }) {
        message.push_str(": `--force` moves it aside");
    }
    Failure::new(exit, message)
}
