//! The HTTP API of Countermand.
//!
//! * [`router`] is the API as an [`axum::Router`], to be nested in a host's own server.
//! * [`serve`] listens, with time-outs and an orderly end.
//! * [`Token`]s with a [`Role`] say who may ask what.
//!
//! Every error is an RFC 9457 problem document with a stable `code`.

mod app;
mod auth;
mod body;
mod cancellations;
mod events;
mod json;
mod layers;
mod observations;
mod patience;
mod problem;
mod query;
mod serve;

pub use app::{Options, router};
pub use auth::{Role, Token};
pub use serve::{ServeError, serve};
