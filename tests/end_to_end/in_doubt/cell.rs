//! One cell, in a world of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_simulator::{Asked, Chaos, Handle, PersonsFact, PersonsWord, judge_with};
use countermand_tests::{Daemon, Place, simulator};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::table::{Cell, Mutation, Person, Time};

/// Until when anything may happen.
const WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// For so long a payout's key is relied on, and for so long the provider remembers it.
const KEY_HORIZON: Duration = Duration::from_millis(1_500);
const ORDER: &str = "SIM-happy-1";

/// Runs it.
pub(super) async fn run(cell: Cell, seed: u64) -> anyhow::Result<()> {
    let is_off = cell.time == Time::OffBeyondTheHorizon;
    let world = simulator(seed, Chaos::None, |options| {
        if is_off {
            options.pace.key_lifetime = KEY_HORIZON;
        }
    })
    .await?;
    let mut place = Place::new(crate::program(), &world)?;
    for section in ["buy_with_prime", "refunds", "oms"] {
        place.set(section, "connect_timeout", "600ms")?;
        place.set(section, "request_timeout", "600ms")?;
    }
    place.set("buy_with_prime", "visibility_lag", "1200ms")?;
    place.set("refunds", "quiet", "1200ms")?;
    place.set("policy", "refund_grace", "400ms")?;
    if is_off {
        place.set("refunds", "key_horizon", "1500ms")?;
    }
    let mutation = cell.mutation;
    world.force_on(mutation.remote(), mutation.operation(), cell.loss.fault, 1);

    let daemon = place.serve().await?;
    let id = daemon.cancel(ORDER).await?;
    struck(&world, &cell).await?;
    let daemon = match cell.time {
        Time::NoCrash => daemon,
        Time::Killed => {
            daemon.kill().await?;
            place.serve().await?
        }
        Time::OffBeyondTheHorizon => {
            let sent = Instant::now();
            daemon.kill().await?;
            sleep_until(sent + KEY_HORIZON + Duration::from_millis(200)).await;
            place.serve().await?
        }
        Time::TwoIncarnationsLater => {
            daemon.kill().await?;
            let second = place.serve().await?;
            if mutation != Mutation::UpdateOms {
                knows_the_doubt(&second, &id, mutation).await?;
            }
            second.kill().await?;
            place.serve().await?
        }
    };
    let mut words = Vec::new();
    if cell.needs_a_person() {
        words.extend(ask_a_person(&daemon, &world, &id, cell.person).await?);
    }
    let told = daemon
        .wait_until(&id, WITHIN, |view| {
            view["status"] == "finished" || view["attention"].is_object()
        })
        .await?;
    let history = daemon.history(&id).await?;
    ensure!(
        told["status"] == "finished" && told["outcome"] == "cancelled",
        "it ends as {told}; its history:\n{}",
        story(&history)
    );
    daemon.stop().await?;
    place.verify().await?;
    let asked = [Asked {
        order_id: ORDER.to_owned(),
        cancellation_id: Some(id),
    }];
    let ledger = world.ledger();
    let proof = judge_with(&asked, &words, &ledger);
    ensure!(
        proof.ok,
        "{:?}\n{}",
        proof.rows.iter().filter(|row| !row.ok).collect::<Vec<_>>(),
        story(&history)
    );
    match mutation {
        Mutation::UpdateOms => {
            // The first message of all: it came again exactly if its first delivery counted.
            let first = ledger.oms.first().context("the OMS heard nothing")?;
            let expected = if cell.loss.effect { 2 } else { 1 };
            ensure!(
                first.deliveries.len() >= expected && first.byte_identical,
                "the message came as {first:?}"
            );
            Ok(())
        }
        _ => grammar(&history, &cell, arrivals(&world, mutation)).and_then(|()| one_key(&history)),
    }
    .with_context(|| format!("its history:\n{}", story(&history)))
}

/// Waits until the fault has struck: the remote has the request.
async fn struck(world: &Handle, cell: &Cell) -> anyhow::Result<()> {
    let kind = cell.loss.fault.kind().context("the fault is none")?;
    let deadline = Instant::now() + WITHIN;
    while world.counters().struck(kind).mutations == 0 {
        ensure!(Instant::now() < deadline, "the request never came");
        sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until the history says that the outcome is unknown.
async fn knows_the_doubt(daemon: &Daemon, id: &str, mutation: Mutation) -> anyhow::Result<()> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let history = daemon.history(id).await?;
        if history
            .iter()
            .any(|entry| is(entry, "effect_unknown", mutation))
        {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "nobody says unknown:\n{}",
            story(&history)
        );
        sleep(LOOK).await;
    }
}

