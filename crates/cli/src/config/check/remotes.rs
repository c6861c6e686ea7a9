//! The remotes: Buy with Prime, the refund provider, the OMS.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use url::Url;

use super::{HOUR, MINUTE, SECOND, is_visible_ascii, url};
use crate::config::notes::Notes;
use crate::config::problem::quote;
use crate::config::reader::Section;
use crate::config::{Oms, Refunds, Target, Timeouts, relations};

/// Stands in for a value that is missing or wrong, so that reading can go on; an error was noted,
/// so no such value ever gets out.
fn placeholder_url() -> Result<Url, url::ParseError> {
    Url::parse("https://missing.invalid/")
}

/// Headers that every request has, and those of HTTP itself.
const TAKEN_HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
    "x-api-version",
];

pub(super) fn targets(notes: &mut Notes, root: &mut Section, base: &Path) -> Vec<Target> {
    let mut sections = root.sections(notes, "buy_with_prime");
    if sections.is_empty() {
        // Reading an empty section tells each key that is missing.
        sections.push(root.section(notes, "buy_with_prime"));
    }
    let targets: Vec<Target> = sections
        .into_iter()
        .filter_map(|section| target(section, notes, base))
        .collect();
    let mut seen = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        if let Some(earlier) = seen.insert(target.id.as_str(), index) {
            let message = format!(
                "{} is given twice, also as target {earlier} (counted from 0)",
                quote(&target.id)
            );
            notes.problem(&format!("buy_with_prime.{index}.target_id"), message);
        }
    }
    targets
}

fn target(mut section: Section, notes: &mut Notes, base: &Path) -> Option<Target> {
    let allow_plaintext = section.boolean(notes, "allow_plaintext", false);
    let endpoint = url(notes, &mut section, "endpoint", allow_plaintext);
    let token_endpoint = url(notes, &mut section, "token_endpoint", allow_plaintext);
    let client_id = section.required(notes, "client_id", "the client id of the API credentials");
    let client_secret = section.secret(notes, "client_secret", base);
    let id = section.required(
        notes,
        "target_id",
        "the target id of the API credentials, such as bp- and a UUID",
    );
    if let Some(text) = &id
        && let Err(error) = text.parse::<countermand::core::TargetId>()
    {
        notes.problem(&section.full("target_id"), error.to_string());
    }
    let target_header = section
        .text(notes, "target_header", Some("x-api-target-id"))
        .unwrap_or_default();
    if reqwest::header::HeaderName::from_bytes(target_header.as_bytes()).is_err() {
        let message = format!(
            "{} is no name of an HTTP header; the usual one is x-api-target-id",
            quote(&target_header)
        );
        notes.problem(&section.full("target_header"), message);
    } else if TAKEN_HEADERS.contains(&target_header.to_ascii_lowercase().as_str()) {
        let message = format!(
            "is {}, a header that has another meaning; the usual one is x-api-target-id",
            quote(&target_header)
        );
        notes.problem(&section.full("target_header"), message);
    }
    let api_version = section
        .text(notes, "api_version", Some("2024-11-01"))
        .unwrap_or_default();
    if api_version.is_empty() || !is_visible_ascii(&api_version) {
        let message = format!(
            "{} is no API version; an example is 2024-11-01",
            quote(&api_version)
        );
        notes.problem(&section.full("api_version"), message);
    }
    let alias_type = section
        .text(notes, "alias_type", Some("EXT_CANCEL_ID"))
        .unwrap_or_default();
    if alias_type.is_empty() || alias_type.len() > 64 || !is_visible_ascii(&alias_type) {
        let message = format!(
            "is {}; it must be 1 to 64 visible ASCII characters, such as EXT_CANCEL_ID",
            quote(&alias_type)
        );
        notes.problem(&section.full("alias_type"), message);
    }
    let timeouts = timeouts(notes, &mut section);
    let rate_limit = section.rate(notes, "rate_limit", 5.0);
    let visibility_lag = section.duration(notes, "visibility_lag", 5 * MINUTE);
    if notes.is_sound(&section.full("visibility_lag")) {
        relations::at_least_double(
            notes,
            &section.full("visibility_lag"),
            visibility_lag,
            &section.full("request_timeout"),
            timeouts.request,
        );
    }
    section.close(notes);
    Some(Target {
        id: id.unwrap_or_default(),
        endpoint: endpoint.or_else(|| placeholder_url().ok())?,
        token_endpoint: token_endpoint.or_else(|| placeholder_url().ok())?,
        client_id: client_id.unwrap_or_default(),
        client_secret: client_secret.unwrap_or_default(),
        header: target_header,
        api_version,
        alias_type,
        timeouts,
        rate_limit,
        visibility_lag,
    })
}

