//! `POST /v1/observations`: a person asks that an order be looked at.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use countermand_server::router;

use crate::support::{Api, engine, open_api, tokens};

const PATH: &str = "/v1/observations";

#[tokio::test]
async fn an_order_is_looked_at_once_at_a_time() {
    let api = open_api().await;
    let created = api
        .post(
            PATH,
            r#"{"orderId":"322-A","targetId":"bp-1","actor":"ann"}"#,
        )
        .await;
    assert_eq!(created.status, StatusCode::ACCEPTED);
    let view = created.json();
    assert_eq!(
        (&view["origin"], &view["state"], &view["requestedBy"]),
        (&"observed".into(), &"precheck".into(), &"ann".into())
    );
    let id = view["id"].as_str().unwrap();
    let location = format!("/v1/cancellations/{id}");
    assert_eq!(created.header("location"), Some(&*location));
    let history = api.get(&format!("{location}/history")).await.json();
    assert_eq!(history["items"][0]["actor"], "ann");
    assert_eq!(history["items"][0]["input"]["type"], "observed");

    let again = api.post(PATH, r#"{"orderId":"322-A"}"#).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (StatusCode::OK, Some(id))
    );
    assert_eq!(again.json()["revision"], 1);
    // A live cancellation that was asked for is looked at anyway.
    let asked = api.cancel(r#"{"orderId":"322-B"}"#).await.json();
    let there = api.post(PATH, r#"{"orderId":"322-B"}"#).await;
    assert_eq!(
        (there.status, &there.json()["id"], &there.json()["origin"]),
        (StatusCode::OK, &asked["id"], &"requested".into())
    );
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let api = open_api().await;
    for (body, code) in [
        ("", "body_missing"),
        ("{}", "required"),
        (r#"{"orderId":7}"#, "type"),
        (r#"{"orderId":"a b"}"#, "invalid"),
        (r#"{"orderId":"322-A","targetId":"b p"}"#, "invalid"),
        (r#"{"orderId":"322-A","targetId":"bp-9"}"#, "invalid"),
        (r#"{"orderId":"322-A","actor":""}"#, "invalid"),
        (r#"{"orderId":"322-A","reason":"OTHER"}"#, "unknown_field"),
    ] {
        let answer = api.post(PATH, body).await;
        let (status, _) = answer.problem();
        assert_eq!(status, 400, "{body}: {}", answer.text);
        assert!(answer.text.contains(code), "{body}: {}", answer.text);
    }
    let none = api.get("/v1/cancellations").await.json();
    assert_eq!(none["items"], serde_json::json!([]));
    assert_eq!(api.get(PATH).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_operators_may() {
    let handle = engine().await;
    let api = Api {
        router: router(handle.clone(), tokens()),
        handle,
    };
    for (token, status) in [
        ("read-secret", StatusCode::FORBIDDEN),
        ("ingest-secret", StatusCode::FORBIDDEN),
        ("wrong", StatusCode::UNAUTHORIZED),
        ("operate-secret", StatusCode::ACCEPTED),
    ] {
        let request = Request::post(PATH)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::from(r#"{"orderId":"322-A"}"#))
            .unwrap();
        let answer = api.send(request).await;
        assert_eq!(answer.status, status, "{token}: {}", answer.text);
        if status == StatusCode::ACCEPTED {
            // Who asked is the token's name, where nobody is named.
            assert_eq!(answer.json()["requestedBy"], "shop");
        }
    }
}
