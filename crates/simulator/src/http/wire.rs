//! The way to the remotes and back: what arrived, what goes wrong, who is down, which tokens work.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chaos::{Chaos, Fault, FaultKind, Remote, fault};
use crate::http::connection::Cuttable;
use crate::ledger::{Counters, RequestCounts};
use crate::operation::{Aim, Operation};
use crate::options::Credentials;
use crate::pace::Pace;
use crate::seeded::Seed;

/// How long tokens are remembered that have expired.
const REMEMBERED: Duration = Duration::from_secs(120);

/// What does not change on the way.
pub(crate) struct Weather {
    pub(crate) seed: Seed,
    pub(crate) pace: Pace,
}

/// The way to the remotes and back.
pub(crate) struct Wire {
    weather: Weather,
    state: Mutex<State>,
    /// Until when each remote is down.
    down: BTreeMap<Remote, watch::Sender<Option<Instant>>>,
    open_mutations: Arc<AtomicU64>,
    late_effects: Arc<AtomicU64>,
    /// Told when all is over: nothing waits any longer.
    pub(crate) over: CancellationToken,
}

#[derive(Default)]
struct State {
    levels: BTreeMap<Remote, Chaos>,
    counts: BTreeMap<Remote, RequestCounts>,
    forced: BTreeMap<Remote, VecDeque<Forced>>,
    connections: BTreeMap<Remote, Vec<Cuttable>>,
    tokens: BTreeMap<String, Instant>,
    tokens_issued: u64,
}

struct Forced {
    aim: Aim,
    fault: Fault,
    calls: usize,
}

/// One more of something, for as long as it lives.
pub(crate) struct Gauge(Arc<AtomicU64>);

