//! What the client is told about its remote.

use std::time::Duration;

use countermand_core::TargetId;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::resolver::Guarded;

/// Where Buy with Prime is, and who we are there. `Debug` hides the secrets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The GraphQL endpoint.
    pub endpoint: Url,
    /// Where access tokens come from.
    pub token_endpoint: Url,
    /// The client id of the API credentials.
    pub client_id: String,
    /// The client secret of the API credentials.
    pub client_secret: SecretString,
    /// The business product that we act for.
    pub target_id: TargetId,
    /// The header that carries the target id; a variant is known (X13).
    pub target_header: String,
    /// The value of `x-api-version`.
    pub api_version: String,
    /// Headers to send with every GraphQL request besides ours, such as `x-api-access-key` (X13).
    pub extra_headers: Vec<(String, SecretString)>,
    /// The longest that one call may take, token and answer included, whatever its budget.
    pub request_timeout: Duration,
}

impl Settings {
    /// The documented endpoint.
    pub const ENDPOINT: &'static str = "https://api.buywithprime.amazon.com/graphql";
    /// The documented token endpoint.
    pub const TOKEN_ENDPOINT: &'static str = "https://api.buywithprime.amazon.com/token";
    /// The documented header for the target id.
    pub const TARGET_HEADER: &'static str = "x-api-target-id";
    /// The API version that this crate is written for.
    pub const API_VERSION: &'static str = "2024-11-01";
    /// The default of [`request_timeout`](Self::request_timeout).
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

    /// The headers of a GraphQL request, but for the token.
    pub(crate) fn headers(&self) -> Result<HeaderMap, SettingsError> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("accept", HeaderValue::from_static("application/json"));
        headers.insert("x-api-version", value("api_version", &self.api_version)?);
        let own = [
            "authorization",
            "connection",
            "content-length",
            "host",
            "transfer-encoding",
        ];
        let mut add = |setting: &'static str, text: &str, value: HeaderValue| {
            let name = HeaderName::try_from(text).map_err(|_| SettingsError::HeaderName {
                setting,
                name: text.chars().take(64).collect(),
            })?;
            if headers.contains_key(&name) || own.contains(&name.as_str()) {
                return Err(SettingsError::HeaderTaken { setting, name });
            }
            headers.insert(name, value);
            Ok(())
        };
        add(
            "target_header",
            &self.target_header,
            value("target_id", self.target_id.as_str())?,
        )?;
        for (name, text) in &self.extra_headers {
            let mut value = value("extra_headers", text.expose_secret())?;
            value.set_sensitive(true);
            add("extra_headers", name, value)?;
        }
        Ok(headers)
    }
}

fn value(setting: &'static str, text: &str) -> Result<HeaderValue, SettingsError> {
    HeaderValue::try_from(text).map_err(|_| SettingsError::HeaderValue { setting })
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a header's name.
    #[error("{setting}: `{name}` is not the name of a header")]
    HeaderName {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        name: String,
    },
    /// A header that the client sets itself, or that is given twice.
    #[error("{setting}: the header `{name}` is set already; remove it")]
    HeaderTaken {
        /// Which setting.
        setting: &'static str,
        /// Which header.
        name: HeaderName,
    },
    /// Text that cannot stand in a header. It may be a secret, so it is not shown.
    #[error("{setting}: the value holds characters that a header cannot carry")]
    HeaderValue {
        /// Which setting.
        setting: &'static str,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Http(#[source] reqwest::Error),
}

/// The HTTP client that [`Client`](crate::Client) expects: it follows no redirect, repeats nothing,
/// asks no proxy (whatever the environment says), decompresses nothing, and gives up on a
/// connection that is not there after `connect_timeout`. A name that resolves to an address of
/// [`refused_address`](crate::refused_address) alone is not connected to. TLS is rustls with the system's roots.
///
/// The process must have installed a rustls crypto provider before
/// (`rustls::crypto::ring::default_provider().install_default()`); that is the binary's choice, not
/// a library's.
///
/// # Panics
/// When no crypto provider is installed.
///
/// # Errors
/// When the system's certificates cannot be used.
pub fn http_client(connect_timeout: Duration) -> Result<reqwest::Client, SettingsError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(Guarded)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(connect_timeout)
        // Shorter than common idle limits of load balancers: a request on a connection that the
        // other side has just closed would be in doubt.
        .pool_idle_timeout(Duration::from_secs(20))
        .user_agent(concat!("countermand/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(SettingsError::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            endpoint: Settings::ENDPOINT.parse().unwrap(),
            token_endpoint: Settings::TOKEN_ENDPOINT.parse().unwrap(),
            client_id: "id".to_owned(),
            client_secret: "CANARY-1".into(),
            target_id: TargetId::new("bp-1").unwrap(),
            target_header: Settings::TARGET_HEADER.to_owned(),
            api_version: Settings::API_VERSION.to_owned(),
            extra_headers: vec![("x-api-access-key".to_owned(), "CANARY-2".into())],
            request_timeout: Settings::REQUEST_TIMEOUT,
        }
    }

    #[test]
    fn debug_hides_the_secrets() {
        let settings = settings();
        let shown = format!("{settings:?} {:?}", settings.headers().unwrap());
        assert!(!shown.contains("CANARY"), "{shown}");
    }

    #[test]
    fn headers_are_checked() {
        let mut bad = settings();
        bad.target_header = "x y".to_owned();
        assert!(matches!(
            bad.headers(),
            Err(SettingsError::HeaderName { .. })
        ));
        for name in [
            "Authorization",
            "content-type",
            "X-API-Target-Id",
            "x-api-version",
        ] {
            let mut bad = settings();
            bad.extra_headers.push((name.to_owned(), "v".into()));
            assert!(
                matches!(bad.headers(), Err(SettingsError::HeaderTaken { .. })),
                "{name}"
            );
        }
        let mut bad = settings();
        bad.extra_headers = vec![("x-api-access-key".to_owned(), "CANARY\n".into())];
        let error = bad.headers().unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("CANARY"),
            "{error:?}"
        );
    }
}
