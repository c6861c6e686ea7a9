//! `/readyz` says what an operator must know.

use axum::http::StatusCode;
use countermand::store::{
    Filter, Guard, MemoryStore, NewEntry, Save, Store, SystemClock, Write, Written,
};
use countermand_server::{Options, router};

use crate::support::{Api, engine_on};

/// Writes a state that no program can read.
async fn scratch(store: &MemoryStore) {
    let page = store.list(&Filter::default(), None, 1).await.unwrap();
    let row = page.rows.into_iter().next().unwrap();
    let entry = NewEntry {
        operation_id: "scratched".to_owned(),
        at: store.now().await.unwrap().at,
        from: row.body.phase.clone(),
        to: row.body.phase.clone(),
        input: r#"{"type":"scratched"}"#.to_owned(),
        accepted: true,
        actor: None,
        epoch: row.epoch,
        version: row.body.version,
        emissions: None,
        trace_context: None,
        spend: None,
    };
    let mut body = row.body;
    r#"{"phase":"nowhere"}"#.clone_into(&mut body.state);
    let save = Save {
        id: row.id,
        guard: Guard::Fact {
            revision: row.revision,
        },
        head: row.head,
        body,
        due_at: Some(row.created_at),
        retries: "{}".to_owned(),
        entries: vec![entry],
        inbox: Vec::new(),
    };
    let written = store.commit(vec![Write::Save(save)]).await.unwrap();
    assert!(matches!(written[0], Written::Saved { .. }), "{written:?}");
}

#[tokio::test]
async fn what_cannot_be_worked_on_is_counted() {
    let store = MemoryStore::new(SystemClock);
    let first = engine_on(store.clone()).await;
    let api = Api {
        router: router(first.clone(), Options::default()),
        handle: first,
    };
    let made = api.cancel(r#"{"orderId":"322-A"}"#).await;
    assert_eq!(made.status, StatusCode::ACCEPTED);
    assert_eq!(api.get("/readyz").await.text, "ready\n");
    api.handle.shutdown(std::time::Duration::from_secs(5)).await;
    scratch(&store).await;

    let handle = engine_on(store).await;
    let api = Api {
        router: router(handle.clone(), Options::default()),
        handle,
    };
    for _ in 0..2_000 {
        if !api.handle.troubled().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let ready = api.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    assert!(
        ready.text.contains("1 cancellation cannot be worked on"),
        "{}",
        ready.text
    );
    let path = format!("/v1/cancellations/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(
        api.get(&path).await.problem(),
        (500, "unreadable".to_owned())
    );
}
