//! A person at work: notes, retries, withdrawals, whatever the daemon is doing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::stage::Stage;

/// Between two commands.
const PAUSE: Duration = Duration::from_millis(300);
/// Before the same cancellation is retried once more.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Works until it is dropped. Whatever asks for a person is retried; the rest only as long as new
/// orders are asked for.
pub(super) async fn work(stage: Arc<Stage>) -> anyhow::Result<()> {
    let mut dice = Dice::new(stage.seed, "operating");
    let mut notes = 0_usize;
    let mut retried: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        sleep(PAUSE).await;
        let Some(living) = stage.living().await? else {
            continue;
        };
        for view in &living {
            let last = retried.get(id(view));
            if view["attention"].is_object() && last.is_none_or(|at| at.elapsed() > RETRY_AFTER) {
                retried.insert(id(view).to_owned(), Instant::now());
                retry(&stage, view).await?;
            }
        }
        if !stage.asks() {
            continue;
        }
        let Some(view) = dice.pick(&living) else {
            continue;
        };
        match dice.below(4) {
            0 | 1 => {
                notes += 1;
                note(&stage, view, notes).await?;
            }
            2 => retry(&stage, view).await?,
            _ => {
                if let Some(early) = living.iter().find(|view| view["state"] == "precheck") {
                    withdraw(&stage, early).await?;
                }
            }
        }
    }
}

fn id(view: &Value) -> &str {
    view["id"].as_str().unwrap_or_default()
}

/// Sends a command until it is answered. Was it carried out? A refusal is no failure: something was
/// sent already, or it has ended.
async fn command(stage: &Stage, view: &Value, what: &str, body: Value) -> anyhow::Result<bool> {
    let id = id(view);
    let path = format!("/v1/cancellations/{id}/{what}");
    let answer = stage.insist(&path, &body).await?;
    match answer.status {
        200 => Ok(true),
        409 => Ok(false),
        // It was there a moment ago.
        404 => {
            let order = view["orderId"].as_str().unwrap_or_default().to_owned();
            let what = format!("{id} was listed, and does not exist any more");
            stage.log().wrong.push((order, what));
            Ok(false)
        }
        status => bail!("{what} of {id} was answered with {status}: {}", answer.body),
    }
}

async fn retry(stage: &Stage, view: &Value) -> anyhow::Result<()> {
    if command(stage, view, "retry", json!({})).await? {
        *stage.log().retries.entry(id(view).to_owned()).or_default() += 1;
    }
    Ok(())
}

async fn note(stage: &Stage, view: &Value, number: usize) -> anyhow::Result<()> {
    let text = format!("note {number} of seed {}", stage.seed);
    if command(stage, view, "notes", json!({ "text": text })).await? {
        stage.log().notes.push((id(view).to_owned(), text));
    }
    Ok(())
}

async fn withdraw(stage: &Stage, view: &Value) -> anyhow::Result<()> {
    let body = json!({ "note": "the shopper changed their mind" });
    if command(stage, view, "withdraw", body).await? {
        stage.log().withdrawn.insert(id(view).to_owned());
    }
    Ok(())
}
