//! What must hold of every state, and of every step, whatever happened before.

use std::collections::BTreeSet;

use countermand_core::cancellation::effect::{Effect, Timer};
use countermand_core::cancellation::input::{Action, Fact, Input, Mutation, PayoutState};
use countermand_core::cancellation::look::may_follow;
use countermand_core::cancellation::order::RefundState;
use countermand_core::cancellation::{Attempts, Cancellation, Origin, Refund, State};
use countermand_core::{Agenda, Item, When, Workflow};

/// The arrows of the drawing in the design.
pub(crate) const ARROWS: [(&str, &str); 17] = [
    ("precheck", "requested"),
    ("precheck", "pending"),
    ("precheck", "success"),
    ("precheck", "rejected"),
    ("precheck", "refund"),
    ("precheck", "oms_updated"),
    ("requested", "pending"),
    ("requested", "success"),
    ("requested", "rejected"),
    ("pending", "success"),
    ("pending", "rejected"),
    ("success", "refund"),
    ("success", "oms_updated"),
    ("rejected", "success"),
    ("rejected", "refund"),
    ("rejected", "oms_updated"),
    ("refund", "oms_updated"),
];

fn holds(is_so: bool, what: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_owned()) }
}

/// What must hold of a state.
pub(crate) fn of_state(state: &State) -> Result<(), String> {
    of_agenda(state, &Cancellation::default().next(state))
}

/// What must hold of a state and the agenda that somebody says it has.
pub(crate) fn of_agenda(state: &State, agenda: &Agenda<Effect>) -> Result<(), String> {
    let case = &state.case;
    let finished = state.phase.is_finished();
    holds(
        finished == matches!(agenda, Agenda::Finished),
        "finished, and still an agenda, or the reverse",
    )?;
    holds(
        finished != agenda.items().iter().any(|_| true),
        "an empty agenda in an unfinished state",
    )?;
    let lanes: BTreeSet<&str> = agenda
        .items()
        .iter()
        .map(|item| item.key.as_str())
        .collect();
    holds(
        lanes.len() == agenda.items().len(),
        "a lane stands twice on an agenda",
    )?;
    if finished {
        holds(
            case.milestones.queue.is_empty(),
            "finished, and a milestone is owed",
        )?;
        holds(case.looks.is_empty(), "finished, and a look is owed")?;
        holds(!case.in_doubt(), "finished, and in doubt")?;
        holds(
            Cancellation::default().open_intents(state).is_empty(),
            "finished, and an intent is open",
        )?;
        let all_final = case
            .refunds
            .values()
            .all(|refund| refund.is_final(&case.terms));
        holds(all_final, "finished, and a refund is not final")?;
        holds(
            case.attention.is_empty(),
            "finished, and a person is asked for",
        )?;
    }
    for intent in Cancellation::default().open_intents(state) {
        let has_end = agenda.items().iter().any(|item| {
            item.key == intent.key
                && matches!(&item.effect, Effect::Timer(Timer::Overdue { attempt, .. }) if *attempt == intent.attempt)
        });
        holds(has_end, "an open intent has no end")?;
    }
    agenda
        .items()
        .iter()
        .try_for_each(|item| of_item(state, item))?;
    if let Some(head) = case.milestones.queue.first() {
        let is_told = agenda.items().iter().any(|item| {
            matches!(&item.effect, Effect::UpdateOms(update) if update.id == head.message_id(&case.id) && update.seq == head.seq)
        });
        holds(is_told, "a milestone is owed, and not on the agenda")?;
    }
    case.refunds.values().try_for_each(of_refund)
}

fn of_refund(refund: &Refund) -> Result<(), String> {
    holds(
        refund.reporting.is_some() == refund.report.is_open_or_in_doubt(),
        "a report is frozen without being under way, or under way without being frozen",
    )
}

fn attempts<'a>(state: &'a State, mutation: &Mutation) -> Option<&'a Attempts> {
    let refunds = &state.case.refunds;
    match mutation {
        Mutation::CancelOrder => Some(&state.case.cancel),
        Mutation::PayRefund { refund_id } => refunds.get(refund_id).map(|refund| &refund.pay),
        Mutation::ReportRefund { refund_id } => refunds.get(refund_id).map(|refund| &refund.report),
    }
}

/// An attempt waits for as long as "not there" is disbelieved.
fn of_attempt(state: &State, mutation: &Mutation, number: u32, when: When) -> Result<(), String> {
    let attempts = attempts(state, mutation).ok_or("an attempt at nothing known")?;
    holds(
        attempts.open.is_none(),
        "an attempt while another one is open",
    )?;
    holds(number == attempts.next(), "an attempt out of its turn")?;
    match &attempts.doubt {
        Some(doubt) => holds(
            matches!(when, When::Settled { since, wait } if since >= doubt.deadline && !wait.is_zero()),
            "a doubt is ignored",
        ),
        None => holds(when == When::Now, "an attempt waits for nothing"),
    }
}

