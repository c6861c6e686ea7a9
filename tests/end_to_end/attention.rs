//! Every kind of attention is provoked, understood from `show` alone, and resolved with one command
//! that `show` suggests.

mod case;
mod table;

use std::collections::BTreeSet;

use countermand_simulator::{Asked, Chaos, EventSink, Scenario, judge_with};
use countermand_tests::{INGEST, Place, simulator};
use serde_json::Value;
use tokio::task::JoinSet;

use case::Case;
use table::rows;

/// All scenarios that need a person, each as often as there are ways to help.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in Scenario::ALL {
        let rows = rows(*scenario);
        assert_eq!(
            !rows.is_empty(),
            scenario.provokes().is_some(),
            "{scenario}: the table and the simulator do not agree on whether a person is needed"
        );
        let numbered = (1..).zip(rows);
        cases.extend(numbered.map(|(nth, row)| Case::new(row, nth)));
    }
    cases
}

fn settings(place: &mut Place) -> anyhow::Result<()> {
    place.set("policy", "patience", "3s")?;
    place.set("policy", "pending_alarm", "3s")?;
    place.set("policy", "refund_grace", "3s")?;
    place.set("refunds", "key_horizon", "4s")?;
    place.set("retry.update_oms", "attempts", 4)?;
    let amounts = toml::Table::from_iter([("USD".to_owned(), "200000".into())]);
    place.set("limits", "payout_amount_per_day", amounts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_provoked_understood_and_resolved() -> anyhow::Result<()> {
    let world = simulator(7, Chaos::None, |_| {}).await?;
    let mut place = Place::new(crate::program(), &world)?;
    settings(&mut place)?;
    let daemon = place.serve().await?;
    world.set_event_sink(Some(EventSink {
        url: format!("http://{}/v1/events", daemon.address()),
        token: Some(INGEST.to_owned()),
    }));

    let mut cases = cases();
    for case in &mut cases {
        case.id = daemon.cancel(&case.order).await?;
    }
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(error) = case.is_raised(&daemon).await {
            failures.push(format!("{case}: {error:#}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    // Everybody who needs somebody is found from outside, too.
    let wanted: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let listed = place
        .run(&["list", "--status", "attention", "--all", "--json"])
        .await?
        .exits(0)?;
    let listed: Vec<Value> = listed
        .out
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let found: BTreeSet<&str> = listed.iter().filter_map(|v| v["id"].as_str()).collect();
    assert!(found.is_superset(&wanted), "{found:?} {wanted:?}");
    let page = daemon
        .get("/v1/cancellations?status=attention&limit=100")
        .await?
        .is(200)?;
    let items = page["items"].as_array().into_iter().flatten();
    let found: BTreeSet<&str> = items.filter_map(|item| item["id"].as_str()).collect();
    assert!(found.is_superset(&wanted), "{found:?} {wanted:?}");
    let stats = place.run(&["stats", "--json"]).await?.exits(0)?.json()?;
    let counted = stats["attention"].as_u64().unwrap_or_default();
    assert!(counted >= cases.len() as u64, "{stats:#}");

    // All are looked at and helped at once, as a support desk would.
    let mut running = JoinSet::new();
    let (place, world) = (std::sync::Arc::new(place), std::sync::Arc::new(world));
    for case in cases.clone() {
        let (place, world) = (place.clone(), world.clone());
        running.spawn(async move {
            let helped = case.help(&place, &world).await;
            (case, helped)
        });
    }
    let mut words = Vec::new();
    while let Some(done) = running.join_next().await {
        match done? {
            (_, Ok(said)) => words.extend(said),
            (case, Err(error)) => failures.push(format!("{case}: {error:#}")),
        }
    }
    for case in &cases {
        if let Err(error) = case.has_ended(&daemon).await {
            failures.push(format!("{case}: {error:#}"));
        }
    }
    failures.sort();
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    daemon.stop().await?;
    place.verify().await?;
    let asked: Vec<Asked> = cases.iter().map(|case| Asked::order(&case.order)).collect();
    let proof = judge_with(&asked, &words, &world.ledger());
    assert!(proof.ok, "{proof:#?}");
    Ok(())
}
