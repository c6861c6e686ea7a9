//! How instances change.

use countermand_core::{AttentionFlag, Epoch};

use super::bench::{Bench, Failure, Fixture, Outcome, SECOND, check, check_eq, name, refused};
use crate::{Body, Disposition, GENESIS, Guard, Row, Save, Taken, Write, Written, entry_hash};

pub(super) async fn a_save_replaces_the_body<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "a");
    start.body.fingerprint = Some("first".into());
    start.body.external_id = Some("web-1".into());
    let row = b.begin(start).await?;
    let mut save = b.fact(&row, "moved");
    save.body = Body {
        phase: "moved".into(),
        outcome: None,
        in_doubt: true,
        attention: Some(AttentionFlag {
            since: b.time(),
            why: "help".into(),
        }),
        open_intent_epoch: Some(Epoch(1)),
        external_id: Some("web-2".into()),
        fingerprint: Some("second".into()),
        version: 2,
        state: r#"{"state":"moved","more":[1,2,3]}"#.into(),
    };
    save.retries = r#"{"lane":1}"#.into();
    save.due_at = Some(b.time().plus(SECOND));
    let wanted = save.clone();
    let row = b.apply(save).await?;
    check_eq!(row.body, wanted.body, "the body");
    check_eq!(row.retries, wanted.retries, "the retries");
    check_eq!(row.due_at, wanted.due_at, "the due time");
    // And takes back what it set.
    let mut save = b.fact(&row, "moved");
    save.body = Body {
        phase: "moved".into(),
        version: 2,
        state: "[]".into(),
        ..Body::default()
    };
    let wanted = save.body.clone();
    check_eq!(
        b.apply(save).await?.body,
        wanted,
        "the body without what is optional"
    );
    Ok(())
}

pub(super) async fn a_save_leaves_what_an_instance_is<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let first = b.begin_one("a").await?;
    b.clock().advance(SECOND);
    let save = b.fact(&first, "moved");
    let row = b.apply(save).await?;
    let is = |row: &Row| {
        (
            row.id.clone(),
            row.kind.clone(),
            row.scope.clone(),
            row.subject.clone(),
            row.created_at,
        )
    };
    check_eq!(is(&row), is(&first), "what it is");
    check_eq!(row.updated_at, b.time(), "its last change");
    Ok(())
}

pub(super) async fn entries_are_appended_without_gaps<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut row = b.begin_one("a").await?;
    for turn in 0..4_u64 {
        let mut save = b.fact(&row, "on");
        save.entries.push(b.entry("on", "off"));
        save.body.phase = "off".into();
        let answer = b.save(save).await?;
        row = b.row("a").await?;
        check_eq!(row.revision, 3 + 2 * turn, "the revision");
        let wanted = Written::Saved {
            revision: row.revision,
            head: row.head,
        };
        check_eq!(answer, wanted, "the answer");
    }
    let history = b.history("a").await?;
    let numbers: Vec<u64> = history.iter().map(|entry| entry.seq).collect();
    check_eq!(numbers, (1..=9).collect::<Vec<u64>>(), "the numbers");
    Ok(())
}

pub(super) async fn each_hash_covers_the_entry_and_the_one_before<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.decision(&row, "moved");
    save.entries[0].actor = Some("somebody".into());
    save.entries[0].emissions = Some(r#"[{"id":"1","body":"{}"}]"#.into());
    save.entries[0].trace_context = Some("00-4bf9-00f0-01".into());
    let row = b.apply(save).await?;
    let save = b.fact(&row, "moved");
    let row = b.apply(save).await?;
    let mut before = GENESIS;
    for entry in b.history("a").await? {
        before = entry_hash(&before, &entry.instance_id, entry.seq, &entry.entry);
        check_eq!(entry.hash, before, "the hash of entry {}", entry.seq);
    }
    check_eq!(row.head, before, "the head");
    Ok(())
}

pub(super) async fn a_schedule_moves_the_due_time_alone<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let before = b.begin_one("a").await?;
    let due = b.time().plus(SECOND * 30);
    let mut save = b.schedule(&before, due);
    save.retries = r#"{"failures":1}"#.into();
    // What is no due time and no memory of the shell would have to be in the history.
    save.body.phase = "elsewhere".into();
    save.body.state = "[]".into();
    let answer = b.save(save).await?;
    let wanted = Written::Saved {
        revision: 1,
        head: before.head,
    };
    check_eq!(answer, wanted, "the answer");
    let wanted = Row {
        due_at: Some(due),
        retries: r#"{"failures":1}"#.into(),
        ..before
    };
    check_eq!(b.row("a").await?, wanted, "the row");
    check_eq!(b.history("a").await?.len(), 1, "entries");
    Ok(())
}

