//! What all parts of an engine share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermand_core::{InstanceId, Timestamp, Workflow};
use countermand_store::{self as store, Store};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::codec::{decode, guarded};
use crate::draft::Context;
use crate::embargo::Embargo;
use crate::handle::Change;
use crate::options::Options;
use crate::schedule::Moment;
use crate::shelf::Shelf;
use crate::sights::Sights;
use crate::spending::Purse;
use crate::task::{Alter, Altered, SubmitErrorOf, Task};
use crate::world::World;
use crate::{Instance, SubmitError, lock};

/// What all parts of an engine share.
pub(crate) struct Shared<W: Workflow, S: Store> {
    pub(crate) workflow: Arc<W>,
    pub(crate) store: Arc<S>,
    pub(crate) options: Arc<Options>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) shelf: Shelf<W>,
    pub(crate) sights: Sights,
    pub(crate) hints: Hints,
    pub(crate) quarantine: Quarantine,
    pub(crate) commits: Commits,
    pub(crate) changes: broadcast::Sender<Change>,
    /// What workers hand in. Not bounded by itself: each lane of each held instance has at most one
    /// change under way.
    pub(crate) inside: mpsc::UnboundedSender<Task<W>>,
    pub(crate) pause: KillSwitch,
    pub(crate) embargo: Embargo,
    pub(crate) purse: Purse,
    /// No new work.
    pub(crate) stopping: CancellationToken,
    /// The grace is over: everything is dropped.
    pub(crate) halted: CancellationToken,
}

impl<W: Workflow, S: Store> Shared<W, S> {
    pub(crate) async fn moment(&self) -> Result<Moment, store::Error> {
        let now = self.store.now().await?;
        Ok(Moment {
            at: now.at,
            behind: now.behind,
            mono: self.world.monotonic(),
        })
    }

    pub(crate) fn context(&self, moment: Moment) -> Context<'_, W> {
        Context {
            workflow: &self.workflow,
            options: &self.options,
            sights: &self.sights,
            world: &*self.world,
            incarnation: self.store.incarnation(),
            moment,
        }
    }

    /// Hands a worker's change to the committer.
    pub(crate) async fn alter(&self, alter: Alter<W>) -> Result<Altered<W>, SubmitErrorOf<W>> {
        let (reply, answer) = oneshot::channel();
        self.inside
            .send(Task::Alter { alter, reply })
            .map_err(|_| SubmitError::Closed)?;
        answer.await.unwrap_or(Err(SubmitError::Closed))
    }

    /// Reads a row's state.
    pub(crate) fn instance(&self, row: store::Row) -> Result<Instance<W::State>, SubmitErrorOf<W>> {
        match guarded(|| decode(&*self.workflow, &row)).and_then(|decoded| decoded) {
            Ok(decoded) => Ok(Instance {
                row,
                state: Arc::new(decoded.state),
            }),
            Err(detail) => Err(SubmitError::Unreadable { id: row.id, detail }),
        }
    }
}

/// Is every mutation held back? Until the store was asked, yes.
#[derive(Debug)]
pub(crate) struct KillSwitch(Mutex<Thrown>);

#[derive(Debug, Clone, Copy)]
struct Thrown {
    is_thrown: bool,
    /// How often it was set here: an older answer of the store does not undo that.
    times: u64,
}

impl Default for KillSwitch {
    fn default() -> Self {
        Self(Mutex::new(Thrown {
            is_thrown: true,
            times: 0,
        }))
    }
}

impl KillSwitch {
    pub(crate) fn is_thrown(&self) -> bool {
        lock(&self.0).is_thrown
    }

    /// To be taken before the store is asked.
    pub(crate) fn times(&self) -> u64 {
        lock(&self.0).times
    }

    /// What the store answered to a question that was asked at `times`.
    pub(crate) fn heard(&self, is_thrown: bool, times: u64) {
        let mut thrown = lock(&self.0);
        if thrown.times == times && thrown.is_thrown != is_thrown {
            thrown.is_thrown = is_thrown;
            if is_thrown {
                tracing::warn!("the kill switch is thrown: no mutation goes out");
            } else {
                tracing::debug!("the kill switch is not thrown");
            }
        }
    }

    pub(crate) fn set(&self, is_thrown: bool) {
        let mut thrown = lock(&self.0);
        thrown.is_thrown = is_thrown;
        thrown.times += 1;
    }
}

/// What the dispatcher need not find out by itself. Nothing hangs on it: it looks by itself, too.
#[derive(Default)]
pub(crate) struct Hints {
    earliest: Mutex<Option<Timestamp>>,
    wake: Notify,
    /// How many hints were given: whoever rests takes note of it first.
    given: watch::Sender<u64>,
}

