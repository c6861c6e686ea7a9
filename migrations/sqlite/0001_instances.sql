-- Instances, their histories, and the inbox.
--
-- A released migration is never edited. Times are milliseconds since the Unix epoch and say so in
-- their names; what is searched is a column, what is only read whole is JSON. Hashes are SHA-256.
-- CHECK constraints and partial unique indexes refuse rows that can have no meaning.

-- "Cmnd": the file belongs to this program.
PRAGMA application_id = 1131245156;
PRAGMA user_version = 1;

-- The store itself: one row.
CREATE TABLE meta (
    one            INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- Names this store and its copies.
    store_id       TEXT    NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    -- Each start takes the next number: the epoch of everything that the process does.
    incarnation    INTEGER NOT NULL CHECK (incarnation >= 0),
    -- Each transaction takes the next number: it tells whether a commit without an answer happened,
    -- and whether anybody else has written.
    commits        INTEGER NOT NULL CHECK (commits >= 0),
    -- The newest time stored: the store's time is never earlier.
    newest_ms      INTEGER,
    -- The oldest schema versions whose programs may read, and may write, this store.
    min_reader     INTEGER NOT NULL CHECK (min_reader >= 1),
    min_writer     INTEGER NOT NULL CHECK (min_writer >= min_reader),
    clean_shutdown INTEGER NOT NULL CHECK (clean_shutdown IN (0, 1)),
    -- When it was last restored from a backup: its history may be behind the world.
    restored_at_ms INTEGER
) STRICT;

INSERT INTO meta (one, store_id, created_at_ms, incarnation, commits, min_reader, min_writer, clean_shutdown)
VALUES (1, lower(hex(randomblob(16))), CAST(unixepoch('subsec') * 1000 AS INTEGER), 0, 0, 1, 1, 1);

-- The kill switch: while its row is there, no mutation goes out.
CREATE TABLE pause (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since_ms INTEGER NOT NULL,
    by_whom  TEXT    NOT NULL,
    why      TEXT    NOT NULL
) STRICT;

-- The whole truth of an instance. Small columns stand before the state, so that a scan need not
-- read the pages that a long state overflows to.
CREATE TABLE instance (
    number             INTEGER PRIMARY KEY,
    id                 TEXT    NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 64),
    kind               TEXT    NOT NULL CHECK (kind <> ''),
    scope              TEXT    NOT NULL CHECK (scope <> ''),
    subject            TEXT    NOT NULL CHECK (subject <> ''),
    external_id        TEXT    CHECK (external_id <> ''),
    phase              TEXT    NOT NULL CHECK (phase <> ''),
    outcome            TEXT    CHECK (outcome <> ''),
    in_doubt           INTEGER NOT NULL CHECK (in_doubt IN (0, 1)),
    attention_since_ms INTEGER,
    attention_why      TEXT    CHECK (attention_why <> ''),
    revision           INTEGER NOT NULL CHECK (revision >= 1),
    epoch              INTEGER NOT NULL CHECK (epoch >= 0),
    open_intent_epoch  INTEGER CHECK (open_intent_epoch >= 0),
    -- Unused here: the lock file is the lease of every row. A shared database needs them.
    lease_holder       TEXT,
    lease_until_ms     INTEGER,
    due_at_ms          INTEGER,
    created_at_ms      INTEGER NOT NULL,
    updated_at_ms      INTEGER NOT NULL CHECK (updated_at_ms >= created_at_ms),
    finished_at_ms     INTEGER,
    head               BLOB    NOT NULL CHECK (length(head) = 32),
    version            INTEGER NOT NULL CHECK (version BETWEEN 0 AND 4294967295),
    trace_context      TEXT,
    fingerprint        TEXT,
    retries            TEXT    NOT NULL CHECK (json_valid(retries)),
    state              TEXT    NOT NULL CHECK (json_valid(state)),

    CHECK ((finished_at_ms IS NULL) = (due_at_ms IS NOT NULL)),
    CHECK ((finished_at_ms IS NULL) = (outcome IS NULL)),
    CHECK ((attention_since_ms IS NULL) = (attention_why IS NULL)),
    CHECK ((lease_holder IS NULL) = (lease_until_ms IS NULL))
) STRICT;

