//! What remotes answered and people did, each in a sentence.

use countermand_core::cancellation::input::{Action, Done, Fact, Mutation, Payout, PayoutState};
use countermand_core::cancellation::order::CancellationState;
use countermand_core::{RefundId, Timestamp};

use super::Line;
use super::course::{Course, Message};
use super::words::{self, quoted};
use crate::api::HistoryEntry;

impl Course {
    pub(super) fn done(&mut self, at: Timestamp, done: &Done) {
        match done {
            Done::CancelOrder { state, .. } => {
                let text = match state {
                    CancellationState::Pending => {
                        "Amazon took the request to cancel the order and is deciding.".to_owned()
                    }
                    CancellationState::Success => "Amazon cancelled the order at once.".to_owned(),
                    CancellationState::Rejected => {
                        "Amazon answered at once that it will not cancel the order.".to_owned()
                    }
                    CancellationState::Other(other) => format!(
                        "Amazon answered the request to cancel the order with {}.",
                        quoted(other)
                    ),
                };
                self.lines.push(
                    Line::new("amazon_answered", text)
                        .at(at)
                        .fact("state", state),
                );
            }
            Done::PayRefund {
                refund_id, payout, ..
            } => {
                self.paid(refund_id, payout.state, at);
                let text = words::payout(payout, &self.names.refund(refund_id)) + ".";
                self.lines.push(
                    Line::new("payout", words::capital(&text))
                        .at(at)
                        .fact("refundId", refund_id)
                        .fact("paymentId", &payout.payment_id)
                        .fact("amount", payout.amount)
                        .fact("state", payout.state),
                );
            }
            Done::ReportRefund {
                refund_id, state, ..
            } => {
                self.dates.entry(refund_id.clone()).or_default().reported = Some(at);
                let text = format!(
                    "Amazon was told that {} is {}.",
                    self.names.refund(refund_id),
                    words::refund_state(state)
                );
                self.lines.push(
                    Line::new("reported", text)
                        .at(at)
                        .fact("refundId", refund_id)
                        .fact("state", state),
                );
            }
            Done::UpdateOms { id, .. } => {
                let waiting = self.messages.iter_mut().find(|((_, known), _)| known == id);
                if let Some((_, message)) = waiting {
                    message.told.get_or_insert(at);
                } else {
                    let message = Message {
                        says: "of something that this version cannot name".to_owned(),
                        raised: at,
                        told: Some(at),
                    };
                    self.messages.insert((u64::MAX, id.clone()), message);
                }
            }
        }
    }

    pub(super) fn paid(&mut self, refund: &RefundId, state: PayoutState, at: Timestamp) {
        if matches!(state, PayoutState::Success | PayoutState::Partial) {
            self.dates.entry(refund.clone()).or_default().paid = Some(at);
        }
    }

    pub(super) fn looked(
        &mut self,
        at: Timestamp,
        mutation: &Mutation,
        found: bool,
        payout: Option<&Payout>,
        key_expired: bool,
    ) {
        let message = self.names.message(mutation);
        let text = match (found, payout, mutation) {
            (true, Some(payout), Mutation::PayRefund { refund_id }) => {
                self.paid(refund_id, payout.state, at);
                format!(
                    "The payment provider's list shows that it was done: {}. Nothing was sent again.",
                    words::payout(payout, &self.names.refund(refund_id))
                )
            }
            (true, ..) => format!(
                "A look just before sending {message} showed that it need not be sent, so it was not."
            ),
            (false, ..) if key_expired => format!(
                "The payment provider's list does not show the payment, and so much time has passed \
                 that {message} cannot safely be sent again."
            ),
            (false, ..) => {
                format!("A look found no trace of {message} from before; it is sent again.")
            }
        };
        self.say(at, if found { "found" } else { "not_found" }, text);
    }

    pub(super) fn operator(&mut self, entry: &HistoryEntry, actor: &str, action: &Action) {
        let text = match action {
            Action::Retry => "asked to try again what had stopped or was waiting".to_owned(),
            Action::Withdraw { note: None } => "withdrew the request".to_owned(),
            Action::Withdraw { note: Some(note) } => {
                format!("withdrew the request: {}", quoted(note))
            }
            Action::Note { text } => format!("noted: {}", quoted(text)),
            Action::Resolve { fact, note } => {
                let fact = match fact {
                    Fact::Cancelled => "Amazon cancelled the order".to_owned(),
                    Fact::Rejected => "Amazon will not cancel the order".to_owned(),
                    Fact::NotSent => "what was uncertain did not arrive".to_owned(),
                    Fact::RefundPaid {
                        refund_id,
                        payment_id,
                        amount,
                    } => {
                        if entry.accepted {
                            self.paid(refund_id, PayoutState::Success, entry.at);
                        }
                        format!(
                            "{amount} was paid for {} by hand, as payment {payment_id}",
                            self.names.refund(refund_id)
                        )
                    }
                    Fact::RefundNotDue { refund_id } => {
                        format!("{} is not to be paid", self.names.refund(refund_id))
                    }
                    Fact::OmsTold => "your order system knows everything already".to_owned(),
                    Fact::EventWrong => "what Amazon's event named is not there".to_owned(),
                };
                format!("stated that {fact}: {}", quoted(note))
            }
        };
        let ending = if entry.accepted {
            "."
        } else {
            "; this was not accepted."
        };
        self.lines.push(
            Line::new("operator", format!("{actor} {text}{ending}"))
                .at(entry.at)
                .fact("actor", actor),
        );
    }
}
