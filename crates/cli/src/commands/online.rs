//! `config check --online`: is the configuration right for the remotes that it names? Tokens are
//! obtained, an order and a refund that nobody has are asked for, schemas are compared, the OMS is
//! connected to. Nothing is changed anywhere, and every fault is told at once.

mod connect;
mod print;
#[cfg(test)]
mod tests;

use countermand::buy_with_prime::{Client, Difference, LiveSchema, Severity};
use countermand::{NotSent, OrderId, ReadError, RefundId, RefundProvider};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::config::{Config, Target};
use crate::engine;
use crate::exit::{Exit, Failure};

pub(super) use print::print;

/// No order has it: real ids are not made of zeros.
const NO_ORDER: &str = "322-0000-000000";
/// No refund has it.
const NO_REFUND: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// All is well.
    Ok,
    /// Something is odd, or could not be seen.
    Warning,
    /// Not made, since an earlier one failed.
    Skipped,
    /// It could not be made: the remote is away, slow, or says something that is not understood.
    Failed,
    /// The remote refuses what is configured, or does not have what it needs.
    Wrong,
}

/// One check of one remote.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    /// The section of the configuration.
    pub(super) remote: &'static str,
    /// The target, or the address.
    pub(super) of: String,
    /// `token`, `read`, `schema`, `list` or `connect`.
    #[serde(rename = "check")]
    pub(super) name: &'static str,
    /// What came of it.
    pub(super) result: Verdict,
    /// In words.
    pub(super) detail: String,
    /// How the live schema differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) differences: Vec<Difference>,
}

/// Makes every check, those of different remotes side by side.
pub(super) async fn run(config: &Config) -> Result<Vec<Check>, Failure> {
    // The longest of them decide how long it takes; there are few targets.
    let mut tasks = tokio::task::JoinSet::new();
    let order =
        OrderId::new(NO_ORDER).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    for (index, target) in config.targets.iter().enumerate() {
        let client = engine::client(target)?;
        let (target, order) = (target.clone(), order.clone());
        tasks.spawn(async move { (index, of_target(&target, &client, &order).await) });
    }
    let refunds = engine::refund_provider(config)?;
    let (address, budget) = (shown(&config.refunds.url), config.refunds.timeouts.request);
    let refund =
        RefundId::new(NO_REFUND).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let after = config.targets.len();
    tasks.spawn(async move {
        let listed = refunds.list(&refund, budget).await;
        (
            after,
            vec![of_refunds(address, listed.map(|list| list.len()))],
        )
    });
    let oms = config.oms.clone();
    tasks.spawn(async move { (after + 1, vec![of_oms(&oms).await]) });

    let mut done = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        let finished = finished
            .map_err(|error| Failure::new(Exit::Failed, format!("a check did not end: {error}")))?;
        done.push(finished);
    }
    done.sort_by_key(|(index, _)| *index);
    let mut checks: Vec<Check> = done.into_iter().flat_map(|(_, checks)| checks).collect();
    for check in &mut checks {
        check.detail = hide(config, &check.detail);
    }
    Ok(checks)
}

/// What the checks mean for the program's end: what is configured is wrong, or could not be checked.
pub(super) fn exit(checks: &[Check]) -> Exit {
    match checks.iter().map(|check| check.result).max() {
        Some(Verdict::Wrong) => Exit::Config,
        Some(Verdict::Failed) => Exit::Failed,
        _ => Exit::Done,
    }
}

async fn of_target(target: &Target, client: &Client, order: &OrderId) -> Vec<Check> {
    let check = |name, result, detail: String| Check {
        remote: "buy_with_prime",
        of: target.id.clone(),
        name,
        result,
        detail,
        differences: Vec::new(),
    };
    let skipped = |name, why: &str| check(name, Verdict::Skipped, format!("not tried: {why}"));
    let budget = target.timeouts.request;
    if let Err(error) = client.authenticate(budget).await {
        let detail = explain(
            &error.message,
            advice(&error, "token_endpoint", "client_id and client_secret"),
        );
        return vec![
            check("token", verdict(&error), detail),
            skipped("read", "there is no token"),
            skipped("schema", "there is no token"),
        ];
    }
    let token = check("token", Verdict::Ok, "obtained".to_owned());

    let read = match client.read_order(order, budget).await {
        Ok(None) => check(
            "read",
            Verdict::Ok,
            format!("asked for the order {order}, which nobody has: not found"),
        ),
        Ok(Some(_)) => check(
            "read",
            Verdict::Ok,
            format!("asked for the order {order}, and it is there"),
        ),
        Err(error) => {
            let keys = "endpoint, target_id, target_header and the credentials' permissions";
            let detail = explain(&error.message, advice(&error, "endpoint", keys));
            check("read", verdict(&error), detail)
        }
    };
    let schema = if read.result == Verdict::Wrong {
        skipped("schema", "the read was refused")
    } else {
        let compared = client.compare_schema(budget).await;
        schema_check(compared, &check)
    };
    vec![token, read, schema]
}

