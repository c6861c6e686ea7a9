//! The HTTP API, row by row of what callers may send.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod bad_input;
mod listening;
mod observations;
mod overload;
mod readiness;
mod support;
