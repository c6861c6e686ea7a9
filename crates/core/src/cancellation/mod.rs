//! The life cycle of a Buy with Prime order cancellation.
//!
//! * [`Cancellation`] is the [`Workflow`](crate::Workflow): `start`, `step` and `next`.
//! * [`State`] is the stored truth; [`Input`] what changes it; [`Effect`] what it wants done.
//! * [`verdict`] is the one judgement of an order as read, [`look`] the one question before a send.
//! * [`view::View`] is how it is shown to people and programs.

pub mod call;
pub mod diagram;
pub mod effect;
pub mod exemplars;
pub mod input;
pub mod look;
pub mod order;
pub mod request;
pub mod verdict;
pub mod view;

mod agenda;
mod attempts;
mod attention;
mod conclusion;
mod learn;
mod lifecycle;
mod milestone;
mod operator;
mod outcomes;
mod pace;
mod refund;
mod rejection;
mod state;
mod workflow;

pub use attempts::{Attempts, Doubt, Intent, Refusal};
pub use attention::{About, Attention, suggestion_in_words};
pub use effect::Effect;
pub use input::Input;
pub use milestone::{Milestone, Milestones, Raised};
pub use pace::Pace;
pub use refund::{Paid, Part, Refund, Report, Reported, Reporting};
pub use rejection::Rejection;
pub use request::{CancelRequest, Draft, Observation, Origin, Request, Terms};
pub use state::{
    Cancelled, Case, Dismissed, EntryKey, Grace, Look, Outcome, Phase, Prior, Rejected,
    RejectedWhy, Sent, State,
};
pub use workflow::Cancellation;
