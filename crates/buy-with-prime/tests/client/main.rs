//! The client against a real listener that answers well, badly, slowly or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod amounts;
mod errors;
mod faults;
mod fence;
mod live_schema;
mod samples;
mod server;
mod token;
