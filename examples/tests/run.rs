//! Every example runs to its end: what the pages quote works.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The examples are built beside the tests of their package.
fn example(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(|deps| deps.parent());
    Ok(profile
        .context("the test is nowhere")?
        .join("examples")
        .join(name))
}

fn runs(name: &str) -> anyhow::Result<()> {
    let mut command = Command::new(example(name)?);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("COUNTERMAND_") {
            command.env_remove(variable);
        }
    }
    let output = command.output()?;
    ensure!(
        output.status.success() && !output.stdout.is_empty(),
        "{name}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn quickstart() -> anyhow::Result<()> {
    runs("quickstart")
}

#[test]
fn order_daemon() -> anyhow::Result<()> {
    runs("order_daemon")
}

#[test]
fn custom_workflow() -> anyhow::Result<()> {
    runs("custom_workflow")
}

#[test]
fn runner() -> anyhow::Result<()> {
    runs("runner")
}
