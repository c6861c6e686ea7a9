//! An order, its line items, packages and cancellations. The types point into one version of the
//! order, since they lead back to each other without end.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use rust_decimal::Decimal;

use crate::graphql::refunds::{RefundDetails, Refunds, Returns};
use crate::graphql::values::{
    Alias, Amount, Customer, DeliveryOfferDetails, DeliveryOfferInfo, DeliveryTerms, Maybe, Money,
    OrderLink, OrderMetadata, PackageTracker, Payments, PurchasedProductView, ShippingAddress,
    TotalPrice, aliases, list,
};
use crate::world;

/// One version of an order.
pub(crate) struct Order(pub(crate) Arc<world::Order>);

#[Object]
impl Order {
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    async fn aliases(&self) -> Maybe<Alias> {
        aliases(&self.0.aliases)
    }

    async fn customer(&self) -> Option<Customer> {
        None
    }

    async fn line_items(&self) -> Vec<Option<LineItem>> {
        (0..self.0.line_items.len())
            .map(|index| Some(LineItem(Arc::clone(&self.0), index)))
            .collect()
    }

    async fn metadata(&self) -> Option<OrderMetadata> {
        let state = if self.0.started {
            "STARTED"
        } else {
            "NOT_STARTED"
        };
        Some(OrderMetadata {
            created_at: Some(self.0.created_at.clone()),
            updated_at: Some(self.0.updated_at.clone()),
            execution_state: Some(state.to_owned()),
        })
    }

    async fn order_links(&self) -> Maybe<OrderLink> {
        list([])
    }

    async fn package_information(&self) -> Option<PackageInformation> {
        packages(&self.0, |_| true)
    }

    async fn payments(&self) -> Option<Payments> {
        None
    }

    async fn refunds(&self) -> Option<Refunds> {
        (!self.0.refunds.is_empty()).then(|| Refunds(Arc::clone(&self.0)))
    }

    async fn returns(&self) -> Option<Returns> {
        None
    }

    async fn total_price(&self) -> Option<TotalPrice> {
        Some(TotalPrice {
            value: Some(Money::of(self.0.total(), &self.0.currency)),
            verified: Some(true),
        })
    }
}

/// A line item of an order, by its place.
pub(crate) struct LineItem(Arc<world::Order>, usize);

impl LineItem {
    fn item(&self) -> Option<&world::LineItem> {
        self.0.line_items.get(self.1)
    }
}

#[Object]
impl LineItem {
    async fn id(&self) -> ID {
        let id = self.item().map(|item| item.id.clone());
        id.unwrap_or_default().into()
    }

    async fn aliases(&self) -> Maybe<Alias> {
        list([])
    }

    async fn amount(&self) -> Amount {
        Amount::ones(self.item().map_or(Decimal::ZERO, |item| item.quantity))
    }

    /// A request is for the whole order: every line item shows the same ones.
    async fn cancellations(&self) -> Option<Cancellations> {
        let count = self.0.cancellations.len();
        (count > 0).then(|| Cancellations {
            details: list((0..count).map(|index| CancellationDetails(Arc::clone(&self.0), index))),
        })
    }

    async fn created_at(&self) -> Option<String> {
        Some(self.0.created_at.clone())
    }

    async fn delivery_offer(&self) -> Option<DeliveryOfferInfo> {
        Some(DeliveryOfferInfo {
            details: Some(DeliveryOfferDetails {
                id: None,
                delivery_preview_id: None,
                delivery_provider: Some("AMAZON".to_owned()),
                delivery_terms: Some(DeliveryTerms {
                    is_prime_eligible: Some(true),
                    delivery_speed: None,
                }),
            }),
        })
    }

    async fn package_information(&self) -> Option<PackageInformation> {
        packages(&self.0, |package| {
            package.contents.iter().any(|(line, _)| *line == self.1)
        })
    }

    async fn payments(&self) -> Option<Payments> {
        None
    }

    async fn product(&self) -> Option<PurchasedProductView> {
        self.item().map(|item| PurchasedProductView {
            title: Some(item.title.clone()),
            price: Some(Money::of(item.price, &self.0.currency)),
            product_detail_page_url: None,
            offer_prime: Some(true),
        })
    }
}

/// A quantity of a line item.
pub(crate) struct OrderLineItemAmount {
    order: Arc<world::Order>,
    line: usize,
    quantity: Decimal,
}

#[Object]
impl OrderLineItemAmount {
    async fn line_item(&self) -> Option<LineItem> {
        Some(LineItem(Arc::clone(&self.order), self.line))
    }

    async fn amount(&self) -> Option<Amount> {
        Some(Amount::ones(self.quantity))
    }
}

pub(crate) fn contents(
    order: &Arc<world::Order>,
    contents: &world::Contents,
) -> Maybe<OrderLineItemAmount> {
    list(contents.iter().map(|(line, quantity)| OrderLineItemAmount {
        order: Arc::clone(order),
        line: *line,
        quantity: *quantity,
    }))
}

fn packages(
    order: &Arc<world::Order>,
    is_meant: impl Fn(&world::Package) -> bool,
) -> Option<PackageInformation> {
    let meant: Vec<usize> = order
        .packages
        .iter()
        .enumerate()
        .filter(|(_, package)| is_meant(package))
        .map(|(index, _)| index)
        .collect();
    if meant.is_empty() {
        return None;
    }
    Some(PackageInformation {
        summary: world::Order::package_summary(order).map(|state| PackageInformationSummary {
            state: state.name().to_owned(),
        }),
        details: list(
            meant
                .into_iter()
                .map(|index| PackageInformationDetails(Arc::clone(order), index)),
        ),
    })
}

