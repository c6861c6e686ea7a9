//! The life of an order at Buy with Prime: what happens to it without us, in an order that can be,
//! and what is heard of it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::RefundId;
use crate::cancellation::exemplars::orders::{
    DOUBLE, PACKAGE_A, PACKAGE_B, SHOPPERS_TIME, SINGLE, entry, id, package, pieces, usd,
    with_packages,
};
use crate::cancellation::input::{Event, EventType, Named};
use crate::cancellation::order::{
    CancellationEntry, CancellationState, Order, Package, PackageReason, PackageState,
    RefundDetails, RefundState, Requester,
};

/// Something that happens to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Fulfilment begins: these packages appear, PENDING.
    Pack,
    /// A package leaves.
    Ship(&'static str),
    /// A package arrives.
    Deliver(&'static str),
    /// A package will not arrive.
    Drop(&'static str, PackageReason),
    /// Somebody who is not us asks for a cancellation.
    Ask(Requester),
    /// Amazon decides on it. After a SUCCESS every package is CANCELLED.
    Decide(CancellationState),
    /// Amazon asks for a refund.
    AskRefund {
        /// Its id.
        name: &'static str,
        /// How much, in cents of a US dollar.
        cents: u32,
        /// Why.
        reason: &'static str,
    },
    /// Amazon corrects its estimate of a refund that nothing was reported for.
    Estimate {
        /// Its id.
        name: &'static str,
        /// How much, in cents of a US dollar.
        cents: u32,
    },
}

/// How the pieces lie in the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// One package a line.
    ByLine,
    /// Everything in one package.
    Together,
    /// The line of two pieces is spread over both packages.
    Split,
}

/// The life of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// How the pieces lie in the packages, once there are any.
    pub packing: Packing,
    /// Are the packages there from the beginning?
    pub packed: bool,
    /// What happens, and how long after the beginning; in order.
    pub deeds: Vec<(Duration, Deed)>,
}

impl Life {
    /// The order as it is in the beginning.
    #[must_use]
    pub fn born(&self) -> Order {
        let mut order = with_packages(Vec::new());
        if self.packed {
            apply(&mut order, self.packing, &Deed::Pack);
        }
        order
    }

    /// The order as it is some time after the beginning.
    #[must_use]
    pub fn at(&self, age: Duration) -> Order {
        let mut order = self.born();
        for (_, deed) in self.deeds.iter().take_while(|(when, _)| *when <= age) {
            apply(&mut order, self.packing, deed);
        }
        order
    }

    /// The order as it is in the end.
    #[must_use]
    pub fn end(&self) -> Order {
        self.at(Duration::MAX)
    }

    /// The events that Amazon publishes, each with its time.
    #[must_use]
    pub fn events(&self) -> Vec<(Duration, Event)> {
        let mut order = self.born();
        let mut events = Vec::new();
        for (when, deed) in &self.deeds {
            let before = order.clone();
            apply(&mut order, self.packing, deed);
            events.extend(published(&before, &order).into_iter().map(|e| (*when, e)));
        }
        events
    }
}

/// What a deed changes. Deeds that cannot be change nothing.
pub fn apply(order: &mut Order, packing: Packing, deed: &Deed) {
    match deed {
        Deed::Pack if order.packages.is_empty() => order.packages = packed(packing),
        Deed::Pack => {}
        Deed::Ship(name) => {
            change(
                order,
                name,
                Some(&PackageState::Pending),
                PackageState::InTransit,
            );
        }
        Deed::Deliver(name) => {
            change(
                order,
                name,
                Some(&PackageState::InTransit),
                PackageState::Delivered,
            );
        }
        Deed::Drop(name, reason) => {
            if let Some(package) = change(order, name, None, PackageState::Cancelled) {
                package.reason = Some(reason.clone());
            }
        }
        Deed::Ask(who) => {
            let state = CancellationState::Pending;
            order
                .cancellations
                .push(entry(who.clone(), state, SHOPPERS_TIME, Vec::new()));
        }
        Deed::Decide(state) => decide(order, state, |entry| entry.aliases.is_empty()),
        Deed::AskRefund {
            name,
            cents,
            reason,
        } => order.refunds.push(RefundDetails {
            id: id::<RefundId>(name),
            state: RefundState::Pending,
            reason: Some((*reason).to_owned()),
            total: Some(usd(*cents)),
            line_items: Vec::new(),
            payments: Vec::new(),
        }),
        Deed::Estimate { name, cents } => {
            let named = order.refunds.iter_mut().find(|r| r.id.as_str() == *name);
            if let Some(refund) = named.filter(|refund| refund.state == RefundState::Pending) {
                refund.total = Some(usd(*cents));
            }
        }
    }
}

