//! Rows, and the page that is made from them.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use crate::stage::Stage;

/// One kind of bad input.
pub(crate) struct Row {
    /// Its number.
    pub(crate) id: &'static str,
    /// What comes in.
    pub(crate) given: &'static str,
    /// What it is answered with, and what does not happen.
    pub(crate) expected: &'static str,
    /// How that is checked.
    pub(crate) proof: Proof,
}

/// How a row is checked.
pub(crate) enum Proof {
    /// Here, by this check.
    Check(Check),
    /// By tests of the crate that it concerns.
    Elsewhere {
        file: &'static str,
        tests: &'static [&'static str],
    },
    /// There is nothing that could be given this.
    NoSurface(&'static str),
}

/// A check: `Err` says what was answered instead.
pub(crate) type Check = fn(Arc<Stage>) -> BoxFuture<'static, anyhow::Result<()>>;

/// Rows about one surface.
pub(crate) struct Chapter {
    pub(crate) title: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Chapter {
    /// Runs every check of the chapter, and says of all of them together what went wrong.
    pub(crate) async fn prove(self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        let mut checked = 0_usize;
        let mut running = JoinSet::new();
        // Rows wait on slow connections more than on anything else: they are tried side by side.
        for row in self.rows {
            if let Proof::Check(check) = row.proof {
                checked += 1;
                let tried = check(Arc::clone(&stage));
                running.spawn(async move { (row.id, row.given, tried.await) });
            }
        }
        while let Some(ended) = running.join_next().await {
            let (id, given, result) = ended?;
            if let Err(error) = result {
                wrong.push(format!("{id} ({given}): {error:#}"));
            }
        }
        if let Err(error) = stage.is_sound().await {
            wrong.push(format!("afterwards: {error:#}"));
        }
        anyhow::ensure!(checked > 0, "{}: nothing was checked", self.title);
        anyhow::ensure!(wrong.is_empty(), "{}:\n{}", self.title, wrong.join("\n"));
        Ok(())
    }
}

/// The page.
pub(crate) fn page(chapters: &[Chapter]) -> String {
    let mut page = String::from(
        "# Bad input\n\n\
         What happens when callers, files, events, remotes or the store hold what they should not. Made from\n\
         `tests/bad_input`, where each row is checked; `UPDATE_DOCS=1 cargo test -p countermand-tests --test\n\
         bad_input` writes it anew.\n\n\
         In every row: no panic, no effect, no partial change, bounded memory, an answer soon, and no\n\
         secret in it.\n",
    );
    for chapter in chapters {
        let _ = write!(page, "\n## {}\n\n{}\n\n", chapter.title, chapter.intro);
        page.push_str("| row | given | answer | checked |\n| --- | --- | --- | --- |\n");
        for row in &chapter.rows {
            let checked = match row.proof {
                Proof::Check(_) => "here".to_owned(),
                Proof::Elsewhere { file, tests } => {
                    let names: Vec<String> = tests.iter().map(|name| format!("`{name}`")).collect();
                    format!("{} in `{file}`", names.join(", "))
                }
                Proof::NoSurface(why) => format!("no such surface: {why}"),
            };
            let _ = writeln!(
                page,
                "| {} | {} | {} | {checked} |",
                row.id,
                cell(row.given),
                cell(row.expected)
            );
        }
    }
    page
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
