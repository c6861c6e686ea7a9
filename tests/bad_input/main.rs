//! Bad input and what it is answered with: one row here per row of the table that
//! `docs/bad-input.md` shows, and that page is made from these rows.
//!
//! A row either has a check of its own, or names the test that checks it elsewhere, or says why
//! there is nothing to check: the surface does not exist.

mod rows;
mod stage;
mod table;

use std::path::Path;
use std::sync::Arc;

use countermand_tests::Program;

use crate::stage::Stage;
use crate::table::Proof;

/// The product.
fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kill-campaign"))
}

/// How many rows each chapter has: none may get lost.
const ROWS: [(char, usize); 6] = [
    ('A', 47),
    ('C', 20),
    ('G', 20),
    ('E', 24),
    ('U', 18),
    ('S', 5),
];

#[test]
fn every_row_is_there_once() {
    let mut wanted: Vec<String> = Vec::new();
    for (letter, count) in ROWS {
        wanted.extend((1..=count).map(|number| format!("{letter}{number}")));
    }
    let there: Vec<String> = rows::chapters()
        .iter()
        .flat_map(|chapter| chapter.rows.iter().map(|row| row.id.to_owned()))
        .collect();
    assert_eq!(there, wanted);
}

#[test]
fn tests_named_elsewhere_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for chapter in rows::chapters() {
        for row in &chapter.rows {
            let Proof::Elsewhere { file, tests } = row.proof else {
                continue;
            };
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            for test in tests {
                if !text.contains(&format!("fn {test}(")) {
                    missing.push(format!("{}: {file} has no test {test}", row.id));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_page_is_what_the_rows_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bad-input.md");
    let page = table::page(&rows::chapters());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    // Not printed: a page and a page make an unreadable message.
    assert!(there == page, "UPDATE_DOCS=1 writes docs/bad-input.md anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_http_api() -> anyhow::Result<()> {
    rows::api::chapter()
        .prove(Arc::new(Stage::new().await?))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events() -> anyhow::Result<()> {
    rows::events::chapter()
        .prove(Arc::new(Stage::new().await?))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line() -> anyhow::Result<()> {
    rows::command_line::chapter()
        .prove(Arc::new(Stage::new().await?))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration() -> anyhow::Result<()> {
    rows::configuration::chapter()
        .prove(Arc::new(Stage::new().await?))
        .await
}
