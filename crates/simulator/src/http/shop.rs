//! Buy with Prime: the token endpoint and the GraphQL endpoint (reference 2).

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::chaos::{Fault, Remote};
use crate::graphql;
use crate::http::call::{Call, TookEffect};
use crate::http::{App, refuse};
use crate::world::as_of;

/// `POST /token`: client credentials, form-encoded.
pub(crate) async fn token(
    State(app): State<App>,
    Extension(call): Extension<Call>,
    body: Bytes,
) -> Response {
    let (mut grant, mut id, mut secret) = (None, None, None);
    for (name, value) in url::form_urlencoded::parse(&body) {
        match &*name {
            "grant_type" => grant = Some(value.into_owned()),
            "client_id" => id = Some(value.into_owned()),
            "client_secret" => secret = Some(value.into_owned()),
            _ => {}
        }
    }
    if grant.as_deref() != Some("client_credentials") {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let told = app.world.laws.pace.token_lifetime;
    let life = match call.fault {
        Fault::TokenExpiresEarly { after_ms } => told.min(Duration::from_millis(after_ms)),
        _ => told,
    };
    let issued = app.wire.issue_token(
        &app.world.laws.credentials,
        &id.unwrap_or_default(),
        &secret.unwrap_or_default(),
        life,
    );
    let Some(token) = issued else {
        app.wire.turned_away(Remote::Token);
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let mut answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": told.as_secs(),
    });
    match call.fault {
        Fault::TokenLifeZero => answer["expires_in"] = json!(0),
        Fault::TokenLifeText => answer["expires_in"] = json!(told.as_secs().to_string()),
        Fault::TokenLifeAbsent => {
            if let Some(members) = answer.as_object_mut() {
                members.remove("expires_in");
            }
        }
        _ => {}
    }
    Json(answer).into_response()
}

/// `POST /graphql`.
pub(crate) async fn graphql(
    State(app): State<App>,
    Extension(call): Extension<Call>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| app.wire.is_token_valid(token, call.arrived)) {
        app.wire.turned_away(Remote::BuyWithPrime);
        return refuse(StatusCode::UNAUTHORIZED, "the access token is not valid");
    }
    let credentials = &app.world.laws.credentials;
    if header(&credentials.target_header) != Some(credentials.target_id.as_str()) {
        return Json(json!({
            "data": null,
            "errors": [{
                "message": "The caller may not act for this target.",
                "extensions": {
                    "classification": { "errorType": "AccessDeniedError", "errorCode": 403 }
                }
            }]
        }))
        .into_response();
    }
    match as_of(call.arrived, call.fault, graphql::execute(&app.api, &body)).await {
        Ok(answer) => {
            let took_effect = call.operation.is_mutation() && !has_errors(&answer);
            let mut answer = ([(CONTENT_TYPE, "application/json")], answer).into_response();
            if took_effect {
                answer.extensions_mut().insert(TookEffect);
            }
            answer
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn has_errors(answer: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        errors: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Answer>(answer).map_or(true, |answer| answer.errors.is_some())
}
