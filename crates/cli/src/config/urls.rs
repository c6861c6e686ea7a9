//! Which URLs may stand in a configuration.

use std::net::IpAddr;

use countermand::buy_with_prime::refused_address;
use url::{Host, Url};

/// Checks a URL of a remote; the message says what would be right.
pub(super) fn check(text: &str, allow_plaintext: bool) -> Result<Url, String> {
    let example = "a URL such as https://example.com/path";
    if text.is_empty() {
        return Err(format!("is empty; it must be {example}"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "holds a blank or a control character; it must be {example}"
        ));
    }
    let url = Url::parse(text)
        .map_err(|error| format!("is no absolute URL ({error}); it must be {example}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!(
            "has the scheme `{}`; it must be https",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a user name or a password; credentials have keys of their own".to_owned(),
        );
    }
    if url.fragment().is_some() {
        return Err("holds a fragment (`#…`), which is never sent; remove it".to_owned());
    }
    let Some(host) = url.host() else {
        return Err(format!("names no host; it must be {example}"));
    };
    if let Some(why) = never_allowed(&host) {
        return Err(format!("points to {why}, which is always refused"));
    }
    if url.scheme() == "http" && !is_loopback(&host) && !allow_plaintext {
        return Err(format!(
            "is plain http towards `{host}`, which is no loopback address; use https, or set allow_plaintext = true in the section"
        ));
    }
    Ok(url)
}

fn address(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(*ip), IpAddr::V4)),
        Host::Domain(_) => None,
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        host => address(host).is_some_and(|ip| ip.is_loopback()),
    }
}

fn never_allowed(host: &Host<&str>) -> Option<&'static str> {
    if let Host::Domain(name) = host {
        let name = name.trim_end_matches('.');
        let metadata = name == "metadata" || name.ends_with("metadata.google.internal");
        return metadata.then_some("a metadata service");
    }
    refused_address(address(host)?)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_may_stand() {
        for good in [
            "https://api.buywithprime.amazon.com/graphql",
            "http://127.0.0.1:8181/graphql",
            "http://localhost:9/",
            "http://localhost.:9/",
            "http://[::1]:9/x",
            "https://10.0.0.7/refunds",
        ] {
            assert!(check(good, false).is_ok(), "{good}");
        }
        assert!(check("http://refunds.internal/pay", true).is_ok());
    }

    #[test]
    fn what_may_not() {
        for (bad, says) in [
            ("", "empty"),
            ("refunds/pay", "absolute"),
            ("/pay", "absolute"),
            ("//host/pay", "absolute"),
            ("file:///etc/passwd", "scheme"),
            ("gopher://host/", "scheme"),
            ("https://user:password@host/", "password"),
            ("https://user@host/", "user name"),
            ("https://host/#part", "fragment"),
            ("https://host/a b", "blank"),
            (" https://host/", "blank"),
            ("https://host/\u{0}", "control"),
            ("https://", "absolute"),
            ("http://example.com/", "plain http"),
            ("http://10.0.0.7/", "plain http"),
            ("http://localhost.example.com/", "plain http"),
            ("https://169.254.169.254/latest", "link-local"),
            ("http://169.254.169.254/latest", "link-local"),
            ("https://2852039166/", "link-local"),
            ("https://0xa9.0xfe.0xa9.0xfe/", "link-local"),
            ("https://0251.0376.0251.0376/", "link-local"),
            ("https://[::ffff:169.254.169.254]/", "link-local"),
            ("https://[fe80::1]/", "link-local"),
            ("https://[fd00:ec2::254]/", "metadata"),
            ("https://metadata.google.internal/", "metadata"),
            ("http://0.0.0.0:80/", "unspecified"),
            ("http://0/", "unspecified"),
            ("https://[::]/", "unspecified"),
        ] {
            let message = check(bad, false).expect_err(bad);
            assert!(message.contains(says), "{bad}: {message}");
            assert!(
                check(bad, true).is_err() || says == "plain http",
                "{bad} with allow_plaintext"
            );
        }
    }
}
