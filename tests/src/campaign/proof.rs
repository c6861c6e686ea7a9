//! Was anything lost, doubled or left behind, and was the campaign worth anything?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use countermand_simulator::{Asked, Chaos, Counters, FaultKind, Finding, Ledger, Proof, judge};
use serde_json::Value;

use super::evidence::Story;
use super::stage::Log;
use super::strike::Manner;

/// So many of a hundred kills must strike while a mutation is under way.
const STRUCK_LEAST: u32 = 30;
/// From so many kills on every kind of heavy chaos must have come: before, the rare ones are a
/// matter of luck.
const ALL_CHAOS_FROM: u32 = 100;

/// What a campaign came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Daemons killed.
    pub kills: u32,
    /// The same by manner.
    pub manners: BTreeMap<Manner, u32>,
    /// Of these, killed while a mutation was under way: its intent was stored, its outcome was not.
    pub struck: u32,
    /// Of all kills, those at which the remotes were working on a request that changes something.
    pub struck_on_the_wire: u32,
    /// Orders created.
    pub orders: usize,
    /// Requests acknowledged.
    pub acknowledged: usize,
    /// How often a request had to be repeated for want of an answer.
    pub repeated: usize,
    /// How the cancellations ended.
    pub outcomes: BTreeMap<String, u64>,
    /// How often each kind of chaos struck.
    pub chaos: BTreeMap<String, u64>,
    /// Looks by effect and result.
    pub looks: BTreeMap<String, u64>,
    /// The books against what was asked; what is found beside the books is added to its lists.
    pub proof: Proof,
    /// Why the campaign proves nothing, if so.
    pub vacuous: Vec<String>,
    /// Seconds that it took.
    pub seconds: u64,
    /// Where its files are, when they stay.
    pub directory: Option<PathBuf>,
}

impl Outcome {
    /// Is all well, and was it worth something?
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.found().next().is_none() && self.proof.ok && self.vacuous.is_empty()
    }

    /// Everything that is wrong, with its kind.
    pub fn found(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        let Proof {
            lost,
            doubled,
            stuck,
            wrong,
            ..
        } = &self.proof;
        [
            ("lost", lost),
            ("doubled", doubled),
            ("stuck", stuck),
            ("wrong", wrong),
        ]
        .into_iter()
        .flat_map(|(kind, list)| list.iter().map(move |finding| (kind, finding)))
    }

    /// Says why it proves nothing, if it does not.
    pub(super) fn weigh(&mut self, chaos: Chaos) {
        if self.struck * 100 < self.kills * STRUCK_LEAST {
            self.vacuous.push(format!(
                "{} of {} kills struck while a mutation was under way, fewer than {STRUCK_LEAST} %",
                self.struck, self.kills
            ));
        }
        for kind in missing(&self.chaos, chaos, self.kills) {
            self.vacuous.push(format!("chaos never came as {kind}"));
        }
        for result in ["found", "absent"] {
            if self.looks_that(result) == 0 {
                self.vacuous
                    .push(format!("no look after a doubt came back {result}"));
            }
        }
    }

    fn looks_that(&self, result: &str) -> u64 {
        let counted = self.looks.iter();
        counted
            .filter(|(name, _)| name.ends_with(result))
            .map(|(_, count)| count)
            .sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            parts.join("; ")
        };
        let manners: Vec<String> = Manner::ALL
            .iter()
            .map(|manner| {
                let count = self.manners.get(manner).copied().unwrap_or(0);
                format!("{} {count}", manner.name())
            })
            .collect();
        writeln!(f, "kills      {}", manners.join("; "))?;
        writeln!(f, "outcomes   {}", list(&self.outcomes))?;
        writeln!(f, "chaos      {}", list(&self.chaos))?;
        writeln!(f, "looks      {}", list(&self.looks))?;
        for row in &self.proof.rows {
            writeln!(
                f,
                "{:<10} {}: expected {}, seen {}",
                if row.ok { "ok" } else { "WRONG" },
                row.name,
                row.expected,
                row.seen
            )?;
        }
        for (kind, finding) in self.found() {
            writeln!(f, "{kind:<10} {}: {}", finding.order_id, finding.what)?;
        }
        for why in &self.vacuous {
            writeln!(f, "vacuous    {why}")?;
        }
        write!(
            f,
            "{} kills, {} while a mutation was under way ({} on the wire), {} orders, {} requests acknowledged \
             ({} repeated), {} s: {} lost, {} doubled, {} stuck, {} wrong",
            self.kills,
            self.struck,
            self.struck_on_the_wire,
            self.orders,
            self.acknowledged,
            self.repeated,
            self.seconds,
            self.proof.lost.len(),
            self.proof.doubled.len(),
            self.proof.stuck.len(),
            self.proof.wrong.len(),
        )
    }
}

