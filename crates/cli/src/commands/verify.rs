//! `verify`: replays every history and compares it with its row.

use super::configuration;
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
use crate::store;

pub(super) async fn run(global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let read_only = store::read_only(&config).await?;
    let report = store::verify(&read_only).await?;
    let exit = if report.ok { Exit::Done } else { Exit::Failed };
    out.verdict(exit);
    if out.is_json() {
        out.document(&report)?;
        return Ok(exit);
    }
    for violation in &report.violations {
        let id = violation.id.as_deref().unwrap_or("the store");
        out.line(format!(
            "{}  {}  {}",
            violation.invariant,
            escape(id),
            escape(&violation.detail)
        ))?;
    }
    let checked = &report.checked;
    out.line(format!(
        "{} cancellations ({} finished), {} history entries, {} intents, {} events: {}",
        checked.instances,
        checked.finished,
        checked.entries,
        checked.intents,
        checked.events,
        match checked.violations {
            0 => "all is as it must be".to_owned(),
            1 => "1 violation".to_owned(),
            count => format!("{count} violations"),
        }
    ))?;
    Ok(exit)
}
