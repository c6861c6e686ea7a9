//! What the demonstration showed: a summary, the proof, and what is wrong, for people and programs.

use std::collections::BTreeMap;

use countermand::Report;
use countermand_simulator::{Finding, Proof};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::{Output, escape};
use crate::view;

/// Everything that is known at the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    /// Is everything as it must be?
    pub(super) ok: bool,
    /// Orders, asked for and observed.
    pub(super) orders: usize,
    /// Of them asked for.
    pub(super) asked: usize,
    /// Requests that were repeated because the daemon was killed.
    pub(super) repeated: usize,
    /// How often the daemon was killed, and how many mutations were under way each time.
    pub(super) kills: Vec<Kill>,
    /// How long it took, in milliseconds.
    pub(super) elapsed_ms: u128,
    /// Cancellations by state or outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// Cancellations that did not finish in time, with what they wait for.
    pub(super) unfinished: Vec<String>,
    /// The judgement over the remotes' books.
    pub(super) proof: Proof,
    /// The judgement over our own.
    pub(super) verify: Report,
    /// Whatever else went wrong.
    pub(super) faults: Vec<String>,
    /// Where the files are, if they were kept.
    pub(super) directory: Option<String>,
}

/// One SIGKILL.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kill {
    /// The process that was killed.
    pub(super) pid: u32,
    /// Mutations whose intent was stored and whose outcome was not.
    pub(super) open_mutations: u64,
    /// Cancellations that were not finished.
    pub(super) live: u64,
}

impl Outcome {
    pub(super) fn print(&self, out: &mut Output) -> Result<(), Failure> {
        if out.is_json() {
            return out.document(self);
        }
        let seconds =
            std::time::Duration::from_millis(u64::try_from(self.elapsed_ms).unwrap_or(u64::MAX));
        out.line(format!(
            "{} orders in {:.1} s: {} asked for, {} only heard of",
            self.orders,
            seconds.as_secs_f64(),
            self.asked,
            self.orders.saturating_sub(self.asked)
        ))?;
        for kill in &self.kills {
            out.line(format!(
                "killed with SIGKILL, then resumed: {} cancellations live, {} mutations under way",
                kill.live, kill.open_mutations
            ))?;
        }
        out.line(format!(
            "requests repeated by the caller, for want of an answer: {}",
            self.repeated
        ))?;
        let outcomes: Vec<String> = self
            .outcomes
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        out.line(format!("ended as: {}", outcomes.join(", ")))?;
        let checked = &self.verify.checked;
        out.line(format!(
            "own books: {} histories with {} entries replayed, {} violations",
            checked.instances, checked.entries, checked.violations
        ))?;

        out.line("\nWhat the remotes saw, against what was asked:\n")?;
        let mut table = view::table(&["", "EXPECTED", "SEEN", ""]);
        for row in &self.proof.rows {
            table.add_row([
                escape(&row.name),
                escape(&row.expected),
                escape(&row.seen),
                (if row.ok { "ok" } else { "WRONG" }).to_owned(),
            ]);
        }
        out.text(&view::print(table))?;
        out.line("")?;
        self.print_rightly_not(out)?;
        self.print_findings(out)?;
        if let Some(directory) = &self.directory {
            out.line(format!(
                "store, configuration, log and books are in {}",
                escape(directory)
            ))?;
        }
        out.line(if self.ok {
            "PROVED: nothing lost, nothing doubled, nothing stuck"
        } else {
            "FAILED: see above"
        })
    }

    /// Where asked orders and `cancelOrder` calls differ in number, this is why.
    fn print_rightly_not(&self, out: &mut Output) -> Result<(), Failure> {
        let rightly_not = &self.proof.rightly_not;
        if rightly_not.is_empty() {
            return Ok(());
        }
        out.line(format!(
            "asked for and rightly not cancelled by us: {}",
            rightly_not.values().sum::<usize>()
        ))?;
        for (why, count) in rightly_not {
            out.line(format!("  {count}: {}", escape(why)))?;
        }
        out.line("")
    }

    fn print_findings(&self, out: &mut Output) -> Result<(), Failure> {
        for (kind, findings) in [
            ("lost", &self.proof.lost),
            ("doubled", &self.proof.doubled),
            ("stuck", &self.proof.stuck),
            ("wrong", &self.proof.wrong),
        ] {
            for Finding { order_id, what } in findings {
                let order = match order_id.as_str() {
                    "" => String::new(),
                    id => format!("{}: ", escape(id)),
                };
                out.line(format!("{kind}: {order}{}", escape(what)))?;
            }
        }
        for unfinished in &self.unfinished {
            out.line(format!("stuck: {}", escape(unfinished)))?;
        }
        for violation in &self.verify.violations {
            let id = violation.id.as_deref().unwrap_or("the store");
            out.line(format!(
                "own books: {} {}: {}",
                violation.invariant,
                escape(id),
                escape(&violation.detail)
            ))?;
        }
        for fault in &self.faults {
            out.line(format!("fault: {}", escape(fault)))?;
        }
        Ok(())
    }
}
