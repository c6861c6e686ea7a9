//! Events: what is published, in which form, and what is still to be delivered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::EventRecord;
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
    const fn name(self) -> &'static str {
        match self {
            Self::PackageCancelled => "PACKAGE_DELIVERY_CANCELLED",
            Self::PackageInTransit => "PACKAGE_DELIVERY_IN_TRANSIT",
            Self::PackageDelivered => "PACKAGE_DELIVERED",
            Self::RefundRequested => "REFUND_REQUESTED",
            Self::RefundCompleted => "REFUND_COMPLETED",
        }
    }

    /// The name of an earlier generation (reference 4.3), where there was one.
    const fn old_name(self) -> &'static str {
        match self {
            Self::PackageCancelled => "DELIVERY_CANCELLED",
            Self::PackageInTransit => "DELIVERY_IN_TRANSIT",
            Self::PackageDelivered => "DELIVERY_COMPLETED",
            other => other.name(),
        }
    }

    const fn path(self) -> &'static str {
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

/// A copy under its own subscription or id, as the seed says.
#[derive(Clone, Copy)]
enum Copy {
    /// The same event, delivered again.
    Redelivery,
    /// The same event, to a second subscription.
    SecondSubscription,
    /// A new event for the same fact.
    NewEvent,
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
        let nth = books.outbox.records.len();
        let label = [kind.name(), order, subject];
        let [name, ..] = label;
        let draw = |rate, what| seed.per_mille(rate, &[what, name, order, subject]);
        let event_id = seed.uuid_shaped(&["event", name, order, subject]);
        let is_old = draw(chaos.old_name_rate(), "old-name");
        let event_type = if is_old { kind.old_name() } else { name };

        let delay = pace.event.draw(seed, &["event", name, order, subject]);
        let mut due = now.saturating_add(delay);
        if draw(chaos.reorder_rate(), "overtaken") {
            due = due
                .saturating_add(pace.refund.max)
                .saturating_add(pace.event.max);
        }
        let mut copies = vec![(due, Copy::Redelivery)];
        if draw(chaos.duplicate_rate(), "again") {
            let copy = match seed.below(3, &["copy", name, order, subject]) {
                0 => Copy::Redelivery,
                1 => Copy::SecondSubscription,
                _ => Copy::NewEvent,
            };
            let later = pace.event.draw(seed, &["again", name, order, subject]);
            copies.push((due.saturating_add(later), copy));
        }

        let seq = books.next_seq();
        books.outbox.records.push(EventRecord {
            seq,
            event_id: event_id.clone(),
            event_type: event_type.to_owned(),
            order_id: order.to_owned(),
            subject_id: subject.to_owned(),
            copies: u32::try_from(copies.len()).unwrap_or(u32::MAX),
            attempts: 0,
            acknowledged: 0,
            first_acknowledged_at: None,
            last_error: None,
        });
        for (due, copy) in copies {
            let second = matches!(copy, Copy::SecondSubscription);
            let subscription = seed.uuid_shaped(&[
                "standing subscription",
                event_type,
                if second { "second" } else { "first" },
            ]);
            let event_id = match copy {
                Copy::NewEvent => seed.uuid_shaped(&["event again", name, order, subject]),
                _ => event_id.clone(),
            };
            let resources = json!([format!(
                "businessProduct/{}/order/{order}/{}/{subject}",
                self.laws.credentials.target_id,
                kind.path(),
            )]);
            let inner = json!({
                "idempotencyKey": base64(format!("{subscription}#{event_id}").as_bytes()),
                "eventDescriptor": event_type,
                "resources": resources,
                "eventId": event_id,
                "apiVersion": "2024-11-01",
                "subscriptionId": subscription,
                "eventTime": self.at_seconds(now),
                "data": {},
            });
            let enveloped = is_old || draw(250, "enveloped");
            let body = if enveloped {
                self.envelope(now, event_type, &resources, inner, is_old)
            } else {
                inner
            };
            books.outbox.queue(
                due,
                Delivery {
                    event: nth,
                    body: body.to_string(),
                    failed: 0,
                },
            );
        }
        self.changed.notify_one();
    }

    /// The EventBridge form. The oldest generation has an empty `detail`.
    fn envelope(
        &self,
        now: Tick,
        event_type: &str,
        resources: &Value,
        inner: Value,
        is_oldest: bool,
    ) -> Value {
        let id = inner.get("idempotencyKey").cloned().unwrap_or_default();
        let id = self.laws.seed.uuid_shaped(&["envelope", &id.to_string()]);
        json!({
            "version": "0",
            "id": id,
            "detail-type": event_type,
            "source": "aws.partner/buywithprime/simulated",
            "account": "111122223333",
            "time": self.at_seconds(now),
            "region": "us-east-1",
            "resources": resources,
            "detail": if is_oldest { json!({}) } else { inner },
        })
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

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0_u32;
        for place in 0..3 {
            group = (group << 8) | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = (group >> (18 - 6 * place)) & 63;
                let letter = DIGITS.get(digit as usize).copied().unwrap_or(b'=');
                // Writing to a string cannot fail.
                let _ = write!(text, "{}", char::from(letter));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_vectors() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
