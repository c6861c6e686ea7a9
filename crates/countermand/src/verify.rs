//! Proves a store: replays every history and compares it with its row. Read-only, streaming, also
//! beside a running engine.

mod grammar;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::cancellation::Cancellation;
use countermand_core::{InstanceId, Workflow};
use countermand_store::{self as store, Disposition, Filter, Row, Store};
use serde::{Deserialize, Serialize};

use self::replay::check;

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 200;
/// Events that are looked through, newest first.
const EVENTS_MAX: usize = 100_000;
/// Violations that are kept; more are only counted.
const VIOLATIONS_MAX: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Was nothing found?
    pub ok: bool,
    /// What is wrong; the first thousand.
    pub violations: Vec<Violation>,
    /// What was looked at.
    pub checked: Checked,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The broken promise: `I1`, `I3`, `I6`, `I7`, `I8`, `I9`, `I10`, `I12`, `I13` or `I19`.
    pub invariant: String,
    /// The cancellation, where it concerns one.
    pub id: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Cancellations.
    pub instances: u64,
    /// Of them finished.
    pub finished: u64,
    /// History entries.
    pub entries: u64,
    /// Intents of mutations.
    pub intents: u64,
    /// Events.
    pub events: u64,
    /// Instances of other kinds, which were passed over.
    pub other_kinds: u64,
    /// Cancellations whose fold has an older stored form as its base, which this program cannot
    /// recompute; everything else about them was checked.
    pub upgraded: u64,
    /// Violations found.
    pub violations: u64,
}

/// Replays every history of a store and compares it with its row.
///
/// # Errors
/// When the store cannot be read.
pub async fn verify<S: Store>(store: &S) -> Result<Report, store::Error> {
    let mut findings = Findings::default();
    let mut subjects = Subjects::default();
    let mut after = None;
    loop {
        let page = store
            .list(&Filter::default(), after.as_ref(), ROWS_AT_ONCE)
            .await?;
        for damage in page.unreadable {
            findings.note("I3", None, damage);
        }
        for row in page.rows {
            if row.kind == Cancellation::KIND {
                // What is damaged is a finding, and hides nothing else.
                if let Some(damage) = damage(check(store, &row, &mut findings).await)? {
                    findings.note("I3", Some(&row.id), damage);
                }
                subjects.add(&row, &mut findings);
            } else {
                findings.checked.other_kinds += 1;
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if let Some(damage) = damage(check_inbox(store, &mut findings).await)? {
        findings.note("I9", None, damage);
    }
    Ok(findings.report())
}

/// What is damaged; any other failure ends the proof.
fn damage(checked: Result<(), store::Error>) -> Result<Option<String>, store::Error> {
    match checked {
        Ok(()) => Ok(None),
        Err(store::Error::Corrupt { what, detail }) => {
            Ok(Some(format!("{what} cannot be read: {detail}")))
        }
        Err(error) => Err(error),
    }
}

#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
    checked: Checked,
}

impl Findings {
    fn note(
        &mut self,
        invariant: &'static str,
        id: Option<&InstanceId>,
        detail: impl Into<String>,
    ) {
        self.checked.violations += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation {
                invariant: invariant.to_owned(),
                id: id.map(ToString::to_string),
                detail: detail.into(),
            });
        }
    }

    fn report(self) -> Report {
        Report {
            ok: self.checked.violations == 0,
            violations: self.violations,
            checked: self.checked,
        }
    }
}

/// One live cancellation per order, one cancellation per external id.
#[derive(Default)]
struct Subjects {
    live: BTreeMap<(String, String), InstanceId>,
    external: BTreeMap<(String, String), InstanceId>,
}

impl Subjects {
    fn add(&mut self, row: &Row, findings: &mut Findings) {
        if row.due_at.is_some() {
            let subject = (row.scope.clone(), row.subject.clone());
            if let Some(other) = self.live.insert(subject, row.id.clone()) {
                let detail = format!(
                    "order {} has another live cancellation, {other}",
                    row.subject
                );
                findings.note("I1", Some(&row.id), detail);
            }
        }
        if let Some(external_id) = &row.body.external_id {
            let name = (row.scope.clone(), external_id.clone());
            if let Some(other) = self.external.insert(name, row.id.clone()) {
                let detail = format!("its external id belongs to {other} as well");
                findings.note("I8", Some(&row.id), detail);
            }
        }
    }
}

/// Each business fact is in the inbox once, and names a cancellation that exists.
async fn check_inbox<S: Store>(store: &S, findings: &mut Findings) -> Result<(), store::Error> {
    let mut facts = BTreeSet::new();
    let mut named = BTreeSet::new();
    for record in store.inbox(EVENTS_MAX).await? {
        findings.checked.events += 1;
        if record.disposition == Disposition::Applied {
            match &record.fact_key {
                Some(fact) if !facts.insert(fact.clone()) => {
                    let detail = format!("the fact {fact} was applied twice");
                    findings.note("I9", record.instance_id.as_ref(), detail);
                }
                _ => {}
            }
        }
        named.extend(record.instance_id);
    }
    let named: Vec<InstanceId> = named.into_iter().collect();
    for ids in named.chunks(ROWS_AT_ONCE) {
        match store.load(ids).await {
            Ok(rows) => {
                for (id, row) in ids.iter().zip(rows) {
                    note_missing(id, row.as_ref(), findings);
                }
            }
            // One that is damaged is there, and was found before: the others are asked one by one.
            Err(store::Error::Corrupt { .. }) => {
                for id in ids {
                    match store.load(std::slice::from_ref(id)).await {
                        Ok(rows) => {
                            note_missing(id, rows.first().and_then(Option::as_ref), findings);
                        }
                        Err(store::Error::Corrupt { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn note_missing(id: &InstanceId, row: Option<&Row>, findings: &mut Findings) {
    if row.is_none() {
        let detail = "an event was applied to it, and it is not there";
        findings.note("I9", Some(id), detail);
    }
}
