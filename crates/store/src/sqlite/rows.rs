//! From database rows to values. A row that cannot be understood is reported with what it is, never
//! guessed at.

use countermand_core::{AttentionFlag, Epoch, InstanceId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use crate::error::Error;
use crate::model::{Body, Disposition, Entry, Hash, InboxRecord, NewEntry, Row, Spent};

/// Why a row cannot be understood.
pub(super) type Detail = String;

pub(super) fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    index: usize,
) -> Result<T, Detail> {
    row.try_get(index).map_err(|error| error.to_string())
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn unsigned(number: i64) -> Result<u64, Detail> {
    u64::try_from(number).map_err(|_| format!("{number} is negative"))
}

fn hash(bytes: &[u8]) -> Result<Hash, Detail> {
    Hash::try_from(bytes).map_err(|_| format!("a hash has 32 bytes, not {}", bytes.len()))
}

fn id(text: String) -> Result<InstanceId, Detail> {
    InstanceId::new(text).map_err(|error| error.to_string())
}

fn version(number: i64) -> Result<u32, Detail> {
    u32::try_from(number).map_err(|_| format!("{number} is no version"))
}

/// An instance, from the columns of `instance_columns!`.
pub(super) fn instance(row: &SqliteRow) -> Result<Row, Error> {
    read_instance(row).map_err(|detail| {
        let what = column::<String>(row, 1).map_or_else(
            |_| {
                format!(
                    "the instance in row {}",
                    column::<i64>(row, 0).unwrap_or(-1)
                )
            },
            |id| format!("the instance {}", id.escape_debug()),
        );
        corrupt(what, detail)
    })
}

fn read_instance(row: &SqliteRow) -> Result<Row, Detail> {
    let attention = match (
        column::<Option<i64>>(row, 8)?,
        column::<Option<String>>(row, 9)?,
    ) {
        (Some(since), Some(why)) => Some(AttentionFlag {
            since: time(since),
            why,
        }),
        (None, None) => None,
        _ => return Err("attention has either no time or no reason".into()),
    };
    let finished_at = column::<Option<i64>>(row, 20)?.map(time);
    let due_at = column::<Option<i64>>(row, 21)?.map(time);
    if finished_at.is_some() == due_at.is_some() {
        return Err("it is both finished and due, or neither".into());
    }
    Ok(Row {
        id: id(column(row, 1)?)?,
        kind: column(row, 2)?,
        scope: column(row, 3)?,
        subject: column(row, 4)?,
        body: Body {
            phase: column(row, 5)?,
            outcome: column(row, 6)?,
            in_doubt: column::<i64>(row, 7)? != 0,
            attention,
            open_intent_epoch: column::<Option<i64>>(row, 10)?
                .map(unsigned)
                .transpose()?
                .map(Epoch),
            external_id: column(row, 11)?,
            fingerprint: column(row, 12)?,
            version: version(column(row, 13)?)?,
            state: column(row, 14)?,
        },
        revision: unsigned(column(row, 15)?)?,
        epoch: Epoch(unsigned(column(row, 16)?)?),
        head: hash(column(row, 17)?)?,
        created_at: time(column(row, 18)?),
        updated_at: time(column(row, 19)?),
        finished_at,
        due_at,
        retries: column(row, 22)?,
    })
}

pub(super) fn entry(row: &SqliteRow) -> Result<Entry, Error> {
    read_entry(row).map_err(|detail| {
        let instance = column::<String>(row, 0).unwrap_or_default();
        let seq = column::<i64>(row, 1).unwrap_or(-1);
        corrupt(
            format!("history entry {seq} of {}", instance.escape_debug()),
            detail,
        )
    })
}

fn read_entry(row: &SqliteRow) -> Result<Entry, Detail> {
    Ok(Entry {
        instance_id: id(column(row, 0)?)?,
        seq: unsigned(column(row, 1)?)?,
        entry: NewEntry {
            operation_id: column(row, 2)?,
            at: time(column(row, 3)?),
            from: column(row, 4)?,
            to: column(row, 5)?,
            input: column(row, 6)?,
            accepted: column::<i64>(row, 7)? != 0,
            actor: column(row, 8)?,
            epoch: Epoch(unsigned(column(row, 9)?)?),
            version: version(column(row, 10)?)?,
            emissions: column(row, 11)?,
            trace_context: column(row, 12)?,
            spend: column(row, 14)?,
        },
        hash: hash(column(row, 13)?)?,
    })
}

/// What was spent.
pub(super) fn spent(row: &SqliteRow) -> Result<Spent, Error> {
    let read = || -> Result<Spent, Detail> {
        Ok(Spent {
            instance_id: id(column(row, 0)?)?,
            at: time(column(row, 1)?),
            spend: column(row, 2)?,
        })
    };
    read().map_err(|detail| corrupt("what was spent", detail))
}

/// An event, with its number and its hash.
pub(super) fn record(row: &SqliteRow) -> Result<(InboxRecord, i64, Vec<u8>), Error> {
    read_record(row).map_err(|detail| {
        let number = column::<i64>(row, 8).unwrap_or(-1);
        corrupt(format!("event {number} of the inbox"), detail)
    })
}

fn read_record(row: &SqliteRow) -> Result<(InboxRecord, i64, Vec<u8>), Detail> {
    let disposition: String = column(row, 5)?;
    let record = InboxRecord {
        source: column(row, 0)?,
        transport_key: column(row, 1)?,
        fact_key: column(row, 2)?,
        event_type: column(row, 3)?,
        received_at: time(column(row, 4)?),
        disposition: Disposition::from_name(&disposition)
            .ok_or_else(|| format!("`{}` is no disposition", disposition.escape_debug()))?,
        instance_id: column::<Option<String>>(row, 6)?.map(id).transpose()?,
        raw: column(row, 7)?,
    };
    Ok((record, column(row, 8)?, column(row, 9)?))
}

pub(super) fn corrupt(what: impl Into<String>, detail: Detail) -> Error {
    Error::Corrupt {
        what: what.into(),
        detail,
    }
}