pub(super) async fn a_schedule_is_a_decision<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let due = b.time().plus(SECOND);
    let mut save = b.schedule(&row, due);
    save.guard = Guard::Fact { revision: 1 };
    let answer = b.save(save).await?;
    check!(refused(&answer), "{answer:?}");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn finishing_takes_its_time_from_the_entry<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    b.clock().advance(SECOND);
    let save = b.end(&row);
    let at = b.time();
    b.clock().advance(SECOND);
    let row = b.apply(save).await?;
    check_eq!(row.finished_at, Some(at), "the end");
    check_eq!(row.due_at, None, "the due time");
    check_eq!(
        row.body.outcome.as_deref(),
        Some("delivered"),
        "the outcome"
    );
    Ok(())
}

pub(super) async fn finishing_takes_an_entry<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.schedule(&row, row.created_at);
    save.due_at = None;
    save.body.outcome = Some("delivered".into());
    let answer = b.save(save).await?;
    check!(refused(&answer), "{answer:?}");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

async fn finished<F: Fixture>(b: &mut Bench<F>, id: &str) -> Result<Row, Failure> {
    let row = b.begin_one(id).await?;
    let end = b.end(&row);
    b.apply(end).await
}

pub(super) async fn a_finished_instance_stays_finished<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = finished(b, "a").await?;
    let mut save = b.fact(&row, "new");
    save.due_at = Some(b.time());
    save.body.outcome = None;
    let answer = b.save(save).await?;
    check!(refused(&answer), "a fact: {answer:?}");
    let due = b.time();
    let schedule = b.schedule(&row, due);
    let answer = b.save(schedule).await?;
    check!(refused(&answer), "a schedule: {answer:?}");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn late_facts_are_appended_to_a_finished_instance<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let before = finished(b, "a").await?;
    b.clock().advance(SECOND);
    let mut save = b.fact(&before, "done");
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let row = b.apply(save).await?;
    check_eq!(row.revision, before.revision + 1, "the revision");
    check_eq!(row.finished_at, before.finished_at, "the end");
    check_eq!(row.due_at, None, "the due time");
    check_eq!(row.updated_at, b.time(), "the last change");
    Ok(())
}

pub(super) async fn an_outcome_means_finished<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut early = b.fact(&row, "moved");
    early.body.outcome = Some("delivered".into());
    let answer = b.save(early).await?;
    check!(refused(&answer), "an outcome before the end: {answer:?}");
    let mut end = b.end(&row);
    end.body.outcome = None;
    let answer = b.save(end).await?;
    check!(refused(&answer), "an end without an outcome: {answer:?}");
    Ok(())
}

pub(super) async fn a_missing_instance_is_missing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.id = name("nobody");
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    check_eq!(b.save(save).await?, Written::Missing, "the answer");
    check!(b.inbox().await?.is_empty(), "its event was stored");
    check!(b.history("nobody").await?.is_empty(), "it has a history");
    Ok(())
}

pub(super) async fn the_same_save_again_is_answered_as_before<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.decision(&row, "moved");
    save.entries.push(b.entry("moved", "moved"));
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let first = b.save(save.clone()).await?;
    check!(
        matches!(first, Written::Saved { revision: 3, .. }),
        "the first: {first:?}"
    );
    check_eq!(b.save(save.clone()).await?, first, "the second answer");
    let row = b.row("a").await?;
    let next = b.fact(&row, "elsewhere");
    let row = b.apply(next).await?;
    // The row has moved on; the answer still is where this write stands.
    check_eq!(b.save(save).await?, first, "the third answer");
    check_eq!(b.row("a").await?, row, "the row");
    check_eq!(b.history("a").await?.len(), 4, "entries");
    check_eq!(b.inbox().await?.len(), 1, "events");
    Ok(())
}

