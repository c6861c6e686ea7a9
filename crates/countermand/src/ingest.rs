//! Taking events in: each business fact is applied at most once, everything is kept.

use countermand_buy_with_prime::{Delivery, EventError, Resource, fact_key, parse_events};
use countermand_core::cancellation::Cancellation;
use countermand_core::cancellation::input::{Event, EventType, Input, Named};
use countermand_core::cancellation::request::{Observation, Request, Terms};
use countermand_core::{InstanceId, OrderId, TargetId, Timestamp, Workflow};
use countermand_runner::{self as runner, Ingested as Taken};
use countermand_store::{Disposition, InboxRecord, Store, Subject};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::api::{Error, Ingested, IngestedFact};
use crate::embedded::{Embedded, failed};

/// Facts of one delivery that are taken in at once. Far fewer than the engine's queue holds, so
/// that no delivery is too large for it, and none keeps all others out.
const FACTS_AT_ONCE: usize = 256;
/// Most bytes of an event that are kept.
const RAW_MAX: usize = 64 * 1024;

/// One business fact of one delivery.
struct Fact {
    event_type: EventType,
    event_id: Option<String>,
    target_id: Option<TargetId>,
    order_id: Option<OrderId>,
    record: InboxRecord,
    /// Whom it concerns, unless it is only to be kept.
    routed: Option<(TargetId, OrderId, Named)>,
}

impl<S: Store> Embedded<S> {
    /// Everything is durable when it returns, or the whole is to be sent again: a fact that was
    /// taken in is recognised.
    pub(crate) async fn take_in(&self, text: Vec<u8>, source: String) -> Result<Ingested, Error> {
        let deliveries = parse_events(&text).map_err(unreadable)?;
        let facts: Vec<Fact> = deliveries
            .iter()
            .flat_map(|delivery| self.facts(delivery, &source))
            .collect();
        // Side by side, so that they share commits.
        let facts = stream::iter(facts.into_iter().map(|fact| self.take_in_one(fact)))
            .buffered(FACTS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Ingested { facts })
    }

    fn facts(&self, delivery: &Delivery, source: &str) -> Vec<Fact> {
        let resources = delivery.resources.iter();
        resources
            .map(|resource| self.fact(delivery, resource, source))
            .collect()
    }

    fn fact(&self, delivery: &Delivery, resource: &Resource, source: &str) -> Fact {
        let event_type = delivery.event_type.clone();
        let mut record = InboxRecord {
            source: source.to_owned(),
            transport_key: delivery.transport_key.clone(),
            fact_key: None,
            event_type: event_type.as_str().to_owned(),
            // Filled in by the engine, like what becomes of it.
            received_at: Timestamp::MIN,
            disposition: Disposition::Unroutable,
            instance_id: None,
            raw: kept(&delivery.raw),
        };
        let event_id = delivery.event_id.clone();
        let Resource::Routed {
            target,
            order,
            named,
        } = resource
        else {
            return Fact {
                event_type,
                event_id,
                target_id: None,
                order_id: None,
                record,
                routed: None,
            };
        };
        // Contradictory events guard nothing: a sound one about the same thing must get through.
        if delivery.disagreement.is_none() {
            record.fact_key = Some(fact_key(target, order, &event_type, named));
            record.disposition = if matches!(event_type, EventType::Other(_)) {
                Disposition::UnknownType
            } else if self.targets.contains_key(target) {
                Disposition::Applied
            } else {
                Disposition::OtherTarget
            };
        }
        let routed = (record.disposition == Disposition::Applied)
            .then(|| (target.clone(), order.clone(), named.clone()));
        Fact {
            event_type,
            event_id,
            target_id: Some(target.clone()),
            order_id: Some(order.clone()),
            record,
            routed,
        }
    }

    async fn take_in_one(&self, fact: Fact) -> Result<IngestedFact, Error> {
        let mut told = IngestedFact {
            event_type: fact.event_type.as_str().to_owned(),
            target_id: fact.target_id,
            order_id: fact.order_id,
            disposition: fact.record.disposition,
            cancellation_id: None,
        };
        let terms = |target: &TargetId| self.targets.get(target).cloned();
        let routed = fact
            .routed
            .and_then(|(target, order, named)| Some((terms(&target)?, target, order, named)));
        let Some((terms, target_id, order_id, names)) = routed else {
            self.runner.keep(fact.record).await.map_err(failed)?;
            return Ok(told);
        };
        if !self.observe && !self.is_live(&target_id, &order_id).await? {
            let record = InboxRecord {
                disposition: Disposition::Ignored,
                ..fact.record
            };
            told.disposition = Disposition::Ignored;
            self.runner.keep(record).await.map_err(failed)?;
            return Ok(told);
        }
        let event = Event {
            event_type: fact.event_type,
            event_id: fact.event_id,
            names,
        };
        let taken = self
            .runner
            .ingest(applied(fact.record, event, target_id, order_id, terms))
            .await
            .map_err(failed)?;
        (told.disposition, told.cancellation_id) = became(taken);
        Ok(told)
    }

    /// Has the order a live cancellation?
    async fn is_live(&self, target_id: &TargetId, order_id: &OrderId) -> Result<bool, Error> {
        let subject = Subject {
            kind: Cancellation::KIND.to_owned(),
            scope: target_id.to_string(),
            subject: order_id.to_string(),
            external_id: None,
        };
        let known = self.source.store.look_up(&[subject]).await?;
        Ok(known.into_iter().any(|known| known.live.is_some()))
    }
}

fn applied(
    record: InboxRecord,
    event: Event,
    target_id: TargetId,
    order_id: OrderId,
    terms: Terms,
) -> runner::Event<Cancellation> {
    runner::Event {
        record,
        input: Input::EventReceived(event.clone()),
        request: Request::Observed(Observation {
            target_id,
            order_id,
            event: Some(event),
            requested_by: None,
            terms,
        }),
    }
}

fn became<S>(taken: Taken<S>) -> (Disposition, Option<InstanceId>) {
    match taken {
        Taken::Applied(instance) | Taken::Started(instance) => {
            (Disposition::Applied, Some(instance.row.id))
        }
        Taken::Duplicate { instance } => (Disposition::Duplicate, instance),
        Taken::Ignored => (Disposition::Ignored, None),
    }
}

/// An event as it is kept. A huge one is cut: it is a hint, and its ids stand in columns.
fn kept(raw: &str) -> String {
    if raw.len() <= RAW_MAX {
        return raw.to_owned();
    }
    let end = (0..=RAW_MAX)
        .rev()
        .find(|end| raw.is_char_boundary(*end))
        .unwrap_or(0);
    raw.get(..end).unwrap_or_default().to_owned()
}

fn unreadable(error: EventError) -> Error {
    match error {
        EventError::Member { index, source } => Error::BadEvents {
            index: Some(index),
            message: source.to_string(),
        },
        error => Error::BadEvents {
            index: None,
            message: error.to_string(),
        },
    }
}
