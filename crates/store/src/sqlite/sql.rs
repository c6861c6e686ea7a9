//! Every statement, as a constant. Parameters are numbered, since numbers mean the same in each
//! statement of one execution. A test runs each one on a fresh database.

/// The columns of an instance in the order that [`super::rows::instance`] reads them.
macro_rules! instance_columns {
    () => {
        "i.number, i.id, i.kind, i.scope, i.subject, i.phase, i.outcome, i.in_doubt, \
         i.attention_since_ms, i.attention_why, i.open_intent_epoch, i.external_id, \
         i.fingerprint, i.version, i.state, i.revision, i.epoch, i.head, i.created_at_ms, \
         i.updated_at_ms, i.finished_at_ms, i.due_at_ms, i.retries"
    };
}

/// Everything that a batch asks about the store, as one row: one hop to the database's thread.
///
/// `CROSS JOIN` fixes the order: the questions first, then one index look-up for each.
pub(super) const KNOW: &str = "
SELECT
    m.incarnation, m.newest_ms, m.commits,
    -- $1: ids
    (SELECT json_group_array(json_array(i.id, i.kind, i.scope, i.subject, i.phase, i.external_id,
            i.revision, i.epoch, hex(i.head), i.updated_at_ms, i.finished_at_ms))
        FROM json_each($1) AS q CROSS JOIN instance AS i ON i.id = q.value),
    -- $2: [kind, scope, subject]
    (SELECT json_group_array(json_array(q.key,
            (SELECT id FROM instance
                WHERE kind = q.value ->> 0 AND scope = q.value ->> 1 AND subject = q.value ->> 2
                AND finished_at_ms IS NULL),
            (SELECT count(*) FROM instance
                WHERE subject = q.value ->> 2 AND kind = q.value ->> 0 AND scope = q.value ->> 1
                AND finished_at_ms IS NOT NULL)))
        FROM json_each($2) AS q),
    -- $3: [kind, scope, external id]
    (SELECT json_group_array(json_array(i.kind, i.scope, i.external_id, i.id))
        FROM json_each($3) AS q CROSS JOIN instance AS i
        ON i.kind = q.value ->> 0 AND i.scope = q.value ->> 1 AND i.external_id = q.value ->> 2),
    -- $4: [id, external id], to be sought in the instance's own kind and scope
    (SELECT json_group_array(json_array(i.kind, i.scope, i.external_id, i.id))
        FROM json_each($4) AS q CROSS JOIN instance AS s ON s.id = q.value ->> 0
        CROSS JOIN instance AS i
        ON i.kind = s.kind AND i.scope = s.scope AND i.external_id = q.value ->> 1),
    -- $5: fact keys
    (SELECT json_group_array(json_array(n.fact_key, n.number, n.instance_id))
        FROM json_each($5) AS q CROSS JOIN inbox AS n
        ON n.fact_key = q.value AND n.disposition = 'applied'),
    -- $6: operation ids
    (SELECT json_group_array(json_array(h.operation_id, h.instance_id, h.seq, hex(h.hash)))
        FROM json_each($6) AS q CROSS JOIN history AS h ON h.operation_id = q.value),
    -- $7: [source, transport key, fact key]
    (SELECT json_group_array(json_array(q.key,
            (SELECT min(number) FROM inbox
                WHERE source = q.value ->> 0 AND transport_key IS q.value ->> 1
                AND fact_key IS q.value ->> 2
                AND (transport_key IS NOT NULL OR fact_key IS NOT NULL))))
        FROM json_each($7) AS q)
FROM meta AS m";

