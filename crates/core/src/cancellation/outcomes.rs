//! Intents and outcomes of attempts at payouts and reports, whatever the state.

use statig::Outcome as Reaction;
use statig::Outcome::Handled;

use crate::cancellation::attempts::{Attempts, Belongs, Intent};
use crate::cancellation::attention::{self, About};
use crate::cancellation::input::{Done, Mutation, Payout, PayoutState};
use crate::cancellation::lifecycle::Machine;
use crate::cancellation::look::is_unchanged;
use crate::cancellation::milestone::Milestone;
use crate::cancellation::order::RefundState;
use crate::cancellation::refund::{Paid, Report, Reported, Reporting};
use crate::cancellation::rejection::Rejection;
use crate::cancellation::state::Phase;
use crate::{Money, RefundId};

impl Machine {
    pub(crate) fn begin_payment(
        &mut self,
        refund_id: &RefundId,
        intent: Intent,
        key: &str,
        amount: Option<&Money>,
    ) -> bool {
        let case = &mut self.case;
        let Some(refund) = case.refunds.get_mut(refund_id) else {
            return false;
        };
        let wanted = !refund.pay_stopped
            && refund.due(&case.terms).as_ref() == amount
            && amount.is_some()
            && refund.key(&case.target_id, &case.order_id, refund_id) == key
            && refund.pay.admits(intent.attempt);
        if wanted {
            refund.key_since.get_or_insert(self.stamp.at);
            // What an earlier attempt was told says nothing of this one.
            refund.pay.refused = None;
            refund.pay.begin(intent);
        }
        wanted
    }

    /// An attempt was certainly not sent, and no other one is in doubt: its key is as good as new.
    pub(crate) fn forget_unused_key(&mut self, mutation: &Mutation) {
        let Mutation::PayRefund { refund_id } = mutation else {
            return;
        };
        if let Some(refund) = self.case.refunds.get_mut(refund_id)
            && refund.payout.is_none()
            && !refund.pay.is_open_or_in_doubt()
        {
            refund.key_since = None;
        }
    }

    pub(crate) fn begin_report(&mut self, refund_id: &RefundId, intent: Intent) -> bool {
        let terms = &self.case.terms;
        let Some(refund) = self.case.refunds.get_mut(refund_id) else {
            return false;
        };
        let wanted = !refund.report_stopped
            && refund.report_due(terms).is_some()
            && refund.report.admits(intent.attempt);
        if wanted {
            if refund.reporting.is_none() {
                let first_attempt = intent.attempt;
                refund.reporting = refund.report_due(terms).map(|report| Reporting {
                    first_attempt,
                    report,
                });
            }
            refund.report.begin(intent);
        }
        wanted
    }

    pub(crate) fn attempts(&mut self, mutation: &Mutation) -> Option<&mut Attempts> {
        match mutation {
            Mutation::CancelOrder => Some(&mut self.case.cancel),
            Mutation::PayRefund { refund_id } => self
                .case
                .refunds
                .get_mut(refund_id)
                .map(|refund| &mut refund.pay),
            Mutation::ReportRefund { refund_id } => self
                .case
                .refunds
                .get_mut(refund_id)
                .map(|refund| &mut refund.report),
        }
    }

    pub(crate) fn reject_unknown_refund(&mut self, mutation: &Mutation) -> Reaction<Phase> {
        match mutation {
            Mutation::PayRefund { refund_id } | Mutation::ReportRefund { refund_id } => self
                .reject(Rejection::UnknownRefund {
                    refund_id: refund_id.clone(),
                }),
            // There is always a place for attempts at `cancelOrder`.
            Mutation::CancelOrder => Handled,
        }
    }

