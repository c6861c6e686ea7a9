//! The way to each remote: circuit breaker, concurrency and rate. Whoever cannot pass soon is put
//! off, so that a slow or dead remote keeps nobody else from theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermand_core::InstanceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::breaker::{Admit, Breaker};
use crate::bucket::Bucket;
use crate::options::{Limits, Options};
use crate::world::World;
use crate::{Tally, lock};

/// A turn that is further off than this is waited for as a row with a due time, not in memory.
const HOLD: Duration = Duration::from_secs(1);
/// A turn that nobody took for so long is given up.
const TURN_KEPT: Duration = Duration::from_secs(60);

/// The answer to somebody who wants to perform.
#[derive(Debug)]
pub(crate) enum Entry {
    Pass(Pass),
    /// Not now. `None`: no telling when.
    PutOff {
        wait: Option<Duration>,
        why: &'static str,
    },
}

/// The gates of all remotes.
pub(crate) struct Gates {
    world: Arc<dyn World>,
    options: Arc<Options>,
    /// Performances at once, over all remotes.
    performing: Arc<Semaphore>,
    /// Performances at once at all parts of a remote: a quarter is left to the other remotes,
    /// whatever happens to this one.
    by_remote: Mutex<BTreeMap<&'static str, Arc<Semaphore>>>,
    by_part: Mutex<BTreeMap<(&'static str, String), Arc<Gate>>>,
}

struct Gate {
    world: Arc<dyn World>,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    breaker: Breaker,
    buckets: Option<Buckets>,
    turns: BTreeMap<(InstanceId, String), Turn>,
}

/// Turns are handed out ahead of time, and may be missed: by everybody at once while the circuit
/// breaker is open or the store stands still. So whoever comes is counted as it passes, too.
struct Buckets {
    turns: Bucket,
    passes: Bucket,
}

/// A turn that is kept for somebody.
#[derive(Clone, Copy)]
struct Turn {
    /// When to come.
    at: Duration,
    /// Is it counted as a pass?
    counted: bool,
}

impl Gates {
    pub(crate) fn new(world: Arc<dyn World>, options: Arc<Options>) -> Self {
        Self {
            world,
            performing: Arc::new(Semaphore::new(options.concurrency.clamp(1, MAX_PERMITS))),
            options,
            by_remote: Mutex::default(),
            by_part: Mutex::default(),
        }
    }

    /// The most that performs at one remote.
    fn most(&self) -> usize {
        let all = self.options.concurrency;
        (all - all / 4).clamp(1, MAX_PERMITS)
    }

    fn remote(&self, remote: &'static str) -> Arc<Semaphore> {
        let mut remotes = lock(&self.by_remote);
        let slots = remotes
            .entry(remote)
            .or_insert_with(|| Arc::new(Semaphore::new(self.most())));
        slots.clone()
    }

    fn gate(&self, remote: &'static str, part: Option<&str>) -> Arc<Gate> {
        let mut gates = lock(&self.by_part);
        let key = (remote, part.unwrap_or_default().to_owned());
        let gate = gates.entry(key).or_insert_with(|| {
            let limits = self.options.limits(remote, part);
            let slots = limits.concurrency.clamp(1, self.most());
            // Several parts of a remote must not fill all the room there is for waiting.
            let parts = if part.is_some() { 8 } else { 4 };
            let waiting_max = (self.options.held / parts).max(1);
            Arc::new(Gate::new(self.world.clone(), limits, slots, waiting_max))
        });
        gate.clone()
    }

