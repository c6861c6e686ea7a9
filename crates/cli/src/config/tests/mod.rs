//! What may stand in a configuration and what may not, with the place that is told.

mod every_key;
mod refused;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;

use super::{Config, Problem, Source, as_json, as_toml, load};

/// The smallest configuration that is right.
const BASE: &str = r#"[store]
url = "sqlite://c.db"
[buy_with_prime]
endpoint = "http://127.0.0.1:1/graphql"
token_endpoint = "http://127.0.0.1:1/token"
client_id = "id"
client_secret = "canary-one"
target_id = "bp-1"
[refunds]
url = "http://127.0.0.1:1/refunds"
[oms]
url = "http://127.0.0.1:1/oms"
secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
"#;

/// The line after [`BASE`].
const NEXT: usize = 14;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn load(&self, text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        let file = self.path().join("countermand.toml");
        fs::write(&file, text).unwrap();
        load(&Source {
            file: Some(file),
            env: env
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
        })
    }
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Loads and demands exactly one problem that says all of these.
#[track_caller]
fn refused(text: &str, env: &[(&str, &str)], says: &[&str]) {
    let directory = Dir::new();
    let problems = match directory.load(text, env) {
        Ok(_) => panic!("accepted:\n{text}\n{env:?}"),
        Err(problems) => told(&problems),
    };
    assert_eq!(problems.len(), 1, "{problems:#?}\n{text}");
    for part in says {
        assert!(
            problems[0].contains(part),
            "{} lacks {part}\n{text}",
            problems[0]
        );
    }
}

#[track_caller]
fn accepted(text: &str, env: &[(&str, &str)]) -> Config {
    let directory = Dir::new();
    directory
        .load(text, env)
        .unwrap_or_else(|problems| panic!("{:#?}\n{text}", told(&problems)))
}

fn with(extra: &str) -> String {
    format!("{BASE}{extra}")
}

fn replaced(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replace(from, to)
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = accepted(BASE, &[]);
    let shown = as_json(&config);
    let expected = serde_json::json!({
        "store": { "url": "sqlite://c.db", "auto_migrate": false },
        "buy_with_prime": {
            "endpoint": "http://127.0.0.1:1/graphql", "token_endpoint": "http://127.0.0.1:1/token",
            "client_id": "id", "client_secret": "(hidden)", "target_id": "bp-1",
            "target_header": "x-api-target-id", "api_version": "2024-11-01", "alias_type": "EXT_CANCEL_ID",
            "connect_timeout": "5s", "request_timeout": "30s", "rate_limit": 5, "visibility_lag": "5m",
            "allow_plaintext": false
        },
        "refunds": {
            "url": "http://127.0.0.1:1/refunds", "key_horizon": "20h", "quiet": "1m",
            "connect_timeout": "5s", "request_timeout": "30s", "allow_plaintext": false
        },
        "oms": {
            "url": "http://127.0.0.1:1/oms", "secret": "(hidden)",
            "connect_timeout": "5s", "request_timeout": "30s", "allow_plaintext": false
        },
        "http": { "listen": "127.0.0.1:8080" },
        "policy": {
            "poll_initial": "30s", "poll_max": "15m", "pending_alarm": "1day", "refund_grace": "1day",
            "patience": "30m", "refund_reasons": ["CANCELLED_ORDER", "DELIVERY_ISSUES"], "observe": true
        },
        "limits": { "payouts_per_hour": 200, "payout_amount_per_day": {} },
        "retry": {
            "initial": "1s", "max": "15m", "attempts": 20,
            "read_order": { "initial": "1s", "max": "15m", "attempts": 20 },
            "cancel_order": { "initial": "1s", "max": "15m", "attempts": 20 },
            "pay_refund": { "initial": "1s", "max": "15m", "attempts": 20 },
            "report_refund": { "initial": "1s", "max": "15m", "attempts": 20 },
            "update_oms": { "initial": "1s", "max": "15m", "attempts": 0 }
        },
        "runner": { "concurrency": 64, "lease": "2m", "shutdown_grace": "35s" },
        "log": { "format": "auto", "filter": "info" }
    });
    assert_eq!(shown, expected);
}

