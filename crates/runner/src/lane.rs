//! One lane of an instance, from being due to having its outcome committed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Effect, EffectClass, InstanceId, Item, Notice, Timestamp, Workflow};
use countermand_store::Store;
use futures_util::FutureExt;

use crate::codec::{guarded, panic_message};
use crate::gate::{Entry, Gates, Pass};
use crate::perform::ReadEmission;
use crate::schedule::Moment;
use crate::shared::Shared;
use crate::shelf::{Held, Snapshot};
use crate::task::{Alter, Authority, Mark};
use crate::world::BoxFuture;
use crate::{Emissions, Fence, Job, Perform, Performed, SubmitError, Tally};

/// What performances are made with.
pub(crate) struct Tools<W, P> {
    performer: Arc<P>,
    gates: Gates,
    emissions: Emissions,
    workflow: std::marker::PhantomData<fn(W)>,
}

impl<W: Workflow, P: Perform<W>> Tools<W, P> {
    pub(crate) fn new<S: Store>(performer: Arc<P>, gates: Gates, store: Arc<S>) -> Self {
        Self {
            performer,
            gates,
            emissions: Emissions(Arc::new(StoredEmissions(store))),
            workflow: std::marker::PhantomData,
        }
    }
}

/// How a lane came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LaneEnd {
    /// Whatever came of it is committed; the agenda says what is next.
    Done,
    /// The engine stops.
    Stopped,
    /// A younger owner has the instance.
    Lost,
    /// Something about the instance is broken.
    Harm(String),
}

/// The lanes of one instance.
pub(crate) struct Lanes<'a, W: Workflow, S: Store, P> {
    pub(crate) shared: &'a Arc<Shared<W, S>>,
    pub(crate) tools: &'a Tools<W, P>,
    pub(crate) held: &'a Arc<Held<W>>,
}

/// A performance that may begin.
pub(crate) struct Begun<W: Workflow> {
    pub(crate) item: Item<W::Effect>,
    pub(crate) moment: Moment,
    budget: Duration,
}

/// How long to leave a store alone that has failed: at first, and at most.
pub(crate) const STORE_RECOVERY: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(5));

