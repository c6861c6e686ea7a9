//! `config check`, `config show`, `config example`.

use serde_json::json;

use super::{configuration, warn};
use crate::args::{ConfigCommand, Global};
use crate::config::{EXAMPLE, as_json, as_toml};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};

pub(super) fn run(
    command: ConfigCommand,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Example => out.text(EXAMPLE)?,
        ConfigCommand::Check => {
            let config = configuration(global)?;
            let file = config
                .file
                .as_deref()
                .map(|file| file.display().to_string());
            if out.is_json() {
                out.document(&json!({ "ok": true, "file": file, "warnings": config.warnings }))?;
            } else {
                warn(&config);
                out.line(format!(
                    "{}: no errors",
                    escape(file.as_deref().unwrap_or("the environment"))
                ))?;
            }
        }
        ConfigCommand::Show => {
            let config = configuration(global)?;
            if out.is_json() {
                out.document(&as_json(&config))?;
            } else {
                warn(&config);
                out.text(&as_toml(&config))?;
            }
        }
    }
    Ok(Exit::Done)
}
