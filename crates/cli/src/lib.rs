//! The `countermand` command, as a function: so that the runs from end to end can start the product
//! from a binary of their own.

mod args;
mod commands;
mod config;
mod daemon;
mod demo;
mod engine;
mod exit;
mod history;
mod logging;
mod output;
mod signals;
mod store;
mod view;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::output::{escape, json_line, tell};

/// Runs the command line, the program's name included, to its end.
///
/// Installs signal handlers, a log and the process's provider of cryptography: call it once, from
/// `main`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    // The whole process has one provider of cryptography; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let json = cli.global.json;
    match commands::run(cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            report(&failure, json);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Help and versions go to stdout and are no error; everything else is a wrong command line.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if error.use_stderr() && arguments.iter().any(|argument| argument == "--json") {
        let text = error.to_string();
        report(&Failure::new(Exit::Usage, text.trim_end()), true);
        return ExitCode::from(Exit::Usage as u8);
    }
    if error.use_stderr()
        && let Some(text) = made_safe(&error.to_string(), arguments)
    {
        tell(text.trim_end());
    } else if let Err(printing) = error.print().and_then(|()| io::stdout().flush())
        && !error.use_stderr()
        && printing.kind() != io::ErrorKind::BrokenPipe
    {
        let message = format!("cannot write to standard output: {printing}");
        report(&Failure::new(Exit::Failed, message), false);
        return ExitCode::from(Exit::Failed as u8);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// The text, with whatever was typed escaped in it; none where nothing needs to be.
fn made_safe(text: &str, arguments: &[OsString]) -> Option<String> {
    let mut safe = text.to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        // Also of `--flag=value`, the value alone is shown.
        let value = argument.split_once('=').map_or("", |(_, value)| value);
        for shown in [&*argument, value] {
            let escaped = escape(shown);
            if escaped != shown {
                safe = safe.replace(shown, &escaped);
            }
        }
    }
    (safe != text).then_some(safe)
}

fn report(failure: &Failure, json: bool) {
    if json && let Ok(line) = json_line(&failure.as_json()) {
        tell(line);
        return;
    }
    for (index, line) in failure.message.lines().enumerate() {
        let prefix = if index == 0 { "countermand: " } else { "  " };
        tell(format!("{prefix}{}", escape(line)));
    }
}
