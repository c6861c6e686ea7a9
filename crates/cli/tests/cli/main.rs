//! The program as its users see it: a process, its exit code, what it prints where.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something it needs fails"
)]

mod backups;
mod common;
mod config;
mod demo;
mod flow;
mod local;
mod observe;
mod online;
mod pages;
mod story;
mod surroundings;
mod usage;
