//! Buy with Prime: the part of its API that cancelling an order needs, and its events.
//!
//! * [`Client`] reads orders, sends `cancelOrder`, and reports refunds. One call is one request
//!   within one budget of time (plus, where needed, the token), and a mutation that was not done
//!   says for certain whether it can have had an effect: see
//!   [`CallError`](countermand_core::cancellation::call::CallError).
//! * [`Client::compare_schema`] compares what the calls use with the schema that the endpoint tells.
//! * [`http_client`] builds the HTTP client that it expects: no redirects, no retries, no proxies.
//! * [`parse_events`] reads events in every form in which they arrive, and [`fact_key`] names the
//!   business fact that an event tells.
//!
//! Operations are Rust types, checked at build time against `schema/buy-with-prime.graphql`.
//! Amounts pass as decimals in both directions, never as binary floats.

mod answer;
mod cap;
mod client;
mod decimal;
mod events;
mod fence;
mod lenient;
mod live_schema;
mod operations;
mod order;
mod outcome;
mod resolver;
mod retry_after;
mod settings;
mod token;
mod transport;

pub use client::{CancelAnswer, Client};
pub use events::{Delivery, EventError, Resource, fact_key, parse_events};
pub use fence::{FencedBody, Gate, MayNotStart, Progress, SendFence};
pub use live_schema::{Comparison, Difference, LiveSchema, Severity};
pub use resolver::refused_address;
pub use settings::{Settings, SettingsError, http_client};
