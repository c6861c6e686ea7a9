//! An order as Amazon keeps it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::ledger::{
    AliasRecord, CancellationRecord, OrderRecord, PackageRecord, PaymentPart, RefundRecord,
};
use crate::scenario::{Decision, Scenario};
use crate::world::mishaps::Twist;

/// Time since the world began.
pub(crate) type Tick = Duration;

/// A quantity of a line item, by the line item's place in the order.
pub(crate) type Contents = Vec<(usize, Decimal)>;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($variant,)*
        }

        impl $name {
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

named! {
    /// Where a package is.
    PackageState {
        Pending = "PENDING",
        InTransit = "IN_TRANSIT",
        Delivered = "DELIVERED",
        Cancelled = "CANCELLED",
    }
}

named! {
    /// Why a package was cancelled.
    PackageReason {
        CustomerRequested = "CUSTOMER_REQUESTED",
        Unfulfillable = "UNFULFILLABLE",
        Undeliverable = "UNDELIVERABLE",
    }
}

named! {
    /// Where a cancellation is.
    CancellationState {
        Pending = "PENDING",
        Success = "SUCCESS",
        Rejected = "REJECTED",
    }
}

named! {
    /// Who asked for a cancellation.
    Requester {
        Merchant = "MERCHANT",
        Shopper = "SHOPPER",
        Agent = "BWP_CUSTOMER_SERVICE_AGENT",
    }
}

named! {
    /// Where a refund is.
    RefundState {
        Pending = "PENDING",
        Partial = "PARTIAL",
        Failure = "FAILURE",
        Success = "SUCCESS",
        Rejected = "REJECTED",
    }
}

named! {
    /// Why a refund is asked for.
    RefundReason {
        CancelledOrder = "CANCELLED_ORDER",
        DeliveryIssues = "DELIVERY_ISSUES",
    }
}

impl RefundState {
    /// Reference 3.6, with U6: REJECTED is reached from PENDING only, and final.
    pub(crate) const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => true,
            Self::Failure => matches!(next, Self::Partial | Self::Failure | Self::Success),
            Self::Partial => matches!(next, Self::Partial | Self::Success),
            Self::Success => matches!(next, Self::Success),
            Self::Rejected => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LineItem {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) quantity: Decimal,
    /// For all of the quantity.
    pub(crate) price: Decimal,
}

#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) state: PackageState,
    pub(crate) reason: Option<PackageReason>,
    pub(crate) contents: Contents,
}

#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    pub(crate) id: String,
    pub(crate) state: CancellationState,
    pub(crate) requested_by: Requester,
    pub(crate) reason: Option<String>,
    pub(crate) comments: Option<String>,
    pub(crate) aliases: Vec<AliasRecord>,
    /// From when readers see its aliases.
    pub(crate) aliases_from: Tick,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

impl Cancellation {
    /// Did a program ask for it, one that gives aliases as we do?
    pub(crate) fn is_ours(&self) -> bool {
        !self.aliases.is_empty()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RefundPayment {
    pub(crate) part: PaymentPart,
    pub(crate) state: Option<String>,
    pub(crate) display: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) at: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) state: RefundState,
    pub(crate) reason: RefundReason,
    pub(crate) status_reason: Option<String>,
    /// What Amazon asks for. Shown as the total until the first report.
    pub(crate) amount: Decimal,
    pub(crate) reported_total: Option<Decimal>,
    /// Did somebody else move it?
    pub(crate) by_others: bool,
    /// Is its amount left out, until a total is reported?
    pub(crate) without_amount: bool,
    /// Is its reason left out?
    pub(crate) without_reason: bool,
    pub(crate) contents: Contents,
    pub(crate) payments: Vec<RefundPayment>,
    pub(crate) aliases: Vec<AliasRecord>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// One version of an order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// Does Amazon show it at all?
    pub(crate) exists: bool,
    pub(crate) started: bool,
    pub(crate) aliases: Vec<AliasRecord>,
    pub(crate) line_items: Vec<LineItem>,
    pub(crate) currency: String,
    pub(crate) packages: Vec<Package>,
    pub(crate) cancellations: Vec<Cancellation>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

impl Order {
    pub(crate) fn total(&self) -> Decimal {
        self.line_items.iter().map(|item| item.price).sum()
    }

    /// Everything that was ordered.
    pub(crate) fn everything(&self) -> Contents {
        self.line_items
            .iter()
            .enumerate()
            .map(|(index, item)| (index, item.quantity))
            .collect()
    }

    /// The price of some of it, exact where the quantity divides the price.
    pub(crate) fn price_of(&self, contents: &Contents) -> Decimal {
        contents
            .iter()
            .filter_map(|(index, quantity)| {
                let item = self.line_items.get(*index)?;
                item.price
                    .checked_mul(*quantity)?
                    .checked_div(item.quantity)
            })
            .sum()
    }

    /// Reference 3.2: PENDING means that at least one package is.
    pub(crate) fn package_summary(&self) -> Option<PackageState> {
        let any = |state| self.packages.iter().any(|package| package.state == state);
        [
            PackageState::Pending,
            PackageState::InTransit,
            PackageState::Delivered,
            PackageState::Cancelled,
        ]
        .into_iter()
        .find(|state| any(*state))
    }

