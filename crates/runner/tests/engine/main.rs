//! Whole engines in a small world: a workflow of six effects, remotes that can misbehave, virtual
//! time, and stores that freeze at any call.

#![expect(clippy::unwrap_used, reason = "a test that fails says so")]

mod support;

mod crash;
mod ending;
mod life;
mod limits;
mod outage;
mod poison;
mod restored;
mod retrying;
mod seeds;
mod spending;
mod starts;
