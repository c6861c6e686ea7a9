//! Input types, and what they mean to the world.

use async_graphql::resolver_utils::enum_value;
use async_graphql::{Enum, ID, InputObject};
use rust_decimal::Decimal;

use crate::graphql::exact::Exact;
use crate::ledger::{AliasRecord, PaymentPart};
use crate::world::{CancelInput, Identifier, RefundReport, RefundState, ReportedPart};

pub(crate) type Maybe<T> = Option<Vec<Option<T>>>;

pub(crate) fn given<T>(list: Maybe<T>) -> impl Iterator<Item = T> {
    list.into_iter().flatten().flatten()
}

#[derive(InputObject)]
pub(crate) struct AliasInput {
    alias_id: ID,
    alias_type: String,
}

impl From<AliasInput> for AliasRecord {
    fn from(input: AliasInput) -> Self {
        Self {
            alias_id: input.alias_id.0,
            alias_type: input.alias_type,
        }
    }
}

pub(crate) fn aliases(list: Maybe<AliasInput>) -> Vec<AliasRecord> {
    given(list).map(AliasRecord::from).collect()
}

#[derive(InputObject)]
pub(crate) struct AmountInput {
    unit: Option<String>,
    value: Exact,
}

#[derive(InputObject)]
pub(crate) struct MoneyInput {
    amount: Exact,
    currency_code: String,
}

/// Give exactly one member, never both.
#[derive(InputObject)]
pub(crate) struct OrderIdentifierInput {
    order_id: Option<ID>,
    alias: Option<AliasInput>,
}

impl From<OrderIdentifierInput> for Identifier {
    fn from(input: OrderIdentifierInput) -> Self {
        Self {
            order_id: input.order_id.map(|id| id.0),
            alias: input.alias.map(AliasRecord::from),
        }
    }
}

#[derive(InputObject)]
pub(crate) struct LineItemIdentifierInput {
    line_item_id: Option<ID>,
    alias: Option<AliasInput>,
}

#[derive(InputObject)]
pub(crate) struct CancelOrderInput {
    additional_comments: Option<String>,
    /// 0 to 5 entries
    aliases: Maybe<AliasInput>,
    reason: Option<CancellationReasonInput>,
}

impl From<CancelOrderInput> for CancelInput {
    fn from(input: CancelOrderInput) -> Self {
        Self {
            reason: input.reason.map(CancellationReasonInput::name),
            comments: input.additional_comments,
            aliases: aliases(input.aliases),
        }
    }
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancellationReasonInput {
    IncorrectShippingAddress,
    ItemsArrivingLate,
    OrderedByMistake,
    Other,
    OutOfStock,
    PaymentIssue,
}

impl CancellationReasonInput {
    const fn name(self) -> &'static str {
        match self {
            Self::IncorrectShippingAddress => "INCORRECT_SHIPPING_ADDRESS",
            Self::ItemsArrivingLate => "ITEMS_ARRIVING_LATE",
            Self::OrderedByMistake => "ORDERED_BY_MISTAKE",
            Self::Other => "OTHER",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::PaymentIssue => "PAYMENT_ISSUE",
        }
    }
}

