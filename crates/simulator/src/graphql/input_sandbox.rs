//! Input types of the sandbox mutation.

use async_graphql::{Enum, ID, InputObject};

use crate::graphql::input::{AmountInput, LineItemIdentifierInput, Maybe, given};
use crate::world::{ApiError, PackageReason, PackageState, PackageUpdate};

#[derive(InputObject)]
pub(crate) struct UpdateOrderPackageInformationInput {
    package_information: Option<SandboxPackageInformationInput>,
}

#[derive(InputObject)]
pub(crate) struct SandboxPackageInformationInput {
    details: Maybe<SandboxPackageInformationDetailsInput>,
}

#[derive(InputObject)]
pub(crate) struct SandboxPackageInformationDetailsInput {
    id: ID,
    package_state: Option<SandboxPackageStateInput>,
}

/// Give exactly one member.
#[derive(InputObject)]
pub(crate) struct SandboxPackageStateInput {
    package_information_state: Option<UpdatePackageInformationStateInput>,
    package_tracker_state: Option<SandboxPackageTrackerStateInput>,
}

#[derive(InputObject)]
pub(crate) struct UpdatePackageInformationStateInput {
    package_information_details_for: Option<PackageInformationDetailsForInput>,
    /// Required when state is CANCELLED.
    reason: Option<PackageInformationDetailsReasonInput>,
    state: PackageInformationDetailsStateInput,
}

#[derive(InputObject)]
pub(crate) struct PackageInformationDetailsForInput {
    order_line_item_amounts: Maybe<OrderLineItemAmountInput>,
}

#[derive(InputObject)]
pub(crate) struct OrderLineItemAmountInput {
    line_item_id: LineItemIdentifierInput,
    amount: Option<AmountInput>,
}

#[derive(InputObject)]
pub(crate) struct SandboxPackageTrackerStateInput {
    package_tracker_identifier: Option<PackageTrackerIdentifierInput>,
    state: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct PackageTrackerIdentifierInput {
    tracking_number: Option<String>,
    carrier_code: Option<String>,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageInformationDetailsReasonInput {
    CustomerRequested,
    Undeliverable,
    Unfulfillable,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageInformationDetailsStateInput {
    Pending,
    InTransit,
    Delivered,
    Cancelled,
}

impl UpdateOrderPackageInformationInput {
    pub(crate) fn updates(self) -> Result<Vec<PackageUpdate>, ApiError> {
        given(self.package_information.and_then(|info| info.details))
            .map(|detail| {
                let state = detail.package_state.ok_or_else(conflicting)?;
                match (state.package_information_state, state.package_tracker_state) {
                    (Some(state), None) => Ok(PackageUpdate {
                        id: detail.id.0,
                        state: match state.state {
                            PackageInformationDetailsStateInput::Pending => PackageState::Pending,
                            PackageInformationDetailsStateInput::InTransit => {
                                PackageState::InTransit
                            }
                            PackageInformationDetailsStateInput::Delivered => {
                                PackageState::Delivered
                            }
                            PackageInformationDetailsStateInput::Cancelled => {
                                PackageState::Cancelled
                            }
                        },
                        reason: state.reason.map(|reason| match reason {
                            PackageInformationDetailsReasonInput::CustomerRequested => {
                                PackageReason::CustomerRequested
                            }
                            PackageInformationDetailsReasonInput::Undeliverable => {
                                PackageReason::Undeliverable
                            }
                            PackageInformationDetailsReasonInput::Unfulfillable => {
                                PackageReason::Unfulfillable
                            }
                        }),
                    }),
                    // Nothing here has a tracker.
                    (None, Some(_)) => Err(ApiError::validation(
                        "PackageTrackerNotFound",
                        "The package has no such tracker.",
                    )),
                    _ => Err(conflicting()),
                }
            })
            .collect()
    }
}

fn conflicting() -> ApiError {
    ApiError::validation(
        "ConflictingPackageStateInput",
        "Give exactly one of packageInformationState and packageTrackerState.",
    )
}
