//! Events: what is published, in which form, and what is still to be delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::chaos::Chaos;
use crate::ledger::EventRecord;
use crate::world::event_form::{Form, note};
use crate::world::happenings::Happening;
use crate::world::mishaps::Twist;
use crate::world::order::Tick;
use crate::world::{Books, World};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    PackageCancelled,
    PackageInTransit,
    PackageDelivered,
    RefundRequested,
    RefundCompleted,
}

impl EventKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PackageCancelled => "PACKAGE_DELIVERY_CANCELLED",
            Self::PackageInTransit => "PACKAGE_DELIVERY_IN_TRANSIT",
            Self::PackageDelivered => "PACKAGE_DELIVERED",
            Self::RefundRequested => "REFUND_REQUESTED",
            Self::RefundCompleted => "REFUND_COMPLETED",
        }
    }

    /// The name of an earlier generation (reference 4.3), where there was one.
    pub(crate) const fn old_name(self) -> &'static str {
        match self {
            Self::PackageCancelled => "DELIVERY_CANCELLED",
            Self::PackageInTransit => "DELIVERY_IN_TRANSIT",
            Self::PackageDelivered => "DELIVERY_COMPLETED",
            other => other.name(),
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::PackageCancelled | Self::PackageInTransit | Self::PackageDelivered => "delivery",
            Self::RefundRequested | Self::RefundCompleted => "refund",
        }
    }
}

/// One copy of an event, to be delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// Which event of the ledger it is a copy of.
    pub(crate) event: usize,
    pub(crate) body: String,
    /// Tries that failed so far.
    pub(crate) failed: u32,
}

#[derive(Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<(Tick, u64), Delivery>,
    queued: u64,
    records: Vec<EventRecord>,
}

impl Outbox {
    pub(crate) fn records(&self) -> &[EventRecord] {
        &self.records
    }

    pub(crate) fn record_mut(&mut self, index: usize) -> Option<&mut EventRecord> {
        self.records.get_mut(index)
    }

    pub(crate) fn next_due(&self) -> Option<Tick> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    fn queue(&mut self, due: Tick, delivery: Delivery) {
        self.queued += 1;
        self.waiting.insert((due, self.queued), delivery);
    }
}

/// Late events come later than the latest refunds, by this factor: long after everything is over.
const MUCH_LATER: u32 = 12;

impl Chaos {
    /// Per mille of events that are never delivered, where their facts are found without them.
    const fn lost_rate(self) -> u64 {
        match self {
            Self::None | Self::Light => 0,
            Self::Heavy => 120,
        }
    }

    /// Per mille of events that are delivered many times.
    const fn many_rate(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Light => 30,
            Self::Heavy => 80,
        }
    }

    /// Per mille of events that come when everything is over.
    const fn much_later_rate(self) -> u64 {
        match self {
            Self::None | Self::Light => 0,
            Self::Heavy => 60,
        }
    }

    /// Per mille of events beside which a stray one comes.
    const fn stray_rate(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Light => 30,
            Self::Heavy => 60,
        }
    }
}

impl World {
    /// Publishes an event, with the copies and detours that the seed gives it.
    pub(crate) fn publish(
        &self,
        books: &mut Books,
        now: Tick,
        kind: EventKind,
        order: &str,
        subject: &str,
    ) {
        let (seed, chaos, pace) = (self.laws.seed, self.laws.chaos, &self.laws.pace);
        let name = kind.name();
        let draw = |rate, what| seed.per_mille(rate, &[what, name, order, subject]);
        let is_lost = draw(chaos.lost_rate(), "lost") && may_be_lost(books, order, kind);
        let delay = pace.event.draw(seed, &["event", name, order, subject]);
        let mut due = now.saturating_add(delay);
        let much_later = draw(chaos.much_later_rate(), "much later");
        let overtaken = !much_later && draw(chaos.reorder_rate(), "overtaken");
        if much_later {
            due = due.saturating_add(pace.refund.max.saturating_mul(MUCH_LATER));
        } else if overtaken {
            due = due
                .saturating_add(pace.refund.max)
                .saturating_add(pace.event.max);
        }
        let mut copies = 1;
        if draw(chaos.duplicate_rate(), "again") {
            copies += 1;
        }
        if draw(chaos.many_rate(), "many times") {
            copies += 3;
        }
        if is_lost {
            copies = 0;
        }
        let happened = &mut books.happenings;
        happened.count_if(is_lost, Happening::EventLost);
        if !is_lost {
            let settled_from = books
                .orders
                .get(order)
                .map_or(Tick::ZERO, super::order::Entry::settled_from);
            happened.count_if(copies > 1, Happening::EventAgain);
            happened.count_if(copies > 2, Happening::EventManyTimes);
            happened.count_if(overtaken, Happening::EventOvertaken);
            happened.count_if(much_later, Happening::EventMuchLater);
            happened.count_if(due < settled_from, Happening::EventBeforeState);
        }
        let forms: Vec<Form> = (0..copies)
            .map(|nth| self.form(nth, name, order, subject))
            .collect();
        let first = forms.first();
        let event_type = match first {
            Some(form) if form.old_name => kind.old_name(),
            _ => name,
        };
        let path = self.path(kind, order, subject);
        let event_id = self.event_id(event_type, &path, 0);
        let index = Self::record(books, event_id, event_type, order, subject, copies);
        for (nth, form) in forms.into_iter().enumerate() {
            note(books, &form, kind);
            let body = self.body(now, kind, order, subject, form);
            let later = if nth == 0 {
                Duration::ZERO
            } else {
                let copy = nth.to_string();
                pace.event
                    .draw(seed, &["again", name, order, subject, &copy])
            };
            let delivery = Delivery {
                event: index,
                body,
                failed: 0,
            };
            books.outbox.queue(due.saturating_add(later), delivery);
        }
        if kind != EventKind::PackageInTransit && draw(chaos.stray_rate(), "stray") {
            self.publish_stray(books, now, kind, order, subject);
        }
        self.changed.notify_one();
    }

