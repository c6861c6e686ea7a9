//! What a person is needed for, and what happens next.

use countermand_core::cancellation::effect::{Effect, Patience, Timer};
use countermand_core::cancellation::input::Mutation;
use countermand_core::cancellation::view::{Status, View};
use countermand_core::cancellation::{About, Cancellation, State, suggestion_in_words};
use countermand_core::{Timestamp, When, Workflow};

use super::words::{self, Names, quoted};
use super::{Line, text};

/// What a person is needed for, as the end of a sentence.
pub(super) fn need(about: &About, names: &Names) -> String {
    match about {
        About::PrecheckUndecided => {
            "what Amazon shows of the order does not let us decide whether it can be cancelled"
                .to_owned()
        }
        About::PendingTooLong => "Amazon has not decided for longer than it should take".to_owned(),
        About::InDoubt { lane } => format!(
            "it is still not known whether {} took effect",
            names.lane(lane)
        ),
        About::NotVisible { what } => format!(
            "Amazon told of something that its data does not show ({})",
            quoted(what)
        ),
        About::AttemptsExhausted { lane } => {
            format!(
                "{} failed so often that it is not tried any more",
                names.lane(lane)
            )
        }
        About::RefundUnclear { refund_id } => format!(
            "{} cannot be paid before somebody has looked into it",
            names.refund(refund_id)
        ),
        About::RefundMoved { refund_id } => {
            format!(
                "somebody else changed {} at Amazon",
                names.refund(refund_id)
            )
        }
        About::PayoutFailed { refund_id } => {
            format!(
                "the payment provider did not pay {}",
                names.refund(refund_id)
            )
        }
        About::PayoutDiffers { refund_id } => format!(
            "the payment provider paid something else for {} than it was told to",
            names.refund(refund_id)
        ),
        About::PayoutLimited { refund_id } => format!(
            "{} would go beyond the limits that are set for payouts",
            names.refund(refund_id)
        ),
        About::KeyExpired { refund_id } => format!(
            "it is not known whether {} was paid, and it is too late to send it again safely",
            names.refund(refund_id)
        ),
        About::ReportRefused { refund_id } => {
            format!("Amazon refused the report on {}", names.refund(refund_id))
        }
    }
}

/// The oldest need, for the headline.
pub(super) fn short_need(view: &View, state: Option<&State>) -> String {
    let names = Names::of(view);
    let known = state.and_then(|state| state.case.attention.first());
    match (known, &view.attention) {
        (Some(attention), _) => need(&attention.about, &names),
        (None, Some(attention)) => quoted(&attention.why),
        (None, None) => "the reason is not known".to_owned(),
    }
}

/// What a person is needed for, since when, and what that person can do.
pub(super) fn person(view: &View, state: Option<&State>, names: &Names) -> Vec<Line> {
    let mut lines = Vec::new();
    let known = state.map(|state| state.case.attention.as_slice());
    match known {
        Some(all) if view.attention.is_some() && !all.is_empty() => {
            for attention in all {
                let text = format!(
                    "Since {}: {}. In detail: {}.",
                    text::moment(attention.since),
                    need(&attention.about, names),
                    quoted(&attention.detail)
                );
                lines.push(
                    Line::new("needed", text)
                        .fact("why", attention.about.code())
                        .fact("since", attention.since)
                        .fact("refundId", attention.about.refund()),
                );
            }
        }
        _ => {
            if let Some(attention) = &view.attention {
                let since = text::moment(attention.since);
                let text = format!("Since {since}: {}.", quoted(&attention.why));
                lines.push(Line::new("needed", text).fact("since", attention.since));
            }
        }
    }
    let suggestions = view
        .attention
        .iter()
        .flat_map(|attention| &attention.suggest);
    for suggestion in suggestions {
        let mut line = Line::new("can_do", suggestion_in_words(suggestion));
        line.command = Some(suggestion.clone());
        lines.push(line);
    }
    lines
}