/// A batch, begin and commit included, as one execution. Any failure ends it before the commit, and
/// closing the connection rolls it back.
///
/// What was planned holds only while nobody else writes: the number of the commit proves that. The
/// rows are guarded by their revisions all the same, and a statement that missed a row stops the
/// transaction (an SQL expression cannot raise an error, so it parses what is no JSON).
/// Saves come before starts, since a save may end the life that stands against a start. Each list is
/// taken apart once and kept in the database's own form of JSON, which need not be parsed again for
/// every column.
pub(super) const WRITE: &str = "
BEGIN IMMEDIATE;
UPDATE meta SET commits = commits + 1, newest_ms = max(coalesce(newest_ms, $1), coalesce($1, newest_ms))
WHERE commits = $2 AND incarnation = $3;
SELECT CASE changes() WHEN 1 THEN NULL ELSE json('guard') END;
WITH w (v) AS MATERIALIZED (SELECT value FROM jsonb_each($4))
UPDATE instance SET
    phase = v ->> 'phase', outcome = v ->> 'outcome', in_doubt = v ->> 'in_doubt',
    attention_since_ms = v ->> 'attention_since_ms', attention_why = v ->> 'attention_why',
    open_intent_epoch = v ->> 'open_intent_epoch', external_id = v ->> 'external_id',
    fingerprint = v ->> 'fingerprint', version = v ->> 'version', state = v ->> 'state',
    revision = v ->> 'revision', epoch = v ->> 'epoch', head = unhex(v ->> 'head'),
    updated_at_ms = v ->> 'updated_at_ms', finished_at_ms = v ->> 'finished_at_ms',
    due_at_ms = v ->> 'due_at_ms', retries = v ->> 'retries'
FROM w
WHERE instance.id = v ->> 'id' AND instance.revision = v ->> 'old_revision'
    AND instance.epoch <= v ->> 'epoch';
SELECT CASE changes() WHEN $5 THEN NULL ELSE json('guard') END;
WITH w (v) AS MATERIALIZED (SELECT value FROM jsonb_each($6))
UPDATE instance SET
    due_at_ms = v ->> 'due_at_ms', retries = v ->> 'retries', updated_at_ms = v ->> 'updated_at_ms'
FROM w
WHERE instance.id = v ->> 'id' AND instance.revision = v ->> 'revision';
SELECT CASE changes() WHEN $7 THEN NULL ELSE json('guard') END;
WITH w (v) AS MATERIALIZED (SELECT value FROM jsonb_each($8))
INSERT INTO instance (
    id, kind, scope, subject, external_id, phase, outcome, in_doubt, attention_since_ms,
    attention_why, revision, epoch, open_intent_epoch, due_at_ms, created_at_ms, updated_at_ms,
    head, version, trace_context, fingerprint, retries, state)
SELECT
    v ->> 'id', v ->> 'kind', v ->> 'scope', v ->> 'subject', v ->> 'external_id', v ->> 'phase',
    v ->> 'outcome', v ->> 'in_doubt', v ->> 'attention_since_ms', v ->> 'attention_why',
    v ->> 'revision', v ->> 'epoch', v ->> 'open_intent_epoch', v ->> 'due_at_ms',
    v ->> 'created_at_ms', v ->> 'updated_at_ms', unhex(v ->> 'head'), v ->> 'version',
    v ->> 'trace_context', v ->> 'fingerprint', v ->> 'retries', v ->> 'state'
FROM w;
WITH w (v) AS MATERIALIZED (SELECT value FROM jsonb_each($9))
INSERT INTO history (
    instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, actor, epoch,
    version, emissions, trace_context, spend, hash)
SELECT
    v ->> 'instance_id', v ->> 'seq', v ->> 'operation_id', v ->> 'at_ms', v ->> 'from',
    v ->> 'to', v ->> 'input', v ->> 'accepted', v ->> 'actor', v ->> 'epoch', v ->> 'version',
    v ->> 'emissions', v ->> 'trace_context', v ->> 'spend', unhex(v ->> 'hash')
FROM w;
WITH w (v) AS MATERIALIZED (SELECT value FROM jsonb_each($10))
INSERT INTO inbox (
    source, transport_key, fact_key, event_type, received_at_ms, disposition, instance_id,
    deliveries, raw, hash)
SELECT
    v ->> 'source', v ->> 'transport_key', v ->> 'fact_key', v ->> 'event_type',
    v ->> 'received_at_ms', v ->> 'disposition', v ->> 'instance_id', v ->> 'deliveries',
    v ->> 'raw', unhex(v ->> 'hash')
FROM w;
UPDATE inbox SET deliveries = deliveries + w.times
FROM (SELECT value ->> 0 AS number, value ->> 1 AS times FROM json_each($11)) AS w
WHERE inbox.number = w.number;
COMMIT;";

/// What a guard that missed says, by the trick in [`WRITE`].
pub(super) const GUARD_MISSED: &str = "malformed JSON";