impl Hints {
    /// Something that nobody holds becomes due.
    pub(crate) fn due(&self, at: Timestamp) {
        let mut earliest = lock(&self.earliest);
        *earliest = Some(earliest.map_or(at, |known| known.min(at)));
        drop(earliest);
        self.poke();
    }

    /// Something may be taken up now that could not be before.
    pub(crate) fn poke(&self) {
        self.given.send_modify(|given| *given += 1);
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> Option<Timestamp> {
        lock(&self.earliest).take()
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn given(&self) -> u64 {
        *self.given.borrow()
    }
}

/// Did the newest commit succeed?
#[derive(Debug, Default)]
pub(crate) struct Commits(Mutex<Option<(Duration, String)>>);

impl Commits {
    pub(crate) fn succeeded(&self) {
        lock(&self.0).take();
    }

    pub(crate) fn failed(&self, error: &store::Error, now: Duration) {
        // Whoever is told need not know where the store is.
        let mut why = match error {
            store::Error::Unusable { why, .. } => why.clone(),
            error => error.to_string(),
        };
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            why.push_str(": ");
            why.push_str(&error.to_string());
            cause = error.source();
        }
        lock(&self.0).replace((now, why));
    }

    /// How long ago the newest commit failed, and why, unless it succeeded.
    pub(crate) fn failure(&self, now: Duration) -> Option<(Duration, String)> {
        let (at, why) = lock(&self.0).clone()?;
        Some((now.saturating_sub(at), why))
    }
}

/// Instances that harm whoever takes them up: left alone for a while, longer each time.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Mutex<BTreeMap<InstanceId, Confined>>);

#[derive(Debug)]
struct Confined {
    until: Duration,
    times: u32,
    why: String,
}

/// How long at first, and at most.
const CONFINED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15 * 60));

impl Quarantine {
    pub(crate) fn confine(&self, id: &InstanceId, why: &str, now: Duration) -> Duration {
        let mut all = lock(&self.0);
        let times = all
            .get(id)
            .map_or(1, |confined| confined.times.saturating_add(1));
        let backoff = countermand_core::Backoff {
            initial: CONFINED.0,
            max: CONFINED.1,
        };
        let wait = backoff.ceiling(times);
        let confined = Confined {
            until: now.saturating_add(wait),
            times,
            why: why.to_owned(),
        };
        all.insert(id.clone(), confined);
        wait
    }

    /// It did no harm.
    pub(crate) fn release(&self, id: &InstanceId) {
        lock(&self.0).remove(id);
    }

    /// Those that are to be left alone now.
    pub(crate) fn present(&self, now: Duration) -> Vec<InstanceId> {
        let all = lock(&self.0);
        let present = all.iter().filter(|(_, confined)| confined.until > now);
        present.map(|(id, _)| id.clone()).collect()
    }

    /// The time until the next one may be tried again.
    pub(crate) fn next(&self, now: Duration) -> Option<Duration> {
        let all = lock(&self.0);
        let waits = all
            .values()
            .filter_map(|confined| confined.until.checked_sub(now));
        waits.filter(|wait| !wait.is_zero()).min()
    }

    /// All that did harm since they last did none, and why.
    pub(crate) fn list(&self) -> Vec<(InstanceId, String)> {
        let all = lock(&self.0);
        all.iter()
            .map(|(id, confined)| (id.clone(), confined.why.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_answer_does_not_undo_the_kill_switch() {
        let switch = KillSwitch::default();
        assert!(switch.is_thrown(), "until the store was asked");
        switch.heard(false, switch.times());
        assert!(!switch.is_thrown());
        let asked = switch.times();
        switch.set(true);
        switch.heard(false, asked);
        assert!(switch.is_thrown());
        switch.heard(false, switch.times());
        assert!(!switch.is_thrown());
    }

    #[test]
    fn what_does_harm_is_left_alone_longer_each_time() {
        let quarantine = Quarantine::default();
        let id = InstanceId::new("a").unwrap();
        let secs = Duration::from_secs;
        assert_eq!(quarantine.confine(&id, "why", secs(0)), secs(5));
        assert_eq!(quarantine.present(secs(4)), std::slice::from_ref(&id));
        assert_eq!(quarantine.next(secs(4)), Some(secs(1)));
        assert!(quarantine.present(secs(5)).is_empty());
        assert_eq!(quarantine.confine(&id, "why", secs(5)), secs(10));
        assert_eq!(quarantine.list(), [(id.clone(), "why".to_owned())]);
        quarantine.release(&id);
        assert!(quarantine.list().is_empty());
    }
}
