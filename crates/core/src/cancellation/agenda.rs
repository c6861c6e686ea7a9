//! What a state requires: the agenda. Items are independent of each other; where order matters
//! (pay before report, one message to the OMS at a time), only the first is there.

use crate::cancellation::attempts::Attempts;
use crate::cancellation::attention::About;
use crate::cancellation::conclusion::doubtful_lanes;
use crate::cancellation::effect::{
    CancelOrder, Effect, Patience, PayRefund, ReadOrder, ReportRefund, Timer, UpdateOms,
    WatchPayout,
};
use crate::cancellation::input::Mutation;
use crate::cancellation::pace::Pace;
use crate::cancellation::refund::Refund;
use crate::cancellation::request::Origin;
use crate::cancellation::state::{Case, Phase, State};
use crate::{Agenda, Item, RefundId, Timestamp, When};

/// The lane of every read of the order.
pub(crate) const READ_LANE: &str = "read_order";
/// The lane of the messages to the OMS.
pub(crate) const OMS_LANE: &str = "update_oms";

pub(crate) fn next(state: &State, pace: &Pace) -> Agenda<Effect> {
    if state.phase.is_finished() {
        return Agenda::Finished;
    }
    let case = &state.case;
    let mut items = Vec::new();
    items.extend(cancel_order(state.phase, case));
    if state.phase.is_decided() {
        for (id, refund) in &case.refunds {
            items.extend(pay_refund(case, id, refund, pace));
            items.extend(report_refund(case, id, refund));
        }
    }
    let waits = case.refunds.values().any(|refund| {
        !refund.is_final(&case.terms)
            && (refund.pay_stopped || refund.due(&case.terms).is_none())
            && refund.report_due(&case.terms).is_none()
            && refund.watched().is_none()
    });
    items.extend(update_oms(case));
    items.extend(timers(state));
    let read = read_order(state, pace)
        .or_else(|| (waits || items.is_empty()).then(|| fallback(case, pace)));
    let read = read.map(|when| item(READ_LANE.to_owned(), read_effect(case), when));
    Agenda::Open(read.into_iter().chain(items).collect())
}

fn item(key: String, effect: Effect, when: When) -> Item<Effect> {
    Item { key, effect, when }
}

fn read_effect(case: &Case) -> Effect {
    Effect::ReadOrder(ReadOrder {
        target_id: case.target_id.clone(),
        order_id: case.order_id.clone(),
    })
}

/// An open intent is in flight; if no outcome comes by its deadline, it becomes unknown.
fn overdue(mutation: Mutation, attempts: &Attempts) -> Option<Item<Effect>> {
    let open = attempts.open.as_ref()?;
    let key = mutation.lane();
    let timer = Timer::Overdue {
        mutation,
        attempt: open.attempt,
    };
    Some(item(key, Effect::Timer(timer), When::At(open.deadline)))
}

/// When the next attempt may begin: at once, or, in doubt, once "not there" is believed.
fn attempt_at(attempts: &Attempts, disbelief: std::time::Duration) -> When {
    match &attempts.doubt {
        Some(doubt) => When::Settled {
            since: doubt.counted_from(),
            wait: disbelief,
        },
        None => When::Now,
    }
}

fn cancel_order(phase: Phase, case: &Case) -> Option<Item<Effect>> {
    let attempts = &case.cancel;
    if attempts.open.is_some() {
        return overdue(Mutation::CancelOrder, attempts);
    }
    let wanted = matches!(phase, Phase::Requested { .. }) && case.wants_cancel();
    wanted.then(|| {
        let effect = Effect::CancelOrder(CancelOrder {
            attempt: attempts.next(),
            doubted: attempts.doubt.is_some(),
            target_id: case.target_id.clone(),
            order_id: case.order_id.clone(),
            alias: case.alias.clone(),
            reason: case.reason,
            additional_comments: case.additional_comments.clone(),
        });
        let when = attempt_at(attempts, case.terms.visibility_lag);
        item(Mutation::CancelOrder.lane(), effect, when)
    })
}

fn pay_refund(case: &Case, id: &RefundId, refund: &Refund, pace: &Pace) -> Option<Item<Effect>> {
    let mutation = Mutation::PayRefund {
        refund_id: id.clone(),
    };
    if refund.pay.open.is_some() {
        return overdue(mutation, &refund.pay);
    }
    if let Some(paid) = refund.watched() {
        let effect = Effect::WatchPayout(WatchPayout {
            attempt: refund.pay.made,
            refund_id: id.clone(),
            payment_id: paid.payout.payment_id.clone(),
        });
        let when = When::Poll {
            since: paid.since,
            first: pace.poll_initial,
            cap: pace.poll_max,
            prompt: false,
            until: None,
        };
        return Some(item(mutation.lane(), effect, when));
    }
    if refund.pay_stopped {
        return None;
    }
    let amount = refund.due(&case.terms)?;
    let effect = Effect::PayRefund(PayRefund {
        attempt: refund.pay.next(),
        doubted: refund.pay.doubt.is_some(),
        key: refund.key(&case.target_id, &case.order_id, id),
        key_expires: refund
            .key_since
            .map(|since| since.plus(case.terms.key_horizon)),
        target_id: case.target_id.clone(),
        order_id: case.order_id.clone(),
        refund_id: id.clone(),
        amount,
        line_items: refund.line_items.clone(),
        failed_payments: refund.failed_payments.clone(),
        parts: refund.parts.clone(),
    });
    let when = attempt_at(&refund.pay, case.terms.quiet);
    Some(item(mutation.lane(), effect, when))
}