#[test]
fn every_error_is_told_at_once() {
    let directory = Dir::new();
    let text = "[store]\nurl = \"c.db\"\n[log]\nfilter = \"loud\"\nfiler = 1\n";
    let env = [
        ("COUNTERMAND_HTTP__LISTEN", "here"),
        ("COUNTERMAND_A__B", "1"),
    ];
    let problems = told(&directory.load(text, &env).unwrap_err());
    for part in [
        "store.url",
        "log.filter",
        "log.filer",
        "buy_with_prime.endpoint",
        "buy_with_prime.token_endpoint",
        "buy_with_prime.client_id",
        "buy_with_prime.client_secret",
        "buy_with_prime.target_id",
        "refunds.url",
        "oms.url",
        "oms.secret",
        "COUNTERMAND_HTTP__LISTEN",
        "COUNTERMAND_A__B",
    ] {
        assert_eq!(
            problems.iter().filter(|told| told.contains(part)).count(),
            1,
            "{part}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 13, "{problems:#?}");
}

#[test]
fn the_environment_lies_over_the_file() {
    let env = [
        ("COUNTERMAND_BUY_WITH_PRIME__RATE_LIMIT", "0.5"),
        ("COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET", "canary-two"),
        ("COUNTERMAND_POLICY__OBSERVE", "false"),
        ("COUNTERMAND_POLICY__REFUND_GRACE", "250ms"),
        ("COUNTERMAND_POLICY__REFUND_REASONS", "[\"OTHER\"]"),
        ("COUNTERMAND_RETRY__CANCEL_ORDER__ATTEMPTS", "3"),
        ("COUNTERMAND_RETRY__MAX", "9m"),
        (
            "COUNTERMAND_LIMITS__PAYOUT_AMOUNT_PER_DAY",
            "{ USD = \"10.50\" }",
        ),
        (
            "COUNTERMAND_HTTP__TOKENS",
            "[{ name = \"a\", role = \"operate\", token = \"t\" }]",
        ),
        ("COUNTERMAND_CONFIG", "ignored"),
        ("COUNTERMAND_LOG", "ignored"),
        ("COUNTERMANDING__X", "ignored"),
    ];
    let config = accepted(&with("[retry.cancel_order]\nmax = \"10m\"\n"), &env);
    assert!((config.targets[0].rate_limit - 0.5).abs() < f64::EPSILON);
    assert_eq!(
        config.targets[0].client_secret.expose_secret(),
        "canary-two"
    );
    assert!(!config.policy.observe);
    assert_eq!(config.policy.refund_grace.as_millis(), 250);
    assert_eq!(config.policy.refund_reasons, ["OTHER"]);
    assert_eq!(config.retry["cancel_order"].attempts, 3);
    assert_eq!(config.retry["cancel_order"].max.as_secs(), 600);
    assert_eq!(config.retry["pay_refund"].max.as_secs(), 540);
    assert_eq!(config.retry["update_oms"].attempts, 0);
    assert_eq!(
        as_json(&config)["limits"]["payout_amount_per_day"]["USD"],
        "10.50"
    );
    let per_day = &config.limits.payout_amount_per_day;
    assert_eq!(per_day[0].to_string(), "10.50 USD");
    assert!(
        !told(&config.warnings)
            .iter()
            .any(|warning| warning.contains("limits"))
    );
    assert_eq!(config.http.tokens[0].name, "a");
}

#[test]
fn wrong_variables_are_refused() {
    for (name, value, says) in [
        ("COUNTERMAND_A__B", "1", "no section"),
        ("COUNTERMAND_RUNNER__LEASES", "5m", "did you mean `lease`"),
        ("COUNTERMAND_RUNNER__LEASE", "", "is empty"),
        ("COUNTERMAND_RUNNER__LEASE", "5", "runner.lease"),
        ("COUNTERMAND_RUNNER__LEASE__X", "5m", "runner.lease"),
        ("COUNTERMAND_runner__lease", "5m", "upper case"),
        ("COUNTERMAND_RUNNER__", "5m", "runner."),
        ("COUNTERMAND___", "5m", "is no"),
        (
            "COUNTERMAND_RUNNER__CONCURRENCY",
            "many",
            "runner.concurrency",
        ),
        ("COUNTERMAND_HTTP__TOKENS", "a,b", "http.tokens"),
        (
            "COUNTERMAND_BUY_WITH_PRIME__1__CLIENT_ID",
            "x",
            "buy_with_prime",
        ),
        ("COUNTERMAND_STORE__URL__FILE", "x", "is no table"),
    ] {
        refused(
            BASE,
            &[(name, value)],
            &["environment variable", name, says],
        );
    }
}

#[cfg(unix)]
#[test]
fn variables_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let directory = Dir::new();
    let file = directory.path().join("countermand.toml");
    fs::write(&file, BASE).unwrap();
    let source = Source {
        file: Some(file),
        env: vec![(
            OsString::from("COUNTERMAND_LOG__FILTER"),
            OsString::from_vec(vec![0xff]),
        )],
    };
    let problems = told(&load(&source).unwrap_err());
    assert_eq!(
        problems,
        ["environment variable COUNTERMAND_LOG__FILTER: is not valid UTF-8"]
    );
}

#[test]
fn several_targets() {
    let second = "[[buy_with_prime]]\nendpoint = \"https://a.example/g\"\ntoken_endpoint = \"https://a.example/t\"\nclient_id = \"b\"\nclient_secret = \"canary-b\"\ntarget_id = \"bp-2\"\n";
    let two = replaced("[buy_with_prime]", "[[buy_with_prime]]") + second;
    let config = accepted(
        &two,
        &[("COUNTERMAND_BUY_WITH_PRIME__1__CLIENT_SECRET", "canary-c")],
    );
    assert_eq!(
        config
            .targets
            .iter()
            .map(|target| &*target.id)
            .collect::<Vec<_>>(),
        ["bp-1", "bp-2"]
    );
    assert_eq!(config.targets[1].client_secret.expose_secret(), "canary-c");
    let shown = as_toml(&config);
    assert_eq!(shown.matches("[[buy_with_prime]]").count(), 2, "{shown}");
    assert_eq!(as_json(&config)["buy_with_prime"][1]["target_id"], "bp-2");

    refused(
        &two.replace("bp-2", "bp-1"),
        &[],
        &[":19:1: buy_with_prime.1.target_id", "twice"],
    );
    refused(
        &two,
        &[("COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID", "x")],
        &["say which", "COUNTERMAND_BUY_WITH_PRIME__0__"],
    );
    accepted(
        &replaced("[buy_with_prime]", "[[buy_with_prime]]"),
        &[("COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID", "x")],
    );
}

#[test]
fn secrets_in_files() {
    let directory = Dir::new();
    let secret = |bytes: &[u8]| {
        fs::write(directory.path().join("s"), bytes).unwrap();
        directory.load(
            &replaced(
                "client_secret = \"canary-one\"",
                "client_secret_file = \"s\"",
            ),
            &[],
        )
    };
    assert_eq!(
        secret(b"canary").unwrap().targets[0]
            .client_secret
            .expose_secret(),
        "canary"
    );
    assert_eq!(
        secret(b"canary\n").unwrap().targets[0]
            .client_secret
            .expose_secret(),
        "canary"
    );
    assert_eq!(
        secret(b"canary\r\n").unwrap().targets[0]
            .client_secret
            .expose_secret(),
        "canary"
    );
    for (bytes, says) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"a\n\n", "more than one line"),
        (b"\xff", "UTF-8"),
        (&vec![b'x'; 10 * 1024 * 1024], "larger"),
    ] {
        let problems = told(&secret(bytes).unwrap_err());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains(says)
                && problems[0].contains(":7:1: buy_with_prime.client_secret_file"),
            "{problems:?}"
        );
    }
    // A variable wins over the file's other form; two forms in one place contradict each other.
    fs::write(directory.path().join("s"), "canary-three").unwrap();
    let config = directory
        .load(
            BASE,
            &[("COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET_FILE", "s")],
        )
        .unwrap();
    assert_eq!(
        config.targets[0].client_secret.expose_secret(),
        "canary-three"
    );
    let both = replaced("client_id", "client_secret_file = \"s\"\nclient_id");
    let problems = told(&directory.load(&both, &[]).unwrap_err());
    assert!(
        problems.len() == 1 && problems[0].contains("twice"),
        "{problems:?}"
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let directory = Dir::new();
    let text =
        with("[[http.tokens]]\nname = \"a\"\nrole = \"operate\"\ntoken = \"canary-token\"\n");
    let config = directory.load(&text, &[]).unwrap();
    let everything = format!("{config:?}{}{}", as_toml(&config), as_json(&config));
    assert!(!everything.contains("canary"), "{everything}");
    assert!(!everything.contains("Y2FuYXJ5"), "{everything}");
    let wrong = text
        .replace("canary-token", "canary token")
        .replace("whsec_", "canary_");
    let problems = told(&directory.load(&wrong, &[]).unwrap_err()).join("\n");
    assert!(!problems.contains("canary"), "{problems}");
}