    /// Waits for a turn at a remote, for `calls` calls, or is put off. Cancel-safe.
    pub(crate) async fn enter(
        &self,
        (remote, part): (&'static str, Option<&str>),
        who: (&InstanceId, &str),
        calls: u32,
    ) -> Entry {
        let gate = self.gate(remote, part);
        if let Some(put_off) = gate.closed_to(who) {
            return put_off;
        }
        let Some(_waiting) = Waiting::enter(&gate) else {
            return Entry::PutOff {
                wait: None,
                why: "too many others wait for it",
            };
        };
        let slot = gate.slots.clone().acquire_owned().await;
        let of_remote = self.remote(remote).acquire_owned().await;
        let performing = self.performing.clone().acquire_owned().await;
        let (Ok(slot), Ok(of_remote), Ok(performing)) = (slot, of_remote, performing) else {
            // Never closed.
            return Entry::PutOff {
                wait: None,
                why: "it is closed",
            };
        };
        let wait = match gate.turn(who, calls) {
            Ok(wait) => wait,
            Err(put_off) => return put_off,
        };
        if !wait.is_zero() {
            self.world.sleep(wait).await;
        }
        let admit = lock(&gate.inner)
            .breaker
            .admit(self.world.monotonic(), who.0);
        let probe = match admit {
            Admit::Pass => false,
            Admit::Probe => true,
            Admit::Wait(wait) => return breaker_open(wait),
        };
        Entry::Pass(Pass {
            gate: gate.clone(),
            whose: who.0.clone(),
            probe,
            told: false,
            _permits: [slot, of_remote, performing],
        })
    }
}

/// `tokio` takes no more.
const MAX_PERMITS: usize = Semaphore::MAX_PERMITS;

fn breaker_open(wait: Duration) -> Entry {
    Entry::PutOff {
        wait: Some(wait),
        why: "the circuit breaker is open",
    }
}

fn rate_limited(wait: Duration) -> Entry {
    Entry::PutOff {
        wait: Some(wait),
        why: "the rate limit is used up",
    }
}

impl Gate {
    fn new(world: Arc<dyn World>, limits: Limits, slots: usize, waiting_max: usize) -> Self {
        Self {
            world,
            slots: Arc::new(Semaphore::new(slots)),
            waiting: AtomicUsize::new(0),
            waiting_max,
            inner: Mutex::new(Inner {
                breaker: Breaker::new(limits.breaker),
                buckets: limits.rate.map(|rate| Buckets {
                    turns: Bucket::new(rate),
                    passes: Bucket::new(rate),
                }),
                turns: BTreeMap::new(),
            }),
        }
    }

    /// Is there no use in waiting?
    fn closed_to(&self, (id, lane): (&InstanceId, &str)) -> Option<Entry> {
        let now = self.world.monotonic();
        let inner = lock(&self.inner);
        if let Some(wait) = inner.breaker.shut(now) {
            return Some(breaker_open(wait));
        }
        let turn = *inner.turns.get(&(id.clone(), lane.to_owned()))?;
        let wait = turn.at.saturating_sub(now);
        (wait > HOLD).then(|| rate_limited(wait))
    }

    /// The time until somebody's turn; a turn that is far off is kept for them.
    fn turn(&self, (id, lane): (&InstanceId, &str), calls: u32) -> Result<Duration, Entry> {
        let now = self.world.monotonic();
        let inner = &mut *lock(&self.inner);
        let Some(buckets) = &mut inner.buckets else {
            return Ok(Duration::ZERO);
        };
        let key = (id.clone(), lane.to_owned());
        let is_alive = |turn: &Turn| turn.at.saturating_add(TURN_KEPT) >= now;
        let kept = inner.turns.remove(&key).filter(is_alive);
        let mut turn = kept.unwrap_or_else(|| {
            let at = buckets.turns.take(now, calls);
            Turn { at, counted: false }
        });
        // Counted once more as it passes; anew, if that was missed as well.
        let is_missed = turn.at.saturating_add(HOLD) < now;
        if turn.at.saturating_sub(now) <= HOLD && (!turn.counted || is_missed) {
            turn.at = buckets.passes.take(turn.at.max(now), calls);
            turn.counted = true;
        }
        let wait = turn.at.saturating_sub(now);
        if wait <= HOLD {
            return Ok(wait);
        }
        inner.turns.retain(|_, turn| is_alive(turn));
        inner.turns.insert(key, turn);
        Err(rate_limited(wait))
    }
}

/// One of those that wait; their number is bounded.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn enter(gate: &'a Gate) -> Option<Self> {
        let before = gate.waiting.fetch_add(1, Ordering::Relaxed);
        // Made first, so that it counts down either way.
        let waiting = Self(gate);
        (before < gate.waiting_max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to perform once. Given back when dropped.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    whose: InstanceId,
    probe: bool,
    told: bool,
    _permits: [OwnedSemaphorePermit; 3],
}

impl Pass {
    /// Tells the circuit breaker how it went.
    pub(crate) fn tell(mut self, tally: &Tally) {
        let now = self.gate.world.monotonic();
        let breaker = &mut lock(&self.gate.inner).breaker;
        match tally {
            Tally::Answered | Tally::Empty { .. } => breaker.succeeded(),
            Tally::Failed { .. } => breaker.failed(now, self.probe, &self.whose),
            Tally::Deferred { .. } | Tally::Unable { .. } => breaker.told_nothing(now, self.probe),
        }
        self.told = true;
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass")
            .field("probe", &self.probe)
            .finish_non_exhaustive()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.told {
            let now = self.gate.world.monotonic();
            lock(&self.gate.inner).breaker.told_nothing(now, self.probe);
        }
    }
}

#[cfg(test)]
mod tests;
