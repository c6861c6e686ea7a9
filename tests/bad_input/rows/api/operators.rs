//! What operators may not do, or not so.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{OnStage, Tried};

pub(super) async fn a25(stage: OnStage) -> Tried {
    let id = stage.daemon.cancel("SIM-never-decides-25").await?;
    let answer = stage
        .send(
            &format!("POST /v1/cancellations/{id}/notes"),
            &["Content-Type: application/json", "If-Match: \"0\""],
            r#"{"text":"seen"}"#,
        )
        .await?;
    answer.is(200)
}

pub(super) async fn a42(stage: OnStage) -> Tried {
    let id = stage.daemon.cancel("SIM-happy-42").await?;
    stage
        .daemon
        .wait_until(&id, Duration::from_secs(30), |view| {
            view["status"] == "finished"
        })
        .await?;
    for (action, body) in [
        ("retry", "{}"),
        ("withdraw", "{}"),
        ("resolve", r#"{"fact":"cancelled","note":"n"}"#),
    ] {
        let answer = stage
            .post(&format!("/v1/cancellations/{id}/{action}"), body)
            .await?;
        answer.is(409).context(action)?;
        let nobody = stage
            .post(&format!("/v1/cancellations/nobody/{action}"), body)
            .await?;
        nobody.problem(404, "not_found").context(action)?;
    }
    stage
        .post(
            &format!("/v1/cancellations/{id}/resolve"),
            r#"{"fact":"cancelled"}"#,
        )
        .await?
        .about("required", "/note")
}

pub(super) async fn a43(stage: OnStage) -> Tried {
    let id = stage.daemon.cancel("SIM-never-decides-43").await?;
    let paid = |amount: &str, currency: &str| {
        format!(
            r#"{{"fact":"refund_paid","note":"n","refundId":"R","paymentId":"P",
                "amount":{{"amount":{amount},"currencyCode":{currency}}}}}"#
        )
    };
    for (body, pointer) in [
        (paid("\"-1\"", "\"USD\""), "/amount/amount"),
        (paid("\"1e3\"", "\"USD\""), "/amount/amount"),
        (paid("1.5", "\"USD\""), "/amount/amount"),
        (paid("\"1\"", "null"), "/amount/currencyCode"),
        (
            r#"{"fact":"refund_paid","note":"n"}"#.to_owned(),
            "/refundId",
        ),
    ] {
        let answer = stage
            .post(&format!("/v1/cancellations/{id}/resolve"), body)
            .await?;
        answer.is(400).context(pointer)?;
        let named = &answer.json()?["errors"][0]["pointer"];
        ensure!(named == pointer, "pointer {named} instead of {pointer}");
    }
    let resolved = stage
        .daemon
        .history(&id)
        .await?
        .iter()
        .any(|entry| entry["input"]["type"] == "operator");
    ensure!(!resolved, "something of it is in the history");
    Ok(())
}
