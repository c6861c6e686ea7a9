//! The life cycle under test, and known-bad variants of it that the tests must find.

use countermand_core::cancellation::effect::CancelOrder;
use countermand_core::cancellation::input::{Input, Mutation};
use countermand_core::cancellation::look::{self, CancelLook};
use countermand_core::cancellation::order::{Order, PackageState, RefundState};
use countermand_core::cancellation::{Cancellation, Effect, Origin, Phase, Rejection, State};
use countermand_core::{Agenda, Stamp, When, Workflow};

/// A bug that is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A refund that a read shows is a new one each time.
    RefundsNotDeduplicated,
    /// A doubt does not keep the next attempt waiting.
    DoubtIgnored,
    /// Refunds are paid while Amazon has not decided.
    PaidBeforeDecided,
    /// The amount follows Amazon's estimate after the first intent.
    AmountThaws,
    /// Nobody waits for refunds that show late.
    NoGrace,
    /// The pre-check goes by Amazon's summary: one PENDING package, or none at all, will do.
    PrecheckBySummary,
    /// An attempt without an answer counts as one that failed.
    UnknownIsFailure,
    /// The second message to the OMS does not wait for the first one.
    OmsOutOfOrder,
    /// An observed cancellation goes on to cancel.
    ObservedCancels,
}

pub(crate) struct Brain {
    pub(crate) inner: Cancellation,
    pub(crate) bug: Option<Bug>,
}

impl Brain {
    pub(crate) fn sound() -> Self {
        Self {
            inner: Cancellation::default(),
            bug: None,
        }
    }

    pub(crate) fn with(bug: Bug) -> Self {
        Self {
            bug: Some(bug),
            ..Self::sound()
        }
    }

    pub(crate) fn step(
        &self,
        state: &State,
        input: &Input,
        stamp: Stamp,
    ) -> Result<State, Rejection> {
        let sound = |state: &State, input: &Input| self.inner.step(state, input, stamp);
        match (self.bug, input) {
            (
                Some(Bug::PaidBeforeDecided),
                Input::IntentRecorded {
                    mutation: Mutation::PayRefund { .. },
                    ..
                },
            ) if !state.phase.is_decided() => {
                let decided = State {
                    phase: Phase::Success { since: stamp.at },
                    ..state.clone()
                };
                let paying = sound(&decided, input)?;
                Ok(State {
                    phase: state.phase,
                    ..paying
                })
            }
            (
                Some(Bug::UnknownIsFailure),
                Input::EffectUnknown {
                    mutation, attempt, ..
                },
            ) => {
                let failed = Input::EffectNotSent {
                    mutation: mutation.clone(),
                    attempt: *attempt,
                    why: countermand_core::cancellation::input::NotSent::ConnectionRefused,
                    detail: None,
                };
                sound(state, &failed)
            }
            (Some(bug), Input::OrderRead(read)) => {
                let mut next = sound(state, input)?;
                if let Some(order) = &read.order {
                    Self::misread(bug, state, &mut next, order, stamp);
                }
                Ok(next)
            }
            (Some(Bug::NoGrace), _) => {
                let mut hasty = state.clone();
                if let Some(grace) = &mut hasty.case.grace {
                    grace.over = true;
                }
                sound(&hasty, input)
            }
            _ => sound(state, input),
        }
    }

    fn misread(bug: Bug, before: &State, next: &mut State, order: &Order, stamp: Stamp) {
        match bug {
            Bug::RefundsNotDeduplicated => {
                for details in order
                    .refunds
                    .iter()
                    .filter(|d| d.state == RefundState::Pending)
                {
                    if before.case.refunds.contains_key(&details.id) {
                        let another =
                            countermand_core::cancellation::Refund::seen(details, stamp.at);
                        let name = format!("{}-again", details.id);
                        let another_id =
                            countermand_core::cancellation::exemplars::orders::id(&name);
                        next.case.refunds.entry(another_id).or_insert(another);
                    }
                }
            }
            Bug::AmountThaws => {
                for details in &order.refunds {
                    let refund = next.case.refunds.get_mut(&details.id);
                    if let Some(refund) =
                        refund.filter(|refund| refund.payout.is_none() && refund.pay.open.is_none())
                    {
                        refund.amount = details.total;
                    }
                }
            }
            Bug::PrecheckBySummary | Bug::ObservedCancels
                if matches!(before.phase, Phase::Precheck { .. }) =>
            {
                let all_pending = order
                    .packages
                    .iter()
                    .all(|package| package.state == PackageState::Pending);
                let one_pending = order
                    .packages
                    .iter()
                    .any(|package| package.state == PackageState::Pending);
                let fits = match bug {
                    Bug::PrecheckBySummary => order.packages.is_empty() || one_pending,
                    _ => {
                        before.case.origin == Origin::Observed
                            && all_pending
                            && order.cancellations.is_empty()
                    }
                };
                if fits && order.cancellations.is_empty() {
                    *next = before.clone();
                    next.phase = Phase::Requested { since: stamp.at };
                }
            }
            _ => {}
        }
    }

    pub(crate) fn next(&self, state: &State) -> Agenda<Effect> {
        let mut agenda = self.inner.next(state);
        let Agenda::Open(items) = &mut agenda else {
            return agenda;
        };
        match self.bug {
            Some(Bug::DoubtIgnored) => {
                for item in items.iter_mut() {
                    if let When::Settled { .. } = item.when {
                        item.when = When::Now;
                    }
                }
            }
            Some(Bug::PaidBeforeDecided) if matches!(state.phase, Phase::Pending { .. }) => {
                let decided = State {
                    phase: Phase::Success {
                        since: countermand_core::Timestamp::MIN,
                    },
                    ..state.clone()
                };
                let paying = self.inner.next(&decided);
                items.extend(
                    paying
                        .items()
                        .iter()
                        .filter(|item| matches!(item.effect, Effect::PayRefund(_)))
                        .cloned(),
                );
            }
            Some(Bug::OmsOutOfOrder) => {
                let last = state.case.milestones.queue.last();
                for item in items.iter_mut() {
                    if let (Effect::UpdateOms(update), Some(raised)) = (&mut item.effect, last) {
                        update.seq = raised.seq;
                        update.id = raised.message_id(&state.case.id);
                    }
                }
            }
            _ => {}
        }
        agenda
    }

    pub(crate) fn look(&self, attempt: &CancelOrder, order: &Order) -> CancelLook {
        match (self.bug, look::cancel(attempt, order)) {
            (Some(Bug::PrecheckBySummary), CancelLook::NotCancellable { .. }) => CancelLook::Send,
            (_, answer) => answer,
        }
    }
}
