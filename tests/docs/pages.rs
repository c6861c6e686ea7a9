//! Pages made from what the product says of itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use countermand_simulator::Scenario;
use countermand_tests::Ran;

const COMMANDS: &str = "\
# The command line

Every command as `countermand help COMMAND` prints it. Exit codes and what goes where stand in
[interfaces.md](interfaces.md); a walk through most of them is the [quick start](quick-start.md).
Completions come from `countermand completions SHELL`, manual pages from `countermand man DIR`.

";

const CONFIGURATION: &str = "\
# Configuration

The daemon and every command read one TOML file: `--config FILE`, else `COUNTERMAND_CONFIG`, else
`./countermand.toml`.

- `countermand config example` prints what stands below: every key with its default and what it means.
- `countermand config check` tells every error at once, with file, line, column and key, and what
  would be right. With `--online` it also tries the credentials and compares the live schema with
  ours; it never calls a mutation.
- `countermand config show` prints what is in force, and where each value came from; secrets are
  hidden.

**The environment** wins over the file: `COUNTERMAND_SECTION__KEY`, such as
`COUNTERMAND_POLICY__REFUND_GRACE=1h`. An unknown variable with two underscores is refused, as an
unknown key in the file is: a misspelt key is an outage. Other variables are ignored.

**Secrets** may stand in the file, or each in a file of its own (`client_secret_file`,
`secret_file`, `token_file`). A file with secrets that others can read is warned about.

**Contradictions** are refused: a lease shorter than three request time-outs, a visibility lag or
quiet time shorter than two, a key horizon that leaves no margin.

The configuration is read once, at start. `--config` takes a regular file, `/dev/stdin`,
`<(command)` or `/dev/null`; any other pipe, device or socket is refused.

```toml
";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

fn compare(name: &str, page: &str) -> anyhow::Result<()> {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(name), page)?;
    }
    let there = std::fs::read_to_string(path(name)).unwrap_or_default();
    // Not printed: a page and a page make an unreadable message.
    ensure!(there == page, "UPDATE_DOCS=1 writes docs/{name} anew");
    Ok(())
}

async fn says(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = crate::program().command(arguments);
    command.env("COLUMNS", "80");
    Ok(Ran::of(command).await?.exits(0)?.out)
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| line.as_bytes().get(2).is_some_and(u8::is_ascii_lowercase))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_page_of_the_command_line_is_what_help_prints() -> anyhow::Result<()> {
    let top = says(&["help"]).await?;
    let mut page = format!("{COMMANDS}```text\n{}```\n", trimmed(&top));
    let commands = listed(&top);
    assert!(commands.len() > 15, "{commands:?}");
    for command in &commands {
        let help = says(&["help", command]).await?;
        let _ = write!(page, "\n## `{command}`\n\n```text\n{}```\n", trimmed(&help));
        for inner in listed(&help) {
            let help = says(&["help", command, &inner]).await?;
            let _ = write!(
                page,
                "\n### `{command} {inner}`\n\n```text\n{}```\n",
                trimmed(&help)
            );
        }
    }
    compare("command-line.md", &page)
}

/// Without blanks at the ends of lines.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n"))
}

#[tokio::test]
async fn the_page_of_the_configuration_is_the_example() -> anyhow::Result<()> {
    let example = says(&["config", "example"]).await?;
    compare(
        "configuration.md",
        &format!("{CONFIGURATION}{}```\n", trimmed(&example)),
    )
}

/// Whoever adds a kind writes down what to do about it.
#[test]
fn the_runbook_has_an_entry_for_every_kind_of_attention() {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/src/cancellation/attention.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let codes: Vec<&str> = source
        .lines()
        .skip_while(|line| !line.contains("fn code("))
        .take_while(|line| *line != "    }")
        .filter_map(|line| line.split_once("=> \"")?.1.split('"').next())
        .collect();
    assert!(codes.len() >= 12, "{codes:?}");
    let page = std::fs::read_to_string(path("attention.md")).unwrap();
    for code in &codes {
        let entry = page
            .split_once(&format!("\n## `{code}`\n"))
            .unwrap_or_else(|| panic!("docs/attention.md has no entry for {code}"))
            .1;
        let entry = entry.split("\n## ").next().unwrap_or_default();
        for part in ["**Means.**", "**Meanwhile**", "**Look at**", "**Do.**"] {
            assert!(entry.contains(part), "{code}: the entry lacks {part}");
        }
        assert!(
            page.contains(&format!("[`{code}`](#{code})")),
            "{code} is not in the overview"
        );
        // And it can be tried out.
        assert!(
            Scenario::ALL
                .iter()
                .any(|scenario| scenario.provokes() == Some(code)),
            "no scenario provokes {code}"
        );
    }
}
