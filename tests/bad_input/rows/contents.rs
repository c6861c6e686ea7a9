//! What the store may hold.

use crate::rows::row;
use crate::table::Chapter;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "Contents of the store",
        intro: "One row that cannot be understood stops that one cancellation, and no other. `verify` names it,\n\
                `/readyz` counts it.",
        rows: vec![
            row!("S1", "a state or version that a newer program wrote", "that one waits, and is logged; the others go on", elsewhere "crates/runner/tests/engine/poison.rs" "an_unreadable_instance_is_left_alone"),
            row!("S2", "damaged JSON, a hash that does not fit, a gap in the history, two heads", "found by `verify`, exit code 1 or 6; a damaged file is refused at start", elsewhere "crates/countermand/tests/it/verify.rs" "a_changed_history_is_found" "a_changed_row_is_found" "damage_is_found_and_hides_nothing"),
            row!("S3", "a due time in the far future, or a negative one", "recomputed when the row is taken up", elsewhere "crates/runner/tests/engine/life.rs" "the_wall_clock_may_jump_and_no_doubt_is_shortened"),
            row!("S4", "a million finished cancellations, a history of thousands of entries", "what is done often uses an index, and pages are bounded", elsewhere "crates/store/src/sqlite/tests/statements.rs" "nothing_that_is_done_often_scans_a_table" "a_listing_is_not_sorted"),
            row!("S5", "a lease from the future, because the clock was set back", "on SQLite the lock on the file is the lease; timers go on by the monotonic clock", elsewhere "crates/runner/tests/engine/life.rs" "polls_go_on_when_the_clock_of_a_sqlite_store_is_set_back"),
        ],
    }
}
