//! The operations.

use async_graphql::{Context, Error, ErrorExtensionValues, ID, Object, Value};

use crate::graphql::input::{
    CancelOrderInput, OrderIdentifierInput, RefundInput, UpdateOrderInput, aliases,
};
use crate::graphql::input_events::{CreateAuthProfileInput, CreateEventSubscriptionInput};
use crate::graphql::input_sandbox::UpdateOrderPackageInformationInput;
use crate::graphql::items::{
    CancelOrderResponse, CancellationRequestDetails, Order, UpdateOrderPackageInformationResponse,
    UpdateOrderResponse,
};
use crate::graphql::values::{
    CreateAuthProfileResponse, CreateEventSubscriptionResponse, DeleteEventSubscriptionResponse,
    EventSubscription, Maybe, list,
};
use crate::world::{ApiError, CancelInput, Identifier, SharedWorld, World};

/// A field whose failure leaves null in its place and an entry among the errors.
type Answer<T> = Option<Result<T, Error>>;

fn world<'a>(context: &Context<'a>) -> &'a World {
    context.data_unchecked::<SharedWorld>()
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a nullable field")]
fn answer<T>(result: Result<T, ApiError>) -> Answer<T> {
    Some(result.map_err(told))
}

/// The error as callers see it (reference 2.3).
fn told(error: ApiError) -> Error {
    let mut classification = async_graphql::indexmap::IndexMap::new();
    let mut set = |name: &str, value: Value| {
        classification.insert(async_graphql::Name::new(name), value);
    };
    set("errorType", error.error_type.into());
    set("errorCode", error.error_code.into());
    if let Some(code) = error.code {
        set("code", code.into());
    }
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("classification", Value::Object(classification));
    let mut told = Error::new(error.message);
    told.extensions = Some(extensions);
    told
}

pub(crate) struct Query;

#[Object]
impl Query {
    /// One order, by Amazon order id or by alias.
    async fn order(
        &self,
        context: &Context<'_>,
        order_identifier: OrderIdentifierInput,
    ) -> Answer<Order> {
        answer(
            world(context)
                .read_order(&Identifier::from(order_identifier))
                .map(Order),
        )
    }

    async fn event_subscription(
        &self,
        context: &Context<'_>,
        subscription_id: ID,
    ) -> Option<EventSubscription> {
        world(context)
            .subscriptions()
            .into_iter()
            .find(|(id, _)| *id == *subscription_id)
            .map(subscription)
    }

    async fn event_subscriptions(&self, context: &Context<'_>) -> Maybe<EventSubscription> {
        list(world(context).subscriptions().into_iter().map(subscription))
    }
}

fn subscription((id, event_type): (String, String)) -> EventSubscription {
    EventSubscription {
        subscription_id: Some(id.into()),
        event_type: Some(event_type),
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    /// Ask for cancellation of the WHOLE order. Asynchronous: a good answer normally carries state
    /// PENDING.
    async fn cancel_order(
        &self,
        context: &Context<'_>,
        order_identifier: OrderIdentifierInput,
        input: Option<CancelOrderInput>,
    ) -> Answer<CancelOrderResponse> {
        let input = input.map(CancelInput::from).unwrap_or_default();
        answer(
            world(context)
                .cancel_order(&order_identifier.into(), input)
                .map(|(order, entry)| CancelOrderResponse {
                    cancellation: Some(CancellationRequestDetails::new(&order, entry)),
                }),
        )
    }

    /// Change an order; this is also how refund progress is reported.
    async fn update_order(
        &self,
        context: &Context<'_>,
        order_identifier: OrderIdentifierInput,
        input: UpdateOrderInput,
    ) -> Answer<UpdateOrderResponse> {
        let by = Identifier::from(order_identifier);
        let new_aliases = aliases(input.aliases);
        let reports = input.refunds.map(RefundInput::reports);
        let result = match reports {
            Some(reports) => world(context).report_refunds(&by, reports),
            None => world(context).add_aliases(&by, Vec::new()),
        };
        let result = match result {
            Ok(_) if !new_aliases.is_empty() => world(context).add_aliases(&by, new_aliases),
            other => other,
        };
        answer(result.map(|order| UpdateOrderResponse {
            order: Some(Order(order)),
        }))
    }

    async fn create_event_subscription(
        &self,
        context: &Context<'_>,
        input: CreateEventSubscriptionInput,
    ) -> Answer<CreateEventSubscriptionResponse> {
        answer(input.destination.name().and_then(|destination| {
            world(context)
                .subscribe(&input.event_type, &destination)
                .map(|id| CreateEventSubscriptionResponse {
                    subscription_id: Some(id.into()),
                })
                .ok_or_else(|| {
                    ApiError::validation(
                        "SubscriptionAlreadyExists",
                        "This event type is subscribed for this destination.",
                    )
                })
        }))
    }

    async fn delete_event_subscription(
        &self,
        context: &Context<'_>,
        subscription_id: ID,
    ) -> Answer<DeleteEventSubscriptionResponse> {
        answer(if world(context).unsubscribe(&subscription_id) {
            Ok(DeleteEventSubscriptionResponse {
                subscription_id: Some(subscription_id),
            })
        } else {
            Err(ApiError {
                message: "There is no such subscription.".to_owned(),
                ..ApiError::not_found()
            })
        })
    }

    async fn create_auth_profile(
        &self,
        context: &Context<'_>,
        input: CreateAuthProfileInput,
    ) -> Option<CreateAuthProfileResponse> {
        let alias = input.auth_profile_alias_id.unwrap_or_else(|| ID::from(""));
        let seed = world(context).laws.seed;
        Some(CreateAuthProfileResponse {
            auth_profile_id: Some(seed.uuid_shaped(&["auth profile", &alias]).into()),
        })
    }

    /// Sandbox only. Asynchronous; the answer shows the order as it is now.
    async fn update_order_package_information(
        &self,
        context: &Context<'_>,
        order_identifier: OrderIdentifierInput,
        input: UpdateOrderPackageInformationInput,
    ) -> Answer<UpdateOrderPackageInformationResponse> {
        answer(input.updates().and_then(|updates| {
            world(context)
                .update_packages(&order_identifier.into(), updates)
                .map(|order| UpdateOrderPackageInformationResponse {
                    order: Some(Order(order)),
                })
        }))
    }
}
