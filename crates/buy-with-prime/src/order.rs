//! From an order on the wire to an order of the life cycle.
//!
//! What could hide something that stands against a mutation (a null in a list, an id that is none)
//! makes the whole answer unreadable: such a read is tried again, and in the end a person is asked.
//! An unsound amount of one refund only keeps that refund from being paid.

use countermand_core::cancellation::order as domain;
use countermand_core::{LineItemId, Money, OrderId, PackageId, PaymentId, RefundId};
use rust_decimal::Decimal;

use crate::cap::cap;
use crate::operations as wire;

/// What keeps an answer from being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is about the order `{found}`")]
    ForeignOrder { found: String },
    #[error("{list} hold a null")]
    Hole { list: &'static str },
    #[error("{what} `{found}` cannot be used")]
    Id { what: &'static str, found: String },
    #[error("the order shows no line items")]
    NoLineItems,
    #[error("line item {id} has no sound quantity")]
    Quantity { id: LineItemId },
}

/// Brings the answer about `expected` into the form that the life cycle works with.
pub(crate) fn read(order: wire::Order, expected: &OrderId) -> Result<domain::Order, Unreadable> {
    if order.id.inner() != expected.as_str() {
        return Err(Unreadable::ForeignOrder {
            found: cap(order.id.inner()),
        });
    }
    let mut units = Vec::new();
    let mut line_items = Vec::new();
    let mut cancellations = Vec::new();
    for item in filled("the line items", Some(order.line_items))? {
        let id = id("the line item id", item.id.inner(), LineItemId::new)?;
        let Some(quantity) = item.amount.value.value().filter(is_quantity) else {
            return Err(Unreadable::Quantity { id });
        };
        let entries = item.cancellations.and_then(|found| found.details);
        for entry in filled("the cancellations", entries)? {
            add_cancellation(&mut cancellations, cancellation(entry)?);
        }
        units.push((id.clone(), item.amount.unit));
        line_items.push(domain::LineItem {
            id,
            quantity,
            merchant_fulfilled: item
                .delivery_offer
                .and_then(|offer| offer.details)
                .and_then(|details| details.delivery_provider)
                .is_some_and(|provider| provider == "MERCHANT"),
        });
    }
    if line_items.is_empty() {
        return Err(Unreadable::NoLineItems);
    }

    let packages = order.package_information.and_then(|found| found.details);
    let packages = filled("the packages", packages)?
        .into_iter()
        .map(|found| package(found, &units))
        .collect::<Result<_, _>>()?;
    let refunds = order.refunds.and_then(|found| found.details);
    let refunds = filled("the refunds", refunds)?
        .into_iter()
        .map(refund)
        .collect::<Result<_, _>>()?;

    Ok(domain::Order {
        id: expected.clone(),
        line_items,
        packages,
        cancellations,
        refunds,
    })
}

/// The aliases, null or not.
pub(crate) fn aliases(
    found: Option<Vec<Option<wire::Alias>>>,
) -> Result<Vec<domain::Alias>, Unreadable> {
    let found = filled("the aliases", found)?.into_iter();
    Ok(found
        .map(|alias| domain::Alias {
            alias_id: alias.alias_id.into_inner(),
            alias_type: alias.alias_type,
        })
        .collect())
}

/// A state that Amazon did not tell is kept as one that nobody knows: it decides nothing.
pub(crate) fn state<S: for<'a> From<&'a str>>(found: Option<&str>) -> S {
    S::from(found.unwrap_or("(none)"))
}

fn filled<T>(list: &'static str, found: Option<Vec<Option<T>>>) -> Result<Vec<T>, Unreadable> {
    found
        .unwrap_or_default()
        .into_iter()
        .collect::<Option<Vec<T>>>()
        .ok_or(Unreadable::Hole { list })
}

fn id<T, E>(
    what: &'static str,
    text: &str,
    new: impl FnOnce(String) -> Result<T, E>,
) -> Result<T, Unreadable> {
    new(text.to_owned()).map_err(|_| Unreadable::Id {
        what,
        found: cap(text),
    })
}

fn is_quantity(value: &Decimal) -> bool {
    !value.is_sign_negative()
}

fn cancellation(found: wire::CancellationDetails) -> Result<domain::CancellationEntry, Unreadable> {
    Ok(domain::CancellationEntry {
        state: state(found.state.as_deref()),
        requested_by: found.requested_by.as_deref().map(domain::Requester::from),
        created_at: found.created_at,
        aliases: aliases(found.aliases)?,
        reason: found.reason,
    })
}

/// The same request is listed under each line item. It is told by its alias, else by who asked and
/// when. Where two such listings differ, the state that decides more wins (U15).
fn add_cancellation(entries: &mut Vec<domain::CancellationEntry>, new: domain::CancellationEntry) {
    let same = |entry: &domain::CancellationEntry| {
        if entry.aliases.is_empty() && new.aliases.is_empty() {
            (&entry.requested_by, &entry.created_at) == (&new.requested_by, &new.created_at)
        } else {
            entry
                .aliases
                .iter()
                .any(|alias| new.aliases.contains(alias))
        }
    };
    match entries.iter_mut().find(|entry| same(entry)) {
        None => entries.push(new),
        Some(entry) if weight(&new.state) > weight(&entry.state) => *entry = new,
        Some(_) => {}
    }
}

fn weight(state: &domain::CancellationState) -> u8 {
    match state {
        domain::CancellationState::Success => 3,
        domain::CancellationState::Pending => 2,
        domain::CancellationState::Rejected => 1,
        domain::CancellationState::Other(_) => 0,
    }
}

type Units = Vec<(LineItemId, Option<String>)>;

fn package(
    found: wire::PackageInformationDetails,
    units: &Units,
) -> Result<domain::Package, Unreadable> {
    let contents = found
        .contents
        .and_then(|contents| contents.order_line_items);
    let contents = filled("the contents of a package", contents)?;
    Ok(domain::Package {
        id: id("the package id", found.id.inner(), PackageId::new)?,
        state: domain::PackageState::from(found.state.as_str()),
        reason: found.reason.as_deref().map(domain::PackageReason::from),
        contents: contents
            .into_iter()
            .map(|content| quantity(content, Some(units)))
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
    })
}

/// How much of which line item; `None` where Amazon does not say, or not in the unit of the line
/// item (U19). What is left out covers nothing, so the pre-check stays on the safe side.
fn quantity(
    found: wire::OrderLineItemAmount,
    units: Option<&Units>,
) -> Result<Option<domain::ItemQuantity>, Unreadable> {
    let (Some(item), Some(amount)) = (found.line_item, found.amount) else {
        return Ok(None);
    };
    let id = id("the line item id", item.id.inner(), LineItemId::new)?;
    let unit_agrees = units.is_none_or(|units| {
        units
            .iter()
            .filter(|(of, _)| *of == id)
            .all(|(_, unit)| unit_name(unit.as_ref()) == unit_name(amount.unit.as_ref()))
    });
    let quantity = amount.value.value().filter(is_quantity);
    match quantity {
        Some(quantity) if unit_agrees => Ok(Some(domain::ItemQuantity { id, quantity })),
        _ => {
            tracing::warn!(line_item = %id, "a quantity in the answer is unsound and is left out");
            Ok(None)
        }
    }
}

fn unit_name(unit: Option<&String>) -> &str {
    unit.map_or("ONE", String::as_str)
}

fn refund(found: wire::RefundDetails) -> Result<domain::RefundDetails, Unreadable> {
    let id = id("the refund id", found.id.inner(), RefundId::new)?;
    let line_items = found.refund_for.and_then(|of| of.order_line_items);
    let payments = filled("the payments of a refund", found.payment_details)?;
    let total = found.refund_total.and_then(|total| total.total_amount);
    Ok(domain::RefundDetails {
        state: state(found.state.as_deref()),
        reason: found.refund_request_reason,
        total: total.and_then(|found| money(&found, &id)),
        line_items: filled("the line items of a refund", line_items)?
            .into_iter()
            .map(|content| quantity(content, None))
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
        payments: payments
            .into_iter()
            .filter_map(|found| {
                let payment_id = PaymentId::new(found.id?.into_inner()).ok()?;
                let amount = found.amount.and_then(|amount| money(&amount, &id));
                Some(domain::ReportedPayment {
                    id: payment_id,
                    amount,
                })
            })
            .collect(),
        id,
    })
}

fn money(found: &wire::Money, refund: &RefundId) -> Option<Money> {
    let (Some(amount), Some(currency)) = (&found.amount, &found.currency_code) else {
        return None;
    };
    let money = amount.value().and_then(|amount| {
        let currency = countermand_core::Currency::new(currency).ok()?;
        Money::new(amount, currency).ok()
    });
    if money.is_none() {
        tracing::warn!(%refund, "an amount in the answer is unsound and is left out");
    }
    money
}

#[cfg(test)]
mod tests;
