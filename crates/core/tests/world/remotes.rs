//! Small models of Amazon, the refund provider and the OMS. They protect nobody: what they are told
//! twice they do twice, and keep a ledger of it.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::{entry, id, usd};
use countermand_core::cancellation::input::{Event, Payout, PayoutState};
use countermand_core::cancellation::look::may_follow;
use countermand_core::cancellation::order::{
    Alias, CancellationState, Order, PackageState, RefundDetails, RefundState, ReportedPayment,
    Requester,
};
use countermand_core::strategies::life::{Deed, Packing, apply, decide, published};
use countermand_core::{Money, RefundId, Timestamp};

use crate::scenario::{Payment, Reply};

/// A `cancelOrder` that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    pub(crate) at: Timestamp,
    pub(crate) accepted: bool,
}

/// A report that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) from: RefundState,
    pub(crate) to: RefundState,
    pub(crate) accepted: bool,
}

/// What Amazon does by itself later.
#[derive(Debug, Clone)]
pub(crate) enum Later {
    Deed(Deed),
    Decide(Alias),
}

pub(crate) struct Amazon {
    pub(crate) versions: Vec<(Timestamp, Order)>,
    packing: Packing,
    reply: Reply,
    pub(crate) cancels: Vec<Cancel>,
    pub(crate) told: Vec<Told>,
}

/// What came of a change: what happens later, and what is published.
pub(crate) type Ripples = (Vec<(Duration, Later)>, Vec<Event>);

impl Amazon {
    pub(crate) fn new(at: Timestamp, born: Order, packing: Packing, reply: Reply) -> Self {
        Self {
            versions: vec![(at, born)],
            packing,
            reply,
            cancels: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn order(&self) -> &Order {
        &self.versions.last().unwrap().1
    }

    /// The order as it was.
    pub(crate) fn order_at(&self, at: Timestamp) -> &Order {
        let known = self.versions.iter().rev().find(|(since, _)| *since <= at);
        &known.or(self.versions.first()).unwrap().1
    }

    fn change(&mut self, at: Timestamp, change: impl FnOnce(&mut Order)) -> Vec<Event> {
        let before = self.order().clone();
        let mut after = before.clone();
        change(&mut after);
        let events = published(&before, &after);
        self.versions.push((at, after));
        events
    }

    pub(crate) fn later(&mut self, at: Timestamp, later: &Later) -> Ripples {
        let packing = self.packing;
        match later {
            Later::Deed(deed) => (
                Vec::new(),
                self.change(at, |order| apply(order, packing, deed)),
            ),
            Later::Decide(alias) => {
                let state = self.reply.later.clone();
                let events = self.change(at, |order| {
                    decide(order, &state, |e| e.aliases.contains(alias));
                });
                (self.refunds(alias), events)
            }
        }
    }

    /// What follows if the entry with our alias is a success now.
    fn refunds(&self, alias: &Alias) -> Vec<(Duration, Later)> {
        let succeeded = self.order().cancellations.iter().any(|entry| {
            entry.aliases.contains(alias) && entry.state == CancellationState::Success
        });
        if !succeeded {
            return Vec::new();
        }
        let names = ["our-refund-1", "our-refund-2"];
        let refunds = self.reply.refunds.iter().zip(names);
        let deeds = refunds.flat_map(|((cents, after, corrected), name)| {
            let ask = Deed::AskRefund {
                name,
                cents: *cents,
                reason: "CANCELLED_ORDER",
            };
            let correct = corrected.map(|cents| {
                let later = after.saturating_add(Duration::from_secs(20));
                (later, Later::Deed(Deed::Estimate { name, cents }))
            });
            std::iter::once((*after, Later::Deed(ask))).chain(correct)
        });
        deeds.collect()
    }

    /// `cancelOrder` arrives: the state of the entry, or a refusal.
    pub(crate) fn cancel(
        &mut self,
        at: Timestamp,
        alias: &Alias,
    ) -> (Result<CancellationState, String>, Ripples) {
        let order = self.order();
        let pending =
            |p: &countermand_core::cancellation::order::Package| p.state == PackageState::Pending;
        let eligible = !order.packages.is_empty() && order.packages.iter().all(pending);
        let accepted = eligible && !self.reply.refuses;
        self.cancels.push(Cancel { at, accepted });
        if !accepted {
            return (Err("ValidationError".to_owned()), (Vec::new(), Vec::new()));
        }
        let at_once = self.reply.at_once.clone();
        let made = entry(
            Requester::Merchant,
            CancellationState::Pending,
            &at.to_string(),
            vec![alias.clone()],
        );
        let decided = at_once != CancellationState::Pending;
        let events = self.change(at, |order| {
            order.cancellations.push(made);
            if decided {
                decide(order, &at_once, |entry| entry.aliases.contains(alias));
            }
        });
        let later = if decided {
            self.refunds(alias)
        } else {
            vec![(self.reply.after, Later::Decide(alias.clone()))]
        };
        (Ok(self.reply.at_once.clone()), (later, events))
    }

    /// `updateOrder` arrives.
    pub(crate) fn report(
        &mut self,
        at: Timestamp,
        refund: &RefundId,
        to: &RefundState,
        total: Money,
        payments: &[ReportedPayment],
    ) -> Result<Vec<Event>, String> {
        let from = self
            .order()
            .refunds
            .iter()
            .find(|known| known.id == *refund)
            .map(|known| known.state.clone());
        let from = from.ok_or("InvalidRefundId")?;
        // Amazon takes SUCCESS for SUCCESS and so on, and books the payments once more.
        let accepted = may_follow(&from, to) || from == *to;
        self.told.push(Told {
            from,
            to: to.clone(),
            accepted,
        });
        if !accepted {
            return Err("InvalidRefundStateTransition".to_owned());
        }
        let (to, payments) = (to.clone(), payments.to_vec());
        Ok(self.change(at, |order| {
            if let Some(known) = order.refunds.iter_mut().find(|known| known.id == *refund) {
                known.state = to;
                known.total = Some(total);
                known.payments.extend(payments);
            }
        }))
    }

    pub(crate) fn refund(&self, refund: &RefundId) -> Option<&RefundDetails> {
        self.order()
            .refunds
            .iter()
            .find(|known| known.id == *refund)
    }
}

/// A payout at the provider.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    pub(crate) refund: RefundId,
    pub(crate) payout: Payout,
    pub(crate) full: Money,
}

pub(crate) struct Provider {
    plan: Vec<Payment>,
    pub(crate) paid: Vec<Paid>,
    keys: BTreeMap<String, (Timestamp, usize, Money)>,
    refused: Vec<RefundId>,
    /// Requests under one key with different amounts.
    pub(crate) key_reused: bool,
}

/// How long the provider remembers a key.
const KEYS: Duration = Duration::from_hours(24);

impl Provider {
    pub(crate) fn new(plan: Vec<Payment>) -> Self {
        Self {
            plan,
            paid: Vec::new(),
            keys: BTreeMap::new(),
            refused: Vec::new(),
            key_reused: false,
        }
    }