/// Waits for the attention that says that the key is too old, sees that nothing was guessed, and
/// says what a person knows.
async fn ask_a_person(
    daemon: &Daemon,
    world: &Handle,
    id: &str,
    person: Person,
) -> anyhow::Result<Option<PersonsWord>> {
    let view = daemon
        .wait_until(id, WITHIN, |view| {
            view["attention"].is_object() || view["status"] == "finished"
        })
        .await?;
    let why = view["attention"]["why"].as_str().unwrap_or_default();
    ensure!(why.starts_with("key_expired"), "it came to {view}");
    ensure!(
        world.ledger().payments.is_empty(),
        "it was paid on a guess: {view}"
    );
    let refund = &view["refunds"][0];
    let refund_id = refund["id"].as_str().context("the refund has no id")?;
    let (fact, said) = match person {
        Person::NotSent => (json!({ "fact": "not_sent", "note": "looked it up" }), None),
        Person::Paid => {
            let amount = refund["amount"]["amount"].as_str().unwrap_or_default();
            let paid = PersonsFact::RefundPaid {
                refund_id: refund_id.to_owned(),
                payment_id: "by-hand-1".to_owned(),
                amount: amount.parse()?,
            };
            (
                json!({
                    "fact": "refund_paid",
                    "note": "paid by hand",
                    "refundId": refund_id,
                    "paymentId": "by-hand-1",
                    "amount": refund["amount"],
                }),
                Some(PersonsWord::of(ORDER, paid)),
            )
        }
    };
    let path = format!("/v1/cancellations/{id}/resolve");
    daemon.post(&path, &fact).await?.is(200)?;
    Ok(said)
}

/// How many requests of this kind took effect or were recorded by the remote.
fn arrivals(world: &Handle, mutation: Mutation) -> usize {
    let ledger = world.ledger();
    match mutation {
        Mutation::CancelOrder => ledger.cancels.len(),
        Mutation::PayRefund => ledger.payouts.len(),
        Mutation::ReportRefund => ledger.reports.len(),
        Mutation::UpdateOms => ledger.oms.len(),
    }
}

fn is(entry: &Value, kind: &str, mutation: Mutation) -> bool {
    entry["input"]["type"] == kind && entry["input"]["effect"] == mutation.name()
}

/// The history says *unknown*, then that it looked, then what followed; and if anything was sent
/// again, then only after a look that found nothing.
fn grammar(history: &[Value], cell: &Cell, arrivals: usize) -> anyhow::Result<()> {
    let mutation = cell.mutation;
    let unknown = history
        .iter()
        .position(|entry| is(entry, "effect_unknown", mutation))
        .context("the history never says unknown")?;
    let count = |kind| {
        let before = history.iter().take(unknown);
        before.filter(|entry| is(entry, kind, mutation)).count()
    };
    // On a busy machine a look may fail first; then nothing was sent.
    let sent = count("intent_recorded").saturating_sub(count("effect_not_sent"));
    ensure!(sent == 1, "{sent} sends before the doubt instead of 1");
    let after = history.get(unknown + 1..).unwrap_or_default();
    // A read of the order is the look at Buy with Prime: it settles the doubt by itself when it
    // shows what was sent.
    let by_reading = mutation != Mutation::PayRefund;
    let look = after
        .iter()
        .position(|entry| {
            is(entry, "looked", mutation) || (by_reading && entry["input"]["type"] == "order_read")
        })
        .context("after the doubt nobody looked")?;
    let done = after
        .iter()
        .position(|entry| is(entry, "effect_done", mutation));
    ensure!(
        done.is_none_or(|done| done > look),
        "it was done again before anybody looked"
    );
    let absent = after
        .iter()
        .any(|entry| is(entry, "looked", mutation) && entry["input"]["found"] == false);
    let by_hand = cell.needs_a_person() && cell.person == Person::Paid;
    if cell.loss.effect {
        ensure!(
            arrivals == 1 && done.is_none(),
            "it took effect, and was sent again ({arrivals} times)"
        );
    } else if !by_hand {
        ensure!(
            absent && done.is_some(),
            "it did not take effect; looked and found nothing: {absent}, sent again: {}",
            done.is_some()
        );
    }
    Ok(())
}

