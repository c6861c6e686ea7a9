//! Orders as Buy with Prime shows them: one line of one piece (24.99 USD) and one of two pieces
//! (19.00 USD together), in the situations that matter to a cancellation.

use std::fmt::Debug;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::cancellation::order::{
    Alias, CancellationEntry, CancellationState, ItemQuantity, LineItem, Order, Package,
    PackageReason, PackageState, RefundDetails, RefundState, ReportedPayment, Requester,
};
use crate::{Currency, LineItemId, Money, OrderId, PackageId, PaymentId, RefundId};

/// The id of every order here.
pub const ORDER: &str = "322-T7QM-2LH9WD";
/// The line item of one piece.
pub const SINGLE: &str = "5c1d90be72-a4f8e3016d";
/// The line item of two pieces.
pub const DOUBLE: &str = "e07b46a19d-3f52c8d07b";
/// The package of the single piece.
pub const PACKAGE_A: &str = "4b0e6c1a-8f3d-4c57-a9e2-6d17f0b35c84";
/// The package of the two pieces.
pub const PACKAGE_B: &str = "c92a7f05-1e64-4d08-b3f9-02ad58e6714b";
/// The refund that follows.
pub const REFUND: &str = "3a7d51f09c2be846";
/// When an entry of a shopper was made, as Amazon writes it.
pub const SHOPPERS_TIME: &str = "2025-02-20T09:10:05.700Z";
/// When an entry of ours was made, as Amazon writes it.
pub const OUR_TIME: &str = "2025-02-20T09:13:22.138Z";

/// An id out of a constant.
///
/// # Panics
/// When the constant is no such id.
#[must_use]
pub fn id<T: FromStr<Err: Debug>>(constant: &str) -> T {
    constant
        .parse()
        .expect("the constants of the exemplars keep to the charset of ids")
}

/// An amount of US dollars, in cents.
///
/// # Panics
/// Never: every such amount can be kept.
#[must_use]
pub fn usd(cents: u32) -> Money {
    let currency = Currency::new("USD").expect("three capital letters");
    Money::new(Decimal::new(i64::from(cents), 2), currency).expect("not negative")
}

/// Some pieces of a line item.
#[must_use]
pub fn pieces(item: &str, quantity: u32) -> ItemQuantity {
    ItemQuantity {
        id: id::<LineItemId>(item),
        quantity: Decimal::from(quantity),
    }
}

/// A package.
#[must_use]
pub fn package(name: &str, state: PackageState, contents: Vec<ItemQuantity>) -> Package {
    Package {
        id: id::<PackageId>(name),
        state,
        reason: None,
        contents,
    }
}

/// An entry with these aliases.
#[must_use]
pub fn entry(
    by: Requester,
    state: CancellationState,
    created_at: &str,
    aliases: Vec<Alias>,
) -> CancellationEntry {
    CancellationEntry {
        state,
        requested_by: Some(by),
        created_at: Some(created_at.to_owned()),
        aliases,
        reason: None,
    }
}

/// A refund of everything, asked for because the order was cancelled.
#[must_use]
pub fn refund(state: RefundState) -> RefundDetails {
    RefundDetails {
        id: id::<RefundId>(REFUND),
        state,
        reason: Some("CANCELLED_ORDER".to_owned()),
        total: Some(usd(43_99)),
        line_items: vec![pieces(SINGLE, 1), pieces(DOUBLE, 2)],
        payments: Vec::new(),
    }
}

/// A payment as Amazon lists it.
#[must_use]
pub fn payment(name: &str, cents: u32) -> ReportedPayment {
    ReportedPayment {
        id: id::<PaymentId>(name),
        amount: Some(usd(cents)),
    }
}

/// The order with these packages.
#[must_use]
pub fn with_packages(packages: Vec<Package>) -> Order {
    let line = |name: &str, quantity: u32| LineItem {
        id: id::<LineItemId>(name),
        quantity: Decimal::from(quantity),
        merchant_fulfilled: false,
    };
    Order {
        id: id::<OrderId>(ORDER),
        line_items: vec![line(SINGLE, 1), line(DOUBLE, 2)],
        packages,
        cancellations: Vec::new(),
        refunds: Vec::new(),
    }
}

