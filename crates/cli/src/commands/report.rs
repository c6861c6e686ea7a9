//! `report`: one cancellation in plain language, for whoever has to explain it.

use super::configuration;
use crate::args::{Global, Report};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
use crate::store;

pub(super) async fn run(
    arguments: &Report,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let report = reader
        .report(&arguments.id)
        .await
        .map_err(|error| store::failure(&error))?;
    if out.is_json() {
        out.document(&report)?;
    } else {
        out.text(&report.to_text(escape))?;
    }
    Ok(Exit::Done)
}
