//! Bad input and the expected answers.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;

use crate::support::{Api, open_api};

async fn code(api: &Api, body: impl Into<Body>) -> (u16, String) {
    api.cancel(body).await.problem()
}

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a1_to_a6_the_document() {
    let api = open_api().await;
    let nested = |n: usize| format!("{{\"orderId\":{}1{}}}", "[".repeat(n), "]".repeat(n));
    let table: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "body_missing"),
        (b" \n ".to_vec(), "body_missing"),
        (b"{\"orderId\":".to_vec(), "json_invalid"),
        (b"{\"orderId\":\"a\"} x".to_vec(), "json_invalid"),
        (
            b"{\"orderId\":\"a\"}{\"orderId\":\"b\"}".to_vec(),
            "json_invalid",
        ),
        (
            b"{\"orderId\":\"a\"}\n{\"orderId\":\"b\"}\n".to_vec(),
            "json_invalid",
        ),
        (b"{\"orderId\":\"\xff\"}".to_vec(), "json_invalid"),
        (b"{\"orderId\":\"\\ud800\"}".to_vec(), "json_invalid"),
        (b"\xef\xbb\xbf{\"orderId\":\"a\"}".to_vec(), "json_invalid"),
        (b"\xff\xfe{\0}\0".to_vec(), "json_invalid"),
        (
            b"{\"orderId\":\"a\",\"orderId\":\"b\"}".to_vec(),
            "duplicate_key",
        ),
        (nested(32).into_bytes(), "depth"),
        (nested(10_000).into_bytes(), "depth"),
        ("[".repeat(200_000).into_bytes(), "depth"),
        (b"[]".to_vec(), "type"),
        (b"null".to_vec(), "type"),
        (b"\"322-A\"".to_vec(), "type"),
    ];
    for (body, expected) in table {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(60)
            .collect::<String>();
        assert_eq!(code(&api, body).await, expect(400, expected), "{shown}");
    }
    let truncated = api.cancel(r#"{"orderId": nil}"#).await;
    let detail = truncated.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("byte 1"), "{detail}");
}

#[tokio::test]
async fn a2_and_a8_only_plain_json() {
    let api = open_api().await;
    let body = r#"{"orderId":"322-A"}"#;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/json; charset=utf-16"),
        ("x-nothing", "x"),
    ] {
        let request = Request::post("/v1/cancellations")
            .header(name, value)
            .body(Body::from(body));
        let answer = api.send(request.unwrap()).await;
        assert_eq!(
            answer.problem(),
            expect(415, "unsupported_media_type"),
            "{name}: {value}"
        );
    }
    let request = Request::post("/v1/cancellations")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from(body));
    let answer = api.send(request.unwrap()).await;
    assert_eq!(answer.problem(), expect(415, "unsupported_media_type"));
    let request = Request::post("/v1/cancellations")
        .header("content-type", "application/json")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(body));
    let answer = api.send(request.unwrap()).await;
    assert_eq!(answer.problem(), expect(403, "cross_site"));
}

#[tokio::test]
async fn a7_and_e21_bodies_are_bounded() {
    let api = open_api().await;
    let padded = |bytes: usize| {
        let frame = r#"{"orderId":"322-A","x":""}"#.len();
        format!(
            r#"{{"orderId":"322-A","x":"{}"}}"#,
            "y".repeat(bytes - frame)
        )
    };
    let just = padded(256 * 1024);
    assert_eq!(code(&api, just).await.0, 400);
    let over = api.cancel(padded(256 * 1024 + 1)).await;
    assert_eq!(over.problem(), expect(413, "body_too_long"));
    assert_eq!(over.header("connection"), Some("close"));
    let claimed = Request::post("/v1/cancellations")
        .header("content-type", "application/json")
        .header(header::CONTENT_LENGTH, "1000000000000")
        .body(Body::from("{}"));
    assert_eq!(
        api.send(claimed.unwrap()).await.problem(),
        expect(413, "body_too_long")
    );
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(4096)));
    assert_eq!(
        code(&api, Body::from_stream(endless)).await,
        expect(413, "body_too_long")
    );
    let events = api.post("/v1/events", padded(1024 * 1024 + 1)).await;
    assert_eq!(events.problem(), expect(413, "body_too_long"));
    let nested = format!("{}{}", "[".repeat(33), "]".repeat(33));
    assert_eq!(
        api.post("/v1/events", nested).await.problem(),
        expect(400, "depth")
    );
    let twice = r#"{"eventDescriptor":"A","eventDescriptor":"B"}"#;
    assert_eq!(
        api.post("/v1/events", twice).await.problem(),
        expect(400, "duplicate_key")
    );
}

