//! What reads and events teach, whatever the state. None of it decides where to go; that is the
//! business of `lifecycle.rs`.

use crate::RefundId;
use crate::cancellation::attention::{self, About};
use crate::cancellation::conclusion::doubtful_lanes;
use crate::cancellation::input::{Event, EventType, Named, OrderRead};
use crate::cancellation::lifecycle::Machine;
use crate::cancellation::look::may_follow;
use crate::cancellation::milestone::Milestone;
use crate::cancellation::order::{
    CancellationState, Order, PackageState, RefundDetails, RefundState, ReportedPayment,
};
use crate::cancellation::refund::{Refund, Report};
use crate::cancellation::rejection::Rejection;
use crate::cancellation::state::{Grace, Look, RejectedWhy};
use crate::cancellation::verdict::{self, Verdict};

impl Machine {
    /// Takes in what a read shows, whatever the state. `None` when it shows nothing.
    pub(crate) fn learn<'read>(&mut self, read: &'read OrderRead) -> Option<&'read Order> {
        let order = read.order.as_ref()?;
        if order.id != self.case.order_id {
            self.rejection = Some(Rejection::ForeignOrder {
                expected: self.case.order_id.to_string(),
                found: order.id.to_string(),
            });
            return None;
        }
        // Reads work, whatever they failed of before.
        self.clear_exhausted("read_order");
        self.learn_cancel_attempt(read, order);
        for package in &order.packages {
            let known = self.case.prior.packages.contains(&package.id)
                || self.case.cancelled_packages.contains(&package.id);
            if package.state == PackageState::Cancelled && !known {
                self.case.cancelled_packages.push(package.id.clone());
                // However long the order was unfit before: this is news, and its entry may be late.
                self.case.unfit_since = None;
                self.start_grace();
            }
        }
        for details in &order.refunds {
            self.learn_refund(read, details);
        }
        self.settle_looks(read, order);
        if let Some(grace) = &mut self.case.grace {
            grace.over |= read.began_at >= grace.since.plus(self.case.terms.refund_grace);
        }
        Some(order)
    }

    /// Our alias is proof that an attempt of ours took effect. That it is not shown is believed once
    /// the doubt's time is over; in `requested`, only the look within an attempt may believe it.
    fn learn_cancel_attempt(&mut self, read: &OrderRead, order: &Order) {
        if verdict::shows_our_alias(&self.case, order) {
            self.case.accepted = true;
            self.case.cancel.done(0);
            return;
        }
        let decided = self.case.cancelled.is_some()
            || self.case.rejection.is_some()
            || self.case.adopted.is_some()
            || verdict::judge(&self.case, order) != Verdict::None;
        let over = self
            .case
            .cancel_doubt_ends()
            .is_some_and(|end| read.began_at >= end);
        if decided && over && self.case.cancel.open.is_none() {
            self.case.cancel.doubt = None;
        }
    }

    fn start_grace(&mut self) {
        let since = self.stamp.at;
        self.case.grace.get_or_insert(Grace { since, over: false });
    }

    fn learn_refund(&mut self, read: &OrderRead, details: &RefundDetails) {
        if self.case.prior.refunds.contains(&details.id) {
            return;
        }
        let at = self.stamp.at;
        let id = &details.id;
        if !self.case.refunds.contains_key(id) {
            self.start_grace();
            let contested = self.case.is_dismissed_as_not_due(id);
            let seen = Refund {
                contested,
                ..Refund::seen(details, at)
            };
            // Somebody else was faster than our first look, and the OMS has not heard of it. What is
            // not ours to pay and had ended before is no news of this cancellation.
            let ours = seen.is_ours(&self.case.terms) != Some(false);
            let is_news = ours && seen.is_final_at_amazon();
            self.case.refunds.insert(id.clone(), seen);
            if is_news {
                self.case
                    .milestones
                    .raise(self.stamp.seq, Milestone::RefundUpdated, Some(id));
            }
            self.check_new_refund(id);
            return;
        }
        let terms = self.case.terms.clone();
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return;
        };
        let was_unclear = refund.reason.is_none();
        if was_unclear {
            refund.reason.clone_from(&details.reason);
        }
        // From the first report on, the total is what was returned so far.
        let is_estimate =
            details.state == RefundState::Pending && refund.state == RefundState::Pending;
        if !refund.is_frozen() && is_estimate && details.total.is_some() {
            refund.amount = details.total;
            refund.line_items.clone_from(&details.line_items);
        }
        let made_clear = was_unclear && refund.reason.is_some();
        let due = refund.report_due(&terms);
        if refund.report.open.is_some() {
            // Our own report is on the wire: its outcome tells.
            return;
        }
        let doubted = refund.report.doubt.is_some();
        let ours = due.filter(|due| {
            due.state == details.state
                && (is_listed(due, details) || (doubted && is_told(due, &refund.state, details)))
        });
        if let Some(report) = ours {
            let newest = refund.report.made;
            self.reported(id, &report, newest);
            return;
        }
        let settled =
            refund.report.doubt.as_ref().is_some_and(|doubt| {
                read.began_at >= doubt.counted_from().plus(terms.visibility_lag)
            });
        if settled && refund.is_final_at_amazon() {
            refund.report.doubt = None;
        }
        let unknown_before = matches!(refund.state, RefundState::Other(_));
        if details.state != refund.state
            && (unknown_before || may_follow(&refund.state, &details.state))
        {
            self.moved_by_somebody_else(id, details);
        } else if made_clear {
            self.check_new_refund(id);
        }
    }

    fn check_new_refund(&mut self, id: &RefundId) {
        let Some(refund) = self.case.refunds.get(id) else {
            return;
        };
        let ours = refund.is_ours(&self.case.terms);
        let (state, final_already) = (refund.state.clone(), refund.is_final_at_amazon());
        if final_already || ours == Some(false) {
            return;
        }
        let unclear = if ours.is_none() {
            Some(
                "comes without a reason: it is not known whether it is to be paid by us, and nothing is paid",
            )
        } else if refund.amount.is_none() && state == RefundState::Pending {
            Some(
                "comes without a sound amount: it is not known how much to pay, and nothing is paid",
            )
        } else if refund.contested {
            Some(
                "shows at Amazon, although a person said that it is not to be paid before it showed; nothing is paid before a person says so again, or says that it was paid",
            )
        } else {
            None
        };
        if let Some(unclear) = unclear {
            let about = About::RefundUnclear {
                refund_id: id.clone(),
            };
            self.attend(about, format!("refund {id} {unclear}"));
        } else if state != RefundState::Pending {
            let about = About::RefundMoved {
                refund_id: id.clone(),
            };
            self.attend(
                about,
                format!("somebody else has brought refund {id} to {state} at Amazon"),
            );
        }
    }

    fn moved_by_somebody_else(&mut self, id: &RefundId, details: &RefundDetails) {
        let state = &details.state;
        let Some(refund) = self.case.refunds.get_mut(id) else {
            return;
        };
        refund.state = state.clone();
        refund.moved = true;
        refund.total_at_amazon = details.total;
        let touched =
            refund.payout.is_some() || !refund.parts.is_empty() || refund.pay.is_open_or_in_doubt();
        let is_final = refund.is_final_at_amazon();
        let ours = refund.is_ours(&self.case.terms) == Some(true);
        if is_final && refund.pay.open.is_none() && refund.report.open.is_none() {
            // Nothing of ours can be sent any more; what was in doubt is for a person to look into.
            refund.pay.doubt = None;
            refund.report.doubt = None;
        }
        if is_final {
            self.case
                .milestones
                .raise(self.stamp.seq, Milestone::RefundUpdated, Some(id));
        }
        let about = About::RefundMoved {
            refund_id: id.clone(),
        };
        if is_final && !touched {
            // Whoever moved it has brought it to its end: there is nothing to look into any more.
            attention::clear(&mut self.case.attention, |known| *known == about);
        } else if ours {
            let paid = if touched {
                "; we have paid, or may have"
            } else {
                ""
            };
            self.attend(
                about,
                format!("somebody else has brought refund {id} to {state} at Amazon{paid}"),
            );
        }
    }

    fn settle_looks(&mut self, read: &OrderRead, order: &Order) {
        let undecided = self.is_undecided_at_amazon(order);
        let case = &mut self.case;
        let refunds = &case.refunds;
        case.looks.retain(|look| {
            let late_enough =
                read.began_seq >= look.seq && look.not_before.is_none_or(|at| read.began_at >= at);
            let waits = undecided && look.event_type.is_none();
            waits || !(late_enough && is_shown(look, order, refunds))
        });
    }

    /// We took the cancellation for rejected, and yet our entry is there, and undecided: an accepted
    /// attempt is never disbelieved, so we wait for its end. Only a person may know better.
    pub(crate) fn is_undecided_at_amazon(&self, order: &Order) -> bool {
        let case = &self.case;
        let rejected = case.rejection.as_ref();
        rejected.is_some_and(|rejected| rejected.why != RejectedWhy::Operator)
            && order.cancellations.iter().any(|entry| {
                let decided = matches!(
                    entry.state,
                    CancellationState::Success | CancellationState::Rejected
                );
                entry.aliases.contains(&case.alias) && !decided
            })
    }

    /// In `success`: a cancellation in part may become one of the whole order.
    pub(crate) fn learn_whole(&mut self, order: &Order) {
        let judged = verdict::judge(&self.case, order);
        if let (Verdict::Cancelled { whole: true }, Some(cancelled)) =
            (judged, &mut self.case.cancelled)
        {
            cancelled.whole = true;
        }
    }

    /// What an event names is owed a look, unless it is known already.
    pub(crate) fn owe_look(&mut self, event: &Event) {
        if !self.is_news(event) {
            return;
        }
        let owed = self.case.looks.iter().any(|look| {
            look.names == event.names && look.event_type.as_ref() == Some(&event.event_type)
        });
        if !owed {
            self.case.looks.push(Look {
                since: self.stamp.at,
                seq: self.stamp.seq,
                not_before: None,
                event_type: Some(event.event_type.clone()),
                names: event.names.clone(),
            });
        }
    }

    fn is_news(&self, event: &Event) -> bool {
        let case = &self.case;
        match (&event.names, &event.event_type) {
            (_, EventType::Other(_)) | (Named::Order {}, _) => false,
            (names, event_type) if case.is_dismissed(names, event_type) => false,
            (Named::Refund { refund_id }, _) => {
                !case.prior.refunds.contains(refund_id) && !case.refunds.contains_key(refund_id)
            }
            (Named::Package { package_id }, EventType::PackageDeliveryCancelled) => {
                !case.prior.packages.contains(package_id)
                    && !case.cancelled_packages.contains(package_id)
            }
            (Named::Package { .. }, _) => true,
        }
    }

    pub(crate) fn attend_doubts(&mut self) {
        let patience = self.case.terms.patience;
        let overdue: Vec<_> = doubtful_lanes(&self.case)
            .filter(|(_, since)| self.stamp.at >= since.plus(patience))
            .collect();
        for (lane, since) in overdue {
            let what = attention::lane_in_words(&lane);
            let detail = format!(
                "{what} was attempted, its answer was lost ({since}), and no look has shown whether it took effect"
            );
            self.attend(About::InDoubt { lane }, detail);
        }
    }

    pub(crate) fn attend_looks(&mut self) {
        let patience = self.case.terms.patience;
        let overdue: Vec<(String, bool)> = self
            .case
            .looks
            .iter()
            .filter(|look| self.stamp.at >= look.since.plus(patience))
            .map(|look| (look.names.to_string(), look.event_type.is_some()))
            .collect();
        for (what, by_event) in overdue {
            let detail = if by_event {
                format!("an event from Amazon named {what}, and no read of the order shows that")
            } else {
                "the order is to be looked at again, and no read shows what is waited for"
                    .to_owned()
            };
            self.attend(About::NotVisible { what }, detail);
        }
    }

    /// Any read begun from now on will do.
    pub(crate) fn look_again(&mut self) {
        let waiting = self.case.looks.iter().any(|look| look.event_type.is_none());
        if !waiting {
            self.case.looks.push(Look {
                since: self.stamp.at,
                seq: self.stamp.seq,
                not_before: None,
                event_type: None,
                names: Named::Order {},
            });
        }
    }

    /// What is known here may be behind the world: an attempt of ours that was forgotten may have
    /// reached Amazon a moment ago. A read settles that once it cannot be late any more.
    pub(crate) fn look_after_restore(&mut self) {
        if self.case.looks.iter().all(|look| look.not_before.is_none()) {
            let since = self.stamp.at;
            self.case.looks.push(Look {
                since,
                seq: self.stamp.seq,
                not_before: Some(since.plus(self.case.terms.visibility_lag)),
                event_type: None,
                names: Named::Order {},
            });
        }
    }
}