pub(super) async fn an_operation_id_is_used_once<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let first = b.begin_one("a").await?;
    let row = b.begin_one("b").await?;
    let used = b.history("a").await?[0].entry.operation_id.clone();
    let mut save = b.fact(&row, "moved");
    save.entries[0].operation_id.clone_from(&used);
    let answer = b.save(save).await?;
    check!(refused(&answer), "an id of another instance: {answer:?}");
    let mut save = b.fact(&first, "moved");
    save.entries.push(b.entry("moved", "moved"));
    save.entries[0].operation_id = used;
    let answer = b.save(save).await?;
    check!(refused(&answer), "an id of one entry of two: {answer:?}");
    let mut batch = vec![b.fact(&first, "moved"), b.fact(&row, "moved")];
    let shared = batch[0].entries[0].operation_id.clone();
    batch[1].entries[0].operation_id = shared;
    let answers = b
        .commit(batch.into_iter().map(Write::Save).collect())
        .await?;
    check!(refused(&answers[1]), "an id of the same batch: {answers:?}");
    check_eq!(b.row("b").await?, row, "the row");
    Ok(())
}

pub(super) async fn answers_come_in_order<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let a = b.begin_one("a").await?;
    let c = b.begin_one("c").await?;
    let mut missing = b.fact(&a, "moved");
    missing.id = name("nobody");
    let old = Save {
        guard: Guard::Fact { revision: 9 },
        ..b.fact(&a, "moved")
    };
    let batch = vec![
        Write::Save(old),
        Write::Save(missing),
        Write::Keep(b.event("t-1", "f-1", Disposition::Ignored)),
        Write::Save(b.fact(&c, "moved")),
        Write::Start(b.start("d", "a")),
    ];
    let answers = b.commit(batch).await?;
    let c = b.row("c").await?;
    let wanted = vec![
        Written::Conflict,
        Written::Missing,
        Written::Kept,
        Written::Saved {
            revision: 2,
            head: c.head,
        },
        Written::Taken {
            by: a.id,
            why: Taken::SubjectAlive,
        },
    ];
    check_eq!(answers, wanted, "the answers");
    Ok(())
}

pub(super) async fn one_batch_writes_an_instance_once<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let batch = vec![
        Write::Save(b.fact(&row, "moved")),
        Write::Save(b.fact(&row, "elsewhere")),
        Write::Start(b.start("c", "c")),
        Write::Start(b.start("c", "d")),
    ];
    let answers = b.commit(batch).await?;
    check!(
        matches!(answers[0], Written::Saved { .. }),
        "the first: {answers:?}"
    );
    check!(refused(&answers[1]), "the second save: {answers:?}");
    check!(refused(&answers[3]), "the second start: {answers:?}");
    check_eq!(b.row("a").await?.body.phase, "moved", "the phase");
    Ok(())
}

pub(super) async fn an_external_id_can_come_later<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.body.external_id = Some("web-1".into());
    let row = b.apply(save).await?;
    let mut start = b.start("b", "b");
    start.body.external_id = Some("web-1".into());
    let taken = Written::Taken {
        by: row.id.clone(),
        why: Taken::ExternalId,
    };
    check_eq!(
        b.write(Write::Start(start.clone())).await?,
        taken,
        "while it is used"
    );
    let mut save = b.fact(&row, "moved");
    save.body.external_id = Some("web-2".into());
    b.apply(save).await?;
    b.begin(start).await?;
    Ok(())
}

pub(super) async fn an_external_id_that_is_taken_is_refused<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut start = b.start("a", "a");
    start.body.external_id = Some("web-1".into());
    b.begin(start).await?;
    let row = b.begin_one("b").await?;
    let mut save = b.fact(&row, "moved");
    save.body.external_id = Some("web-1".into());
    let taken = Written::Taken {
        by: name("a"),
        why: Taken::ExternalId,
    };
    check_eq!(b.save(save).await?, taken, "the answer");
    check_eq!(b.row("b").await?, row, "the row");
    Ok(())
}

pub(super) async fn entries_follow_each_other<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut gap = b.fact(&row, "moved");
    gap.entries[0].from = "elsewhere".into();
    let answer = b.save(gap).await?;
    check!(
        refused(&answer),
        "an entry from where the row is not: {answer:?}"
    );
    let mut gap = b.fact(&row, "moved");
    gap.entries.push(b.entry("elsewhere", "moved"));
    let answer = b.save(gap).await?;
    check!(
        refused(&answer),
        "an entry from where the one before did not go: {answer:?}"
    );
    let mut gap = b.fact(&row, "moved");
    gap.body.phase = "elsewhere".into();
    let answer = b.save(gap).await?;
    check!(refused(&answer), "a row where no entry went: {answer:?}");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn an_empty_batch_is_answered<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    check!(b.commit(Vec::new()).await?.is_empty(), "answers to nothing");
    Ok(())
}
