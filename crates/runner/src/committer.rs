//! The committer: one task that takes all inputs that wait, and commits them together. While one
//! commit is under way, the next batch collects.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use countermand_core::Workflow;
use countermand_store::Store;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::codec::panic_message;
use crate::round::{Pending, Round};
use crate::shared::Shared;
use crate::task::Task;

/// See the module.
pub(crate) struct Committer<W: Workflow, S: Store> {
    pub(crate) shared: Arc<Shared<W, S>>,
    /// Outcomes and decisions of workers.
    pub(crate) inside: mpsc::UnboundedReceiver<Task<W>>,
    /// Commands and events.
    pub(crate) outside: mpsc::Receiver<Task<W>>,
    /// Nobody hands anything in any more: end once everything is done.
    pub(crate) finish: CancellationToken,
    /// End at once.
    pub(crate) abort: CancellationToken,
}

impl<W: Workflow, S: Store> Committer<W, S> {
    pub(crate) async fn run(mut self) {
        let abort = self.abort.clone();
        tokio::select! {
            biased;
            () = abort.cancelled() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(&mut self) {
        let mut again: Vec<Pending<W>> = Vec::new();
        loop {
            let Some(batch) = self.batch(&mut again).await else {
                return;
            };
            let shared = &*self.shared;
            // A defect anywhere in a round costs its callers their answers, not everybody theirs.
            let round = AssertUnwindSafe(Round::run(shared, batch))
                .catch_unwind()
                .await;
            match round {
                Ok(mut later) => {
                    later.append(&mut again);
                    again = later;
                }
                Err(panic) => {
                    tracing::error!(
                        panic = panic_message(&*panic),
                        "a round of the committer failed"
                    );
                }
            }
        }
    }

    /// What is to be carried out next; waits for something. `None`: nothing ever again.
    async fn batch(&mut self, again: &mut Vec<Pending<W>>) -> Option<Vec<Pending<W>>> {
        let max = self.shared.options.batch.max(1);
        if again.first().is_some_and(|first| first.alone) {
            return Some(vec![again.remove(0)]);
        }
        let together = again.iter().take_while(|pending| !pending.alone).count();
        let mut batch = Vec::new();
        let told = self.shared.embargo.told();
        while together == 0 && batch.is_empty() {
            let is_told = told.is_cancelled();
            let task = tokio::select! {
                biased;
                Some(task) = self.inside.recv() => task,
                Some(task) = self.outside.recv(), if is_told => task,
                () = told.cancelled(), if !is_told => continue,
                () = self.finish.cancelled() => return None,
            };
            batch.push(Pending::new(task));
        }
        let outside = if told.is_cancelled() {
            self.outside.len()
        } else {
            0
        };
        let waiting = [together, self.inside.len(), outside];
        let [old, inside, outside] = shares(max.saturating_sub(batch.len()), waiting);
        batch.extend(again.drain(..old));
        let from_inside = std::iter::from_fn(|| self.inside.try_recv().ok()).take(inside);
        batch.extend(from_inside.map(Pending::new));
        let from_outside = std::iter::from_fn(|| self.outside.try_recv().ok()).take(outside);
        batch.extend(from_outside.map(Pending::new));
        Some(batch)
    }
}

/// How many of those that wait in each place have room together: a third of it is for each place,
/// so that none starves another, and what one leaves is for the others.
fn shares(room: usize, waiting: [usize; 3]) -> [usize; 3] {
    let mut left = room;
    let mut shares = [0; 3];
    for most in [(room / 3).max(1), room] {
        for (share, waiting) in shares.iter_mut().zip(waiting) {
            let more = waiting.min(most).saturating_sub(*share).min(left);
            *share += more;
            left -= more;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn nobody_starves_and_no_room_is_left_while_somebody_waits() {
        assert_eq!(shares(9, [100, 100, 100]), [3, 3, 3]);
        assert_eq!(shares(9, [100, 2, 0]), [7, 2, 0]);
        assert_eq!(shares(9, [1, 100, 1]), [1, 7, 1]);
        assert_eq!(shares(512, [10, 20, 30]), [10, 20, 30]);
        assert_eq!(shares(1, [5, 5, 5]), [1, 0, 0]);
        assert_eq!(shares(0, [0, 5, 5]), [0, 0, 0]);
    }
}
