//! The executor at the runner's seam.

use countermand_core::cancellation::effect::Effect;
use countermand_core::cancellation::input::{Input, Payout};
use countermand_core::cancellation::{Cancellation, State};
use countermand_runner::{Job, Perform, Performed};

use crate::executor::{Executor, Turn};

impl Perform<Cancellation> for Executor {
    async fn perform(&self, job: Job<Cancellation>) -> Performed<Input> {
        let known = known_payout(&job.state, &job.effect);
        let mut turn = Turn::new(
            job.id,
            job.revision,
            job.began_at,
            job.budget,
            job.fence,
            job.emissions,
        );
        turn.clock_behind = job.clock_behind;
        turn.try_number = job.try_number;
        self.perform_effect(turn, &job.effect, known.as_ref()).await
    }
}

/// The payout that the state knows, where the effect watches one: only a change is news.
fn known_payout(state: &State, effect: &Effect) -> Option<Payout> {
    let Effect::WatchPayout(watch) = effect else {
        return None;
    };
    let refund = state.case.refunds.get(&watch.refund_id)?;
    refund.payout.as_ref().map(|paid| paid.payout.clone())
}