/// Has the commit whose answer was lost happened?
pub(super) const COMMITS: &str = "SELECT commits FROM meta";

/// $1 to $3: since, by, why; all NULL lifts the pause.
pub(super) const SET_PAUSE: &str = "
BEGIN IMMEDIATE;
UPDATE meta SET commits = commits + 1;
DELETE FROM pause;
INSERT INTO pause (one, since_ms, by_whom, why) SELECT 1, $1, $2, $3 WHERE $1 IS NOT NULL;
COMMIT;";

pub(super) const PAUSED: &str = "SELECT since_ms, by_whom, why FROM pause";

/// A start takes the next incarnation; in a restored store, one that the lost future cannot have
/// had (see [`crate::incarnation_after_restore`]). From here to the end the store counts as in use.
/// $1: now.
pub(super) const TAKE_INCARNATION: &str = "
BEGIN IMMEDIATE;
UPDATE meta SET commits = commits + 1, clean_shutdown = 0, incarnation = CASE
    WHEN restored_at_ms IS NULL THEN incarnation + 1
    ELSE max(incarnation + 1048576, $1) END
RETURNING incarnation, newest_ms;
COMMIT;";

/// Marks a copy as one whose history may be behind the world. $1: since when.
pub(super) const MARK_RESTORED: &str = "
UPDATE meta SET commits = commits + 1, clean_shutdown = 1, restored_at_ms = $1,
    incarnation = max(incarnation + 1048576, $1)";

pub(super) const RESTORED: &str = "SELECT restored_at_ms FROM meta";

pub(super) const CAUGHT_UP: &str = "UPDATE meta SET commits = commits + 1, restored_at_ms = NULL";

/// A copy of all that is committed, as of one moment. $1: where; an empty file may be there.
pub(super) const COPY: &str = "VACUUM INTO $1";

/// What a backup holds.
pub(super) const CONTENTS: &str = "
SELECT m.store_id, m.newest_ms, m.incarnation, m.restored_at_ms, (SELECT count(*) FROM instance),
    (SELECT count(*) FROM instance WHERE due_at_ms IS NOT NULL), (SELECT count(*) FROM history)
FROM meta AS m";

/// All histories, each in its own order.
pub(super) const ALL_ENTRIES: &str = "
SELECT instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, actor, epoch,
    version, emissions, trace_context, hash, spend
FROM history ORDER BY instance_id, seq";

pub(super) const META: &str =
    "SELECT incarnation, newest_ms, min_reader, min_writer, clean_shutdown FROM meta";

pub(super) const NEWEST: &str = "SELECT newest_ms FROM meta";

pub(super) const SHUT_DOWN_CLEANLY: &str =
    "UPDATE meta SET clean_shutdown = 1, commits = commits + 1 WHERE incarnation = $1";

/// What the file says of itself and how the connection stands to it.
pub(super) const PRAGMAS: &str = "
SELECT sqlite_version(), a.application_id, u.user_version, j.journal_mode, s.synchronous,
    f.foreign_keys, b.timeout, l.journal_size_limit, t.trusted_schema, c.cell_size_check,
    q.query_only, o.encoding
FROM pragma_application_id AS a, pragma_user_version AS u, pragma_journal_mode AS j,
    pragma_synchronous AS s, pragma_foreign_keys AS f, pragma_busy_timeout AS b,
    pragma_journal_size_limit AS l, pragma_trusted_schema AS t, pragma_cell_size_check AS c,
    pragma_query_only AS q, pragma_encoding AS o";

/// Is there nothing in the file yet? The table of migrations is made before the first of them.
pub(super) const TABLES: &str =
    "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'";

pub(super) const QUICK_CHECK: &str = "PRAGMA quick_check(10)";

/// Rows that their history does not prove.
pub(super) const HEADS: &str = "
SELECT i.id FROM instance AS i
LEFT JOIN history AS h ON h.instance_id = i.id AND h.seq = i.revision
WHERE h.hash IS NOT i.head LIMIT 10";

/// A checkpoint that waits for nobody.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// A checkpoint that also shortens the log, if readers let it within a tenth of a second.
pub(super) const TRUNCATE: &str = "
PRAGMA busy_timeout = 100;
PRAGMA wal_checkpoint(TRUNCATE);
PRAGMA busy_timeout = 5000;";

