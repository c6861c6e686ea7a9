//! One cancellation: its history replayed, and compared with its row.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use countermand_core::cancellation::request::Request;
use countermand_core::cancellation::{Cancellation, Input, Prior, State};
use countermand_core::{Agenda, Opening, Projection, Spend, Stamp, Workflow};
use countermand_store::{self as store, Entry, GENESIS, Row, Store, entry_hash};

use super::Findings;
use super::grammar::{Grammar, settled_by_another};

/// History entries that are read at once.
const ENTRIES_AT_ONCE: usize = 500;

/// What a replay has come to.
struct Replay<'a> {
    workflow: Cancellation,
    row: &'a Row,
    state: Option<State>,
    /// The fold goes on; `None` once it cannot.
    folds: bool,
    upgraded: bool,
    head: store::Hash,
    seq: u64,
    epoch: u64,
    phase: String,
    operations: BTreeSet<String>,
    grammar: Grammar,
}

/// Replays one history and compares it with its row.
pub(super) async fn check<S: Store>(
    store: &S,
    row: &Row,
    findings: &mut Findings,
) -> Result<(), store::Error> {
    let mut replay = Replay {
        workflow: Cancellation::default(),
        row,
        state: None,
        folds: true,
        upgraded: false,
        head: GENESIS,
        seq: 0,
        epoch: 0,
        phase: String::new(),
        operations: BTreeSet::new(),
        grammar: Grammar::default(),
    };
    findings.checked.instances += 1;
    // The history may have grown since the row was read: only what the row knows is compared.
    let newest = loop {
        let entries = store.history(&row.id, replay.seq, ENTRIES_AT_ONCE).await?;
        let before = replay.seq;
        let known = entries.iter().filter(|entry| entry.seq <= row.revision);
        if !guarded(findings, row, |findings| {
            known.for_each(|entry| replay.entry(entry, findings));
        }) {
            return Ok(());
        }
        match entries.last() {
            Some(last) if last.seq > row.revision => break Some(last.seq),
            Some(_) if entries.len() == ENTRIES_AT_ONCE && replay.seq > before => {}
            _ => break None,
        }
    };
    if !guarded(findings, row, |findings| replay.end(findings)) {
        return Ok(());
    }
    match newest {
        Some(newest) => behind(store, row, newest, findings).await,
        None => Ok(()),
    }
}

/// A defect of the life cycle that shows with one cancellation hides nothing about the others.
fn guarded(findings: &mut Findings, row: &Row, check: impl FnOnce(&mut Findings)) -> bool {
    let checked = catch_unwind(AssertUnwindSafe(|| check(findings)));
    if checked.is_err() {
        findings.note("I3", Some(&row.id), "its replay panics");
    }
    checked.is_ok()
}

/// Row and history change together: once an entry can be seen, so can the row that it led to.
async fn behind<S: Store>(
    store: &S,
    row: &Row,
    newest: u64,
    findings: &mut Findings,
) -> Result<(), store::Error> {
    let rows = store.load(std::slice::from_ref(&row.id)).await?;
    let now = rows
        .first()
        .and_then(Option::as_ref)
        .map_or(0, |row| row.revision);
    if now < newest {
        let detail = format!("its revision is {now}, its history goes on to entry {newest}");
        findings.note("I3", Some(&row.id), detail);
    }
    Ok(())
}

