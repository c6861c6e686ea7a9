//! `completions`: what a shell needs to complete our commands.

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(super) fn run(arguments: &Completions, out: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "countermand",
        &mut script,
    );
    let script = String::from_utf8(script)
        .map_err(|error| Failure::new(Exit::Failed, format!("the script is no text: {error}")))?;
    if out.is_json() {
        let shell = arguments.shell.to_string();
        out.document(&serde_json::json!({ "shell": shell, "script": script }))?;
    } else {
        out.text(&script)?;
    }
    Ok(Exit::Done)
}
