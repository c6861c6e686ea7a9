//! A cancellation in plain language.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use countermand::core::cancellation::exemplars::orders::{self, usd};
use countermand::core::cancellation::exemplars::{Exemplar, Script, all, pay};
use countermand::core::cancellation::input::{Input, Mutation};
use countermand::core::cancellation::order::CancellationState;
use countermand::core::cancellation::view::{LastError, RowFacts};
use countermand::core::cancellation::{Cancellation, Prior, State};
use countermand::core::{Stamp, Timestamp, Workflow};
use countermand::{CaseReport, HistoryEntry, PayoutState, RefundState, Status, View, case_report};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn entry(stamp: Stamp, from: Option<&str>, to: &str, input: &Value) -> HistoryEntry {
    serde_json::from_value(json!({
        "seq": stamp.seq, "at": stamp.at, "from": from, "to": to, "input": input,
        "accepted": true, "actor": null, "epoch": stamp.epoch.0,
    }))
    .unwrap()
}

/// The history that a script wrote, as a reader gets it.
fn history(script: &Script) -> Vec<HistoryEntry> {
    let workflow = Cancellation::default();
    let opening = &script.opening;
    let mut state = workflow.start(script.id(), &opening.request, &opening.prior, script.opened);
    let opened = serde_json::to_value(opening).unwrap();
    let mut entries = vec![entry(script.opened, None, state.phase.name(), &opened)];
    for (input, stamp) in &script.entries {
        let from = state.phase.name();
        state = workflow.step(&state, input, *stamp).unwrap();
        let input = serde_json::to_value(input).unwrap();
        entries.push(entry(*stamp, Some(from), state.phase.name(), &input));
    }
    entries
}

/// Its row, some time after the last entry.
fn view(script: &Script, now: Timestamp, last_error: Option<LastError>) -> View {
    let finished = script.state.phase.is_finished();
    let facts = RowFacts {
        id: script.id().clone(),
        revision: script.seq(),
        created_at: script.opened.at,
        updated_at: script.now(),
        finished_at: finished.then(|| script.now()),
        due_at: (!finished).then(|| now.plus(MINUTE * 5)),
        attempt: u32::from(last_error.is_some()) * 3,
        last_error,
        now,
    };
    View::new(&script.state, facts)
}

fn report(script: &Script) -> CaseReport {
    let now = script.now().plus(MINUTE);
    case_report(&view(script, now, None), &history(script), now)
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Every payment that is mentioned anywhere in what happened.
fn payments(history: &[HistoryEntry]) -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(id)) = members.get("paymentId") {
                    found.insert(id.clone());
                }
                members.values().for_each(|value| collect(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for entry in history {
        collect(
            &serde_json::from_str(entry.input.get()).unwrap(),
            &mut found,
        );
    }
    found
}

/// What holds for every report.
#[track_caller]
fn check(name: &str, view: &View, history: &[HistoryEntry], now: Timestamp) {
    let report = case_report(view, history, now);
    assert_eq!(report, case_report(view, history, now), "{name}");
    let text = report.to_text(plain);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{name}: {line}");
        assert_eq!(line, line.trim_end(), "{name}");
    }
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for payment in payments(history) {
        assert!(joined.contains(&payment), "{name}: {payment} in\n{text}");
    }
    for refund in &view.refunds {
        assert!(joined.contains(refund.id.as_str()), "{name}: {text}");
        if let Some(amount) = &refund.amount {
            assert!(joined.contains(&amount.to_string()), "{name}: {text}");
        }
    }
    let headline = &report.headline;
    assert_eq!(
        headline.facts.get("outcome").and_then(Value::as_str),
        view.outcome.as_deref()
    );
    assert!(
        text.starts_with(headline.text.split(' ').next().unwrap()),
        "{name}"
    );
    assert!(
        headline.text.contains(view.order_id.as_str()),
        "{name}: {}",
        headline.text
    );
    let person = report
        .sections
        .iter()
        .any(|section| section.code == "person");
    assert_eq!(person, view.attention.is_some(), "{name}");
    for word in ["epoch", "intent", "revision", "None", "Some(", "  .", ".."] {
        assert!(!joined.contains(word), "{name}: `{word}` in\n{text}");
    }
    serde_json::to_value(&report).unwrap();
}