#[derive(InputObject)]
pub(crate) struct UpdateOrderInput {
    pub(crate) aliases: Maybe<AliasInput>,
    pub(crate) desired_execution_state: Option<OrderExecutionStateInput>,
    pub(crate) refunds: Option<RefundInput>,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderExecutionStateInput {
    NotStarted,
    Started,
}

#[derive(InputObject)]
pub(crate) struct RefundInput {
    details: Maybe<RefundDetailsInput>,
}

impl RefundInput {
    pub(crate) fn reports(self) -> Vec<RefundReport> {
        given(self.details)
            .map(RefundDetailsInput::report)
            .collect()
    }
}

#[derive(InputObject)]
pub(crate) struct RefundDetailsInput {
    /// Required in practice for refunds Amazon asked for.
    id: Option<ID>,
    /// Same aliasType overwrites, new aliasType adds, nothing deletes.
    aliases: Maybe<AliasInput>,
    /// Only the payments made in THIS update (a delta).
    payment_details: Maybe<PaymentDetailsInput>,
    refund_for: Option<RefundForInput>,
    /// External refunds only.
    refund_request_reason: Option<RefundRequestReasonInput>,
    refund_status_reason: Option<RefundStatusReasonInput>,
    /// Everything returned so far including earlier updates (cumulative).
    refund_total: RefundTotalInput,
    state: Option<RefundStateInput>,
}

impl RefundDetailsInput {
    fn report(self) -> RefundReport {
        RefundReport {
            id: self.id.map(|id| id.0),
            state: self.state.map(RefundState::from),
            total: self
                .refund_total
                .total_amount
                .map(|money| (money.amount.0, money.currency_code)),
            payments: given(self.payment_details)
                .map(PaymentDetailsInput::part)
                .collect(),
            aliases: aliases(self.aliases),
            status_reason: self
                .refund_status_reason
                .map(|reason| enum_value(reason).to_string()),
            names_request_reason: self.refund_request_reason.is_some(),
        }
    }
}

#[derive(InputObject)]
pub(crate) struct RefundTotalInput {
    total_amount: Option<MoneyInput>,
}

#[derive(InputObject)]
pub(crate) struct RefundForInput {
    order_line_items: Maybe<RefundedOrderLineItemInput>,
}

#[derive(InputObject)]
pub(crate) struct RefundedOrderLineItemInput {
    line_item_id: LineItemIdentifierInput,
    amount: Option<AmountInput>,
}

#[derive(InputObject)]
pub(crate) struct PaymentDetailsInput {
    id: Option<ID>,
    amount: Option<MoneyInput>,
    payment_method: Option<PaymentMethodInput>,
    state: Option<PaymentStateInput>,
}

impl PaymentDetailsInput {
    fn part(self) -> ReportedPart {
        let (amount, currency): (Option<Decimal>, Option<String>) = self
            .amount
            .map(|money| (money.amount.0, money.currency_code))
            .unzip();
        let (display, method) = self
            .payment_method
            .map(|method| (method.display_string, method.kind))
            .unzip();
        ReportedPart {
            part: PaymentPart {
                id: self.id.map(|id| id.0),
                amount,
                currency,
            },
            state: self
                .state
                .map(|PaymentStateInput::Success| "SUCCESS".to_owned()),
            display: display.flatten(),
            method: method
                .flatten()
                .map(|PaymentMethodTypeInput::AmazonPay| "AMAZON_PAY".to_owned()),
        }
    }
}

#[derive(InputObject)]
pub(crate) struct PaymentMethodInput {
    display_string: Option<String>,
    #[graphql(name = "type")]
    kind: Option<PaymentMethodTypeInput>,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentMethodTypeInput {
    AmazonPay,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentStateInput {
    Success,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundStateInput {
    Failure,
    Partial,
    Pending,
    Rejected,
    Success,
}

impl From<RefundStateInput> for RefundState {
    fn from(input: RefundStateInput) -> Self {
        match input {
            RefundStateInput::Failure => Self::Failure,
            RefundStateInput::Partial => Self::Partial,
            RefundStateInput::Pending => Self::Pending,
            RefundStateInput::Rejected => Self::Rejected,
            RefundStateInput::Success => Self::Success,
        }
    }
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundRequestReasonInput {
    BillingError,
    CancelledOrder,
    CustomerNotSatisfiedWithService,
    DamagedDefectiveItem,
    DeliveredNotReceived,
    DeliveryIssues,
    ExpirationDateProblem,
    FoodSafetyIssue,
    ItemMissing,
    LostInTransit,
    NotDelivered,
    Others,
    ReceivedItemTooLate,
    ReturnDroppedOffPickedUp,
    ReturnNoScan,
    ReturnReceived,
    ReturnRelatedError,
    WrongItemReceived,
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundStatusReasonInput {
    ExcessiveReturns,
    FailureToProvideProofOfPurchase,
    FraudulentReturnAttempt,
    ItemNotReturnedInOriginalCondition,
    MissingOriginalPackaging,
    MissingReceiptOrProofOfPurchase,
    NonRefundableShippingFees,
    NonReturnableItems,
    Others,
    PartiallyDeclined,
    RefundAlreadyProcessed,
    RefundViolation,
    ReturnNotAuthorized,
    ReturnWindowExpired,
    UsedOrDamagedItem,
}
