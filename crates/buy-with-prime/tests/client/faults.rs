//! Every way in which HTTP can fail to bring an answer (docs/effect-protocol.md).

use std::time::Duration;

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::{NotSent, Unknown};

use crate::server::{
    BUDGET, Reply, SECRET, SHORT, Server, TOKEN, cancel, cancel_call, client, json, open, order_id,
    read, sample, settings, unknown,
};

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    // The endpoint alone.
    let server = Server::answering(|_| Reply::Close).await;
    let mut half = server.settings();
    half.endpoint = format!("http://{addr}/graphql").parse().unwrap();
    // The token endpoint too.
    let whole = settings(&format!("http://{addr}"));
    // TLS towards somebody who does not speak it.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plain = server.settings();
    plain.endpoint = format!("https://{}/graphql", deaf.local_addr().unwrap())
        .parse()
        .unwrap();
    std::thread::spawn(move || {
        use std::io::Write as _;
        while let Ok((mut stream, _)) = deaf.accept() {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    for settings in [half, whole, plain] {
        let client = client(settings);
        let error = client
            .cancel_order(&cancel_call(), BUDGET, &open())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                CallError::NotSent {
                    why: NotSent::ConnectionRefused,
                    ..
                }
            ),
            "{error:?}"
        );
        let error = client.read_order(&order_id(), BUDGET).await.unwrap_err();
        assert_eq!(
            error.not_sent,
            Some(NotSent::ConnectionRefused),
            "{error:?}"
        );
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn no_answer_or_half_an_answer() {
    let stalled = |bytes: &'static str| move || Reply::Stall(bytes.into());
    let broken = |bytes: &'static str| move || Reply::Bytes(bytes.into());
    assert_eq!(unknown(SHORT, || Reply::Silence).await, Unknown::TimeOut);
    assert_eq!(
        unknown(SHORT, stalled("HTTP/1.1 200 OK\r\ncontent")).await,
        Unknown::TimeOut
    );
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":";
    assert_eq!(unknown(SHORT, stalled(half)).await, Unknown::TimeOut);
    assert_eq!(
        unknown(BUDGET, || Reply::Close).await,
        Unknown::ConnectionLost
    );
    assert_eq!(
        unknown(BUDGET, broken("HTTP/1.1 200 OK\r\ncontent")).await,
        Unknown::ConnectionLost
    );
    assert_eq!(unknown(BUDGET, broken(half)).await, Unknown::ConnectionLost);
    assert_eq!(
        unknown(BUDGET, broken("SSH-2.0-OpenSSH\r\n")).await,
        Unknown::ConnectionLost
    );
    let error = read(SHORT, || Reply::Silence).await.unwrap_err();
    assert_eq!(
        (error.not_sent, error.message.as_str()),
        (None, "no answer in time")
    );
}

#[tokio::test]
async fn answers_that_are_none() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "true",
        "\"data\"",
        "<html><body>Sign in</body></html>",
        r#"{"data":null}"#,
        r#"{"data":{}}"#,
        r#"{"data":[]}"#,
        r#"{"data":{"cancelOrder":null,"order":"x"}}"#,
        r#"{"data":{"cancelOrder":{"cancellation":null}}}"#,
        r#"{"data":{"cancelOrder":{"cancellation":{"id":null,"state":null,"createdAt":null,"aliases":[null]}}}}"#,
        r#"{"data":{"cancelOrder":null,"cancelOrder":null}}"#,
        r#"{"data":{"cancelOrder":"#,
        r#"{"data":{"order":{"id":7}}}"#,
        r#"{"errors":[]}"#,
        r#"{"errors":null}"#,
    ] {
        assert_eq!(
            unknown(BUDGET, move || json(body)).await,
            Unknown::Unreadable,
            "{body}"
        );
        let error = read(BUDGET, move || json(body)).await.unwrap_err();
        assert_eq!(error.not_sent, None, "{body}");
    }
    // Depth is no danger.
    let deep = || json("[".repeat(100_000));
    assert_eq!(unknown(BUDGET, deep).await, Unknown::Unreadable);
    let deep = || {
        json(format!(
            "{{\"data\":null,\"errors\":{}}}",
            "[".repeat(100_000)
        ))
    };
    assert_eq!(unknown(BUDGET, deep).await, Unknown::Unreadable);
    let deep = || {
        json(format!(
            r#"{{"errors":{}{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        ))
    };
    assert_eq!(unknown(BUDGET, deep).await, Unknown::ServerError);
}

#[tokio::test]
async fn answers_without_end_are_cut() {
    assert_eq!(
        unknown(BUDGET, || Reply::Endless).await,
        Unknown::Unreadable
    );
    assert_eq!(
        unknown(BUDGET, || json(" ".repeat(1024 * 1024 + 1))).await,
        Unknown::Unreadable
    );
    let announced =
        || Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n".to_vec());
    assert_eq!(unknown(BUDGET, announced).await, Unknown::Unreadable);
    assert!(
        read(BUDGET, || Reply::Endless)
            .await
            .unwrap_err()
            .message
            .contains("more than 1048576")
    );
    let headers = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        bytes.resize(4 * 1024 * 1024, b'a');
        Reply::Bytes(bytes)
    };
    assert_eq!(unknown(BUDGET, headers).await, Unknown::ConnectionLost);
    // The cap is not one byte too low.
    let padded = || {
        let mut body = sample("cancel-order-success");
        body.extend(std::iter::repeat_n(' ', 1024 * 1024 - body.len()));
        json(body)
    };
    assert!(cancel(BUDGET, padded).await.is_ok());
}

#[tokio::test]
async fn statuses() {
    // (status, with a body that would be a success)
    for status in [
        103_u16, 201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404,
        405, 408, 409, 410, 413, 415, 418, 422, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511,
        599,
    ] {
        if status == 103 {
            // An early hint is followed by the answer proper.
            let hinted = || {
                let body = sample("cancel-order-success");
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                Reply::Bytes(answer.into_bytes())
            };
            assert!(cancel(BUDGET, hinted).await.is_ok());
            continue;
        }
        let reply = move || {
            let body = if matches!(status, 204 | 304) {
                String::new()
            } else {
                sample("cancel-order-success")
            };
            Reply::With(status, "location: /token".to_owned(), body)
        };
        let server = Server::answering(move |_| reply()).await;
        let client = server.client();
        let outcome = client.cancel_order(&cancel_call(), BUDGET, &open()).await;
        let text = format!("{status}: {outcome:?}");
        match status {
            // They carry the answer all the same.
            201 | 202 | 206 => assert!(outcome.is_ok(), "{text}"),
            401 => assert!(
                matches!(
                    outcome,
                    Err(CallError::NotSent {
                        why: NotSent::Unauthorized,
                        ..
                    })
                ),
                "{text}"
            ),
            429 => assert!(
                matches!(
                    outcome,
                    Err(CallError::NotSent {
                        why: NotSent::Throttled,
                        ..
                    })
                ),
                "{text}"
            ),
            500.. => assert!(
                matches!(
                    outcome,
                    Err(CallError::Unknown {
                        why: Unknown::ServerError,
                        ..
                    })
                ),
                "{text}"
            ),
            _ => assert!(
                matches!(
                    outcome,
                    Err(CallError::Unknown {
                        why: Unknown::Unreadable,
                        ..
                    })
                ),
                "{text}"
            ),
        }
        // Nothing was repeated but the 401, and nothing followed.
        assert_eq!(
            server.calls().len(),
            if status == 401 { 2 } else { 1 },
            "{status}"
        );
        let tokens = server.seen("/token");
        assert_eq!(tokens.len(), if status == 401 { 2 } else { 1 }, "{status}");

        let read = client.read_order(&order_id(), BUDGET).await;
        let not_sent = match status {
            401 => Some(NotSent::Unauthorized),
            429 => Some(NotSent::Throttled),
            _ => None,
        };
        assert_eq!(read.map(|_| ()).unwrap_err().not_sent, not_sent, "{status}");
    }
}

#[tokio::test]
async fn waits_are_passed_on() {
    for (header, expected) in [
        (Some("5"), Some(5)),
        (Some("0"), Some(0)),
        (Some("1000000000"), Some(3600)),
        (Some("-1"), None),
        (Some("abc"), None),
        (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0)),
        (Some("Wed, 29 Dec 9999 23:59:59 GMT"), Some(3600)),
        (None, None),
    ] {
        let expected = expected.map(Duration::from_secs);
        for (status, body) in [
            (429, String::new()),
            (503, String::new()),
            (200, sample("cancel-order-error-throttled")),
        ] {
            let reply = move || match header {
                Some(wait) => Reply::With(status, format!("Retry-After: {wait}"), body.clone()),
                None => Reply::Status(status, body.clone()),
            };
            let found = match cancel(BUDGET, reply).await {
                Err(CallError::NotSent {
                    retry_after,
                    why: NotSent::Throttled,
                    ..
                }) if status != 503 => retry_after,
                Err(CallError::Unknown { retry_after, .. }) if status == 503 => retry_after,
                other => panic!("{header:?}: {other:?}"),
            };
            assert_eq!(found, expected, "{header:?} with {status}");
        }
        let reply = move || match header {
            Some(wait) => Reply::With(503, format!("Retry-After: {wait}"), String::new()),
            None => Reply::Status(503, String::new()),
        };
        assert_eq!(
            read(BUDGET, reply).await.unwrap_err().retry_after,
            expected,
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_may_serve_many_calls() {
    let server = Server::answering(|_| json(sample("order-all-pending"))).await;
    let client = server.client();
    for _ in 0..5 {
        client.read_order(&order_id(), BUDGET).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn secrets_and_bodies_stay_out_of_messages() {
    let server = Server::scripted(|seen| {
        if seen.path == "/token" && seen.nth == 0 {
            json(format!(r#"{{"access_token":"{TOKEN} {SECRET}"}}"#))
        } else if seen.path == "/token" {
            crate::server::granted()
        } else {
            json(format!(r#"{{"data":{{"order":{{"id":["{SECRET}"]}}}}}}"#))
        }
    })
    .await;
    let client = server.client();
    let token = client.read_order(&order_id(), BUDGET).await.unwrap_err();
    let body = client.read_order(&order_id(), BUDGET).await.unwrap_err();
    let mutation = client
        .cancel_order(&cancel_call(), BUDGET, &open())
        .await
        .unwrap_err();
    let shown = format!("{token} {token:?} {body} {body:?} {mutation} {mutation:?} {client:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
}
