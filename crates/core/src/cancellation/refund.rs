//! Refunds: what Amazon asks for, what was paid, what was reported.

use serde::{Deserialize, Serialize};

use crate::cancellation::attempts::{Attempts, is_zero};
use crate::cancellation::input::{Payout, PayoutState};
use crate::cancellation::look::may_follow;
use crate::cancellation::order::{ItemQuantity, RefundDetails, RefundState, ReportedPayment};
use crate::cancellation::request::Terms;
use crate::{Money, PaymentId, Timestamp};

/// A refund of the order.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that hold or not, in any combination"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Its state at Amazon, as last read or reported.
    pub state: RefundState,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is to be returned: Amazon's estimate while it is PENDING, frozen at the first intent to
    /// pay. Not known of a refund that somebody else had moved on before it was first seen: from the
    /// first report on, Amazon shows what was returned so far instead (reference 3.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// What Amazon showed as its total when somebody else was seen to have moved it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_at_amazon: Option<Money>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_items: Vec<ItemQuantity>,
    /// A person said that it is not to be paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_due: bool,
    /// A person said that it is not to be paid, before any read showed it; now that one does, it
    /// waits for a person's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contested: bool,
    /// Somebody else moved it on at Amazon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Our attempts to pay.
    #[serde(default, skip_serializing_if = "Attempts::is_untouched")]
    pub pay: Attempts,
    /// No further attempt to pay until a person says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pay_stopped: bool,
    /// How many idempotency keys were given up after a definite failure.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keys_spent: u32,
    /// When the present idempotency key was first used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_since: Option<Timestamp>,
    /// Payments of earlier keys that were declared failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_payments: Vec<PaymentId>,
    /// What was paid under earlier keys whose rest failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The payout under the present key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<Paid>,
    /// Our attempts to report.
    #[serde(default, skip_serializing_if = "Attempts::is_untouched")]
    pub report: Attempts,
    /// No further report until a person says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report_stopped: bool,
    /// What is being reported: the same for every attempt until it is known whether it was booked,
    /// whatever happens meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting: Option<Reporting>,
    /// What we reported last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

/// A payout that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paid {
    /// What the provider (or a person) says.
    #[serde(flatten)]
    pub payout: Payout,
    /// Since when we know of it.
    pub since: Timestamp,
    /// Was it paid by hand?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// Does it differ from what was to be paid? Then nothing is reported until a person says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
    /// A part is paid, and the rest was declared failed by a provider that agrees on the part: then
    /// the rest can be paid under another key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rest_failed: bool,
}

/// A part that was paid under a key whose rest failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The payment.
    pub payment_id: PaymentId,
    /// How much of it was paid.
    pub amount: Money,
}

/// What was reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The state.
    pub state: RefundState,
    /// The running total.
    pub total: Money,
    /// How many reports were made.
    pub count: u32,
}

/// What is to be reported next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The state.
    pub state: RefundState,
    /// Everything returned so far.
    pub total: Money,
    /// The payments since the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<ReportedPayment>,
}

/// A report that is under way, or in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reporting {
    /// The first attempt at it.
    pub first_attempt: u32,
    /// What it says.
    #[serde(flatten)]
    pub report: Report,
}

impl Refund {
    /// A refund as first seen.
    #[must_use]
    pub fn seen(details: &RefundDetails, at: Timestamp) -> Self {
        let moved = details.state != RefundState::Pending;
        Self {
            first_seen: at,
            state: details.state.clone(),
            reason: details.reason.clone(),
            amount: details.total.filter(|_| !moved),
            total_at_amazon: details.total.filter(|_| moved),
            line_items: details.line_items.clone(),
            not_due: false,
            contested: false,
            moved,
            pay: Attempts::default(),
            pay_stopped: false,
            keys_spent: 0,
            key_since: None,
            failed_payments: Vec::new(),
            parts: Vec::new(),
            payout: None,
            report: Attempts::default(),
            report_stopped: false,
            reporting: None,
            reported: None,
        }
    }