fn of_item(state: &State, item: &Item<Effect>) -> Result<(), String> {
    let case = &state.case;
    match &item.effect {
        Effect::CancelOrder(cancel) => {
            holds(
                case.origin == Origin::Requested,
                "an observed cancellation asks for `cancelOrder`",
            )?;
            holds(
                state.phase.name() == "requested",
                "`cancelOrder` outside of `requested`",
            )?;
            holds(!case.accepted, "an accepted attempt is disbelieved")?;
            of_attempt(state, &Mutation::CancelOrder, cancel.attempt, item.when)
        }
        Effect::PayRefund(pay) => {
            let refund = case
                .refunds
                .get(&pay.refund_id)
                .ok_or("a payout for an unknown refund")?;
            holds(state.phase.is_decided(), "a payout before the decision")?;
            holds(
                refund.outstanding() == Some(pay.amount),
                "a payout of another amount",
            )?;
            holds(!pay.amount.is_zero(), "a payout of nothing")?;
            let standing = refund
                .payout
                .as_ref()
                .filter(|paid| paid.payout.state != PayoutState::Failure);
            holds(standing.is_none(), "a second payout")?;
            holds(
                !refund.is_final_at_amazon(),
                "a payout of a refund that is final",
            )?;
            let mutation = Mutation::PayRefund {
                refund_id: pay.refund_id.clone(),
            };
            of_attempt(state, &mutation, pay.attempt, item.when)
        }
        Effect::ReportRefund(report) => {
            let refund = case
                .refunds
                .get(&report.refund_id)
                .ok_or("a report of an unknown refund")?;
            holds(state.phase.is_decided(), "a report before the decision")?;
            holds(
                may_follow(&refund.state, &report.state),
                "a report that Amazon does not allow",
            )?;
            let before = refund
                .reported
                .as_ref()
                .map(|last| last.total.amount())
                .unwrap_or_default();
            let paid = report.payments.iter().filter_map(|payment| payment.amount);
            let delta: rust_decimal::Decimal = paid.map(|money| money.amount()).sum();
            let fits =
                report.state == RefundState::Failure || before + delta == report.total.amount();
            holds(fits, "the payments of a report do not add up to its total")?;
            let mutation = Mutation::ReportRefund {
                refund_id: report.refund_id.clone(),
            };
            of_attempt(state, &mutation, report.attempt, item.when)
        }
        Effect::ReadOrder(_) | Effect::WatchPayout(_) | Effect::UpdateOms(_) | Effect::Timer(_) => {
            Ok(())
        }
    }
}

/// What must hold of a step.
pub(crate) fn of_step(before: &State, input: &Input, after: &State) -> Result<(), String> {
    let (from, to) = (before.phase.name(), after.phase.name());
    if from != to && !ARROWS.contains(&(from, to)) {
        return Err(format!("{from} to {to} is not in the drawing"));
    }
    let (old, new) = (&before.case, &after.case);
    // A request that takes an observed cancellation over brings an alias of its own.
    let another_alias = old.alias != new.alias;
    holds(
        !old.accepted || new.accepted || another_alias,
        "an accepted attempt is disbelieved",
    )?;
    holds(
        old.cancelled.is_none() || new.cancelled.is_some(),
        "a cancelled order came back",
    )?;
    holds(old.cancel.made <= new.cancel.made, "attempts are forgotten")?;
    if let Input::IntentRecorded {
        mutation: Mutation::PayRefund { .. },
        ..
    } = input
    {
        holds(to == "refund", "an intent to pay outside of `refund`")?;
    }
    let by_hand = |id| matches!(input, Input::Operator { action: Action::Resolve { fact: Fact::RefundPaid { refund_id, .. }, .. }, .. } if refund_id == id);
    for (id, earlier) in &old.refunds {
        let Some(later) = new.refunds.get(id) else {
            return Err("a refund is forgotten".to_owned());
        };
        let kept = earlier.amount == later.amount || !earlier.is_frozen();
        holds(
            kept || (earlier.amount.is_none() && by_hand(id)),
            "an amount changed after it was frozen",
        )?;
        holds(
            !(earlier.state == RefundState::Partial && later.state == RefundState::Failure),
            "PARTIAL fell to FAILURE",
        )?;
        holds(
            !earlier.is_final_at_amazon() || earlier.state == later.state,
            "a final refund moved",
        )?;
        let is_paid = |refund: &Refund| {
            refund
                .payout
                .as_ref()
                .is_some_and(|paid| paid.payout.state == PayoutState::Success)
        };
        holds(!is_paid(earlier) || is_paid(later), "a payout is forgotten")?;
    }
    if matches!(
        input,
        Input::Operator {
            action: Action::Resolve {
                fact: Fact::OmsTold,
                ..
            },
            ..
        }
    ) {
        return Ok(());
    }
    let told = usize::from(
        new.milestones.queue.first() != old.milestones.queue.first()
            && !old.milestones.queue.is_empty(),
    );
    let waiting = old.milestones.queue.get(told..).unwrap_or_default();
    holds(
        new.milestones.queue.starts_with(waiting),
        "a milestone lost its place",
    )
}