    /// A *done* is believed from whichever attempt it comes.
    pub(crate) fn done(&mut self, done: &Done) -> Reaction<Phase> {
        match done {
            Done::CancelOrder { attempt, .. } => {
                self.case.accepted = true;
                self.case.cancel.done(*attempt);
                self.look_again();
                Handled
            }
            Done::PayRefund {
                refund_id,
                attempt,
                payout,
            } => self.record_payout(refund_id, *attempt, payout),
            Done::ReportRefund {
                refund_id,
                attempt,
                state,
            } => {
                let terms = self.case.terms.clone();
                let Some(refund) = self.case.refunds.get_mut(refund_id) else {
                    return self.reject(Rejection::UnknownRefund {
                        refund_id: refund_id.clone(),
                    });
                };
                // What an older attempt reported is known already, and says nothing of this one.
                let first = match &refund.reporting {
                    Some(under_way) => under_way.first_attempt,
                    None => refund.report.made,
                };
                match refund.report_due(&terms) {
                    Some(report) if report.state == *state && *attempt >= first => {
                        self.reported(refund_id, &report, *attempt);
                    }
                    _ if refund
                        .report
                        .open
                        .as_ref()
                        .is_some_and(|o| o.attempt == *attempt) =>
                    {
                        refund.report.done(*attempt);
                    }
                    _ => {}
                }
                Handled
            }
            Done::UpdateOms { id, .. } => {
                let case = &mut self.case;
                let head = case.milestones.queue.first();
                if head.is_some_and(|raised| raised.message_id(&case.id) == *id) {
                    case.milestones.queue.remove(0);
                }
                self.clear_exhausted("update_oms");
                Handled
            }
        }
    }

    /// A report is booked at Amazon, as `attempt` or a read says.
    pub(crate) fn reported(&mut self, refund_id: &RefundId, report: &Report, attempt: u32) {
        if let Some(refund) = self.case.refunds.get_mut(refund_id) {
            let count = refund.reported.as_ref().map_or(0, |last| last.count);
            refund.reported = Some(Reported {
                state: report.state.clone(),
                total: report.total,
                count: count.saturating_add(1),
            });
            refund.state = report.state.clone();
            refund.report.done(attempt);
            // Where nothing was paid and nothing failed, no payout has told the OMS.
            if refund.payout.is_none() && report.state != RefundState::Failure {
                self.case.milestones.raise(
                    self.stamp.seq,
                    Milestone::RefundUpdated,
                    Some(refund_id),
                );
            }
        }
    }

    pub(crate) fn looked(
        &mut self,
        mutation: &Mutation,
        attempt: u32,
        found: bool,
        payout: Option<&Payout>,
        key_expired: bool,
    ) -> Reaction<Phase> {
        if let (Mutation::PayRefund { refund_id }, Some(payout)) = (mutation, payout) {
            return self.record_payout(refund_id, attempt, payout);
        }
        let Some(attempts) = self.attempts(mutation) else {
            return self.reject_unknown_refund(mutation);
        };
        if attempts.open.as_ref().map(|open| open.attempt) != Some(attempt) {
            return self.reject(Rejection::PastAttempt { attempt });
        }
        if !found && !key_expired {
            // Evidence only: "not there" is never kept as permission.
            return Handled;
        }
        attempts.not_sent();
        match mutation {
            Mutation::ReportRefund { refund_id } if found => {
                let report = self
                    .case
                    .refunds
                    .get(refund_id)
                    .and_then(|refund| refund.report_due(&self.case.terms));
                if let Some(report) = report {
                    self.reported(refund_id, &report, attempt);
                }
            }
            Mutation::PayRefund { refund_id } if key_expired => {
                if let Some(refund) = self.case.refunds.get_mut(refund_id) {
                    refund.pay_stopped = true;
                }
                let about = About::KeyExpired {
                    refund_id: refund_id.clone(),
                };
                let detail = format!(
                    "it is not known whether the payout of refund {refund_id} was made: its answer was lost, the provider does not list it, and its key is too old to be sent again safely"
                );
                self.attend(about, detail);
            }
            _ => {}
        }
        Handled
    }

