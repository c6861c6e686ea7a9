//! `config check`, `config show`, `config example`.

use serde_json::json;

use super::{configuration, online, warn};
use crate::args::{ConfigCommand, Global};
use crate::config::{EXAMPLE, as_json, as_toml};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};

pub(super) async fn run(
    command: ConfigCommand,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Example => out.text(EXAMPLE)?,
        ConfigCommand::Check(arguments) => {
            let config = configuration(global)?;
            let file = config
                .file
                .as_deref()
                .map(|file| file.display().to_string());
            let checks = if arguments.online {
                Some(online::run(&config).await?)
            } else {
                None
            };
            let exit = checks.as_deref().map_or(Exit::Done, online::exit);
            out.verdict(exit);
            if out.is_json() {
                let mut document = json!({
                    "ok": exit == Exit::Done, "file": file, "warnings": config.warnings,
                });
                if let (Some(checks), Some(document)) = (&checks, document.as_object_mut()) {
                    document.insert("online".to_owned(), json!(checks));
                }
                out.document(&document)?;
            } else {
                warn(&config);
                out.line(format!(
                    "{}: no errors",
                    escape(file.as_deref().unwrap_or("the environment"))
                ))?;
                online::print(checks.as_deref().unwrap_or_default(), out)?;
            }
            return Ok(exit);
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