    /// Something beside an event that must not do any harm.
    fn publish_stray(
        &self,
        books: &mut Books,
        now: Tick,
        kind: EventKind,
        order: &str,
        subject: &str,
    ) {
        let seed = self.laws.seed;
        let name = kind.name();
        let due = now.saturating_add(self.laws.pace.event.draw(seed, &["stray", order, subject]));
        let choices = if kind == EventKind::PackageCancelled {
            3
        } else {
            2
        };
        let target = &self.laws.credentials.target_id;
        match seed.below(choices, &["which stray", name, order, subject]) {
            0 => {
                const UNKNOWN: [&str; 3] =
                    ["INVENTORY_CHANGED", "RETURN_ITEM_GRADED", "INVENTED_NEWS"];
                let which = usize::try_from(seed.below(3, &["unknown", order, subject]));
                let unknown = which.ok().and_then(|which| UNKNOWN.get(which));
                let unknown = unknown.copied().unwrap_or("INVENTED_NEWS");
                books.happenings.count(Happening::EventUnknownType);
                let path = format!("businessProduct/{target}/order/{order}/thing/{subject}");
                self.queue_stray(books, due, unknown, order, subject, &path);
            }
            1 => {
                // The same ids, at another merchant's: it must not be taken for ours.
                let other = seed.uuid_shaped(&["another target"]);
                books.happenings.count(Happening::EventWrongTarget);
                let path = format!(
                    "businessProduct/bp-{other}/order/{order}/{}/{subject}",
                    kind.path()
                );
                let named = format!("bp-{other}/{order}");
                self.queue_stray(books, due, name, &named, subject, &path);
            }
            _ => {
                books.happenings.count(Happening::EventContradictory);
                self.publish(books, now, EventKind::PackageInTransit, order, subject);
            }
        }
    }

    fn queue_stray(
        &self,
        books: &mut Books,
        due: Tick,
        event_type: &str,
        order: &str,
        subject: &str,
        path: &str,
    ) {
        let event_id = self.event_id(event_type, path, 0);
        let body = self.inner(due, event_type, path, Form::default(), &json!({}));
        let event = Self::record(books, event_id, event_type, order, subject, 1);
        let delivery = Delivery {
            event,
            body: body.to_string(),
            failed: 0,
        };
        books.outbox.queue(due, delivery);
    }

    /// Notes an event; answers with its place.
    fn record(
        books: &mut Books,
        event_id: String,
        event_type: &str,
        order: &str,
        subject: &str,
        copies: usize,
    ) -> usize {
        let nth = books.outbox.records.len();
        let seq = books.next_seq();
        books.outbox.records.push(EventRecord {
            seq,
            event_id,
            event_type: event_type.to_owned(),
            order_id: order.to_owned(),
            subject_id: subject.to_owned(),
            copies: u32::try_from(copies).unwrap_or(u32::MAX),
            attempts: 0,
            acknowledged: 0,
            first_acknowledged_at: None,
            last_error: None,
        });
        nth
    }

    /// Takes the deliveries that are due, at most so many.
    pub(crate) fn take_deliveries(&self, most: usize) -> Vec<Delivery> {
        let (mut books, now) = self.books();
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(first) = books.outbox.waiting.first_entry() else {
                break;
            };
            if first.key().0 > now {
                break;
            }
            taken.push(first.remove());
        }
        taken
    }

    /// Notes that a copy arrived.
    pub(crate) fn delivered(&self, delivery: &Delivery) {
        let at = self.at(self.now());
        self.with_event(delivery.event, |record| {
            record.attempts += 1;
            record.acknowledged += 1;
            record.first_acknowledged_at.get_or_insert(at);
        });
    }

    /// Notes that a copy did not arrive, and tries again later, without end: the sink may be down
    /// for as long as it likes.
    pub(crate) fn not_delivered(&self, mut delivery: Delivery, why: String) {
        self.with_event(delivery.event, |record| {
            record.attempts += 1;
            record.last_error = Some(why);
        });
        let retry = self.laws.pace.event_retry;
        let wait = retry
            .min
            .saturating_mul(1 << delivery.failed.min(20))
            .min(retry.max.max(retry.min))
            .max(Duration::from_millis(1));
        delivery.failed = delivery.failed.saturating_add(1);
        let (mut books, now) = self.books();
        books.outbox.queue(now.saturating_add(wait), delivery);
        drop(books);
        self.changed.notify_one();
    }
}

/// May an event be lost without the fact being lost? A caller that was asked to cancel follows the
/// order itself; of what happens without it, or after it was done, it hears by events alone.
fn may_be_lost(books: &Books, order: &str, kind: EventKind) -> bool {
    if matches!(
        kind,
        EventKind::PackageInTransit | EventKind::PackageDelivered
    ) {
        return true;
    }
    books.orders.get(order).is_some_and(|entry| {
        entry.scenario.is_requested()
            && entry.scenario.provokes().is_none()
            && entry.twist != Twist::ForeignAfter
    })
}
