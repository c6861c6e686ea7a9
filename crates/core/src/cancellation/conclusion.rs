//! When a cancellation may end, how it ended, and what no person is needed for any more.

use crate::cancellation::attention::{self, About};
use crate::cancellation::input::Mutation;
use crate::cancellation::order::RefundState;
use crate::cancellation::state::{Case, Outcome, Phase, RejectedWhy};

/// The finishing rule: a decided cancellation ends as soon as nothing is owed any more.
pub(crate) fn conclude(phase: Phase, case: &Case) -> Phase {
    if phase.is_decided() && may_finish(case) {
        return Phase::OmsUpdated {
            outcome: outcome(phase, case),
        };
    }
    phase
}

/// Finishing is allowed when every refund seen is final, every milestone is told, no look is owed,
/// no intent is open or in doubt, the grace, where one runs, is over, and no money is disputed.
fn may_finish(case: &Case) -> bool {
    let settled =
        |attempts: &crate::cancellation::attempts::Attempts| !attempts.is_open_or_in_doubt();
    let disputed = case
        .attention
        .iter()
        .any(|attention| attention.about.is_dispute());
    settled(&case.cancel)
        && !disputed
        && case.looks.is_empty()
        && case.milestones.queue.is_empty()
        && case.grace.as_ref().is_none_or(|grace| grace.over)
        && case.refunds.values().all(|refund| {
            refund.is_final(&case.terms) && settled(&refund.pay) && settled(&refund.report)
        })
}

fn outcome(phase: Phase, case: &Case) -> Outcome {
    match (&case.cancelled, &case.rejection, phase) {
        (Some(cancelled), _, _) if cancelled.whole => Outcome::Cancelled,
        (Some(_), _, _) => Outcome::PartlyCancelled,
        (None, Some(rejected), _) if rejected.why == RejectedWhy::Withdrawn => Outcome::Withdrawn,
        (None, None, Phase::Refund { .. }) => Outcome::Refunded,
        (None, _, _) => Outcome::Rejected,
    }
}

/// What a report says is kept for as long as an attempt at it is open or in doubt, and no longer.
pub(crate) fn settle_reports(case: &mut Case) {
    for refund in case.refunds.values_mut() {
        if !refund.report.is_open_or_in_doubt() {
            refund.reporting = None;
        }
    }
}

/// Nobody is asked for a person any more about what is settled.
pub(crate) fn settle_attention(phase: Phase, case: &mut Case) {
    let mut list = std::mem::take(&mut case.attention);
    attention::clear(&mut list, |about| match about {
        _ if phase.is_finished() => true,
        About::PrecheckUndecided => match phase {
            Phase::Precheck { .. } => false,
            Phase::Requested { .. } => case.unfit_since.is_none(),
            _ => true,
        },
        About::PendingTooLong => !matches!(phase, Phase::Pending { .. }),
        About::InDoubt { lane } => !doubtful_lanes(case).any(|(doubtful, _)| doubtful == *lane),
        About::NotVisible { what } => !case
            .looks
            .iter()
            .any(|look| look.names.to_string() == *what),
        About::AttemptsExhausted { lane } => is_idle(phase, case, lane),
        // It is about a payout that waits to be made, and about nothing else.
        About::PayoutLimited { refund_id } => case
            .refunds
            .get(refund_id)
            .is_none_or(|refund| !refund.pay_stopped || refund.due(&case.terms).is_none()),
        about => about.refund().is_some_and(|id| {
            case.refunds.get(id).is_none_or(|refund| {
                let open = refund.state == RefundState::Pending;
                let known =
                    refund.is_ours(&case.terms).is_some() && (refund.amount.is_some() || !open);
                let clear = known && !refund.contested;
                let unclear = matches!(about, About::RefundUnclear { .. });
                (unclear && clear) || (refund.is_final(&case.terms) && !about.is_dispute())
            })
        }),
    });
    case.attention = list;
}

/// Is there nothing left to attempt in a lane that had stopped?
fn is_idle(phase: Phase, case: &Case, lane: &str) -> bool {
    match Mutation::of_lane(lane) {
        Some(Mutation::CancelOrder) => phase.is_decided(),
        Some(Mutation::PayRefund { refund_id }) => {
            case.refunds.get(&refund_id).is_none_or(|refund| {
                !refund.pay.is_open_or_in_doubt()
                    && refund.due(&case.terms).is_none()
                    && refund.watched().is_none()
            })
        }
        Some(Mutation::ReportRefund { refund_id }) => {
            case.refunds.get(&refund_id).is_none_or(|refund| {
                !refund.report.is_open_or_in_doubt() && refund.report_due(&case.terms).is_none()
            })
        }
        None => false,
    }
}

/// The lanes with a mutation in doubt, and since when each is.
pub(crate) fn doubtful_lanes(case: &Case) -> impl Iterator<Item = (String, crate::Timestamp)> + '_ {
    let cancel = case
        .cancel
        .doubt
        .iter()
        .map(|doubt| (Mutation::CancelOrder.lane(), doubt.began()));
    let refunds = case.refunds.iter().flat_map(|(id, refund)| {
        let pay = Mutation::PayRefund {
            refund_id: id.clone(),
        };
        let report = Mutation::ReportRefund {
            refund_id: id.clone(),
        };
        let doubts = [(pay, &refund.pay.doubt), (report, &refund.report.doubt)];
        doubts
            .into_iter()
            .filter_map(|(mutation, doubt)| doubt.as_ref().map(|d| (mutation.lane(), d.began())))
    });
    cancel.chain(refunds)
}
