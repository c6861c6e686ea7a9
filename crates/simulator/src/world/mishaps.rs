//! What goes wrong with an order beyond its scenario: drawn from the seed and the order's id, and
//! set off by what the caller does, so that it strikes where it hurts.

use std::sync::Arc;

use crate::chaos::Chaos;
use crate::scenario::Scenario;
use crate::world::happenings::Happening;
use crate::world::order::{CancellationState, Order, PackageState, Requester, Tick};
use crate::world::timeline::Deed;
use crate::world::{Books, World, content};

/// What goes wrong with an order, beyond its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// Somebody else has asked before the first look.
    ForeignBefore,
    /// Somebody else asks right after the second look: the one before our request, as a rule.
    ForeignBetween,
    /// Somebody else asks while ours is pending.
    ForeignDuring,
    /// Somebody else asks after ours was decided.
    ForeignAfter,
    /// The packages leave right after the first look.
    ShipsAfterLook,
    /// The packages leave right after the second look.
    ShipsBeforeSend,
    /// The packages leave while ours is pending.
    ShipsWhilePending,
    /// `cancelOrder` answers with the end result.
    AtOnce,
}

impl Twist {
    /// Per mille of the orders drawn from the mix, under heavy chaos; the rest has none.
    const RATES: [(Self, u64); 8] = [
        (Self::ForeignBefore, 70),
        (Self::ForeignBetween, 70),
        (Self::ForeignDuring, 70),
        (Self::ForeignAfter, 70),
        (Self::ShipsAfterLook, 50),
        (Self::ShipsBeforeSend, 50),
        (Self::ShipsWhilePending, 50),
        (Self::AtOnce, 70),
    ];
}

impl Chaos {
    const fn by(self, light: u64, heavy: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Light => light,
            Self::Heavy => heavy,
        }
    }

    /// Per mille of cancellations whose alias readers see late.
    pub(crate) const fn hidden_alias_rate(self) -> u64 {
        self.by(150, 300)
    }

    /// Per mille of reads that do not find the order.
    pub(crate) const fn not_found_rate(self) -> u64 {
        self.by(0, 25)
    }

    /// Per mille of refunds that appear late.
    pub(crate) const fn late_refund_rate(self) -> u64 {
        self.by(0, 150)
    }

    /// Per mille of refunds, of drawn orders, that somebody else has brought to their end.
    pub(crate) const fn refund_by_others_rate(self) -> u64 {
        self.by(0, 50)
    }

    /// Per mille of refunds whose amount looks odd.
    pub(crate) const fn odd_amount_rate(self) -> u64 {
        self.by(100, 200)
    }
}

/// Late refunds appear later than the latest others, by this factor.
const LATE: u32 = 4;

impl World {
    /// Which twist a drawn order gets. Only orders that somebody asks to be cancelled, and that can
    /// be at the first look, have any.
    pub(crate) fn twist(&self, id: &str, scenario: Scenario) -> Twist {
        let fits = matches!(
            scenario,
            Scenario::Happy
                | Scenario::TwoRefunds
                | Scenario::NoRefund
                | Scenario::ZeroRefund
                | Scenario::SplitLine
                | Scenario::Rejected
                | Scenario::PartialPayout
                | Scenario::PendingPayout
        );
        if !fits || self.laws.chaos != Chaos::Heavy {
            return Twist::None;
        }
        let mut drawn = self.laws.seed.below(1_000, &["twist", id]);
        for (twist, rate) in Twist::RATES {
            if drawn < rate {
                return twist;
            }
            drawn -= rate;
        }
        Twist::None
    }

    /// Who else asks for the cancellation of an order.
    fn stranger(&self, id: &str, scenario: Scenario) -> Requester {
        if matches!(
            scenario,
            Scenario::ShopperCancelled | Scenario::ShopperPending | Scenario::ShopperObserved
        ) {
            return Requester::Shopper;
        }
        match self.laws.seed.below(3, &["stranger", id]) {
            0 => Requester::Shopper,
            1 => Requester::Agent,
            _ => Requester::Merchant,
        }
    }

