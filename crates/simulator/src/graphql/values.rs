//! Small output types.

use async_graphql::{ID, SimpleObject};
use rust_decimal::Decimal;

use crate::graphql::exact::Exact;
use crate::ledger::AliasRecord;

/// A list that may be missing, of elements that may be null: the usual thing in this schema.
pub(crate) type Maybe<T> = Option<Vec<Option<T>>>;

/// A list that is there.
#[expect(clippy::unnecessary_wraps, reason = "the schema's lists are nullable")]
pub(crate) fn list<T>(elements: impl IntoIterator<Item = T>) -> Maybe<T> {
    Some(elements.into_iter().map(Some).collect())
}

#[derive(SimpleObject, Debug, Clone)]
pub(crate) struct Alias {
    alias_id: ID,
    alias_type: String,
}

pub(crate) fn aliases(aliases: &[AliasRecord]) -> Maybe<Alias> {
    list(aliases.iter().map(|alias| Alias {
        alias_id: alias.alias_id.clone().into(),
        alias_type: alias.alias_type.clone(),
    }))
}

/// Quantity with a JSR-363 unit. The only unit seen anywhere is "ONE".
#[derive(SimpleObject, Debug, Clone)]
pub(crate) struct Amount {
    unit: Option<String>,
    value: Exact,
}

impl Amount {
    pub(crate) fn ones(value: Decimal) -> Self {
        Self {
            unit: Some("ONE".to_owned()),
            value: Exact(value),
        }
    }
}

#[derive(SimpleObject, Debug, Clone)]
pub(crate) struct Money {
    amount: Option<Exact>,
    currency_code: Option<String>,
}

impl Money {
    pub(crate) fn of(amount: Decimal, currency: &str) -> Self {
        Self {
            amount: Some(Exact(amount)),
            currency_code: Some(currency.to_owned()),
        }
    }

    pub(crate) fn maybe(amount: Option<Decimal>, currency: Option<&str>) -> Option<Self> {
        amount.map(|amount| Self {
            amount: Some(Exact(amount)),
            currency_code: currency.map(str::to_owned),
        })
    }
}

#[derive(SimpleObject)]
pub(crate) struct LocalizedString {
    locale: Option<String>,
    value: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct Customer {
    contact: Option<Contact>,
}

#[derive(SimpleObject)]
pub(crate) struct Contact {
    id: Option<ID>,
    name: Option<String>,
    email: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct OrderMetadata {
    pub(crate) created_at: Option<String>,
    pub(crate) updated_at: Option<String>,
    /// `NOT_STARTED` | STARTED
    pub(crate) execution_state: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct OrderLink {
    destination_type: Option<String>,
    url: Option<String>,
    display_message: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct TotalPrice {
    pub(crate) value: Option<Money>,
    pub(crate) verified: Option<bool>,
}

#[derive(SimpleObject)]
pub(crate) struct DeliveryOfferInfo {
    pub(crate) details: Option<DeliveryOfferDetails>,
}

#[derive(SimpleObject)]
pub(crate) struct DeliveryOfferDetails {
    pub(crate) id: Option<ID>,
    pub(crate) delivery_preview_id: Option<ID>,
    /// AMAZON | MERCHANT
    pub(crate) delivery_provider: Option<String>,
    pub(crate) delivery_terms: Option<DeliveryTerms>,
}

#[derive(SimpleObject)]
pub(crate) struct DeliveryTerms {
    pub(crate) is_prime_eligible: Option<bool>,
    pub(crate) delivery_speed: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PurchasedProductView {
    pub(crate) title: Option<String>,
    pub(crate) price: Option<Money>,
    pub(crate) product_detail_page_url: Option<String>,
    pub(crate) offer_prime: Option<bool>,
}

#[derive(SimpleObject)]
pub(crate) struct ShippingAddress {
    street_address: Option<String>,
    locality: Option<String>,
    region: Option<String>,
    country_code: Option<String>,
    postal_code: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PackageTracker {
    #[graphql(name = "packageTrackerIdentifier")]
    identifier: Option<PackageTrackerIdentifier>,
    tracking_url: Option<String>,
    estimated_delivery_date: Option<DateRange>,
    latest_milestone: Option<PackageMilestone>,
    milestones: Maybe<PackageMilestone>,
}

#[derive(SimpleObject)]
pub(crate) struct PackageTrackerIdentifier {
    tracking_number: Option<String>,
    carrier_code: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct DateRange {
    earliest: Option<String>,
    latest: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PackageMilestone {
    status: Option<PackageMilestoneStatus>,
    address: Option<ShippingAddress>,
    occurred_at: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PackageMilestoneStatus {
    code: Option<String>,
    message: Maybe<LocalizedString>,
}

#[derive(SimpleObject)]
pub(crate) struct Payments {
    pub(crate) summary: Option<PaymentSummary>,
    pub(crate) details: Maybe<PaymentDetails>,
}

#[derive(SimpleObject)]
pub(crate) struct PaymentSummary {
    pub(crate) amount: Option<Money>,
    pub(crate) payment_method_display_string: Option<String>,
    pub(crate) state: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PaymentDetails {
    pub(crate) id: Option<ID>,
    pub(crate) amount: Option<Money>,
    pub(crate) payment_method: Option<PaymentMethod>,
    pub(crate) state: Option<String>,
    pub(crate) aliases: Maybe<Alias>,
    pub(crate) created_at: Option<String>,
    pub(crate) updated_at: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct PaymentMethod {
    pub(crate) display_string: Option<String>,
    #[graphql(name = "type")]
    pub(crate) kind: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct CreateEventSubscriptionResponse {
    pub(crate) subscription_id: Option<ID>,
}

#[derive(SimpleObject)]
pub(crate) struct DeleteEventSubscriptionResponse {
    pub(crate) subscription_id: Option<ID>,
}

#[derive(SimpleObject)]
pub(crate) struct EventSubscription {
    pub(crate) subscription_id: Option<ID>,
    pub(crate) event_type: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct CreateAuthProfileResponse {
    pub(crate) auth_profile_id: Option<ID>,
}
