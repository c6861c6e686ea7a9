//! The simulator over real HTTP, as its callers see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; the exemption for tests does not reach its helpers"
)]

mod amazon;
mod chaos;
mod controls;
mod events;
mod faults;
mod forcing;
mod oms;
mod proof;
mod refunds;
mod restart;
mod samples;
mod support;
mod token;
mod world;
