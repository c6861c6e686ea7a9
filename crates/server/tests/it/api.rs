//! What the API does when it is asked properly.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use countermand_server::router;

use crate::support::{Answer, Api, engine, open_api, tokens};

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cancellation_is_asked_for_and_shown() {
    let api = open_api().await;
    let body = r#"{"orderId":"322-A","externalId":"web-1","reason":"OUT_OF_STOCK"}"#;
    let created = api.cancel(body).await;
    assert_eq!(created.status, StatusCode::ACCEPTED);
    let id = id(&created);
    let location = format!("/v1/cancellations/{id}");
    assert_eq!(created.header("location"), Some(&*location));
    let view = created.json();
    assert_eq!(view["state"], "precheck");
    assert_eq!(view["origin"], "requested");
    assert_eq!(view["targetId"], "bp-1");
    assert_eq!(view["refunds"], serde_json::json!([]));
    for absent in ["outcome", "attention", "rejection", "finishedAt"] {
        assert!(view[absent].is_null(), "{absent}");
    }

    let again = api.cancel(body).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (StatusCode::OK, Some(&*id))
    );
    let shown = api.get(&location).await;
    assert_eq!(
        (shown.status, shown.json()["id"].as_str()),
        (StatusCode::OK, Some(&*id))
    );
    let history = api.get(&format!("{location}/history")).await.json();
    let first = &history["items"][0];
    assert_eq!(
        (&first["seq"], &first["from"], &first["to"]),
        (&1.into(), &().into(), &"precheck".into())
    );
    assert_eq!(first["input"]["type"], "requested");
    assert_eq!(first["accepted"], true);
    let report = api.get(&format!("{location}/report")).await.json();
    let codes: Vec<_> = report["sections"].as_array().unwrap().iter().collect();
    assert_eq!(codes[0]["code"], "request");
    assert_eq!(report["cancellationId"], id.as_str());
}

