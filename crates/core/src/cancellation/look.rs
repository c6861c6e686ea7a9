//! The look within an attempt: may the mutation be sent, given what was read just now?
//!
//! Pure. The answer is good for the attempt in which it was made and is never stored as permission
//! (rule P4 of the effect protocol).

use crate::Timestamp;
use crate::cancellation::effect::{CancelOrder, PayRefund, ReportRefund};
use crate::cancellation::input::{Payout, PayoutState};
use crate::cancellation::order::{
    CancellationState, Order, PackageState, RefundState, ReportedPayment,
};
use crate::cancellation::refund::Part;

/// The answer of [`cancel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelLook {
    /// Nothing stands against it.
    Send,
    /// An entry stands against it: ours in any state, or anybody's that is PENDING or SUCCESS.
    Found,
    /// A package left PENDING: Amazon must not be asked (reference 1.2).
    NotCancellable {
        /// Which package, in which state.
        detail: String,
    },
}

/// May `cancelOrder` be sent, now that the order looks like this?
#[must_use]
pub fn cancel(attempt: &CancelOrder, order: &Order) -> CancelLook {
    let stands_against = order.cancellations.iter().any(|entry| {
        entry.aliases.contains(&attempt.alias)
            || matches!(
                entry.state,
                CancellationState::Pending | CancellationState::Success
            )
    });
    if stands_against {
        return CancelLook::Found;
    }
    match order
        .amazon_packages()
        .find(|package| package.state != PackageState::Pending)
    {
        Some(package) => CancelLook::NotCancellable {
            detail: format!("package {} is {}", package.id, package.state),
        },
        None if order.amazon_packages().next().is_none() => CancelLook::NotCancellable {
            detail: "the order shows no packages".to_owned(),
        },
        None => CancelLook::Send,
    }
}

/// The answer of [`pay`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayLook {
    /// Nothing stands against it.
    Send,
    /// The provider lists a payout for the refund.
    Found(Payout),
    /// Nothing is listed, but the key is too old to be relied upon: a person must decide.
    KeyExpired,
    /// A part that was paid under an earlier key is not listed: this list is behind the one that
    /// showed it. To be tried again.
    NotShown {
        /// What is missing.
        detail: String,
    },
}

/// May the payout be sent, now that the provider lists these payouts for the refund?
///
/// A payout that was declared failed under an earlier key is no reason not to send, and neither is
/// one that paid a part before it failed, as long as the list still says just that; any other one
/// is, whoever made it.
#[must_use]
pub fn pay(attempt: &PayRefund, listed: &[Payout], now: Timestamp, clock_behind: bool) -> PayLook {
    let is_part = |payout: &Payout| {
        let known = |part: &&Part| part.payment_id == payout.payment_id;
        let part = attempt.parts.iter().find(known);
        part.is_some_and(|part| is_unchanged(part, payout))
    };
    let has_failed = |payout: &Payout| {
        payout.state == PayoutState::Failure && attempt.failed_payments.contains(&payout.payment_id)
    };
    let standing = listed
        .iter()
        .filter(|payout| !has_failed(payout))
        .filter(|payout| !is_part(payout))
        .max_by_key(|payout| match payout.state {
            PayoutState::Success => 3,
            PayoutState::Partial => 2,
            PayoutState::Pending => 1,
            PayoutState::Failure => 0,
        });
    if let Some(payout) = standing {
        return PayLook::Found(payout.clone());
    }
    let missing = attempt.parts.iter().find(|part| {
        let is_listed = |payout: &Payout| payout.payment_id == part.payment_id;
        !listed.iter().any(is_listed)
    });
    if let Some(part) = missing {
        let id = &part.payment_id;
        return PayLook::NotShown {
            detail: format!("the refund provider does not list payment {id}, which paid a part"),
        };
    }
    match attempt.key_expires {
        Some(expires) if clock_behind || now >= expires => PayLook::KeyExpired,
        _ => PayLook::Send,
    }
}

/// Does the provider say of a part what it said when the rest had failed?
pub(crate) fn is_unchanged(part: &Part, payout: &Payout) -> bool {
    payout.state == PayoutState::Failure && payout.amount == part.amount
}

/// The answer of [`report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportLook {
    /// Not there yet: report these payments (those of the attempt that Amazon does not list).
    Send(Vec<ReportedPayment>),
    /// Amazon shows it as reported already.
    Found,
    /// The refund is not there: this reader is behind the one that showed it (U9). To be tried
    /// again.
    NotShown {
        /// What is missing.
        detail: String,
    },
    /// Amazon shows a state from which ours cannot be reached (reference 3.6).
    Contradicted {
        /// What Amazon shows.
        detail: String,
    },
}

/// May the report be sent, now that the order looks like this? Compared by our payment ids first,
/// then by state, never by the total alone.
#[must_use]
pub fn report(attempt: &ReportRefund, order: &Order) -> ReportLook {
    let Some(refund) = order
        .refunds
        .iter()
        .find(|refund| refund.id == attempt.refund_id)
    else {
        return ReportLook::NotShown {
            detail: format!("the order does not show refund {}", attempt.refund_id),
        };
    };
    let unlisted: Vec<ReportedPayment> = attempt
        .payments
        .iter()
        .filter(|payment| refund.payments.iter().all(|listed| listed.id != payment.id))
        .cloned()
        .collect();
    if refund.state == attempt.state {
        // Some answers carry no payments at all; then the state decides, and, where it may have
        // been that state before, the total.
        let told = refund.payments.is_empty()
            && (attempt.state != RefundState::Partial || refund.total == Some(attempt.total));
        if unlisted.is_empty() || told {
            return ReportLook::Found;
        }
    }
    if may_follow(&refund.state, &attempt.state) {
        ReportLook::Send(unlisted)
    } else {
        ReportLook::Contradicted {
            detail: format!(
                "Amazon shows {}, we would report {}",
                refund.state, attempt.state
            ),
        }
    }
}

/// May a refund in state `from` be reported as `to`? (Reference 3.6 and U6; we never report
/// PENDING.)
#[must_use]
pub fn may_follow(from: &RefundState, to: &RefundState) -> bool {
    use RefundState::{Failure, Partial, Pending, Rejected, Success};
    matches!(
        (from, to),
        (Pending, Partial | Failure | Success | Rejected)
            | (Failure, Partial | Failure | Success)
            | (Partial, Partial | Success)
    )
}
