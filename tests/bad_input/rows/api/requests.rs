//! Requests with values that cannot be, and reads of what is not there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{OnStage, Tried};
use crate::stage::Stage;

/// Each of these values makes the member invalid.
async fn refused(stage: &Stage, member: &str, code: &str, values: Vec<Value>) -> Tried {
    for value in values {
        let mut body = json!({ "orderId": "SIM-happy-refused" });
        body[member] = value.clone();
        let answer = stage.ask(body.to_string()).await?;
        answer
            .about(code, &format!("/{member}"))
            .with_context(|| format!("{value:.80}"))?;
        ensure!(
            !answer.body.contains(&"x".repeat(65)),
            "too much of it is repeated"
        );
    }
    Ok(())
}

async fn order_ids(stage: &Stage, ids: &[&str]) -> Tried {
    let values = ids.iter().map(|id| json!(id)).collect();
    refused(stage, "orderId", "invalid", values).await
}

pub(super) async fn a10(stage: OnStage) -> Tried {
    let long = "x".repeat(65);
    order_ids(&stage, &["", "   ", " 322-A", "322-A ", &long]).await
}

pub(super) async fn a11(stage: OnStage) -> Tried {
    order_ids(
        &stage,
        &[
            "a\nb",
            "a\0b",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "\u{ff13}22-A",
            "322-\u{410}",
        ],
    )
    .await
}

pub(super) async fn a12(stage: OnStage) -> Tried {
    order_ids(
        &stage,
        &[
            "' OR 1=1 --",
            "\"; DROP TABLE",
            "${jndi:ldap://x}",
            "{{7*7}}",
            "../../etc/passwd",
            "%2e%2e",
        ],
    )
    .await
}

pub(super) async fn a13(stage: OnStage) -> Tried {
    order_ids(&stage, &["\"}) { x } mutation {"]).await
}

pub(super) async fn a14(stage: OnStage) -> Tried {
    let values = vec![json!(12345), json!(null), json!([]), json!({}), json!(true)];
    refused(&stage, "orderId", "type", values).await
}

