//! Countermand cancels Buy with Prime orders, durably: from the request through Amazon's decision
//! and the refund to your order management system, across crashes and lost answers, with every
//! step in a history that proves the state.
//!
//! * [`Countermand`] sets up an engine: a store, one or more [`Target`]s with their [`Orders`], a
//!   [`RefundProvider`] and an [`Oms`].
//! * [`Handle`] is the running engine: [`cancel`](Handle::cancel) orders,
//!   [`ingest`](Handle::ingest) events, look, wait, and act as an operator.
//! * [`Reader`] looks without changing anything, and tells a cancellation in plain language
//!   ([`CaseReport`]); [`verify`] proves a store.
//! * [`HttpRefundProvider`] and [`HttpOms`] are ready-made ports over HTTP; [`connect`] makes the
//!   client for Buy with Prime.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use countermand::buy_with_prime::Settings;
//! use countermand::{
//!     CancelOutcome, Countermand, Draft, HttpOms, HttpOptions, HttpRefundProvider, TargetId, Until,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let target: TargetId = "bp-7d2f6a10".parse()?;
//! let amazon = countermand::connect(
//!     Settings {
//!         endpoint: Settings::ENDPOINT.parse()?,
//!         token_endpoint: Settings::TOKEN_ENDPOINT.parse()?,
//!         client_id: std::env::var("BWP_CLIENT_ID")?,
//!         client_secret: std::env::var("BWP_CLIENT_SECRET")?.into(),
//!         target_id: target.clone(),
//!         target_header: Settings::TARGET_HEADER.to_owned(),
//!         api_version: Settings::API_VERSION.to_owned(),
//!         extra_headers: Vec::new(),
//!         request_timeout: Settings::REQUEST_TIMEOUT,
//!     },
//!     Duration::from_secs(5),
//! )?;
//! let provider = HttpOptions::new("https://payments.example/refunds".parse()?);
//! let shop = HttpOptions::new("https://shop.example/cancellations".parse()?);
//! let secret = std::env::var("OMS_SECRET")?.into();
//!
//! let engine = Countermand::sqlite("countermand.db")
//!     .await?
//!     .target(target, amazon)
//!     .refunds(HttpRefundProvider::new(provider)?)
//!     .oms(HttpOms::new(shop, &secret)?)
//!     .start()
//!     .await?;
//!
//! let order = Draft {
//!     order_id: "322-T7QM-2LH9WD".to_owned(),
//!     external_id: Some("web-100482".to_owned()),
//!     ..Draft::default()
//! };
//! match engine.cancel(&order, Some("web shop")).await? {
//!     CancelOutcome::Created(view) | CancelOutcome::Existing(view) => {
//!         let ended = engine.wait(&view.id, Until::Settled).await?;
//!         println!("{}: {:?}", ended.state, ended.outcome);
//!     }
//!     CancelOutcome::Conflict(conflict) => println!("not accepted: {conflict}"),
//! }
//! engine.shutdown(Duration::from_secs(35)).await;
//! # Ok(())
//! # }
//! ```
//!
//! **The one rule:** every accepted input is committed before any effect that follows from it is
//! attempted. What may or may not have taken effect is looked for before it is sent again.

mod amazon;
mod api;
mod builder;
mod changes;
mod embedded;
mod engine;
mod executor;
mod follow;
mod handle;
mod http;
mod ingest;
mod perform;
mod ports;
mod reader;
mod report;
mod source;
mod verify;

pub use amazon::connect;
pub use api::{
    CancelOutcome, CancellationPage, Change, Conflict, ConflictWhy, Error, HistoryEntry, Ingested,
    IngestedFact, ListFilter, ObserveOutcome, STATES, StateCount, Stats, Until,
};
pub use builder::{Countermand, StartError, Target};
pub use changes::Changes;
pub use follow::{Happened, Stretch};
pub use handle::Handle;
pub use http::{HttpError, HttpOms, HttpOptions, HttpRefundProvider};
pub use ports::{
    BoxFuture, CancelAnswer, Message, Oms, Orders, Payment, RefundProvider, TellError,
};
pub use reader::Reader;
pub use report::{CaseReport, Line, Section, case_report};
pub use verify::{Checked, Report, Violation, verify};

pub use countermand_buy_with_prime as buy_with_prime;
pub use countermand_core as core;
pub use countermand_runner as runner;
pub use countermand_store as store;

pub use countermand_core::cancellation::call::{CallError, ReadError};
pub use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
pub use countermand_core::cancellation::input::{Fact, NotSent, Payout, PayoutState, Unknown};
pub use countermand_core::cancellation::order::{
    CancellationState, ItemQuantity, Order, RefundState, ReportedPayment,
};
pub use countermand_core::cancellation::request::{
    CancellationReason, Draft, Origin, Problem, Terms,
};
pub use countermand_core::cancellation::view::{
    AttentionView, LastError, NeedView, RefundView, RejectionView, Status, View,
};
pub use countermand_core::cancellation::{Pace, suggestion_in_words};
pub use countermand_core::{
    Currency, ExternalId, InstanceId, Money, OrderId, PaymentId, RefundId, TargetId, Timestamp,
};
pub use countermand_runner::Fence;
pub use countermand_runner::SpendLimits;