    pub(crate) fn list(&self, refund: &RefundId) -> Vec<Payout> {
        let of_refund = self.paid.iter().filter(|paid| paid.refund == *refund);
        of_refund.map(|paid| paid.payout.clone()).collect()
    }

    fn plan(&self, refund: &RefundId) -> Payment {
        let which = usize::from(refund.as_str().ends_with('2') || refund.as_str().starts_with('b'));
        self.plan[which % self.plan.len()]
    }

    /// A request to pay arrives: the payout, or a refusal; and, if it goes on later, which one.
    pub(crate) fn pay(
        &mut self,
        at: Timestamp,
        key: &str,
        refund: &RefundId,
        amount: Money,
    ) -> (Result<Payout, String>, Option<usize>) {
        if let Some((since, index, first)) = self.keys.get(key) {
            self.key_reused |= *first != amount;
            if at.since(*since) < KEYS {
                return (Ok(self.paid[*index].payout.clone()), None);
            }
        }
        let plan = self.plan(refund);
        if plan == Payment::RefusedOnce && !self.refused.contains(refund) {
            self.refused.push(refund.clone());
            return (Err("card_closed".to_owned()), None);
        }
        let failed_before = self
            .paid
            .iter()
            .any(|paid| paid.refund == *refund && paid.payout.state == PayoutState::Failure);
        let nothing = Money::zero(amount.currency());
        let part = usd(1);
        let (state, so_far) = match plan {
            Payment::Slow => (PayoutState::Pending, nothing),
            Payment::FailsLate if !failed_before => (PayoutState::Pending, nothing),
            Payment::Partly if amount.minus(&part).is_ok_and(|rest| !rest.is_zero()) => {
                (PayoutState::Partial, part)
            }
            Payment::PartlyFails
                if !failed_before && amount.minus(&part).is_ok_and(|rest| !rest.is_zero()) =>
            {
                (PayoutState::Partial, part)
            }
            Payment::FailsOnce if !failed_before => (PayoutState::Failure, nothing),
            _ => (PayoutState::Success, amount),
        };
        let index = self.paid.len();
        let payout = Payout {
            payment_id: id(&format!("payment-{index}")),
            state,
            amount: so_far,
        };
        self.paid.push(Paid {
            refund: refund.clone(),
            payout: payout.clone(),
            full: amount,
        });
        self.keys.insert(key.to_owned(), (at, index, amount));
        let goes_on = matches!(state, PayoutState::Pending | PayoutState::Partial).then_some(index);
        (Ok(payout), goes_on)
    }

    /// A payout goes on.
    pub(crate) fn go_on(&mut self, index: usize) {
        let plan = self.plan(&self.paid[index].refund);
        let refund = self.paid[index].refund.clone();
        let failed_before = self
            .paid
            .iter()
            .any(|paid| paid.refund == refund && paid.payout.state == PayoutState::Failure);
        let paid = &mut self.paid[index];
        if matches!(plan, Payment::FailsLate | Payment::PartlyFails) && !failed_before {
            paid.payout.state = PayoutState::Failure;
        } else {
            paid.payout.state = PayoutState::Success;
            paid.payout.amount = paid.full;
        }
    }

    /// What was paid of a refund by payouts whose rest failed.
    pub(crate) fn in_parts(&self, refund: &RefundId, whole: Money) -> Money {
        let failed = self
            .paid
            .iter()
            .filter(|paid| paid.refund == *refund && paid.payout.state == PayoutState::Failure);
        failed.fold(Money::zero(whole.currency()), |sum, paid| {
            sum.plus(&paid.payout.amount).unwrap()
        })
    }

    /// Payouts of a refund that did not fail.
    pub(crate) fn standing(&self, refund: &RefundId) -> Vec<&Paid> {
        let of_refund = self.paid.iter().filter(|paid| paid.refund == *refund);
        of_refund
            .filter(|paid| paid.payout.state != PayoutState::Failure)
            .collect()
    }
}

/// What the OMS was told, in order: id and body.
#[derive(Default)]
pub(crate) struct Oms {
    pub(crate) told: Vec<(String, String)>,
}
