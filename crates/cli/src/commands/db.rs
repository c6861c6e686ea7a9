//! `db info`, `db migrate`.

use std::fmt::Write;

use countermand::store::{Holder, Store};
use serde::Serialize;

use super::configuration;
use crate::args::{Db, Global};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
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
}

pub(super) async fn run(command: &Db, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    if matches!(command, Db::Migrate) {
        // Opening brings it to the newest schema; closing gives the lock up.
        let opened = store::open(&config).await?;
        opened.close().await;
    }
    let holder = store::holder(&config)?;
    let read_only = store::read_only(&config).await?;
    let info = read_only
        .info()
        .await
        .map_err(|error| store::unusable(&error))?;
    let head = info.head.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
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
    for (name, value) in [
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
    ] {
        out.line(format!("{name:<14} {value}"))?;
    }
    Ok(Exit::Done)
}