fn report_refund(case: &Case, id: &RefundId, refund: &Refund) -> Option<Item<Effect>> {
    let mutation = Mutation::ReportRefund {
        refund_id: id.clone(),
    };
    if refund.report.open.is_some() {
        return overdue(mutation, &refund.report);
    }
    if refund.report_stopped {
        return None;
    }
    let report = refund.report_due(&case.terms)?;
    let effect = Effect::ReportRefund(ReportRefund {
        attempt: refund.report.next(),
        doubted: refund.report.doubt.is_some(),
        target_id: case.target_id.clone(),
        order_id: case.order_id.clone(),
        refund_id: id.clone(),
        state: report.state,
        total: report.total,
        payments: report.payments,
    });
    let when = attempt_at(&refund.report, case.terms.visibility_lag);
    Some(item(mutation.lane(), effect, when))
}

fn update_oms(case: &Case) -> Option<Item<Effect>> {
    let head = case.milestones.queue.first()?;
    let effect = Effect::UpdateOms(UpdateOms {
        seq: head.seq,
        id: head.message_id(&case.id),
    });
    Some(item(OMS_LANE.to_owned(), effect, When::Now))
}

fn timers(state: &State) -> Vec<Item<Effect>> {
    let case = &state.case;
    let raised = |is: &dyn Fn(&About) -> bool| case.attention.iter().any(|a| is(&a.about));
    let mut timers = Vec::new();
    let mut timer = |name: &str, patience: Patience, at: Timestamp| {
        let effect = Effect::Timer(Timer::Patience(patience));
        timers.push(item(format!("timer/{name}"), effect, When::At(at)));
    };
    match state.phase {
        Phase::Precheck { since }
            if case.origin == Origin::Requested
                && !raised(&|about| *about == About::PrecheckUndecided) =>
        {
            timer(
                "precheck",
                Patience::Precheck,
                since.plus(case.terms.patience),
            );
        }
        Phase::Requested { .. } if !raised(&|about| *about == About::PrecheckUndecided) => {
            if let Some(since) = case.unfit_since {
                timer(
                    "precheck",
                    Patience::Precheck,
                    since.plus(case.terms.patience),
                );
            }
        }
        Phase::Pending { since } if !raised(&|about| *about == About::PendingTooLong) => {
            timer(
                "pending",
                Patience::Pending,
                since.plus(case.terms.pending_alarm),
            );
        }
        _ => {}
    }
    let doubt = doubtful_lanes(case)
        .filter(|(lane, _)| {
            !raised(&|about| matches!(about, About::InDoubt { lane: l } if l == lane))
        })
        .map(|(_, since)| since)
        .min();
    if let Some(since) = doubt {
        timer("doubt", Patience::Doubt, since.plus(case.terms.patience));
    }
    let look = case
        .looks
        .iter()
        .filter(|look| {
            let what = look.names.to_string();
            !raised(&|about| matches!(about, About::NotVisible { what: w } if *w == what))
        })
        .map(|look| look.since)
        .min();
    if let Some(since) = look {
        timer("look", Patience::Look, since.plus(case.terms.patience));
    }
    timers
}

/// When the order is to be read, if at all. One lane serves everything that waits for a read.
fn read_order(state: &State, pace: &Pace) -> Option<When> {
    let case = &state.case;
    let poll = |since, prompt, until| {
        Some(When::Poll {
            since,
            first: pace.poll_initial,
            cap: pace.poll_max,
            prompt,
            until,
        })
    };
    let patience_over = |since: Timestamp| Some(since.plus(case.terms.patience));
    let lag_over = |since: Timestamp| Some(since.plus(case.terms.visibility_lag));
    if let Some(newest) = case.looks.iter().map(|look| look.since).max() {
        let settles = case.looks.iter().filter_map(|look| look.not_before).max();
        return poll(newest, true, settles);
    }
    match state.phase {
        Phase::Precheck { .. } if case.unfit_since.is_some() => case
            .unfit_since
            .and_then(|since| poll(since, false, lag_over(since))),
        Phase::Precheck { since } => {
            let until = (case.origin == Origin::Observed)
                .then(|| patience_over(since))
                .flatten();
            poll(since, true, until)
        }
        Phase::Requested { .. } => {
            let cancel = &case.cancel;
            if let Some(refusal) = &cancel.refused {
                return poll(refusal.at, true, lag_over(refusal.at));
            }
            if let Some(doubt) = &cancel.doubt {
                return poll(doubt.since, true, None);
            }
            case.unfit_since
                .and_then(|since| poll(since, true, lag_over(since)))
        }
        Phase::Pending { since } => poll(since, false, None),
        Phase::Success { .. } | Phase::Refund { .. } | Phase::Rejected { .. } => {
            if let Some(doubt) = &case.cancel.doubt {
                return poll(doubt.since, false, case.cancel_doubt_ends());
            }
            let grace = case.grace.as_ref().filter(|grace| !grace.over)?;
            let end = grace.since.plus(case.terms.refund_grace);
            let still_open = case
                .refunds
                .values()
                .any(|refund| !refund.is_final(&case.terms));
            if case.refunds.is_empty() || still_open {
                return poll(grace.since, false, Some(end));
            }
            poll(end, true, None)
        }
        Phase::OmsUpdated { .. } => None,
    }
}

/// Everything else waits for a person: the order is still read now and then, in case it settles
/// the matter.
fn fallback(case: &Case, pace: &Pace) -> When {
    let since = case
        .attention
        .iter()
        .map(|attention| attention.since)
        .min()
        .or(case.grace.as_ref().map(|grace| grace.since))
        .unwrap_or_default();
    When::Poll {
        since,
        first: pace.poll_initial,
        cap: pace.poll_max,
        prompt: false,
        until: None,
    }
}