#[derive(SimpleObject)]
pub(crate) struct PackageInformation {
    summary: Option<PackageInformationSummary>,
    details: Maybe<PackageInformationDetails>,
}

#[derive(SimpleObject)]
pub(crate) struct PackageInformationSummary {
    /// PENDING | `IN_TRANSIT` | DELIVERED | CANCELLED. PENDING means "at least one is pending".
    state: String,
}

/// A package of an order, by its place.
pub(crate) struct PackageInformationDetails(Arc<world::Order>, usize);

impl PackageInformationDetails {
    fn package(&self) -> Option<&world::Package> {
        self.0.packages.get(self.1)
    }
}

#[Object]
impl PackageInformationDetails {
    /// The {delivery} id in an event's resource path.
    async fn id(&self) -> ID {
        let id = self.package().map(|package| package.id.clone());
        id.unwrap_or_default().into()
    }

    async fn aliases(&self) -> Maybe<Alias> {
        list([])
    }

    async fn deliver_from_address(&self) -> Option<ShippingAddress> {
        None
    }

    async fn package_information_details_for(&self) -> Option<PackageInformationDetailsFor> {
        self.package().map(|package| PackageInformationDetailsFor {
            order_line_items: contents(&self.0, &package.contents),
        })
    }

    async fn package_tracker(&self) -> Option<PackageTracker> {
        None
    }

    /// Only set when cancelled.
    async fn reason(&self) -> Option<String> {
        let reason = self.package()?.reason?;
        Some(reason.name().to_owned())
    }

    async fn state(&self) -> String {
        self.package()
            .map(|package| package.state.name().to_owned())
            .unwrap_or_default()
    }
}

#[derive(SimpleObject)]
pub(crate) struct PackageInformationDetailsFor {
    order_line_items: Maybe<OrderLineItemAmount>,
}

#[derive(SimpleObject)]
pub(crate) struct Cancellations {
    details: Maybe<CancellationDetails>,
}

/// A cancellation of an order, by its place, as read back: it has no id.
pub(crate) struct CancellationDetails(Arc<world::Order>, usize);

impl CancellationDetails {
    fn entry(&self) -> Option<&world::Cancellation> {
        self.0.cancellations.get(self.1)
    }
}

#[Object]
impl CancellationDetails {
    async fn additional_comments(&self) -> Option<String> {
        self.entry()?.comments.clone()
    }

    async fn aliases(&self) -> Maybe<Alias> {
        aliases(&self.entry()?.aliases)
    }

    async fn canceled_for(&self) -> Option<CanceledFor> {
        Some(CanceledFor {
            order_line_items: contents(&self.0, &world::Order::everything(&self.0)),
        })
    }

    async fn created_at(&self) -> Option<String> {
        Some(self.entry()?.created_at.clone())
    }

    async fn reason(&self) -> Option<String> {
        self.entry()?.reason.clone()
    }

    async fn refund_details(&self) -> Maybe<RefundDetails> {
        if self.entry()?.state != world::CancellationState::Success {
            return None;
        }
        list((0..self.0.refunds.len()).map(|index| RefundDetails(Arc::clone(&self.0), index)))
    }

    async fn requested_by(&self) -> Option<String> {
        Some(self.entry()?.requested_by.name().to_owned())
    }

    async fn state(&self) -> Option<String> {
        Some(self.entry()?.state.name().to_owned())
    }

    async fn updated_at(&self) -> Option<String> {
        Some(self.entry()?.updated_at.clone())
    }
}

#[derive(SimpleObject)]
pub(crate) struct CanceledFor {
    order_line_items: Maybe<OrderLineItemAmount>,
}

/// As returned by `cancelOrder`. Has an id, has no `refundDetails`.
#[derive(SimpleObject)]
pub(crate) struct CancellationRequestDetails {
    id: Option<ID>,
    additional_comments: Option<String>,
    aliases: Maybe<Alias>,
    canceled_for: Option<CancellationRequestedFor>,
    created_at: Option<String>,
    reason: Option<String>,
    requested_by: Option<String>,
    state: Option<String>,
    updated_at: Option<String>,
}

impl CancellationRequestDetails {
    pub(crate) fn new(order: &Arc<world::Order>, entry: world::Cancellation) -> Self {
        Self {
            id: Some(entry.id.into()),
            additional_comments: entry.comments,
            aliases: aliases(&entry.aliases),
            canceled_for: Some(CancellationRequestedFor {
                order_line_items: contents(order, &world::Order::everything(order)),
            }),
            created_at: Some(entry.created_at),
            reason: entry.reason,
            requested_by: Some(entry.requested_by.name().to_owned()),
            state: Some(entry.state.name().to_owned()),
            updated_at: Some(entry.updated_at),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct CancellationRequestedFor {
    order_line_items: Maybe<OrderLineItemAmount>,
}

#[derive(SimpleObject)]
pub(crate) struct CancelOrderResponse {
    pub(crate) cancellation: Option<CancellationRequestDetails>,
}

#[derive(SimpleObject)]
pub(crate) struct UpdateOrderResponse {
    pub(crate) order: Option<Order>,
}

#[derive(SimpleObject)]
pub(crate) struct UpdateOrderPackageInformationResponse {
    pub(crate) order: Option<Order>,
}
