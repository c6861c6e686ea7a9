//! What people do and know.

use statig::Outcome as Reaction;
use statig::Outcome::Handled;

use crate::cancellation::attempts::Doubt;
use crate::cancellation::attention::{self, About};
use crate::cancellation::conclusion::doubtful_lanes;
use crate::cancellation::input::{Action, Fact, Mutation, Payout, PayoutState, Unknown};
use crate::cancellation::lifecycle::Machine;
use crate::cancellation::milestone::Milestone;
use crate::cancellation::refund::{Paid, Refund};
use crate::cancellation::request::Origin;
use crate::cancellation::state::{Phase, RejectedWhy, Sent};
use crate::{Money, PaymentId, RefundId};

impl Machine {
    pub(crate) fn operator(&mut self, action: &Action) -> Reaction<Phase> {
        match action {
            Action::Note { .. } => Handled,
            Action::Retry => {
                self.retry();
                Handled
            }
            Action::Withdraw { .. } => self.refuse("it cannot be withdrawn in this state"),
            Action::Resolve { fact, .. } => self.resolve(fact),
        }
    }

    /// Everything that stopped goes on, and the order is read at once.
    pub(crate) fn retry(&mut self) {
        let at = self.stamp.at;
        for refund in self.case.refunds.values_mut() {
            let failed = refund
                .payout
                .as_ref()
                .is_some_and(|paid| paid.payout.state == PayoutState::Failure);
            if refund.pay_stopped && (failed || refund.pay.refused.is_some()) {
                spend_key(refund);
            }
            refund.pay_stopped = false;
            refund.report_stopped = false;
            refund.report.refused = None;
        }
        for look in &mut self.case.looks {
            look.since = at;
        }
        let refunds = &self.case.refunds;
        attention::clear(&mut self.case.attention, |about| match about {
            About::PrecheckUndecided
            | About::PendingTooLong
            | About::InDoubt { .. }
            | About::RefundUnclear { .. }
            | About::PayoutDiffers { .. } => false,
            // What somebody else left open is still open.
            About::RefundMoved { refund_id } => refunds
                .get(refund_id)
                .is_none_or(Refund::is_final_at_amazon),
            _ => true,
        });
        self.look_again();
    }

    fn resolve(&mut self, fact: &Fact) -> Reaction<Phase> {
        // With what is known now, every lane is tried again.
        attention::clear(&mut self.case.attention, |about| {
            matches!(about, About::AttemptsExhausted { .. })
        });
        match fact {
            Fact::Cancelled | Fact::Rejected => self.refuse("the cancellation is decided already"),
            Fact::NotSent => self.resolve_not_sent(),
            Fact::RefundPaid {
                refund_id,
                payment_id,
                amount,
            } => self.resolve_refund_paid(refund_id, payment_id, *amount),
            Fact::RefundNotDue { refund_id } => self.resolve_refund_not_due(refund_id),
            Fact::OmsTold => {
                if self.case.milestones.queue.is_empty() {
                    return self.refuse("the OMS was told everything already");
                }
                self.case.milestones.queue.clear();
                Handled
            }
        }
    }

    /// The person's word counts for the attempts that a person was asked about; where nobody was
    /// asked, for the only one in doubt. Any other doubt keeps its wait: it may be seconds old.
    fn resolve_not_sent(&mut self) -> Reaction<Phase> {
        let doubtful: Vec<String> = doubtful_lanes(&self.case).map(|(lane, _)| lane).collect();
        let asked = |lane: &String| {
            self.case
                .attention
                .iter()
                .any(|attention| match &attention.about {
                    About::InDoubt { lane: asked } => asked == lane,
                    About::KeyExpired { refund_id } => {
                        let refund_id = refund_id.clone();
                        *lane == Mutation::PayRefund { refund_id }.lane()
                    }
                    _ => false,
                })
        };
        let mut lanes: Vec<String> = doubtful
            .iter()
            .filter(|lane| asked(lane))
            .cloned()
            .collect();
        if lanes.is_empty() && doubtful.len() == 1 {
            lanes.clone_from(&doubtful);
        }
        let mut settled = false;
        for mutation in lanes.iter().filter_map(|lane| Mutation::of_lane(lane)) {
            let Some(attempts) = self.attempts(&mutation).filter(|a| a.open.is_none()) else {
                continue;
            };
            settled |= attempts.doubt.take().is_some();
            // The key stays: should the payout have been sent after all, it may still be known.
            self.forget_unused_key(&mutation);
            if let Mutation::PayRefund { refund_id } = &mutation {
                if let Some(refund) = self.case.refunds.get_mut(refund_id) {
                    refund.pay_stopped = false;
                }
                attention::clear(
                    &mut self.case.attention,
                    |about| matches!(about, About::KeyExpired { refund_id: id } if id == refund_id),
                );
            }
        }
        if settled {
            return Handled;
        }
        self.refuse(match doubtful.len() {
            0 => "nothing is in doubt",
            1 => "an attempt is under way: wait for its outcome",
            _ => {
                "several attempts are in doubt, and none for long: wait until one asks for a person"
            }
        })
    }