    /// Is it ours to pay? `None` while Amazon does not say why it is asked for.
    #[must_use]
    pub fn is_ours(&self, terms: &Terms) -> Option<bool> {
        let reason = self.reason.as_ref()?;
        Some(terms.refund_reasons.contains(reason))
    }

    /// Is it ours to report? A person who says what became of a refund that comes without a reason
    /// has made it ours.
    fn is_ours_to_report(&self, terms: &Terms) -> bool {
        let by_hand = self.payout.as_ref().is_some_and(|paid| paid.by_hand);
        self.is_ours(terms).unwrap_or(self.not_due || by_hand)
    }

    /// Is its state at Amazon final?
    #[must_use]
    pub fn is_final_at_amazon(&self) -> bool {
        matches!(self.state, RefundState::Success | RefundState::Rejected)
    }

    /// Is nothing left to be done about it?
    #[must_use]
    pub fn is_final(&self, terms: &Terms) -> bool {
        // A person said that it is not to be paid, and Amazon cannot be told so.
        let given_up = self.not_due
            && (self.amount.is_none() || !may_follow(&self.state, &RefundState::Rejected));
        self.is_final_at_amazon() || self.is_ours(terms) == Some(false) || given_up
    }

    /// Was the amount frozen by an intent?
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.pay.made > 0 || self.report.made > 0 || self.payout.is_some() || !self.parts.is_empty()
    }

    /// Is it open at Amazon and ours: what an observed cancellation goes to `refund` for?
    #[must_use]
    pub fn is_open(&self, terms: &Terms) -> bool {
        let pending = self.state == RefundState::Pending;
        pending && self.is_ours_to_report(terms) && !self.is_final(terms)
    }

    /// The amount to pay now, if there is anything to pay. A refund that somebody else moved on
    /// from PENDING is not paid; neither is one that is in our hands already.
    #[must_use]
    pub fn due(&self, terms: &Terms) -> Option<Money> {
        let unpaid = match &self.payout {
            None => true,
            Some(paid) => paid.payout.state == PayoutState::Failure && !self.pay_stopped,
        };
        let open_at_amazon = match self.state {
            RefundState::Pending => true,
            // A failure that we reported ourselves may be followed by another try.
            RefundState::Failure => !self.moved,
            // So may the part that we reported.
            RefundState::Partial => !self.moved && !self.parts.is_empty(),
            _ => false,
        };
        let due = self.is_ours(terms) == Some(true)
            && !self.not_due
            && !self.contested
            && !self.moved
            && unpaid
            && open_at_amazon;
        self.outstanding().filter(|amount| due && !amount.is_zero())
    }

    /// What was paid under earlier keys, taken together; `None` where nothing was.
    pub(crate) fn paid_before(&self) -> Option<Money> {
        let mut parts = self.parts.iter();
        let first = parts.next()?.amount;
        parts.try_fold(first, |sum, part| sum.plus(&part.amount).ok())
    }

    /// What the present key is to pay: the whole amount, less what earlier ones paid.
    #[must_use]
    pub fn outstanding(&self) -> Option<Money> {
        let amount = self.amount?;
        if self.parts.is_empty() {
            return Some(amount);
        }
        amount.minus(&self.paid_before()?).ok()
    }

    /// What Amazon was told, or is being told, to be returned so far: no later report says less.
    pub(crate) fn told_so_far(&self) -> Option<Money> {
        let under_way = self.reporting.as_ref().map(|it| it.report.total);
        under_way.or(self.reported.as_ref().map(|last| last.total))
    }

    /// What somebody else told Amazon to be returned so far, of a refund that they left PARTIAL. In
    /// other states the total at Amazon may still be the estimate.
    pub(crate) fn returned_by_others(&self) -> Option<Money> {
        self.total_at_amazon
            .filter(|_| self.state == RefundState::Partial)
    }

    /// Must the present payout be watched until it is final?
    #[must_use]
    pub fn watched(&self) -> Option<&Paid> {
        self.payout.as_ref().filter(|paid| {
            !paid.differs
                && matches!(
                    paid.payout.state,
                    PayoutState::Pending | PayoutState::Partial
                )
        })
    }

    /// What is to be reported to Amazon now.
    #[must_use]
    pub fn report_due(&self, terms: &Terms) -> Option<Report> {
        let waits = self.moved || self.contested;
        if !self.is_ours_to_report(terms) || waits || self.is_final_at_amazon() {
            return None;
        }
        let reported = self.reported.as_ref();
        let is_news = |report: &Report| {
            reported.is_none_or(|last| last.state != report.state || last.total != report.total)
                && may_follow(&self.state, &report.state)
        };
        if let Some(under_way) = &self.reporting {
            return Some(under_way.report.clone()).filter(is_news);
        }
        let amount = self.amount?;
        let nothing = Money::zero(amount.currency());
        // What earlier keys paid stays paid, whatever becomes of the rest.
        let mut paid_out: Vec<(&PaymentId, Money)> = self
            .parts
            .iter()
            .map(|part| (&part.payment_id, part.amount))
            .collect();
        let present = self.payout.as_ref().map(|paid| &paid.payout);
        if self.payout.as_ref().is_some_and(|paid| paid.differs) && !self.not_due {
            return None;
        }
        if let Some(payout) = present
            && matches!(payout.state, PayoutState::Success | PayoutState::Partial)
        {
            paid_out.push((&payout.payment_id, payout.amount));
        }
        let (state, payments) = match present.map(|payout| payout.state) {
            _ if self.not_due => (RefundState::Rejected, Vec::new()),
            None if amount.is_zero() => (RefundState::Success, Vec::new()),
            Some(PayoutState::Success) => (RefundState::Success, paid_out),
            Some(PayoutState::Partial) => (RefundState::Partial, paid_out),
            _ if !paid_out.is_empty() => (RefundState::Partial, paid_out),
            Some(PayoutState::Failure) => (RefundState::Failure, Vec::new()),
            Some(PayoutState::Pending) | None => return None,
        };
        let (total, payments) = self.since_last(&payments, nothing)?;
        let report = Report {
            state,
            total,
            payments,
        };
        Some(report).filter(is_news)
    }

    /// The sum of payments, and what of each Amazon was not told yet: it adds up what it is told.
    fn since_last(
        &self,
        payments: &[(&PaymentId, Money)],
        nothing: Money,
    ) -> Option<(Money, Vec<ReportedPayment>)> {
        let reported = self.reported.as_ref();
        let nth = reported.map_or(0, |last| last.count).saturating_add(1);
        let mut told = reported.map_or(nothing, |last| last.total);
        let mut total = nothing;
        let mut news = Vec::new();
        for (id, amount) in payments {
            total = total.plus(amount).ok()?;
            let delta = total.minus(&told).ok().filter(|delta| !delta.is_zero());
            if let Some(delta) = delta {
                news.push(ReportedPayment {
                    id: delta_id(id, nth),
                    amount: Some(delta),
                });
                told = total;
            }
        }
        Some((total, news))
    }

    /// The provider's present idempotency key for this refund.
    #[must_use]
    pub fn key(
        &self,
        target: &crate::TargetId,
        order: &crate::OrderId,
        refund: &crate::RefundId,
    ) -> String {
        let nth = self.keys_spent.saturating_add(1);
        format!("refund:{target}:{order}:{refund}:{nth}")
    }
}

/// The id of the n-th reported part of a payment: stable over all attempts at that report, and
/// different from the parts before, since Amazon books each id as a payment of its own.
fn delta_id(payment: &PaymentId, nth: u32) -> PaymentId {
    if nth <= 1 {
        return payment.clone();
    }
    PaymentId::new(format!("{payment}-{nth}")).unwrap_or_else(|_| payment.clone())
}
