//! An order as it was read: the part of Buy with Prime's `Order` that a cancellation looks at.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::open_enum::open_enum;
use crate::{LineItemId, Money, OrderId, PackageId, PaymentId, RefundId};

open_enum! {
    /// Where a package is (reference 3.2).
    PackageState {
        /// Picking may have begun, delivery is outstanding. Only now can an order be cancelled.
        Pending = "PENDING",
        /// On its way.
        InTransit = "IN_TRANSIT",
        /// Arrived.
        Delivered = "DELIVERED",
        /// Will not arrive; [`PackageReason`] tells why.
        Cancelled = "CANCELLED",
    }
}

open_enum! {
    /// Why a package was cancelled (reference 3.2).
    PackageReason {
        /// Somebody asked for it.
        CustomerRequested = "CUSTOMER_REQUESTED",
        /// An item could not be picked. Not the outcome of a request (X20).
        Unfulfillable = "UNFULFILLABLE",
        /// It was shipped and could not be delivered. Not the outcome of a request (X20).
        Undeliverable = "UNDELIVERABLE",
    }
}

open_enum! {
    /// Where a cancellation request is (reference 3.4).
    CancellationState {
        /// Asked for; Amazon is trying.
        Pending = "PENDING",
        /// The order will not be delivered.
        Success = "SUCCESS",
        /// Amazon could not cancel; the order will be delivered.
        Rejected = "REJECTED",
    }
}

open_enum! {
    /// Who asked for a cancellation (reference 3.4).
    Requester {
        /// The shopper, on the order page.
        Shopper = "SHOPPER",
        /// The merchant, by API or console.
        Merchant = "MERCHANT",
        /// Amazon's customer service.
        ServiceAgent = "BWP_CUSTOMER_SERVICE_AGENT",
    }
}

open_enum! {
    /// Where a refund is (reference 3.5).
    RefundState {
        /// Asked for; nothing was reported yet.
        Pending = "PENDING",
        /// A part was returned.
        Partial = "PARTIAL",
        /// A try failed; another may follow.
        Failure = "FAILURE",
        /// All was returned. Final.
        Success = "SUCCESS",
        /// Will not be returned. Final.
        Rejected = "REJECTED",
    }
}

/// A name that somebody gave to a thing at Buy with Prime (reference 3.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// The id, such as `web-1`.
    pub alias_id: String,
    /// The free-text kind, such as `EXT_CANCEL_ID`.
    pub alias_type: String,
}

/// A quantity of a line item, as Amazon gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemQuantity {
    /// Which line item.
    pub id: LineItemId,
    /// How many, in units of `ONE`.
    pub quantity: Decimal,
}

/// A line item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineItem {
    /// Its id.
    pub id: LineItemId,
    /// The ordered quantity.
    pub quantity: Decimal,
    /// Delivered by the merchant, not by Amazon: no package of Amazon's will ever cover it (U13).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merchant_fulfilled: bool,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its id; equals the delivery id in event paths.
    pub id: PackageId,
    /// Where it is.
    pub state: PackageState,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<PackageReason>,
    /// What is in it. Empty when Amazon did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<ItemQuantity>,
}

/// A cancellation request as read back from the order. It has no id (X10): the alias correlates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancellationEntry {
    /// Where it is.
    pub state: CancellationState,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
    /// When, as Amazon wrote it; compared for equality only (U22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Its aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// The reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A payment that was reported for a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedPayment {
    /// The id that was reported with it.
    pub id: PaymentId,
    /// How much; `None` when Amazon did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// A refund that Amazon asks for, or tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundDetails {
    /// Its id.
    pub id: RefundId,
    /// Where it is.
    pub state: RefundState,
    /// Why it is asked for, such as `CANCELLED_ORDER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// An estimate before the first report, the running total afterwards. `None` when it is missing
    /// or no sound amount: such a refund is never paid by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The line items it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_items: Vec<ItemQuantity>,
    /// The payments reported so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<ReportedPayment>,
}

/// An order as read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Its line items.
    pub line_items: Vec<LineItem>,
    /// Its packages, order-wide. Never judge by Amazon's *summary* of them (X22).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// The cancellation requests found under its line items, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancellations: Vec<CancellationEntry>,
    /// Its refunds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundDetails>,
}

impl Order {
    /// The packages that Amazon delivers: not those that are known to hold only what the merchant
    /// delivers (U13).
    pub fn amazon_packages(&self) -> impl Iterator<Item = &Package> {
        let by_merchant = |item: &ItemQuantity| {
            self.line_items
                .iter()
                .any(|line| line.id == item.id && line.merchant_fulfilled)
        };
        self.packages.iter().filter(move |package| {
            package.contents.is_empty() || !package.contents.iter().all(by_merchant)
        })
    }
}
