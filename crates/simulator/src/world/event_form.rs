//! The forms in which events come: webhook bodies, envelopes, SQS messages; thin and enriched; under
//! new names and old ones.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::world::events::EventKind;
use crate::world::happenings::Happening;
use crate::world::order::Tick;
use crate::world::{Books, World};

/// In which form a copy of an event comes.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is drawn by itself, and all of them go together"
)]
pub(crate) struct Form {
    /// To a second subscription: another `idempotencyKey`.
    pub(crate) second_subscription: bool,
    /// As an event of its own: another `eventId`.
    pub(crate) nth_id: usize,
    /// Under the name of an earlier generation.
    pub(crate) old_name: bool,
    pub(crate) enriched: bool,
    pub(crate) envelope: bool,
    pub(crate) sqs: bool,
}

impl World {
    /// The form of a copy. Later copies are, in turn, the same again, for a second subscription, or
    /// an event of its own for the same fact.
    pub(crate) fn form(&self, nth: usize, name: &str, order: &str, subject: &str) -> Form {
        let (seed, chaos) = (self.laws.seed, self.laws.chaos);
        let place = nth.to_string();
        let draw = |rate, what| seed.per_mille(rate, &[what, name, order, subject, &place]);
        let rate = u64::from(chaos.is_some());
        let kind = if nth == 0 {
            0
        } else {
            seed.below(3, &["copy", name, order, subject, &place])
        };
        let old_name = draw(chaos.old_name_rate(), "old name");
        let sqs = draw(150 * rate, "sqs");
        Form {
            second_subscription: kind == 1,
            nth_id: if kind == 2 { nth } else { 0 },
            old_name,
            enriched: draw(300 * rate, "enriched"),
            envelope: old_name || sqs || draw(250, "enveloped"),
            sqs,
        }
    }

    pub(crate) fn body(
        &self,
        now: Tick,
        kind: EventKind,
        order: &str,
        subject: &str,
        form: Form,
    ) -> String {
        let event_type = if form.old_name {
            kind.old_name()
        } else {
            kind.name()
        };
        let path = self.path(kind, order, subject);
        let data = if form.enriched {
            self.data(now, kind, order, subject)
        } else {
            json!({})
        };
        let inner = self.inner(now, event_type, &path, form, &data);
        if !form.envelope {
            return inner.to_string();
        }
        let envelope = self.envelope(now, event_type, &json!([path]), inner, form.old_name);
        if !form.sqs {
            return envelope.to_string();
        }
        let id = self
            .laws
            .seed
            .uuid_shaped(&["message", &envelope.to_string()]);
        json!({
            "MessageId": id,
            "ReceiptHandle": "simulated",
            "Body": envelope.to_string(),
            "Attributes": { "ApproximateReceiveCount": "1" },
        })
        .to_string()
    }

    pub(crate) fn path(&self, kind: EventKind, order: &str, subject: &str) -> String {
        let target = &self.laws.credentials.target_id;
        format!(
            "businessProduct/{target}/order/{order}/{}/{subject}",
            kind.path()
        )
    }

    pub(crate) fn event_id(&self, event_type: &str, path: &str, nth: usize) -> String {
        let nth = nth.to_string();
        self.laws
            .seed
            .uuid_shaped(&["event id", event_type, path, &nth])
    }

    /// What webhooks send.
    pub(crate) fn inner(
        &self,
        now: Tick,
        event_type: &str,
        path: &str,
        form: Form,
        data: &Value,
    ) -> Value {
        let seed = self.laws.seed;
        let which = if form.second_subscription {
            "second"
        } else {
            "first"
        };
        let subscription = seed.uuid_shaped(&["standing subscription", event_type, which]);
        let event_id = self.event_id(event_type, path, form.nth_id);
        json!({
            "idempotencyKey": base64(format!("{subscription}#{event_id}").as_bytes()),
            "eventDescriptor": event_type,
            "resources": [path],
            "eventId": event_id,
            "apiVersion": "2024-11-01",
            "subscriptionId": subscription,
            "eventTime": self.at_seconds(now),
            "data": data,
        })
    }

    /// What enriched events carry (reference 4.4); a hint, and no more.
    fn data(&self, now: Tick, kind: EventKind, order: &str, subject: &str) -> Value {
        let at = self.at(now);
        let state = match kind {
            EventKind::PackageCancelled => "CANCELLED",
            EventKind::PackageInTransit => "IN_TRANSIT",
            EventKind::PackageDelivered => "DELIVERED",
            EventKind::RefundRequested => "PENDING",
            EventKind::RefundCompleted => "SUCCESS",
        };
        let details = json!({ "id": subject, "state": state, "createdAt": at, "updatedAt": at });
        let mut shown = json!({ "id": order, "aliases": [] });
        match kind {
            // An array where the others have an object, and the other way round.
            EventKind::RefundCompleted => shown["refunds"] = json!([{ "details": details }]),
            EventKind::RefundRequested => shown["refunds"] = json!({ "details": [details] }),
            _ => shown["packageInformation"] = json!({ "details": [details] }),
        }
        json!({ "order": shown })
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
}

/// Counts what is out of the ordinary about a copy.
pub(crate) fn note(books: &mut Books, form: &Form, kind: EventKind) {
    let happened = &mut books.happenings;
    let is_old = form.old_name && kind.old_name() != kind.name();
    happened.count_if(is_old, Happening::EventOldName);
    happened.count_if(form.enriched, Happening::EventEnriched);
    happened.count_if(form.second_subscription, Happening::EventSecondSubscription);
    happened.count_if(form.nth_id > 0, Happening::EventNewId);
    happened.count_if(form.envelope, Happening::EventEnvelope);
    happened.count_if(form.sqs, Happening::EventSqs);
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
