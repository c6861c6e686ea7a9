//! The state of the world outside, and the rules by which it changes. No network here: everything
//! is a method on [`World`], called by whoever listens.

mod amazon;
mod content;
mod events;
mod oms;
mod order;
mod provider;
mod refund;
mod sandbox;
mod timeline;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use amazon::{ApiError, CancelInput, Identifier};
pub(crate) use events::Delivery;
pub(crate) use oms::{OmsAnswer, OmsSignature};
pub(crate) use order::{
    Cancellation, CancellationState, Contents, LineItem, Order, Package, PackageReason,
    PackageState, Refund, RefundState, Tick,
};
pub(crate) use provider::PayoutRequest;
pub(crate) use refund::{RefundReport, ReportedPart};
pub(crate) use sandbox::PackageUpdate;

use crate::chaos::{Chaos, Fault, Remote, fault};
use crate::ledger::{AliasRecord, EventRecord, Ledger, RequestCounts};
use crate::options::Credentials;
use crate::pace::Pace;
use crate::scenario::{Mix, Scenario};
use crate::seeded::Seed;

use events::Outbox;
use oms::OmsBooks;
use order::Entry;
use provider::Provider;
use timeline::Timeline;

/// What does not change while the world runs.
#[derive(Debug)]
pub(crate) struct Laws {
    pub(crate) seed: Seed,
    pub(crate) chaos: Chaos,
    pub(crate) pace: Pace,
    pub(crate) credentials: Credentials,
    pub(crate) mix: Mix,
}

/// The world outside.
pub(crate) struct World {
    pub(crate) laws: Laws,
    began: Instant,
    began_at: Timestamp,
    books: Mutex<Books>,
    /// Told when something may be due earlier than it was.
    pub(crate) changed: Notify,
}

/// Everything that changes, under one lock: what one caller sees is never half of a change.
#[derive(Default)]
pub(crate) struct Books {
    seq: u64,
    counted: BTreeMap<Remote, RequestCounts>,
    forced: BTreeMap<Remote, VecDeque<Fault>>,
    tokens: BTreeMap<String, Tick>,
    tokens_issued: u64,
    orders: BTreeMap<String, Entry>,
    by_alias: BTreeMap<AliasRecord, String>,
    /// Orders made without an id, so far.
    numbered: u64,
    timeline: Timeline,
    outbox: Outbox,
    provider: Provider,
    oms: OmsBooks,
    cancels: Vec<crate::ledger::CancelCall>,
    reports: Vec<crate::ledger::ReportCall>,
    subscriptions: BTreeMap<String, String>,
}

impl Books {
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

impl World {
    pub(crate) fn new(laws: Laws) -> Self {
        Self {
            laws,
            began: Instant::now(),
            began_at: Timestamp::now(),
            books: Mutex::new(Books::default()),
            changed: Notify::new(),
        }
    }

    /// Time since the world began.
    pub(crate) fn now(&self) -> Tick {
        self.began.elapsed()
    }

    /// The runtime's instant that belongs to a tick.
    pub(crate) fn instant(&self, tick: Tick) -> Option<Instant> {
        self.began.checked_add(tick)
    }

    fn timestamp(&self, tick: Tick) -> Timestamp {
        SignedDuration::try_from(tick)
            .ok()
            .and_then(|since| self.began_at.checked_add(since).ok())
            .unwrap_or(self.began_at)
    }

    /// RFC 3339 with milliseconds, as on orders.
    pub(crate) fn at(&self, tick: Tick) -> String {
        format!("{:.3}", self.timestamp(tick))
    }

    /// RFC 3339 with whole seconds, as on events.
    pub(crate) fn at_seconds(&self, tick: Tick) -> String {
        format!("{:.0}", self.timestamp(tick))
    }

    /// The books, with everything that is due by now already done.
    pub(crate) fn books(&self) -> (MutexGuard<'_, Books>, Tick) {
        // A panic while the lock was held leaves at worst one change half done; going on shows it.
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        self.advance(&mut books, now);
        (books, now)
    }

    /// Counts a request and decides what happens to it.
    pub(crate) fn receive(&self, remote: Remote) -> Fault {
        let (mut books, _) = self.books();
        let counts = books.counted.entry(remote).or_default();
        let call = counts.received;
        counts.received += 1;
        let forced = books.forced.get_mut(&remote).and_then(VecDeque::pop_front);
        let fault = forced.unwrap_or_else(|| {
            let laws = &self.laws;
            fault(
                laws.seed.value(),
                laws.chaos,
                remote,
                call,
                laws.pace.slow_answer,
            )
        });
        let counts = books.counted.entry(remote).or_default();
        match fault {
            Fault::None => {}
            Fault::RequestLost => counts.requests_lost += 1,
            Fault::AnswerLost => counts.answers_lost += 1,
            Fault::Unavailable => counts.unavailable += 1,
            Fault::ErrorAfterEffect => counts.errors_after_effect += 1,
            Fault::Throttled { .. } => counts.throttled += 1,
            Fault::Slow { .. } => counts.slow += 1,
        }
        fault
    }

    /// Counts a request that was turned away for its credentials.
    pub(crate) fn turned_away(&self, remote: Remote) {
        let (mut books, _) = self.books();
        books.counted.entry(remote).or_default().unauthorized += 1;
    }

    /// The next calls of a remote go wrong in this way, before the seed decides again.
    pub(crate) fn force(&self, remote: Remote, fault: Fault, calls: usize) {
        let (mut books, _) = self.books();
        books
            .forced
            .entry(remote)
            .or_default()
            .extend(std::iter::repeat_n(fault, calls));
    }

