//! What people do and know.

use statig::Outcome as Reaction;
use statig::Outcome::Handled;

use crate::cancellation::attempts::Doubt;
use crate::cancellation::attention::{self, About};
use crate::cancellation::conclusion::doubtful_lanes;
use crate::cancellation::input::{Action, Fact, Mutation, Named, Payout, PayoutState, Unknown};
use crate::cancellation::lifecycle::Machine;
use crate::cancellation::milestone::Milestone;
use crate::cancellation::refund::{Paid, Part, Refund};
use crate::cancellation::request::Origin;
use crate::cancellation::state::{Dismissed, Look, Phase, RejectedWhy, Sent};
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
            let failed = refund.payout.as_ref().is_some_and(|paid| {
                paid.payout.state == PayoutState::Failure || (paid.rest_failed && !paid.differs)
            });
            // A refusal says nothing of an earlier attempt that is in doubt: as long as it is, only
            // its own key keeps it from being paid twice.
            let refused = refund.pay.refused.is_some() && refund.pay.doubt.is_none();
            if refund.pay_stopped && (failed || refused) {
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
            Fact::EventWrong => self.resolve_event_wrong(),
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
                    |about| matches!(about, About::KeyExpired { refund_id: id } | About::PayoutLimited { refund_id: id } if id == refund_id),
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
                // The person who was asked about an earlier doubt has just spoken.
                first: None,
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
        } else if let Some(total) = refund
            .total_at_amazon
            .filter(|total| total.currency() != amount.currency())
        {
            let currency = total.currency();
            Some(format!(
                "refund {id} is in {currency}: give the amount in {currency}"
            ))
        } else {
            let told = refund.told_so_far().into_iter();
            let told = told
                .chain(refund.paid_before())
                .chain(refund.returned_by_others())
                .find(|told| amount.minus(told).is_err());
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
        refund.contested = false;
        refund.moved = false;
        // The person's word is about all of it.
        refund.parts.clear();
        refund.payout = Some(Paid {
            payout: Payout {
                payment_id: payment.clone(),
                state: PayoutState::Success,
                amount,
            },
            since: at,
            by_hand: true,
            differs: false,
            rest_failed: false,
        });
        self.clear_refund_attention(id);
        self.case
            .milestones
            .raise(self.stamp.seq, Milestone::RefundUpdated, Some(id));
        Handled
    }

    /// A person says that nothing is behind the events that a person was asked about. Should a read
    /// show the thing later after all, it is handled like any other.
    fn resolve_event_wrong(&mut self) -> Reaction<Phase> {
        let case = &self.case;
        let asked = |look: &Look| {
            let named = look.names.to_string();
            let mut attention = case.attention.iter();
            attention.any(|a| matches!(&a.about, About::NotVisible { what } if *what == named))
        };
        let (wrong, owed): (Vec<Look>, Vec<Look>) = case
            .looks
            .iter()
            .cloned()
            .partition(|look| look.event_type.is_some() && asked(look));
        if wrong.is_empty() {
            return self.refuse("no event waits for a person to say that it was wrong");
        }
        self.case.looks = owed;
        for look in wrong {
            self.dismiss(look, false);
        }
        Handled
    }

    /// Events like that of this look owe no look any more.
    fn dismiss(&mut self, look: Look, not_due: bool) {
        let event_type = look
            .event_type
            .filter(|_| !matches!(look.names, Named::Refund { .. }));
        let dismissed = Dismissed {
            event_type,
            names: look.names,
            not_due,
        };
        if !self.case.dismissed.contains(&dismissed) {
            self.case.dismissed.push(dismissed);
        }
    }

    /// A person says that a refund is not to be paid that an event named and no read has shown.
    fn resolve_unseen_not_due(&mut self, id: &RefundId) -> Reaction<Phase> {
        let is_it =
            |look: &Look| matches!(&look.names, Named::Refund { refund_id } if refund_id == id);
        let (settled, owed): (Vec<Look>, Vec<Look>) =
            self.case.looks.iter().cloned().partition(is_it);
        if settled.is_empty() {
            return self.refuse(&format!("refund {id} is not known here"));
        }
        self.case.looks = owed;
        for look in settled {
            self.dismiss(look, true);
        }
        Handled
    }

    fn resolve_refund_not_due(&mut self, id: &RefundId) -> Reaction<Phase> {
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return self.resolve_unseen_not_due(id);
        };
        let paid = refund
            .payout
            .as_ref()
            .is_some_and(|paid| paid.payout.state != PayoutState::Failure)
            || !refund.parts.is_empty();
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
        refund.contested = false;
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
        } else if paid.rest_failed {
            refund.parts.push(Part {
                payment_id: paid.payout.payment_id,
                amount: paid.payout.amount,
            });
        } else {
            refund.payout = Some(paid);
        }
    }
}
