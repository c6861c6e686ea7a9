//! The state of the world outside, and the rules by which it changes. No network here: everything
//! is a method on [`World`], called by whoever listens.

mod amazon;
mod content;
mod event_form;
mod events;
mod happenings;
mod mishaps;
mod oms;
mod order;
mod provider;
mod refund;
mod refunding;
mod sandbox;
mod timeline;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use amazon::{ApiError, CancelInput, Identifier};
pub(crate) use events::Delivery;
pub use happenings::Happening;
pub(crate) use oms::{OmsAnswer, OmsSignature};
pub(crate) use order::{
    Cancellation, CancellationState, Contents, LineItem, Order, Package, PackageReason,
    PackageState, Refund, RefundState, Tick,
};
pub(crate) use provider::PayoutRequest;
pub(crate) use refund::{RefundReport, ReportedPart};
pub(crate) use sandbox::PackageUpdate;

use crate::chaos::{Chaos, Fault};
use crate::ledger::{AliasRecord, EventRecord, Ledger};
use crate::options::Credentials;
use crate::pace::Pace;
use crate::scenario::{Mix, Scenario};
use crate::seeded::Seed;

use events::Outbox;
use happenings::Happenings;
use mishaps::Twist;
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
    happenings: Happenings,
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

    /// When the call arrived that is being acted upon: now, unless it was held up.
    pub(crate) fn arrival(&self) -> Tick {
        let arrived = CALL.try_with(|call| call.arrived.duration_since(self.began));
        arrived.unwrap_or_else(|_| self.now())
    }

    /// When the caller has the answer that is made now; `None` where it never gets a sound one.
    pub(crate) fn received(now: Tick) -> Option<Tick> {
        let late = CALL.try_with(|call| call.fault.answered_after());
        late.unwrap_or(Some(Duration::ZERO))
            .map(|late| now.saturating_add(late))
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
        let scenario = scenario.or_else(|| Scenario::of_order_id(&id));
        let drawn = scenario.is_none();
        let scenario = scenario.unwrap_or_else(|| self.laws.mix.draw(seed, &["scenario", &id]));
        self.insert_order(&mut books, &id, scenario, drawn, now);
        drop(books);
        self.changed.notify_one();
        Some((id, scenario))
    }

    fn insert_order(
        &self,
        books: &mut Books,
        id: &str,
        scenario: Scenario,
        drawn: bool,
        now: Tick,
    ) {
        let mut order = content::order(self.laws.seed, id, scenario, &self.at(now));
        let twist = if drawn {
            self.twist(id, scenario)
        } else {
            Twist::None
        };
        if twist == Twist::ForeignBefore {
            self.add_foreign(books, now, &mut order, scenario);
        }
        for alias in &order.aliases {
            books.by_alias.insert(alias.clone(), id.to_owned());
        }
        let mut entry = Entry::new(scenario, order);
        (entry.twist, entry.drawn) = (twist, drawn);
        books.orders.insert(id.to_owned(), entry);
        self.begin_by_itself(books, id, scenario, now);
    }

    /// Makes an order whose id names its scenario, if it is not there yet.
    fn summon(&self, books: &mut Books, id: &str, now: Tick) {
        if !books.orders.contains_key(id)
            && let Some(scenario) = Scenario::of_order_id(id)
        {
            self.insert_order(books, id, scenario, false, now);
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
            // Whoever stands before the remotes counts them.
            requests: BTreeMap::new(),
            orders: books.orders.values().map(Entry::record).collect(),
            cancels: books.cancels.clone(),
            reports: books.reports.clone(),
            payouts: books.provider.calls().to_vec(),
            payments: books.provider.payments(),
            oms: books.oms.messages().to_vec(),
            oms_late: books.oms.late().to_vec(),
            oms_invalid: books.oms.invalid().to_vec(),
            events: books.outbox.records().to_vec(),
            happenings: books.happenings.all(),
            under_way: books.timeline.len(),
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

/// A call that is being acted upon.
#[derive(Debug, Clone, Copy)]
struct Acting {
    arrived: Instant,
    fault: Fault,
}

tokio::task_local! {
    static CALL: Acting;
}

/// Acts upon a call that arrived then, and whose answer fares like this.
pub(crate) fn as_of<F: Future>(
    arrived: Instant,
    fault: Fault,
    acting: F,
) -> impl Future<Output = F::Output> + use<F> {
    CALL.scope(Acting { arrived, fault }, acting)
}

/// Shared by everything that listens.
pub(crate) type SharedWorld = Arc<World>;
