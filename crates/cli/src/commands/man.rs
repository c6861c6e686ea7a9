//! `man`: a page for each command, from the definitions of the command line.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::args::{Cli, EXIT_CODES, Man};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};

pub(super) fn run(arguments: &Man, out: &mut Output) -> Result<Exit, Failure> {
    let directory = &arguments.directory;
    let shown = escape(&directory.display().to_string());
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot write {shown}: {error}"))
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let mut names = Vec::new();
    for (name, page) in pages().map_err(failed)? {
        write(directory, &name, &page).map_err(failed)?;
        names.push(name);
    }
    if out.is_json() {
        out.document(&serde_json::json!({ "directory": shown, "pages": names }))?;
    } else {
        out.line(format!("{} pages in {shown}", names.len()))?;
    }
    Ok(Exit::Done)
}

/// Every page with the name of its file.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = with_exit_codes(Cli::command().disable_help_subcommand(true));
    root.build();
    let mut pages = Vec::new();
    add(&root, &mut pages)?;
    Ok(pages)
}

/// Every command's page tells the exit codes, not only the first one's.
fn with_exit_codes(command: Command) -> Command {
    command
        .after_help(EXIT_CODES)
        .mut_subcommands(with_exit_codes)
}

fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    if command.is_hide_set() {
        return Ok(());
    }
    let page = clap_mangen::Man::new(command.clone())
        .source(concat!("countermand ", env!("CARGO_PKG_VERSION")))
        .manual("Countermand");
    let mut text = Vec::new();
    page.render(&mut text)?;
    // What follows the options is this and nothing else, and pages have a customary name for it.
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA\n", ".SH \"EXIT STATUS\"\n");
    pages.push((page.get_filename(), text.into_bytes()));
    for command in command.get_subcommands() {
        add(command, pages)?;
    }
    Ok(())
}

/// Whoever reads the page meanwhile sees the old one or the new one.
fn write(directory: &Path, name: &str, page: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".countermand-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(page)?;
    file.persist(directory.join(name))
        .map_err(|error| error.error)?;
    Ok(())
}