/// Brings a package from one state, or from any that is not final, to another.
fn change<'order>(
    order: &'order mut Order,
    name: &str,
    from: Option<&PackageState>,
    to: PackageState,
) -> Option<&'order mut Package> {
    let package = order.packages.iter_mut().find(|p| p.id.as_str() == name)?;
    let is_over = matches!(
        package.state,
        PackageState::Cancelled | PackageState::Delivered
    );
    if from.map_or(is_over, |from| *from != package.state) {
        return None;
    }
    package.state = to;
    Some(package)
}

/// Amazon decides on the undecided entries that `which` names. A package that has left PENDING turns
/// a SUCCESS into a rejection.
pub fn decide(
    order: &mut Order,
    state: &CancellationState,
    which: impl Fn(&CancellationEntry) -> bool,
) {
    let gone = |package: &Package| {
        matches!(
            package.state,
            PackageState::InTransit | PackageState::Delivered
        )
    };
    let state = if order.packages.iter().any(gone) {
        CancellationState::Rejected
    } else {
        state.clone()
    };
    let mut decided = false;
    for entry in &mut order.cancellations {
        if entry.state == CancellationState::Pending && which(entry) {
            entry.state = state.clone();
            decided = true;
        }
    }
    if decided && state == CancellationState::Success {
        for package in &mut order.packages {
            if package.state == PackageState::Pending {
                package.state = PackageState::Cancelled;
                package.reason = Some(PackageReason::CustomerRequested);
            }
        }
    }
}

fn packed(packing: Packing) -> Vec<Package> {
    let pending = PackageState::Pending;
    match packing {
        Packing::ByLine => vec![
            package(PACKAGE_A, pending.clone(), vec![pieces(SINGLE, 1)]),
            package(PACKAGE_B, pending, vec![pieces(DOUBLE, 2)]),
        ],
        Packing::Together => {
            let contents = vec![pieces(SINGLE, 1), pieces(DOUBLE, 2)];
            vec![package(PACKAGE_A, pending, contents)]
        }
        Packing::Split => {
            let contents = vec![pieces(SINGLE, 1), pieces(DOUBLE, 1)];
            vec![
                package(PACKAGE_A, pending.clone(), contents),
                package(PACKAGE_B, pending, vec![pieces(DOUBLE, 1)]),
            ]
        }
    }
}

/// The events by which Amazon tells of a change.
#[must_use]
pub fn published(before: &Order, after: &Order) -> Vec<Event> {
    let event = |event_type, names| Event {
        event_type,
        event_id: None,
        names,
    };
    let packages = after.packages.iter().filter_map(|package| {
        let known = before.packages.iter().find(|p| p.id == package.id);
        let changed = known.is_none_or(|known| known.state != package.state);
        let event_type = match package.state {
            PackageState::Cancelled => EventType::PackageDeliveryCancelled,
            PackageState::InTransit => EventType::PackageDeliveryInTransit,
            PackageState::Delivered => EventType::PackageDelivered,
            _ => return None,
        };
        let package_id = package.id.clone();
        changed.then(|| event(event_type, Named::Package { package_id }))
    });
    let refunds = after.refunds.iter().filter_map(|refund| {
        let known = before.refunds.iter().find(|known| known.id == refund.id);
        let refund_id = refund.id.clone();
        match known {
            None => Some(event(
                EventType::RefundRequested,
                Named::Refund { refund_id },
            )),
            Some(known) if known.state != refund.state && refund.state == RefundState::Success => {
                Some(event(
                    EventType::RefundCompleted,
                    Named::Refund { refund_id },
                ))
            }
            Some(_) => None,
        }
    });
    packages.chain(refunds).collect()
}

fn refunds(reason: &'static str) -> impl Strategy<Value = Vec<Deed>> {
    let names = ["3a7d51f09c2be846", "b14c8e7702d9f36a"];
    let cents = prop_oneof![1 => Just(0_u32), 8 => 1_u32..100_000];
    vec((cents, any::<bool>()), 0..=2)
        .prop_map(move |amounts| {
            let each = amounts
                .into_iter()
                .zip(names)
                .flat_map(|((cents, corrected), name)| {
                    let correction = Deed::Estimate {
                        name,
                        cents: cents.saturating_add(100),
                    };
                    let ask = Deed::AskRefund {
                        name,
                        cents,
                        reason,
                    };
                    std::iter::once(ask).chain((corrected && cents > 0).then_some(correction))
                });
            each.collect()
        })
        .boxed()
}

