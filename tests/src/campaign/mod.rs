//! The kill campaign: the real daemon works against the chaotic simulator, is killed with SIGKILL
//! at random moments, and starts again at once. The simulator lives on and is the oracle.
//!
//! - [`run`] takes [`Settings`] and gives an [`Outcome`]: what was lost, doubled, stuck or wrong.
//! - As long as there are kills the world is chaotic (safety); afterwards it is calm, and everything
//!   must come to its end (liveness).
//! - A campaign that proves nothing fails as well: too few kills while a mutation was under way, a
//!   kind of chaos that never came, a look that never found anything.
//! - A [`Plant`] is a fault that it must find.

mod asking;
mod dice;
mod evidence;
mod operating;
mod plant;
mod proof;
mod remains;
mod run;
mod stage;
mod strike;
mod task;

pub use plant::Plant;
pub use proof::Outcome;
pub use run::{Settings, run};
pub use strike::Manner;
