//! The program as its users see it: a process, its exit code, what it prints where.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something it needs fails"
)]

mod common;
mod config;
mod demo;
mod flow;
mod local;
mod usage;
