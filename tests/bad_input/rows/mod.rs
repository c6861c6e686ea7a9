//! The rows, by surface.

pub(crate) mod api;
pub(crate) mod command_line;
pub(crate) mod configuration;
mod contents;
pub(crate) mod events;
mod upstream;

use crate::table::Chapter;

/// All of them, in order.
pub(crate) fn chapters() -> Vec<Chapter> {
    vec![
        api::chapter(),
        command_line::chapter(),
        configuration::chapter(),
        events::chapter(),
        upstream::chapter(),
        contents::chapter(),
    ]
}

/// A row with a check of its own.
macro_rules! row {
    ($id:literal, $given:literal, $expected:literal, $check:path) => {
        $crate::table::Row {
            id: $id,
            given: $given,
            expected: $expected,
            proof: $crate::table::Proof::Check(|stage| Box::pin($check(stage))),
        }
    };
    ($id:literal, $given:literal, $expected:literal, elsewhere $file:literal $($test:literal)+) => {
        $crate::table::Row {
            id: $id,
            given: $given,
            expected: $expected,
            proof: $crate::table::Proof::Elsewhere { file: $file, tests: &[$($test),+] },
        }
    };
    ($id:literal, $given:literal, $expected:literal, none $why:literal) => {
        $crate::table::Row {
            id: $id,
            given: $given,
            expected: $expected,
            proof: $crate::table::Proof::NoSurface($why),
        }
    };
}
pub(crate) use row;
