//! The access token: cached, renewed by one caller at a time, a little before it expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use countermand_core::cancellation::input::NotSent;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::transport::{ANSWER_MAX, Failure, Request, exchange};

/// The documented life of a token, for answers that do not tell it.
const LIFE_DEFAULT: Duration = Duration::from_secs(900);
/// Bounds of what is believed: a token that lives for ever is asked for again all the same, and one
/// that is born dead still serves the callers that wait for it.
const LIFE_MIN: Duration = Duration::from_secs(1);
const LIFE_MAX: Duration = Duration::from_secs(3600);
/// How long before its end a token is renewed; a tenth of its life where that is less.
const MARGIN_MAX: Duration = Duration::from_secs(10);
/// The longest that a call with a token that still serves spends on renewing it.
const EARLY_MAX: Duration = Duration::from_secs(3);

/// An access token.
#[derive(Debug)]
pub(crate) struct Token {
    /// `Bearer …`, marked as sensitive.
    pub(crate) header: HeaderValue,
    renew_at: Instant,
    expires_at: Instant,
}

/// Why there is no token. Whatever call wanted it was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenError {
    pub(crate) why: NotSent,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
}

/// The last renewal that failed, so that those who waited for it do not ask once more each.
struct FailedRenewal {
    at: Instant,
    error: TokenError,
}

pub(crate) struct Tokens {
    http: Client,
    endpoint: Url,
    client_id: String,
    client_secret: SecretString,
    current: Mutex<Option<Arc<Token>>>,
    /// Held by the one caller that renews.
    renewal: tokio::sync::Mutex<Option<FailedRenewal>>,
}

impl Tokens {
    pub(crate) fn new(
        http: Client,
        endpoint: Url,
        client_id: String,
        client_secret: SecretString,
    ) -> Self {
        Self {
            http,
            endpoint,
            client_id,
            client_secret,
            current: Mutex::new(None),
            renewal: tokio::sync::Mutex::new(None),
        }
    }