/// Does Amazon list the payments of a report? Then it is ours, whatever else is known.
fn is_listed(report: &Report, details: &RefundDetails) -> bool {
    let is_known = |payment: &ReportedPayment| details.payments.iter().any(|d| d.id == payment.id);
    !report.payments.is_empty() && report.payments.iter().all(is_known)
}

/// Where there are no payments to compare: did the state move to what a report in doubt says, or,
/// where it was that already, the total?
fn is_told(report: &Report, before: &RefundState, details: &RefundDetails) -> bool {
    let incomparable = report.payments.is_empty() || details.payments.is_empty();
    incomparable && (*before != report.state || details.total == Some(report.total))
}

/// Does a read show what an event named, as the event says?
fn is_shown(
    look: &Look,
    order: &Order,
    refunds: &std::collections::BTreeMap<RefundId, Refund>,
) -> bool {
    match (&look.event_type, &look.names) {
        (None, _) | (_, Named::Order {}) => true,
        (_, Named::Refund { refund_id }) => {
            refunds.contains_key(refund_id) || order.refunds.iter().any(|r| r.id == *refund_id)
        }
        (Some(event_type), Named::Package { package_id }) => order
            .packages
            .iter()
            .find(|package| package.id == *package_id)
            .is_some_and(|package| match event_type {
                EventType::PackageDeliveryCancelled => package.state == PackageState::Cancelled,
                EventType::PackageDelivered => package.state == PackageState::Delivered,
                _ => package.state != PackageState::Pending,
            }),
    }
}
