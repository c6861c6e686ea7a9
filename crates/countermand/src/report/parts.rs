//! The parts of a report that gather what the course has brought: doubts, messages, refunds.

use countermand_core::cancellation::Refund;
use countermand_core::cancellation::input::PayoutState;
use countermand_core::cancellation::view::RefundView;

use super::course::{Course, Dates, Uncertain};
use super::{Line, text, words};

impl Course {
    /// Every time in which it was not known whether something had arrived.
    pub(super) fn doubts(&self) -> Vec<Line> {
        if self.uncertain.is_empty() && self.state.is_some() {
            let text = "Nothing: at every moment it was known what had been done.";
            return vec![Line::new("nothing_uncertain", text)];
        }
        let lines = self.uncertain.iter().map(|uncertain| {
            let Uncertain {
                message,
                receiver,
                since,
                why,
                settled,
                ..
            } = uncertain;
            let begin = format!(
                "From {} it was not known whether {message} had taken effect at {receiver}, because {why}.",
                text::moment(*since)
            );
            match settled {
                Some((until, how)) => Line::new(
                    "was_uncertain",
                    format!("{begin} That was settled on {}: {how}.", text::moment(*until)),
                )
                .fact("until", until),
                None => Line::new(
                    "is_uncertain",
                    format!("{begin} It is not known yet; nothing is sent twice meanwhile."),
                ),
            }
            .fact("since", since)
            .fact("what", &uncertain.lane)
        });
        lines.collect()
    }

    /// Every message to the order system.
    pub(super) fn told(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self
            .messages
            .iter()
            .map(|((_, id), message)| {
                let line = match message.told {
                    Some(at) => Line::new("told", format!("It was told {}.", message.says)).at(at),
                    None => Line::new(
                        "not_told_yet",
                        format!(
                            "It is still to be told {} (known since {}).",
                            message.says,
                            text::moment(message.raised)
                        ),
                    ),
                };
                line.fact("messageId", id)
            })
            .collect();
        let prior = self.state.as_ref().map(|state| &state.case.prior);
        if lines.is_empty() && prior.is_some_and(|prior| prior.succeeded) {
            let text = "Nothing by this one: an earlier cancellation of the order had told it.";
            lines.push(Line::new("told_before", text));
        } else if lines.is_empty() && self.view.finished_at.is_some() {
            lines.push(Line::new(
                "never_told",
                "Nothing: there was nothing to tell.",
            ));
        } else if lines.is_empty() {
            lines.push(Line::new("never_told", "Nothing so far."));
        }
        lines
    }

    /// Every refund, as it stands.
    pub(super) fn refunds(&self) -> Vec<Line> {
        let prior = self.state.as_ref().map(|state| &state.case.prior);
        let before = prior.map_or(0, |prior| prior.refunds.len());
        if self.view.refunds.is_empty() && before > 0 {
            let text = match before {
                1 => "An earlier cancellation of the order looked after the refund that Amazon asked \
                      for; its own report has the amount:"
                    .to_owned(),
                count => format!(
                    "Earlier cancellations of the order looked after the {count} refunds that \
                     Amazon asked for; their own reports have the amounts:"
                ),
            };
            let mut line = Line::new("refunds_before", text);
            line.command = Some(format!("list --order {}", self.view.order_id));
            return vec![line];
        }
        if self.view.refunds.is_empty() {
            let asked = if self.view.finished_at.is_some() {
                "Amazon asked for none."
            } else {
                "Amazon has asked for none so far."
            };
            return vec![Line::new("no_refund", asked)];
        }
        let lines = self.view.refunds.iter().map(|refund| {
            let known = self.state.as_ref();
            let known = known.and_then(|state| state.case.refunds.get(&refund.id));
            let amount = match &refund.amount {
                Some(amount) => amount.to_string(),
                None => "money, without saying how much,".to_owned(),
            };
            let why = known.map_or_else(String::new, |known| {
                format!(" {}", words::refund_reason(known.reason.as_deref()))
            });
            let mut text = format!(
                "{} ({}): Amazon asked for {amount}{why}.",
                words::capital(&self.names.refund(&refund.id)),
                refund.id
            );
            let dates = self.dates.get(&refund.id);
            text.push_str(&payment(refund, known, dates));
            let reported = match (&refund.reported, dates.and_then(|dates| dates.reported)) {
                (Some(state), Some(at)) => format!(
                    " On {} Amazon was told that it is {}.",
                    text::moment(at),
                    words::refund_state(&state.as_str().into())
                ),
                (Some(state), None) => format!(
                    " Amazon was told that it is {}.",
                    words::refund_state(&state.as_str().into())
                ),
                (None, _) if known.is_some_and(|known| known.moved) => format!(
                    " Somebody else told Amazon about it: it is {} there.",
                    words::refund_state(&refund.state.as_str().into())
                ),
                (None, _) if known.is_some_and(|known| known.report.is_open_or_in_doubt()) => {
                    " Whether Amazon knows that already is not known yet.".to_owned()
                }
                (None, _) => " Amazon was not told anything about it yet.".to_owned(),
            };
            text.push_str(&reported);
            Line::new("refund", text)
                .fact("refundId", &refund.id)
                .fact("amount", refund.amount)
                .fact("paymentId", &refund.payment_id)
                .fact("paidAt", dates.and_then(|dates| dates.paid))
                .fact("state", &refund.state)
                .fact("reported", &refund.reported)
                .fact("reportedAt", dates.and_then(|dates| dates.reported))
        });
        lines.collect()
    }
}

/// What was paid for a refund.
fn payment(refund: &RefundView, known: Option<&Refund>, dates: Option<&Dates>) -> String {
    let Some(payment_id) = &refund.payment_id else {
        let failed = known.and_then(|known| known.payout.as_ref());
        return match failed {
            Some(failed) => format!(
                " It is not paid: payment {} failed.",
                failed.payout.payment_id
            ),
            None if known.is_some_and(|known| known.pay.doubt.is_some()) => {
                " Whether it was paid is not known yet.".to_owned()
            }
            None if known.is_some_and(|known| known.pay.open.is_some()) => {
                " It is being paid.".to_owned()
            }
            None if known.is_some_and(|known| known.not_due) => {
                " A person stated that it is not to be paid.".to_owned()
            }
            None if refund.amount.is_some_and(|amount| amount.is_zero()) => {
                " There is nothing to pay.".to_owned()
            }
            None => " It was not paid by us.".to_owned(),
        };
    };
    let paid = known.and_then(|known| known.payout.as_ref());
    let by_hand = paid.is_some_and(|paid| paid.by_hand);
    let by = if by_hand { " by hand" } else { "" };
    let when = dates
        .and_then(|dates| dates.paid)
        .map_or_else(String::new, |at| format!(" on {}", text::moment(at)));
    match paid.map(|paid| (paid.payout.state, paid.payout.amount)) {
        Some((PayoutState::Pending, _)) => {
            format!(" The payment provider is working on it as payment {payment_id}.")
        }
        Some((PayoutState::Partial, amount)) => {
            format!(" {amount} of it was paid{by}{when}, as payment {payment_id}.")
        }
        Some((_, amount)) => format!(" {amount} was paid{by}{when}, as payment {payment_id}."),
        None => format!(" It was paid{when}, as payment {payment_id}."),
    }
}