impl<W: Workflow, S: Store, P: Perform<W>> Lanes<'_, W, S, P> {
    pub(crate) async fn run(&self, item: Item<W::Effect>) -> LaneEnd {
        if item.effect.class() == EffectClass::Timer {
            return self.fire(item).await;
        }
        let is_mutation = item.effect.class() == EffectClass::Mutation;
        if is_mutation && self.shared.pause.is_thrown() {
            return self
                .put_off(&item, None, "mutations are held back by the kill switch")
                .await;
        }
        if is_mutation && let Some(left) = self.shared.embargo.left(self.shared.world.monotonic()) {
            let why = "mutations are held back after a restore from backup";
            return self.put_off(&item, Some(left), why).await;
        }
        // A mutation looks before it sends.
        let calls = if is_mutation { 2 } else { 1 };
        let who = (&self.held.id, item.key.as_str());
        let whither = (item.effect.remote(), item.effect.partition());
        let entry = tokio::select! {
            biased;
            () = self.shared.stopping.cancelled() => return LaneEnd::Stopped,
            entry = self.tools.gates.enter(whither, who, calls) => entry,
        };
        let pass = match entry {
            Entry::Pass(pass) => pass,
            Entry::PutOff { wait, why } => return self.put_off(&item, wait, why).await,
        };
        // That may have taken a while.
        if !self.is_wanted(&self.held.latest(), &item) {
            return LaneEnd::Done;
        }
        let moment = match self.shared.moment().await {
            Ok(moment) => moment,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store does not tell the time"
                );
                self.recover(&mut STORE_RECOVERY.1.clone()).await;
                return LaneEnd::Done;
            }
        };
        let begun = Begun {
            budget: self.shared.options.budget(item.effect.name()),
            item,
            moment,
        };
        if is_mutation {
            self.attempt(pass, begun).await
        } else {
            self.call(pass, begun).await
        }
    }

    /// Is the item on the agenda of this state?
    pub(crate) fn is_wanted(&self, snapshot: &Snapshot<W>, item: &Item<W::Effect>) -> bool {
        let workflow = &*self.shared.workflow;
        guarded(|| {
            let agenda = workflow.next(&snapshot.state);
            agenda
                .items()
                .iter()
                .any(|other| other.key == item.key && other.effect == item.effect)
        })
        .unwrap_or(false)
    }

    /// The time of a timer has come.
    async fn fire(&self, item: Item<W::Effect>) -> LaneEnd {
        let snapshot = self.held.latest();
        if !self.is_wanted(&snapshot, &item) {
            return LaneEnd::Done;
        }
        let workflow = &*self.shared.workflow;
        let notice = guarded(|| {
            workflow.notice(Notice::TimerFired {
                effect: &item.effect,
            })
        });
        let input = match notice {
            Ok(input) => input,
            Err(detail) => return LaneEnd::Harm(detail),
        };
        let Ok(moment) = self.shared.moment().await else {
            return self.recover(&mut STORE_RECOVERY.1.clone()).await;
        };
        let performed = Performed {
            inputs: vec![input],
            tally: Tally::Answered,
        };
        let authority = Authority::Decision {
            epoch: self.held.epoch,
            revision: Some(snapshot.row.revision),
        };
        self.hand_in(item, moment.at, performed, authority).await
    }

    /// A read, or a delivery that may be repeated.
    async fn call(&self, pass: Pass, begun: Begun<W>) -> LaneEnd {
        let snapshot = self.held.latest();
        let fence = self.fence(&begun, None);
        let until = begun.budget.saturating_add(self.shared.options.slack);
        let performed = self.perform(&begun, snapshot, fence, until).await;
        pass.tell(&performed.tally);
        let authority = match begun.item.effect.class() {
            EffectClass::Read | EffectClass::Timer => Authority::Decision {
                epoch: self.held.epoch,
                revision: None,
            },
            EffectClass::AtLeastOnce | EffectClass::Mutation => Authority::Fact,
        };
        self.hand_in(begun.item, begun.moment.at, performed, authority)
            .await
    }

    /// A mutation: the intent first, durably; then the attempt; then its outcome, whatever it is.
    async fn attempt(&self, pass: Pass, begun: Begun<W>) -> LaneEnd {
        let deadline = begun.moment.at.plus(begun.budget);
        let deadline_mono = begun.moment.mono.saturating_add(begun.budget);
        let snapshot = match self.intend(&begun, deadline).await {
            Ok(snapshot) => snapshot,
            Err(end) => return end,
        };
        let fence = self.fence(&begun, Some(deadline_mono));
        let left = deadline_mono.saturating_sub(self.shared.world.monotonic());
        let until = left.saturating_add(self.shared.options.slack);
        let performed = self.perform(&begun, snapshot, fence, until).await;
        pass.tell(&performed.tally);
        self.hand_in(begun.item, begun.moment.at, performed, Authority::Fact)
            .await
    }

    /// For a mutation (`deadline` is set): asked as the first byte is about to leave.
    fn fence(&self, begun: &Begun<W>, deadline: Option<Duration>) -> Fence {
        let (shared, held) = (self.shared.clone(), self.held.clone());
        let effect = begun.item.effect.clone();
        let epoch = held.epoch;
        Fence::new(epoch, move || {
            if shared.halted.is_cancelled() || held.is_lost() {
                return false;
            }
            let Some(deadline) = deadline else {
                return true;
            };
            let now = shared.world.monotonic();
            !shared.pause.is_thrown()
                && shared.embargo.left(now).is_none()
                && epoch >= shared.store.incarnation()
                && now < deadline
                && guarded(|| shared.workflow.wants(&held.latest().state, &effect)).unwrap_or(false)
        })
    }

    /// One call of the performer, for at most `until`.
    async fn perform(
        &self,
        begun: &Begun<W>,
        snapshot: Snapshot<W>,
        fence: Fence,
        until: Duration,
    ) -> Performed<W::Input> {
        let Begun {
            item,
            moment,
            budget,
        } = begun;
        let effect = item.effect.name();
        let failures = snapshot
            .retries
            .lane(&item.key)
            .map_or(0, |lane| lane.failures);
        let job = Job {
            id: self.held.id.clone(),
            revision: snapshot.row.revision,
            state: snapshot.state,
            effect: item.effect.clone(),
            began_at: moment.at,
            clock_behind: moment.behind,
            try_number: failures.saturating_add(1),
            budget: *budget,
            fence,
            emissions: self.tools.emissions.clone(),
        };
        let performance =
            AssertUnwindSafe(async { self.tools.performer.perform(job).await }).catch_unwind();
        let performed = tokio::select! {
            biased;
            performed = performance => performed.map_err(|panic| {
                format!("`{effect}` panicked: {}", panic_message(&*panic))
            }),
            () = self.shared.world.sleep(until) => Err(format!("`{effect}` gave no answer in time")),
        };
        let performed = performed.unwrap_or_else(|message| Performed {
            // Nothing is invented: an intent without an outcome runs into its deadline.
            inputs: Vec::new(),
            tally: Tally::Failed {
                message,
                retry_after: None,
            },
        });
        let tally = match &performed.tally {
            Tally::Answered => "answered",
            Tally::Empty { .. } => "empty",
            Tally::Failed { .. } => "failed",
            Tally::Unable { .. } => "unable",
            Tally::Deferred { .. } => "deferred",
        };
        let took = self.shared.world.monotonic().saturating_sub(moment.mono);
        tracing::debug!(id = %self.held.id, lane = item.key, effect, tally, ?took, "performed");
        performed
    }

    /// Commits what came of a performance, for as long as it takes.
    async fn hand_in(
        &self,
        item: Item<W::Effect>,
        began_at: Timestamp,
        performed: Performed<W::Input>,
        authority: Authority,
    ) -> LaneEnd {
        let mark = Mark::Performed {
            item,
            began_at,
            tally: performed.tally,
            random: self.shared.world.random(),
        };
        self.commit(performed.inputs, mark, authority).await
    }

    /// Nothing is tried for now.
    pub(crate) async fn put_off(
        &self,
        item: &Item<W::Effect>,
        wait: Option<Duration>,
        why: &str,
    ) -> LaneEnd {
        tracing::debug!(id = %self.held.id, lane = item.key, ?wait, why, "put off");
        let mark = Mark::PutOff {
            lane: item.key.clone(),
            effect: item.effect.name(),
            wait,
            random: self.shared.world.random(),
        };
        let authority = Authority::Decision {
            epoch: self.held.epoch,
            revision: None,
        };
        self.commit(Vec::new(), mark, authority).await
    }

    async fn commit(
        &self,
        inputs: Vec<W::Input>,
        mark: Mark<W::Effect>,
        authority: Authority,
    ) -> LaneEnd {
        let mut wait = STORE_RECOVERY.0;
        loop {
            let alter = Alter {
                id: self.held.id.clone(),
                inputs: inputs.clone(),
                mark: Some(mark.clone()),
                authority,
                internal: true,
            };
            match self.shared.alter(alter).await {
                Ok(altered) => {
                    for rejection in altered.rejections {
                        tracing::debug!(id = %self.held.id, %rejection, "an outcome was rejected");
                    }
                    return LaneEnd::Done;
                }
                Err(SubmitError::Stale) => return LaneEnd::Done,
                Err(error) => {
                    if let Some(end) = self.failed(error, &mut wait).await {
                        return end;
                    }
                }
            }
        }
    }

    /// What a failure to commit leads to; `None`: try again, after a while that is over.
    pub(crate) async fn failed(
        &self,
        error: SubmitError<W::Rejection>,
        wait: &mut Duration,
    ) -> Option<LaneEnd> {
        match error {
            SubmitError::Closed => Some(LaneEnd::Stopped),
            SubmitError::LeaseLost => Some(LaneEnd::Lost),
            SubmitError::Store(_) | SubmitError::Contended | SubmitError::Overloaded => {
                tracing::warn!(id = %self.held.id, error = &error as &dyn std::error::Error, "not committed: trying again");
                self.recover(wait).await;
                None
            }
            error => Some(LaneEnd::Harm(error.to_string())),
        }
    }

    /// Leaves a store alone that has failed, longer each time.
    async fn recover(&self, wait: &mut Duration) -> LaneEnd {
        self.shared.world.sleep(*wait).await;
        *wait = wait.saturating_mul(2).min(STORE_RECOVERY.1);
        LaneEnd::Done
    }
}

/// Messages, read out of the history.
struct StoredEmissions<S>(Arc<S>);

impl<S: Store> ReadEmission for StoredEmissions<S> {
    fn read<'a>(
        &'a self,
        id: &'a InstanceId,
        seq: u64,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            let Some(before) = seq.checked_sub(1) else {
                return Ok(None);
            };
            let entries = self
                .0
                .history(id, before, 1)
                .await
                .map_err(|error| error.to_string())?;
            let entry = entries.into_iter().find(|entry| entry.seq == seq);
            let Some(emissions) = entry.and_then(|entry| entry.entry.emissions) else {
                return Ok(None);
            };
            let emissions: Vec<countermand_core::Emission> = serde_json::from_str(&emissions)
                .map_err(|error| {
                    format!("the messages of entry {seq} of {id} cannot be read: {error}")
                })?;
            Ok(emissions
                .into_iter()
                .find(|emission| emission.id == message_id)
                .map(|emission| emission.body))
        })
    }
}
