//! What happens later: a queue of deeds by due time. Whoever opens the books first does what is due,
//! so that nobody ever sees a world that is behind its time.

use std::collections::BTreeMap;

use crate::scenario::Scenario;
use crate::world::events::EventKind;
use crate::world::mishaps::Twist;
use crate::world::order::{
    CancellationState, Contents, Order, PackageReason, PackageState, RefundReason, Tick,
};
use crate::world::refunding::Asking;
use crate::world::{Books, World, content};

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Amazon decides a cancellation.
    Decide { order: String, cancellation: usize },
    /// The pending packages leave.
    Ship { order: String },
    /// The order, or its packages, appear.
    Appear { order: String },
    /// Somebody else asks for the cancellation.
    ForeignCancels { order: String },
    /// Packages are cancelled without anybody's request.
    Fail { order: String },
    /// A refund appears.
    AskRefund { order: String, asking: Asking },
    /// A package is changed by the sandbox.
    Package {
        order: String,
        package: String,
        state: PackageState,
        reason: Option<PackageReason>,
    },
    /// A payment comes to its end.
    Settle { payment: usize },
}

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    deeds: BTreeMap<(Tick, u64), Deed>,
    planned: u64,
}

impl Timeline {
    pub(crate) fn plan(&mut self, due: Tick, deed: Deed) {
        self.planned += 1;
        self.deeds.insert((due, self.planned), deed);
    }

    fn take_due(&mut self, now: Tick) -> Option<(Tick, Deed)> {
        let first = self.deeds.first_entry()?;
        let (due, _) = *first.key();
        (due <= now).then(|| (due, first.remove()))
    }

    pub(crate) fn len(&self) -> usize {
        self.deeds.len()
    }

    pub(crate) fn next_due(&self) -> Option<Tick> {
        self.deeds.keys().next().map(|(due, _)| *due)
    }
}

impl World {
    /// Does everything that is due.
    pub(crate) fn advance(&self, books: &mut Books, now: Tick) {
        while let Some((due, deed)) = books.timeline.take_due(now) {
            self.perform(books, due, deed);
        }
    }

    /// When something is next due: a deed, or a delivery when there is a sink for it.
    pub(crate) fn next_due(&self, deliverable: bool) -> Option<Tick> {
        let (books, _) = self.books();
        let deed = books.timeline.next_due();
        let delivery = if deliverable {
            books.outbox.next_due()
        } else {
            None
        };
        [deed, delivery].into_iter().flatten().min()
    }

    fn perform(&self, books: &mut Books, now: Tick, deed: Deed) {
        match deed {
            Deed::Decide {
                order,
                cancellation,
            } => self.decide(books, now, &order, cancellation),
            Deed::Ship { order } => self.ship(books, now, &order),
            Deed::Appear { order } => self.appear(books, now, &order),
            Deed::ForeignCancels { order } => self.foreign_cancels(books, now, &order),
            Deed::Fail { order } => self.fail(books, now, &order),
            Deed::AskRefund { order, asking } => self.ask_refund(books, now, &order, asking),
            Deed::Package {
                order,
                package,
                state,
                reason,
            } => self.change_package(books, now, &order, &package, state, reason),
            Deed::Settle { payment } => books.provider.settle(payment),
        }
    }

    pub(crate) fn plan(&self, books: &mut Books, due: Tick, deed: Deed) {
        books.timeline.plan(due, deed);
        self.changed.notify_one();
    }

    /// What begins at an order's creation, because nobody will ask for it.
    pub(crate) fn begin_by_itself(
        &self,
        books: &mut Books,
        id: &str,
        scenario: Scenario,
        now: Tick,
    ) {
        let due = now
            + self
                .laws
                .pace
                .decision
                .draw(self.laws.seed, &["itself", id]);
        let order = id.to_owned();
        match scenario {
            Scenario::ShopperObserved => self.plan(books, due, Deed::ForeignCancels { order }),
            Scenario::Unfulfillable | Scenario::Undeliverable => {
                self.plan(books, due, Deed::Fail { order });
            }
            _ => {}
        }
    }

