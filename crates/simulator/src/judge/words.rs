//! What people said of a cancellation, where a person was needed: the judge takes it for true, and
//! holds the engine to it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Something that a person told the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonsWord {
    /// The order.
    pub order_id: String,
    /// What was said.
    #[serde(flatten)]
    pub fact: PersonsFact,
}

impl PersonsWord {
    /// Of this order, this.
    pub fn of(order_id: impl Into<String>, fact: PersonsFact) -> Self {
        Self {
            order_id: order_id.into(),
            fact,
        }
    }
}

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "fact",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum PersonsFact {
    /// It is not to be cancelled any more.
    Withdrawn,
    /// Amazon cancelled it, whatever the order shows.
    Cancelled,
    /// Amazon will not cancel it, whatever the order shows.
    Rejected,
    /// The OMS was told everything by hand.
    OmsTold,
    /// A refund was paid, by hand or by the provider after all.
    RefundPaid {
        /// The refund.
        refund_id: String,
        /// The payment.
        payment_id: String,
        /// The sum of all that was paid.
        amount: Decimal,
    },
    /// A refund is not to be paid.
    RefundNotDue {
        /// The refund.
        refund_id: String,
    },
}