pub(super) async fn a15(stage: OnStage) -> Tried {
    let values = vec![json!("other"), json!("FRAUD"), json!("")];
    refused(&stage, "reason", "invalid", values).await?;
    refused(&stage, "reason", "type", vec![json!(1)]).await?;
    let answer = stage
        .ask(r#"{"orderId":"A15","reason":"FRAUD"}"#)
        .await?
        .body;
    for reason in [
        "ORDERED_BY_MISTAKE",
        "ITEMS_ARRIVING_LATE",
        "OUT_OF_STOCK",
        "OTHER",
    ] {
        ensure!(answer.contains(reason), "it does not name {reason}");
    }
    Ok(())
}

pub(super) async fn a16(stage: OnStage) -> Tried {
    stage
        .ask(r#"{"orderId":"A16","reason":"OTHER"}"#)
        .await?
        .about("invalid", "/additionalComments")
}

pub(super) async fn a17(stage: OnStage) -> Tried {
    let values = vec![
        json!("c".repeat(257)),
        json!("\u{1f600}".repeat(257)),
        json!("a\u{1b}b"),
    ];
    refused(&stage, "additionalComments", "invalid", values).await?;
    let long = vec![json!("c".repeat(5_000))];
    refused(&stage, "additionalComments", "too_long", long).await?;
    let script = "<script>alert(1)</script>";
    let body = json!({ "orderId": "SIM-happy-17", "additionalComments": script });
    let accepted = stage.ask(body.to_string()).await?;
    accepted.is(202)?;
    ensure!(
        accepted.json()?["additionalComments"] == script,
        "it was changed"
    );
    let head = accepted.head.to_ascii_lowercase();
    ensure!(
        head.contains("content-type: application/json") && head.contains("nosniff"),
        "a browser could take it for a page: {head}"
    );
    Ok(())
}

pub(super) async fn a18(stage: OnStage) -> Tried {
    let aliases = json!([{ "aliasId": "x", "aliasType": "EXT_CANCEL_ID" }]);
    refused(&stage, "aliases", "unknown_field", vec![aliases]).await
}

pub(super) async fn a19(stage: OnStage) -> Tried {
    stage.ask("{}").await?.about("required", "/orderId")?;
    stage
        .ask(r#"{"orderAlias":{"aliasId":"x"}}"#)
        .await?
        .is(400)
}

pub(super) async fn a20(stage: OnStage) -> Tried {
    let body = r#"{"orderId":"SIM-happy-20","externalId":"a20"}"#;
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let stage = Arc::clone(&stage);
        asking.spawn(async move { stage.ask(body).await });
    }
    let mut created = 0;
    let mut ids = std::collections::BTreeSet::new();
    while let Some(answer) = asking.join_next().await {
        let answer = answer??;
        created += usize::from(answer.status == 202);
        ensure!(
            matches!(answer.status, 200 | 202),
            "{} {:.200}",
            answer.status,
            answer.body
        );
        ids.insert(answer.json()?["id"].to_string());
    }
    ensure!(
        created == 1 && ids.len() == 1,
        "{created} were created, {ids:?}"
    );
    Ok(())
}

pub(super) async fn a21(stage: OnStage) -> Tried {
    let first = stage
        .ask(r#"{"orderId":"SIM-happy-21","externalId":"a21"}"#)
        .await?;
    first.is(202)?;
    let id = first.json()?["id"].clone();
    let other = stage
        .ask(r#"{"orderId":"SIM-happy-210","externalId":"a21"}"#)
        .await?;
    ensure!(other.status == 409, "{} {}", other.status, other.body);
    ensure!(
        other.json()?["cancellationId"] == id,
        "it does not name the first: {}",
        other.body
    );
    Ok(())
}

pub(super) async fn a22(stage: OnStage) -> Tried {
    let values = vec![
        json!(""),
        json!("x".repeat(65)),
        json!("x\ny"),
        json!("\u{e9}"),
        json!(" a"),
    ];
    refused(&stage, "externalId", "invalid", values).await
}

pub(super) async fn a23(stage: OnStage) -> Tried {
    let body = r#"{"orderId":"SIM-never-decides-23"}"#;
    let first = stage.ask(body).await?;
    first.is(202)?;
    let again = stage.ask(body).await?;
    ensure!(again.status == 409, "{} {}", again.status, again.body);
    ensure!(
        again.json()?["cancellationId"] == first.json()?["id"],
        "it does not name the live one"
    );
    Ok(())
}

pub(super) async fn a24(stage: OnStage) -> Tried {
    let within = Duration::from_secs(30);
    for (order, expected) in [("SIM-happy-24", 409), ("SIM-rejected-24", 202)] {
        let id = stage.daemon.cancel(order).await?;
        stage
            .daemon
            .wait_until(&id, within, |view| view["status"] == "finished")
            .await?;
        let body = json!({ "orderId": order, "externalId": format!("{order}-again") });
        let again = stage.ask(body.to_string()).await?;
        again.is(expected).context(order)?;
    }
    Ok(())
}

/// Addresses, and what they are answered with.
async fn addresses(stage: &Stage, table: &[(&str, u16, &str)]) -> Tried {
    for (path, status, code) in table {
        stage
            .get(path)
            .await?
            .problem(*status, code)
            .with_context(|| format!("{path:.80}"))?;
    }
    Ok(())
}

pub(super) async fn a26(stage: OnStage) -> Tried {
    let long = format!("/v1/cancellations/{}", "x".repeat(10_240));
    let table = [
        ("/v1/cancellations/nobody", 404, "not_found"),
        ("/v1/cancellations/a%20b", 400, "id"),
        ("/v1/cancellations/%00", 400, "id"),
        ("/v1/cancellations/%ff", 400, "id"),
        ("/v1/cancellations/a/b", 404, "not_found"),
        (&long, 414, "uri_too_long"),
    ];
    addresses(&stage, &table).await
}

pub(super) async fn a27(stage: OnStage) -> Tried {
    for limit in ["0", "-1", "501", "100000000000000000000", "abc", "1e3", ""] {
        let path = format!("/v1/cancellations?limit={limit}");
        addresses(&stage, &[(&path, 400, "invalid")]).await?;
    }
    Ok(())
}

pub(super) async fn a28(stage: OnStage) -> Tried {
    for cursor in [
        "tampered",
        "",
        "%27%3b--",
        "MTIzNDU2Nzg5MA",
        "..%2f..%2fetc",
    ] {
        let path = format!("/v1/cancellations?cursor={cursor}");
        addresses(&stage, &[(&path, 400, "cursor")]).await?;
    }
    let long = format!("/v1/cancellations?cursor={}", "x".repeat(10_240));
    addresses(&stage, &[(&long, 414, "uri_too_long")]).await
}

pub(super) async fn a29(stage: OnStage) -> Tried {
    let table = [
        ("/v1/cancellations?state=FOO", 400, "invalid"),
        ("/v1/cancellations?status=FOO", 400, "invalid"),
        ("/v1/cancellations?orderId=%27%20OR", 400, "invalid"),
        (
            "/v1/cancellations?created_after=yesterday",
            400,
            "unknown_parameter",
        ),
        (
            "/v1/cancellations?state=pending&state=success",
            400,
            "duplicate_parameter",
        ),
    ];
    addresses(&stage, &table).await
}

pub(super) async fn a30(stage: OnStage) -> Tried {
    let path = "/v1/cancellations?sort=state%3bdrop";
    addresses(&stage, &[(path, 400, "unknown_parameter")]).await
}