-- At most one instance of a subject is alive.
CREATE UNIQUE INDEX instance_live ON instance (kind, scope, subject) WHERE finished_at_ms IS NULL;
CREATE UNIQUE INDEX instance_external_id ON instance (kind, scope, external_id) WHERE external_id IS NOT NULL;
-- All instances of a subject, newest first; also where only the subject is asked for.
CREATE INDEX instance_subject ON instance (subject, kind, scope, created_at_ms, id);
-- What is due. It also covers what is counted of unfinished instances.
CREATE INDEX instance_due ON instance (kind, due_at_ms, id, phase, attention_since_ms, in_doubt)
    WHERE due_at_ms IS NOT NULL;
-- The listing of one phase, and the counting of what is finished.
CREATE INDEX instance_phase ON instance (phase, created_at_ms, id, finished_at_ms);
-- Intents whose owner may be gone.
CREATE INDEX instance_open_intent ON instance (kind, open_intent_epoch, id) WHERE open_intent_epoch IS NOT NULL;
CREATE INDEX instance_attention ON instance (created_at_ms, id)
    WHERE attention_since_ms IS NOT NULL AND finished_at_ms IS NULL;
-- The listing.
CREATE INDEX instance_created ON instance (created_at_ms, id);

-- What proves an instance: append-only, in the order of writing.
CREATE TABLE history (
    number        INTEGER PRIMARY KEY,
    instance_id   TEXT    NOT NULL REFERENCES instance (id),
    seq           INTEGER NOT NULL CHECK (seq >= 1),
    operation_id  TEXT    NOT NULL UNIQUE CHECK (operation_id <> ''),
    at_ms         INTEGER NOT NULL,
    from_phase    TEXT    NOT NULL,
    to_phase      TEXT    NOT NULL CHECK (to_phase <> ''),
    input         TEXT    NOT NULL CHECK (json_valid(input)),
    accepted      INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    actor         TEXT    CHECK (actor <> ''),
    epoch         INTEGER NOT NULL CHECK (epoch >= 0),
    version       INTEGER NOT NULL CHECK (version BETWEEN 0 AND 4294967295),
    emissions     TEXT    CHECK (json_valid(emissions)),
    trace_context TEXT,
    -- What it commits to spend: a key and an amount.
    spend         TEXT    CHECK (json_valid(spend)),
    -- Over this entry and everything before it.
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),

    UNIQUE (instance_id, seq),
    CHECK (accepted OR from_phase = to_phase)
) STRICT;

-- What was spent of late.
CREATE INDEX history_spend ON history (at_ms) WHERE spend IS NOT NULL;

CREATE TRIGGER history_is_never_changed BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_is_never_deleted BEFORE DELETE ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;

-- Events as they came, and what became of them.
CREATE TABLE inbox (
    number         INTEGER PRIMARY KEY,
    source         TEXT    NOT NULL CHECK (source <> ''),
    transport_key  TEXT    CHECK (transport_key <> ''),
    fact_key       TEXT    CHECK (fact_key <> ''),
    event_type     TEXT    NOT NULL,
    received_at_ms INTEGER NOT NULL,
    disposition    TEXT    NOT NULL CHECK (disposition IN
        ('applied', 'duplicate', 'ignored', 'unknown_type', 'other_target', 'unroutable')),
    instance_id    TEXT    CHECK (instance_id <> ''),
    deliveries     INTEGER NOT NULL CHECK (deliveries >= 1),
    raw            TEXT    NOT NULL,
    -- Over everything but the number of deliveries.
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),

    CHECK (disposition <> 'applied' OR instance_id IS NOT NULL)
) STRICT;

-- A business fact is applied at most once.
CREATE UNIQUE INDEX inbox_fact ON inbox (fact_key) WHERE disposition = 'applied' AND fact_key IS NOT NULL;
-- By what a repeated delivery is recognised.
CREATE INDEX inbox_delivery ON inbox (source, transport_key, fact_key)
    WHERE transport_key IS NOT NULL OR fact_key IS NOT NULL;
CREATE INDEX inbox_disposition ON inbox (disposition, deliveries);