fn schema_check(
    compared: Result<LiveSchema, ReadError>,
    check: &impl Fn(&'static str, Verdict, String) -> Check,
) -> Check {
    match compared {
        Err(error) => {
            let detail = explain(&error.message, "");
            check("schema", verdict(&error), detail)
        }
        Ok(LiveSchema::Hidden { detail }) => {
            let detail = format!("not told ({detail}): nothing is known about it");
            check("schema", Verdict::Warning, detail)
        }
        Ok(LiveSchema::Compared(comparison)) => {
            let errors = comparison
                .differences
                .iter()
                .filter(|it| it.severity == Severity::Error)
                .count();
            let warnings = comparison.differences.len() - errors;
            let seen = format!("{} fields of {} types", comparison.fields, comparison.types);
            let (result, detail) = match (errors, warnings) {
                (0, 0) => (Verdict::Ok, format!("{seen} are as this version uses them")),
                (0, _) => (
                    Verdict::Warning,
                    format!("{seen} compared; {}", count(warnings, "may matter")),
                ),
                _ => (
                    Verdict::Wrong,
                    format!(
                        "{seen} compared; {}: see api_version",
                        count(errors, "keep calls from working")
                    ),
                ),
            };
            Check {
                differences: comparison.differences,
                ..check("schema", result, detail)
            }
        }
    }
}

fn count(number: usize, what: &str) -> String {
    let differences = if number == 1 {
        "difference"
    } else {
        "differences"
    };
    format!("{number} {differences} that {what}")
}

fn of_refunds(of: String, listed: Result<usize, ReadError>) -> Check {
    let (result, detail) = match listed {
        Ok(0) => (
            Verdict::Ok,
            "asked for the payments of a refund that nobody has: an empty list".to_owned(),
        ),
        Ok(count) => (
            Verdict::Warning,
            format!(
                "lists {count} payments for a refund that nobody has; what is listed counts as paid"
            ),
        ),
        Err(error) => (
            verdict(&error),
            explain(&error.message, advice(&error, "url", "url")),
        ),
    };
    Check {
        remote: "refunds",
        of,
        name: "list",
        result,
        detail,
        differences: Vec::new(),
    }
}

async fn of_oms(oms: &crate::config::Oms) -> Check {
    let (result, detail) = match connect::connect(&oms.url, oms.timeouts.connect).await {
        Ok(how) => (Verdict::Ok, format!("{how}; no message was sent")),
        Err(error) => (Verdict::Failed, error),
    };
    Check {
        remote: "oms",
        of: shown(&oms.url),
        name: "connect",
        result,
        detail,
        differences: Vec::new(),
    }
}

/// Is it the configuration that is wrong?
fn verdict(error: &ReadError) -> Verdict {
    match error.not_sent {
        Some(NotSent::Unauthorized) => Verdict::Wrong,
        _ => Verdict::Failed,
    }
}

/// Which keys to look at: the address where nobody is there, else what was sent.
fn advice<'a>(error: &ReadError, address: &'a str, keys: &'a str) -> &'a str {
    match error.not_sent {
        Some(NotSent::Throttled) => "try again later",
        Some(NotSent::ConnectionRefused | NotSent::TokenFailed) => address,
        _ => keys,
    }
}

fn explain(words: &str, advice: &str) -> String {
    match advice {
        "" => words.to_owned(),
        "try again later" => format!("{words}; {advice}"),
        keys => format!("{words}; check {keys}"),
    }
}

/// An address without what may be secret in it.
fn shown(url: &url::Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.to_string()
}

/// Remotes may repeat what they were sent.
fn hide(config: &Config, text: &str) -> String {
    let targets = config.targets.iter().map(|target| &target.client_secret);
    let tokens = config.http.tokens.iter().map(|token| &token.secret);
    let secrets = targets.chain([&config.oms.secret]).chain(tokens);
    secrets.fold(text.to_owned(), |text, secret: &SecretString| {
        let secret = secret.expose_secret();
        if secret.is_empty() {
            return text;
        }
        text.replace(secret, "(hidden)")
    })
}