    /// Is every package still where a cancellation is possible?
    pub(crate) fn is_all_pending(&self) -> bool {
        let pending = |package: &Package| package.state == PackageState::Pending;
        !self.packages.is_empty() && self.packages.iter().all(pending)
    }

    pub(crate) fn is_cancelled_or_pending(&self) -> bool {
        self.cancellations
            .iter()
            .any(|entry| entry.state != CancellationState::Rejected)
    }
}

/// An order through time: its newest version, and the ones that readers still see.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that happens once, whatever the others say"
)]
pub(crate) struct Entry {
    pub(crate) scenario: Scenario,
    current: Arc<Order>,
    /// Versions that are not yet seen, with the moment from which they are; moments never fall.
    unseen: VecDeque<(Tick, Arc<Order>)>,
    seen: Arc<Order>,
    pub(crate) versions: u64,
    pub(crate) reads: u64,
    /// Was what begins at the first look begun?
    pub(crate) looked_at: bool,
    /// Was the shipment already set in motion?
    pub(crate) shipping: bool,
    /// Were the refunds of a cancellation already set in motion?
    pub(crate) refunding: bool,
    /// Refunds that appeared or will.
    pub(crate) refunds_planned: usize,
    /// What goes wrong with it, beyond its scenario.
    pub(crate) twist: Twist,
    /// Was it drawn from the mix? Others were made to show their scenario, and show it.
    pub(crate) drawn: bool,
    /// Was what a person is needed for set right?
    pub(crate) healed: bool,
    /// What readers were shown of standing cancellations, and when they had it, since the last
    /// `cancelOrder`.
    pub(crate) shown: Vec<(Tick, bool)>,
    /// Reports of refunds that were refused for the scenario's sake.
    pub(crate) reports_refused: u32,
}

impl Entry {
    pub(crate) fn new(scenario: Scenario, order: Order) -> Self {
        let order = Arc::new(order);
        Self {
            scenario,
            current: Arc::clone(&order),
            unseen: VecDeque::new(),
            seen: order,
            versions: 0,
            reads: 0,
            looked_at: false,
            shipping: false,
            refunding: false,
            refunds_planned: 0,
            twist: Twist::None,
            drawn: false,
            healed: false,
            shown: Vec::new(),
            reports_refused: 0,
        }
    }

    /// What `cancelOrder` leads to, for this one.
    pub(crate) fn decision(&self) -> Decision {
        let at_once = self.twist == Twist::AtOnce;
        match self.scenario.decision() {
            Decision::Never if self.healed => Decision::Success,
            Decision::Success if at_once => Decision::SuccessAtOnce,
            Decision::Rejected if at_once => Decision::RejectedAtOnce,
            other => other,
        }
    }

    /// Is it in this scenario, and was nobody's help given yet?
    pub(crate) fn suffers(&self, scenario: Scenario) -> bool {
        self.scenario == scenario && !self.healed
    }

    /// From when readers see the newest version.
    pub(crate) fn settled_from(&self) -> Tick {
        self.unseen.back().map_or(Tick::ZERO, |(from, _)| *from)
    }

    /// Does a reader still see an older version?
    pub(crate) fn is_behind(&self, now: Tick) -> bool {
        self.settled_from() > now
    }

    /// The newest version.
    pub(crate) fn current(&self) -> &Arc<Order> {
        &self.current
    }

    /// The version that a reader sees now.
    pub(crate) fn seen_at(&mut self, now: Tick) -> Arc<Order> {
        while let Some((from, order)) = self.unseen.front() {
            if *from > now {
                break;
            }
            self.seen = Arc::clone(order);
            self.unseen.pop_front();
        }
        Arc::clone(&self.seen)
    }

    /// A new version, seen by readers from this moment on.
    pub(crate) fn replace(&mut self, order: Order, seen_from: Tick) {
        let order = Arc::new(order);
        self.current = Arc::clone(&order);
        self.versions += 1;
        let newest = self.unseen.back().map_or(Tick::ZERO, |(from, _)| *from);
        self.unseen.push_back((seen_from.max(newest), order));
    }

    pub(crate) fn record(&self) -> OrderRecord {
        let order = &self.current;
        OrderRecord {
            order_id: order.id.clone(),
            scenario: self.scenario,
            exists: order.exists,
            reads: self.reads,
            packages: order
                .packages
                .iter()
                .map(|package| PackageRecord {
                    id: package.id.clone(),
                    state: package.state.name().to_owned(),
                    reason: package.reason.map(|reason| reason.name().to_owned()),
                })
                .collect(),
            cancellations: order
                .cancellations
                .iter()
                .map(|entry| CancellationRecord {
                    state: entry.state.name().to_owned(),
                    requested_by: entry.requested_by.name().to_owned(),
                    aliases: entry.aliases.clone(),
                })
                .collect(),
            refunds: order
                .refunds
                .iter()
                .map(|refund| RefundRecord {
                    id: refund.id.clone(),
                    state: refund.state.name().to_owned(),
                    reason: refund.reason.name().to_owned(),
                    amount: refund.amount,
                    currency: order.currency.clone(),
                    reported_total: refund.reported_total,
                    payments: refund
                        .payments
                        .iter()
                        .map(|payment| payment.part.clone())
                        .collect(),
                    by_others: refund.by_others,
                })
                .collect(),
        }
    }
}