    /// What begins at the first look. Counted from there, since nobody knows how long an order waits
    /// for it.
    pub(crate) fn first_look(&self, books: &mut Books, id: &str, now: Tick) {
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut entry.looked_at, true) {
            return;
        }
        let scenario = entry.scenario;
        let is_preceded = entry.twist == Twist::ForeignBefore;
        let (seed, pace) = (self.laws.seed, &self.laws.pace);
        let order = id.to_owned();
        match scenario {
            _ if is_preceded => {
                self.plan_decision(books, now, id, 0);
            }
            Scenario::AppearsLate | Scenario::NoPackagesYet => {
                let due = now.saturating_add(pace.appear.draw(seed, &["appear", id]));
                self.plan(books, due, Deed::Appear { order });
            }
            Scenario::ShipsMeanwhile => self.set_off(books, id, now),
            Scenario::ShopperPending => {
                self.plan_decision(books, now, id, 0);
            }
            // The cancellation stands already; only what follows from it is still to come.
            Scenario::ShopperCancelled => self.set_off_refunds(books, id, now),
            _ => {}
        }
    }

    /// Sets the shipment in motion, once.
    pub(crate) fn set_off(&self, books: &mut Books, id: &str, now: Tick) {
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut entry.shipping, true) {
            return;
        }
        let due = now.saturating_add(self.laws.pace.ship.draw(self.laws.seed, &["ship", id]));
        let order = id.to_owned();
        self.plan(books, due, Deed::Ship { order });
    }

    pub(crate) fn decide(&self, books: &mut Books, now: Tick, id: &str, nth: usize) {
        let Some((_, mut order)) = Self::edit(books, id) else {
            return;
        };
        let at = self.at(now);
        let can_succeed = order.packages.iter().all(|package| {
            matches!(
                package.state,
                PackageState::Pending | PackageState::Cancelled
            )
        });
        let success = can_succeed && self.succeeds(books, id, &order, nth);
        let Some(entry) = order.cancellations.get_mut(nth) else {
            return;
        };
        if entry.state != CancellationState::Pending {
            return;
        }
        entry.state = if success {
            CancellationState::Success
        } else {
            CancellationState::Rejected
        };
        entry.updated_at = at;
        if success {
            let cancelled = cancel_packages(&mut order, PackageReason::CustomerRequested);
            self.store(books, id, now, order);
            self.announce_packages(books, now, id, cancelled);
            self.set_off_refunds(books, id, now);
            self.after_decision(books, now, id, nth);
        } else {
            // What somebody else may still have cancelled, or has, does not leave.
            let stands = order.is_cancelled_or_pending();
            self.store(books, id, now, order);
            if !self.after_decision(books, now, id, nth) && !stands {
                self.set_off(books, id, now);
            }
        }
    }

    /// A cancellation that is decided in the answer itself (X4) has the same consequences.
    pub(crate) fn decided_at_once(&self, books: &mut Books, now: Tick, id: &str, success: bool) {
        if success {
            let Some((_, mut order)) = Self::edit(books, id) else {
                return;
            };
            let cancelled = cancel_packages(&mut order, PackageReason::CustomerRequested);
            self.store(books, id, now, order);
            self.announce_packages(books, now, id, cancelled);
            self.set_off_refunds(books, id, now);
        } else {
            self.set_off(books, id, now);
        }
    }

    fn announce_packages(&self, books: &mut Books, now: Tick, id: &str, packages: Vec<String>) {
        for package in packages {
            self.publish(books, now, EventKind::PackageCancelled, id, &package);
        }
    }

    fn ship(&self, books: &mut Books, now: Tick, id: &str) {
        Self::note_shipment(books, id);
        let Some((_, mut order)) = Self::edit(books, id) else {
            return;
        };
        let mut shipped = Vec::new();
        for package in &mut order.packages {
            if package.state == PackageState::Pending {
                package.state = PackageState::InTransit;
                shipped.push(package.id.clone());
            }
        }
        if shipped.is_empty() {
            return;
        }
        let at = self.at(now);
        // What was still being tried cannot succeed any more.
        for entry in &mut order.cancellations {
            if entry.state == CancellationState::Pending {
                entry.state = CancellationState::Rejected;
                entry.updated_at.clone_from(&at);
            }
        }
        self.store(books, id, now, order);
        for package in shipped {
            self.publish(books, now, EventKind::PackageInTransit, id, &package);
        }
    }

    pub(crate) fn appear(&self, books: &mut Books, now: Tick, id: &str) {
        let Some((scenario, mut order)) = Self::edit(books, id) else {
            return;
        };
        order.exists = true;
        order.started = true;
        if order.packages.is_empty() {
            order.packages = content::packages(self.laws.seed, &order, scenario);
        }
        self.store(books, id, now, order);
    }

    /// Unfulfillable: the last package cannot be picked, the others leave. Undeliverable: everything
    /// was on its way and comes back.
    fn fail(&self, books: &mut Books, now: Tick, id: &str) {
        let Some((scenario, mut order)) = Self::edit(books, id) else {
            return;
        };
        let (reason, refund_reason) = if scenario == Scenario::Undeliverable {
            (PackageReason::Undeliverable, RefundReason::DeliveryIssues)
        } else {
            (PackageReason::Unfulfillable, RefundReason::CancelledOrder)
        };
        let last = order.packages.len().saturating_sub(1);
        let mut cancelled = Vec::new();
        let mut shipped = Vec::new();
        let mut contents = Contents::new();
        for (n, package) in order.packages.iter_mut().enumerate() {
            if reason == PackageReason::Undeliverable || n == last {
                package.state = PackageState::Cancelled;
                package.reason = Some(reason);
                contents.extend(package.contents.iter().copied());
                cancelled.push(package.id.clone());
            } else {
                package.state = PackageState::InTransit;
                shipped.push(package.id.clone());
            }
        }
        let amount = order.price_of(&contents);
        self.store(books, id, now, order);
        for package in shipped {
            self.publish(books, now, EventKind::PackageInTransit, id, &package);
        }
        self.announce_packages(books, now, id, cancelled);
        self.plan_refund(books, now, id, contents, amount, refund_reason);
    }
}

/// Cancels the pending packages; answers with their ids.
fn cancel_packages(order: &mut Order, reason: PackageReason) -> Vec<String> {
    order
        .packages
        .iter_mut()
        .filter(|package| package.state == PackageState::Pending)
        .map(|package| {
            package.state = PackageState::Cancelled;
            package.reason = Some(reason);
            package.id.clone()
        })
        .collect()
}
