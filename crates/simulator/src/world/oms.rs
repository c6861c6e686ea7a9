//! The order management system: takes messages, deduplicates by `webhook-id`, keeps count.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ledger::OmsMessage;
use crate::scenario::Scenario;
use crate::seeded::sha256_hex;
use crate::world::World;

/// What the signature check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OmsSignature {
    /// It is good, or none is asked for.
    Good,
    /// It is not.
    Bad(String),
}

/// What the OMS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OmsAnswer {
    /// 204.
    Taken,
    /// 400.
    Unreadable,
    /// 401.
    BadSignature,
    /// 500: it is out of order, as far as this message goes.
    Failing,
}

#[derive(Default)]
pub(crate) struct OmsBooks {
    messages: Vec<OmsMessage>,
    by_id: BTreeMap<String, usize>,
    invalid: Vec<String>,
    late: Vec<u64>,
}

impl OmsBooks {
    pub(crate) fn messages(&self) -> &[OmsMessage] {
        &self.messages
    }

    pub(crate) fn late(&self) -> &[u64] {
        &self.late
    }

    pub(crate) fn invalid(&self) -> &[String] {
        &self.invalid
    }
}

#[derive(Deserialize)]
struct Body {
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    id: String,
    order_id: String,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    refunds: Vec<RefundId>,
}

#[derive(Deserialize)]
struct RefundId {
    id: String,
}

impl World {
    /// Takes a message.
    pub(crate) fn tell_oms(
        &self,
        webhook_id: Option<&str>,
        signature: OmsSignature,
        body: &[u8],
        is_late: bool,
    ) -> OmsAnswer {
        let (mut books, now) = self.books();
        let books = &mut *books;
        if let OmsSignature::Bad(why) = signature {
            let id = webhook_id.unwrap_or("without a webhook-id");
            books.oms.invalid.push(format!("{id}: {why}"));
            return OmsAnswer::BadSignature;
        }
        let Some(webhook_id) = webhook_id.filter(|id| !id.is_empty()) else {
            books.oms.invalid.push("no webhook-id".to_owned());
            return OmsAnswer::Unreadable;
        };
        let names = serde_json::from_slice::<Body>(body).map(|body| body.data.order_id);
        let refuses = names.is_ok_and(|id| {
            let entry = books.orders.get(&id);
            entry.is_some_and(|entry| entry.suffers(Scenario::OmsRefuses))
        });
        if refuses {
            return OmsAnswer::Failing;
        }
        let body_sha256 = sha256_hex(body);
        let seq = books.next_seq();
        if is_late {
            books.oms.late.push(seq);
        }
        if let Some(known) = books
            .oms
            .by_id
            .get(webhook_id)
            .and_then(|index| books.oms.messages.get_mut(*index))
        {
            known.deliveries.push(seq);
            known.byte_identical &= known.body_sha256 == body_sha256;
            return OmsAnswer::Taken;
        }
        let parsed: Body = match serde_json::from_slice(body) {
            Ok(parsed) => parsed,
            Err(error) => {
                books.oms.invalid.push(format!("{webhook_id}: {error}"));
                return OmsAnswer::Unreadable;
            }
        };
        books
            .oms
            .by_id
            .insert(webhook_id.to_owned(), books.oms.messages.len());
        books.oms.messages.push(OmsMessage {
            webhook_id: webhook_id.to_owned(),
            kind: parsed.r#type,
            order_id: parsed.data.order_id,
            cancellation_id: parsed.data.id,
            revision: parsed.data.revision,
            refund_ids: parsed.data.refunds.into_iter().map(|r| r.id).collect(),
            deliveries: vec![seq],
            first_at: self.at(now),
            body_sha256,
            byte_identical: true,
        });
        OmsAnswer::Taken
    }
}
