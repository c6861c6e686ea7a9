//! What a look at the order showed, and what it settled.

use countermand_core::cancellation::State;
use countermand_core::cancellation::input::{Input, Mutation, OrderRead};
use countermand_core::cancellation::order::{Alias, CancellationEntry, CancellationState, Order};

use super::words::{self, Names};

/// A sentence and what kind of thing it tells.
pub(super) struct Told {
    pub(super) code: &'static str,
    pub(super) text: String,
}

fn told(code: &'static str, text: impl Into<String>) -> Told {
    Told {
        code,
        text: text.into(),
    }
}

/// What a look showed, where nothing else is known.
pub(super) fn shown(read: &OrderRead) -> Told {
    match &read.order {
        None => told("order_unknown", "Amazon did not know the order (yet)."),
        Some(order) => told(
            "order_looked_at",
            format!(
                "The order was looked at; it showed {}.",
                words::packages(order)
            ),
        ),
    }
}

/// What a look changed.
pub(super) fn tell(names: &Names, before: &State, after: &State, read: &OrderRead) -> Told {
    let Some(order) = &read.order else {
        return shown(read);
    };
    let (from, to) = (before.phase.name(), after.phase.name());
    let news = news(names, before, after);
    let main = if from == to {
        None
    } else {
        entered(from, to, after, order)
    };
    match (main, news.is_empty()) {
        (Some(mut main), _) => {
            for sentence in news {
                main.text.push(' ');
                main.text.push_str(&sentence);
            }
            main
        }
        (None, false) => told("order_news", news.join(" ")),
        (None, true) => shown(read),
    }
}

/// The sentence about the state that a look led to.
fn entered(from: &str, to: &str, after: &State, order: &Order) -> Option<Told> {
    let packages = words::packages(order);
    let case = &after.case;
    Some(match to {
        "requested" => told(
            "precheck_passed",
            format!(
                "The order was checked before anything was sent: it showed {packages}, so it could still be cancelled."
            ),
        ),
        "pending" => match entry(order, &CancellationState::Pending, &case.alias) {
            Some((_, true)) | None => told(
                "amazon_pending",
                "Amazon's data shows our request: it has arrived, and Amazon is deciding.",
            ),
            Some((entry, false)) => told(
                "adopted_pending",
                format!(
                    "There was a cancellation already, asked for by {}, on which Amazon was deciding. It is followed; nothing of ours was sent.",
                    words::requester(entry.requested_by.as_ref())
                ),
            ),
        },
        "success" => succeeded(
            from,
            case.cancelled.as_ref().is_some_and(|c| c.whole),
            &case.alias,
            order,
        ),
        "rejected" => {
            let why = case.rejection.as_ref().map_or_else(
                || "the reason is not known".to_owned(),
                |rejected| words::why(rejected.why.as_str(), rejected.detail.as_deref()),
            );
            let code = if from == "precheck" {
                "precheck_failed"
            } else {
                "amazon_rejected"
            };
            let text = if from == "precheck" {
                format!(
                    "The order was checked before anything was sent: {why}. It showed {packages}."
                )
            } else {
                format!("Amazon's data shows that the order is not cancelled: {why}.")
            };
            told(code, text)
        }
        "refund" => told(
            "refund_without_cancellation",
            format!(
                "The order is not cancelled, but money is to be paid back. It showed {packages}."
            ),
        ),
        "oms_updated" => told(
            "last_look",
            format!("The order was looked at a last time; it showed {packages}."),
        ),
        _ => return None,
    })
}

fn succeeded(from: &str, whole: bool, alias: &Alias, order: &Order) -> Told {
    let after_all = if from == "rejected" { " after all" } else { "" };
    match entry(order, &CancellationState::Success, alias) {
        Some((_, true)) => told(
            "amazon_cancelled",
            format!("Amazon cancelled the order{after_all}, as asked."),
        ),
        Some((entry, false)) => told(
            "cancelled_by_others",
            format!(
                "Amazon's data shows that the order is cancelled{after_all}: {} had asked for it. Nothing of ours was needed.",
                words::requester(entry.requested_by.as_ref())
            ),
        ),
        None if whole => told(
            "amazon_cancelled",
            format!("Amazon's data shows that the order is cancelled{after_all}."),
        ),
        None => told(
            "packages_cancelled",
            format!(
                "Amazon's data shows that a part of the order will not be delivered: {}.",
                words::packages(order)
            ),
        ),
    }
}

