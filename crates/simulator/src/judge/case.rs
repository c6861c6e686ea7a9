//! Everything about one order, from all ledgers.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::judge::Asked;
use crate::ledger::{
    CancelCall, Ledger, OmsMessage, OrderRecord, Payment, PayoutCall, RefundRecord,
};

/// Reasons for which a refund is paid without being asked about.
const PAYABLE: [&str; 2] = ["CANCELLED_ORDER", "DELIVERY_ISSUES"];

/// Events that begin something for an order that nobody asked about, in both generations of names.
const BEGINNINGS: [&str; 3] = [
    "PACKAGE_DELIVERY_CANCELLED",
    "DELIVERY_CANCELLED",
    "REFUND_REQUESTED",
];

/// Everything about one order.
#[derive(Default)]
pub(super) struct Case<'a> {
    /// How often it was asked for.
    pub(super) asked: usize,
    /// The cancellations that were asked for, where their ids are known.
    pub(super) cancellation_ids: Vec<&'a str>,
    /// Does the engine know of it: asked for, or heard of by event?
    pub(super) heard: bool,
    pub(super) order: Option<&'a OrderRecord>,
    pub(super) cancels: Vec<&'a CancelCall>,
    pub(super) payouts: Vec<&'a PayoutCall>,
    pub(super) payments: Vec<&'a Payment>,
    pub(super) oms: Vec<&'a OmsMessage>,
}

pub(super) type Cases<'a> = BTreeMap<&'a str, Case<'a>>;

pub(super) fn cases<'a>(asked: &'a [Asked], ledger: &'a Ledger) -> Cases<'a> {
    let mut cases = Cases::new();
    for order in &ledger.orders {
        cases.entry(&order.order_id).or_default().order = Some(order);
    }
    for asked in asked {
        let case = cases.entry(&asked.order_id).or_default();
        case.asked += 1;
        case.heard = true;
        case.cancellation_ids
            .extend(asked.cancellation_id.as_deref());
    }
    for event in &ledger.events {
        if event.acknowledged > 0 && BEGINNINGS.contains(&event.event_type.as_str()) {
            cases.entry(&event.order_id).or_default().heard = true;
        }
    }
    for call in &ledger.cancels {
        cases.entry(&call.order_id).or_default().cancels.push(call);
    }
    for call in &ledger.payouts {
        cases.entry(&call.order_id).or_default().payouts.push(call);
    }
    for payment in &ledger.payments {
        let case = cases.entry(&payment.order_id).or_default();
        case.payments.push(payment);
    }
    for message in &ledger.oms {
        cases
            .entry(&message.order_id)
            .or_default()
            .oms
            .push(message);
    }
    cases
}

impl<'a> Case<'a> {
    pub(super) fn is_asked(&self) -> bool {
        self.asked > 0
    }

    /// The `cancelOrder` calls that took effect.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &'a CancelCall> {
        self.cancels.iter().copied().filter(|call| call.accepted)
    }

    /// Does Amazon show it as cancelled by a request?
    pub(super) fn has_success(&self) -> bool {
        self.has_cancellation("SUCCESS")
    }

    /// Does Amazon show it as cancelled by a request of theirs?
    pub(super) fn has_success_of(&self, requested_by: &str) -> bool {
        self.order.is_some_and(|order| {
            order.cancellations.iter().any(|cancellation| {
                cancellation.state == "SUCCESS" && cancellation.requested_by == requested_by
            })
        })
    }

    pub(super) fn has_cancellation(&self, state: &str) -> bool {
        self.order.is_some_and(|order| {
            order
                .cancellations
                .iter()
                .any(|cancellation| cancellation.state == state)
        })
    }

    pub(super) fn has_package(&self, state: &str) -> bool {
        self.order
            .is_some_and(|order| order.packages.iter().any(|package| package.state == state))
    }

    /// Why it is right that we never cancelled it, by Amazon's own books.
    pub(super) fn why_no_cancel(&self) -> Option<&'static str> {
        let order = self.order?;
        if order
            .cancellations
            .iter()
            .any(|entry| entry.requested_by != "MERCHANT" && entry.state != "REJECTED")
        {
            Some("somebody else cancelled")
        } else if self
            .cancels
            .iter()
            .any(|call| !call.accepted && call.is_not_cancellable())
        {
            Some("Amazon refused")
        } else if ["IN_TRANSIT", "DELIVERED", "CANCELLED"]
            .into_iter()
            .any(|state| self.has_package(state))
        {
            Some("a package had left")
        } else {
            None
        }
    }

    /// The refunds that the engine has to see to: known to it, and for a reason that is ours.
    pub(super) fn refunds(&self) -> impl Iterator<Item = &'a RefundRecord> {
        self.order
            .filter(|_| self.heard)
            .into_iter()
            .flat_map(|order| &order.refunds)
            .filter(|refund| PAYABLE.contains(&refund.reason.as_str()))
    }

    /// The refunds for which money is due.
    pub(super) fn due(&self) -> impl Iterator<Item = &'a RefundRecord> {
        self.refunds()
            .filter(|refund| refund.amount > Decimal::ZERO)
    }
}