impl Replay<'_> {
    fn entry(&mut self, entry: &Entry, findings: &mut Findings) {
        let id = &self.row.id;
        let seq = entry.seq;
        findings.checked.entries += 1;
        let mut note = |invariant, detail: String| findings.note(invariant, Some(id), detail);
        if entry.instance_id != *id {
            note(
                "I3",
                format!("entry {seq} belongs to {}", entry.instance_id),
            );
        }
        if seq != self.seq + 1 {
            note("I3", format!("entry {seq} follows entry {}", self.seq));
        }
        if entry.hash != entry_hash(&self.head, &entry.instance_id, seq, &entry.entry) {
            note(
                "I19",
                format!("the hash of entry {seq} does not fit what is before it and in it"),
            );
        }
        let written = &entry.entry;
        if written.from != self.phase {
            let detail = format!(
                "entry {seq} leads from `{}`, the one before led to `{}`",
                written.from, self.phase
            );
            note("I3", detail);
        }
        if !written.accepted && written.from != written.to {
            note(
                "I3",
                format!("entry {seq} was not accepted and changed the state all the same"),
            );
        }
        if written.epoch.0 < self.epoch {
            let detail = format!(
                "entry {seq} has epoch {}, one before it has {}",
                written.epoch, self.epoch
            );
            note("I7", detail);
        }
        if !self.operations.insert(written.operation_id.clone()) {
            note(
                "I3",
                format!("entry {seq} repeats the operation {}", written.operation_id),
            );
        }
        self.fold(entry, findings);
        // What follows is judged by what is there, so that one fault shows once.
        self.seq = seq;
        self.head = entry.hash;
        self.phase.clone_from(&written.to);
        self.epoch = self.epoch.max(written.epoch.0);
    }

    fn fold(&mut self, entry: &Entry, findings: &mut Findings) {
        let id = &self.row.id;
        let written = &entry.entry;
        let stamp = Stamp {
            at: written.at,
            seq: entry.seq,
            epoch: written.epoch,
        };
        if entry.seq == 1 {
            match serde_json::from_str::<Opening<Request, Prior>>(&written.input) {
                Ok(opening) => {
                    let Opening { request, prior } = opening;
                    self.state = Some(self.workflow.start(id, &request, &prior, stamp));
                }
                Err(error) => self.unfoldable(entry.seq, &error.to_string(), findings),
            }
        } else {
            let input = match serde_json::from_str::<Input>(&written.input) {
                Ok(input) => input,
                Err(error) => return self.unfoldable(entry.seq, &error.to_string(), findings),
            };
            let spends = self.workflow.spend(&input).filter(|_| written.accepted);
            let written_as = written.spend.as_deref().map(serde_json::from_str::<Spend>);
            let is_as_written = match (&spends, written_as) {
                (None, None) => true,
                (Some(spends), Some(Ok(written))) => *spends == written,
                _ => false,
            };
            if !is_as_written {
                let detail = format!("entry {} spends something else than it says", entry.seq);
                findings.note("I3", Some(id), detail);
            }
            let was_finished = self
                .state
                .as_ref()
                .is_some_and(|state| state.phase.is_finished());
            let counted = self.grammar.entry(entry.seq, written.accepted, &input);
            let before = self.state.as_ref().filter(|_| written.accepted);
            let stray = before.and_then(|state| settled_by_another(entry.seq, state, &input));
            for (invariant, detail) in counted.into_iter().chain(stray) {
                findings.note(invariant, Some(id), detail);
            }
            if matches!(input, Input::Upgraded { .. }) {
                // The base of the fold is a state that only the upgrading program could compute.
                self.upgraded = true;
                self.folds = false;
                self.state = None;
            }
            self.apply(entry, &input, stamp, was_finished, findings);
        }
        let Some(state) = &self.state else { return };
        let phase = state.phase.name();
        if phase != written.to {
            let detail = format!(
                "entry {} says `{}`, its replay says `{phase}`",
                entry.seq, written.to
            );
            findings.note("I3", Some(id), detail);
        }
    }

    fn apply(
        &mut self,
        entry: &Entry,
        input: &Input,
        stamp: Stamp,
        was_finished: bool,
        findings: &mut Findings,
    ) {
        let Some(state) = &self.state else { return };
        let id = &self.row.id;
        let seq = entry.seq;
        match (
            self.workflow.step(state, input, stamp),
            entry.entry.accepted,
        ) {
            (Ok(next), true) => {
                if was_finished && next.phase != state.phase {
                    findings.note(
                        "I13",
                        Some(id),
                        format!("entry {seq} changes a finished cancellation"),
                    );
                }
                self.state = Some(next);
            }
            (Err(_), false) => {}
            (Ok(_), false) => {
                let detail = format!("entry {seq} was not accepted, its replay accepts it");
                findings.note("I3", Some(id), detail);
            }
            (Err(rejection), true) => {
                let detail =
                    format!("entry {seq} was accepted, its replay rejects it: {rejection}");
                self.folds = false;
                self.state = None;
                findings.note("I3", Some(id), detail);
            }
        }
    }

    fn unfoldable(&mut self, seq: u64, why: &str, findings: &mut Findings) {
        self.folds = false;
        self.state = None;
        let detail = format!("entry {seq} cannot be read: {why}");
        findings.note("I3", Some(&self.row.id), detail);
    }

    fn end(self, findings: &mut Findings) {
        let row = self.row;
        let id = Some(&row.id);
        findings.checked.intents += self.grammar.intents();
        if self.seq != row.revision {
            let detail = format!(
                "its revision is {}, its history ends with {}",
                row.revision, self.seq
            );
            findings.note("I3", id, detail);
            return;
        }
        if self.head != row.head {
            findings.note("I19", id, "its head is not the hash of its newest entry");
        }
        if self.epoch != row.epoch.0 {
            let detail = format!(
                "its epoch is {}, its newest entry has {}",
                row.epoch, self.epoch
            );
            findings.note("I7", id, detail);
        }
        if row.due_at.is_none() != row.body.outcome.is_some()
            || row.due_at.is_none() != row.finished_at.is_some()
        {
            let detail = "an outcome, a time of finishing and no due time belong together";
            findings.note("I6", id, detail);
        }
        if row.due_at.is_none() {
            findings.checked.finished += 1;
        }
        if self.upgraded {
            findings.checked.upgraded += 1;
        }
        if row.body.version != Cancellation::VERSION {
            return;
        }
        let stored = match serde_json::from_str::<State>(&row.body.state) {
            Ok(stored) => stored,
            Err(error) => {
                let detail = format!("its stored state cannot be read: {error}");
                findings.note("I3", id, detail);
                return;
            }
        };
        if let Some(folded) = self.state.as_ref().filter(|_| self.folds) {
            compare(folded, row, findings);
        }
        columns(&self.workflow, &stored, row, findings);
    }
}

