//! What must hold in the end, told by the ledgers of Amazon, the provider and the OMS.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countermand_core::cancellation::input::{Input, Mutation};
use countermand_core::cancellation::order::{
    CancellationState, Order, PackageState, RefundState, Requester,
};
use countermand_core::cancellation::{Cancellation, Origin, State};
use countermand_core::{Money, Timestamp, fold};

use crate::world::World;

/// Longer than any read is behind and any request is under way.
const SLACK: Duration = Duration::from_mins(5);

/// Everything that is wrong with how a run ended.
pub(crate) fn verdict(world: &World) -> Vec<String> {
    let mut wrong = world.broken.clone();
    cancels(world, &mut wrong);
    payouts(world, &mut wrong);
    reports(world, &mut wrong);
    messages(world, &mut wrong);
    ends(world, &mut wrong);
    wrong
}

fn check(wrong: &mut Vec<String>, holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        wrong.push(what());
    }
}

fn cancels(world: &World, wrong: &mut Vec<String>) {
    let cancels = &world.amazon.cancels;
    let accepted = cancels.iter().filter(|cancel| cancel.accepted).count();
    check(wrong, accepted <= 1, || {
        format!("{accepted} cancellations of ours were accepted")
    });
    check(
        wrong,
        cancels.is_empty() || world.scenario.requested,
        || "an observed cancellation cancels".to_owned(),
    );
    for cancel in cancels {
        // What a look may have shown: the order as it was at any time of late.
        let since = cancel.at.minus(SLACK);
        let later = world
            .amazon
            .versions
            .iter()
            .filter(|(at, _)| *at > since && *at < cancel.at);
        let lately: Vec<&Order> = std::iter::once(world.amazon.order_at(since))
            .chain(later.map(|(_, order)| order))
            .collect();
        let fits = |order: &Order| {
            !order.packages.is_empty()
                && order
                    .packages
                    .iter()
                    .all(|package| package.state == PackageState::Pending)
        };
        check(wrong, lately.iter().any(|order| fits(order)), || {
            "`cancelOrder` for an order that was long not to be cancelled".to_owned()
        });
        let taken = |order: &Order| {
            order.cancellations.iter().any(|entry| {
                let stands = matches!(
                    entry.state,
                    CancellationState::Pending | CancellationState::Success
                );
                stands && entry.requested_by != Some(Requester::Merchant)
            })
        };
        let others = lately.iter().all(|order| taken(order));
        check(wrong, !others, || {
            "`cancelOrder` although somebody else's cancellation was long there".to_owned()
        });
    }
}

/// Did some cancellation know of this, or must it have known?
fn last_read(world: &World) -> Timestamp {
    world
        .ended
        .iter()
        .map(|ended| ended.last_read)
        .max()
        .unwrap_or(Timestamp::MIN)
}

/// When Amazon first showed this refund.
fn asked_at(world: &World, id: &countermand_core::RefundId) -> Timestamp {
    let first = world
        .amazon
        .versions
        .iter()
        .find(|(_, order)| order.refunds.iter().any(|refund| refund.id == *id));
    first.map_or(Timestamp::MAX, |(at, _)| *at)
}