    /// An access token, if the credentials are right; with the seconds it lives.
    pub(crate) fn issue_token(
        &self,
        client_id: &str,
        client_secret: &str,
    ) -> Option<(String, u64)> {
        let expected = &self.laws.credentials;
        if client_id != expected.client_id || client_secret != expected.client_secret {
            return None;
        }
        let (mut books, now) = self.books();
        books.tokens_issued += 1;
        let number = books.tokens_issued.to_string();
        let token = format!("sim-{}", self.laws.seed.hex(40, &["token", &number]));
        let lifetime = self.laws.pace.token_lifetime;
        books.tokens.retain(|_, expires| *expires > now);
        books
            .tokens
            .insert(token.clone(), now.saturating_add(lifetime));
        Some((token, lifetime.as_secs()))
    }

    pub(crate) fn is_token_valid(&self, token: &str) -> bool {
        let (books, now) = self.books();
        books
            .tokens
            .get(token)
            .is_some_and(|expires| *expires > now)
    }

    /// Creates an order. `None` where one with this id exists.
    pub(crate) fn create_order(
        &self,
        order_id: Option<String>,
        scenario: Option<Scenario>,
    ) -> Option<(String, Scenario)> {
        let (mut books, now) = self.books();
        let seed = self.laws.seed;
        let id = order_id.unwrap_or_else(|| {
            loop {
                books.numbered += 1;
                let id = content::order_id(seed, books.numbered);
                if !books.orders.contains_key(&id) {
                    break id;
                }
            }
        });
        if books.orders.contains_key(&id) {
            return None;
        }
        let scenario = scenario
            .or_else(|| Scenario::of_order_id(&id))
            .unwrap_or_else(|| self.laws.mix.draw(seed, &["scenario", &id]));
        self.insert_order(&mut books, &id, scenario, now);
        drop(books);
        self.changed.notify_one();
        Some((id, scenario))
    }

    fn insert_order(&self, books: &mut Books, id: &str, scenario: Scenario, now: Tick) {
        let order = content::order(self.laws.seed, id, scenario, &self.at(now));
        for alias in &order.aliases {
            books.by_alias.insert(alias.clone(), id.to_owned());
        }
        books
            .orders
            .insert(id.to_owned(), Entry::new(scenario, order));
        self.begin_by_itself(books, id, scenario, now);
    }

    /// Makes an order whose id names its scenario, if it is not there yet.
    fn summon(&self, books: &mut Books, id: &str, now: Tick) {
        if !books.orders.contains_key(id)
            && let Some(scenario) = Scenario::of_order_id(id)
        {
            self.insert_order(books, id, scenario, now);
            self.changed.notify_one();
        }
    }

    /// Puts a new version of an order into the books.
    pub(crate) fn store(&self, books: &mut Books, id: &str, now: Tick, mut order: Order) {
        order.updated_at = self.at(now);
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        let lag = if self.laws.chaos.is_some() {
            let version = entry.versions.to_string();
            self.laws
                .pace
                .visibility_lag
                .draw(self.laws.seed, &["lag", id, &version])
        } else {
            Duration::ZERO
        };
        entry.replace(order, now.saturating_add(lag));
    }

    /// A copy of the newest version of an order, to be changed and stored.
    pub(crate) fn edit(books: &Books, id: &str) -> Option<(Scenario, Order)> {
        books
            .orders
            .get(id)
            .map(|entry| (entry.scenario, Order::clone(entry.current())))
    }

    /// Every order, by id.
    pub(crate) fn orders(&self) -> Vec<crate::ledger::OrderRecord> {
        let (books, _) = self.books();
        books.orders.values().map(Entry::record).collect()
    }

    /// Everything that was seen and done.
    pub(crate) fn ledger(&self) -> Ledger {
        let (books, _) = self.books();
        Ledger {
            seed: self.laws.seed.value(),
            chaos: self.laws.chaos,
            target_id: self.laws.credentials.target_id.clone(),
            requests: books.counted.clone(),
            orders: books.orders.values().map(Entry::record).collect(),
            cancels: books.cancels.clone(),
            reports: books.reports.clone(),
            payouts: books.provider.calls().to_vec(),
            payments: books.provider.payments(),
            oms: books.oms.messages().to_vec(),
            oms_invalid: books.oms.invalid().to_vec(),
            events: books.outbox.records().to_vec(),
        }
    }

    /// Registers an event subscription. `None` where one for this type and destination exists.
    pub(crate) fn subscribe(&self, event_type: &str, destination: &str) -> Option<String> {
        let (mut books, _) = self.books();
        let key = format!("{event_type} {destination}");
        if books.subscriptions.values().any(|known| *known == key) {
            return None;
        }
        let id = self.laws.seed.uuid_shaped(&["subscription", &key]);
        books.subscriptions.insert(id.clone(), key);
        Some(id)
    }

    /// Forgets a subscription.
    pub(crate) fn unsubscribe(&self, id: &str) -> bool {
        let (mut books, _) = self.books();
        books.subscriptions.remove(id).is_some()
    }

    /// The subscriptions, with their event types.
    pub(crate) fn subscriptions(&self) -> Vec<(String, String)> {
        let (books, _) = self.books();
        books
            .subscriptions
            .iter()
            .map(|(id, key)| {
                let kind = key.split(' ').next().unwrap_or_default();
                (id.clone(), kind.to_owned())
            })
            .collect()
    }

    /// What the outbox knows of an event; for the deliverer.
    pub(crate) fn with_event(&self, index: usize, change: impl FnOnce(&mut EventRecord)) {
        let (mut books, _) = self.books();
        if let Some(record) = books.outbox.record_mut(index) {
            change(record);
        }
    }
}

/// Shared by everything that listens.
pub(crate) type SharedWorld = Arc<World>;
