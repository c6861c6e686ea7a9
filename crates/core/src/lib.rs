//! The pure heart of Countermand.
//!
//! * [`Workflow`] is what the engine drives: three pure functions, `start`, `step` and `next`, and
//!   a few projections.
//! * [`Agenda`] is what `next` answers: which [`Effect`]s must happen, and when.
//! * [`cancellation`] is the life cycle of a Buy with Prime order cancellation, the workflow this
//!   project exists for.
//! * `strategies` (a feature) holds generators of inputs and of whole orders' lives, for tests.
//! * [`Timestamp`], [`Money`], the ids and [`Backoff`] are the values they speak in.
//!
//! Nothing here knows a clock, a source of randomness, a network or a database: time, sequence
//! numbers and epochs arrive as arguments (see [`Stamp`]).

pub mod cancellation;
#[cfg(feature = "strategies")]
pub mod strategies;

mod backoff;
mod id;
mod money;
mod open_enum;
mod time;
mod workflow;

pub use backoff::Backoff;
pub use id::{
    Epoch, ExternalId, IdError, InstanceId, LineItemId, OrderId, PackageId, PaymentId, RefundId,
    TargetId,
};
pub use money::{Currency, Money, MoneyError};
pub use time::{Timestamp, TimestampError};
pub use workflow::{
    Admission, Agenda, AttentionFlag, Effect, EffectClass, Emission, Identity, Item, Notice,
    OpenIntent, Opening, Projection, Spend, Stamp, UpgradeError, When, Workflow, fold,
};
