//! What Amazon, the payment provider and the engine say, in words that need no explanation.

use std::collections::BTreeMap;

use countermand_core::cancellation::State;
use countermand_core::cancellation::input::{
    EventType, Mutation, NotSent, Payout, PayoutState, Unknown,
};
use countermand_core::cancellation::order::{Order, PackageReason, RefundState, Requester};
use countermand_core::cancellation::request::{CancellationReason, Origin};
use countermand_core::cancellation::view::View;
use countermand_core::{Money, RefundId};

/// Longest quotation of what somebody else wrote, in characters.
const QUOTED_MAX: usize = 300;

/// The names of a cancellation's refunds: "the refund" where there is one.
#[derive(Debug, Clone)]
pub(super) struct Names(Vec<RefundId>);

impl Names {
    pub(super) fn of(view: &View) -> Self {
        Self(
            view.refunds
                .iter()
                .map(|refund| refund.id.clone())
                .collect(),
        )
    }

    pub(super) fn refund(&self, id: &RefundId) -> String {
        match self.0.iter().position(|known| known == id) {
            Some(_) if self.0.len() == 1 => "the refund".to_owned(),
            Some(index) => format!("refund {}", index + 1),
            None => format!("the refund {id}"),
        }
    }

    /// A mutation as a thing that may arrive or not.
    pub(super) fn message(&self, mutation: &Mutation) -> String {
        match mutation {
            Mutation::CancelOrder => "the request to cancel the order".to_owned(),
            Mutation::PayRefund { refund_id } => {
                format!("the instruction to pay {}", self.refund(refund_id))
            }
            Mutation::ReportRefund { refund_id } => {
                format!("the report on {}", self.refund(refund_id))
            }
        }
    }

    /// A lane, whatever it is.
    pub(super) fn lane(&self, lane: &str) -> String {
        if let Some(mutation) = Mutation::of_lane(lane) {
            return self.message(&mutation);
        }
        match lane.split('/').next() {
            Some("read_order") => "the look at the order".to_owned(),
            Some("update_oms") => "the message to your order system".to_owned(),
            _ => format!("the step {}", quoted(lane)),
        }
    }
}

/// Who it is sent to.
pub(super) fn receiver(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::CancelOrder | Mutation::ReportRefund { .. } => "Amazon",
        Mutation::PayRefund { .. } => "the payment provider",
    }
}

/// What somebody else wrote, not longer than it is worth.
pub(super) fn quoted(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("\"{}…\"", text.get(..end).unwrap_or_default()),
        None => format!("\"{text}\""),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// "a", "a and b", "a, b and c".
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

pub(super) fn reason(reason: CancellationReason) -> &'static str {
    match reason {
        CancellationReason::OrderedByMistake => "it was ordered by mistake",
        CancellationReason::ItemsArrivingLate => "the items would arrive too late",
        CancellationReason::IncorrectShippingAddress => "the shipping address is wrong",
        CancellationReason::OutOfStock => "the items are out of stock",
        CancellationReason::PaymentIssue => "the payment did not work",
        CancellationReason::Other => "for another reason",
    }
}

pub(super) fn requester(requester: Option<&Requester>) -> String {
    match requester {
        Some(Requester::Shopper) => "the shopper".to_owned(),
        Some(Requester::Merchant) => "the merchant".to_owned(),
        Some(Requester::ServiceAgent) => "Amazon's customer service".to_owned(),
        Some(Requester::Other(who)) => quoted(who),
        None => "somebody whom Amazon does not name".to_owned(),
    }
}

pub(super) fn refund_reason(reason: Option<&str>) -> String {
    match reason {
        Some("CANCELLED_ORDER") => "because the order is cancelled".to_owned(),
        Some("DELIVERY_ISSUES") => "because of a problem with the delivery".to_owned(),
        Some(other) => format!("with the reason {}", quoted(other)),
        None => "without saying why".to_owned(),
    }
}

pub(super) fn refund_state(state: &RefundState) -> String {
    match state {
        RefundState::Pending => "not paid back yet".to_owned(),
        RefundState::Partial => "paid back in part".to_owned(),
        RefundState::Failure => "not paid back, because a try failed".to_owned(),
        RefundState::Success => "paid back in full".to_owned(),
        RefundState::Rejected => "not to be paid back".to_owned(),
        RefundState::Other(other) => quoted(other),
    }
}

pub(super) fn payout(payout: &Payout, who: &str) -> String {
    let Payout {
        payment_id,
        state,
        amount,
    } = payout;
    match state {
        PayoutState::Success => format!("{amount} was paid back for {who}: payment {payment_id}"),
        PayoutState::Partial => {
            format!("{amount} of {who} was paid back so far: payment {payment_id}")
        }
        PayoutState::Pending => format!(
            "the payment provider took {who} up as payment {payment_id} and is working on it"
        ),
        PayoutState::Failure => {
            format!("the payment provider declared payment {payment_id}, for {who}, failed")
        }
    }
}

pub(super) fn unknown(why: Unknown) -> &'static str {
    match why {
        Unknown::TimeOut => "no answer came in time",
        Unknown::ConnectionLost => "the connection broke before the answer",
        Unknown::ServerError => "the other side had trouble of its own",
        Unknown::Unreadable => "the answer could not be read",
        Unknown::ForeignAnswer => "the answer was about something else",
        Unknown::OwnerLost => "this program stopped before the answer came",
        Unknown::Overdue => "no answer was noted in time",
        Unknown::Contradicted => "a person says that it came to nothing",
    }
}

