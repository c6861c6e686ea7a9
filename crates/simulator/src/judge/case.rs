//! Everything about one order, from all ledgers.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::judge::Asked;
use crate::judge::words::{PersonsFact, PersonsWord};
use crate::ledger::{
    CancelCall, CancellationRecord, Ledger, OmsMessage, OrderRecord, Payment, PayoutCall,
    RefundRecord,
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
    /// What people said of it.
    pub(super) words: Vec<&'a PersonsFact>,
}

/// How a refund comes to its end, rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled<'a> {
    /// The engine pays it through the provider, and reports it.
    ByEngine,
    /// A person said that this payment, over this sum, was made; the engine reports it.
    ByHand {
        payment_id: &'a str,
        amount: Decimal,
    },
    /// A person said that it is not to be paid.
    NotAtAll,
    /// Somebody else pays and reports it.
    ByOthers,
}

pub(super) type Cases<'a> = BTreeMap<&'a str, Case<'a>>;

pub(super) fn cases<'a>(
    asked: &'a [Asked],
    words: &'a [PersonsWord],
    ledger: &'a Ledger,
) -> Cases<'a> {
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
    for word in words {
        let case = cases.entry(&word.order_id).or_default();
        case.words.push(&word.fact);
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

    /// Is there an entry in this state that a call of the engine's led to?
    pub(super) fn has_own(&self, state: &str) -> bool {
        self.order.is_some_and(|order| {
            order
                .cancellations
                .iter()
                .any(|entry| entry.state == state && self.is_own(entry))
        })
    }

    fn is_own(&self, entry: &CancellationRecord) -> bool {
        self.accepted()
            .flat_map(|call| &call.aliases)
            .any(|alias| entry.aliases.contains(alias))
    }

    pub(super) fn said(&self, fact: &PersonsFact) -> bool {
        self.words.contains(&fact)
    }

    /// Did a person say what became of the cancellation?
    pub(super) fn was_decided_by_hand(&self) -> bool {
        self.said(&PersonsFact::Cancelled) || self.said(&PersonsFact::Rejected)
    }

    /// How a refund of the order comes to its end, rightly.
    pub(super) fn settled(&self, refund: &RefundRecord) -> Settled<'a> {
        // The last word counts.
        let said = self.words.iter().rev().find_map(|word| match word {
            PersonsFact::RefundPaid {
                refund_id,
                payment_id,
                amount,
            } if *refund_id == refund.id => Some(Settled::ByHand {
                payment_id,
                amount: *amount,
            }),
            PersonsFact::RefundNotDue { refund_id } if *refund_id == refund.id => {
                Some(Settled::NotAtAll)
            }
            _ => None,
        });
        said.unwrap_or(if refund.by_others {
            Settled::ByOthers
        } else {
            Settled::ByEngine
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
        let foreign = || {
            let entries = order.cancellations.iter();
            entries.filter(|entry| !self.is_own(entry))
        };
        if self.said(&PersonsFact::Withdrawn) {
            Some("a person withdrew it")
        } else if self.was_decided_by_hand() {
            Some("a person decided it")
        } else if foreign().any(|entry| entry.state != "REJECTED") {
            Some("somebody else cancelled")
        } else if foreign().next().is_some() {
            Some("somebody else's request was rejected")
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

    /// The refunds for which money is due, from the provider.
    pub(super) fn due(&self) -> impl Iterator<Item = &'a RefundRecord> {
        self.refunds().filter(|refund| {
            refund.amount > Decimal::ZERO && self.settled(refund) == Settled::ByEngine
        })
    }
}
