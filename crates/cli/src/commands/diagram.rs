//! `diagram`: the life cycle, as found by running it.

use countermand::core::cancellation::diagram;

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
    let state = match &arguments.of {
        None => None,
        Some(id) => {
            let config = configuration(global)?;
            let reader = store::reader(&config).await?;
            Some(
                reader
                    .find(id)
                    .await
                    .map_err(|error| store::failure(&error))?
                    .state,
            )
        }
    };
    let drawing = draw(arguments.format, state.as_deref());
    if out.is_json() {
        let format = match arguments.format {
            DiagramFormat::Mermaid => "mermaid",
            DiagramFormat::Dot => "dot",
        };
        out.document(&serde_json::json!({ "format": format, "state": state, "diagram": drawing }))?;
    } else {
        out.text(&drawing)?;
    }
    Ok(Exit::Done)
}

fn draw(format: DiagramFormat, state: Option<&str>) -> String {
    match format {
        DiagramFormat::Mermaid => diagram::mermaid(state),
        DiagramFormat::Dot => diagram::dot(state),
    }
}