#[tokio::test]
async fn a9_to_a19_the_fields() {
    let api = open_api().await;
    let order = |id: &str| serde_json::json!({ "orderId": id });
    let mut table: Vec<(serde_json::Value, &str, &str)> = Vec::new();
    for id in [
        "",
        "   ",
        " 322-A",
        "322-A ",
        "a\nb",
        "a\0b",
        "a\u{1b}[31m",
        "a\u{202e}b",
        "３２２",
        "322-Ａ",
        "' OR 1=1 --",
        "\"; DROP TABLE",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "../../etc/passwd",
        "%2e%2e",
        "\"}) { x } mutation {",
    ] {
        table.push((order(id), "/orderId", "invalid"));
    }
    table.push((order(&"x".repeat(65)), "/orderId", "invalid"));
    let with = |field: &str, value: serde_json::Value| {
        let mut body = order("322-A");
        body[field] = value;
        body
    };
    for field in [
        "note",
        "Reason",
        "__proto__",
        "order_id",
        "aliases",
        "idempotencyKey",
    ] {
        table.push((with(field, json!("x")), field, "unknown_field"));
    }
    for value in [json!(12345), json!([]), json!({}), json!(true)] {
        table.push((with("orderId", value.clone()), "/orderId", "type"));
        table.push((with("externalId", value.clone()), "/externalId", "type"));
        table.push((with("reason", value), "/reason", "type"));
    }
    table.push((with("orderId", json!(null)), "/orderId", "type"));
    table.push((json!({}), "/orderId", "required"));
    for reason in ["other", "FRAUD", ""] {
        table.push((with("reason", json!(reason)), "/reason", "invalid"));
    }
    table.push((
        with("reason", json!("OTHER")),
        "/additionalComments",
        "invalid",
    ));
    let long = json!("c".repeat(257));
    table.push((
        with("additionalComments", long),
        "/additionalComments",
        "invalid",
    ));
    let escape = json!("a\u{1b}b");
    table.push((
        with("additionalComments", escape),
        "/additionalComments",
        "invalid",
    ));
    let huge = json!("c".repeat(5000));
    table.push((
        with("additionalComments", huge),
        "/additionalComments",
        "too_long",
    ));
    for external in ["", "x\ny", "é", " a", "a "] {
        table.push((
            with("externalId", json!(external)),
            "/externalId",
            "invalid",
        ));
    }
    table.push((
        with("externalId", json!("x".repeat(65))),
        "/externalId",
        "invalid",
    ));
    table.push((with("targetId", json!("bp-9")), "/targetId", "invalid"));
    table.push((with("targetId", json!("a b")), "/targetId", "invalid"));
    for (body, pointer, expected) in table {
        let answer = api.cancel(body.to_string()).await;
        let shown = body.to_string().chars().take(80).collect::<String>();
        assert_eq!(answer.problem(), expect(400, expected), "{shown}");
        let pointer = format!("/{}", pointer.trim_start_matches('/'));
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{shown}");
        // No more of the caller's own text than 64 characters.
        assert!(!answer.text.contains(&"x".repeat(65)), "{shown}");
        assert!(!answer.text.contains(&"c".repeat(65)), "{shown}");
    }
    let reasons = api
        .cancel(with("reason", json!("FRAUD")).to_string())
        .await
        .text;
    assert!(
        reasons.contains("ORDERED_BY_MISTAKE") && reasons.contains("OTHER"),
        "{reasons}"
    );
    assert_eq!(api.handle.stats().await.unwrap().counts, []);
    let comments = "<script>alert(1)</script>";
    let accepted = api
        .cancel(with("additionalComments", json!(comments)).to_string())
        .await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.json()["additionalComments"], comments);
}

