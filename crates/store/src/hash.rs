//! The hash chain that makes a history tamper-evident.
//!
//! Each entry's hash covers the entry and the hash of the one before, so a changed byte anywhere in
//! a history shows in every later hash, and in the row's `head`. A plain hash finds accidents and
//! careless edits; whoever can recompute the chain is caught only by a head that was noted outside.

use countermand_core::InstanceId;
use sha2::{Digest, Sha256};

use crate::model::{Hash, InboxRecord, NewEntry};

/// What stands before the first entry of every history: 32 zero bytes.
pub const GENESIS: Hash = [0; 32];

/// The hash of a history entry: SHA-256 over a domain name, the hash of the entry before
/// ([`GENESIS`] for the first), and the entry's fields in the order of their declaration.
///
/// The canonical bytes are unambiguous: integers are eight bytes, big-endian; texts are preceded by
/// their length in bytes; an optional text by a byte 0 (absent) or 1, except that nothing at all
/// stands for an absent last field, what is spent. They never change: a later
/// form of entries gets another domain name.
#[must_use]
pub fn entry_hash(before: &Hash, instance_id: &InstanceId, seq: u64, entry: &NewEntry) -> Hash {
    let NewEntry {
        operation_id,
        at,
        from,
        to,
        input,
        accepted,
        actor,
        epoch,
        version,
        emissions,
        trace_context,
        spend,
    } = entry;
    let canonical = Canonical::new("countermand history 1")
        .bytes(before)
        .text(instance_id.as_str())
        .number(seq)
        .text(operation_id)
        .bytes(&at.as_millis().to_be_bytes())
        .text(from)
        .text(to)
        .text(input)
        .bytes(&[u8::from(*accepted)])
        .optional(actor.as_deref())
        .number(epoch.0)
        .number(u64::from(*version))
        .optional(emissions.as_deref())
        .optional(trace_context.as_deref());
    // The last field: where it is absent, nothing stands for it.
    match spend {
        Some(_) => canonical.optional(spend.as_deref()).finish(),
        None => canonical.finish(),
    }
}

/// The hash of an event as it is kept, over what never changes of it.
#[must_use]
pub(crate) fn record_hash(record: &InboxRecord) -> Hash {
    let InboxRecord {
        source,
        transport_key,
        fact_key,
        event_type,
        received_at,
        disposition,
        instance_id,
        raw,
    } = record;
    Canonical::new("countermand inbox 1")
        .text(source)
        .optional(transport_key.as_deref())
        .optional(fact_key.as_deref())
        .text(event_type)
        .bytes(&received_at.as_millis().to_be_bytes())
        .text(disposition.name())
        .optional(instance_id.as_ref().map(InstanceId::as_str))
        .text(raw)
        .finish()
}

/// One hash over the heads of all instances, which must come sorted by id.
#[derive(Debug)]
pub(crate) struct StoreHead(Canonical);

impl StoreHead {
    pub(crate) fn new() -> Self {
        Self(Canonical::new("countermand store 1"))
    }

    pub(crate) fn add(&mut self, id: &str, head: &[u8]) {
        self.0.update_text(id);
        self.0.0.update(head);
    }

    pub(crate) fn finish(self) -> Hash {
        self.0.finish()
    }
}

#[derive(Debug)]
struct Canonical(Sha256);

impl Canonical {
    fn new(domain: &str) -> Self {
        Self(Sha256::new()).text(domain)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn update_text(&mut self, text: &str) {
        // A usize always fits 64 bits on the machines that Rust knows.
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn text(mut self, text: &str) -> Self {
        self.update_text(text);
        self
    }

    fn optional(self, text: Option<&str>) -> Self {
        match text {
            None => self.bytes(&[0]),
            Some(text) => self.bytes(&[1]).text(text),
        }
    }

    fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use countermand_core::{Epoch, Timestamp};

    use super::*;

    fn entry() -> NewEntry {
        NewEntry {
            operation_id: "op-1".into(),
            at: Timestamp::from_millis(1_740_042_802_138),
            from: "precheck".into(),
            to: "requested".into(),
            input: r#"{"type":"order_read"}"#.into(),
            accepted: true,
            actor: None,
            epoch: Epoch(7),
            version: 1,
            emissions: None,
            trace_context: None,
            spend: None,
        }
    }

    fn id() -> InstanceId {
        InstanceId::new("c-1").unwrap()
    }

    fn hex(hash: &Hash) -> String {
        hash.iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// The stored form of years to come: this value must never change.
    #[test]
    fn the_canonical_form_is_fixed() {
        let hash = entry_hash(&GENESIS, &id(), 1, &entry());
        assert_eq!(
            hex(&hash),
            "46bf8c5d98fff25e77082c5bdb98b56fac29326195c93c78123df768f55ef1e3"
        );
    }

    #[test]
    fn every_field_counts() {
        let base = entry_hash(&GENESIS, &id(), 1, &entry());
        let with = |change: fn(&mut NewEntry)| {
            let mut entry = entry();
            change(&mut entry);
            entry_hash(&GENESIS, &id(), 1, &entry)
        };
        let mut seen = vec![
            base,
            entry_hash(&[1; 32], &id(), 1, &entry()),
            entry_hash(&GENESIS, &InstanceId::new("c-2").unwrap(), 1, &entry()),
            entry_hash(&GENESIS, &id(), 2, &entry()),
            with(|e| e.operation_id.push('x')),
            with(|e| e.at = Timestamp::from_millis(0)),
            with(|e| e.from.push('x')),
            with(|e| e.to.push('x')),
            with(|e| e.input.push(' ')),
            with(|e| e.accepted = false),
            with(|e| e.actor = Some(String::new())),
            with(|e| e.epoch = Epoch(8)),
            with(|e| e.version = 2),
            with(|e| e.emissions = Some(String::new())),
            with(|e| e.trace_context = Some(String::new())),
            with(|e| e.spend = Some(String::new())),
            // Moving a byte over a field's border is a change, too.
            with(|e| {
                e.from = "precheckr".into();
                e.to = "equested".into();
            }),
        ];
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
