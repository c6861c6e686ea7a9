//! HTTP itself: methods, headers, tokens, and connections that misbehave.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_tests::{INGEST, OPERATE, READ};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{OnStage, Tried};

/// Every route that there is.
const ROUTES: [&str; 6] = [
    "/v1/cancellations",
    "/v1/cancellations/nobody",
    "/v1/cancellations/nobody/history",
    "/v1/cancellations/nobody/retry",
    "/v1/events",
    "/healthz",
];

pub(super) async fn a31(stage: OnStage) -> Tried {
    for line in [
        "PUT /v1/cancellations",
        "DELETE /v1/cancellations",
        "TRACE /v1/cancellations",
        "PATCH /v1/cancellations/nobody",
        "GET /v1/events",
        "POST /healthz",
    ] {
        let answer = stage
            .send(
                line,
                &[
                    "X-HTTP-Method-Override: POST",
                    "Content-Type: application/json",
                ],
                r#"{"orderId":"SIM-happy-31"}"#,
            )
            .await?;
        answer.problem(405, "method_not_allowed").context(line)?;
        ensure!(
            answer.head.to_ascii_lowercase().contains("\r\nallow: "),
            "{line}: no Allow"
        );
    }
    let tunnel = stage
        .raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
        .await?;
    ensure!(
        tunnel.is_none_or(|answer| answer.status >= 400),
        "it became a proxy"
    );
    Ok(())
}

pub(super) async fn a32(stage: OnStage) -> Tried {
    for route in ROUTES {
        for method in ["HEAD", "OPTIONS"] {
            let answer = stage
                .send(
                    &format!("{method} {route}"),
                    &["Origin: https://evil.example", "Connection: close"],
                    "",
                )
                .await?;
            ensure!(answer.status < 500, "{method} {route}: {}", answer.status);
            ensure!(
                !answer
                    .head
                    .to_ascii_lowercase()
                    .contains("access-control-allow"),
                "{method} {route} lets other sites in"
            );
        }
    }
    Ok(())
}