impl Gauge {
    fn on(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wire {
    pub(crate) fn new(weather: Weather, levels: BTreeMap<Remote, Chaos>) -> Self {
        Self {
            weather,
            state: Mutex::new(State {
                levels,
                ..State::default()
            }),
            down: Remote::ALL
                .into_iter()
                .map(|remote| (remote, watch::Sender::new(None)))
                .collect(),
            open_mutations: Arc::default(),
            late_effects: Arc::default(),
            over: CancellationToken::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and decides what happens to it. `None`: the remote is down.
    pub(crate) fn receive(
        &self,
        remote: Remote,
        operation: Operation,
        connection: &Cuttable,
    ) -> Option<Fault> {
        let mut state = self.state();
        let counts = state.counts.entry(remote).or_default();
        let call = counts.received;
        counts.received += 1;
        *counts.operations.entry(operation).or_default() += 1;
        if self.is_down(remote) {
            counts.while_down += 1;
            return None;
        }
        if connection.is_first_call() {
            let known = state.connections.entry(remote).or_default();
            known.retain(Cuttable::is_alive);
            known.push(connection.clone());
        }
        let fault = state.take_forced(remote, operation).unwrap_or_else(|| {
            let chaos = state.levels.get(&remote).copied().unwrap_or_default();
            let Weather { seed, pace } = &self.weather;
            fault(seed.value(), chaos, remote, call, pace)
        });
        if let Some(kind) = fault.kind() {
            let counts = state.counts.entry(remote).or_default();
            let struck = counts.faults.entry(kind).or_default();
            if operation.is_mutation() {
                struck.mutations += 1;
            } else {
                struck.reads += 1;
            }
        }
        Some(fault)
    }

    /// A fault struck a mutation that had its effect.
    pub(crate) fn had_effect(&self, remote: Remote, kind: FaultKind) {
        let mut state = self.state();
        let counts = state.counts.entry(remote).or_default();
        counts.faults.entry(kind).or_default().with_effect += 1;
    }

    /// Counts a request that was turned away for its credentials.
    pub(crate) fn turned_away(&self, remote: Remote) {
        self.state().counts.entry(remote).or_default().unauthorized += 1;
    }

    /// The next calls of a remote that `aim` takes go wrong in this way, before the seed decides
    /// again.
    pub(crate) fn force(&self, remote: Remote, aim: Aim, fault: Fault, calls: usize) {
        if calls > 0 {
            let forced = Forced { aim, fault, calls };
            self.state()
                .forced
                .entry(remote)
                .or_default()
                .push_back(forced);
        }
    }

    /// From now on so much goes wrong with this remote.
    pub(crate) fn set_chaos(&self, remote: Remote, chaos: Chaos) {
        self.state().levels.insert(remote, chaos);
    }

    /// Forgets the forced faults of a remote that have not struck yet.
    pub(crate) fn relent(&self, remote: Remote) {
        self.state().forced.remove(&remote);
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            requests: self.requests(),
            open_mutations: self.open_mutations(),
            late_effects_to_come: self.late_effects.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn requests(&self) -> BTreeMap<Remote, RequestCounts> {
        self.state().counts.clone()
    }

    pub(crate) fn open_mutations(&self) -> u64 {
        self.open_mutations.load(Ordering::Relaxed)
    }

    /// A mutation is open until this is dropped.
    pub(crate) fn open(&self) -> Gauge {
        Gauge::on(&self.open_mutations)
    }

    /// A late effect is to come until this is dropped.
    pub(crate) fn late(&self) -> Gauge {
        Gauge::on(&self.late_effects)
    }

    /// The remote goes down, for so long: every connection to it is cut.
    pub(crate) fn restart(&self, remote: Remote, down: Duration) {
        let now = Instant::now();
        let until = now.checked_add(down).unwrap_or(now);
        if let Some(power) = self.down.get(&remote) {
            power.send_modify(|known| *known = Some(known.map_or(until, |known| known.max(until))));
        }
        let connections = self.state().connections.remove(&remote).unwrap_or_default();
        for connection in connections {
            connection.reset();
        }
    }

    pub(crate) fn is_down(&self, remote: Remote) -> bool {
        self.down
            .get(&remote)
            .and_then(|power| *power.borrow())
            .is_some_and(|until| Instant::now() < until)
    }

    /// Tells when the remote goes down.
    pub(crate) fn power(&self, remote: Remote) -> Option<watch::Receiver<Option<Instant>>> {
        self.down.get(&remote).map(watch::Sender::subscribe)
    }

    /// The end: whoever waits for an answer waits no longer.
    pub(crate) fn close(&self) {
        self.over.cancel();
        let connections = std::mem::take(&mut self.state().connections);
        for connection in connections.into_values().flatten() {
            connection.cut_if_hanging();
        }
    }

    /// An access token, if the credentials are right; it works for `life`.
    pub(crate) fn issue_token(
        &self,
        expected: &Credentials,
        client_id: &str,
        client_secret: &str,
        life: Duration,
    ) -> Option<String> {
        if client_id != expected.client_id || client_secret != expected.client_secret {
            return None;
        }
        let now = Instant::now();
        let mut state = self.state();
        state.tokens_issued += 1;
        let number = state.tokens_issued.to_string();
        let token = format!("sim-{}", self.weather.seed.hex(40, &["token", &number]));
        // A call that is acted upon late was let in with a token that worked then.
        state
            .tokens
            .retain(|_, expires| *expires + REMEMBERED > now);
        let expires = now.checked_add(life).unwrap_or(now);
        state.tokens.insert(token.clone(), expires);
        Some(token)
    }

    /// Did the token work at that moment?
    pub(crate) fn is_token_valid(&self, token: &str, at: Instant) -> bool {
        let state = self.state();
        state.tokens.get(token).is_some_and(|expires| *expires > at)
    }
}

impl State {
    fn take_forced(&mut self, remote: Remote, operation: Operation) -> Option<Fault> {
        let forced = self.forced.get_mut(&remote)?;
        let index = forced
            .iter()
            .position(|forced| forced.aim.takes(operation))?;
        let next = forced.get_mut(index)?;
        let fault = next.fault;
        next.calls -= 1;
        if next.calls == 0 {
            forced.remove(index);
        }
        Some(fault)
    }
}