    /// A token that is good now, before the deadline.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<Token>, TokenError> {
        let now = Instant::now();
        let Some(current) = self.current().filter(|token| now < token.expires_at) else {
            return self.renew(None, deadline).await;
        };
        if now < current.renew_at {
            return Ok(current);
        }
        // It still serves for a few seconds: one caller renews it, nobody waits.
        let Ok(mut failed) = self.renewal.try_lock() else {
            return Ok(current);
        };
        if failed.as_ref().is_some_and(|failed| failed.bars(now)) {
            return Ok(current);
        }
        let deadline = deadline.min(now + EARLY_MAX);
        match self.ask(deadline, &mut failed).await {
            Ok(token) => Ok(token),
            Err(error) => {
                tracing::warn!(detail = %error.detail, "the access token could not be renewed early");
                Ok(current)
            }
        }
    }

    /// A token other than the refused one.
    pub(crate) async fn renew(
        &self,
        refused: Option<&Arc<Token>>,
        deadline: Instant,
    ) -> Result<Arc<Token>, TokenError> {
        let began = Instant::now();
        let mut failed = timeout_at(deadline, self.renewal.lock())
            .await
            .map_err(|_| TokenError {
                why: NotSent::NoToken,
                detail: "the time was over while another call was renewing the access token"
                    .to_owned(),
                retry_after: None,
            })?;
        let now = Instant::now();
        // Whoever held the lock may have brought one.
        if let Some(current) = self.current()
            && now < current.expires_at
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, &current))
        {
            return Ok(current);
        }
        if let Some(failed) = failed.as_ref()
            && (failed.at > began || failed.bars(now))
        {
            return Err(failed.error_at(now));
        }
        self.ask(deadline, &mut failed).await
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn ask(
        &self,
        deadline: Instant,
        failed: &mut Option<FailedRenewal>,
    ) -> Result<Arc<Token>, TokenError> {
        match self.fetch(deadline).await {
            Ok(token) => {
                let token = Arc::new(token);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                *failed = None;
                Ok(token)
            }
            Err(error) => {
                // Another caller may have more time left than this one had.
                if error.why != NotSent::DeadlineOver {
                    *failed = Some(FailedRenewal {
                        at: Instant::now(),
                        error: error.clone(),
                    });
                }
                Err(error)
            }
        }
    }

    async fn fetch(&self, deadline: Instant) -> Result<Token, TokenError> {
        let began = Instant::now();
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret())
            .finish();
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let request = Request {
            url: &self.endpoint,
            headers,
            body: Bytes::from(form),
            fence: None,
            deadline,
            answer_max: ANSWER_MAX,
        };
        let answer = exchange(&self.http, request)
            .await
            .map_err(TokenError::from)?;
        let refused = |why, detail: String| TokenError {
            why,
            detail: format!("the token endpoint {detail}"),
            retry_after: answer.retry_after,
        };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(refused(
                    NotSent::Throttled,
                    "asks to slow down (429)".to_owned(),
                ));
            }
            StatusCode::UNAUTHORIZED => {
                return Err(refused(
                    NotSent::Unauthorized,
                    "refuses the credentials (401)".to_owned(),
                ));
            }
            status => {
                let code = answer.body.as_deref().ok().and_then(refusal);
                let status = status.as_u16();
                return Err(match code.filter(|_| matches!(status, 400 | 403)) {
                    Some(code) => refused(
                        NotSent::Unauthorized,
                        format!("refuses the credentials ({status}, {code})"),
                    ),
                    None => refused(NotSent::TokenFailed, format!("answered {status}")),
                });
            }
        }
        let body = answer.body.as_deref().map_err(|lost| {
            refused(
                NotSent::TokenFailed,
                format!("gave no whole answer: {}", lost.detail),
            )
        })?;
        // Nothing of the body may go into a message: it holds the token.
        let token = read(body).ok_or_else(|| {
            refused(
                NotSent::TokenFailed,
                "gave an answer that holds no token".to_owned(),
            )
        })?;
        let margin = MARGIN_MAX.min(token.life / 10);
        Ok(Token {
            header: token.header,
            renew_at: began + token.life.saturating_sub(margin),
            expires_at: began + token.life,
        })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("endpoint", &self.endpoint.as_str())
            .finish_non_exhaustive()
    }
}

impl FailedRenewal {
    /// Was it asked to wait, and is that time not over?
    fn bars(&self, now: Instant) -> bool {
        self.error
            .retry_after
            .is_some_and(|wait| now < self.at + wait)
    }

    /// For those who did not ask themselves: only the one that did is told of a failure.
    fn error_at(&self, now: Instant) -> TokenError {
        let mut error = self.error.clone();
        error.why = NotSent::NoToken;
        error.retry_after = error
            .retry_after
            .map(|wait| (self.at + wait).saturating_duration_since(now));
        error
    }
}

impl From<Failure> for TokenError {
    fn from(failure: Failure) -> Self {
        let (why, detail) = match failure {
            Failure::NotSent { why, detail } => (why, detail),
            Failure::Lost(lost) => {
                let why = match lost.why {
                    countermand_core::cancellation::input::Unknown::TimeOut => {
                        NotSent::DeadlineOver
                    }
                    _ => NotSent::ConnectionRefused,
                };
                (why, lost.detail)
            }
        };
        Self {
            why,
            detail: format!("no access token: {detail}"),
            retry_after: None,
        }
    }
}

/// By which a token endpoint says that it will not serve these credentials, as OAuth 2.0 (RFC 6749,
/// 5.2) names it. Whatever else it says may be over in a minute, or not come from it at all.
const REFUSALS: [&str; 7] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Does an answer refuse the credentials? Only words of ours come back: the endpoint may repeat what
/// it was sent.
fn refusal(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        error: std::borrow::Cow<'a, str>,
    }
    let refused: Refused<'_> = serde_json::from_slice(body).ok()?;
    REFUSALS
        .into_iter()
        .find(|known| refused.error.eq_ignore_ascii_case(known))
}

struct Granted {
    header: HeaderValue,
    life: Duration,
}