pub(super) async fn a33(stage: OnStage) -> Tried {
    let mut bodies = Vec::new();
    for authorization in [
        String::new(),
        "Authorization: Bearer wrong-wrong-wrong-wrong-wrong-wrong\r\n".to_owned(),
        format!("Authorization: Bearer  {OPERATE} x\r\n"),
        format!("Authorization: Basic {OPERATE}\r\n"),
        format!("Authorization: Bearer {OPERATE}\r\nAuthorization: Bearer {READ}\r\n"),
        "Authorization: Bearer \r\n".to_owned(),
    ] {
        let answer = stage
            .raw(format!(
                "GET /v1/cancellations HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"
            ))
            .await?
            .context("no answer")?;
        let mut problem = answer.problem(401, "unauthorized").context(authorization)?;
        ensure!(
            answer
                .head
                .to_ascii_lowercase()
                .contains("www-authenticate: "),
            "no WWW-Authenticate"
        );
        problem["requestId"].take();
        bodies.push(problem);
    }
    bodies.dedup();
    ensure!(bodies.len() == 1, "the answers differ: {bodies:?}");
    let query = stage
        .raw(format!(
            "GET /v1/cancellations?access_token={READ} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ))
        .await?
        .context("no answer")?;
    query.problem(401, "unauthorized")?;
    Ok(())
}

pub(super) async fn a34(stage: OnStage) -> Tried {
    for (token, line, body) in [
        (READ, "POST /v1/cancellations", r#"{"orderId":"A34"}"#),
        (READ, "POST /v1/events", "{}"),
        (INGEST, "GET /v1/cancellations", ""),
        (INGEST, "POST /v1/cancellations", r#"{"orderId":"A34"}"#),
    ] {
        let answer = stage
            .raw(format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await?
            .context("no answer")?;
        answer.problem(403, "forbidden").context(line)?;
    }
    Ok(())
}

pub(super) async fn a36(stage: OnStage) -> Tried {
    // What would be a second request, had the first one been read to the wrong end.
    let hidden = format!(
        "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n\
         Content-Type: application/json\r\nContent-Length: 26\r\n\r\n{{\"orderId\":\"SIM-happy-36\"}}"
    );
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Content-Length: +5\r\n\r\nabcde",
        "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    ] {
        let first = format!(
            "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n\
             Content-Type: application/json\r\n{framing}"
        );
        let answer = stage.raw(format!("{first}{hidden}")).await?;
        ensure!(
            answer.as_ref().is_none_or(|answer| answer.status >= 400),
            "{framing:?} was taken for a request: {answer:?}"
        );
        let split = answer.is_some_and(|answer| !answer.closed);
        ensure!(!split, "{framing:?}: the connection goes on");
    }
    let page = stage
        .daemon
        .get("/v1/cancellations?orderId=SIM-happy-36")
        .await?
        .is(200)?;
    ensure!(
        page["items"].as_array().is_some_and(Vec::is_empty),
        "the hidden request was carried out"
    );
    Ok(())
}

pub(super) async fn a37(stage: OnStage) -> Tried {
    let many: Vec<String> = (0..65).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    stage
        .send("GET /v1/cancellations", &many, "")
        .await?
        .problem(431, "headers_too_large")?;
    let long = format!("X-Long: {}", "x".repeat(17 * 1024));
    stage
        .send("GET /v1/cancellations", &[&long], "")
        .await?
        .problem(431, "headers_too_large")?;
    stage
        .send("GET /v1/cancellations", &["X Blank: 1"], "")
        .await?
        .is(400)
}

pub(super) async fn a38(stage: OnStage) -> Tried {
    let silent = stage.raw("GET /v1/cancellations HTTP/1.1\r\nHost: loc");
    let stalled = stage.raw(format!(
        "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n\
         Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{{"
    ));
    let others = async {
        for _ in 0..10 {
            stage.get("/v1/cancellations").await?.is(200)?;
        }
        anyhow::Ok(())
    };
    let (silent, stalled, others) = tokio::join!(silent, stalled, others);
    others?;
    ensure!(
        silent?.is_none_or(|answer| answer.status == 408),
        "a silent head was answered"
    );
    // The time-out of the body, or that of the connection.
    if let Some(answer) = stalled? {
        answer.problem(408, "body_time_out")?;
        ensure!(answer.took >= Duration::from_secs(5), "it was hasty");
    }
    Ok(())
}

pub(super) async fn a39(stage: OnStage) -> Tried {
    let mut stream = TcpStream::connect(stage.daemon.address()).await?;
    let one = format!(
        "GET /v1/cancellations?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n\r\n"
    );
    // It may stop reading while nobody reads its answers.
    let _ = timeout(
        Duration::from_secs(5),
        stream.write_all(one.repeat(1_000).as_bytes()),
    )
    .await;
    drop(stream);
    stage.get("/v1/cancellations").await?.is(200)
}

pub(super) async fn a40(stage: OnStage) -> Tried {
    let body = r#"{"orderId":"SIM-happy-40","externalId":"a40"}"#;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(stage.daemon.address()).await?;
        let request = format!(
            "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        drop(stream);
    }
    let answer = stage.ask(body).await?;
    ensure!(
        matches!(answer.status, 200 | 202),
        "{} {}",
        answer.status,
        answer.body
    );
    let page = stage
        .daemon
        .get("/v1/cancellations?orderId=SIM-happy-40")
        .await?
        .is(200)?;
    let found = page["items"].as_array().map_or(0, Vec::len);
    ensure!(found == 1, "there are {found}");
    Ok(())
}

pub(super) async fn a41(stage: OnStage) -> Tried {
    let answer = stage
        .send(
            "POST /v1/cancellations",
            &[
                "Content-Type: application/json",
                "Expect: 100-continue",
                "Content-Length: 1000000000000",
            ],
            "",
        )
        .await?;
    answer.problem(413, "body_too_long")?;
    Ok(())
}

pub(super) async fn a44(stage: OnStage) -> Tried {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answer = stage.raw(preface).await?;
    ensure!(
        answer.as_ref().is_none_or(|answer| answer.status >= 400),
        "{answer:?}"
    );
    Ok(())
}

pub(super) async fn a45(stage: OnStage) -> Tried {
    for accept in ["Accept: text/html", "Accept: application/xml"] {
        let answer = stage.send("GET /v1/cancellations", &[accept], "").await?;
        let json = answer
            .head
            .to_ascii_lowercase()
            .contains("content-type: application/json");
        ensure!(
            (answer.status == 200 && json) || answer.status == 406,
            "{accept}: {}",
            answer.head
        );
    }
    Ok(())
}

pub(super) async fn a46(stage: OnStage) -> Tried {
    let stage: Arc<_> = stage;
    for path in [
        "/<script>alert(1)</script>",
        "/v1/cancellations?q=\"><img%20onerror=alert(1)>",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let answer = stage.get(path).await?;
        ensure!(
            (400..500).contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        let head = answer.head.to_ascii_lowercase();
        if head.contains("content-type") {
            ensure!(
                head.contains("problem+json")
                    && head.contains("nosniff")
                    && head.contains("default-src 'none'"),
                "{path}: {head}"
            );
        }
    }
    Ok(())
}
