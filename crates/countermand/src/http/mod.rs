//! HTTP adapters for the refund provider and the OMS.

mod client;
mod oms;
mod refunds;

pub(crate) use client::ensure_crypto_provider;
pub use client::{HttpError, HttpOptions};
pub use oms::HttpOms;
pub use refunds::HttpRefundProvider;

#[cfg(test)]
mod tests;