/// Every attempt at one payout has the same idempotency key, and every attempt at one cancellation
/// the same alias: a provider that acts late then acts once.
fn one_key(history: &[Value]) -> anyhow::Result<()> {
    let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for entry in history {
        let input = &entry["input"];
        let has_key = ["cancel_order", "pay_refund"].contains(&text(&input["effect"]));
        if input["type"] == "intent_recorded" && has_key {
            let what = format!("{} {}", input["effect"], input["refundId"]);
            keys.entry(what).or_default().insert(text(&input["key"]));
        }
    }
    let several = keys.iter().find(|(_, keys)| keys.len() > 1);
    ensure!(several.is_none(), "sent under several keys: {several:?}");
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A history, a line per entry.
fn story(history: &[Value]) -> String {
    let lines: Vec<String> = history
        .iter()
        .map(|entry| {
            let mut input = entry["input"].clone();
            if let Some(input) = input.as_object_mut() {
                input.remove("order");
            }
            format!(
                "    {} {} -> {} {input}",
                entry["seq"], entry["from"], entry["to"]
            )
        })
        .collect();
    lines.join("\n")
}

/// The rules of [`grammar`] find what they are for.
#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn cell(effect: bool) -> Cell {
        let cells = table::cells().into_iter();
        cells
            .filter(|cell| cell.mutation == Mutation::PayRefund && cell.time == Time::NoCrash)
            .find(|cell| cell.loss.effect == effect)
            .expect("there are cells of both sorts")
    }

    fn history(types: &[&str]) -> Vec<Value> {
        let entries = types.iter().map(|kind| {
            let (kind, found) = match *kind {
                "absent" => ("looked", false),
                "found" => ("looked", true),
                other => (other, false),
            };
            json!({ "input": { "type": kind, "effect": "pay_refund", "found": found } })
        });
        entries.collect()
    }

    #[test]
    fn a_look_stands_between_doubt_and_what_follows() {
        let sent = ["intent_recorded", "effect_unknown", "intent_recorded"];
        let with = |end: &[&str]| history(&[&sent[..], end].concat());
        // It took effect, and the look found it.
        assert!(grammar(&with(&["found"]), &cell(true), 1).is_ok());
        // It did not, the look found nothing, and it was sent again.
        assert!(grammar(&with(&["absent", "effect_done"]), &cell(false), 1).is_ok());
        for (what, history, effect, arrivals) in [
            (
                "sent again after an effect",
                with(&["absent", "effect_done"]),
                true,
                2,
            ),
            (
                "sent again without a look",
                with(&["effect_done"]),
                false,
                1,
            ),
            (
                "looked too late",
                with(&["effect_done", "absent"]),
                false,
                1,
            ),
            ("never looked", with(&[]), true, 1),
            (
                "never said unknown",
                history(&["intent_recorded", "effect_done"]),
                true,
                1,
            ),
        ] {
            assert!(
                grammar(&history, &cell(effect), arrivals).is_err(),
                "{what}"
            );
        }
    }

    #[test]
    fn a_second_key_is_found() {
        let history = |keys: [&str; 2]| {
            keys.map(|key| {
                json!({ "input": {
                    "type": "intent_recorded", "effect": "pay_refund", "refundId": "R", "key": key,
                } })
            })
        };
        assert!(one_key(&history(["refund:1", "refund:1"])).is_ok());
        assert!(one_key(&history(["refund:1", "refund:2"])).is_err());
    }

    #[test]
    fn the_table_has_every_mutation_at_every_time() {
        let cells = table::cells();
        assert!(cells.len() > 90, "{}", cells.len());
        for time in [
            Time::NoCrash,
            Time::Killed,
            Time::OffBeyondTheHorizon,
            Time::TwoIncarnationsLater,
        ] {
            for mutation in ["cancel_order", "pay_refund", "report_refund", "update_oms"] {
                for effect in [true, false] {
                    assert!(
                        cells.iter().any(|cell| cell.time == time
                            && cell.mutation.name() == mutation
                            && cell.loss.effect == effect),
                        "{mutation} {time:?} {effect}"
                    );
                }
            }
        }
        assert!(cells.iter().any(Cell::needs_a_person));
    }
}
