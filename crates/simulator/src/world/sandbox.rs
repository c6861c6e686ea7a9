//! The sandbox mutation that moves packages (reference 1.5 and 3.9).

use std::sync::Arc;

use crate::world::amazon::{ApiError, Identifier};
use crate::world::events::EventKind;
use crate::world::order::{Order, PackageReason, PackageState, RefundReason, Tick};
use crate::world::timeline::Deed;
use crate::world::{Books, World};

/// What shall become of a package.
#[derive(Debug, Clone)]
pub(crate) struct PackageUpdate {
    pub(crate) id: String,
    pub(crate) state: PackageState,
    pub(crate) reason: Option<PackageReason>,
}

impl World {
    /// Moves packages, a little later; the answer shows the order as it is now.
    pub(crate) fn update_packages(
        &self,
        by: &Identifier,
        updates: Vec<PackageUpdate>,
    ) -> Result<Arc<Order>, ApiError> {
        let (mut books, now) = self.books();
        let id = self.known(&mut books, by, now)?;
        let order = Self::newest(&books, &id)?;
        for update in &updates {
            check(&order, update)?;
        }
        for update in updates {
            let due = now
                + self
                    .laws
                    .pace
                    .ship
                    .draw(self.laws.seed, &["sandbox", &update.id]);
            let deed = Deed::Package {
                order: id.clone(),
                package: update.id,
                state: update.state,
                reason: update.reason,
            };
            self.plan(&mut books, due, deed);
        }
        Ok(order)
    }

    pub(crate) fn change_package(
        &self,
        books: &mut Books,
        now: Tick,
        id: &str,
        package_id: &str,
        state: PackageState,
        reason: Option<PackageReason>,
    ) {
        let Some((_, mut order)) = Self::edit(books, id) else {
            return;
        };
        let Some(package) = order
            .packages
            .iter_mut()
            .find(|package| package.id == package_id)
        else {
            return;
        };
        // It may have moved since it was checked.
        if !may_become(package.state, state, reason) {
            return;
        }
        package.state = state;
        package.reason = reason;
        let contents = package.contents.clone();
        let amount = order.price_of(&contents);
        self.store(books, id, now, order);
        let kind = match state {
            PackageState::Cancelled => EventKind::PackageCancelled,
            PackageState::InTransit => EventKind::PackageInTransit,
            PackageState::Delivered => EventKind::PackageDelivered,
            PackageState::Pending => return,
        };
        self.publish(books, now, kind, id, package_id);
        if state == PackageState::Cancelled {
            let reason = match reason {
                Some(PackageReason::Undeliverable) => RefundReason::DeliveryIssues,
                _ => RefundReason::CancelledOrder,
            };
            self.plan_refund(books, now, id, contents, amount, reason);
        }
    }
}

fn check(order: &Order, update: &PackageUpdate) -> Result<(), ApiError> {
    let Some(package) = order
        .packages
        .iter()
        .find(|package| package.id == update.id)
    else {
        return Err(ApiError::validation(
            "PackageInformationDetailIdNotFound",
            "The order has no such package.",
        ));
    };
    if update.state == PackageState::Cancelled && update.reason.is_none() {
        return Err(ApiError::validation(
            "MissingCancellationReason",
            "A cancelled package needs a reason.",
        ));
    }
    if may_become(package.state, update.state, update.reason) {
        Ok(())
    } else {
        Err(ApiError::validation(
            "InvalidPackageDeliveryDetailStateTransition",
            format!(
                "The package cannot move from {} to {}.",
                package.state.name(),
                update.state.name()
            ),
        ))
    }
}

/// The transition table of reference 1.5.
fn may_become(from: PackageState, to: PackageState, reason: Option<PackageReason>) -> bool {
    match (from, to) {
        (PackageState::Pending, PackageState::Cancelled) => matches!(
            reason,
            Some(PackageReason::Unfulfillable | PackageReason::CustomerRequested)
        ),
        (PackageState::InTransit, PackageState::Cancelled) => {
            reason == Some(PackageReason::Undeliverable)
        }
        (PackageState::Pending, PackageState::InTransit)
        | (PackageState::InTransit, PackageState::Delivered) => true,
        _ => false,
    }
}
