//! The world outside, as a program: Buy with Prime, a refund provider and an order management
//! system that really listen on HTTP, live in their own time, and can misbehave by seed.
//!
//! - [`Simulator::start`] takes [`Options`] and gives a [`Handle`]: where each remote listens, and
//!   what it saw.
//! - What happens to an order is its [`Scenario`]; when it happens is the [`Pace`]; what goes wrong
//!   on the way is [`Chaos`], a pure function of seed, remote and call number.
//! - The remotes protect nobody: a second `cancelOrder`, a second payout under another key, a
//!   payment reported twice are accepted, take effect, and show in the [`Ledger`].
//! - [`judge`] compares the ledger with what was asked and answers with a [`Proof`].
//!
//! Nothing here depends on the engine: it is an independent oracle.
//!
//! # Orders
//!
//! `POST /control/orders` creates orders. An order that nobody created but whose id reads
//! `SIM-<scenario>-<anything>` (such as `SIM-two_refunds-17`) comes into being when it is first
//! asked for.

mod chaos;
mod deliver;
mod error;
mod graphql;
mod http;
mod judge;
mod ledger;
mod options;
mod pace;
mod scenario;
mod seeded;
mod simulator;
mod world;

pub use chaos::{Chaos, Fault, Remote, UnknownChaos, fault};
pub use error::StartError;
pub use judge::{Asked, Check, Finding, Proof, judge};
pub use ledger::{
    AliasRecord, CancelCall, CancellationRecord, EventRecord, Ledger, OmsMessage, OrderRecord,
    PackageRecord, Payment, PaymentPart, PaymentState, PayoutCall, RefundRecord, ReportCall,
    RequestCounts,
};
pub use options::{Credentials, EventSink, Options};
pub use pace::{Pace, Span};
pub use scenario::{Mix, Scenario, UnknownScenario};
pub use simulator::{Endpoints, Handle, NewOrder, Simulator};