/// One story after the other, with what belongs to each.
fn stories() -> impl Strategy<Value = Vec<Deed>> {
    let others = prop_oneof![Just(Requester::Shopper), Just(Requester::ServiceAgent)];
    let cancelled = (others.clone(), refunds("CANCELLED_ORDER")).prop_map(|(who, refunds)| {
        let first = [Deed::Ask(who), Deed::Decide(CancellationState::Success)];
        first.into_iter().chain(refunds).collect()
    });
    let rejected = others.prop_map(|who| {
        vec![
            Deed::Ask(who),
            Deed::Decide(CancellationState::Rejected),
            Deed::Ship(PACKAGE_A),
            Deed::Ship(PACKAGE_B),
            Deed::Deliver(PACKAGE_A),
        ]
    });
    let unfulfillable = refunds("CANCELLED_ORDER").prop_map(|refunds| {
        let drop = Deed::Drop(PACKAGE_B, PackageReason::Unfulfillable);
        let ship = Deed::Ship(PACKAGE_A);
        [drop, ship].into_iter().chain(refunds).collect()
    });
    let undeliverable = refunds("DELIVERY_ISSUES").prop_map(|refunds| {
        let first = [
            Deed::Ship(PACKAGE_A),
            Deed::Ship(PACKAGE_B),
            Deed::Drop(PACKAGE_A, PackageReason::Undeliverable),
            Deed::Deliver(PACKAGE_B),
        ];
        first.into_iter().chain(refunds).collect()
    });
    let returned = refunds("RETURN_RECEIVED").prop_map(|refunds| {
        let first = [Deed::Ship(PACKAGE_A), Deed::Deliver(PACKAGE_A)];
        first.into_iter().chain(refunds).collect()
    });
    let both = refunds("CANCELLED_ORDER").prop_map(|refunds| {
        let first = [
            Deed::Drop(PACKAGE_B, PackageReason::Unfulfillable),
            Deed::Ask(Requester::Shopper),
            Deed::Decide(CancellationState::Success),
        ];
        first.into_iter().chain(refunds).collect()
    });
    prop_oneof![
        1 => Just(Vec::new()),
        1 => both,
        3 => cancelled,
        2 => rejected,
        2 => unfulfillable,
        1 => undeliverable,
        1 => returned,
        1 => Just(vec![Deed::Ship(PACKAGE_A), Deed::Ship(PACKAGE_B)]),
    ]
    .boxed()
}

/// Lives of orders: bought, packed, and then whatever may happen, within a day.
pub fn lives() -> impl Strategy<Value = Life> {
    let packing = prop_oneof![
        Just(Packing::ByLine),
        Just(Packing::Together),
        Just(Packing::Split),
    ];
    let late = proptest::bool::weighted(0.15);
    let gaps = vec(prop_oneof![3 => 1_u64..600, 1 => 600_u64..14_400], 12);
    (packing, late, stories(), gaps)
        .prop_map(|(packing, late, deeds, gaps)| {
            let first = late.then_some(Deed::Pack);
            let mut age = Duration::ZERO;
            let deeds = first.into_iter().chain(deeds).zip(gaps.into_iter().cycle());
            let deeds = deeds.map(|(deed, gap)| {
                age = age.saturating_add(Duration::from_secs(gap));
                (age, deed)
            });
            Life {
                packing,
                packed: !late,
                deeds: deeds.collect(),
            }
        })
        .boxed()
}

/// What is heard of a life: an event, or what a read of the order showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Event),
    /// A read that showed the order as it was after so many deeds.
    Read {
        /// How many deeds it knew of.
        deeds: usize,
    },
}

/// Everything that can be heard of a life, each once to three times, in any order.
pub fn hearings(life: &Life) -> impl Strategy<Value = Vec<Heard>> + use<> {
    let events = life
        .events()
        .into_iter()
        .map(|(_, event)| Heard::Event(event));
    let reads = (0..=life.deeds.len()).map(|deeds| Heard::Read { deeds });
    let once: Vec<Heard> = events.chain(reads).collect();
    let repeats = vec(1_usize..=3, once.len());
    repeats
        .prop_map(move |repeats| {
            let each = once.iter().zip(repeats);
            each.flat_map(|(heard, times)| std::iter::repeat_n(heard.clone(), times))
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
        .boxed()
}
