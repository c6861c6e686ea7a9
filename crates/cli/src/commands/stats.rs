//! `stats`: counts.

use super::configuration;
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
use crate::{store, view};

pub(super) async fn run(global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let stats = reader
        .stats()
        .await
        .map_err(|error| store::failure(&error))?;
    if out.is_json() {
        out.document(&stats)?;
        return Ok(Exit::Done);
    }
    let mut table = view::table(&["STATE", "STATUS", "COUNT"]);
    for count in &stats.counts {
        table.add_row([
            escape(&count.state),
            view::status_name(count.status).to_owned(),
            count.count.to_string(),
        ]);
    }
    out.text(&view::print(table))?;
    let total: u64 = stats.counts.iter().map(|count| count.count).sum();
    out.line(format!("\ncancellations  {total}"))?;
    out.line(format!("in doubt       {}", stats.in_doubt))?;
    out.line(format!("attention      {}", stats.attention))?;
    let oldest = stats.oldest_due.map_or_else(
        || "nothing is due".to_owned(),
        |at| format!("{at} ({} late)", view::span(view::now().since(at))),
    );
    out.line(format!("oldest due     {oldest}"))?;
    for (disposition, count) in &stats.events {
        out.line(format!("events         {count} {}", escape(disposition)))?;
    }
    Ok(Exit::Done)
}