#[test]
fn every_situation_has_its_report() {
    for Exemplar { name, script } in all() {
        let now = script.now().plus(MINUTE);
        let error = LastError {
            effect: "read_order".to_owned(),
            message: "503 Service Unavailable".to_owned(),
            at: script.now(),
        };
        let history = history(&script);
        for error in [None, Some(error)] {
            check(name, &view(&script, now, error), &history, now);
        }
        // Every prefix of a history is one, whatever the row says.
        for length in 0..history.len() {
            let _ = case_report(&view(&script, now, None), &history[..length], now);
        }
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            let _ = case_report(&view(&script, extreme, None), &history, extreme).to_text(plain);
        }
    }
}

/// Each situation, and then everything that can happen to it.
#[test]
fn whatever_happens_next_can_be_told() {
    for (turn, Exemplar { name, script }) in all().into_iter().enumerate() {
        // Each offer meets every eighth situation, and another one next time.
        for offer in script_offers(&script).iter().skip(turn % 8).step_by(8) {
            let name = format!("{name}, then {}", offer.0);
            let now = offer.1.now();
            let view = view(&offer.1, now, None);
            check(&name, &view, &history(&offer.1), now);
        }
    }
}

fn script_offers(script: &Script) -> Vec<(String, Script)> {
    let exemplar = Exemplar {
        name: "x.y",
        script: script.clone(),
    };
    let offers = exemplar.offers().into_iter();
    offers
        .map(|offer| (offer.label, script.clone().input(offer.input)))
        .filter(|(_, next)| next.turned_down.len() == script.turned_down.len())
        .collect()
}

/// What nobody can read is told as such, and the rest from the row.
#[test]
fn a_history_that_cannot_be_understood_has_a_report() {
    let script = happy();
    let now = script.now();
    let mut entries = history(&script);
    for bad in [
        json!({}),
        json!({"type": "of_tomorrow"}),
        json!([1]),
        json!("x"),
    ] {
        for place in [0, 3, entries.len() - 1] {
            let mut history = history(&script);
            history[place] = serde_json::from_value(json!({
                "seq": 1, "at": now, "from": "precheck", "to": "pending", "input": bad,
                "accepted": true, "actor": null, "epoch": 1,
            }))
            .unwrap();
            let text = case_report(&view(&script, now, None), &history, now).to_text(plain);
            assert!(text.contains("cannot explain"), "{text}");
            assert!(
                text.starts_with("Order 322-T7QM-2LH9WD was cancelled"),
                "{text}"
            );
        }
    }
    // Out of order, twice, from nowhere.
    entries.reverse();
    let _ = case_report(&view(&script, now, None), &entries, now).to_text(plain);
    let _ = case_report(&view(&script, now, None), &[], now).to_text(plain);
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it instead.
#[track_caller]
fn golden(name: &str, script: &Script) {
    let text = report(script).to_text(plain);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} differs; UPDATE_GOLDEN=1 writes it anew"
    );
}

fn ready() -> Script {
    Script::requested().read(orders::all_pending())
}

fn accepted() -> Script {
    ready()
        .intent("cancel_order")
        .accepted(CancellationState::Pending)
        .told()
}

fn cancelled(script: Script) -> Script {
    let entry = orders::ours(CancellationState::Success, &script.alias());
    let refund = orders::refund(RefundState::Pending);
    script.read(orders::cancelled(entry, vec![refund])).told()
}

fn lane(effect: &str) -> String {
    format!("{effect}/{}", orders::REFUND)
}

fn repaid(script: Script) -> Script {
    let amount = script
        .state
        .case
        .refunds
        .values()
        .next()
        .and_then(|refund| refund.amount);
    script
        .intent(&lane("pay_refund"))
        .paid(PayoutState::Success, amount.unwrap_or_else(|| usd(1)))
        .told()
        .intent(&lane("report_refund"))
        .reported(RefundState::Success)
}

fn done(script: Script) -> Script {
    let script = script.after(DAY * 2);
    let entry = orders::ours(CancellationState::Success, &script.alias());
    let refund = orders::refund(RefundState::Success);
    script.read(orders::cancelled(entry, vec![refund]))
}

fn happy() -> Script {
    done(repaid(cancelled(accepted().after(MINUTE * 6))))
}

fn of(name: &str) -> Script {
    let found = all().into_iter().find(|exemplar| exemplar.name == name);
    found.unwrap().script
}

