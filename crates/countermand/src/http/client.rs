//! What both adapters share: a client without redirects, total time-outs, bounded answers.

use std::sync::Once;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use url::Url;

/// The most of an answer that is read.
const ANSWER_MAX: usize = 1 << 20;
/// The most of an answer that is shown to people.
const EXCERPT_CHARS: usize = 200;
/// `Retry-After` is believed up to here.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Where an adapter sends its requests, and for how long.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The address.
    pub url: Url,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// The longest that a request may live, connecting and reading the answer included.
    pub request_timeout: Duration,
}

impl HttpOptions {
    /// An address with the default time-outs: 5 s to connect, 30 s in all.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Why an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none that can be posted to.
    #[error("`{url}` is no http or https address without user and fragment")]
    Url {
        /// The address, without its password.
        url: String,
    },
    /// The signing secret is not `whsec_` and base64.
    #[error("the webhook secret must be `whsec_` followed by base64")]
    Secret,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] countermand_buy_with_prime::SettingsError),
}

/// A client that keeps the promises made for mutations (no redirect, no hidden retry, no proxy from
/// the environment), for an address that is sound.
pub(super) fn client(options: &HttpOptions) -> Result<reqwest::Client, HttpError> {
    let url = &options.url;
    let sound = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if !sound {
        let mut shown = url.clone();
        // Both fail only where there is nothing to hide.
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        return Err(HttpError::Url {
            url: shown.to_string(),
        });
    }
    ensure_crypto_provider();
    countermand_buy_with_prime::http_client(options.connect_timeout).map_err(HttpError::Client)
}

/// The HTTP client panics where the process has no crypto provider; an embedder that has none of
/// its own gets `ring`.
pub(crate) fn ensure_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing a race against the host's own installation is as good as winning it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
    });
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: reqwest::StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Result<Bytes, String>,
}

/// Sends a request and reads the answer. `Err` when no status came back.
pub(super) async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut bytes = BytesMut::new();
    let body = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_MAX => {
                break Err(format!("the answer is longer than {ANSWER_MAX} bytes"));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break Ok(bytes.freeze()),
            Err(error) => break Err(format!("the answer broke off: {}", chain(&error))),
        }
    };
    Ok(Answer {
        status,
        retry_after,
        body,
    })
}

impl Answer {
    /// The beginning of the answer for people: one line, printable.
    pub(super) fn excerpt(&self) -> String {
        match &self.body {
            Ok(bytes) => excerpt(&String::from_utf8_lossy(bytes)),
            Err(problem) => problem.clone(),
        }
    }
}

/// The beginning of a text that somebody else wrote: one line, printable, short.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(EXCERPT_CHARS)
        .collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// An error with its causes, without the address (it may hold what is nobody's business).
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What the remote asks for: seconds, or a date read against the answer's own `Date` (so that our
/// clock does not matter). At most an hour; nonsense counts as absent.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |value: &HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    let asked = text(headers.get(RETRY_AFTER)?)?;
    if !asked.is_empty() && asked.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = asked.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let until = http_date(&asked)?;
    let sent = http_date(&text(headers.get(DATE)?)?)?;
    let seconds = u64::try_from(until.saturating_sub(sent)).unwrap_or(0);
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Seconds since the epoch of an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
        .map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(retry_after_text: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_text.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_read_leniently_and_clamped() {
        assert_eq!(asked("5", None), Some(5));
        assert_eq!(asked(" 0 ", None), Some(0));
        assert_eq!(asked("1000000000", None), Some(3600));
        assert_eq!(asked("99999999999999999999999", None), Some(3600));
        for nonsense in ["-1", "abc", "", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(asked(nonsense, None), None, "{nonsense:?}");
        }
        let sent = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", sent), Some(30));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", sent), Some(0));
    }

    #[test]
    fn what_a_remote_wrote_is_shown_short_and_on_one_line() {
        assert_eq!(excerpt("a\r\n\u{1b}[2Jb"), "a   [2Jb");
        assert_eq!(
            excerpt(&"x".repeat(5000)).chars().count(),
            EXCERPT_CHARS + 1
        );
    }

    #[test]
    fn addresses_with_secrets_are_refused_without_showing_them() {
        let options = HttpOptions::new("https://user:secret@example.org/".parse().unwrap());
        let error = client(&options).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(client(&HttpOptions::new("file:///etc/passwd".parse().unwrap())).is_err());
    }
}
