//! Buy with Prime: refund reports (`updateOrder`, reference 3.6).

use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::ledger::{AliasRecord, PaymentPart, REFUSED_BY_SCENARIO, ReportCall};
use crate::scenario::Scenario;
use crate::world::amazon::{ApiError, Identifier};
use crate::world::events::EventKind;
use crate::world::order::{Order, RefundPayment, RefundState, Tick};
use crate::world::{Books, World};

/// One refund of a report.
#[derive(Debug, Clone)]
pub(crate) struct RefundReport {
    pub(crate) id: Option<String>,
    pub(crate) state: Option<RefundState>,
    /// Everything returned so far, with its currency.
    pub(crate) total: Option<(Decimal, String)>,
    pub(crate) payments: Vec<ReportedPart>,
    pub(crate) aliases: Vec<AliasRecord>,
    pub(crate) status_reason: Option<String>,
    /// Was `refundRequestReason` given? It belongs to external refunds only.
    pub(crate) names_request_reason: bool,
}

/// One payment of a report.
#[derive(Debug, Clone)]
pub(crate) struct ReportedPart {
    pub(crate) part: PaymentPart,
    pub(crate) state: Option<String>,
    pub(crate) display: Option<String>,
    pub(crate) method: Option<String>,
}

impl World {
    /// Books a report: all of it or nothing. Payments are a delta: one that is reported twice is
    /// booked twice.
    pub(crate) fn report_refunds(
        &self,
        by: &Identifier,
        reports: Vec<RefundReport>,
    ) -> Result<Arc<Order>, ApiError> {
        let (mut books, now) = self.books();
        let named = by.order_id.clone().unwrap_or_default();
        let result = self.try_report(&mut books, now, by, &reports);
        for report in reports {
            let seq = books.next_seq();
            let (total, currency) = report.total.unzip();
            books.reports.push(ReportCall {
                seq,
                at: self.at(now),
                order_id: result
                    .as_ref()
                    .map_or_else(|_| named.clone(), |order| order.id.clone()),
                refund_id: report.id,
                state: report.state.map(|state| state.name().to_owned()),
                total,
                currency,
                payments: report.payments.into_iter().map(|part| part.part).collect(),
                accepted: result.is_ok(),
                error: result.as_ref().err().map(ApiError::name),
            });
        }
        result
    }

    fn try_report(
        &self,
        books: &mut Books,
        now: Tick,
        by: &Identifier,
        reports: &[RefundReport],
    ) -> Result<Arc<Order>, ApiError> {
        let id = self.known(books, by, now)?;
        let (_, mut order) = Self::edit(books, &id).ok_or_else(ApiError::not_found)?;
        check(&order, reports)?;
        if let Some(entry) = books.orders.get_mut(&id)
            && entry.suffers(Scenario::ReportRefused)
            && entry.reports_refused == 0
        {
            entry.reports_refused += 1;
            return Err(ApiError::validation(
                REFUSED_BY_SCENARIO,
                "The refund cannot be updated at this time.",
            ));
        }
        let at = self.at(now);
        let mut completed = Vec::new();
        for report in reports {
            let Some(refund) = order
                .refunds
                .iter_mut()
                .find(|refund| Some(&refund.id) == report.id.as_ref())
            else {
                continue;
            };
            // A total that is known is shown.
            refund.without_amount = false;
            if let Some(state) = report.state {
                if state == RefundState::Success && refund.state != state {
                    completed.push(refund.id.clone());
                }
                refund.state = state;
            }
            if let Some((total, _)) = &report.total {
                refund.reported_total = Some(*total);
            }
            refund
                .payments
                .extend(report.payments.iter().map(|part| RefundPayment {
                    part: part.part.clone(),
                    state: part.state.clone(),
                    display: part.display.clone(),
                    method: part.method.clone(),
                    at: at.clone(),
                }));
            for alias in &report.aliases {
                // The same kind overwrites, a new kind adds, nothing deletes.
                refund
                    .aliases
                    .retain(|known| known.alias_type != alias.alias_type);
                refund.aliases.push(alias.clone());
            }
            if let Some(reason) = &report.status_reason {
                refund.status_reason = Some(reason.clone());
            }
            refund.updated_at.clone_from(&at);
        }
        self.store(books, &id, now, order);
        for refund in completed {
            // The newest event type; not everybody's subscription has it.
            if self.laws.seed.per_mille(500, &["completed", &id, &refund]) {
                self.publish(books, now, EventKind::RefundCompleted, &id, &refund);
            }
        }
        Self::newest(books, &id)
    }
}

fn check(order: &Order, reports: &[RefundReport]) -> Result<(), ApiError> {
    let mut ids = BTreeSet::new();
    let mut alias_ids = BTreeSet::new();
    for report in reports {
        let Some(id) = &report.id else {
            return Err(ApiError::validation(
                "MissingRefundId",
                "A refund id must be given.",
            ));
        };
        if !ids.insert(id) {
            return Err(ApiError::validation(
                "DuplicateRefundId",
                "The same refund id is given twice.",
            ));
        }
        let Some(refund) = order.refunds.iter().find(|refund| refund.id == *id) else {
            return Err(ApiError::validation(
                "InvalidRefundId",
                "The refund id is not known for this order.",
            ));
        };
        if report.names_request_reason {
            return Err(ApiError::validation(
                "InvalidRefundRequestReasonUpdate",
                "The request reason of this refund cannot be changed.",
            ));
        }
        for alias in &report.aliases {
            if !alias_ids.insert(&alias.alias_id) {
                return Err(ApiError::validation(
                    "DuplicateAliasId",
                    "Two refunds share an alias id.",
                ));
            }
            let taken = order
                .refunds
                .iter()
                .any(|other| other.id != *id && other.aliases.contains(alias));
            if taken {
                return Err(ApiError::validation(
                    "InvalidAliasId",
                    "The alias belongs to another refund of the order.",
                ));
            }
        }
        if let Some(state) = report.state
            && !refund.state.may_become(state)
        {
            return Err(ApiError::validation(
                "InvalidRefundStateTransition",
                format!(
                    "The refund cannot move from {} to {}.",
                    refund.state.name(),
                    state.name()
                ),
            ));
        }
        if let Some((_, currency)) = &report.total
            && *currency != order.currency
        {
            return Err(ApiError::validation(
                "INVENTED_CurrencyMismatch",
                format!("The order is in {}, not in {currency}.", order.currency),
            ));
        }
    }
    Ok(())
}