    /// A person says that Amazon will not cancel. Where an attempt of ours was accepted, or may have
    /// been, that stands against Amazon's own word: until a read begun after the visibility lag has
    /// shown the order, nobody else may ask Amazon again.
    pub(crate) fn resolve_rejected(&mut self, note: &str) -> Reaction<Phase> {
        if self.case.origin == Origin::Observed && self.case.adopted.is_none() {
            return self.refuse("nothing was requested here that Amazon could reject");
        }
        if self.case.cancel.open.is_some() {
            return self.refuse("an attempt is under way: wait for its outcome");
        }
        if self.case.sent() != Sent::Never {
            let (attempt, since) = (self.case.cancel.made, self.stamp.at);
            let earlier = self.case.cancel.doubt.is_some();
            self.case.cancel.doubt = Some(Doubt {
                attempt,
                since,
                deadline: since,
                why: Unknown::Contradicted,
                earlier,
            });
        }
        self.enter_rejected(RejectedWhy::Operator, Some(note.to_owned()))
    }

    fn resolve_refund_paid(
        &mut self,
        id: &RefundId,
        payment: &PaymentId,
        amount: Money,
    ) -> Reaction<Phase> {
        let at = self.stamp.at;
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return self.refuse(&format!("refund {id} is not known here"));
        };
        let refusal = if refund.pay.open.is_some() || refund.report.open.is_some() {
            Some("a payout or report is under way: wait for its outcome".to_owned())
        } else if refund.is_final_at_amazon() && refund.payout.is_none() {
            Some(format!("refund {id} is {} at Amazon already", refund.state))
        } else if amount.is_zero() {
            Some("the amount must be more than nothing".to_owned())
        } else if let Some(due) = refund.amount.filter(|due| due.minus(&amount).is_err()) {
            Some(format!(
                "{amount} is not within the {due} that Amazon asks for"
            ))
        } else {
            let told = refund
                .told_so_far()
                .filter(|told| amount.minus(told).is_err());
            told.map(|told| {
                format!("{told} of refund {id} is paid already: give the sum of all its payments")
            })
        };
        if let Some(why) = refusal {
            return self.refuse(&why);
        }
        refund.amount.get_or_insert(amount);
        refund.pay.doubt = None;
        refund.pay_stopped = true;
        refund.not_due = false;
        refund.moved = false;
        refund.payout = Some(Paid {
            payout: Payout {
                payment_id: payment.clone(),
                state: PayoutState::Success,
                amount,
            },
            since: at,
            by_hand: true,
            differs: false,
        });
        self.clear_refund_attention(id);
        self.case
            .milestones
            .raise(self.stamp.seq, Milestone::RefundUpdated, Some(id));
        Handled
    }

    fn resolve_refund_not_due(&mut self, id: &RefundId) -> Reaction<Phase> {
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return self.refuse(&format!("refund {id} is not known here"));
        };
        let paid = refund
            .payout
            .as_ref()
            .is_some_and(|paid| paid.payout.state != PayoutState::Failure);
        let refusal = if paid {
            Some(format!("refund {id} is paid, at least in part"))
        } else if refund.pay.is_open_or_in_doubt() {
            Some("a payout is under way or in doubt: say not_sent or refund_paid first".to_owned())
        } else if refund.is_final_at_amazon() {
            Some(format!("refund {id} is {} at Amazon already", refund.state))
        } else {
            None
        };
        if let Some(why) = refusal {
            return self.refuse(&why);
        }
        refund.not_due = true;
        refund.moved = false;
        refund.payout = None;
        self.clear_refund_attention(id);
        Handled
    }

    fn clear_refund_attention(&mut self, id: &RefundId) {
        attention::clear(&mut self.case.attention, |about| about.refund() == Some(id));
    }
}

/// The present key met a definite failure: another try uses a new one.
fn spend_key(refund: &mut Refund) {
    refund.keys_spent = refund.keys_spent.saturating_add(1);
    refund.key_since = None;
    refund.pay.refused = None;
    if let Some(paid) = refund.payout.take() {
        if paid.payout.state == PayoutState::Failure {
            refund.failed_payments.push(paid.payout.payment_id);
        } else {
            refund.payout = Some(paid);
        }
    }
}