fn read(body: &[u8]) -> Option<Granted> {
    #[derive(Deserialize)]
    struct Grant<'a> {
        access_token: String,
        #[serde(borrow, default)]
        expires_in: Option<&'a RawValue>,
    }
    let grant: Grant<'_> = serde_json::from_slice(body).ok()?;
    if grant.access_token.is_empty() || !grant.access_token.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut header = HeaderValue::try_from(format!("Bearer {}", grant.access_token)).ok()?;
    header.set_sensitive(true);
    Some(Granted {
        header,
        life: life(grant.expires_in.map(RawValue::get)),
    })
}

/// How long a token lives, from whatever `expires_in` says.
fn life(expires_in: Option<&str>) -> Duration {
    let Some(text) = expires_in.map(|text| text.trim_matches('"').trim()) else {
        return LIFE_DEFAULT;
    };
    let whole = text.split(['.', 'e', 'E']).next().unwrap_or_default();
    let seconds = match whole.parse::<i128>() {
        // An exponent makes it longer than anything that is believed.
        Ok(seconds) if text.contains(['e', 'E']) && seconds > 0 => i128::MAX,
        Ok(seconds) => seconds,
        Err(_) => return LIFE_DEFAULT,
    };
    let seconds = u64::try_from(seconds.max(0)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).clamp(LIFE_MIN, LIFE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lives_are_bounded() {
        for (text, seconds) in [
            (None, 900),
            (Some("900"), 900),
            (Some("\"900\""), 900),
            (Some("899.7"), 899),
            (Some("0"), 1),
            (Some("-1"), 1),
            (Some("1000000000000"), 3600),
            (Some("1e12"), 3600),
            (Some("99999999999999999999999999999999999999999999"), 900),
            (Some("null"), 900),
            (Some("\"soon\""), 900),
            (Some("{}"), 900),
        ] {
            assert_eq!(life(text), Duration::from_secs(seconds), "{text:?}");
        }
    }

    fn tokens_nobody_grants() -> Tokens {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
        let http = crate::http_client(Duration::from_secs(5)).unwrap();
        Tokens::new(
            http,
            endpoint.parse().unwrap(),
            "id".to_owned(),
            "secret".into(),
        )
    }

    fn token(renew_in: Duration, expires_in: Duration) -> Arc<Token> {
        let now = Instant::now();
        Arc::new(Token {
            header: HeaderValue::from_static("Bearer t"),
            renew_at: now + renew_in,
            expires_at: now + expires_in,
        })
    }

    #[tokio::test]
    async fn a_token_serves_to_its_end_although_it_cannot_be_renewed() {
        let tokens = tokens_nobody_grants();
        let long = Duration::from_secs(100);
        let deadline = Instant::now() + long;
        for renew_in in [long, Duration::ZERO] {
            let held = token(renew_in, long);
            *tokens.current.lock().unwrap() = Some(held.clone());
            assert!(Arc::ptr_eq(&tokens.get(deadline).await.unwrap(), &held));
            // Refused, it does not serve.
            assert!(tokens.renew(Some(&held), deadline).await.is_err());
        }
        *tokens.current.lock().unwrap() = Some(token(Duration::ZERO, Duration::ZERO));
        let error = tokens.get(deadline).await.unwrap_err();
        assert_eq!(error.why, NotSent::ConnectionRefused, "{error:?}");
    }

    #[test]
    fn a_token_is_never_shown() {
        let granted = read(br#"{"access_token":"CANARY","expires_in":900}"#).unwrap();
        let token = Token {
            header: granted.header,
            renew_at: Instant::now(),
            expires_at: Instant::now(),
        };
        assert!(!format!("{token:?}").contains("CANARY"));
        for bad in [
            &b""[..],
            b"<html>",
            b"{}",
            br#"{"access_token":""}"#,
            br#"{"access_token":"a b"}"#,
            br#"{"access_token":"a\nb"}"#,
            br#"{"access_token":7}"#,
            br#"{"access_token":null}"#,
        ] {
            assert!(read(bad).is_none());
        }
    }
}
