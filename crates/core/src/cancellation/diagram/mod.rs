//! The life cycle as a drawing. Nothing here is written by hand: edges and agendas are *found* by
//! running `step` and `next` over the [exemplars].

mod draw;
mod layout;
mod page;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

pub use draw::{dot, mermaid, table};
pub use page::lifecycle_page;
pub use svg::{Mark, svg};

use crate::cancellation::effect::{Effect, Timer};
use crate::cancellation::exemplars;
use crate::cancellation::{Cancellation, Phase};
use crate::{Item, When, Workflow};

/// A step that leaves a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The state that is left.
    pub from: &'static str,
    /// The input's type, and what sets it apart (see [`exemplars::Offer::label`]).
    pub input: String,
    /// The state that is entered.
    pub to: &'static str,
}

impl Edge {
    /// The input's type, as it stands in the history.
    #[must_use]
    pub fn input_type(&self) -> &str {
        let end = self.input.find(':').unwrap_or(self.input.len());
        self.input.get(..end).unwrap_or(&self.input)
    }
}

/// A line of the agenda of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The state.
    pub state: &'static str,
    /// What is to be done; `REFUND` stands for a refund's id.
    pub what: String,
    /// From when on, in the words of [`when`].
    pub when: String,
    /// The exemplars whose agenda has it, by the second half of their names.
    pub exemplars: Vec<&'static str>,
}

/// Every edge that some input takes from some exemplar, in the order of the life cycle.
#[must_use]
pub fn edges() -> Vec<Edge> {
    let workflow = Cancellation::default();
    let mut found = BTreeSet::new();
    for exemplar in exemplars::all() {
        let state = &exemplar.script.state;
        let from = state.phase.name();
        for offer in exemplar.offers() {
            let Ok(next) = workflow.step(state, &offer.input, offer.stamp) else {
                continue;
            };
            let to = next.phase.name();
            if from != to {
                let input = offer.label;
                found.insert((place(from), place(to), Edge { from, input, to }));
            }
        }
    }
    found.into_iter().map(|(.., edge)| edge).collect()
}

/// Where a state stands in the order of the life cycle.
fn place(state: &str) -> usize {
    let position = Phase::NAMES.iter().position(|name| *name == state);
    position.unwrap_or(Phase::NAMES.len())
}

/// The inputs of each arrow of the drawing: from, to, and the edges between them.
fn arrows() -> Vec<(&'static str, &'static str, Vec<Edge>)> {
    let mut arrows: BTreeMap<(usize, usize), Vec<Edge>> = BTreeMap::new();
    for edge in edges() {
        let key = (place(edge.from), place(edge.to));
        arrows.entry(key).or_default().push(edge);
    }
    let named = arrows.into_values().filter_map(|edges| {
        let first = edges.first()?;
        Some((first.from, first.to, edges))
    });
    named.collect()
}

/// What is on the agenda of each state, in the order of the life cycle.
#[must_use]
pub fn duties() -> Vec<Duty> {
    let workflow = Cancellation::default();
    let mut duties: Vec<Duty> = Vec::new();
    for exemplar in exemplars::all() {
        let state = exemplar.script.state.phase.name();
        let situation = exemplar
            .name
            .split_once('.')
            .map_or(exemplar.name, |(_, situation)| situation);
        for item in workflow.next(&exemplar.script.state).items() {
            let (what, when) = (what(&item.effect), when(item));
            let known = duties
                .iter_mut()
                .find(|duty| duty.state == state && duty.what == what && duty.when == when);
            match known {
                Some(duty) => duty.exemplars.push(situation),
                None => duties.push(Duty {
                    state,
                    what,
                    when,
                    exemplars: vec![situation],
                }),
            }
        }
    }
    duties.sort_by(|a, b| {
        let key = |duty: &Duty| (place(duty.state), duty.what.clone(), duty.when.clone());
        key(a).cmp(&key(b))
    });
    duties
}

fn what(effect: &Effect) -> String {
    let text = match effect {
        Effect::ReadOrder(_) => "read the order",
        Effect::CancelOrder(_) => "attempt `cancel_order`",
        Effect::PayRefund(_) => "attempt `pay_refund/REFUND`",
        Effect::WatchPayout(_) => "ask for the payout of `pay_refund/REFUND`",
        Effect::ReportRefund(_) => "attempt `report_refund/REFUND`",
        Effect::UpdateOms(_) => "tell the OMS (`update_oms`)",
        Effect::Timer(Timer::Overdue { mutation, .. }) => {
            let lane = mutation.lane();
            let lane = lane
                .split_once('/')
                .map_or(lane.clone(), |(name, _)| format!("{name}/REFUND"));
            return format!("call the open intent of `{lane}` unknown");
        }
        Effect::Timer(Timer::Patience(_)) => "raise attention",
    };
    text.to_owned()
}

/// When an item is due, in words.
#[must_use]
pub fn when<E>(item: &Item<E>) -> String {
    match item.when {
        When::Now => "now".to_owned(),
        When::At(_) => "at a set time".to_owned(),
        When::Poll { prompt, until, .. } => {
            let first = if prompt {
                "first at once"
            } else {
                "first after a wait"
            };
            let last = if until.is_some() {
                ", and once at a set time"
            } else {
                ""
            };
            format!("again and again, {first}{last}")
        }
        When::Settled { .. } => "once \"not there\" is to be believed".to_owned(),
    }
}
