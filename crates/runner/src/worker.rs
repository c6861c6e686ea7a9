//! A worker holds one instance: it performs all lanes that are due side by side, again and again,
//! until nothing is due; then it gives the instance back.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Agenda, Effect, Notice, OpenIntent, Workflow};
use countermand_store::{self as store, Store};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use crate::codec::{guarded, panic_message};
use crate::lane::{LaneEnd, Lanes, Tools};
use crate::retries::memory_key;
use crate::schedule::{Moment, due};
use crate::shared::Shared;
use crate::shelf::{Held, Snapshot};
use crate::task::{Alter, Authority, Mark};
use crate::world::BoxFuture;
use crate::{Perform, SubmitError};

/// See the module.
pub(crate) struct Worker<W: Workflow, S: Store, P> {
    pub(crate) shared: Arc<Shared<W, S>>,
    pub(crate) tools: Arc<Tools<W, P>>,
    pub(crate) held: Arc<Held<W>>,
}

/// Why a worker gives its instance back.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing is due.
    Idle,
    /// The engine stops.
    Stopped,
    /// A younger owner has it.
    Lost,
    /// Something about it is broken.
    Harm(String),
}

/// What there is to do.
enum Next {
    /// Lanes were begun, or are under way; the next one is due then.
    Wait(Option<Duration>),
    /// Look again.
    Again,
    End(End),
}

type LanesUnderWay<'a> = FuturesUnordered<BoxFuture<'a, (String, LaneEnd)>>;

impl<W: Workflow, S: Store, P: Perform<W>> Worker<W, S, P> {
    pub(crate) async fn run(self) {
        let back = GiveBack(&self);
        let shared = &self.shared;
        let served = AssertUnwindSafe(self.serve()).catch_unwind();
        let end = tokio::select! {
            biased;
            () = shared.halted.cancelled() => End::Stopped,
            end = served => end.unwrap_or_else(|panic| End::Harm(panic_message(&*panic))),
        };
        let id = &self.held.id;
        match end {
            End::Idle => shared.quarantine.release(id),
            End::Stopped => {}
            End::Lost => {
                shared
                    .quarantine
                    .confine(id, "another owner has it", shared.world.monotonic());
            }
            End::Harm(detail) => {
                let wait = shared
                    .quarantine
                    .confine(id, &detail, shared.world.monotonic());
                tracing::error!(%id, detail, ?wait, "an instance cannot be worked on: left alone for a while");
            }
        }
        drop(back);
    }

    async fn serve(&self) -> End {
        let shared = &self.shared;
        let mut watch = self.held.watch();
        let mut under_way = FuturesUnordered::new();
        let mut busy = BTreeSet::new();
        let mut end = None;
        loop {
            let snapshot = watch.borrow_and_update().clone();
            if shared.stopping.is_cancelled() {
                end.get_or_insert(End::Stopped);
            }
            if self.held.is_lost() {
                end.get_or_insert(End::Lost);
            }
            let mut wait = None;
            if end.is_none() {
                match self.begin(&snapshot, &mut under_way, &mut busy).await {
                    Ok(Next::Wait(next)) => wait = next,
                    Ok(Next::Again) => continue,
                    Ok(Next::End(ended)) => end = Some(ended),
                    Err(error) => {
                        tracing::warn!(id = %self.held.id, error = &error as &dyn std::error::Error, "the store fails: trying again");
                        wait = Some(STORE_RECOVERY);
                    }
                }
            }
            if let Some(ended) = end.take_if(|_| under_way.is_empty()) {
                // An event that comes in this very moment is found by whoever is told of the row's
                // due time as it is given back.
                return ended;
            }
            let is_ending = end.is_some();
            tokio::select! {
                biased;
                Some((lane, ended)) = under_way.next() => {
                    busy.remove(&lane);
                    match ended {
                        LaneEnd::Done => {}
                        LaneEnd::Stopped => end = end.or(Some(End::Stopped)),
                        LaneEnd::Lost => end = end.or(Some(End::Lost)),
                        LaneEnd::Harm(detail) => end = end.or(Some(End::Harm(detail))),
                    }
                }
                changed = watch.changed() => {
                    // The sender lives in `held`.
                    if changed.is_err() {
                        return End::Stopped;
                    }
                }
                () = shared.stopping.cancelled(), if !is_ending => {}
                () = shared.world.sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
            }
        }
    }

