//! An order's refunds.

use std::sync::Arc;

use async_graphql::{ID, Interface, Object, SimpleObject};
use rust_decimal::Decimal;

use crate::graphql::items::{OrderLineItemAmount, contents};
use crate::graphql::values::{
    Alias, Maybe, Money, PaymentDetails, PaymentMethod, PaymentSummary, aliases, list,
};
use crate::world;

/// The refunds of an order.
pub(crate) struct Refunds(pub(crate) Arc<world::Order>);

#[Object]
impl Refunds {
    async fn details(&self) -> Maybe<RefundDetails> {
        list((0..self.0.refunds.len()).map(|index| RefundDetails(Arc::clone(&self.0), index)))
    }

    async fn summary(&self) -> Option<RefundSummary> {
        // Reported totals are whatever the caller says: two of them may be more than fits.
        let total = self
            .0
            .refunds
            .iter()
            .map(shown_total)
            .fold(Decimal::ZERO, Decimal::saturating_add);
        Some(RefundSummary {
            payment_summary: None,
            refund_total: Some(RefundTotal {
                total_amount: Some(Money::of(total, &self.0.currency)),
            }),
        })
    }
}

#[derive(SimpleObject)]
pub(crate) struct RefundSummary {
    payment_summary: Option<PaymentSummary>,
    refund_total: Option<RefundTotal>,
}

#[derive(SimpleObject)]
pub(crate) struct RefundTotal {
    total_amount: Option<Money>,
}

/// The estimate until the first report, the running total afterwards.
fn shown_total(refund: &world::Refund) -> Decimal {
    refund.reported_total.unwrap_or(refund.amount)
}

/// A refund of an order, by its place.
pub(crate) struct RefundDetails(pub(crate) Arc<world::Order>, pub(crate) usize);

impl RefundDetails {
    fn refund(&self) -> Option<&world::Refund> {
        self.0.refunds.get(self.1)
    }
}

#[Object]
impl RefundDetails {
    /// The {refund} id in an event's resource path.
    async fn id(&self) -> ID {
        let id = self.refund().map(|refund| refund.id.clone());
        id.unwrap_or_default().into()
    }

    async fn aliases(&self) -> Maybe<Alias> {
        aliases(&self.refund()?.aliases)
    }

    async fn created_at(&self) -> Option<String> {
        Some(self.refund()?.created_at.clone())
    }

    async fn updated_at(&self) -> Option<String> {
        Some(self.refund()?.updated_at.clone())
    }

    async fn payment_details(&self) -> Maybe<PaymentDetails> {
        list(
            self.refund()?
                .payments
                .iter()
                .map(|payment| PaymentDetails {
                    id: payment.part.id.clone().map(ID::from),
                    amount: Money::maybe(payment.part.amount, payment.part.currency.as_deref()),
                    payment_method: Some(PaymentMethod {
                        display_string: payment.display.clone(),
                        kind: payment.method.clone(),
                    }),
                    state: payment.state.clone(),
                    aliases: list([]),
                    created_at: Some(payment.at.clone()),
                    updated_at: Some(payment.at.clone()),
                }),
        )
    }

    async fn refund_for(&self) -> Option<RefundFor> {
        Some(RefundFor {
            order_line_items: contents(&self.0, &self.refund()?.contents),
            // What it says after a cancellation is not known (U15).
            caused_by: None,
        })
    }

    /// `CANCELLED_ORDER` after a cancellation.
    async fn refund_request_reason(&self) -> Option<String> {
        let refund = self.refund()?;
        (!refund.without_reason).then(|| refund.reason.name().to_owned())
    }

    async fn refund_status_reason(&self) -> Option<String> {
        self.refund()?.status_reason.clone()
    }

    /// Estimate until the first update, running total of money returned afterwards.
    async fn refund_total(&self) -> Option<RefundTotal> {
        let refund = self.refund()?;
        (!refund.without_amount).then(|| RefundTotal {
            total_amount: Some(Money::of(shown_total(refund), &self.0.currency)),
        })
    }

    /// PENDING | PARTIAL | FAILURE | SUCCESS | REJECTED
    async fn state(&self) -> Option<String> {
        Some(self.refund()?.state.name().to_owned())
    }
}

#[derive(SimpleObject)]
pub(crate) struct RefundFor {
    order_line_items: Maybe<OrderLineItemAmount>,
    caused_by: Option<RefundCause>,
}

/// What led to the refund.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "&Option<ID>"),
    field(name = "state", ty = "&Option<String>")
)]
pub(crate) enum RefundCause {
    ReturnDetails(ReturnDetails),
}

#[derive(SimpleObject)]
pub(crate) struct Returns {
    details: Maybe<ReturnDetails>,
}

#[derive(SimpleObject)]
pub(crate) struct ReturnDetails {
    id: Option<ID>,
    state: Option<String>,
    aliases: Maybe<Alias>,
    created_at: Option<String>,
    updated_at: Option<String>,
}
