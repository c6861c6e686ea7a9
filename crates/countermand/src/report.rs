//! A cancellation in plain language, for whoever has to explain it to somebody: computed from its
//! history alone, and from its view for what happens next.
//!
//! [`case_report`] is a pure function; [`CaseReport`] is structured data, whose `code`s are stable
//! and whose texts are for people. [`CaseReport::to_text`] lays it out for a page of 80 columns;
//! other forms are made from the same sections.

mod ahead;
mod changes;
mod course;
mod outcomes;
mod parts;
mod reads;
mod text;
mod words;

use std::collections::BTreeMap;

use countermand_core::cancellation::State;
use countermand_core::cancellation::view::{Status, View};
use countermand_core::{InstanceId, OrderId, TargetId, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::api::HistoryEntry;
use course::Course;

/// The account of one cancellation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseReport {
    /// The cancellation.
    pub cancellation_id: InstanceId,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The moment for which it is true.
    pub at: Timestamp,
    /// How it stands, or how it ended: one sentence, and a second one where a person is needed.
    pub headline: Line,
    /// The account, part by part, in the order in which it is to be read.
    pub sections: Vec<Section>,
}

/// A part of a [`CaseReport`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// Which part: `request`, `course`, `refunds`, `doubts`, `oms`, `person`, `next`. Stable.
    pub code: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it says.
    pub lines: Vec<Line>,
}

/// Something that a [`CaseReport`] says.
///
/// The text may quote what others wrote, as it came: escape it for wherever it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it happened, where it happened at one moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What kind of thing it is. Stable.
    pub code: &'static str,
    /// For people: whole sentences.
    pub text: String,
    /// What the text tells, for programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<&'static str, Value>,
    /// The command that does what the text proposes, without the program's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Line {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            at: None,
            code,
            text: text.into(),
            facts: BTreeMap::new(),
            command: None,
        }
    }

    fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    fn fact(mut self, name: &'static str, value: impl Serialize) -> Self {
        // Only plain values are given: this cannot fail.
        if let Ok(value) = serde_json::to_value(value)
            && !value.is_null()
        {
            self.facts.insert(name, value);
        }
        self
    }
}

/// Tells a cancellation from its history; `view` is its row, for what happens next, and `now` the
/// moment that "in 5 minutes" counts from.
///
/// Every history has a report: entries that this version does not understand are told as such, and
/// what followed from them is taken from the view.
///
/// ```no_run
/// # async fn example(reader: countermand::Reader) -> Result<(), countermand::Error> {
/// let report = reader.report("322-T7QM-2LH9WD").await?;
/// println!("{}", report.headline.text);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn case_report(view: &View, history: &[HistoryEntry], now: Timestamp) -> CaseReport {
    let course = Course::of(view, history);
    let state = course.state();
    let mut sections = Vec::new();
    let mut add = |code, title, lines: Vec<Line>| {
        if !lines.is_empty() {
            sections.push(Section { code, title, lines });
        }
    };
    add("request", "What was asked for", course.request());
    add("course", "What happened", course.lines().to_vec());
    add("refunds", "Refunds", course.refunds());
    add("doubts", "What was uncertain", course.doubts());
    add("oms", "What your order system was told", course.told());
    add(
        "person",
        "What a person is needed for",
        ahead::person(view, state, course.names()),
    );
    add(
        "next",
        "What happens next",
        ahead::next(view, state, course.names(), now),
    );
    CaseReport {
        cancellation_id: view.id.clone(),
        target_id: view.target_id.clone(),
        order_id: view.order_id.clone(),
        at: now,
        headline: headline(view, state),
        sections,
    }
}

/// How it stands, or how it ended: what a caller asks first.
fn headline(view: &View, state: Option<&State>) -> Line {
    let order = &view.order_id;
    let money = words::paid(view);
    let before = state.is_some_and(|state| !state.case.prior.refunds.is_empty());
    let refunded = match (&money, view.refunds.is_empty()) {
        (Some(money), _) => format!(", and {money} was refunded"),
        (None, true) if before => {
            "; an earlier cancellation of it looked after the refunds".to_owned()
        }
        (None, true) => "; no refund was asked for".to_owned(),
        (None, false) => "; nothing was refunded by us".to_owned(),
    };
    let why = words::why_not(view);
    let text = match (view.status, view.outcome.as_deref()) {
        (Status::Finished, Some("cancelled")) => format!("Order {order} was cancelled{refunded}."),
        (Status::Finished, Some("partly_cancelled")) => {
            format!("A part of order {order} was cancelled{refunded}.")
        }
        (Status::Finished, Some("refunded")) => match money {
            Some(money) => {
                format!("Order {order} was not cancelled, but {money} was refunded.")
            }
            None => format!("Order {order} was not cancelled, and its refunds are settled."),
        },
        (Status::Finished, Some("withdrawn")) => format!(
            "Order {order} was not cancelled: the request was withdrawn before anything was sent to Amazon."
        ),
        (Status::Finished, Some("nothing_to_do")) => format!(
            "Nothing had to be done for order {order}: neither a cancellation nor a refund came to be."
        ),
        (Status::Finished, Some("rejected")) => format!("Order {order} was not cancelled: {why}."),
        (Status::Finished, _) => format!("The cancellation of order {order} is finished."),
        (Status::Attention, _) => format!(
            "A person is needed for the cancellation of order {order}: {}. {}",
            ahead::short_need(view, state),
            words::standing(view, state, &why)
        ),
        (Status::Running | Status::Waiting, _) => words::standing(view, state, &why),
    };
    Line::new("headline", text)
        .fact("state", &view.state)
        .fact("status", view.status)
        .fact("outcome", &view.outcome)
}