    /// Begins every lane that is due and not under way.
    async fn begin<'a>(
        &'a self,
        snapshot: &Snapshot<W>,
        under_way: &mut LanesUnderWay<'a>,
        busy: &mut BTreeSet<String>,
    ) -> Result<Next, store::Error> {
        let shared = &self.shared;
        let workflow = &*shared.workflow;
        let state = &*snapshot.state;
        let asked = guarded(|| (workflow.open_intents(state), workflow.next(state)));
        let (intents, agenda) = match asked {
            Ok(asked) => asked,
            Err(detail) => return Ok(Next::End(End::Harm(detail))),
        };
        let lost: Vec<&OpenIntent> = intents
            .iter()
            .filter(|intent| intent.epoch < self.held.epoch)
            .collect();
        if !lost.is_empty() {
            return Ok(self.hand_over(snapshot, &lost).await);
        }
        let moment = shared.moment().await?;
        shared.sights.see(&self.held.id, agenda.items(), moment);
        let mut next = None;
        for item in agenda.items() {
            if busy.contains(&item.key) {
                continue;
            }
            let retry = shared.options.retry(item.effect.name());
            let lane = snapshot.retries.lane(&memory_key(item));
            let sight = shared.sights.of(&self.held.id, item);
            let Some(due) = due(item, lane, sight, &retry, moment) else {
                continue;
            };
            if due > moment.at {
                next = Some(next.map_or(due, |other: countermand_core::Timestamp| other.min(due)));
                continue;
            }
            busy.insert(item.key.clone());
            let lanes = Lanes {
                shared,
                tools: &self.tools,
                held: &self.held,
            };
            let (lane, item) = (item.key.clone(), item.clone());
            under_way.push(Box::pin(async move { (lane, lanes.run(item).await) }));
        }
        if under_way.is_empty() {
            return Ok(self.give_back(snapshot, &agenda, moment).await);
        }
        Ok(Next::Wait(next.map(|next| {
            next.since(moment.at).max(Duration::from_millis(1))
        })))
    }

    /// Whoever owned these attempts is gone: that is recorded before anything else is decided.
    async fn hand_over(&self, snapshot: &Snapshot<W>, lost: &[&OpenIntent]) -> Next {
        let workflow = &*self.shared.workflow;
        let notices = guarded(|| {
            let notice = |intent: &&OpenIntent| workflow.notice(Notice::OwnerLost { intent });
            lost.iter().map(notice).collect()
        });
        let inputs = match notices {
            Ok(inputs) => inputs,
            Err(detail) => return Next::End(End::Harm(detail)),
        };
        let lanes = lost.iter().map(|intent| intent.key.clone()).collect();
        tracing::info!(id = %self.held.id, ?lanes, "the owner of open intents is gone");
        let altered = self
            .decide(
                inputs,
                Some(Mark::Lost { lanes }),
                Some(snapshot.row.revision),
            )
            .await;
        match altered {
            Ok(altered) => match altered.rejections.first() {
                // It would be found again at once, and again.
                Some(rejection) => Next::End(End::Harm(rejection.to_string())),
                None => Next::Again,
            },
            Err(error) => self.after(error).await,
        }
    }

    /// Nothing is due. The row is to say when something is.
    async fn give_back(
        &self,
        snapshot: &Snapshot<W>,
        agenda: &Agenda<W::Effect>,
        moment: Moment,
    ) -> Next {
        let context = self.shared.context(moment);
        let due_at = context.due_at(&self.held.id, agenda, &snapshot.retries);
        let stored = snapshot.row.due_at;
        // Too early is harmless, except at once; too late is not.
        let is_right = match (due_at, stored) {
            (Some(due_at), Some(stored)) => stored <= due_at && stored > moment.at,
            (due_at, stored) => due_at == stored,
        };
        if is_right {
            return Next::End(End::Idle);
        }
        match self.decide(Vec::new(), None, None).await {
            Ok(_) => Next::End(End::Idle),
            Err(error) => self.after(error).await,
        }
    }

    async fn decide(
        &self,
        inputs: Vec<W::Input>,
        mark: Option<Mark<W::Effect>>,
        revision: Option<u64>,
    ) -> Result<crate::task::Altered<W>, SubmitError<W::Rejection>> {
        let alter = Alter {
            id: self.held.id.clone(),
            inputs,
            mark,
            authority: Authority::Decision {
                epoch: self.held.epoch,
                revision,
            },
            internal: true,
        };
        self.shared.alter(alter).await
    }

    /// What a decision that was not committed leads to.
    async fn after(&self, error: SubmitError<W::Rejection>) -> Next {
        match error {
            SubmitError::Stale => Next::Again,
            SubmitError::Closed => Next::End(End::Stopped),
            SubmitError::LeaseLost => Next::End(End::Lost),
            SubmitError::Store(_) | SubmitError::Contended | SubmitError::Overloaded => {
                let stopping = &self.shared.stopping;
                tokio::select! {
                    biased;
                    () = stopping.cancelled() => {}
                    () = self.shared.world.sleep(STORE_RECOVERY) => {}
                }
                Next::Again
            }
            error => Next::End(End::Harm(error.to_string())),
        }
    }
}

/// How long to leave a store alone that has failed.
const STORE_RECOVERY: Duration = Duration::from_secs(1);

/// Gives the instance back, whatever happens to its worker.
struct GiveBack<'a, W: Workflow, S: Store, P>(&'a Worker<W, S, P>);

impl<W: Workflow, S: Store, P> Drop for GiveBack<'_, W, S, P> {
    fn drop(&mut self) {
        let Worker { shared, held, .. } = self.0;
        shared.shelf.put_back(&held.id);
        match held.latest().row.due_at {
            Some(due_at) => shared.hints.due(due_at),
            None => shared.hints.poke(),
        }
    }
}