#[cfg(unix)]
#[test]
fn secrets_that_others_can_read_are_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Dir::new();
    let file = directory.path().join("countermand.toml");
    let warnings = |mode: u32, text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let source = Source {
            file: Some(file.clone()),
            env: Vec::new(),
        };
        told(&load(&source).unwrap().warnings)
    };
    assert_eq!(warnings(0o600, BASE), Vec::<String>::new());
    assert!(warnings(0o644, BASE)[0].contains("chmod 600"));
    let secret = directory.path().join("s");
    fs::write(&secret, "canary").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o604)).unwrap();
    let told = warnings(
        0o600,
        &replaced(
            "client_secret = \"canary-one\"",
            "client_secret_file = \"s\"",
        ),
    );
    assert!(
        told[0].contains("client_secret_file") && told[0].contains("0604"),
        "{told:?}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let directory = Dir::new();
    let load_file = |name: &str| {
        let file = directory.path().join(name);
        let source = Source {
            file: Some(file),
            env: Vec::new(),
        };
        told(&load(&source).unwrap_err()).join("\n")
    };
    assert!(load_file("missing.toml").contains("cannot be opened"));
    assert!(load_file("").contains("directory"));
    fs::write(
        directory.path().join("large.toml"),
        vec![b'#'; 2 * 1024 * 1024],
    )
    .unwrap();
    assert!(load_file("large.toml").contains("larger"));
    fs::write(directory.path().join("latin.toml"), b"[log]\n# caf\xe9\n").unwrap();
    assert!(load_file("latin.toml").contains("latin.toml:2:1: is not valid UTF-8"));
}

#[test]
fn short_durations_are_legal() {
    let text = replaced(
        "[refunds]",
        "request_timeout = \"20ms\"\nvisibility_lag = \"40ms\"\nrate_limit = 1000\n[refunds]",
    )
    .replace(
        "[oms]",
        "request_timeout = \"20ms\"\nquiet = \"40ms\"\n[oms]",
    ) + "request_timeout = \"20ms\"\n[runner]\nlease = \"60ms\"\n[policy]\npoll_initial = \"1ms\"\npoll_max = \"5ms\"\nrefund_grace = \"1ms\"\n";
    let config = accepted(&text, &[]);
    assert_eq!(config.targets[0].timeouts.connect.as_millis(), 20);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let directory = Dir::new();
    let config = directory.load(BASE, &[]).unwrap();
    assert_eq!(config.store.path, directory.path().join("c.db"));
}
