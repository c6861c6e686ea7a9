//! Strategies for `proptest` (feature `strategies`): arbitrary orders, reads, inputs and stamps, and
//! the [lives](life) of whole orders, whose facts belong together.
//!
//! Ids come from small pools, those of the [exemplars](crate::cancellation::exemplars), so that
//! arbitrary inputs meet the state that they are applied to.

pub mod life;

mod inputs;
mod orders;

use std::time::Duration;

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::{Currency, Epoch, Money, Stamp, Timestamp};

pub use inputs::{inputs, order_reads};
pub use orders::{entries, orders, packages, refunds};

/// Amounts: whole cents and odd fractions, nothing, and more than anybody pays; three currencies.
///
/// # Panics
/// Never: every such amount can be kept.
pub fn money() -> impl Strategy<Value = Money> {
    let units = prop_oneof![Just(0), 1_u64..20_000, any::<u64>()];
    let code = prop_oneof![8 => Just("USD"), 1 => Just("EUR"), 1 => Just("JPY")];
    (units, 0_u32..=4, code)
        .prop_map(|(units, scale, code)| {
            let amount = Decimal::from_i128_with_scale(i128::from(units), scale);
            let currency = Currency::new(code).expect("three capital letters");
            Money::new(amount, currency).expect("not negative")
        })
        .boxed()
}

/// Times of the store, with the ends of what can be stored among them.
pub fn timestamps() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (1_740_000_000_000_i64..1_750_000_000_000).prop_map(Timestamp::from_millis),
        1 => any::<i64>().prop_map(Timestamp::from_millis),
    ]
    .boxed()
}

/// How much time passes between two entries: often none, sometimes more than every wait.
pub fn waits() -> impl Strategy<Value = Duration> {
    prop_oneof![
        2 => Just(Duration::ZERO),
        4 => (1_u64..120_000).prop_map(Duration::from_millis),
        2 => (1_u64..7_200).prop_map(Duration::from_secs),
        1 => (1_u64..100).prop_map(Duration::from_hours),
    ]
    .boxed()
}

/// Stamps without any order among them.
pub fn stamps() -> impl Strategy<Value = Stamp> {
    (timestamps(), 1_u64..1_000, 1_u64..10)
        .prop_map(|(at, seq, epoch)| Stamp {
            at,
            seq,
            epoch: Epoch(epoch),
        })
        .boxed()
}