/// What happens next, and by when.
pub(super) fn next(view: &View, state: Option<&State>, names: &Names, now: Timestamp) -> Vec<Line> {
    if view.status == Status::Finished {
        let text = match view.finished_at {
            Some(at) => format!("Nothing: it was finished on {}.", text::moment(at)),
            None => "Nothing: it is finished.".to_owned(),
        };
        return vec![Line::new("nothing", text)];
    }
    let mut lines = Vec::new();
    let due = match (view.status, view.next_at) {
        (_, Some(at)) if at > now => Some(format!(
            "The next step is due on {} ({}).",
            text::moment(at),
            text::distance(at, now)
        )),
        (Status::Attention, None) => Some("Nothing, before a person acts.".to_owned()),
        (Status::Waiting, None) => None,
        _ => Some("The next step is due now.".to_owned()),
    };
    lines.extend(due.map(|text| Line::new("due", text).fact("at", view.next_at)));
    if let Some(error) = &view.last_error {
        let failures = match view.attempt {
            0 | 1 => String::new(),
            count => format!(", {count} times in a row"),
        };
        let text = format!(
            "{} did not work{failures} ({}): {}.",
            words::capital(&step(&error.effect)),
            text::distance(error.at, now),
            quoted(&error.message)
        );
        lines.push(Line::new("last_error", text).fact("at", error.at));
    }
    if let Some(state) = state {
        for item in Cancellation::default().next(state).items() {
            if is_stopped(state, &item.effect) {
                continue;
            }
            let Some(line) = planned(&item.effect, &item.when, names) else {
                continue;
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        if let Some(grace) = state.case.grace.as_ref().filter(|grace| !grace.over) {
            let until = grace.since.plus(state.case.terms.refund_grace);
            let text = format!(
                "Further refunds are looked for until {}; after that it can be finished.",
                text::moment(until)
            );
            lines.push(Line::new("until", text).fact("at", until));
        }
    }
    lines
}

fn step(effect: &str) -> String {
    match effect {
        "read_order" => "looking at the order".to_owned(),
        "cancel_order" => "asking Amazon to cancel the order".to_owned(),
        "pay_refund" => "paying the refund".to_owned(),
        "report_refund" => "telling Amazon about the refund".to_owned(),
        "update_oms" => "telling your order system".to_owned(),
        other => format!("the step {}", quoted(other)),
    }
}

/// Failed as often as it may: it is planned, and not tried before a person asks for that.
fn is_stopped(state: &State, effect: &Effect) -> bool {
    let lane = match effect {
        Effect::CancelOrder(_) => Mutation::CancelOrder.lane(),
        Effect::PayRefund(pay) => Mutation::PayRefund {
            refund_id: pay.refund_id.clone(),
        }
        .lane(),
        Effect::ReportRefund(report) => Mutation::ReportRefund {
            refund_id: report.refund_id.clone(),
        }
        .lane(),
        Effect::UpdateOms(_) => "update_oms".to_owned(),
        // The order is read all the same.
        Effect::ReadOrder(_) | Effect::WatchPayout(_) | Effect::Timer(_) => return false,
    };
    state.case.attention.iter().any(
        |raised| matches!(&raised.about, About::AttemptsExhausted { lane: stopped } if *stopped == lane),
    )
}

/// An item of the agenda in words.
fn planned(effect: &Effect, when: &When, names: &Names) -> Option<Line> {
    Some(match effect {
        Effect::ReadOrder(_) => Line::new("look", "The order is looked at again at Amazon."),
        Effect::CancelOrder(cancel) => match when {
            When::Settled { since, wait } => {
                let at = since.plus(*wait);
                let text = format!(
                    "If no trace of the request shows at Amazon, it is sent again, not before {}.",
                    text::moment(at)
                );
                Line::new("ask_again", text).fact("at", at)
            }
            _ if cancel.attempt > 1 => {
                Line::new("ask_again", "Amazon is asked again to cancel the order.")
            }
            _ => Line::new("ask", "Amazon is asked to cancel the order."),
        },
        Effect::PayRefund(pay) => {
            let name = names.refund(&pay.refund_id);
            match when {
                When::Settled { since, wait } => {
                    let at = since.plus(*wait);
                    let text = format!(
                        "If the payment provider's list shows no payment for {name}, it is sent again, not before {}.",
                        text::moment(at)
                    );
                    Line::new("pay_again", text).fact("at", at)
                }
                _ => Line::new("pay", format!("{} is paid for {name}.", pay.amount)),
            }
            .fact("refundId", &pay.refund_id)
        }
        Effect::WatchPayout(watch) => {
            let text = format!(
                "The payment provider is asked again about payment {}.",
                watch.payment_id
            );
            Line::new("ask_about_payment", text).fact("paymentId", &watch.payment_id)
        }
        Effect::ReportRefund(report) => {
            let text = format!(
                "Amazon is told that {} is {}.",
                names.refund(&report.refund_id),
                words::refund_state(&report.state)
            );
            Line::new("report", text).fact("refundId", &report.refund_id)
        }
        Effect::UpdateOms(_) => Line::new("tell", "Your order system is told the news."),
        Effect::Timer(Timer::Patience(patience)) => {
            let When::At(at) = when else {
                return None;
            };
            let by = text::moment(*at);
            let what = match patience {
                Patience::Precheck => "it is not decided whether the order can be cancelled",
                Patience::Pending => "Amazon has not decided",
                Patience::Doubt => "it is not known what became of what was sent",
                Patience::Look => "Amazon's data does not show what Amazon told",
            };
            let text = format!("If {what} by {by}, a person is asked for.");
            Line::new("ask_for_person", text).fact("at", at)
        }
        Effect::Timer(Timer::Overdue { mutation, .. }) => {
            let text = format!("An answer to {} is waited for.", names.message(mutation));
            Line::new("answer_awaited", text)
        }
    })
}