#[tokio::test]
async fn conflicts_name_what_stands_against_them() {
    let api = open_api().await;
    let id = id(&api
        .cancel(r#"{"orderId":"322-A","externalId":"web-1"}"#)
        .await);
    for (body, code) in [
        (
            r#"{"orderId":"322-B","externalId":"web-1"}"#,
            "external_id_reused",
        ),
        (
            r#"{"orderId":"322-A","externalId":"web-1","reason":"OUT_OF_STOCK"}"#,
            "external_id_reused",
        ),
        (r#"{"orderId":"322-A"}"#, "cancellation_live"),
        (
            r#"{"orderId":"322-A","externalId":"web-2"}"#,
            "cancellation_live",
        ),
    ] {
        let answer = api.cancel(body).await;
        assert_eq!(answer.problem(), (409, code.to_owned()), "{body}");
        assert_eq!(answer.json()["cancellationId"], *id);
        assert_eq!(
            answer.header("location"),
            Some(&*format!("/v1/cancellations/{id}"))
        );
    }
}

#[tokio::test]
async fn equal_requests_at_once_begin_one() {
    let api = open_api().await;
    let body = r#"{"orderId":"322-A","externalId":"web-1"}"#;
    let asked = (0..100).map(|_| api.cancel(body));
    let answers = futures_util::future::join_all(asked).await;
    let count = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!(
        (count(StatusCode::ACCEPTED), count(StatusCode::OK)),
        (1, 99)
    );
}

#[tokio::test]
async fn listings() {
    let api = open_api().await;
    for n in 0..5 {
        api.cancel(format!("{{\"orderId\":\"322-{n}\"}}")).await;
    }
    let first = api.get("/v1/cancellations?limit=3").await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let cursor = first["nextCursor"].as_str().unwrap();
    let path = format!("/v1/cancellations?limit=3&cursor={cursor}");
    let second = api.get(&path).await.json();
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert!(second["nextCursor"].is_null());
    let one = api
        .get("/v1/cancellations?orderId=322-3&state=precheck")
        .await
        .json();
    assert_eq!(one["items"][0]["orderId"], "322-3");
    let none = api.get("/v1/cancellations?status=finished").await.json();
    assert_eq!(none["items"], serde_json::json!([]));
    let foreign = api.get(&format!("{path}&state=pending")).await;
    assert_eq!(foreign.problem(), (400, "cursor".to_owned()));
}

#[tokio::test]
async fn operators_act_and_are_remembered() {
    let api = open_api().await;
    let id = id(&api.cancel(r#"{"orderId":"322-A"}"#).await);
    let path = |action: &str| format!("/v1/cancellations/{id}/{action}");
    let noted = api
        .post(&path("notes"), r#"{"text":"called","actor":"ann"}"#)
        .await;
    assert_eq!(
        (noted.status, &noted.json()["revision"]),
        (StatusCode::OK, &2.into())
    );
    let bare = Request::post(path("retry")).body(Body::empty()).unwrap();
    assert_eq!(api.send(bare).await.status, StatusCode::OK);
    assert_eq!(
        api.post(&path("retry"), r#"{"actor":"ann"}"#).await.status,
        StatusCode::OK
    );
    for fact in ["oms_told", "not_sent"] {
        let body = format!("{{\"fact\":\"{fact}\",\"note\":\"n\"}}");
        let refused = api.post(&path("resolve"), body).await;
        assert_eq!(refused.problem(), (409, "refused".to_owned()), "{fact}");
        assert_eq!(refused.json()["reason"], "refused");
        assert_eq!(refused.json()["cancellationId"], *id);
    }
    let body = r#"{"fact":"refund_paid","refundId":"R1","paymentId":"P1","note":"n",
        "amount":{"amount":"1.00","currencyCode":"USD"}}"#;
    assert_eq!(
        api.post(&path("resolve"), body).await.status,
        StatusCode::CONFLICT
    );
    let withdrawn = api.post(&path("withdraw"), r#"{"note":"a mistake"}"#).await;
    assert_eq!(withdrawn.json()["rejection"]["why"], "withdrawn");
    let again = api.post(&path("withdraw"), "{}").await;
    assert_eq!(again.problem().0, 409);

    let history = api.get(&path("history")).await.json();
    let actors: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["actor"].as_str())
        .collect();
    assert_eq!(actors, ["ann", "local", "ann", "local"]);
    for action in ["retry", "withdraw"] {
        let answer = api
            .post(&format!("/v1/cancellations/nobody/{action}"), "{}")
            .await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn events_are_acknowledged_once_they_are_kept() {
    let api = open_api().await;
    let event = |key: &str, refund: &str, target: &str| {
        format!(
            r#"{{"idempotencyKey":"{key}","eventDescriptor":"REFUND_REQUESTED","eventId":"e",
                "resources":["businessProduct/{target}/order/322-A/refund/{refund}"],"data":{{}}}}"#
        )
    };
    let first = api.post("/v1/events", event("k1", "R1", "bp-1")).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    let fact = &first.json()["facts"][0];
    assert_eq!(
        (&fact["disposition"], &fact["orderId"]),
        (&"applied".into(), &"322-A".into())
    );
    let again = api
        .post("/v1/events", event("k2", "R1", "bp-1"))
        .await
        .json();
    assert_eq!(again["facts"][0]["disposition"], "duplicate");
    assert_eq!(again["facts"][0]["cancellationId"], fact["cancellationId"]);
    let foreign = api.post("/v1/events", event("k3", "R1", "bp-2")).await;
    assert_eq!(foreign.status, StatusCode::ACCEPTED);
    assert_eq!(foreign.json()["facts"][0]["disposition"], "other_target");

    let array = format!("[{},{{}}]", event("k4", "R2", "bp-1"));
    let refused = api.post("/v1/events", array).await;
    assert_eq!(refused.problem(), (400, "event_invalid".to_owned()));
    assert_eq!(refused.json()["errors"][0]["pointer"], "/1");
    assert_eq!(
        api.handle
            .stats()
            .await
            .unwrap()
            .events
            .values()
            .sum::<u64>(),
        3
    );
}

#[tokio::test]
async fn health() {
    let api = open_api().await;
    assert_eq!(api.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(api.get("/readyz").await.status, StatusCode::OK);
    api.handle.shutdown(std::time::Duration::from_secs(1)).await;
    assert_eq!(api.get("/healthz").await.status, StatusCode::OK);
    let ready = api.get("/readyz").await;
    assert_eq!(ready.problem(), (503, "shutting_down".to_owned()));
    let refused = api.cancel(r#"{"orderId":"322-A"}"#).await;
    assert_eq!(refused.problem(), (503, "shutting_down".to_owned()));
    assert!(refused.header("retry-after").is_some());
    // Reads go on.
    assert_eq!(api.get("/v1/cancellations").await.status, StatusCode::OK);
}

#[tokio::test]
async fn roles() {
    let handle = engine().await;
    let api = Api {
        router: router(handle.clone(), tokens()),
        handle,
    };
    let send = |method: Method, path: &'static str, token: Option<&'static str>| {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(r#"{"orderId":"322-A"}"#)).unwrap();
        api.send(request)
    };
    let list = "/v1/cancellations";
    for (method, path, statuses) in [
        (Method::GET, list, [401, 200, 200, 403]),
        (
            Method::GET,
            "/v1/cancellations/nobody",
            [401, 404, 404, 403],
        ),
        (
            Method::GET,
            "/v1/cancellations/nobody/history",
            [401, 404, 404, 403],
        ),
        (
            Method::GET,
            "/v1/cancellations/nobody/report",
            [401, 404, 404, 403],
        ),
        (Method::POST, list, [401, 403, 202, 403]),
        (
            Method::POST,
            "/v1/cancellations/nobody/notes",
            [401, 403, 400, 403],
        ),
        (Method::POST, "/v1/events", [401, 403, 400, 400]),
        (Method::GET, "/v1/nothing", [401, 404, 404, 404]),
        (Method::GET, "/healthz", [200, 200, 200, 200]),
        (Method::GET, "/readyz", [200, 200, 200, 200]),
    ] {
        let tokens = [
            None,
            Some("read-secret"),
            Some("operate-secret"),
            Some("ingest-secret"),
        ];
        for (token, status) in tokens.into_iter().zip(statuses) {
            let answer = send(method.clone(), path, token).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path} {token:?}");
            if status == 401 {
                assert!(answer.header("www-authenticate").is_some());
            }
        }
    }
    let asked = api.handle.find("322-A").await.unwrap();
    assert_eq!(asked.requested_by.as_deref(), Some("shop"));
    // A token in the address is none.
    let answer = send(
        Method::GET,
        "/v1/cancellations?access_token=read-secret",
        None,
    )
    .await;
    assert_eq!(answer.problem(), (401, "unauthorized".to_owned()));
}
