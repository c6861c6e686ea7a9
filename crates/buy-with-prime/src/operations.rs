//! The GraphQL operations, as types. The derive macros check each of them against the schema file
//! at build time and write the query text from it, so a field that is not needed is not fetched.
//!
//! Answers are read by serde's own derive: a field that may be null may also be missing, as some
//! servers leave nulls out. The exceptions are marked.

use cynic::Id;
use serde::Deserialize;

use crate::decimal::Number;
use crate::lenient::{one_or_many, present, refunds};

#[cynic::schema("buy-with-prime")]
#[expect(unreachable_pub, reason = "the macro makes everything in it public")]
pub(crate) mod schema {}

// ------------------------------------------------------------------------------ reading an order

#[derive(Debug, cynic::QueryVariables)]
pub(crate) struct OrderVariables {
    pub(crate) order_identifier: OrderIdentifierInput,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(graphql_type = "Query", variables = "OrderVariables", no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadOrder {
    #[arguments(orderIdentifier: $order_identifier)]
    #[serde(deserialize_with = "present")]
    pub(crate) order: Option<Order>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) id: Id,
    pub(crate) line_items: Vec<Option<LineItem>>,
    pub(crate) package_information: Option<PackageInformation>,
    #[serde(default, deserialize_with = "refunds")]
    pub(crate) refunds: Option<Refunds>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineItem {
    pub(crate) id: Id,
    pub(crate) amount: Amount,
    pub(crate) delivery_offer: Option<DeliveryOfferInfo>,
    // Without it, nothing is known about what stands against a cancellation.
    #[serde(deserialize_with = "present")]
    pub(crate) cancellations: Option<Cancellations>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amount {
    pub(crate) unit: Option<String>,
    pub(crate) value: Number,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryOfferInfo {
    pub(crate) details: Option<DeliveryOfferDetails>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryOfferDetails {
    pub(crate) delivery_provider: Option<String>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancellations {
    pub(crate) details: Option<Vec<Option<CancellationDetails>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancellationDetails {
    pub(crate) state: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) requested_by: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) aliases: Option<Vec<Option<Alias>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alias {
    pub(crate) alias_id: Id,
    pub(crate) alias_type: String,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageInformation {
    pub(crate) details: Option<Vec<Option<PackageInformationDetails>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageInformationDetails {
    pub(crate) id: Id,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    #[cynic(rename = "packageInformationDetailsFor")]
    #[serde(rename = "packageInformationDetailsFor")]
    pub(crate) contents: Option<PackageInformationDetailsFor>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageInformationDetailsFor {
    pub(crate) order_line_items: Option<Vec<Option<OrderLineItemAmount>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderLineItemAmount {
    pub(crate) line_item: Option<LineItemId>,
    pub(crate) amount: Option<Amount>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(graphql_type = "LineItem", no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineItemId {
    pub(crate) id: Id,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refunds {
    #[serde(default, deserialize_with = "one_or_many")]
    pub(crate) details: Option<Vec<Option<RefundDetails>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundDetails {
    pub(crate) id: Id,
    pub(crate) state: Option<String>,
    pub(crate) refund_request_reason: Option<String>,
    pub(crate) refund_total: Option<RefundTotal>,
    pub(crate) refund_for: Option<RefundFor>,
    pub(crate) payment_details: Option<Vec<Option<PaymentDetails>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundTotal {
    pub(crate) total_amount: Option<Money>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Money {
    pub(crate) amount: Option<Number>,
    pub(crate) currency_code: Option<String>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundFor {
    pub(crate) order_line_items: Option<Vec<Option<OrderLineItemAmount>>>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentDetails {
    pub(crate) id: Option<Id>,
    pub(crate) amount: Option<Money>,
}

// --------------------------------------------------------------------------------- cancelOrder

#[derive(Debug, cynic::QueryVariables)]
pub(crate) struct CancelOrderVariables {
    pub(crate) order_identifier: OrderIdentifierInput,
    pub(crate) input: CancelOrderInput,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(
    graphql_type = "Mutation",
    variables = "CancelOrderVariables",
    no_deserialize
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelOrder {
    #[arguments(orderIdentifier: $order_identifier, input: $input)]
    #[serde(deserialize_with = "present")]
    pub(crate) cancel_order: Option<CancelOrderResponse>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelOrderResponse {
    pub(crate) cancellation: Option<CancellationRequestDetails>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancellationRequestDetails {
    pub(crate) id: Option<Id>,
    pub(crate) state: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) aliases: Option<Vec<Option<Alias>>>,
}

// --------------------------------------------------------------------------------- updateOrder

#[derive(Debug, cynic::QueryVariables)]
pub(crate) struct UpdateOrderVariables {
    pub(crate) order_identifier: OrderIdentifierInput,
    pub(crate) input: UpdateOrderInput,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(
    graphql_type = "Mutation",
    variables = "UpdateOrderVariables",
    no_deserialize
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateOrder {
    #[arguments(orderIdentifier: $order_identifier, input: $input)]
    #[serde(deserialize_with = "present")]
    pub(crate) update_order: Option<UpdateOrderResponse>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateOrderResponse {
    pub(crate) order: Option<OrderId>,
}

#[derive(Debug, cynic::QueryFragment, Deserialize)]
#[cynic(graphql_type = "Order", no_deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderId {
    pub(crate) id: Id,
}

// -------------------------------------------------------------------------------------- inputs

#[derive(Debug, cynic::InputObject)]
pub(crate) struct OrderIdentifierInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<AliasInput>,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct AliasInput {
    pub(crate) alias_id: Id,
    pub(crate) alias_type: String,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct CancelOrderInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) additional_comments: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) aliases: Option<Vec<AliasInput>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<CancellationReasonInput>,
}

#[derive(Debug, Clone, Copy, cynic::Enum)]
pub(crate) enum CancellationReasonInput {
    IncorrectShippingAddress,
    ItemsArrivingLate,
    OrderedByMistake,
    Other,
    OutOfStock,
    PaymentIssue,
}

#[derive(Debug, cynic::InputObject)]
#[cynic(graphql_type = "UpdateOrderInput")]
pub(crate) struct UpdateOrderInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) refunds: Option<RefundInput>,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct RefundInput {
    pub(crate) details: Option<Vec<RefundDetailsInput>>,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct RefundDetailsInput {
    pub(crate) id: Option<Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) payment_details: Option<Vec<PaymentDetailsInput>>,
    pub(crate) refund_total: RefundTotalInput,
    pub(crate) state: Option<RefundStateInput>,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct RefundTotalInput {
    pub(crate) total_amount: Option<MoneyInput>,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct MoneyInput {
    pub(crate) amount: Number,
    pub(crate) currency_code: String,
}

#[derive(Debug, cynic::InputObject)]
pub(crate) struct PaymentDetailsInput {
    pub(crate) id: Option<Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<MoneyInput>,
    pub(crate) state: Option<PaymentStateInput>,
}

#[derive(Debug, Clone, Copy, cynic::Enum)]
pub(crate) enum PaymentStateInput {
    Success,
}

#[derive(Debug, Clone, Copy, cynic::Enum)]
pub(crate) enum RefundStateInput {
    Failure,
    Partial,
    Pending,
    Rejected,
    Success,
}

#[cfg(test)]
mod tests {
    use cynic::{MutationBuilder, QueryBuilder};

    use super::*;

    fn words(query: &str) -> String {
        query.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn identifier() -> OrderIdentifierInput {
        OrderIdentifierInput {
            order_id: Some(Id::new("322-A")),
            alias: None,
        }
    }

    /// Only what is needed is fetched: no names, addresses, contacts or comments of a shopper. A
    /// change here is a change in what we know about people.
    #[test]
    fn the_documents_ask_for_nothing_else() {
        let order = ReadOrder::build(OrderVariables {
            order_identifier: identifier(),
        });
        assert_eq!(
            words(&order.query),
            "query ReadOrder($orderIdentifier: OrderIdentifierInput!) { \
             order(orderIdentifier: $orderIdentifier) { id \
             lineItems { id amount { unit value } deliveryOffer { details { deliveryProvider } } \
             cancellations { details { state reason requestedBy createdAt aliases { aliasId aliasType } } } } \
             packageInformation { details { id state reason packageInformationDetailsFor { \
             orderLineItems { lineItem { id } amount { unit value } } } } } \
             refunds { details { id state refundRequestReason \
             refundTotal { totalAmount { amount currencyCode } } \
             refundFor { orderLineItems { lineItem { id } amount { unit value } } } \
             paymentDetails { id amount { amount currencyCode } } } } } }"
        );
        let cancel = CancelOrder::build(CancelOrderVariables {
            order_identifier: identifier(),
            input: CancelOrderInput {
                additional_comments: None,
                aliases: None,
                reason: None,
            },
        });
        assert_eq!(
            words(&cancel.query),
            "mutation CancelOrder($orderIdentifier: OrderIdentifierInput!, $input: CancelOrderInput!) { \
             cancelOrder(orderIdentifier: $orderIdentifier, input: $input) { \
             cancellation { id state createdAt aliases { aliasId aliasType } } } }"
        );
        let update = UpdateOrder::build(UpdateOrderVariables {
            order_identifier: identifier(),
            input: UpdateOrderInput { refunds: None },
        });
        assert_eq!(
            words(&update.query),
            "mutation UpdateOrder($orderIdentifier: OrderIdentifierInput!, $input: UpdateOrderInput!) { \
             updateOrder(orderIdentifier: $orderIdentifier, input: $input) { order { id } } }"
        );
    }
}
