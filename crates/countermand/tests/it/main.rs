//! The engine as embedders use it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod events;
mod handle;
mod mishaps;
mod operators;
mod report;
mod restored;
mod sqlite;
mod support;
mod verify;