    /// Somebody else asks for the cancellation: Amazon will decide it.
    pub(crate) fn foreign_cancels(&self, books: &mut Books, now: Tick, id: &str) {
        let Some((scenario, mut order)) = Self::edit(books, id) else {
            return;
        };
        let nth = self.add_foreign(books, now, &mut order, scenario);
        self.store(books, id, now, order);
        self.plan_decision(books, now, id, nth);
    }

    /// Adds the request of somebody else, and notes when it came.
    pub(crate) fn add_foreign(
        &self,
        books: &mut Books,
        now: Tick,
        order: &mut Order,
        scenario: Scenario,
    ) -> usize {
        let nth = order.cancellations.len();
        let by = self.stranger(&order.id, scenario);
        let mut ours = order.cancellations.iter().filter(|entry| entry.is_ours());
        let happened = &mut books.happenings;
        if scenario.is_requested() {
            happened.count(match ours.next_back().map(|entry| entry.state) {
                None => Happening::ForeignBefore,
                Some(CancellationState::Pending) => Happening::ForeignDuring,
                Some(_) => Happening::ForeignAfter,
            });
        }
        happened.count(match by {
            Requester::Shopper => Happening::ForeignByShopper,
            Requester::Agent => Happening::ForeignByAgent,
            Requester::Merchant => Happening::ForeignByConsole,
        });
        order.cancellations.push(content::foreign(
            self.laws.seed,
            &order.id,
            nth,
            by,
            CancellationState::Pending,
            &self.at(now),
        ));
        nth
    }

    /// Amazon decides the `nth` cancellation of an order in its own time.
    pub(crate) fn plan_decision(&self, books: &mut Books, now: Tick, id: &str, nth: usize) -> Tick {
        let label = nth.to_string();
        let pace = self.laws.pace.decision;
        let delay = pace.draw(self.laws.seed, &["decision", id, &label]);
        let deed = Deed::Decide {
            order: id.to_owned(),
            cancellation: nth,
        };
        self.plan(books, now.saturating_add(delay), deed);
        delay
    }

    /// Will the `nth` cancellation succeed, if the packages allow it?
    pub(crate) fn succeeds(&self, books: &Books, id: &str, order: &Order, nth: usize) -> bool {
        use crate::scenario::Decision;
        let (Some(entry), Some(cancellation)) =
            (books.orders.get(id), order.cancellations.get(nth))
        else {
            return false;
        };
        let accepts = matches!(
            entry.decision(),
            Decision::Success | Decision::SuccessAtOnce
        );
        let label = nth.to_string();
        let draw = |rate| self.laws.seed.per_mille(rate, &["succeeds", id, &label]);
        let preceded = order
            .cancellations
            .iter()
            .any(|other| other.state == CancellationState::Success && !other.is_ours());
        if cancellation.is_ours() {
            // What somebody else has cancelled already need not be cancelled again.
            accepts && (!preceded || draw(500))
        } else if entry.twist == Twist::None {
            accepts
        } else if accepts {
            draw(700)
        } else {
            entry.twist == Twist::ForeignAfter
        }
    }

    /// What a read sets off.
    pub(crate) fn after_read(&self, books: &mut Books, now: Tick, id: &str, shown: &Arc<Order>) {
        let Some(entry) = books.orders.get(id) else {
            return;
        };
        let untouched = shown.is_all_pending() && entry.current().cancellations.is_empty();
        if !untouched {
            return;
        }
        match (entry.twist, entry.reads) {
            (Twist::ForeignBetween, 2) => {
                let order = id.to_owned();
                self.plan(books, now, Deed::ForeignCancels { order });
            }
            (Twist::ShipsAfterLook, 1) | (Twist::ShipsBeforeSend, 2) => {
                self.ships_at(books, id, now);
            }
            _ => {}
        }
    }

