//! Input types of event subscriptions.

use async_graphql::{ID, InputObject};

use crate::world::ApiError;

#[derive(InputObject)]
pub(crate) struct CreateEventSubscriptionInput {
    pub(crate) destination: EventDestinationInput,
    pub(crate) event_type: String,
}

/// Give exactly one member.
#[derive(InputObject)]
pub(crate) struct EventDestinationInput {
    event_bridge: Option<EventBridgeDestinationInput>,
    webhook: Option<WebhookDestinationInput>,
}

impl EventDestinationInput {
    /// A name for the destination, to tell whether it is subscribed already.
    pub(crate) fn name(&self) -> Result<String, ApiError> {
        match (&self.event_bridge, &self.webhook) {
            (Some(bridge), None) => Ok(format!(
                "eventbridge:{}:{}:{}",
                bridge.region,
                bridge.partner_event_source.account,
                bridge.partner_event_source.name
            )),
            (None, Some(webhook)) => Ok(format!("webhook:{}", webhook.url)),
            _ => Err(ApiError::validation(
                "INVENTED_EventDestination",
                "Give exactly one of eventBridge and webhook.",
            )),
        }
    }
}

#[derive(InputObject)]
pub(crate) struct EventBridgeDestinationInput {
    region: String,
    partner_event_source: PartnerEventSourceInput,
}

#[derive(InputObject)]
pub(crate) struct PartnerEventSourceInput {
    account: String,
    name: String,
}

#[derive(InputObject)]
pub(crate) struct WebhookDestinationInput {
    url: String,
    http_method: Option<String>,
    method: Option<String>,
    auth_profile_id: Option<ID>,
    auth_config: Option<WebhookAuthConfigInput>,
}

#[derive(InputObject)]
pub(crate) struct WebhookAuthConfigInput {
    #[graphql(name = "oAuthConfig")]
    o_auth_config: Option<OAuthConfigInput>,
}

#[derive(InputObject)]
#[graphql(name = "OAuthConfigInput")]
pub(crate) struct OAuthConfigInput {
    client_parameters: Option<OAuthClientParametersInput>,
}

#[derive(InputObject)]
#[graphql(name = "OAuthClientParametersInput")]
pub(crate) struct OAuthClientParametersInput {
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct CreateAuthProfileInput {
    pub(crate) auth_profile_alias_id: Option<ID>,
    pub(crate) auth_config: WebhookAuthConfigInput,
}