pub(super) fn refunds(mut section: Section, notes: &mut Notes) -> Option<Refunds> {
    let allow_plaintext = section.boolean(notes, "allow_plaintext", false);
    let url = url(notes, &mut section, "url", allow_plaintext);
    let key_horizon = section.duration(notes, "key_horizon", 20 * HOUR);
    let quiet = section.duration(notes, "quiet", MINUTE);
    let timeouts = timeouts(notes, &mut section);
    relations::at_least_double(
        notes,
        "refunds.quiet",
        quiet,
        "refunds.request_timeout",
        timeouts.request,
    );
    if key_horizon + timeouts.request >= 24 * HOUR {
        let message = format!(
            "is {}; key_horizon + request_timeout must be below 24h, since providers forget keys after that",
            humantime::format_duration(key_horizon)
        );
        notes.problem("refunds.key_horizon", message);
    }
    section.close(notes);
    Some(Refunds {
        url: url.or_else(|| placeholder_url().ok())?,
        key_horizon,
        quiet,
        timeouts,
    })
}

pub(super) fn oms(mut section: Section, notes: &mut Notes, base: &Path) -> Option<Oms> {
    let allow_plaintext = section.boolean(notes, "allow_plaintext", false);
    let url = url(notes, &mut section, "url", allow_plaintext);
    let secret = section.secret(notes, "secret", base);
    if let Some(secret) = &secret {
        match signing_key_length(secret.expose_secret()) {
            None => notes.problem(
                "oms.secret",
                "must be `whsec_` followed by base64 (Standard Webhooks)",
            ),
            Some(length) if length < 24 => {
                notes.warn(
                    "oms.secret",
                    format!("is a key of {length} bytes; 24 or more are recommended"),
                );
            }
            Some(_) => {}
        }
    }
    let timeouts = timeouts(notes, &mut section);
    section.close(notes);
    Some(Oms {
        url: url.or_else(|| placeholder_url().ok())?,
        secret: secret.unwrap_or_default(),
        timeouts,
    })
}

/// How many bytes a `whsec_` key has; `None` when it is none.
fn signing_key_length(secret: &str) -> Option<usize> {
    let encoded = secret.strip_prefix("whsec_")?;
    let bare = encoded.trim_end_matches('=');
    let padding = encoded.len() - bare.len();
    let alphabet = bare
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    let whole = encoded.len().is_multiple_of(4) && padding <= 2;
    (alphabet && whole && !bare.is_empty()).then_some(bare.len() * 3 / 4)
}

fn timeouts(notes: &mut Notes, section: &mut Section) -> Timeouts {
    let mut connect = section.duration(notes, "connect_timeout", 5 * SECOND);
    let request = section.duration(notes, "request_timeout", 30 * SECOND);
    let key = section.full("connect_timeout");
    if connect > request {
        if notes.is_set(&key) {
            let message = format!(
                "is {}, longer than request_timeout, which is {} and covers the connection too",
                humantime::format_duration(connect),
                humantime::format_duration(request)
            );
            notes.problem(&key, message);
        } else {
            connect = request;
        }
    }
    Timeouts { connect, request }
}
