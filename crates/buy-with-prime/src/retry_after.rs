//! `Retry-After`: seconds or an HTTP date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Longer waits are cut to this.
pub(crate) const MAX: Duration = Duration::from_secs(3600);

/// How long the remote asks to wait, at most [`MAX`]; `None` when it does not ask or cannot be
/// understood. A date is held against the answer's own `Date`, so that a difference between the two
/// clocks does not matter.
pub(crate) fn parse(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits for a u64 ask for a long wait all the same.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let at = date(text)?;
        let now = headers
            .get(DATE)
            .and_then(|value| date(value.to_str().ok()?.trim()))
            .unwrap_or(now);
        let millis = at.as_millisecond().saturating_sub(now.as_millisecond());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    };
    Some(wait.min(MAX))
}

fn date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let now = "2026-11-24T06:00:00Z".parse().unwrap();
        parse(&headers, now)
    }

    #[test]
    fn seconds() {
        assert_eq!(parsed("5", None), Some(Duration::from_secs(5)));
        assert_eq!(parsed(" 5 ", None), Some(Duration::from_secs(5)));
        assert_eq!(parsed("0", None), Some(Duration::ZERO));
        assert_eq!(parsed("1000000000", None), Some(MAX));
        assert_eq!(parsed("99999999999999999999999999", None), Some(MAX));
    }

    #[test]
    fn dates() {
        let at = "Tue, 24 Nov 2026 06:02:00 GMT";
        assert_eq!(parsed(at, None), Some(Duration::from_secs(120)));
        let theirs = Some("Tue, 24 Nov 2026 06:01:30 GMT");
        assert_eq!(parsed(at, theirs), Some(Duration::from_secs(30)));
        assert_eq!(parsed(at, Some("rubbish")), Some(Duration::from_secs(120)));
        assert_eq!(
            parsed("Sun, 06 Nov 1994 08:49:37 GMT", None),
            Some(Duration::ZERO)
        );
        assert_eq!(parsed("Wed, 29 Dec 9999 23:59:59 GMT", None), Some(MAX));
    }

    #[test]
    fn garbage_is_ignored() {
        for text in [
            "",
            "-1",
            "abc",
            "1.5",
            "5 seconds",
            "+5",
            "Tue, 24 Foo 2026 06:02:00 GMT",
        ] {
            assert_eq!(parsed(text, None), None, "{text:?}");
        }
        assert_eq!(parse(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }
}