/// $1: ids.
pub(super) const LOAD: &str = concat!(
    "SELECT ",
    instance_columns!(),
    ", q.key FROM json_each($1) AS q CROSS JOIN instance AS i ON i.id = q.value"
);

/// $1: [kind, scope, subject, external id]. Column 24 says whether the subject or the external id
/// led to the row.
pub(super) const LOOK_UP: &str = concat!(
    "SELECT ",
    instance_columns!(),
    ", q.key, 0 FROM json_each($1) AS q CROSS JOIN instance AS i
    ON i.subject = q.value ->> 2 AND i.kind = q.value ->> 0 AND i.scope = q.value ->> 1
UNION ALL SELECT ",
    instance_columns!(),
    ", q.key, 1 FROM json_each($1) AS q CROSS JOIN instance AS i
    ON i.kind = q.value ->> 0 AND i.scope = q.value ->> 1 AND i.external_id = q.value ->> 3"
);

/// $1: fact keys.
pub(super) const KNOWN_FACTS: &str = "
SELECT q.key, n.instance_id FROM json_each($1) AS q CROSS JOIN inbox AS n
ON n.fact_key = q.value AND n.disposition = 'applied'";

/// What is due. $1: kind, $2: now, $3: ids held, $4: incarnation, $5: limit, $6: damaged rows.
///
/// `due` and `lost` each read their index from the front, passing over what is held, and stop one
/// after the limit; the one more is what becomes due next. There is always one row, even if only
/// its last column says something.
pub(super) const CLAIM: &str = concat!(
    "WITH held (id) AS MATERIALIZED (SELECT value FROM jsonb_each($3)),
damaged (number) AS MATERIALIZED (SELECT value FROM jsonb_each($6)),
due (number, id, at) AS MATERIALIZED (
    SELECT number, id, due_at_ms FROM instance
    WHERE kind = $1 AND due_at_ms <= $2 AND due_at_ms IS NOT NULL
        AND id NOT IN held AND number NOT IN damaged
    ORDER BY due_at_ms, id LIMIT $5 + 1),
lost (number, id, at) AS MATERIALIZED (
    SELECT number, id, $2 FROM instance
    WHERE kind = $1 AND open_intent_epoch < $4 AND due_at_ms > $2
        AND id NOT IN held AND number NOT IN damaged
    ORDER BY id LIMIT $5 + 1),
candidate (number, id, at) AS MATERIALIZED (SELECT * FROM due UNION ALL SELECT * FROM lost),
chosen (number, id, at) AS MATERIALIZED (SELECT * FROM candidate ORDER BY at, id LIMIT $5),
later (at) AS (
    SELECT due_at_ms FROM instance
    WHERE kind = $1 AND due_at_ms > $2 AND due_at_ms IS NOT NULL
        AND id NOT IN held AND number NOT IN damaged
        AND (open_intent_epoch IS NULL OR open_intent_epoch >= $4)
    ORDER BY due_at_ms LIMIT 1),
next (at) AS MATERIALIZED (
    SELECT min(at) FROM (
        SELECT at FROM candidate WHERE number NOT IN (SELECT number FROM chosen)
        UNION ALL SELECT at FROM later))
SELECT ",
    instance_columns!(),
    ", next.at FROM next LEFT JOIN chosen LEFT JOIN instance AS i ON i.number = chosen.number
ORDER BY chosen.at, chosen.id"
);

/// The beginning of a listing; the conditions are added as the filter asks.
pub(super) const LIST: &str = concat!("SELECT ", instance_columns!(), " FROM instance AS i");

/// A listing of what is due reads the index of what is due, however little of all that is.
pub(super) const LIST_BY_DUE: &str = " INDEXED BY instance_due";

/// $1: instance, $2: after, $3: limit.
pub(super) const HISTORY: &str = "
SELECT instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, actor, epoch,
    version, emissions, trace_context, hash, spend
FROM history WHERE instance_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// Numbers follow the order of writing: there is one writer, and nothing is ever deleted. $1: after,
/// $2: limit. The number comes last.
pub(super) const JOURNAL: &str = "
SELECT instance_id, seq, operation_id, at_ms, from_phase, to_phase, input, accepted, actor, epoch,
    version, emissions, trace_context, hash, spend, number
