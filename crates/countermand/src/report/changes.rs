//! What an entry changed that its own sentence does not say: found by comparing the states.

use std::collections::BTreeMap;

use countermand_core::Timestamp;
use countermand_core::cancellation::input::{Action, Fact, Input, Mutation};
use countermand_core::cancellation::{Doubt, Milestone, State};

use super::course::{Course, Message, Uncertain};
use super::{Line, ahead, reads, words};
use crate::api::HistoryEntry;

impl Course {
    /// What an entry changed that its own sentence does not say.
    pub(super) fn compare(
        &mut self,
        entry: &HistoryEntry,
        input: &Input,
        before: &State,
        after: &State,
    ) {
        let at = entry.at;
        self.compare_doubts(at, input, before, after);
        for raised in &after.case.attention {
            if !before.case.attention.contains(raised) {
                let text = format!(
                    "A person is asked for: {}.",
                    ahead::need(&raised.about, &self.names)
                );
                self.lines.push(
                    Line::new("person_asked_for", text)
                        .at(at)
                        .fact("why", raised.about.code()),
                );
            }
        }
        for settled in &before.case.attention {
            if !after
                .case
                .attention
                .iter()
                .any(|other| other.about == settled.about)
            {
                let text = format!(
                    "No person is needed any more for this: {}.",
                    ahead::need(&settled.about, &self.names)
                );
                self.lines.push(
                    Line::new("person_not_needed", text)
                        .at(at)
                        .fact("why", settled.about.code()),
                );
            }
        }
        for raised in &after.case.milestones.queue {
            if raised.seq != entry.seq || !entry.accepted {
                continue;
            }
            let says = match raised.milestone {
                Milestone::Pending => "that Amazon is deciding on the cancellation".to_owned(),
                Milestone::Succeeded if after.case.cancelled.as_ref().is_some_and(|c| !c.whole) => {
                    "that a part of the order is cancelled".to_owned()
                }
                Milestone::Succeeded => "that the order is cancelled".to_owned(),
                Milestone::Rejected => "that the order is not cancelled, and why".to_owned(),
                Milestone::RefundUpdated => raised.refund_id.as_ref().map_or_else(
                    || "how a refund stands".to_owned(),
                    |id| format!("how {} stands", self.names.refund(id)),
                ),
            };
            let id = raised.message_id(&after.case.id);
            let message = Message {
                says,
                raised: at,
                told: None,
            };
            self.messages.insert((raised.seq, id), message);
        }
        if let Input::Operator { actor, action } = input
            && matches!(
                action,
                Action::Resolve {
                    fact: Fact::OmsTold,
                    ..
                }
            )
            && entry.accepted
        {
            for message in self.messages.values_mut().filter(|m| m.told.is_none()) {
                message.told = Some(at);
                message.says = format!("{}, as {actor} stated", message.says);
            }
        }
        if after.phase.is_finished() && !before.phase.is_finished() {
            self.say(at, "finished", "Everything was done; nothing is left.");
        }
    }

    pub(super) fn compare_doubts(
        &mut self,
        at: Timestamp,
        input: &Input,
        before: &State,
        after: &State,
    ) {
        let (was, is) = (doubts(before), doubts(after));
        for (lane, (mutation, doubt)) in &is {
            if !was.contains_key(lane) {
                self.uncertain.push(Uncertain {
                    lane: lane.clone(),
                    message: self.names.message(mutation),
                    receiver: words::receiver(mutation),
                    since: doubt.since,
                    why: words::unknown(doubt.why),
                    settled: None,
                });
            }
        }
        for (lane, (mutation, _)) in &was {
            if is.contains_key(lane) {
                continue;
            }
            let how = reads::settled(input, mutation, after);
            let open = self
                .uncertain
                .iter_mut()
                .rev()
                .find(|uncertain| uncertain.lane == *lane && uncertain.settled.is_none());
            if let Some(uncertain) = open {
                uncertain.settled = Some((at, how));
            }
        }
    }
}

/// What is in doubt in a state, by lane.
fn doubts(state: &State) -> BTreeMap<String, (Mutation, Doubt)> {
    let case = &state.case;
    let cancel = [(Mutation::CancelOrder, &case.cancel)];
    let refunds = case.refunds.iter().flat_map(|(id, refund)| {
        let pay = Mutation::PayRefund {
            refund_id: id.clone(),
        };
        let report = Mutation::ReportRefund {
            refund_id: id.clone(),
        };
        [(pay, &refund.pay), (report, &refund.report)]
    });
    cancel
        .into_iter()
        .chain(refunds)
        .filter_map(|(mutation, attempts)| {
            let doubt = attempts.doubt.clone()?;
            Some((mutation.lane(), (mutation, doubt)))
        })
        .collect()
}