    /// The provider's word about a payout. It never goes backwards, and what is paid is never paid
    /// again, whatever else is wrong with it.
    pub(crate) fn record_payout(
        &mut self,
        id: &RefundId,
        attempt: u32,
        payout: &Payout,
    ) -> Reaction<Phase> {
        let at = self.stamp.at;
        let refund_id = id.clone();
        self.clear_exhausted(&Mutation::PayRefund { refund_id }.lane());
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return self.reject(Rejection::UnknownRefund {
                refund_id: id.clone(),
            });
        };
        if refund.failed_payments.contains(&payout.payment_id) {
            // It was declared failed under an earlier key.
            let is_old_news = payout.state == PayoutState::Failure;
            if !is_old_news || refund.pay.belongs(attempt) == Belongs::Present {
                refund.pay.done(attempt);
                refund.pay_stopped = true;
                let refund_id = id.clone();
                let (about, detail) = if is_old_news {
                    let detail = format!(
                        "the provider answers with payment {}, which failed before",
                        payout.payment_id
                    );
                    (About::PayoutFailed { refund_id }, detail)
                } else {
                    let detail = format!(
                        "payment {} had failed, and is told as {} now",
                        payout.payment_id,
                        told(payout),
                    );
                    (About::PayoutDiffers { refund_id }, detail)
                };
                self.attend(about, detail);
            }
            return Handled;
        }
        if let Some(part) = refund
            .parts
            .iter()
            .find(|part| part.payment_id == payout.payment_id)
        {
            let is_old_news = is_unchanged(part, payout);
            if !is_old_news || refund.pay.belongs(attempt) == Belongs::Present {
                refund.pay.done(attempt);
                refund.pay_stopped = true;
                let detail = format!(
                    "payment {} had paid {} before it failed, and is told as {} now",
                    payout.payment_id,
                    part.amount,
                    told(payout),
                );
                let refund_id = id.clone();
                let about = if is_old_news {
                    About::PayoutFailed { refund_id }
                } else {
                    About::PayoutDiffers { refund_id }
                };
                self.attend(about, detail);
            }
            return Handled;
        }
        refund.pay.done(attempt);
        let mut payout = payout.clone();
        let mut trouble = None;
        let mut rest_failed = false;
        if let Some(known) = &refund.payout {
            let another = known.payout.payment_id != payout.payment_id;
            if another && payout.state == PayoutState::Failure {
                return Handled;
            }
            if another && known.payout.state != PayoutState::Failure {
                let about = About::PayoutDiffers {
                    refund_id: id.clone(),
                };
                let detail = format!(
                    "refund {id} has two payouts: {} and {}",
                    known.payout.payment_id, payout.payment_id
                );
                self.attend(about, detail);
                return Handled;
            }
            if !another && !goes_on(&known.payout, &payout) {
                return Handled;
            }
            let was_partial = known.payout.state == PayoutState::Partial;
            if was_partial && payout.state == PayoutState::Failure {
                // A part is paid: for Amazon it stays PARTIAL (reference 3.6). How large a part is
                // known only where both words agree on it.
                rest_failed = payout.amount == known.payout.amount;
                let and = if rest_failed {
                    String::new()
                } else {
                    format!(
                        ", and it is not clear how large: {} was told before, {} now",
                        known.payout.amount, payout.amount
                    )
                };
                payout = known.payout.clone();
                trouble = Some(format!(
                    "the rest of refund {id} failed after a part was paid{and}"
                ));
            }
        }
        let expected = refund.outstanding();
        if payout.state == PayoutState::Failure
            && !payout.amount.is_zero()
            && expected
                .and_then(|asked| asked.minus(&payout.amount).ok())
                .is_some_and(|rest| !rest.is_zero())
        {
            // Neither nothing nor what was asked for: a part was paid, although no PARTIAL of it was
            // ever seen, and what is paid is never paid again.
            payout.state = PayoutState::Partial;
            rest_failed = true;
            trouble = Some(format!(
                "the rest of refund {id} failed after {} of it was paid",
                payout.amount
            ));
        }
        let differs = expected.is_none_or(|amount| {
            let other_currency = amount.currency() != payout.amount.currency();
            let too_much = amount.minus(&payout.amount).is_err();
            let short = payout.state == PayoutState::Success && amount != payout.amount;
            other_currency || too_much || short
        });
        let unchanged = refund
            .payout
            .as_ref()
            .filter(|known| known.payout == payout);
        let since = unchanged.map_or(at, |known| known.since);
        let news = unchanged.is_none();
        if payout.state == PayoutState::Failure {
            trouble = Some(format!(
                "the provider declared the payout of refund {id} failed"
            ));
        }
        refund.pay_stopped |= trouble.is_some();
        let (amount, state) = (payout.amount, payout.state);
        refund.payout = Some(Paid {
            payout,
            since,
            by_hand: false,
            differs: differs && state != PayoutState::Failure,
            rest_failed,
        });
        if let Some(detail) = trouble {
            self.attend(
                About::PayoutFailed {
                    refund_id: id.clone(),
                },
                detail,
            );
        }
        if differs && state != PayoutState::Failure {
            let expected = expected.map_or_else(|| "nothing".to_owned(), |m| m.to_string());
            let about = About::PayoutDiffers {
                refund_id: id.clone(),
            };
            self.attend(
                about,
                format!(
                    "refund {id}: the provider was to pay {expected}, and says it paid {amount}"
                ),
            );
        }
        if news && state != PayoutState::Pending {
            self.case
                .milestones
                .raise(self.stamp.seq, Milestone::RefundUpdated, Some(id));
        }
        Handled
    }

    /// A refusal stops a payout or a report until a person has looked at it. (A refused
    /// cancellation is settled by a read, in `requested`.)
    pub(crate) fn after_refusal(&mut self, mutation: &Mutation, code: &str, message: &str) {
        match mutation {
            Mutation::CancelOrder => {}
            Mutation::PayRefund { refund_id } => {
                if let Some(refund) = self.case.refunds.get_mut(refund_id) {
                    refund.pay_stopped = true;
                }
                let about = About::PayoutFailed {
                    refund_id: refund_id.clone(),
                };
                self.attend(
                    about,
                    format!("the provider refused refund {refund_id}: {code}: {message}"),
                );
            }
            Mutation::ReportRefund { refund_id } => {
                if let Some(refund) = self.case.refunds.get_mut(refund_id) {
                    refund.report_stopped = true;
                }
                let about = About::ReportRefused {
                    refund_id: refund_id.clone(),
                };
                self.attend(
                    about,
                    format!(
                        "Buy with Prime refused the report of refund {refund_id}: {code}: {message}"
                    ),
                );
                self.look_again();
            }
        }
    }

    /// A limit on payouts leaves no room: nothing is paid before a person asks for a retry.
    pub(crate) fn limited(&mut self, lane: &str, detail: &str) -> Reaction<Phase> {
        let Some(Mutation::PayRefund { refund_id }) = Mutation::of_lane(lane) else {
            return self.reject(Rejection::NotWanted {
                detail: format!("a limit on {lane}"),
            });
        };
        let terms = &self.case.terms;
        let Some(refund) = self.case.refunds.get_mut(&refund_id) else {
            return self.reject(Rejection::UnknownRefund { refund_id });
        };
        if refund.pay.open.is_some() || refund.due(terms).is_none() {
            return self.reject(Rejection::NotWanted {
                detail: format!("a limit on {lane}"),
            });
        }
        refund.pay_stopped = true;
        let detail = format!("refund {refund_id} is not paid: {detail}");
        self.attend(About::PayoutLimited { refund_id }, detail);
        Handled
    }

    pub(crate) fn clear_exhausted(&mut self, lane: &str) {
        attention::clear(
            &mut self.case.attention,
            |about| matches!(about, About::AttemptsExhausted { lane: stopped } if stopped == lane),
        );
    }
}

fn told(payout: &Payout) -> String {
    let state = match payout.state {
        PayoutState::Pending => "PENDING",
        PayoutState::Partial => "PARTIAL",
        PayoutState::Success => "SUCCESS",
        PayoutState::Failure => "FAILURE",
    };
    format!("{state} with {}", payout.amount)
}

/// May a payout that is known to be like this be like that now? Old news may come late.
fn goes_on(known: &Payout, now: &Payout) -> bool {
    match known.state {
        PayoutState::Pending => true,
        PayoutState::Partial => match now.state {
            PayoutState::Pending => false,
            PayoutState::Partial => now.amount.minus(&known.amount).is_ok(),
            PayoutState::Success | PayoutState::Failure => true,
        },
        PayoutState::Success | PayoutState::Failure => false,
    }
}