FROM history WHERE number > $1 ORDER BY number LIMIT $2";

pub(super) const JOURNAL_END: &str = "SELECT coalesce(max(number), 0) FROM history";

/// $1: kind, $2: since when. The index of what was spent comes first, however little it is.
pub(super) const SPENT: &str = "
SELECT h.instance_id, h.at_ms, h.spend
FROM history AS h INDEXED BY history_spend CROSS JOIN instance AS i ON i.id = h.instance_id
WHERE h.spend IS NOT NULL AND h.at_ms >= $2 AND i.kind = $1
ORDER BY h.at_ms, h.instance_id, h.seq";

/// $1: limit.
pub(super) const INBOX: &str = "
SELECT source, transport_key, fact_key, event_type, received_at_ms, disposition, instance_id, raw,
    number, hash
FROM inbox ORDER BY number DESC LIMIT $1";

/// Events with a number above $1, for checking them; $2: limit.
pub(super) const INBOX_AFTER: &str = "
SELECT source, transport_key, fact_key, event_type, received_at_ms, disposition, instance_id, raw,
    number, hash
FROM inbox WHERE number > $1 ORDER BY number LIMIT $2";

/// $1: now. Both kinds are counted in their covering indexes.
pub(super) const STATS: &str = "
SELECT phase, CASE WHEN attention_since_ms IS NOT NULL THEN 'attention'
        WHEN due_at_ms <= $1 THEN 'running' ELSE 'waiting' END,
    count(*), sum(in_doubt), min(due_at_ms)
FROM instance INDEXED BY instance_due WHERE due_at_ms IS NOT NULL GROUP BY 1, 2
UNION ALL
SELECT phase, 'finished', count(*), 0, NULL
FROM instance INDEXED BY instance_phase WHERE finished_at_ms IS NOT NULL GROUP BY 1
UNION ALL
SELECT disposition, 'event', count(*), sum(deliveries), NULL FROM inbox GROUP BY 1";

pub(super) const INFO: &str = "
SELECT m.incarnation, (SELECT count(*) FROM instance),
    (SELECT count(*) FROM instance WHERE due_at_ms IS NOT NULL), (SELECT count(*) FROM history)
FROM meta AS m";

/// The heads of all instances, sorted by id.
pub(super) const ALL_HEADS: &str = "SELECT id, head FROM instance ORDER BY id";

/// Every constant of this file, for the test.
#[cfg(test)]
pub(super) const ALL: &[(&str, &str)] = &[
    ("KNOW", KNOW),
    ("WRITE", WRITE),
    ("COMMITS", COMMITS),
    ("SET_PAUSE", SET_PAUSE),
    ("PAUSED", PAUSED),
    ("TAKE_INCARNATION", TAKE_INCARNATION),
    ("MARK_RESTORED", MARK_RESTORED),
    ("RESTORED", RESTORED),
    ("CAUGHT_UP", CAUGHT_UP),
    ("CONTENTS", CONTENTS),
    ("ALL_ENTRIES", ALL_ENTRIES),
    ("META", META),
    ("NEWEST", NEWEST),
    ("SHUT_DOWN_CLEANLY", SHUT_DOWN_CLEANLY),
    ("PRAGMAS", PRAGMAS),
    ("TABLES", TABLES),
    ("QUICK_CHECK", QUICK_CHECK),
    ("HEADS", HEADS),
    ("CHECKPOINT", CHECKPOINT),
    ("TRUNCATE", TRUNCATE),
    ("LOAD", LOAD),
    ("LOOK_UP", LOOK_UP),
    ("KNOWN_FACTS", KNOWN_FACTS),
    ("CLAIM", CLAIM),
    ("LIST", LIST),
    ("HISTORY", HISTORY),
    ("SPENT", SPENT),
    ("JOURNAL", JOURNAL),
    ("JOURNAL_END", JOURNAL_END),
    ("INBOX", INBOX),
    ("INBOX_AFTER", INBOX_AFTER),
    ("STATS", STATS),
    ("INFO", INFO),
    ("ALL_HEADS", ALL_HEADS),
];
