//! Every key, by every way in which it may be given.

use std::ffi::OsString;

use super::{BASE, Dir, accepted, refused, replaced, with};
use crate::config::notes::Shown;
use crate::config::problem::Origin;
use crate::config::{Source, load};

/// The variable that stands for a key.
fn variable(shown: &Shown) -> String {
    let path = format!("{}.{}", shown.section, shown.key);
    format!(
        "COUNTERMAND_{}",
        path.replace('.', "__").to_ascii_uppercase()
    )
}

#[test]
fn every_key_is_a_variable() {
    let config = accepted(BASE, &[]);
    assert!(config.shown.len() > 50, "{}", config.shown.len());
    for shown in &config.shown {
        let name = variable(shown);
        let value = match (&shown.value, shown.key.as_str()) {
            // A secret is not shown; this one is right wherever one may stand.
            (_, "client_secret" | "secret") => {
                "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5".to_owned()
            }
            (serde_json::Value::String(text), _) => text.clone(),
            (value, _) => value.to_string(),
        };
        let changed = accepted(BASE, &[(&name, &value)]);
        let found = changed
            .shown
            .iter()
            .find(|other| (&other.section, &other.key) == (&shown.section, &shown.key));
        let found = found.unwrap_or_else(|| panic!("{name}"));
        assert_eq!(found.value, shown.value, "{name}");
        assert_eq!(found.origin, Origin::Env(name));
    }
}

#[test]
fn every_key_is_looked_at() {
    for shown in &accepted(BASE, &[]).shown {
        let name = variable(shown);
        // No key takes this: it is no text of any kind that is wanted anywhere.
        let free = matches!(
            shown.key.as_str(),
            "client_id" | "client_secret" | "target_header"
        );
        if !free {
            refused(BASE, &[(&name, "\u{7f} \u{7f}")], &[&name]);
        }
    }
}

#[test]
fn every_secret_may_have_a_file_of_its_own() {
    for (name, lacks) in [
        ("COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET_FILE", "no-such"),
        ("COUNTERMAND_OMS__SECRET_FILE", "no-such"),
        ("COUNTERMAND_HTTP__TOKENS__0__TOKEN_FILE", "no-such"),
    ] {
        let text = with(
            "[http]\ntokens = [{ name = \"a\", role = \"read\", token = \"abcdefghijklmnopqrstuvwxyz-abcdefg\" }]\n",
        );
        refused(&text, &[(name, lacks)], &[name, "cannot read", "no-such"]);
    }
}

#[test]
fn tables_with_free_keys_are_filled_key_by_key() {
    let config = accepted(
        BASE,
        &[("COUNTERMAND_LIMITS__PAYOUT_AMOUNT_PER_DAY__USD", "5000")],
    );
    let shown = crate::config::as_json(&config);
    assert_eq!(shown["limits"]["payout_amount_per_day"]["USD"], "5000");
}

#[test]
fn a_header_that_has_another_meaning_is_refused() {
    for name in [
        "Authorization",
        "content-type",
        "X-Api-Version",
        "host",
        "content-length",
    ] {
        refused(
            &replaced(
                "[refunds]",
                &format!("target_header = \"{name}\"\n[refunds]"),
            ),
            &[],
            &[
                ":9:1: buy_with_prime.target_header",
                "another meaning",
                "x-api-target-id",
            ],
        );
    }
}

#[test]
fn everything_from_the_environment() {
    let directory = Dir::new();
    let db = format!("sqlite://{}", directory.path().join("c.db").display());
    let env = [
        ("COUNTERMAND_STORE__URL", db.as_str()),
        (
            "COUNTERMAND_BUY_WITH_PRIME__ENDPOINT",
            "http://127.0.0.1:1/g",
        ),
        (
            "COUNTERMAND_BUY_WITH_PRIME__TOKEN_ENDPOINT",
            "http://127.0.0.1:1/t",
        ),
        ("COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID", "x"),
        ("COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET", "x"),
        ("COUNTERMAND_BUY_WITH_PRIME__TARGET_ID", "bp-1"),
        ("COUNTERMAND_REFUNDS__URL", "http://127.0.0.1:1/r"),
        ("COUNTERMAND_OMS__URL", "http://127.0.0.1:1/o"),
        (
            "COUNTERMAND_OMS__SECRET",
            "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
        ),
    ];
    let source = Source {
        file: None,
        env: env
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect(),
    };
    let config = load(&source).unwrap();
    assert_eq!(config.store.path, directory.path().join("c.db"));
}
