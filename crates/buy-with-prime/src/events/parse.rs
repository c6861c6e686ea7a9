//! From bytes to deliveries.

use countermand_core::cancellation::input::EventType;
use serde_json::value::RawValue;

use super::json::{self, DEPTH_MAX, Level, Object};
use super::{Delivery, EventError, Resource, resource};

const RESOURCES_MAX: usize = 100;
const TYPE_MAX: usize = 128;
const KEY_MAX: usize = 512;

/// Reads events from a body, in any of these forms: an EventBridge envelope, the inner object alone
/// (as webhooks send it), an SQS message (`{"Body": "…"}`), what SQS answers to a receive
/// (`{"Messages": […]}`), the body of an SQS message as a JSON string, or an array of these.
///
/// The caller bounds the size. Unknown kinds of events, foreign targets and unroutable resources are
/// no errors: they are to be acknowledged and kept.
///
/// # Errors
/// When any part of it is not right; then none of it is taken.
pub fn parse_events(body: &[u8]) -> Result<Vec<Delivery>, EventError> {
    let text = std::str::from_utf8(body).map_err(|error| EventError::Json {
        detail: format!("not UTF-8 after {} bytes", error.valid_up_to()),
    })?;
    let value = json::parse(text)?;
    json::check(value, DEPTH_MAX)?;
    match json::level(value)? {
        Level::Array(members) if members.is_empty() => Err(form("the array holds no events")),
        Level::Array(members) => each(&members, single),
        Level::Object(object) => match object.get("Messages") {
            None => Ok(vec![event_or_message(value, &object)?]),
            Some(messages) => match json::level(messages)? {
                Level::Array(messages) => each(&messages, |message| match json::level(message)? {
                    Level::Object(object) => sqs_message(&object),
                    _ => Err(form("an SQS message must be an object")),
                }),
                _ => Err(form("`Messages` must be an array")),
            },
        },
        _ => Ok(vec![single(value)?]),
    }
}

fn form(detail: impl Into<String>) -> EventError {
    EventError::Form {
        detail: detail.into(),
    }
}

fn each(
    members: &[&RawValue],
    read: impl Fn(&RawValue) -> Result<Delivery, EventError>,
) -> Result<Vec<Delivery>, EventError> {
    let read = |(index, member): (usize, &&RawValue)| {
        read(member).map_err(|source| EventError::Member {
            index,
            source: Box::new(source),
        })
    };
    members.iter().enumerate().map(read).collect()
}

/// One event, or one message that holds one.
fn single(value: &RawValue) -> Result<Delivery, EventError> {
    match json::level(value)? {
        Level::Object(object) => event_or_message(value, &object),
        Level::Text(text) => message_body(&text),
        _ => Err(form(
            "an event must be an object, or the body of an SQS message as a string",
        )),
    }
}

fn event_or_message(value: &RawValue, object: &Object<'_>) -> Result<Delivery, EventError> {
    if object.get("Body").is_some() {
        sqs_message(object)
    } else {
        event(value, object)
    }
}

fn sqs_message(message: &Object<'_>) -> Result<Delivery, EventError> {
    let body = message
        .text("Body")
        .ok_or_else(|| form("an SQS message must have a `Body` of text"))?;
    message_body(&body)
}

fn message_body(text: &str) -> Result<Delivery, EventError> {
    let value = json::parse(text)?;
    json::check(value, DEPTH_MAX)?;
    match json::level(value)? {
        // Not another message: nesting ends here.
        Level::Object(object) => event(value, &object),
        _ => Err(form("the body of an SQS message must hold an event")),
    }
}

/// The one event, as envelope or as inner object.
fn event(value: &RawValue, outer: &Object<'_>) -> Result<Delivery, EventError> {
    let is_envelope = outer.get("detail-type").is_some();
    let detail = match outer.get("detail") {
        Some(detail) if is_envelope => match json::level(detail)? {
            Level::Object(detail) => Some(detail),
            _ => return Err(form("`detail` must be an object")),
        },
        _ => None,
    };
    let inner = if is_envelope {
        detail.as_ref()
    } else {
        Some(outer)
    };

    let detail_type = kind(outer, "detail-type")?;
    let descriptor = match inner {
        Some(inner) => kind(inner, "eventDescriptor")?,
        None => None,
    };
    let disagreement = match (&detail_type, &descriptor) {
        (Some(outer), Some(inner)) if outer != inner => Some(format!(
            "`detail-type` says {outer}, `eventDescriptor` says {inner}"
        )),
        _ => None,
    };
    let event_type = detail_type
        .or(descriptor)
        .ok_or_else(|| form("the event has neither `detail-type` nor `eventDescriptor`"))?;

    let mut paths = resource_paths(outer)?;
    if let (true, Some(inner)) = (paths.is_empty(), inner) {
        paths = resource_paths(inner)?;
    }
    if paths.is_empty() || paths.len() > RESOURCES_MAX {
        return Err(EventError::Resources {
            count: paths.len(),
            max: RESOURCES_MAX,
        });
    }
    let mut resources: Vec<Resource> = Vec::new();
    for path in paths {
        let resource = resource::read(&path, &event_type);
        if !resources.contains(&resource) {
            resources.push(resource);
        }
    }

    let envelope_id = if is_envelope { key(outer, "id")? } else { None };
    let event_id = match inner {
        Some(inner) => key(inner, "eventId")?,
        None => None,
    };
    let event_id = event_id.or_else(|| envelope_id.clone());
    let idempotency_key = match inner {
        Some(inner) => key(inner, "idempotencyKey")?,
        None => None,
    };
    Ok(Delivery {
        transport_key: idempotency_key.or(envelope_id).or_else(|| event_id.clone()),
        event_id,
        event_type,
        raw: value.get().to_owned(),
        resources,
        disagreement,
    })
}

/// The kind of event under a key.
fn kind(object: &Object<'_>, name: &str) -> Result<Option<EventType>, EventError> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    match json::level(value)? {
        Level::Text(text)
            if (1..=TYPE_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok(Some(newest(&text)))
        }
        _ => Err(form(format!(
            "`{name}` must be a name of at most {TYPE_MAX} characters"
        ))),
    }
}

/// The kind by its newest name; both subscriptions may be active during a migration (X12).
fn newest(name: &str) -> EventType {
    match name {
        "DELIVERY_CANCELLED" | "ITEM_CANCELLED" => EventType::PackageDeliveryCancelled,
        "DELIVERY_IN_TRANSIT" | "ITEM_IN_TRANSIT" => EventType::PackageDeliveryInTransit,
        "DELIVERY_COMPLETED" | "ITEM_DELIVERED" => EventType::PackageDelivered,
        name => EventType::from(name),
    }
}

/// An opaque key, if there is one.
fn key(object: &Object<'_>, name: &str) -> Result<Option<String>, EventError> {
    match object.text(name) {
        Some(text) if text.len() > KEY_MAX => Err(form(format!(
            "`{name}` has {} bytes, at most {KEY_MAX} are allowed",
            text.len()
        ))),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// The resource paths of an object; none when it has no `resources`.
fn resource_paths(object: &Object<'_>) -> Result<Vec<String>, EventError> {
    let Some(value) = object.get("resources") else {
        return Ok(Vec::new());
    };
    let Level::Array(members) = json::level(value)? else {
        return Err(form("`resources` must be an array"));
    };
    let path = |member: &RawValue| match json::level(member)? {
        Level::Text(text) => Ok(text.into_owned()),
        _ => Err(form("`resources` must hold paths as text")),
    };
    members.into_iter().map(path).collect()
}