#[tokio::test]
async fn a26_to_a30_addresses() {
    let api = open_api().await;
    let long = "x".repeat(5000);
    let table = [
        ("/v1/cancellations/nobody".to_owned(), 404, "not_found"),
        ("/v1/cancellations/a%20b".to_owned(), 400, "id"),
        ("/v1/cancellations/%00".to_owned(), 400, "id"),
        ("/v1/cancellations/%ff".to_owned(), 400, "id"),
        ("/v1/cancellations/%ff/history".to_owned(), 400, "id"),
        ("/v1/cancellations/%e2%80%ae".to_owned(), 400, "id"),
        (format!("/v1/cancellations/{long}"), 414, "uri_too_long"),
        (format!("/v1/cancellations/{}", "x".repeat(65)), 400, "id"),
        ("/v1/cancellations/a/b".to_owned(), 404, "not_found"),
        ("/v1/cancellations/".to_owned(), 404, "not_found"),
        ("/v2/cancellations".to_owned(), 404, "not_found"),
        ("/v1/cancellations?limit=0".to_owned(), 400, "invalid"),
        ("/v1/cancellations?limit=501".to_owned(), 400, "invalid"),
        ("/v1/cancellations?limit=-1".to_owned(), 400, "invalid"),
        ("/v1/cancellations?limit=1e3".to_owned(), 400, "invalid"),
        ("/v1/cancellations?limit=".to_owned(), 400, "invalid"),
        (
            "/v1/cancellations?limit=100000000000000000000".to_owned(),
            400,
            "invalid",
        ),
        ("/v1/cancellations?state=FOO".to_owned(), 400, "invalid"),
        ("/v1/cancellations?status=FOO".to_owned(), 400, "invalid"),
        (
            "/v1/cancellations?orderId=%27%20OR".to_owned(),
            400,
            "invalid",
        ),
        (
            "/v1/cancellations?sort=state%3bdrop".to_owned(),
            400,
            "unknown_parameter",
        ),
        (
            "/v1/cancellations?created_after=yesterday".to_owned(),
            400,
            "unknown_parameter",
        ),
        (
            "/v1/cancellations?state=pending&state=success".to_owned(),
            400,
            "duplicate_parameter",
        ),
        (
            "/v1/cancellations?cursor=tampered".to_owned(),
            400,
            "cursor",
        ),
        ("/v1/cancellations?cursor=".to_owned(), 400, "cursor"),
        (
            "/v1/cancellations?cursor=%27%3b--".to_owned(),
            400,
            "cursor",
        ),
        (
            format!("/v1/cancellations?cursor={long}"),
            414,
            "uri_too_long",
        ),
    ];
    for (path, status, expected) in table {
        let answer = api.get(&path).await;
        assert_eq!(answer.problem(), expect(status, expected), "{path:.80}");
    }
}