/// Each kind of chaos that heavy chaos has, on the way to the remotes and in the world itself, and
/// how often it struck.
pub(super) fn chaos(counters: &Counters, ledger: &Ledger) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = FaultKind::ALL
        .iter()
        .filter(|kind| kind.per_mille(Chaos::Heavy) > 0)
        .map(|kind| (kind.name().to_owned(), counters.struck(*kind).calls()))
        .collect();
    let ledger = serde_json::to_value(ledger).unwrap_or_default();
    for (name, count) in ledger["happenings"].as_object().into_iter().flatten() {
        counts.insert(name.clone(), count.as_u64().unwrap_or_default());
    }
    counts
}

/// The kinds that should have struck and did not.
pub(super) fn missing(counts: &BTreeMap<String, u64>, chaos: Chaos, kills: u32) -> Vec<String> {
    if chaos != Chaos::Heavy || kills < ALL_CHAOS_FROM {
        return Vec::new();
    }
    let never = counts.iter().filter(|(_, count)| **count == 0);
    never.map(|(kind, _)| kind.clone()).collect()
}

/// Judges: the books of the remotes, and what the daemon acknowledged against what its store knows.
pub(super) fn prove(
    log: &Log,
    forgotten: Option<&str>,
    ledger: &Ledger,
    stories: &BTreeMap<String, Story>,
) -> Proof {
    // It may still end as cancelled, by somebody else: the shopper was faster.
    let withdrawn = |id: &str| entries(stories, id, |input| input["action"] == "withdraw") > 0;
    let observed = |id: &str| {
        stories
            .get(id)
            .is_some_and(|story| story.view.origin == countermand::Origin::Observed)
    };
    let mut asked: Vec<Asked> = Vec::new();
    for (order, request) in &log.asked {
        let id = &request.cancellation;
        // Given up before anything was sent, or turned down: Amazon must not have heard of it.
        if withdrawn(id) || (request.is_conflict && observed(id)) {
            continue;
        }
        asked.push(Asked {
            order_id: order.clone(),
            cancellation_id: Some(id.clone()),
        });
    }
    asked.extend(forgotten.map(Asked::order));
    let mut proof = judge(&asked, ledger);
    remembered(&mut proof, log, stories);
    ended(&mut proof, stories);
    for (order, what) in &log.wrong {
        proof.wrong.push(finding(order, what));
    }
    proof
}

/// Every event that was acknowledged is in the inbox: polling would cover its loss.
pub(super) fn events_are_kept(proof: &mut Proof, ledger: &Ledger, kept: u64) {
    let events = ledger.events.iter();
    let acknowledged: u64 = events.map(|event| u64::from(event.acknowledged)).sum();
    if kept < acknowledged {
        let what = format!("{acknowledged} events were acknowledged, and {kept} are in the inbox");
        proof.lost.push(finding("", what));
    }
}

pub(super) fn finding(order: &str, what: impl Into<String>) -> Finding {
    Finding {
        order_id: order.to_owned(),
        what: what.into(),
    }
}

