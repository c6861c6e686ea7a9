//! Refunds that Amazon asks for: which, when, and in which shape they appear.

use rust_decimal::Decimal;

use crate::scenario::{RefundPlan, Scenario};
use crate::world::events::EventKind;
use crate::world::happenings::Happening;
use crate::world::order::{Contents, Order, Refund, RefundReason, RefundState, Tick};
use crate::world::timeline::Deed;
use crate::world::{Books, World};

/// A refund that is to appear.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) nth: usize,
    pub(crate) contents: Contents,
    pub(crate) amount: Decimal,
    pub(crate) reason: RefundReason,
}

impl World {
    /// Sets the refunds of a cancellation in motion, once per order: a second cancellation of the
    /// same order does not owe the shopper more.
    pub(crate) fn set_off_refunds(&self, books: &mut Books, id: &str, now: Tick) {
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut entry.refunding, true) {
            return;
        }
        let order = entry.current().clone();
        let plan = entry.scenario.refunds();
        let parts: Vec<(Contents, Decimal)> = match plan {
            RefundPlan::None => Vec::new(),
            RefundPlan::One => vec![(order.everything(), order.total())],
            RefundPlan::Zero => vec![(order.everything(), Decimal::new(0, 2))],
            RefundPlan::PerLine => order
                .everything()
                .into_iter()
                .map(|part| {
                    let contents = vec![part];
                    let amount = order.price_of(&contents);
                    (contents, amount)
                })
                .collect(),
        };
        let happened = &mut books.happenings;
        happened.count_if(parts.is_empty(), Happening::NoRefund);
        happened.count_if(parts.len() > 1, Happening::SeveralRefunds);
        happened.count_if(plan == RefundPlan::Zero, Happening::ZeroRefund);
        for (contents, amount) in parts {
            let reason = RefundReason::CancelledOrder;
            self.plan_refund(books, now, id, contents, amount, reason);
        }
    }

    pub(crate) fn plan_refund(
        &self,
        books: &mut Books,
        now: Tick,
        id: &str,
        contents: Contents,
        mut amount: Decimal,
        reason: RefundReason,
    ) {
        let Some(entry) = books.orders.get_mut(id) else {
            return;
        };
        let nth = entry.refunds_planned;
        entry.refunds_planned += 1;
        let label = nth.to_string();
        amount.rescale(2);
        let amount = self.odd(books, id, &label, amount);
        let pace = self.laws.pace.refund;
        let delay = pace.draw(self.laws.seed, &["refund", id, &label]);
        let late = self.refund_lateness(books, id, &label);
        self.plan(
            books,
            now.saturating_add(delay).saturating_add(late),
            Deed::AskRefund {
                order: id.to_owned(),
                asking: Asking {
                    nth,
                    contents,
                    amount,
                    reason,
                },
            },
        );
    }

    /// An amount as Amazon may write it: 10 is as good as 10.00 (reference 3.7), and a cent is an
    /// amount, too.
    fn odd(&self, books: &mut Books, id: &str, nth: &str, amount: Decimal) -> Decimal {
        let seed = self.laws.seed;
        let rate = self.laws.chaos.odd_amount_rate();
        if amount.is_zero() || !seed.per_mille(rate, &["odd amount", id, nth]) {
            return amount;
        }
        let odd = match seed.below(3, &["odd amount of", id, nth]) {
            0 => Decimal::new(1, 2),
            1 => amount.trunc().max(Decimal::ONE),
            _ => amount.round_dp(1).max(Decimal::new(1, 1)).normalize(),
        };
        books.happenings.count(Happening::OddAmount);
        odd
    }

    pub(crate) fn ask_refund(&self, books: &mut Books, now: Tick, id: &str, asking: Asking) {
        let Some((_, mut order)) = Self::edit(books, id) else {
            return;
        };
        let Some(entry) = books.orders.get(id) else {
            return;
        };
        let label = asking.nth.to_string();
        let refund_id = self.laws.seed.hex(64, &["refund", id, &label]);
        let is_shown = !entry.suffers(Scenario::PhantomRefund);
        if is_shown {
            let rate = self.laws.chaos.refund_by_others_rate();
            let by_others =
                entry.drawn && self.laws.seed.per_mille(rate, &["by others", id, &label]);
            let at = self.at(now);
            let (state, reported_total) = match entry.scenario {
                _ if by_others => (RefundState::Success, Some(asking.amount)),
                Scenario::RefundFailedElsewhere => (RefundState::Failure, None),
                Scenario::RefundPartialElsewhere => {
                    let half = (asking.amount / Decimal::TWO).round_dp(2);
                    (RefundState::Partial, Some(half))
                }
                _ => (RefundState::Pending, None),
            };
            let refund = Refund {
                id: refund_id.clone(),
                state,
                reason: asking.reason,
                status_reason: None,
                amount: asking.amount,
                reported_total,
                by_others: state != RefundState::Pending,
                without_amount: entry.suffers(Scenario::RefundWithoutAmount),
                without_reason: entry.suffers(Scenario::RefundWithoutReason),
                contents: asking.contents,
                payments: Vec::new(),
                aliases: Vec::new(),
                created_at: at.clone(),
                updated_at: at,
            };
            books
                .happenings
                .count_if(by_others, Happening::RefundByOthers);
            order.refunds.push(refund);
            self.store(books, id, now, order);
        }
        self.publish(books, now, EventKind::RefundRequested, id, &refund_id);
    }

    /// What was left out of the refunds is there from now on, and what somebody else left open is
    /// brought to its end by them.
    pub(crate) fn heal_refunds(&self, books: &mut Books, now: Tick, id: &str) {
        let Some((scenario, mut order)) = Self::edit(books, id) else {
            return;
        };
        let refunding = books.orders.get(id).is_some_and(|entry| entry.refunding);
        if scenario == Scenario::PhantomRefund && refunding && order.refunds.is_empty() {
            let asking = Asking {
                nth: 0,
                contents: order.everything(),
                amount: order.total(),
                reason: RefundReason::CancelledOrder,
            };
            self.ask_refund(books, now, id, asking);
            return;
        }
        if complete(&mut order) {
            self.store(books, id, now, order);
        }
    }
}

/// Makes whole what can be; was anything changed?
fn complete(order: &mut Order) -> bool {
    let mut changed = false;
    for refund in &mut order.refunds {
        changed |= refund.without_amount || refund.without_reason;
        (refund.without_amount, refund.without_reason) = (false, false);
        if refund.by_others && matches!(refund.state, RefundState::Partial | RefundState::Failure) {
            refund.state = RefundState::Success;
            refund.reported_total = Some(refund.amount);
            changed = true;
        }
    }
    changed
}