#[tokio::test]
async fn a31_methods() {
    let api = open_api().await;
    for (method, path, allow) in [
        (Method::PUT, "/v1/cancellations", "GET,HEAD,POST"),
        (Method::DELETE, "/v1/cancellations", "GET,HEAD,POST"),
        (Method::TRACE, "/v1/cancellations", "GET,HEAD,POST"),
        (Method::POST, "/v1/cancellations/x", "GET,HEAD"),
        (Method::GET, "/v1/cancellations/x/retry", "POST"),
        (Method::GET, "/v1/events", "POST"),
        (Method::OPTIONS, "/v1/events", "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("x-http-method-override", "POST")
            .header("content-type", "application/json")
            .body(Body::from(r#"{"orderId":"322-A"}"#))
            .unwrap();
        let answer = api.send(request).await;
        assert_eq!(
            answer.problem(),
            expect(405, "method_not_allowed"),
            "{method} {path}"
        );
        let mut allowed: Vec<_> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .map(str::trim)
            .collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{method} {path}");
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let head = Request::head("/v1/cancellations")
        .body(Body::empty())
        .unwrap();
    assert_eq!(api.send(head).await.status, 200);
    assert_eq!(api.handle.stats().await.unwrap().counts, []);
}

#[tokio::test]
async fn a37_headers_are_bounded() {
    let api = open_api().await;
    let mut request = Request::get("/v1/cancellations");
    for n in 0..65 {
        request = request.header(format!("x-{n}"), "1");
    }
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), expect(431, "headers_too_large"));
    let request = Request::get("/v1/cancellations").header("x-long", "x".repeat(17 * 1024));
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), expect(431, "headers_too_large"));
}

#[tokio::test]
async fn a42_and_a43_operator_bodies() {
    let api = open_api().await;
    let created = api.cancel(r#"{"orderId":"322-A"}"#).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let money = |amount: &str, currency: &str| {
        format!(
            r#"{{"fact":"refund_paid","note":"n","refundId":"R","paymentId":"P",
                "amount":{{"amount":{amount},"currencyCode":{currency}}}}}"#
        )
    };
    for (action, body, pointer) in [
        ("notes", "{}".to_owned(), "/text"),
        ("notes", r#"{"text":""}"#.to_owned(), "/text"),
        ("notes", r#"{"text":"  "}"#.to_owned(), "/text"),
        ("notes", r#"{"text":"a\u001bb"}"#.to_owned(), "/text"),
        (
            "notes",
            format!(r#"{{"text":"{}"}}"#, "x".repeat(2001)),
            "/text",
        ),
        ("notes", r#"{"text":"a","actor":""}"#.to_owned(), "/actor"),
        ("resolve", "{}".to_owned(), "/note"),
        ("resolve", r#"{"fact":"cancelled"}"#.to_owned(), "/note"),
        ("resolve", r#"{"note":"n"}"#.to_owned(), "/fact"),
        (
            "resolve",
            r#"{"fact":"won","note":"n"}"#.to_owned(),
            "/fact",
        ),
        (
            "resolve",
            r#"{"fact":"refund_paid","note":"n"}"#.to_owned(),
            "/refundId",
        ),
        (
            "resolve",
            r#"{"fact":"refund_not_due","note":"n"}"#.to_owned(),
            "/refundId",
        ),
        (
            "resolve",
            r#"{"fact":"cancelled","note":"n","refundId":"R"}"#.to_owned(),
            "/refundId",
        ),
        ("resolve", money("\"-1\"", "\"USD\""), "/amount/amount"),
        ("resolve", money("\"1e3\"", "\"USD\""), "/amount/amount"),
        ("resolve", money("1.5", "\"USD\""), "/amount/amount"),
        ("resolve", money("\"1\"", "\"usd\""), "/amount/amount"),
        ("resolve", money("\"1\"", "null"), "/amount/currencyCode"),
        ("retry", r#"{"force":true}"#.to_owned(), "/force"),
        ("withdraw", r#"{"note":1}"#.to_owned(), "/note"),
    ] {
        let answer = api
            .post(&format!("/v1/cancellations/{id}/{action}"), body.clone())
            .await;
        assert_eq!(answer.problem().0, 400, "{action} {body:.80}: {answer:?}");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{action} {body:.80}"
        );
    }
    let view = api.get(&format!("/v1/cancellations/{id}")).await.json();
    assert_eq!(view["revision"], 1);
}
