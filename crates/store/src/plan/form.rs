//! Is a write well-formed, whatever the store holds? What no store could keep is refused here, with
//! a sentence about it, rather than by a constraint of one database.

use serde::de::IgnoredAny;

use super::refused;
use crate::model::{Body, Guard, InboxRecord, NewEntry, Save, Start, Written};

/// The most bytes that one text may have. A batch is one statement argument, and the database
/// allows a thousand million bytes for it.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Numbers are stored as signed 64-bit integers.
const NUMBER_MAX: u64 = i64::MAX as u64;

type Check = Result<(), Written>;

pub(super) fn start(start: &Start) -> Check {
    name("the kind", &start.kind)?;
    name("the scope", &start.scope)?;
    name("the subject", &start.subject)?;
    body(&start.body, false)?;
    json("the retries", &start.retries)?;
    if start.entries.is_empty() {
        return Err(refused("a start has an opening entry"));
    }
    entries(&start.entries, &start.body)?;
    start.inbox.iter().try_for_each(record)
}

pub(super) fn save(save: &Save) -> Check {
    json("the retries", &save.retries)?;
    let (Guard::Decision { revision, .. } | Guard::Fact { revision }) = save.guard;
    number("the revision", revision)?;
    if save.entries.is_empty() {
        // A schedule is a decision, and carries nothing that must be provable.
        if matches!(save.guard, Guard::Fact { .. }) {
            return Err(refused(
                "a save without entries is a schedule, hence a decision",
            ));
        }
    } else {
        body(&save.body, save.due_at.is_none())?;
        entries(&save.entries, &save.body)?;
    }
    save.inbox.iter().try_for_each(record)
}

pub(super) fn record(record: &InboxRecord) -> Check {
    name("the source", &record.source)?;
    text("the event type", &record.event_type)?;
    optional_name("the transport key", record.transport_key.as_deref())?;
    optional_name("the fact key", record.fact_key.as_deref())?;
    text("the event", &record.raw)
}

fn body(body: &Body, finished: bool) -> Check {
    name("the phase", &body.phase)?;
    if body.outcome.is_some() != finished {
        return Err(refused(
            "an instance has an outcome if and only if it is finished",
        ));
    }
    optional_name("the outcome", body.outcome.as_deref())?;
    if let Some(attention) = &body.attention {
        name("the reason for attention", &attention.why)?;
    }
    if let Some(epoch) = body.open_intent_epoch {
        number("the open intent's epoch", epoch.0)?;
    }
    optional_name("the external id", body.external_id.as_deref())?;
    text(
        "the fingerprint",
        body.fingerprint.as_deref().unwrap_or_default(),
    )?;
    json("the state", &body.state)
}

fn entries(entries: &[NewEntry], body: &Body) -> Check {
    let mut before: Option<&NewEntry> = None;
    for entry in entries {
        name("the operation id", &entry.operation_id)?;
        name("the phase", &entry.to)?;
        text("the phase before", &entry.from)?;
        json("the input", &entry.input)?;
        optional_name("the actor", entry.actor.as_deref())?;
        number("the epoch", entry.epoch.0)?;
        if let Some(emissions) = &entry.emissions {
            json("the emissions", emissions)?;
        }
        optional_name("the trace context", entry.trace_context.as_deref())?;
        if let Some(spend) = &entry.spend {
            json("what is spent", spend)?;
        }
        if !entry.accepted && entry.from != entry.to {
            return Err(refused(
                "a rejected input changes nothing, not even the phase",
            ));
        }
        if let Some(before) = before.filter(|before| before.to != entry.from) {
            return Err(refused(format!(
                "an entry goes from `{}`, but the one before went to `{}`",
                entry.from, before.to
            )));
        }
        before = Some(entry);
    }
    let mut ids: Vec<&str> = entries
        .iter()
        .map(|entry| entry.operation_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != entries.len() {
        return Err(refused("two entries have one operation id"));
    }
    match before {
        Some(last) if last.to != body.phase => Err(refused(format!(
            "the last entry goes to `{}`, but the row says `{}`",
            last.to, body.phase
        ))),
        _ => Ok(()),
    }
}

fn number(what: &str, number: u64) -> Check {
    if number > NUMBER_MAX {
        return Err(refused(format!(
            "{what} is {number}, at most {NUMBER_MAX} can be stored"
        )));
    }
    Ok(())
}

fn text(what: &str, text: &str) -> Check {
    if text.len() > TEXT_BYTES_MAX {
        let bytes = text.len();
        return Err(refused(format!(
            "{what} has {bytes} bytes, at most {TEXT_BYTES_MAX} can be stored"
        )));
    }
    // Databases end texts at a NUL, or refuse them.
    if text.contains('\0') {
        return Err(refused(format!("{what} holds a NUL character")));
    }
    Ok(())
}

fn name(what: &str, value: &str) -> Check {
    if value.is_empty() {
        return Err(refused(format!("{what} is empty")));
    }
    text(what, value)
}

fn optional_name(what: &str, value: Option<&str>) -> Check {
    value.map_or(Ok(()), |value| name(what, value))
}

fn json(what: &str, value: &str) -> Check {
    text(what, value)?;
    match serde_json::from_str::<IgnoredAny>(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(format!("{what} is not JSON: {error}"))),
    }
}
