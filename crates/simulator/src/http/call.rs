//! What a call asks for, found before anybody acts on it.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, OperationType, Selection};
use axum::http::Method;
use serde::Deserialize;
use tokio::time::Instant;

use crate::chaos::{Fault, Remote};
use crate::operation::Operation;

/// A call that was let in; handlers find it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// When it arrived. Its credentials are judged as of then, however late it is acted upon.
    pub(crate) arrived: Instant,
    pub(crate) operation: Operation,
    pub(crate) fault: Fault,
}

/// The call was a mutation and took effect; a handler says so among the answer's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TookEffect;

/// What a call asks for.
pub(crate) fn operation(remote: Remote, method: &Method, body: &[u8]) -> Operation {
    match remote {
        Remote::Token => Operation::Token,
        Remote::Refunds if method == Method::POST => Operation::PayRefund,
        Remote::Refunds => Operation::ListRefunds,
        Remote::Oms => Operation::UpdateOms,
        Remote::BuyWithPrime => graphql(body).unwrap_or(Operation::OtherRead),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
}

fn graphql(body: &[u8]) -> Option<Operation> {
    let document: Document = serde_json::from_slice(body).ok()?;
    let parsed = parse_query(&document.query).ok()?;
    let operation = match &parsed.operations {
        DocumentOperations::Single(operation) => operation,
        // One that has a name is held like several.
        DocumentOperations::Multiple(operations) => match &document.operation_name {
            Some(wanted) => operations.iter().find(|(name, _)| **name == **wanted)?.1,
            None => operations.values().next()?,
        },
    };
    let mut fields = operation.node.selection_set.node.items.iter();
    let first = fields.find_map(|selection| match &selection.node {
        Selection::Field(field) => Some(field.node.name.node.as_str()),
        _ => None,
    });
    Some(match (operation.node.ty, first) {
        (OperationType::Query, Some("order")) => Operation::ReadOrder,
        (OperationType::Mutation, Some("cancelOrder")) => Operation::CancelOrder,
        (OperationType::Mutation, Some("updateOrder")) => Operation::ReportRefund,
        (OperationType::Mutation, _) => Operation::OtherMutation,
        _ => Operation::OtherRead,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_told_apart() {
        let of = |query: &str| {
            let body = json!({ "query": query }).to_string();
            operation(Remote::BuyWithPrime, &Method::POST, body.as_bytes())
        };
        assert_eq!(of("query { order { id } }"), Operation::ReadOrder);
        assert_eq!(of("{ order { id } }"), Operation::ReadOrder);
        assert_eq!(
            of("# mutation\nmutation x { cancelOrder { id } }"),
            Operation::CancelOrder
        );
        assert_eq!(
            of("mutation { updateOrder { id } }"),
            Operation::ReportRefund
        );
        assert_eq!(
            of("mutation { createAuthProfile { id } }"),
            Operation::OtherMutation
        );
        assert_eq!(of("{ __schema { types { name } } }"), Operation::OtherRead);
        assert_eq!(of("nonsense {"), Operation::OtherRead);
        assert_eq!(
            operation(Remote::Refunds, &Method::GET, b""),
            Operation::ListRefunds
        );
        assert_eq!(
            operation(Remote::Refunds, &Method::POST, b""),
            Operation::PayRefund
        );
    }
}
