//! `demo`: the main job on a fresh machine, with a proof at its end.
//!
//! The simulated world runs in this process, the daemon in a child process that is killed with
//! SIGKILL while mutations are under way and started again. At the end the books of the simulated
//! remotes are compared with what was asked.

mod ask;
mod child;
mod place;
mod progress;
mod proof;
mod run;
mod stage;
mod world;

pub(crate) use run::run;
