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
//! # What goes wrong on the way
//!
//! Every call to a remote draws a [`Fault`], or none, by the table in [`FaultKind::per_mille`]:
//! lost and reset connections, silence, effects without or before an answer, late effects, errors
//! of HTTP and GraphQL before and after the effect, throttling with every kind of `Retry-After`,
//! 401 and short-lived tokens, answers that are cut off, slow, endless, empty, a page, or meant for
//! somebody else, and restarts of the remote. What is drawn never denies an effect: a remote that
//! acted may answer anything but "I did not". Lies, and waits that nobody sits through, can be
//! forced: [`Handle::force_on`], `POST /control/faults`.
//!
//! ```text
//! POST /control/faults  {"remote": "buy_with_prime", "fault": "answer_lost", "on": "cancel_order"}
//! POST /control/faults  {"remote": "refunds", "fault": "late_effect", "afterMs": 800, "calls": 3}
//! POST /control/restart {"remote": "oms", "downMs": 2000}
//! POST /control/chaos   {"remote": "oms", "chaos": "none"}
//! ```
//!
//! [`Handle::counters`] and `GET /control/counters` tell how often each kind struck, reads and
//! mutations apart, how often a mutation had its effect all the same, and how many mutations are
//! open just now. With a port that was left to chance (0) each remote has a port of its own, and
//! refuses connections while it is down.
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
mod operation;
mod options;
mod pace;
mod scenario;
mod seeded;
mod simulator;
mod world;

pub use chaos::{
    Beside, Chaos, ErrorClass, Fault, FaultKind, Remote, RetryAfter, UnknownChaos, fault,
};
pub use error::StartError;
pub use judge::{Asked, Check, Finding, PersonsFact, PersonsWord, Proof, judge, judge_with};
pub use ledger::{
    AliasRecord, CancelCall, CancellationRecord, Counters, EventRecord, Ledger, OmsMessage,
    OrderRecord, PackageRecord, Payment, PaymentPart, PaymentState, PayoutCall, RefundRecord,
    ReportCall, RequestCounts, Struck,
};
pub use operation::{Aim, Group, Operation};
pub use options::{Credentials, EventSink, Options};
pub use pace::{Pace, Span};
pub use scenario::{Mix, Scenario, UnknownScenario};
pub use simulator::{Endpoints, Handle, NewOrder, Simulator};
pub use world::Happening;
