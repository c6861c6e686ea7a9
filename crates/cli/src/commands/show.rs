//! `show`: one cancellation, with or without its history.

use countermand::{HistoryEntry, View};
use serde::Serialize;

use super::configuration;
use crate::args::{Global, Show};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{store, view};

/// The cancellation as JSON (docs/interfaces.md), with its history.
#[derive(Serialize)]
struct WithHistory<'a> {
    #[serde(flatten)]
    view: &'a View,
    history: &'a [HistoryEntry],
}

pub(super) async fn run(
    arguments: &Show,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let found = reader
        .find(&arguments.id)
        .await
        .map_err(|error| store::failure(&error))?;
    if !arguments.history {
        print(&found, out)?;
        return Ok(Exit::Done);
    }
    let history = reader
        .history(&found.id)
        .await
        .map_err(|error| store::failure(&error))?;
    if out.is_json() {
        out.document(&WithHistory {
            view: &found,
            history: &history,
        })?;
    } else {
        print(&found, out)?;
        out.line("")?;
        out.text(&crate::history::timeline(&history))?;
    }
    Ok(Exit::Done)
}

/// Prints a cancellation, as JSON or for people.
pub(super) fn print(view: &View, out: &mut Output) -> Result<(), Failure> {
    if out.is_json() {
        out.document(view)
    } else {
        out.text(&view::show(view, view::now()))
    }
}
