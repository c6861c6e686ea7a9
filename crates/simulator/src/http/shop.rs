//! Buy with Prime: the token endpoint and the GraphQL endpoint (reference 2).

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::chaos::Remote;
use crate::graphql;
use crate::http::{App, refuse};

/// `POST /token`: client credentials, form-encoded.
pub(crate) async fn token(State(app): State<App>, body: Bytes) -> Response {
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
    let issued = app
        .world
        .issue_token(&id.unwrap_or_default(), &secret.unwrap_or_default());
    let Some((token, expires_in)) = issued else {
        app.world.turned_away(Remote::Token);
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    Json(json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": expires_in,
    }))
    .into_response()
}

/// `POST /graphql`.
pub(crate) async fn graphql(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| app.world.is_token_valid(token)) {
        app.world.turned_away(Remote::BuyWithPrime);
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
    match graphql::execute(&app.api, &body).await {
        Ok(answer) => ([(CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}