/// The stored state is the fold, as JSON values: not a byte of a value may differ.
fn compare(folded: &State, row: &Row, findings: &mut Findings) {
    let id = Some(&row.id);
    let folded = serde_json::to_value(folded);
    let stored = serde_json::from_str::<serde_json::Value>(&row.body.state);
    match (folded, stored) {
        (Ok(folded), Ok(stored)) if folded == stored => {}
        (Ok(folded), Ok(stored)) => {
            let place = difference(&folded, &stored, String::new());
            let detail = format!(
                "its stored state is not the fold of its history: they differ at `{place}`"
            );
            findings.note("I3", id, detail);
        }
        (Err(error), _) | (_, Err(error)) => {
            findings.note("I3", id, format!("its state cannot be compared: {error}"));
        }
    }
}

/// The JSON pointer of the first difference.
fn difference(left: &serde_json::Value, right: &serde_json::Value, at: String) -> String {
    use serde_json::Value::{Array, Object};
    match (left, right) {
        (Object(left), Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let there = format!("{at}/{key}");
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) if left == right => {}
                    (Some(left), Some(right)) => return difference(left, right, there),
                    _ => return there,
                }
            }
            at
        }
        (Array(left), Array(right)) => {
            let differing = left
                .iter()
                .zip(right)
                .position(|(left, right)| left != right);
            let index = differing.unwrap_or(left.len().min(right.len()));
            let there = format!("{at}/{index}");
            match (left.get(index), right.get(index)) {
                (Some(left), Some(right)) => difference(left, right, there),
                _ => there,
            }
        }
        _ => at,
    }
}

/// The searchable columns are those of the state, and nothing unfinished is without a due time.
fn columns(workflow: &Cancellation, state: &State, row: &Row, findings: &mut Findings) {
    let id = Some(&row.id);
    let Projection {
        phase,
        outcome,
        finished,
        in_doubt,
        attention,
        open_intent_epoch,
        external_id,
        fingerprint,
    } = workflow.project(state);
    let body = &row.body;
    let fits = [
        ("phase", body.phase == phase),
        ("outcome", body.outcome.as_deref() == outcome),
        ("in_doubt", body.in_doubt == in_doubt),
        ("attention", body.attention == attention),
        (
            "open_intent_epoch",
            body.open_intent_epoch == open_intent_epoch,
        ),
        ("external_id", body.external_id == external_id),
        ("fingerprint", body.fingerprint == fingerprint),
        ("scope", row.scope == state.case.target_id.as_str()),
        ("subject", row.subject == state.case.order_id.as_str()),
        ("id", row.id == state.case.id),
    ];
    for (column, _) in fits.iter().filter(|(_, fits)| !fits) {
        findings.note(
            "I3",
            id,
            format!("its column {column} is not what its state says"),
        );
    }
    if finished != row.due_at.is_none() {
        let detail = if finished {
            "it is finished and has a due time all the same"
        } else {
            "it is not finished and has no due time: nothing would ever wake it"
        };
        findings.note("I6", id, detail);
    }
    match workflow.next(state) {
        Agenda::Finished if !finished => {
            findings.note("I6", id, "it is not finished and nothing is on its agenda");
        }
        Agenda::Open(items) if finished || items.is_empty() => {
            findings.note("I6", id, "its agenda does not fit its state");
        }
        Agenda::Finished | Agenda::Open(_) => {}
    }
    if finished && (in_doubt || open_intent_epoch.is_some()) {
        findings.note(
            "I12",
            id,
            "it is finished while a mutation is open or in doubt",
        );
    }
}
