//! The course of a cancellation: its history, walked once, each entry in a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use countermand_core::cancellation::input::{Done, Input, Mutation, OrderRead};
use countermand_core::cancellation::request::{CancelRequest, Observation, Request};
use countermand_core::cancellation::view::View;
use countermand_core::cancellation::{Cancellation, Prior, State};
use countermand_core::{Epoch, Opening, RefundId, Stamp, Timestamp, Workflow};

use super::words::{self, Names, quoted};
use super::{Line, reads};
use crate::api::HistoryEntry;

/// A time in which it was not known whether something had arrived.
pub(super) struct Uncertain {
    pub(super) lane: String,
    pub(super) message: String,
    pub(super) receiver: &'static str,
    pub(super) since: Timestamp,
    pub(super) why: &'static str,
    pub(super) settled: Option<(Timestamp, String)>,
}

/// A message to the order system.
pub(super) struct Message {
    pub(super) says: String,
    pub(super) raised: Timestamp,
    pub(super) told: Option<Timestamp>,
}

/// What became of a refund, and when.
#[derive(Default)]
pub(super) struct Dates {
    pub(super) paid: Option<Timestamp>,
    pub(super) reported: Option<Timestamp>,
}

/// See the module.
pub(super) struct Course {
    pub(super) names: Names,
    pub(super) view: View,
    pub(super) state: Option<State>,
    request: Vec<Line>,
    pub(super) lines: Vec<Line>,
    pub(super) uncertain: Vec<Uncertain>,
    pub(super) messages: BTreeMap<(u64, String), Message>,
    pub(super) dates: BTreeMap<RefundId, Dates>,
    /// Attempts whose outcome the history tells: their beginning need not be told.
    concluded: BTreeSet<(String, u32)>,
}

