//! `diagram`: the life cycle, as found by running it.

use countermand::core::cancellation::diagram::{self, Mark};

use super::configuration;
use crate::args::{Diagram, DiagramFormat, Global};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::store;

pub(super) async fn run(
    arguments: &Diagram,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let mark = match &arguments.of {
        None => None,
        Some(id) => Some(mark(id, global).await?),
    };
    let drawing = draw(arguments.format, mark.as_ref());
    if out.is_json() {
        let format = match arguments.format {
            DiagramFormat::Mermaid => "mermaid",
            DiagramFormat::Dot => "dot",
            DiagramFormat::Svg => "svg",
        };
        let state = mark.as_ref().map(|mark| &mark.here);
        out.document(&serde_json::json!({ "format": format, "state": state, "diagram": drawing }))?;
    } else {
        out.text(&drawing)?;
    }
    Ok(Exit::Done)
}

/// Where a cancellation is, and the way it came.
async fn mark(id: &str, global: &Global) -> Result<Mark, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let found = reader
        .find(id)
        .await
        .map_err(|error| store::failure(&error))?;
    // It may have moved on since it was found: the history says both, where it is and how it came.
    let history = reader
        .history(&found.id)
        .await
        .map_err(|error| store::failure(&error))?;
    Ok(Mark::of(history.iter().map(|entry| entry.to.as_str())))
}

fn draw(format: DiagramFormat, mark: Option<&Mark>) -> String {
    let here = mark.map(|mark| mark.here.as_str());
    match format {
        DiagramFormat::Mermaid => diagram::mermaid(here),
        DiagramFormat::Dot => diagram::dot(here),
        DiagramFormat::Svg => diagram::svg(mark),
    }
}