fn payouts(world: &World, wrong: &mut Vec<String>) {
    check(wrong, !world.provider.key_reused, || {
        "one key with two amounts".to_owned()
    });
    for paid in &world.provider.paid {
        let asked = world.amazon.refund(&paid.refund).is_some();
        check(wrong, asked, || {
            format!("nobody asked for refund {}", paid.refund)
        });
    }
    for refund in &world.amazon.order().refunds {
        let id = &refund.id;
        let ours = refund
            .reason
            .as_ref()
            .is_some_and(|reason| reason != "RETURN_RECEIVED");
        let standing = world.provider.standing(id);
        check(wrong, standing.len() <= 1, || {
            format!("refund {id} was paid {} times", standing.len())
        });
        check(wrong, ours || standing.is_empty(), || {
            format!("refund {id} is not ours, and was paid")
        });
        let asked = asked_at(world, id);
        let in_time = world.ended.iter().any(|ended| {
            let case = &ended.state.case;
            let grace = case
                .cancelled
                .as_ref()
                .map(|cancelled| cancelled.since.plus(case.terms.refund_grace));
            case.refunds.contains_key(id) || grace.is_some_and(|grace| asked < grace.minus(SLACK))
        });
        let known = in_time || asked < last_read(world).minus(SLACK);
        if !ours || !known {
            continue;
        }
        let estimates: BTreeSet<String> = world
            .amazon
            .versions
            .iter()
            .filter_map(|(_, order)| {
                order
                    .refunds
                    .iter()
                    .find(|known| known.id == *id && known.state == RefundState::Pending)
            })
            .filter_map(|known| known.total.map(|total| total.to_string()))
            .collect();
        check(wrong, refund.state == RefundState::Success, || {
            format!("refund {id} ended as {}", refund.state)
        });
        let Some(paid) = standing.first() else {
            let is_nothing =
                |estimate: &String| estimate.starts_with("0 ") || estimate.starts_with("0.00 ");
            check(wrong, estimates.iter().any(is_nothing), || {
                format!("refund {id} was never paid")
            });
            continue;
        };
        let parts = world.provider.in_parts(id, paid.full);
        let whole = paid.full.plus(&parts).unwrap();
        let exact = paid.payout.amount == paid.full && refund.total == Some(whole);
        check(wrong, exact, || {
            format!(
                "refund {id}: {:?} beside {parts}, and Amazon knows {:?}",
                paid.payout, refund.total
            )
        });
        check(wrong, estimates.contains(&whole.to_string()), || {
            format!("refund {id}: not {whole}")
        });
        let nothing = Money::zero(whole.currency());
        let mut booked = refund.payments.iter().filter_map(|payment| payment.amount);
        let sum = booked.try_fold(nothing, |sum, amount| sum.plus(&amount));
        check(wrong, sum == Ok(whole), || {
            format!("refund {id}: {:?} booked of {whole}", refund.payments)
        });
    }
    amounts_are_frozen(world, wrong);
}

fn amounts_are_frozen(world: &World, wrong: &mut Vec<String>) {
    for ended in &world.ended {
        let mut frozen: BTreeMap<&countermand_core::RefundId, Option<Money>> = BTreeMap::new();
        for entry in &ended.history {
            if let Input::IntentRecorded {
                mutation: Mutation::PayRefund { refund_id },
                amount,
                ..
            } = &entry.input
            {
                let first = *frozen.entry(refund_id).or_insert(*amount);
                let whole = amount.map(|amount| {
                    let parts = world.provider.in_parts(refund_id, amount);
                    amount.plus(&parts).unwrap()
                });
                check(wrong, first == *amount || first == whole, || {
                    format!("refund {refund_id}: {first:?}, and then {amount:?}")
                });
            }
        }
    }
}

fn reports(world: &World, wrong: &mut Vec<String>) {
    for told in &world.amazon.told {
        check(wrong, told.accepted, || {
            format!("Amazon refused a report: {told:?}")
        });
        let again = told.from == told.to && told.to != RefundState::Partial;
        check(wrong, !again, || {
            format!("a report was made twice: {told:?}")
        });
    }
    for refund in &world.amazon.order().refunds {
        let ids: BTreeSet<_> = refund.payments.iter().map(|payment| &payment.id).collect();
        let once = ids.len() == refund.payments.len();
        check(wrong, once, || {
            format!("a payment was booked twice: {:?}", refund.payments)
        });
    }
}

fn messages(world: &World, wrong: &mut Vec<String>) {
    let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
    let mut firsts: Vec<&str> = Vec::new();
    for (id, body) in &world.oms.told {
        let first = *bodies.entry(id).or_insert_with(|| {
            firsts.push(id);
            body
        });
        check(wrong, first == body, || {
            format!("message {id} has two bodies")
        });
    }
    let raised: Vec<&str> = world
        .ended
        .iter()
        .flat_map(|ended| ended.emissions.iter().map(|(_, id, _)| id.as_str()))
        .collect();
    check(wrong, firsts == raised, || {
        format!("the OMS heard {firsts:?}, raised were {raised:?}")
    });
}