    /// What the acceptance of a `cancelOrder` sets off, decided after `delay`.
    pub(crate) fn after_acceptance(&self, books: &mut Books, now: Tick, id: &str, delay: Tick) {
        let Some(entry) = books.orders.get(id) else {
            return;
        };
        let between = now.saturating_add(delay / 2);
        let order = id.to_owned();
        match entry.twist {
            Twist::ForeignDuring => self.plan(books, between, Deed::ForeignCancels { order }),
            Twist::ShipsWhilePending => self.ships_at(books, id, between),
            _ => {}
        }
    }

    /// What a decision sets off; `nth` was decided just now. Answers whether it takes the place of
    /// a shipment.
    pub(crate) fn after_decision(
        &self,
        books: &mut Books,
        now: Tick,
        id: &str,
        nth: usize,
    ) -> bool {
        let Some(entry) = books.orders.get(id) else {
            return false;
        };
        let ours = entry.current().cancellations.get(nth);
        let strikes = entry.twist == Twist::ForeignAfter
            && nth == 0
            && ours.is_some_and(super::order::Cancellation::is_ours);
        if strikes {
            let delay = self.laws.pace.ship.draw(self.laws.seed, &["ship", id]);
            let order = id.to_owned();
            self.plan(
                books,
                now.saturating_add(delay),
                Deed::ForeignCancels { order },
            );
        }
        strikes
    }

    fn ships_at(&self, books: &mut Books, id: &str, due: Tick) {
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        if !std::mem::replace(&mut entry.shipping, true) {
            let order = id.to_owned();
            self.plan(books, due, Deed::Ship { order });
        }
    }

    /// Notes that pending packages are about to leave.
    pub(crate) fn note_shipment(books: &mut Books, id: &str) {
        let Some(entry) = books.orders.get(id) else {
            return;
        };
        let order = entry.current();
        let pending = order
            .cancellations
            .iter()
            .any(|entry| entry.state == CancellationState::Pending);
        let early = order.cancellations.is_empty() && entry.reads > 0;
        books
            .happenings
            .count_if(pending, Happening::ShippedWhilePending);
        books
            .happenings
            .count_if(early, Happening::ShippedAfterLook);
    }

    /// How much later than usual a refund appears.
    pub(crate) fn refund_lateness(&self, books: &mut Books, id: &str, nth: &str) -> Tick {
        let (seed, pace) = (self.laws.seed, &self.laws.pace);
        let rate = self.laws.chaos.late_refund_rate();
        if !seed.per_mille(rate, &["late refund", id, nth]) {
            return Tick::ZERO;
        }
        books.happenings.count(Happening::LateRefund);
        pace.refund.max.saturating_mul(LATE - 1)
    }

    /// Sets right what a person was needed for. `None` where there is no such order; `false` where
    /// nothing was wrong, or it was set right already.
    pub(crate) fn heal(&self, id: &str) -> Option<bool> {
        let (mut books, now) = self.books();
        let books = &mut *books;
        self.summon(books, id, now);
        let entry = books.orders.get_mut(id)?;
        if entry.scenario.provokes().is_none() || std::mem::replace(&mut entry.healed, true) {
            return Some(false);
        }
        let scenario = entry.scenario;
        match scenario {
            Scenario::NeverReady | Scenario::NotFound => self.appear(books, now, id),
            Scenario::NeverDecides => {
                let open: Vec<usize> = entry
                    .current()
                    .cancellations
                    .iter()
                    .enumerate()
                    .filter(|(_, entry)| entry.state == CancellationState::Pending)
                    .map(|(nth, _)| nth)
                    .collect();
                for nth in open {
                    self.decide(books, now, id, nth);
                }
            }
            _ => self.heal_refunds(books, now, id),
        }
        self.changed.notify_one();
        Some(true)
    }
}

/// Is any package of it on its way already?
pub(crate) fn has_left(order: &Order) -> bool {
    order.packages.iter().any(|package| {
        matches!(
            package.state,
            PackageState::InTransit | PackageState::Delivered
        )
    })
}