pub(super) fn not_sent(why: NotSent) -> &'static str {
    match why {
        NotSent::ConnectionRefused => "no connection could be made",
        NotSent::Unauthorized => "our access was not accepted",
        NotSent::Throttled => "we were asked to send less",
        NotSent::NoToken | NotSent::TokenFailed => "there was no access token for it",
        NotSent::BreakerOpen => "it had failed so often that it was left alone for a while",
        NotSent::LookFailed => "the look that comes before it failed",
        NotSent::DeadlineOver => "the time for it was over before it could begin",
        NotSent::Fenced => "it was no longer wanted as it was about to be sent",
        NotSent::NotCancellable => "the order could no longer be cancelled",
        NotSent::NotFound => "it was about something not known there yet",
    }
}

pub(super) fn event(event_type: &EventType) -> String {
    match event_type {
        EventType::PackageDeliveryCancelled => "a package will not be delivered".to_owned(),
        EventType::RefundRequested => "a refund is asked for".to_owned(),
        EventType::RefundCompleted => "a refund is completed".to_owned(),
        EventType::PackageDeliveryInTransit => "a package is on its way".to_owned(),
        EventType::PackageDelivered => "a package has arrived".to_owned(),
        EventType::Other(other) => format!("something happened that it calls {}", quoted(other)),
    }
}

/// The packages of an order, counted by what became of them.
pub(super) fn packages(order: &Order) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for package in &order.packages {
        let reason = package.reason.as_ref().map(PackageReason::as_str);
        let what = match (package.state.as_str(), reason) {
            ("PENDING", _) => "waiting to be shipped".to_owned(),
            ("IN_TRANSIT", _) => "on its way".to_owned(),
            ("DELIVERED", _) => "delivered".to_owned(),
            ("CANCELLED", Some("UNFULFILLABLE")) => {
                "cancelled because an item could not be picked".to_owned()
            }
            ("CANCELLED", Some("UNDELIVERABLE")) => {
                "cancelled because it could not be delivered".to_owned()
            }
            ("CANCELLED", _) => "cancelled".to_owned(),
            (other, _) => format!("in the state {}", quoted(other)),
        };
        *counts.entry(what).or_default() += 1;
    }
    if counts.is_empty() {
        return "no packages yet".to_owned();
    }
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(what, count)| match count {
            1 => format!("1 package {what}"),
            count => format!("{count} packages {what}"),
        })
        .collect();
    list(&parts)
}

/// What was paid back, per currency.
pub(super) fn paid(view: &View) -> Option<String> {
    let mut sums: BTreeMap<String, Money> = BTreeMap::new();
    for refund in &view.refunds {
        let is_paid = refund.payment_id.is_some() && refund.reported.as_deref() == Some("SUCCESS");
        let Some(amount) = refund.amount.filter(|amount| is_paid && !amount.is_zero()) else {
            continue;
        };
        let sum = sums
            .entry(amount.currency().to_string())
            .or_insert_with(|| Money::zero(amount.currency()));
        // A sum that cannot be kept exactly is not told at all.
        *sum = sum.plus(&amount).ok()?;
    }
    let parts: Vec<String> = sums.values().map(ToString::to_string).collect();
    (!parts.is_empty()).then(|| list(&parts))
}

/// Why the order was not cancelled.
pub(super) fn why_not(view: &View) -> String {
    let Some(rejection) = &view.rejection else {
        return "the reason is not known".to_owned();
    };
    why(&rejection.why, rejection.detail.as_deref())
}

pub(super) fn why(code: &str, detail: Option<&str>) -> String {
    let and = |text: &str| match detail.filter(|detail| !detail.trim().is_empty()) {
        Some(detail) => format!("{text} ({})", quoted(detail).trim_matches('"')),
        None => text.to_owned(),
    };
    match code {
        "not_cancellable" => and("it was too far on its way to be cancelled"),
        "refused" => and("Amazon refused the request"),
        "rejected_by_amazon" => and("Amazon tried and could not cancel it"),
        "withdrawn" => and("the request was withdrawn before anything was sent"),
        "operator" => and("a person noted that Amazon will not cancel it"),
        other => and(other),
    }
}

/// Where it stands, while it goes on by itself.
pub(super) fn standing(view: &View, state: Option<&State>, why: &str) -> String {
    let order = &view.order_id;
    // A refund may be asked for where nothing is cancelled, or not all of it.
    let cancelled = state.and_then(|state| state.case.cancelled.as_ref());
    let subject = match cancelled {
        Some(cancelled) if cancelled.whole => format!("Order {order} is cancelled; its refunds"),
        Some(_) => format!("A part of order {order} is cancelled; its refunds"),
        None if view.state == "success" => format!("Order {order} is cancelled; its refunds"),
        None => format!("The refunds of order {order}"),
    };
    match view.state.as_str() {
        "precheck" if view.origin == Origin::Observed => format!(
            "Order {order} is being watched: something was heard of it, and nothing is settled yet."
        ),
        "precheck" => format!(
            "The cancellation of order {order} has begun: the order is being looked at, and Amazon was not asked yet."
        ),
        "requested" if view.in_doubt => format!(
            "Amazon was asked to cancel order {order}, and it is not known yet whether that arrived."
        ),
        "requested" => format!("Amazon is being asked to cancel order {order}."),
        "pending" => format!("Amazon is deciding whether order {order} is cancelled."),
        "success" => format!("{subject} are still being looked after."),
        "refund" if view.in_doubt => format!(
            "{subject} are being paid and reported; whether the last of it arrived is not known yet."
        ),
        "refund" => format!("{subject} are being paid and reported."),
        "rejected" => {
            format!("Order {order} was not cancelled: {why}. A few things are still to be done.")
        }
        _ => format!("The cancellation of order {order} goes on."),
    }
}
