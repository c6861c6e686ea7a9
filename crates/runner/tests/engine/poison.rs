//! One broken instance, input or request harms nobody else.

use std::time::Duration;

use countermand_runner::{GetError, SubmitError};
use countermand_store::{Guard, NewEntry, Row, Save, Store, Write, Written};

use crate::support::{Behaviour, Input, Phase, Rig, Ship};

/// Writes a state as another version, or nobody, would have.
async fn tamper(rig: &Rig, row: &Row, version: u32, state: &str) {
    let entry = NewEntry {
        operation_id: format!("tampered {}", row.id),
        at: rig.store.now().await.unwrap().at,
        from: row.body.phase.clone(),
        to: row.body.phase.clone(),
        input: r#"{"type":"tampered"}"#.to_owned(),
        accepted: true,
        actor: None,
        epoch: row.epoch,
        version,
        emissions: None,
        trace_context: None,
        spend: None,
    };
    let mut body = row.body.clone();
    body.version = version;
    state.clone_into(&mut body.state);
    let save = Save {
        id: row.id.clone(),
        guard: Guard::Fact {
            revision: row.revision,
        },
        head: row.head,
        body,
        due_at: row.due_at,
        retries: row.retries.clone(),
        entries: vec![entry],
        inbox: Vec::new(),
    };
    let written = rig.store.commit(vec![Write::Save(save)]).await.unwrap();
    assert!(matches!(written[0], Written::Saved { .. }), "{written:?}");
}

async fn waiting(rig: &Rig, name: &str) -> Row {
    rig.remotes.always("weigh", Behaviour::HasNothing);
    let started = rig.start(name).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    rig.handle.settled().await;
    rig.handle.get(&started.row.id).await.unwrap().row
}

#[tokio::test(start_paused = true)]
async fn an_input_that_breaks_the_workflow_costs_nobody_else() {
    let rig = Rig::new();
    let (book, pen) = (rig.start("book").await, rig.start("pen").await);
    let submit = |id, input| rig.handle.submit(id, input, false);
    let hint = Input::Hint { number: 1 };
    let (first, second, bomb, third) = tokio::join!(
        submit(&pen.row.id, hint.clone()),
        submit(&book.row.id, hint.clone()),
        submit(&book.row.id, Input::Bomb),
        submit(&book.row.id, hint.clone()),
    );
    assert!(
        matches!(bomb, Err(SubmitError::Panicked { .. })),
        "{bomb:?}"
    );
    first.unwrap();
    second.unwrap();
    third.unwrap();
    assert_eq!(rig.finished(&book).await.state.hints, 2);
    rig.finished(&pen).await;
    rig.prove().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_the_workflow_costs_nobody_else() {
    let rig = Rig::new();
    let (bomb, pen) = tokio::join!(rig.handle.start(Ship::new("bomb")), rig.start("pen"));
    assert!(
        matches!(bomb, Err(SubmitError::Panicked { .. })),
        "{bomb:?}"
    );
    rig.finished(&pen).await;
    // The store refuses a text with a NUL; its batch goes on.
    let (nul, cup) = tokio::join!(rig.handle.start(Ship::new("n\0l")), rig.start("cup"));
    assert!(matches!(nul, Err(SubmitError::Refused { .. })), "{nul:?}");
    rig.finished(&cup).await;
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_instance_is_left_alone() {
    let rig = Rig::new();
    let row = waiting(&rig, "broken").await;
    tamper(&rig, &row, 2, r#"{"phase":"nowhere"}"#).await;
    let newer = waiting(&rig, "newer").await;
    tamper(&rig, &newer, 3, "{}").await;
    rig.remotes.calm();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let troubled = rig.handle.troubled();
    assert_eq!(troubled.len(), 2, "{troubled:?}");
    let error = rig.handle.get(&newer.id).await.unwrap_err();
    assert!(
        matches!(&error, GetError::Unreadable { detail, .. } if detail.contains("newer program"))
    );
    let hint = Input::Hint { number: 1 };
    let (broken, pen) = tokio::join!(rig.handle.submit(&row.id, hint, false), rig.start("pen"));
    assert!(
        matches!(broken, Err(SubmitError::Unreadable { .. })),
        "{broken:?}"
    );
    let before = tokio::time::Instant::now();
    rig.finished(&pen).await;
    assert!(before.elapsed() < Duration::from_secs(1));
    // A request for the broken one's subject learns of it.
    let again = rig.handle.start(Ship::new("broken")).await;
    assert!(
        matches!(again, Err(SubmitError::Unreadable { .. })),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_older_state_is_upgraded_with_an_entry_of_its_own() {
    let rig = Rig::new();
    let row = waiting(&rig, "old").await;
    let mut old: serde_json::Value = serde_json::from_str(&row.body.state).unwrap();
    let members = old.as_object_mut().unwrap();
    members.remove("grams");
    members.insert("kilograms".to_owned(), 3.into());
    members.insert("phase".to_owned(), "shipping".into());
    let mut shipping = row.clone();
    "weighing".clone_into(&mut shipping.body.phase);
    tamper(&rig, &shipping, 1, &old.to_string()).await;
    assert_eq!(rig.handle.get(&row.id).await.unwrap().state.grams, 3000);
    rig.remotes.calm();
    let done = rig
        .handle
        .wait_until(&row.id, |now| now.state.phase == Phase::Done);
    tokio::time::timeout(Duration::from_secs(600), done)
        .await
        .unwrap()
        .unwrap();
    let entries = rig
        .store
        .history(&row.id, row.revision + 1, 100)
        .await
        .unwrap();
    assert_eq!(
        entries[0].entry.input,
        r#"{"type":"upgraded","from":1,"to":2}"#
    );
    assert_eq!(entries[0].entry.to, "shipping");
    assert!(entries[1].entry.input.contains("intent_recorded"));
    assert!(entries.iter().all(|entry| entry.entry.version == 2));
    assert_eq!(
        entries
            .iter()
            .filter(|e| e.entry.input.contains("upgraded"))
            .count(),
        1
    );
    assert!(rig.remotes.ledger().messages[0].1.starts_with("3000 g"));
}

#[tokio::test(start_paused = true)]
async fn a_performer_that_panics_is_a_failure_like_others() {
    let rig = Rig::new();
    rig.remotes
        .next("weigh", &[Behaviour::Panics, Behaviour::Panics]);
    rig.remotes.next("announce", &[Behaviour::Panics]);
    let book = rig.start("book").await;
    rig.finished(&book).await;
    assert!(rig.handle.troubled().is_empty());
    rig.prove().await;
}