impl Course {
    /// Walks a history.
    pub(super) fn of(view: &View, history: &[HistoryEntry]) -> Self {
        let mut course = Self {
            names: Names::of(view),
            view: view.clone(),
            state: None,
            request: Vec::new(),
            lines: Vec::new(),
            uncertain: Vec::new(),
            messages: BTreeMap::new(),
            dates: BTreeMap::new(),
            concluded: BTreeSet::new(),
        };
        for entry in history {
            if let Ok(input) = serde_json::from_str::<Input>(entry.input.get()) {
                course.concluded.extend(concludes(&input));
            }
        }
        let mut entries = history.iter();
        if let Some(first) = entries.next() {
            course.opening(first);
        }
        for entry in entries {
            course.entry(entry);
        }
        course
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The state that the history leads to, if all of it could be followed.
    pub(super) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    pub(super) fn request(&self) -> Vec<Line> {
        self.request.clone()
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn say(&mut self, at: Timestamp, code: &'static str, text: impl AsRef<str>) {
        self.lines
            .push(Line::new(code, words::capital(text.as_ref())).at(at));
    }

    fn opening(&mut self, entry: &HistoryEntry) {
        let Ok(opening) = serde_json::from_str::<Opening<Request, Prior>>(entry.input.get()) else {
            self.not_understood(entry);
            return;
        };
        match &opening.request {
            Request::Requested(request) => self.asked(entry.at, request),
            Request::Observed(observation) => self.heard(entry.at, observation),
        }
        let id = self.view.id.clone();
        let workflow = Cancellation::default();
        let start = || workflow.start(&id, &opening.request, &opening.prior, stamp(entry));
        self.state = catch_unwind(AssertUnwindSafe(start)).ok();
    }

    fn asked(&mut self, at: Timestamp, request: &CancelRequest) {
        let who = request.requested_by.as_deref();
        let who = who.map_or_else(|| "A caller without a name".to_owned(), str::to_owned);
        let why = match request.reason {
            Some(reason) => format!("The reason given: {}.", words::reason(reason)),
            None => "No reason was given.".to_owned(),
        };
        let text = format!("{} asked to cancel order {}. {why}", who, request.order_id);
        self.request.push(
            Line::new("asked", text)
                .at(at)
                .fact("by", &request.requested_by)
                .fact("reason", request.reason),
        );
        if let Some(comments) = &request.additional_comments {
            let text = format!("The comment with it: {}", quoted(comments));
            self.request.push(
                Line::new("comments", text)
                    .at(at)
                    .fact("comments", comments),
            );
        }
        if let Some(external) = &request.external_id {
            let text = format!("The caller's own number for it: {external}");
            self.request.push(
                Line::new("external_id", text)
                    .at(at)
                    .fact("externalId", external),
            );
        }
    }

    fn heard(&mut self, at: Timestamp, observation: &Observation) {
        let text = match (&observation.event, &observation.requested_by) {
            (Some(event), _) => format!(
                "Nobody asked here. Amazon told that {}, so order {} is looked after.",
                words::event(&event.event_type),
                observation.order_id
            ),
            (None, Some(who)) => format!(
                "{who} asked to look after order {}, without asking to cancel it.",
                observation.order_id
            ),
            (None, None) => format!("Order {} is looked after.", observation.order_id),
        };
        let event = observation.event.as_ref().map(|event| &event.event_type);
        self.request.push(
            Line::new("heard", text)
                .at(at)
                .fact("event", event)
                .fact("by", &observation.requested_by),
        );
    }

    fn entry(&mut self, entry: &HistoryEntry) {
        let Ok(input) = serde_json::from_str::<Input>(entry.input.get()) else {
            self.not_understood(entry);
            return;
        };
        let before = self.state.take();
        let after = before.as_ref().and_then(|state| {
            if !entry.accepted {
                return Some(state.clone());
            }
            let workflow = Cancellation::default();
            let step = || workflow.step(state, &input, stamp(entry));
            catch_unwind(AssertUnwindSafe(step)).ok()?.ok()
        });
        self.tell(entry, &input, before.as_ref(), after.as_ref());
        if let (Some(before), Some(after)) = (&before, &after) {
            self.compare(entry, &input, before, after);
        }
        self.state = after;
    }

    /// An entry of another version, or a damaged one: what it led to is known all the same.
    fn not_understood(&mut self, entry: &HistoryEntry) {
        let text = format!(
            "Something happened that this version cannot explain ({}); afterwards it stood at \"{}\".",
            entry.input_type(),
            entry.to
        );
        self.say(entry.at, "not_understood", text);
        self.state = None;
    }

    /// The entry's own sentence.
    fn tell(
        &mut self,
        entry: &HistoryEntry,
        input: &Input,
        before: Option<&State>,
        after: Option<&State>,
    ) {
        let at = entry.at;
        match input {
            Input::Requested(request) => self.asked(at, request),
            Input::OrderRead(read) => self.read(entry, read, before, after),
            Input::IntentRecorded {
                mutation, attempt, ..
            } => {
                if !self.concluded.contains(&(mutation.lane(), *attempt)) {
                    let text = format!(
                        "{} is on its way to {}; there is no answer yet.",
                        self.names.message(mutation),
                        words::receiver(mutation)
                    );
                    self.say(at, "being_sent", text);
                }
            }
            Input::EffectDone(done) => self.done(at, done),
            Input::EffectRefused {
                mutation,
                code,
                message,
                ..
            } => {
                let text = format!(
                    "{} refused {}: {} ({}).",
                    words::receiver(mutation),
                    self.names.message(mutation),
                    quoted(message),
                    code
                );
                self.say(at, "refused", text);
            }
            Input::EffectNotSent { mutation, why, .. } => {
                let text = format!(
                    "{} did not go out to {}: {}. Nothing happened there.",
                    self.names.message(mutation),
                    words::receiver(mutation),
                    words::not_sent(*why)
                );
                self.say(at, "not_sent", text);
            }
            Input::EffectUnknown { mutation, why, .. } => {
                let text = format!(
                    "The answer to {} was lost: {}. It is not known whether it took effect, so it \
                     is looked for before anything is sent again.",
                    self.names.message(mutation),
                    words::unknown(*why)
                );
                self.say(at, "answer_lost", text);
            }
            Input::Looked {
                mutation,
                found,
                payout,
                key_expired,
                ..
            } => self.looked(at, mutation, *found, payout.as_ref(), *key_expired),
            Input::PayoutSeen {
                refund_id, payout, ..
            } => {
                self.paid(refund_id, payout.state, at);
                let text = words::payout(payout, &self.names.refund(refund_id));
                self.say(at, "payout", text + ".");
            }
            Input::EventReceived(event) => {
                let text = format!("Amazon told that {}.", words::event(&event.event_type));
                self.say(at, "event", text);
            }
            // What these lead to is told where the states are compared.
            Input::Upgraded { .. } | Input::TimerFired { .. } | Input::AttentionRaised { .. } => {}
            Input::Restored => self.say(
                at,
                "restored",
                "The records were brought back from a backup. What was sent after it was made is \
                 looked for before anything else is sent.",
            ),
            Input::AttentionCleared { lane } => {
                let text = format!("{} is tried again.", self.names.lane(lane));
                self.say(at, "tried_again", text);
            }
            Input::Operator { actor, action } => self.operator(entry, actor, action),
        }
        if !entry.accepted && !matches!(input, Input::Operator { .. }) {
            let text = "This no longer changed anything, and was only kept.";
            self.say(at, "not_accepted", text);
        }
    }

    fn read(
        &mut self,
        entry: &HistoryEntry,
        read: &OrderRead,
        before: Option<&State>,
        after: Option<&State>,
    ) {
        let told = match (before, after) {
            (Some(before), Some(after)) => reads::tell(&self.names, before, after, read),
            _ => reads::shown(read),
        };
        let mut line = Line::new(told.code, words::capital(&told.text)).at(entry.at);
        if let Some(order) = &read.order {
            let packages: Vec<&str> = order.packages.iter().map(|p| p.state.as_str()).collect();
            line = line.fact("packages", packages);
        }
        self.lines.push(line);
    }
}

fn stamp(entry: &HistoryEntry) -> Stamp {
    Stamp {
        at: entry.at,
        seq: entry.seq,
        epoch: Epoch(entry.epoch),
    }
}

/// The attempt whose outcome an input tells.
fn concludes(input: &Input) -> Option<(String, u32)> {
    match input {
        Input::EffectRefused {
            mutation, attempt, ..
        }
        | Input::EffectNotSent {
            mutation, attempt, ..
        }
        | Input::EffectUnknown {
            mutation, attempt, ..
        } => Some((mutation.lane(), *attempt)),
        // A look that found nothing is followed by the sending.
        Input::Looked {
            mutation,
            attempt,
            found,
            key_expired,
            ..
        } => (*found || *key_expired).then(|| (mutation.lane(), *attempt)),
        Input::EffectDone(done) => {
            let (mutation, attempt) = match done {
                Done::CancelOrder { attempt, .. } => (Mutation::CancelOrder, *attempt),
                Done::PayRefund {
                    refund_id, attempt, ..
                } => (
                    Mutation::PayRefund {
                        refund_id: refund_id.clone(),
                    },
                    *attempt,
                ),
                Done::ReportRefund {
                    refund_id, attempt, ..
                } => (
                    Mutation::ReportRefund {
                        refund_id: refund_id.clone(),
                    },
                    *attempt,
                ),
                Done::UpdateOms { .. } => return None,
            };
            Some((mutation.lane(), attempt))
        }
        _ => None,
    }
}
