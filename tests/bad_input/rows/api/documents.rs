//! Bodies that are no request at all.

use anyhow::ensure;

use super::{OnStage, Tried};

pub(super) async fn a1(stage: OnStage) -> Tried {
    for body in ["", " \n "] {
        stage.ask(body).await?.problem(400, "body_missing")?;
    }
    Ok(())
}

pub(super) async fn a2(stage: OnStage) -> Tried {
    for headers in [
        &["Content-Type: text/plain"][..],
        &["Content-Type: application/x-www-form-urlencoded"],
        &["Content-Type: multipart/form-data; boundary=x"],
        &["Content-Type: application/json; charset=utf-16"],
        &["Content-Type: application/json", "Content-Type: text/plain"],
        &[],
    ] {
        stage
            .send("POST /v1/cancellations", headers, r#"{"orderId":"A2"}"#)
            .await?
            .problem(415, "unsupported_media_type")?;
    }
    Ok(())
}

pub(super) async fn a3(stage: OnStage) -> Tried {
    for body in [
        r#"{"orderId":"#,
        r#"{"orderId":"a"} x"#,
        r#"{"orderId":"a"}{"orderId":"b"}"#,
        "{\"orderId\":\"a\"}\n{\"orderId\":\"b\"}\n",
        "{'orderId':'a'}",
        "{\"orderId\": NaN}",
    ] {
        let problem = stage.ask(body).await?.problem(400, "json_invalid")?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("byte"), "it says no place: {detail}");
    }
    Ok(())
}

pub(super) async fn a4(stage: OnStage) -> Tried {
    for body in [
        &b"{\"orderId\":\"\xff\"}"[..],
        b"{\"orderId\":\"\\ud800\"}",
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{\"orderId\":\"a\"}",
    ] {
        stage.ask(body).await?.problem(400, "json_invalid")?;
    }
    Ok(())
}

pub(super) async fn a5(stage: OnStage) -> Tried {
    stage
        .ask(r#"{"orderId":"a","orderId":"b"}"#)
        .await?
        .problem(400, "duplicate_key")?;
    Ok(())
}

pub(super) async fn a6(stage: OnStage) -> Tried {
    for depth in [33, 10_000, 100_000] {
        let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        stage.ask(body).await?.problem(400, "depth")?;
    }
    stage
        .ask("[".repeat(200_000))
        .await?
        .problem(400, "depth")?;
    Ok(())
}

pub(super) async fn a7(stage: OnStage) -> Tried {
    let frame = r#"{"orderId":"A7","x":""}"#.len();
    let padding = "y".repeat(256 * 1024 + 1 - frame);
    let over = stage
        .ask(format!(r#"{{"orderId":"A7","x":"{padding}"}}"#))
        .await?;
    over.problem(413, "body_too_long")?;
    ensure!(over.closed, "the connection stays open");
    let claimed = stage
        .send(
            "POST /v1/cancellations",
            &[
                "Content-Type: application/json",
                "Content-Length: 1000000000000",
            ],
            "",
        )
        .await?;
    claimed.problem(413, "body_too_long")?;
    // Chunks, and never the last one.
    let mut endless = format!(
        "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        countermand_tests::OPERATE
    )
    .into_bytes();
    for _ in 0..70 {
        endless.extend_from_slice(b"1000\r\n");
        endless.extend_from_slice(&[b'x'; 0x1000]);
        endless.extend_from_slice(b"\r\n");
    }
    // What is sent after the answer may reset the connection before the answer was read.
    if let Some(answer) = stage.raw(endless).await? {
        answer.problem(413, "body_too_long")?;
    }
    Ok(())
}

pub(super) async fn a8(stage: OnStage) -> Tried {
    stage
        .send(
            "POST /v1/cancellations",
            &["Content-Type: application/json", "Content-Encoding: gzip"],
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(),
        )
        .await?
        .problem(415, "unsupported_media_type")?;
    Ok(())
}

pub(super) async fn a9(stage: OnStage) -> Tried {
    for member in ["note", "Reason", "__proto__", "order_id"] {
        stage
            .ask(format!(r#"{{"orderId":"A9","{member}":"x"}}"#))
            .await?
            .about("unknown_field", &format!("/{member}"))?;
    }
    Ok(())
}
