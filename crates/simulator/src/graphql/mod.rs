//! Buy with Prime's GraphQL schema, as far as it is known (reference: reconstructed schema), and its
//! execution.

mod exact;
mod input;
mod input_events;
mod input_sandbox;
mod items;
mod refunds;
mod roots;
#[cfg(test)]
mod tests;
mod values;

use async_graphql::{EmptySubscription, Schema, ServerError, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::world::SharedWorld;

use roots::{Mutation, Query};

/// The schema, bound to a world.
pub(crate) type Api = Schema<Query, Mutation, EmptySubscription>;

/// Deep enough for every sensible query.
const DEPTH_MAX: usize = 40;

pub(crate) fn api(world: SharedWorld) -> Api {
    Schema::build(Query, Mutation, EmptySubscription)
        .register_output_type::<refunds::RefundCause>()
        .data(world)
        .limit_depth(DEPTH_MAX)
        .finish()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    query: String,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(default)]
    operation_name: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

/// Executes the body of a request and gives the body of the answer.
pub(crate) async fn execute(api: &Api, body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let body: Body<'_> = serde_json::from_slice(body)?;
    let variables = match body.variables {
        Some(raw) => exact::read(raw)?,
        None => Value::Null,
    };
    let mut request =
        async_graphql::Request::new(body.query).variables(exact::variables(variables));
    request.operation_name = body.operation_name;
    let mut response = api.execute(request).await;
    for error in &mut response.errors {
        classify(error);
    }
    serde_json::to_vec(&Answer {
        // What failed before any resolver ran has no data at all.
        data: match response.data {
            Value::Null if !response.errors.is_empty() => None,
            ref data => Some(data),
        },
        errors: &response.errors,
    })
}

/// What the engine itself found wrong is classified by a bare word (reference 2.3).
fn classify(error: &mut ServerError) {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("classification").is_none() {
        extensions.set("classification", "ValidationError");
    }
}
