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
    if error.use_stderr() {
        let safe = made_safe(&error.render().ansi().to_string(), arguments);
        if arguments.iter().any(|argument| argument == "--json") {
            let text = safe.unwrap_or_else(|| error.to_string());
            report(&Failure::new(Exit::Usage, text.trim_end()), true);
            return ExitCode::from(Exit::Usage as u8);
        }
        match safe {
            Some(text) => tell(text.trim_end()),
            // That nobody reads it changes nothing.
            None => drop(error.print()),
        }
    } else if let Err(printing) = error.print().and_then(|()| io::stdout().flush())
        && printing.kind() != io::ErrorKind::BrokenPipe
    {
        let message = format!("cannot write to standard output: {printing}");
        report(&Failure::new(Exit::Failed, message), false);
        return ExitCode::from(Exit::Failed as u8);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// A message with colours, without them and with everything escaped in it that was typed; none where
/// nothing that was typed needs it. On a terminal, clap shows arguments as they came.
fn made_safe(coloured: &str, arguments: &[OsString]) -> Option<String> {
    let mut safe = coloured.to_owned();
    let mut is_needed = false;
    for argument in arguments {
        let argument = argument.to_string_lossy();
        // Also of `--flag=value`, the value alone is shown.
        let value = argument.split_once('=').map_or("", |(_, value)| value);
        for shown in [&*argument, value] {
            let escaped = escape(shown);
            if escaped != shown {
                is_needed = true;
                safe = safe.replace(shown, &escaped);
            }
        }
    }
    // Parts of arguments are shown too, such as one letter of `-abc`: nothing may be left over.
    let lines = without_colours(&safe);
    let lines = lines.lines().map(escape).collect::<Vec<_>>();
    is_needed.then(|| lines.join("\n"))
}

/// A text without the sequences that set colours.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        if let Some(rest) = rest.strip_prefix('m') {
            plain.push_str(rest);
        } else {
            plain.push_str("\u{1b}[");
            plain.push_str(part);
        }
    }
    plain
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_never_acts_on_a_terminal() {
        for (typed, shown) in [
            (&["show", "E\u{1b}[31m"][..], "E\\u{1b}[31m"),
            (&["show", "E\u{1b}]0;x\u{7}"], "E\\u{1b}]0;x\\u{7}"),
            (&["show", "--x\u{1b}[2Ji"], "--x\\u{1b}[2Ji"),
            (&["canc\u{202e}el"], "canc\\u{202e}el"),
            (&["list", "--limit=\u{61c}5"], "\\u{61c}5"),
            (&["list", "-\u{1b}[2J"], "-\\u{1b}"),
            (&["list", "--order", "a\nb"], "a\\nb"),
        ] {
            let arguments: Vec<OsString> = std::iter::once("countermand")
                .chain(typed.iter().copied())
                .map(OsString::from)
                .collect();
            let error = Cli::try_parse_from(&arguments).unwrap_err();
            // What a terminal would be sent.
            let coloured = error.render().ansi().to_string();
            let safe = made_safe(&coloured, &arguments).unwrap();
            assert!(safe.contains(shown), "{safe:?}");
            assert!(safe.is_ascii(), "{safe:?}");
            assert!(
                safe.chars().all(|c| c == '\n' || !c.is_control()),
                "{safe:?}"
            );
        }
        let arguments = [OsString::from("countermand"), OsString::from("lisd")];
        let error = Cli::try_parse_from(&arguments).unwrap_err();
        assert_eq!(
            made_safe(&error.render().ansi().to_string(), &arguments),
            None
        );
    }
}
