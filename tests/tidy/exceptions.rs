//! What is allowed all the same, each with its reason. An exception that is not needed any more is
//! a finding itself.

/// Files over 500 lines.
pub(crate) const LONG_FILES: &[(&str, &str)] = &[
    (
        "crates/core/src/cancellation/lifecycle.rs",
        "every transition stands in one file, so that the machine can be read from top to bottom",
    ),
    (
        "crates/core/tests/workflow.rs",
        "a whole second workflow and its tests, to be read beside the trait",
    ),
    (
        "crates/runner/src/draft.rs",
        "one type: what changes make of an instance",
    ),
    (
        "crates/runner/tests/engine/support/parcel.rs",
        "a whole small workflow for the engine's tests",
    ),
    (
        "crates/simulator/src/judge/tests.rs",
        "one planted crime after the other, each a few lines",
    ),
    (
        "crates/store/src/memory.rs",
        "one type: the model that every other store is compared with",
    ),
    (
        "crates/store/src/plan.rs",
        "one subject: what becomes of each write of a batch",
    ),
    (
        "crates/store/src/tests/planted_bugs/buggy.rs",
        "one planted bug after the other, each a few lines",
    ),
    (
        "tests/bad_input/rows/command_line.rs",
        "one row of the table after the other, each a few lines",
    ),
    (
        "tests/bad_input/rows/events.rs",
        "one row of the table after the other, each a few lines",
    ),
];

/// SQL that is built at run time.
pub(crate) const BUILT_SQL: &[(&str, &str)] = &[(
    "crates/store/src/sqlite/tests/statements.rs",
    "prepares each constant of a list",
)];

/// Who reads the real clock.
pub(crate) const REAL_CLOCKS: &[(&str, &str)] = &[
    (
        "crates/countermand/src/executor.rs",
        "what is left of a performance's time, on the runtime's clock, which tests pause",
    ),
    ("crates/runner/src/world.rs", "the real world of the engine"),
    ("crates/store/src/clock.rs", "the real clock of a store"),
    (
        "crates/store/src/sqlite/writer.rs",
        "how long checkpoints have been held up, for a warning",
    ),
];

/// Who really sleeps.
pub(crate) const REAL_SLEEPS: &[(&str, &str)] = &[
    ("crates/runner/src/world.rs", "the real world of the engine"),
    (
        "crates/store/src/sqlite/lock.rs",
        "waits a moment for a daemon that is just stopping, before there is an engine",
    ),
];

/// Who draws real randomness.
pub(crate) const REAL_RANDOMNESS: &[(&str, &str)] =
    &[("crates/runner/src/world.rs", "the real world of the engine")];

/// Who times out or selects in the store.
pub(crate) const STORE_TIMEOUTS: &[(&str, &str)] = &[
    (
        "crates/store/src/sqlite/open.rs",
        "does not wait for a long check at opening; the check goes on",
    ),
    (
        "crates/store/src/sqlite/writer.rs",
        "waits for the next batch, not for a statement",
    ),
];

/// Dependencies whose name stands in no source: (package, dependency, reason).
pub(crate) const UNUSED_DEPENDENCIES: &[(&str, &str, &str)] = &[];

/// Migrations that a release has shipped: (path, SHA-256). Their text is final; a change is a new
/// migration.
pub(crate) const RELEASED_MIGRATIONS: &[(&str, &str)] = &[];
