//! Arbitrary orders: whatever Amazon may show, sensible or not.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::cancellation::exemplars::orders::{
    DOUBLE, ORDER, OUR_TIME, PACKAGE_A, PACKAGE_B, REFUND, SHOPPERS_TIME, SINGLE, id, payment,
};
use crate::cancellation::exemplars::{EXTERNAL_ID, PAYMENT};
use crate::cancellation::order::{
    Alias, CancellationEntry, CancellationState, ItemQuantity, LineItem, Order, Package,
    PackageReason, PackageState, RefundDetails, RefundState, ReportedPayment, Requester,
};
use crate::strategies::money;

/// The members that are known by name, and one that is not.
macro_rules! open {
    ($type:ty) => {
        prop_oneof![
            9 => proptest::sample::select(<$type>::KNOWN),
            1 => Just(<$type>::from("SOMETHING_NEW")),
        ]
    };
}

pub(super) fn aliases() -> impl Strategy<Value = Alias> {
    let id = prop_oneof![3 => Just(EXTERNAL_ID), 1 => Just("of-somebody-else")];
    let kind = prop_oneof![5 => Just("EXT_CANCEL_ID"), 1 => Just("EXTERNAL_ID")];
    (id, kind)
        .prop_map(|(alias_id, alias_type)| Alias {
            alias_id: alias_id.to_owned(),
            alias_type: alias_type.to_owned(),
        })
        .boxed()
}

pub(super) fn refund_states() -> impl Strategy<Value = RefundState> {
    open!(RefundState).boxed()
}

pub(super) fn cancellation_states() -> impl Strategy<Value = CancellationState> {
    open!(CancellationState).boxed()
}

fn quantities() -> impl Strategy<Value = ItemQuantity> {
    let item = prop_oneof![Just(SINGLE), Just(DOUBLE), Just("another-line")];
    (item, 0_u32..4)
        .prop_map(|(item, quantity)| ItemQuantity {
            id: id(item),
            quantity: Decimal::from(quantity),
        })
        .boxed()
}

/// Packages, of which some say nothing about what is in them.
pub fn packages() -> impl Strategy<Value = Package> {
    let name = prop_oneof![Just(PACKAGE_A), Just(PACKAGE_B), Just("a-third-package")];
    let state = prop_oneof![2 => Just(PackageState::Pending), 3 => open!(PackageState)];
    (
        name,
        state,
        option::of(open!(PackageReason)),
        vec(quantities(), 0..3),
    )
        .prop_map(|(name, state, reason, contents)| Package {
            id: id(name),
            state,
            reason,
            contents,
        })
        .boxed()
}

/// Cancellation requests as read back, of ours and of others.
pub fn entries() -> impl Strategy<Value = CancellationEntry> {
    let created_at = prop_oneof![Just(OUR_TIME), Just(SHOPPERS_TIME)];
    let parts = (
        cancellation_states(),
        option::of(open!(Requester)),
        option::of(created_at),
        vec(aliases(), 0..2),
    );
    parts
        .prop_map(
            |(state, requested_by, created_at, aliases)| CancellationEntry {
                state,
                requested_by,
                created_at: created_at.map(str::to_owned),
                aliases,
                reason: None,
            },
        )
        .boxed()
}

fn payments() -> impl Strategy<Value = ReportedPayment> {
    let name = prop_oneof![Just(PAYMENT), Just("pay-1-2"), Just("pay-of-somebody-else")];
    name.prop_map(|name| payment(name, 10_00)).boxed()
}

/// Refunds of any kind, with amounts that may be missing.
pub fn refunds() -> impl Strategy<Value = RefundDetails> {
    let name = prop_oneof![3 => Just(REFUND), 1 => Just("a-second-refund")];
    let reason = prop_oneof![
        4 => Just(Some("CANCELLED_ORDER")),
        1 => Just(Some("DELIVERY_ISSUES")),
        1 => Just(Some("RETURN_RECEIVED")),
        1 => Just(None),
    ];
    let parts = (
        name,
        prop_oneof![2 => Just(RefundState::Pending), 2 => refund_states()],
        reason,
        option::weighted(0.9, money()),
        vec(payments(), 0..2),
    );
    parts
        .prop_map(|(name, state, reason, total, payments)| RefundDetails {
            id: id(name),
            state,
            reason: reason.map(str::to_owned),
            total,
            line_items: Vec::new(),
            payments,
        })
        .boxed()
}

fn lines() -> impl Strategy<Value = Vec<LineItem>> {
    (any::<bool>(), 0_u32..4, proptest::bool::weighted(0.2))
        .prop_map(|(both, quantity, merchant_fulfilled)| {
            let line = |name, quantity, merchant_fulfilled| LineItem {
                id: id(name),
                quantity: Decimal::from(quantity),
                merchant_fulfilled,
            };
            let mut lines = vec![line(SINGLE, 1, false)];
            if both {
                lines.push(line(DOUBLE, quantity, merchant_fulfilled));
            }
            lines
        })
        .boxed()
}

/// Orders of any kind; one in twenty is another order than the one that was asked for.
pub fn orders() -> impl Strategy<Value = Order> {
    let name = prop_oneof![19 => Just(ORDER), 1 => Just("322-ANOTHER")];
    let parts = (
        name,
        lines(),
        vec(packages(), 0..4),
        vec(entries(), 0..3),
        vec(refunds(), 0..3),
    );
    parts
        .prop_map(
            |(name, line_items, packages, cancellations, refunds)| Order {
                id: id(name),
                line_items,
                packages,
                cancellations,
                refunds,
            },
        )
        .boxed()
}