/// An entry in this state, ours before others', and whether it is ours.
fn entry<'a>(
    order: &'a Order,
    state: &CancellationState,
    alias: &Alias,
) -> Option<(&'a CancellationEntry, bool)> {
    let is_ours = |entry: &CancellationEntry| entry.aliases.contains(alias);
    let mut all = order.cancellations.iter().filter(|e| e.state == *state);
    let ours = all.clone().find(|entry| is_ours(entry));
    ours.map(|entry| (entry, true))
        .or_else(|| all.next().map(|entry| (entry, false)))
}

/// What a look taught beside the state.
fn news(names: &Names, before: &State, after: &State) -> Vec<String> {
    let mut news = Vec::new();
    let (was, is) = (&before.case, &after.case);
    for (id, refund) in &is.refunds {
        match was.refunds.get(id) {
            None => {
                let amount = refund
                    .amount
                    .map_or_else(String::new, |amount| format!(" of {amount}"));
                news.push(format!(
                    "Amazon asks for a refund{amount} {} ({id}).",
                    words::refund_reason(refund.reason.as_deref())
                ));
            }
            Some(old) if old.state != refund.state => news.push(format!(
                "Amazon's data now shows {} as {}.",
                names.refund(id),
                words::refund_state(&refund.state)
            )),
            Some(old) if old.amount != refund.amount => {
                if let Some(amount) = refund.amount {
                    let name = names.refund(id);
                    news.push(format!("Amazon now asks for {amount} for {name}."));
                }
            }
            Some(_) => {}
        }
    }
    let packages = is.cancelled_packages.len();
    let is_same = before.phase.name() == after.phase.name();
    if packages > was.cancelled_packages.len() && is_same {
        news.push(match packages {
            1 => "One package is now cancelled.".to_owned(),
            count => format!("{count} packages are now cancelled."),
        });
    }
    if was.cancelled.is_none() && is.cancelled.is_some() && is_same {
        news.push("Amazon's data shows that the order is cancelled after all.".to_owned());
    }
    if was.unfit_since.is_none() && is.unfit_since.is_some() {
        news.push(
            "As Amazon shows the order now, it cannot be cancelled; it is looked at again before anything is sent."
                .to_owned(),
        );
    }
    let over = |case: &countermand_core::cancellation::Case| {
        case.grace.as_ref().is_some_and(|grace| grace.over)
    };
    if !over(was) && over(is) && is_same {
        news.push("The time in which further refunds are looked for is over.".to_owned());
    }
    if !was.looks.is_empty() && is.looks.is_empty() && news.is_empty() {
        news.push("A look at the order confirmed what Amazon had told.".to_owned());
    }
    news
}

/// How a doubt was settled: the end of a sentence.
pub(super) fn settled(input: &Input, mutation: &Mutation, after: &State) -> String {
    match input {
        Input::OrderRead(read) => {
            let order = read.order.as_ref();
            let arrived = match mutation {
                Mutation::CancelOrder => order.is_some_and(|order| {
                    let mut entries = order.cancellations.iter();
                    entries.any(|entry| entry.aliases.contains(&after.case.alias))
                }),
                _ => true,
            };
            if arrived {
                "a look at the order showed that it had arrived".to_owned()
            } else {
                "a look at the order showed that it does not matter any more".to_owned()
            }
        }
        Input::Looked { .. } => match mutation {
            Mutation::PayRefund { .. } => {
                "the payment provider's list showed that it had arrived".to_owned()
            }
            _ => "a look showed that it had arrived".to_owned(),
        },
        Input::EffectDone(_) | Input::PayoutSeen { .. } => {
            "a certain answer came, that it was done".to_owned()
        }
        Input::EffectRefused { .. } => "a certain answer came, a refusal".to_owned(),
        Input::EffectNotSent { .. } => "it is certain that it was not sent".to_owned(),
        Input::Operator { actor, .. } => format!("{actor} stated what had become of it"),
        _ => "it became known what had become of it".to_owned(),
    }
}
