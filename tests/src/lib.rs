//! What spans crates: the house rules (`tidy`) and the runs from end to end.
//!
//! * [`Program`] is the product as a child process: the very code under test, run by this package's
//!   own binary, so that it is never a stale one.
//! * [`Place`] is a directory with a configuration for a simulated world, short durations included.
//! * [`Daemon`] is `countermand serve` in such a place, and its API.
//! * [`campaign`] kills the daemon at random moments, and judges what became of the orders.

pub mod campaign;
mod daemon;
mod place;
mod program;

pub use daemon::{Answer, Api, Daemon, Starting};
pub use place::{INGEST, OPERATE, Place, READ, simulator};
pub use program::{PRODUCT, Program, Ran};