#[test]
fn happy_with_refund() {
    golden("report-cancelled.txt", &happy());
}

#[test]
fn rejected_by_amazon() {
    golden("report-rejected.txt", &of("rejected.by_amazon").told());
}

#[test]
fn refused_before_sending() {
    golden("report-shipped.txt", &of("rejected.not_cancellable").told());
}

#[test]
fn the_shopper_was_first() {
    let entry = orders::shoppers(CancellationState::Success);
    let refund = orders::refund(RefundState::Pending);
    let script = Script::requested().read(orders::cancelled(entry.clone(), vec![refund]));
    let script = repaid(script.told()).after(DAY * 2);
    let refund = orders::refund(RefundState::Success);
    golden(
        "report-shopper-first.txt",
        &script.read(orders::cancelled(entry, vec![refund])),
    );
}

#[test]
fn in_doubt_then_found() {
    let script = ready().intent("cancel_order").crash().after(MINUTE);
    let entry = orders::ours(CancellationState::Pending, &script.alias());
    golden(
        "report-found.txt",
        &script.read(orders::cancelling(entry)).told(),
    );
}

#[test]
fn a_payout_failed() {
    golden("report-payout-failed.txt", &of("refund.payout_failed"));
}

#[test]
fn observed_unfulfillable() {
    golden(
        "report-unfulfillable.txt",
        &of("oms_updated.partly_cancelled"),
    );
}

#[test]
fn withdrawn() {
    golden("report-withdrawn.txt", &of("rejected.withdrawn").told());
}

#[test]
fn still_waiting() {
    golden("report-waiting.txt", &accepted());
}

#[test]
fn a_payout_in_doubt() {
    let script = cancelled(accepted().after(MINUTE * 6))
        .intent(&lane("pay_refund"))
        .unknown(pay());
    golden("report-payout-in-doubt.txt", &script);
}

/// What others wrote cannot act upon whoever reads it.
#[test]
fn what_others_wrote_is_escaped() {
    let refused = Input::EffectRefused {
        mutation: Mutation::CancelOrder,
        attempt: 1,
        code: "Bad\u{1b}[2J".to_owned(),
        message: "no\n\u{202e}way".to_owned(),
    };
    let script = ready().intent("cancel_order").input(refused);
    let text = report(&script).to_text(|text| text.replace(['\u{1b}', '\u{202e}', '\n'], "?"));
    assert!(
        text.contains("Bad?[2J") && text.contains("no??way"),
        "{text}"
    );
}

/// A state that is not the fold of the history is not taken for it.
/// By the order's id, whoever answers the phone gets the newest report: it may not deny what an
/// earlier cancellation of the order did.
#[test]
fn what_an_earlier_cancellation_did_is_not_denied() {
    let prior = Prior {
        refunds: vec![orders::REFUND.parse().unwrap()],
        succeeded: true,
        whole: true,
        ..Prior::default()
    };
    let text = report(&Script::observed(prior)).to_text(plain);
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wrong in [
        "has asked for none",
        "asked for none",
        "no refund was asked for",
    ] {
        assert!(!joined.contains(wrong), "{text}");
    }
    assert!(
        joined.contains("looked after the refund that Amazon asked for"),
        "{text}"
    );
    assert!(joined.contains("countermand list --order"), "{text}");
    assert!(
        joined.contains("an earlier cancellation of the order had told it"),
        "{text}"
    );
}

/// What a caller asks first is whether the order is cancelled, also where a person is needed.
#[test]
fn a_need_for_a_person_does_not_hide_how_the_order_stands() {
    let failed = cancelled(accepted());
    let mut view = view(&failed, failed.now(), None);
    assert!(report(&failed).headline.text.contains("is cancelled"));
    view.status = Status::Attention;
    let headline = case_report(&view, &history(&failed), failed.now()).headline;
    assert!(
        headline.text.contains("A person is needed"),
        "{}",
        headline.text
    );
    assert!(
        headline.text.contains("is cancelled; its refunds"),
        "{}",
        headline.text
    );
}

#[test]
fn prior_cancellations_are_no_obstacle() {
    let prior = Prior {
        succeeded: true,
        ..Prior::default()
    };
    let script = Script::observed(prior);
    let state: &State = &script.state;
    assert!(!state.phase.is_finished());
    check(
        "prior",
        &view(&script, script.now(), None),
        &history(&script),
        script.now(),
    );
}
