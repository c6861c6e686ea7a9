//! Values that contradict each other (docs/interfaces.md): the inequality is told.

use std::time::Duration;

use super::Config;
use super::notes::Notes;

fn show(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// `key` must be at least twice `other`.
pub(super) fn at_least_double(
    notes: &mut Notes,
    key: &str,
    value: Duration,
    other: &str,
    limit: Duration,
) {
    let wanted = limit.saturating_mul(2);
    if value < wanted && notes.is_sound(key) && notes.is_sound(other) {
        blame(
            notes,
            key,
            other,
            &format!(
                "{key} >= 2 x {other} must hold; they are {} and {}: a request may still arrive while it lives",
                show(value),
                show(limit)
            ),
        );
    }
}

/// `low` must not be above `high`.
pub(super) fn ordered(notes: &mut Notes, low: &str, value: Duration, high: &str, limit: Duration) {
    if value > limit && notes.is_sound(low) && notes.is_sound(high) {
        let message = format!(
            "{low} <= {high} must hold; they are {} and {}",
            show(value),
            show(limit)
        );
        blame(notes, low, high, &message);
    }
}

/// Tells it at the key that somebody set; of two set ones, at the first.
fn blame(notes: &mut Notes, key: &str, other: &str, message: &str) {
    let at = if notes.is_set(key) || !notes.is_set(other) {
        key
    } else {
        other
    };
    notes.problem(at, message);
}

/// What concerns several sections.
pub(super) fn check(notes: &mut Notes, config: &Config) {
    let mut requests: Vec<(String, Duration)> = config
        .targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            let key = match config.targets.len() {
                1 => "buy_with_prime.request_timeout".to_owned(),
                _ => format!("buy_with_prime.{index}.request_timeout"),
            };
            (key, target.timeouts.request)
        })
        .collect();
    requests.push((
        "refunds.request_timeout".to_owned(),
        config.refunds.timeouts.request,
    ));
    requests.push((
        "oms.request_timeout".to_owned(),
        config.oms.timeouts.request,
    ));
    let Some((longest, request)) = requests.into_iter().max_by_key(|(_, request)| *request) else {
        return;
    };
    let (lease, grace) = (config.runner.lease, config.runner.shutdown_grace);
    if lease < request.saturating_mul(3)
        && notes.is_sound("runner.lease")
        && notes.is_sound(&longest)
    {
        let message = format!(
            "runner.lease >= 3 x {longest} must hold; they are {} and {}",
            show(lease),
            show(request)
        );
        blame(notes, "runner.lease", &longest, &message);
    }
    if grace < request.saturating_add(Duration::from_secs(5))
        && notes.is_set("runner.shutdown_grace")
    {
        let message = format!(
            "is {}, less than {longest} ({}) and 5s: a stop may leave requests in doubt",
            show(grace),
            show(request)
        );
        notes.warn("runner.shutdown_grace", message);
    }
}
