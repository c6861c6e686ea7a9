//! `event`: takes events in.

use std::io::Read;
use std::path::Path;

use countermand::Ingested;

use super::configuration;
use crate::args::{Event, Global};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
use crate::signals::Interrupt;
use crate::store::{self, Access, Mode};
use crate::view;

/// Of a delivery that has not left yet.
const NOT_TAKEN: &str = "nothing was taken in";
/// Of a delivery whose answer did not come.
const NOT_KNOWN: &str =
    "whether the events were stored is not known; the same command again is safe";
/// As much as the HTTP API takes.
const EVENTS_MAX: u64 = 1024 * 1024;

pub(super) async fn run(
    arguments: &Event,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let text = read(&arguments.file, EVENTS_MAX)?;
    let mut interrupt = Interrupt::install()?;
    let access = store::access(&config, Mode::Existing);
    let ingested = match interrupt.unless(NOT_TAKEN, access).await? {
        Access::Daemon(api) => interrupt.unless(NOT_KNOWN, api.ingest(text)).await?,
        Access::Here(local) => {
            let taking = async {
                let taken = local.handle.ingest(&text, "cli").await;
                taken.map_err(|error| store::failure(&error))
            };
            let done = interrupt.unless(NOT_KNOWN, taking).await;
            local.close().await;
            done?
        }
    };
    print(&ingested, out)?;
    Ok(Exit::Done)
}

fn print(ingested: &Ingested, out: &mut Output) -> Result<(), Failure> {
    if out.is_json() {
        return out.document(ingested);
    }
    let mut table = view::table(&["EVENT", "ORDER", "BECAME", "CANCELLATION"]);
    for fact in &ingested.facts {
        table.add_row([
            escape(&fact.event_type),
            fact.order_id
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
            store::disposition_name(fact.disposition),
            fact.cancellation_id
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
        ]);
    }
    out.text(&view::print(table))
}

/// Reads a file, or standard input for `-`; refuses what is larger than `max`.
pub(super) fn read(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let name = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        escape(&path.display().to_string())
    };
    let unreadable =
        |error: std::io::Error| Failure::new(Exit::Usage, format!("cannot read {name}: {error}"));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(max + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    } else {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(max + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    }
    if bytes.len() as u64 > max {
        return Err(Failure::new(
            Exit::Usage,
            format!("{name} is larger than {max} bytes; split it"),
        ));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::new(Exit::Usage, format!("{name} is empty")));
    }
    Ok(bytes)
}
