//! How the engine works: policy, limits, retries, the runner, the log.

use std::collections::BTreeMap;

use super::{HOUR, MINUTE, SECOND};
use crate::config::notes::Notes;
use crate::config::problem::quote;
use crate::config::reader::Section;
use crate::config::{Limits, Log, LogFormat, Policy, Retry, Runner, relations};

/// The effects whose retries can be set one by one.
const EFFECTS: [&str; 5] = [
    "read_order",
    "cancel_order",
    "pay_refund",
    "report_refund",
    "update_oms",
];

pub(super) fn policy(mut section: Section, notes: &mut Notes) -> Policy {
    let poll_initial = section.duration(notes, "poll_initial", 30 * SECOND);
    let poll_max = section.duration(notes, "poll_max", 15 * MINUTE);
    relations::ordered(
        notes,
        "policy.poll_initial",
        poll_initial,
        "policy.poll_max",
        poll_max,
    );
    let pending_alarm = section.duration(notes, "pending_alarm", 24 * HOUR);
    let refund_grace = section.duration(notes, "refund_grace", 24 * HOUR);
    let patience = section.duration(notes, "patience", 30 * MINUTE);
    let refund_reasons = section.texts(
        notes,
        "refund_reasons",
        &["CANCELLED_ORDER", "DELIVERY_ISSUES"],
    );
    for (index, reason) in refund_reasons.iter().enumerate() {
        let well_formed = !reason.is_empty()
            && reason.len() <= 64
            && reason
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            let message = format!("holds {}; reasons look like CANCELLED_ORDER", quote(reason));
            notes.problem("policy.refund_reasons", message);
        }
        if refund_reasons
            .iter()
            .take(index)
            .any(|earlier| earlier == reason)
        {
            notes.problem(
                "policy.refund_reasons",
                format!("holds {} twice", quote(reason)),
            );
        }
    }
    let observe = section.boolean(notes, "observe", true);
    section.close(notes);
    Policy {
        poll_initial,
        poll_max,
        pending_alarm,
        refund_grace,
        patience,
        refund_reasons,
        observe,
    }
}

pub(super) fn limits(mut section: Section, notes: &mut Notes) -> Limits {
    let payouts_per_hour = section.integer(notes, "payouts_per_hour", 200, 0, 1_000_000);
    let per_day = section.text_map(notes, "payout_amount_per_day");
    let mut payout_amount_per_day = Vec::new();
    for (currency, amount) in &per_day {
        match countermand::core::Money::parse(amount, currency) {
            Ok(money) => payout_amount_per_day.push(money),
            Err(error) => {
                let message = format!("{} = {}: {error}", quote(currency), quote(amount));
                notes.problem("limits.payout_amount_per_day", message);
            }
        }
    }
    section.close(notes);
    Limits {
        payouts_per_hour,
        payout_amount_per_day,
    }
}

pub(super) fn retry(mut section: Section, notes: &mut Notes) -> BTreeMap<&'static str, Retry> {
    let base = retry_keys(
        notes,
        &mut section,
        Retry {
            initial: SECOND,
            max: 15 * MINUTE,
            attempts: 20,
        },
    );
    let all = EFFECTS
        .into_iter()
        .map(|effect| {
            let mut own = section.section(notes, effect);
            // The OMS must hear of it in the end, however long it is away.
            let attempts = if effect == "update_oms" {
                0
            } else {
                base.attempts
            };
            let retry = retry_keys(notes, &mut own, Retry { attempts, ..base });
            own.close(notes);
            (effect, retry)
        })
        .collect();
    section.close(notes);
    all
}

fn retry_keys(notes: &mut Notes, section: &mut Section, default: Retry) -> Retry {
    let initial = section.duration(notes, "initial", default.initial);
    let max = section.duration(notes, "max", default.max);
    let attempts = section.integer(notes, "attempts", default.attempts, 0, u32::MAX);
    let path = section.path().to_owned();
    let (low, high) = (format!("{path}.initial"), format!("{path}.max"));
    // Inherited values were judged where they stand.
    if path == "retry" || notes.is_set(&low) || notes.is_set(&high) {
        relations::ordered(notes, &low, initial, &high, max);
    }
    Retry {
        initial,
        max,
        attempts,
    }
}

pub(super) fn runner(mut section: Section, notes: &mut Notes) -> Runner {
    let concurrency = section.integer(notes, "concurrency", 64, 1, 4096);
    let lease = section.duration(notes, "lease", 2 * MINUTE);
    let shutdown_grace = section.duration(notes, "shutdown_grace", 35 * SECOND);
    section.close(notes);
    Runner {
        concurrency,
        lease,
        shutdown_grace,
    }
}

pub(super) fn log(mut section: Section, notes: &mut Notes) -> Log {
    let format = section
        .text(notes, "format", Some("auto"))
        .unwrap_or_default();
    let format = match format.as_str() {
        "auto" => LogFormat::Auto,
        "pretty" => LogFormat::Pretty,
        "json" => LogFormat::Json,
        other => {
            notes.problem(
                "log.format",
                format!(
                    "is {}; it must be \"auto\", \"pretty\" or \"json\"",
                    quote(other)
                ),
            );
            LogFormat::Auto
        }
    };
    let filter = section
        .text(notes, "filter", Some("info"))
        .unwrap_or_default();
    if !is_log_filter(&filter) {
        let message = format!(
            "is {}; it must be a level (off, error, warn, info, debug, trace), or several such as \"info,countermand_runner=debug\"",
            quote(&filter)
        );
        notes.problem("log.filter", message);
    }
    section.close(notes);
    Log { format, filter }
}

/// The library takes any word for the name of a module; a misspelt level must not silence the log.
fn is_log_filter(filter: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let level = |text: &str| LEVELS.contains(&text.trim().to_ascii_lowercase().as_str());
    let parts = filter.split(',').all(|part| match part.rsplit_once('=') {
        Some((target, text)) => !target.trim().is_empty() && level(text),
        None => level(part),
    });
    parts
        && tracing_subscriber::EnvFilter::builder()
            .parse(filter)
            .is_ok()
}