/// The order with its two packages in these states.
#[must_use]
pub fn with_states(a: PackageState, b: PackageState) -> Order {
    with_packages(vec![
        package(PACKAGE_A, a, vec![pieces(SINGLE, 1)]),
        package(PACKAGE_B, b, vec![pieces(DOUBLE, 2)]),
    ])
}

/// Everything is still PENDING.
#[must_use]
pub fn all_pending() -> Order {
    with_states(PackageState::Pending, PackageState::Pending)
}

/// One package is on its way. (Amazon's summary still says PENDING.)
#[must_use]
pub fn partially_shipped() -> Order {
    with_states(PackageState::InTransit, PackageState::Pending)
}

/// Fulfilment has not begun: no packages yet.
#[must_use]
pub fn no_packages() -> Order {
    with_packages(Vec::new())
}

/// The line of two pieces is spread over two packages, one of which is on its way.
#[must_use]
pub fn line_split() -> Order {
    with_packages(vec![
        package(
            PACKAGE_A,
            PackageState::Pending,
            vec![pieces(SINGLE, 1), pieces(DOUBLE, 1)],
        ),
        package(PACKAGE_B, PackageState::InTransit, vec![pieces(DOUBLE, 1)]),
    ])
}

/// One package could not be picked; the other one is on its way. No refund is visible yet.
#[must_use]
pub fn unfulfillable() -> Order {
    let mut order = with_states(PackageState::InTransit, PackageState::Cancelled);
    for package in &mut order.packages {
        if package.state == PackageState::Cancelled {
            package.reason = Some(PackageReason::Unfulfillable);
        }
    }
    order
}

/// As [`unfulfillable`], with the refund that Amazon asks for.
#[must_use]
pub fn unfulfillable_with_refund() -> Order {
    let mut order = unfulfillable();
    order.refunds.push(RefundDetails {
        total: Some(usd(19_00)),
        line_items: vec![pieces(DOUBLE, 2)],
        ..refund(RefundState::Pending)
    });
    order
}

/// A package is CANCELLED, and no cancellation is visible (yet).
#[must_use]
pub fn unexplained() -> Order {
    with_states(PackageState::Pending, PackageState::Cancelled)
}

/// The one package could not be delivered; a refund is asked for.
#[must_use]
pub fn undeliverable() -> Order {
    let contents = vec![pieces(SINGLE, 1), pieces(DOUBLE, 2)];
    let mut order = with_packages(vec![package(PACKAGE_A, PackageState::Cancelled, contents)]);
    for package in &mut order.packages {
        package.reason = Some(PackageReason::Undeliverable);
    }
    order.refunds.push(RefundDetails {
        reason: Some("DELIVERY_ISSUES".to_owned()),
        ..refund(RefundState::Pending)
    });
    order
}

/// An entry is there, and Amazon has not decided.
#[must_use]
pub fn cancelling(entry: CancellationEntry) -> Order {
    let mut order = all_pending();
    order.cancellations.push(entry);
    order
}

/// The order is cancelled, and these refunds are asked for.
#[must_use]
pub fn cancelled(entry: CancellationEntry, refunds: Vec<RefundDetails>) -> Order {
    let mut order = with_states(PackageState::Cancelled, PackageState::Cancelled);
    for package in &mut order.packages {
        package.reason = Some(PackageReason::CustomerRequested);
    }
    order.cancellations.push(entry);
    order.refunds = refunds;
    order
}

/// Amazon could not cancel; a package is on its way.
#[must_use]
pub fn not_cancelled(entry: CancellationEntry) -> Order {
    let mut order = partially_shipped();
    order.cancellations.push(entry);
    order
}

/// A shopper's entry.
#[must_use]
pub fn shoppers(state: CancellationState) -> CancellationEntry {
    entry(Requester::Shopper, state, SHOPPERS_TIME, Vec::new())
}

/// An entry with our alias.
#[must_use]
pub fn ours(state: CancellationState, alias: &Alias) -> CancellationEntry {
    entry(Requester::Merchant, state, OUR_TIME, vec![alias.clone()])
}
