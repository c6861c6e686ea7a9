//! Was anything lost, doubled or left behind? What the remotes saw, against what was asked.

mod case;
mod money;
mod orders;
mod telling;
#[cfg(test)]
mod tests;
mod words;

pub use words::{PersonsFact, PersonsWord};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;

/// A cancellation that somebody asked the engine for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The order.
    pub order_id: String,
    /// The cancellation's id at the engine, where it is known. Then the OMS must have heard of it
    /// under this id.
    #[serde(default)]
    pub cancellation_id: Option<String>,
}

impl Asked {
    /// For this order, whatever the id of the cancellation.
    pub fn order(order_id: impl Into<String>) -> Self {
        Self {
            order_id: order_id.into(),
            cancellation_id: None,
        }
    }
}

/// One line of the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What is compared.
    pub name: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub seen: String,
    /// Do they agree?
    pub ok: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The order.
    pub order_id: String,
    /// What is wrong.
    pub what: String,
}

/// The judgement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Line by line.
    pub rows: Vec<Check>,
    /// How many orders were asked for and rightly not cancelled by us, by the reason that Amazon's
    /// books give.
    #[serde(default)]
    pub rightly_not: BTreeMap<String, usize>,
    /// Should have happened and did not.
    pub lost: Vec<Finding>,
    /// Happened more than once.
    pub doubled: Vec<Finding>,
    /// Began and did not end.
    pub stuck: Vec<Finding>,
    /// Happened and should not have, or not like that.
    pub wrong: Vec<Finding>,
    /// Does every line agree?
    pub ok: bool,
}

/// Compares what the remotes saw with what was asked. Pure.
///
/// Zero is a legitimate number of `cancelOrder` calls where Amazon's own books say why: somebody
/// else cancelled, a package had left, or Amazon refused. What nobody asked for counts as well, once
/// an event of it was acknowledged: its refunds are due, its outcome must be told.
#[must_use]
pub fn judge(asked: &[Asked], ledger: &Ledger) -> Proof {
    judge_with(asked, &[], ledger)
}

/// As [`judge`], where people had to help: what they said is taken for true, and the engine is held
/// to it.
#[must_use]
pub fn judge_with(asked: &[Asked], words: &[PersonsWord], ledger: &Ledger) -> Proof {
    let cases = case::cases(asked, words, ledger);
    let mut verdict = Verdict::default();
    orders::judge(&mut verdict, asked, &cases);
    money::judge(&mut verdict, ledger, &cases);
    telling::judge(&mut verdict, ledger, &cases);
    let mut proof = verdict.proof;
    proof.ok = proof.rows.iter().all(|row| row.ok);
    proof
}

/// What is wrong with one thing, and of which kind it is.
enum Fault {
    Lost(String),
    Doubled(String),
    Stuck(String),
    Wrong(String),
}

/// Collects the lines.
#[derive(Default)]
struct Verdict {
    proof: Proof,
}

impl Verdict {
    /// A line that agrees when nothing was found against it.
    fn row(
        &mut self,
        name: &str,
        expected: impl fmt::Display,
        seen: impl fmt::Display,
        faults: Vec<(&str, Fault)>,
    ) {
        let row = Check {
            name: name.to_owned(),
            expected: expected.to_string(),
            seen: seen.to_string(),
            ok: faults.is_empty(),
        };
        self.proof.rows.push(row);
        for (order, fault) in faults {
            let (list, what) = match fault {
                Fault::Lost(what) => (&mut self.proof.lost, what),
                Fault::Doubled(what) => (&mut self.proof.doubled, what),
                Fault::Stuck(what) => (&mut self.proof.stuck, what),
                Fault::Wrong(what) => (&mut self.proof.wrong, what),
            };
            list.push(Finding {
                order_id: order.to_owned(),
                what,
            });
        }
    }

    /// A line about what must not be: nothing is expected, and each thing found is one.
    fn none(&mut self, name: &str, faults: Vec<(&str, Fault)>) {
        let seen = faults.len();
        self.row(name, 0, seen, faults);
    }

    /// A line about things that must all be: each fault is one that is missing.
    fn all(&mut self, name: &str, expected: usize, faults: Vec<(&str, Fault)>) {
        let seen = expected.saturating_sub(faults.len());
        self.row(name, expected, seen, faults);
    }
}
