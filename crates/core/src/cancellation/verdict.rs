//! The one verdict: what an order, as read, says about the cancellation we follow. And the
//! pre-check: may the order be cancelled at all?

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::LineItemId;
use crate::cancellation::order::{CancellationEntry, CancellationState, Order, PackageState};
use crate::cancellation::request::Origin;
use crate::cancellation::state::{Case, EntryKey, Sent};

/// What an order says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The order is cancelled, wholly or in part.
    Cancelled {
        /// Was it the whole order?
        whole: bool,
    },
    /// Amazon is trying.
    Pending(&'a CancellationEntry),
    /// The entry that we follow was rejected.
    Rejected(&'a CancellationEntry),
    /// Nothing that concerns us.
    None,
}

/// Judges an order.
///
/// Any SUCCESS decides, whoever asked; else any PENDING; else, observed only, any CANCELLED
/// package; else the rejection of the entry we follow. Once we have sent, or may have, only an
/// entry with our alias can make it *rejected*; REJECTED entries that we do not follow are ignored.
#[must_use]
pub fn judge<'a>(case: &Case, order: &'a Order) -> Verdict<'a> {
    let entries = &order.cancellations;
    let in_state =
        |state: CancellationState| entries.iter().find(move |entry| entry.state == state);
    if in_state(CancellationState::Success).is_some() {
        return Verdict::Cancelled { whole: true };
    }
    if let Some(entry) = pending(case, entries) {
        return Verdict::Pending(entry);
    }
    if case.origin == Origin::Observed {
        let cancelled = order
            .packages
            .iter()
            .filter(|package| package.state == PackageState::Cancelled)
            .count();
        if cancelled > 0 {
            return Verdict::Cancelled {
                whole: cancelled == order.packages.len(),
            };
        }
    }
    let rejected = entries
        .iter()
        .filter(|entry| entry.state == CancellationState::Rejected)
        .find(|entry| {
            let ours = entry.aliases.contains(&case.alias);
            let adopted = case.adopted.as_ref() == Some(&EntryKey::of(entry));
            ours || (adopted && case.sent() == Sent::Never)
        });
    rejected.map_or(Verdict::None, Verdict::Rejected)
}

/// A pending entry; ours before anybody else's. A state that we do not know counts as pending:
/// neither success nor rejection may be guessed.
fn pending<'a>(case: &Case, entries: &'a [CancellationEntry]) -> Option<&'a CancellationEntry> {
    let is_pending = |entry: &&CancellationEntry| match &entry.state {
        CancellationState::Pending => true,
        CancellationState::Other(_) => entry.aliases.contains(&case.alias),
        CancellationState::Success | CancellationState::Rejected => false,
    };
    let ours = |entry: &&CancellationEntry| entry.aliases.contains(&case.alias);
    entries
        .iter()
        .filter(is_pending)
        .find(ours)
        .or_else(|| entries.iter().find(is_pending))
}

/// Does the order show an entry with our alias?
#[must_use]
pub fn shows_our_alias(case: &Case, order: &Order) -> bool {
    order
        .cancellations
        .iter()
        .any(|entry| entry.aliases.contains(&case.alias))
}

/// The answer of the pre-check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Every package of every line item is PENDING, and they cover what was ordered.
    Ready,
    /// A package has left PENDING for good.
    FurtherOn {
        /// Which item, which package, which state.
        detail: String,
    },
    /// A package is CANCELLED although no cancellation is visible (yet).
    Unexplained {
        /// Which package, and the reason it gives.
        detail: String,
    },
    /// Nothing to decide on yet.
    NotYet {
        /// What is missing.
        detail: String,
    },
}

/// May this order be cancelled? Looks at every package (never at the summary, X22), is not fooled
/// by an empty list, and wants the ordered amounts covered (reference 3.2).
#[must_use]
pub fn precheck(order: &Order) -> Readiness {
    if let Some(package) = order.amazon_packages().find(|package| {
        matches!(
            package.state,
            PackageState::InTransit | PackageState::Delivered
        )
    }) {
        let items = package
            .contents
            .iter()
            .map(|item| item.id.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let of = if items.is_empty() {
            String::new()
        } else {
            format!(" with line item {items}")
        };
        return Readiness::FurtherOn {
            detail: format!("package {}{of} is {}", package.id, package.state),
        };
    }
    if let Some(package) = order
        .amazon_packages()
        .find(|package| package.state == PackageState::Cancelled)
    {
        let reason = package
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        return Readiness::Unexplained {
            detail: format!("package {} is CANCELLED{reason}", package.id),
        };
    }
    if let Some(package) = order
        .amazon_packages()
        .find(|package| package.state != PackageState::Pending)
    {
        return Readiness::NotYet {
            detail: format!(
                "package {} is in the unknown state {}",
                package.id, package.state
            ),
        };
    }
    let mut covered: BTreeMap<&LineItemId, Decimal> = BTreeMap::new();
    for item in order
        .amazon_packages()
        .flat_map(|package| &package.contents)
    {
        let sum = covered.entry(&item.id).or_default();
        *sum = sum.checked_add(item.quantity).unwrap_or(Decimal::MAX);
    }
    let mut amazon = order
        .line_items
        .iter()
        .filter(|item| !item.merchant_fulfilled)
        .peekable();
    if amazon.peek().is_none() {
        return Readiness::NotYet {
            detail: "the order has no line item that Amazon delivers".to_owned(),
        };
    }
    if order.amazon_packages().next().is_none() {
        return Readiness::NotYet {
            detail: "the order shows no packages yet".to_owned(),
        };
    }
    for item in amazon {
        let have = covered.get(&item.id).copied().unwrap_or_default();
        if have < item.quantity {
            return Readiness::NotYet {
                detail: format!(
                    "packages cover {have} of {} of line item {}",
                    item.quantity, item.id
                ),
            };
        }
    }
    Readiness::Ready
}
