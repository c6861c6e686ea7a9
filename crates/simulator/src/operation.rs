//! What a call asks for.

use serde::{Deserialize, Serialize};

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// An access token.
    Token,
    /// `order`.
    ReadOrder,
    /// `cancelOrder`.
    CancelOrder,
    /// `updateOrder`.
    ReportRefund,
    /// The provider's list.
    ListRefunds,
    /// A payout.
    PayRefund,
    /// A message to the OMS.
    UpdateOms,
    /// Any other query, and what cannot be read.
    OtherRead,
    /// Any other GraphQL mutation.
    OtherMutation,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 9] = [
        Self::Token,
        Self::ReadOrder,
        Self::CancelOrder,
        Self::ReportRefund,
        Self::ListRefunds,
        Self::PayRefund,
        Self::UpdateOms,
        Self::OtherRead,
        Self::OtherMutation,
    ];

    /// Does it change something at the remote?
    #[must_use]
    pub const fn is_mutation(self) -> bool {
        match self {
            Self::CancelOrder
            | Self::ReportRefund
            | Self::PayRefund
            | Self::UpdateOms
            | Self::OtherMutation => true,
            Self::Token | Self::ReadOrder | Self::ListRefunds | Self::OtherRead => false,
        }
    }
}

/// Which calls of a remote a forced fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Aim {
    /// A group of them.
    Group(Group),
    /// Those that ask for this.
    Only(Operation),
}

/// A group of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// All of them.
    Any,
    /// Those that change nothing.
    Reads,
    /// Those that change something.
    Mutations,
}

impl Aim {
    /// All calls.
    pub const ANY: Self = Self::Group(Group::Any);
    /// Calls that change something.
    pub const MUTATIONS: Self = Self::Group(Group::Mutations);
    /// Calls that change nothing.
    pub const READS: Self = Self::Group(Group::Reads);

    pub(crate) fn takes(self, operation: Operation) -> bool {
        match self {
            Self::Group(Group::Any) => true,
            Self::Only(only) => only == operation,
            Self::Group(Group::Reads) => !operation.is_mutation(),
            Self::Group(Group::Mutations) => operation.is_mutation(),
        }
    }
}

impl Default for Aim {
    fn default() -> Self {
        Self::ANY
    }
}

impl From<Operation> for Aim {
    fn from(operation: Operation) -> Self {
        Self::Only(operation)
    }
}