/// Everything that was acknowledged is there, as it was acknowledged.
fn remembered(proof: &mut Proof, log: &Log, stories: &BTreeMap<String, Story>) {
    let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
    for (order, request) in &log.asked {
        let id = request.cancellation.as_str();
        let Some(story) = stories.get(id) else {
            let what = format!("the request was acknowledged as {id}, which does not exist");
            proof.lost.push(finding(order, what));
            continue;
        };
        let external_id = request.body["externalId"].as_str();
        if story.view.order_id.to_string() != *order
            || (!request.is_conflict && story.view.external_id.as_deref() != external_id)
        {
            let what = format!("{id} is about something else than was acknowledged");
            proof.wrong.push(finding(order, what));
        }
        if let Some(other) = ids.insert(id, order) {
            let what = format!("{id} was also acknowledged for order {other}");
            proof.wrong.push(finding(order, what));
        }
    }
    for (id, text) in &log.notes {
        if entries(stories, id, |input| {
            input["action"] == "note" && input["text"] == text.as_str()
        }) == 0
        {
            proof.lost.push(finding(
                order_of(stories, id),
                format!("{text:?} was acknowledged and does not stand in the history of {id}"),
            ));
        }
    }
    for (id, count) in &log.retries {
        let seen = entries(stories, id, |input| input["action"] == "retry");
        if seen < *count {
            let what =
                format!("{count} retries of {id} were acknowledged, {seen} are in its history");
            proof.lost.push(finding(order_of(stories, id), what));
        }
    }
    for id in &log.withdrawn {
        if entries(stories, id, |input| input["action"] == "withdraw") == 0 {
            let what = format!("a withdrawal of {id} was acknowledged and is not in its history");
            proof.lost.push(finding(order_of(stories, id), what));
        }
    }
}

fn order_of<'a>(stories: &'a BTreeMap<String, Story>, id: &'a str) -> &'a str {
    stories
        .get(id)
        .map_or("", |story| story.view.order_id.as_str())
}

fn entries(stories: &BTreeMap<String, Story>, id: &str, is: impl Fn(&Value) -> bool) -> usize {
    let history = stories.get(id).into_iter().flat_map(|story| &story.history);
    history
        .filter_map(|entry| serde_json::to_value(entry).ok())
        .filter(|entry| entry["input"]["type"] == "operator" && is(&entry["input"]))
        .count()
}

/// Nothing is left behind, and no order has two cancellations that were both carried out.
fn ended(proof: &mut Proof, stories: &BTreeMap<String, Story>) {
    let mut live: BTreeSet<&str> = BTreeSet::new();
    for story in stories.values() {
        let view = &story.view;
        if view.finished_at.is_some() {
            continue;
        }
        let order = view.order_id.as_str();
        if !live.insert(order) {
            let what = "two cancellations of it are alive";
            proof.doubled.push(finding(order, what));
        }
        let why = view
            .attention
            .as_ref()
            .map_or_else(String::new, |attention| format!(": {}", attention.why));
        let error = view.last_error.as_ref().map_or_else(String::new, |error| {
            format!(", last error: {}", error.message)
        });
        let what = format!("{} is still in {}{why}{error}", view.id, view.state);
        proof.stuck.push(finding(order, what));
    }
}

#[cfg(test)]
mod tests {
    use countermand_simulator::EventRecord;

    use super::*;

    #[test]
    fn an_acknowledged_event_that_is_gone_is_found() {
        let event = EventRecord {
            seq: 1,
            event_id: "e".to_owned(),
            event_type: "REFUND_REQUESTED".to_owned(),
            order_id: "o".to_owned(),
            subject_id: "r".to_owned(),
            copies: 2,
            attempts: 2,
            acknowledged: 2,
            first_acknowledged_at: None,
            last_error: None,
        };
        let ledger = Ledger {
            events: vec![event],
            ..Ledger::default()
        };
        for (kept, lost) in [(2, 0), (3, 0), (1, 1)] {
            let mut proof = judge(&[], &Ledger::default());
            proof.lost.clear();
            events_are_kept(&mut proof, &ledger, kept);
            assert_eq!(proof.lost.len(), lost, "{kept}");
        }
    }
}