fn ends(world: &World, wrong: &mut Vec<String>) {
    let workflow = Cancellation::default();
    for ended in &world.ended {
        let state = &ended.state;
        check(wrong, state.phase.is_finished(), || {
            format!("{} ended in {}", ended.id, state.phase.name())
        });
        if world.brain.bug.is_none() {
            let accepted = ended
                .history
                .iter()
                .map(|entry| (entry.input.clone(), entry.stamp));
            let folded = fold(&workflow, &ended.id, &ended.opening, ended.opened, accepted);
            check(wrong, folded.as_ref() == Ok(state), || {
                format!("{}: the state is not the fold of the history", ended.id)
            });
            let text = serde_json::to_string(state).unwrap();
            let read = serde_json::from_str::<State>(&text).unwrap();
            check(wrong, read == *state, || {
                format!("{}: the stored form differs", ended.id)
            });
        }
        let asked = ended.history.iter().any(|entry| {
            matches!(
                &entry.input,
                Input::IntentRecorded {
                    mutation: Mutation::CancelOrder,
                    ..
                }
            )
        });
        check(
            wrong,
            !asked || state.case.origin == Origin::Requested,
            || "an observed one asks for `cancelOrder`".to_owned(),
        );
    }
    let Some(asked) = world
        .ended
        .iter()
        .find(|ended| ended.state.case.origin == Origin::Requested)
    else {
        check(
            wrong,
            !world.scenario.requested || world.turned_away,
            || "what was asked for never began".to_owned(),
        );
        return;
    };
    let known = world.amazon.order_at(asked.last_read.minus(SLACK));
    let is_success = |order: &countermand_core::cancellation::order::Order| {
        order
            .cancellations
            .iter()
            .any(|entry| entry.state == CancellationState::Success)
    };
    let outcome = asked.state.outcome();
    let was_cancelled = outcome == Some("cancelled");
    check(wrong, was_cancelled || !is_success(known), || {
        format!("the order was cancelled, and we say {outcome:?}")
    });
    check(
        wrong,
        !was_cancelled || is_success(world.amazon.order()),
        || "we say cancelled, and the order is not".to_owned(),
    );
    let ended_at = asked
        .history
        .last()
        .map_or(asked.opened.at, |entry| entry.stamp.at);
    let at_the_end = world.amazon.order_at(ended_at);
    let undecided = at_the_end.cancellations.iter().any(|entry| {
        entry.state == CancellationState::Pending && entry.requested_by == Some(Requester::Merchant)
    });
    check(wrong, !undecided, || {
        "it ended while Amazon had not decided on our request".to_owned()
    });
}

/// What must not depend on the order, duplication and delay of facts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    outcomes: BTreeSet<String>,
    cancelled: bool,
    paid: BTreeSet<(String, String)>,
    refunds: BTreeSet<(String, String)>,
    milestones: BTreeSet<String>,
}

pub(crate) fn outcome(world: &World) -> Outcome {
    let ended = || world.ended.iter();
    let succeeded = world.provider.paid.iter().filter(|paid| {
        paid.payout.state == countermand_core::cancellation::input::PayoutState::Success
    });
    Outcome {
        outcomes: ended()
            .filter_map(|ended| ended.state.outcome().map(str::to_owned))
            .collect(),
        cancelled: world.amazon.cancels.iter().any(|cancel| cancel.accepted),
        paid: succeeded
            .map(|paid| (paid.refund.to_string(), paid.full.currency().to_string()))
            .collect(),
        refunds: world
            .amazon
            .order()
            .refunds
            .iter()
            .map(|r| (r.id.to_string(), r.state.to_string()))
            .collect(),
        milestones: ended()
            .flat_map(|ended| ended.state.case.milestones.counts.keys())
            .filter(|milestone| *milestone != "cancellation.pending")
            .cloned()
            .collect(),
    }
}
