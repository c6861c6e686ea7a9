//! The stores against the conformance suite, the suite against planted bugs, and the stores against
//! each other.

mod differential;
pub(crate) mod fixtures;
mod planted_bugs;

use fixtures::{MemoryFixture, SqliteFixture};

crate::conformance_tests!(memory, MemoryFixture::default());
crate::conformance_tests!(sqlite, SqliteFixture::new());
