//! The dispatcher: takes up what is due, and sleeps until something is. Hints make it fast; nothing
//! depends on them, since it looks every few seconds anyway.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Timestamp, Workflow};
use countermand_store::{self as store, Claim, Row, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Perform;
use crate::codec::{decode, guarded};
use crate::embargo;
use crate::lane::Tools;
use crate::shared::Shared;
use crate::shelf::Snapshot;
use crate::worker::Worker;

/// See the module.
pub(crate) struct Dispatcher<W: Workflow, S: Store, P> {
    pub(crate) shared: Arc<Shared<W, S>>,
    pub(crate) tools: Arc<Tools<W, P>>,
    pub(crate) workers: TaskTracker,
    /// The newest hint after which nothing was due and nothing was held.
    pub(crate) resting: watch::Sender<u64>,
}

/// Instances in one claim, at most: so many rows are read in one go.
const CLAIM_MAX: usize = 256;
/// While more is due than can be held, small claims are at least this far apart: each passes over
/// everything that is held.
const CLAIMS_APART: Duration = Duration::from_millis(5);
/// After a failure of the store, how long to wait at first.
const RECOVERY: Duration = Duration::from_millis(100);

/// What the dispatcher knows between two looks.
#[derive(Default)]
struct Known {
    /// The next due time of anything that nobody holds.
    next: Option<Timestamp>,
    /// Were there more due than could be taken up?
    is_full: bool,
    /// When it last looked for due instances; monotonic.
    looked: Option<Duration>,
    /// When it last looked at the kill switch; monotonic. However often something is due, that is
    /// not forgotten.
    asked: Option<Duration>,
    failures: u32,
}

impl Known {
    /// How long the next claim can wait. Where much has room it need not.
    fn until_claim(&self, room: usize, held_max: usize, now: Duration) -> Duration {
        let is_small = self.is_full && room < held_max / 8;
        match self.looked.filter(|_| is_small) {
            Some(looked) => CLAIMS_APART.saturating_sub(now.saturating_sub(looked)),
            None => Duration::ZERO,
        }
    }
}

impl<W: Workflow, S: Store, P: Perform<W>> Dispatcher<W, S, P> {
    pub(crate) async fn run(self) {
        let mut known = Known::default();
        let stopping = self.shared.stopping.clone();
        self.look_out_for_a_restore(&stopping).await;
        if self.shared.options.held == 0 {
            // Only what it is told is stored; whoever opens the store next takes it up.
            stopping.cancelled().await;
            return;
        }
        while !stopping.is_cancelled() {
            let turn = async {
                match self.turn(&mut known).await {
                    Ok(wait) => {
                        known.failures = 0;
                        wait
                    }
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "due instances cannot be taken up"
                        );
                        known.failures = known.failures.saturating_add(1);
                        known.looked = None;
                        let factor = 1 << known.failures.min(6);
                        RECOVERY
                            .saturating_mul(factor)
                            .min(self.shared.options.poll)
                    }
                }
            };
            let wait = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                wait = turn => wait,
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.shared.hints.woken() => {}
                () = self.shared.world.sleep(wait) => {}
            }
        }
    }

    /// Whatever is to be made up for after a restore comes before anything is taken up.
    async fn look_out_for_a_restore(&self, stopping: &CancellationToken) {
        let mut wait = RECOVERY;
        loop {
            let begun = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                begun = embargo::begin(&self.shared) => begun,
            };
            let Err(error) = begun else {
                return;
            };
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the store does not say whether it was restored: trying again"
            );
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.shared.world.sleep(wait) => {}
            }
            wait = wait.saturating_mul(2).min(self.shared.options.poll);
        }
    }

    /// Looks if there is a reason to; answers how long there will be none.
    async fn turn(&self, known: &mut Known) -> Result<Duration, store::Error> {
        let shared = &self.shared;
        let options = &shared.options;
        let moment = shared.moment().await?;
        let is_over = |last: Option<Duration>| {
            last.is_none_or(|last| moment.mono.saturating_sub(last) >= options.poll)
        };
        let is_time = is_over(known.looked);
        if is_over(known.asked) {
            let times = shared.pause.times();
            let is_thrown = shared.store.paused().await?.is_some();
            shared.pause.heard(is_thrown, times);
            known.asked = Some(moment.mono);
        }
        embargo::end(shared, moment.mono).await?;
        let given = shared.hints.given();
        known.next = earliest(known.next, shared.hints.take());
        let room = options.held.max(1).saturating_sub(shared.shelf.len());
        let is_due = known.next.is_some_and(|next| next <= moment.at);
        let until_claim = known.until_claim(room, options.held, moment.mono);
        if room > 0 && (is_time || ((is_due || known.is_full) && until_claim.is_zero())) {
            known.looked = Some(moment.mono);
            let taken = self.claim(known, room.min(CLAIM_MAX)).await?;
            if taken == 0 && !known.is_full && shared.shelf.len() == 0 {
                self.resting.send_replace(given);
            }
        } else if !is_due && shared.shelf.len() == 0 {
            self.resting.send_replace(given);
        }
        let room = options.held.saturating_sub(shared.shelf.len());
        if known.is_full && room > 0 {
            return Ok(known.until_claim(room, options.held, moment.mono));
        }
        let until_next = known.next.map(|next| next.since(moment.at));
        // Rows whose time has come wait for room, which is told by a hint.
        let until_next = until_next.filter(|wait| !wait.is_zero() || room > 0);
        let until_free = shared.quarantine.next(moment.mono);
        let until_sent = shared.embargo.left(moment.mono);
        let waits = [Some(options.poll), until_next, until_free, until_sent];
        let wait = waits.into_iter().flatten().min().unwrap_or(options.poll);
        // A due time lies on a whole millisecond, the clock may not.
        Ok(wait.max(Duration::from_millis(1)))
    }

    async fn claim(&self, known: &mut Known, limit: usize) -> Result<usize, store::Error> {
        let shared = &self.shared;
        let mut held = shared.shelf.ids();
        held.extend(shared.quarantine.present(shared.world.monotonic()));
        let claim = Claim {
            kind: W::KIND.to_owned(),
            limit,
            holder: shared.options.holder.clone(),
            lease: shared.options.lease,
            held,
        };
        let claimed = shared.store.claim(claim).await?;
        known.next = claimed.next_due;
        known.is_full = claimed.rows.len() >= limit;
        let mut taken = 0;
        for row in claimed.rows {
            taken += usize::from(self.take_up(row));
        }
        Ok(taken)
    }

    fn take_up(&self, row: Row) -> bool {
        let shared = &self.shared;
        let id = row.id.clone();
        let snapshot = match guarded(|| decode(&*shared.workflow, &row)).and_then(|read| read) {
            Ok(decoded) => Snapshot::new(row, decoded),
            Err(detail) => {
                let wait = shared
                    .quarantine
                    .confine(&id, &detail, shared.world.monotonic());
                tracing::error!(%id, detail, ?wait, "an instance cannot be read: left alone for a while");
                return false;
            }
        };
        // One owner per store: what it takes up, it owns under its own incarnation. A younger
        // owner's rows may look like ours, but no decision of ours will be taken for them.
        let Some(held) = shared.shelf.take_up(shared.store.incarnation(), snapshot) else {
            return false;
        };
        let worker = Worker {
            shared: shared.clone(),
            tools: self.tools.clone(),
            held,
        };
        shared
            .world
            .spawn(Box::pin(self.workers.track_future(worker.run())));
        true
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
