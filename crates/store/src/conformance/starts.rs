//! How instances begin.

use countermand_core::AttentionFlag;

use super::bench::{
    Bench, Failure, Fixture, KIND, Outcome, SCOPE, SECOND, check, check_eq, name, refused,
};
use crate::{Body, Disposition, GENESIS, Row, Taken, Write, Written, entry_hash};

fn taken(by: &str, why: Taken) -> Written {
    Written::Taken { by: name(by), why }
}

pub(super) async fn a_started_instance_is_stored_whole<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "order-1");
    start.body = Body {
        phase: "new".into(),
        outcome: None,
        in_doubt: true,
        attention: Some(AttentionFlag {
            since: b.time(),
            why: "look: at it".into(),
        }),
        open_intent_epoch: Some(b.epoch()),
        external_id: Some("web 1".into()),
        fingerprint: Some("what was asked for".into()),
        version: 3,
        state: r#"{"state":"new","ünïcode":"☃ \u0000 \""}"#.into(),
    };
    start.retries = r#"{"lane":{"failures":2}}"#.into();
    start.due_at = b.time().plus(SECOND);
    let answer = b.write(Write::Start(start.clone())).await?;
    let row = b.row("a").await?;
    let head = entry_hash(&GENESIS, &start.id, 1, &start.entries[0]);
    check_eq!(answer, Written::Saved { revision: 1, head }, "the answer");
    let wanted = Row {
        id: start.id,
        kind: KIND.into(),
        scope: SCOPE.into(),
        subject: "order-1".into(),
        body: start.body,
        revision: 1,
        epoch: b.epoch(),
        head,
        created_at: b.time(),
        updated_at: b.time(),
        finished_at: None,
        due_at: Some(start.due_at),
        retries: start.retries,
    };
    check_eq!(row, wanted, "the row");
    Ok(())
}

pub(super) async fn its_opening_entries_are_its_history<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "order-1");
    start.body.phase = "moved".into();
    start.entries.push(b.entry("new", "moved"));
    let row = b.begin(start.clone()).await?;
    check_eq!(row.revision, 2, "the revision");
    let history = b.history("a").await?;
    let mut before = GENESIS;
    for (entry, (seq, wanted)) in history.iter().zip((1..).zip(&start.entries)) {
        check_eq!((entry.seq, &entry.entry), (seq, wanted), "an entry");
        before = entry_hash(&before, &start.id, seq, wanted);
        check_eq!(entry.hash, before, "the hash of entry {seq}");
    }
    check_eq!(history.len(), 2, "entries");
    check_eq!(row.head, before, "the head");
    Ok(())
}

pub(super) async fn a_live_instance_of_the_subject_stands_against_it<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let first = b.start("a", "order-1");
    b.begin(first).await?;
    let second = b.start("b", "order-1");
    let answer = b.write(Write::Start(second)).await?;
    check_eq!(answer, taken("a", Taken::SubjectAlive), "the answer");
    check!(
        b.find("b").await?.is_none(),
        "a second live instance exists"
    );
    Ok(())
}

pub(super) async fn an_external_id_stands_against_it_for_ever<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut first = b.start("a", "order-1");
    first.body.external_id = Some("web-1".into());
    let row = b.begin(first).await?;
    let mut second = b.start("b", "order-2");
    second.body.external_id = Some("web-1".into());
    let answer = b.write(Write::Start(second.clone())).await?;
    check_eq!(
        answer,
        taken("a", Taken::ExternalId),
        "while the first is alive"
    );
    let end = b.end(&row);
    b.apply(end).await?;
    let answer = b.write(Write::Start(second)).await?;
    check_eq!(
        answer,
        taken("a", Taken::ExternalId),
        "after the first's end"
    );
    check!(
        b.find("b").await?.is_none(),
        "an external id was used twice"
    );
    Ok(())
}

pub(super) async fn the_external_id_is_named_before_the_subject<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut first = b.start("a", "order-1");
    first.body.external_id = Some("web-1".into());
    b.begin(first).await?;
    let other = b.start("b", "order-2");
    b.begin(other).await?;
    let mut third = b.start("c", "order-2");
    third.body.external_id = Some("web-1".into());
    let answer = b.write(Write::Start(third)).await?;
    check_eq!(answer, taken("a", Taken::ExternalId), "the answer");
    Ok(())
}

pub(super) async fn another_kind_or_scope_is_another_subject<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut first = b.start("a", "order-1");
    first.body.external_id = Some("web-1".into());
    b.begin(first.clone()).await?;
    let mut scope = b.start("b", "order-1");
    scope.scope = "another shop".into();
    scope.body.external_id = Some("web-1".into());
    b.begin(scope).await?;
    let mut kind = b.start("c", "order-1");
    kind.kind = "letter".into();
    kind.body.external_id = Some("web-1".into());
    b.begin(kind).await?;
    Ok(())
}

pub(super) async fn whoever_saw_the_finished_ones_may_start_again<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    for (earlier, id) in [(0, "a"), (1, "b"), (2, "c")] {
        let mut start = b.start(id, "order-1");
        start.earlier = earlier;
        let row = b.begin(start).await?;
        let end = b.end(&row);
        b.apply(end).await?;
    }
    Ok(())
}

pub(super) async fn whoever_missed_a_finished_one_conflicts<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let first = b.start("a", "order-1");
    let row = b.begin(first).await?;
    let end = b.end(&row);
    b.apply(end).await?;
    for earlier in [0, 2] {
        let mut start = b.start("b", "order-1");
        start.earlier = earlier;
        let answer = b.write(Write::Start(start)).await?;
        check_eq!(
            answer,
            Written::Conflict,
            "a start that saw {earlier} finished instances"
        );
    }
    check!(
        b.find("b").await?.is_none(),
        "a start that conflicts happened"
    );
    Ok(())
}

pub(super) async fn of_two_starts_in_a_batch_the_first_wins<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let batch = vec![
        Write::Start(b.start("a", "order-1")),
        Write::Start(b.start("b", "order-1")),
        Write::Start(b.start("c", "order-2")),
    ];
    let answers = b.commit(batch).await?;
    check!(
        matches!(answers[0], Written::Saved { .. }),
        "the first: {:?}",
        answers[0]
    );
    check_eq!(answers[1], taken("a", Taken::SubjectAlive), "the second");
    check!(
        matches!(answers[2], Written::Saved { .. }),
        "the third: {:?}",
        answers[2]
    );
    Ok(())
}

pub(super) async fn of_two_external_ids_in_a_batch_the_first_wins<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut batch = Vec::new();
    for id in ["a", "b"] {
        let mut start = b.start(id, id);
        start.body.external_id = Some("web-1".into());
        batch.push(Write::Start(start));
    }
    let answers = b.commit(batch).await?;
    check!(
        matches!(answers[0], Written::Saved { .. }),
        "the first: {:?}",
        answers[0]
    );
    check_eq!(answers[1], taken("a", Taken::ExternalId), "the second");
    Ok(())
}

pub(super) async fn a_start_sees_an_end_earlier_in_its_batch<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let first = b.start("a", "order-1");
    let row = b.begin(first).await?;
    let end = b.end(&row);
    let mut next = b.start("b", "order-1");
    next.earlier = 1;
    let answers = b.commit(vec![Write::Save(end), Write::Start(next)]).await?;
    for answer in &answers {
        check!(matches!(answer, Written::Saved { .. }), "{answer:?}");
    }
    check!(
        b.row("a").await?.finished_at.is_some(),
        "the first is not finished"
    );
    check!(
        b.row("b").await?.finished_at.is_none(),
        "the second is not alive"
    );
    // It is the live one from then on, however the batch was carried out.
    let third = b.start("third", "order-1");
    let answer = b.write(Write::Start(third)).await?;
    check!(
        matches!(
            answer,
            Written::Taken {
                why: Taken::SubjectAlive,
                ..
            }
        ),
        "a start after both: {answer:?}"
    );
    Ok(())
}

pub(super) async fn the_same_start_again_is_answered_as_before<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut start = b.start("a", "order-1");
    start.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let first = b.write(Write::Start(start.clone())).await?;
    check!(
        matches!(first, Written::Saved { .. }),
        "the first: {first:?}"
    );
    let again = b.write(Write::Start(start)).await?;
    check_eq!(again, first, "the second answer");
    check_eq!(b.history("a").await?.len(), 1, "entries");
    check_eq!(b.inbox().await?.len(), 1, "events");
    Ok(())
}

pub(super) async fn an_id_in_use_is_refused<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    b.begin_one("a").await?;
    let start = b.start("a", "order-2");
    let answer = b.write(Write::Start(start)).await?;
    check!(refused(&answer), "{answer:?}");
    check_eq!(b.row("a").await?.subject, "a", "the subject");
    Ok(())
}

pub(super) async fn a_start_without_an_entry_is_refused<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "order-1");
    start.entries.clear();
    let answer = b.write(Write::Start(start)).await?;
    check!(refused(&answer), "{answer:?}");
    check!(b.find("a").await?.is_none(), "it happened");
    Ok(())
}

pub(super) async fn a_start_that_fails_leaves_nothing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let first = b.start("a", "order-1");
    b.begin(first).await?;
    let mut second = b.start("b", "order-1");
    second.body.external_id = Some("web-1".into());
    second.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let answer = b.write(Write::Start(second)).await?;
    check!(!matches!(answer, Written::Saved { .. }), "{answer:?}");
    check!(b.history("b").await?.is_empty(), "it left entries");
    check!(b.inbox().await?.is_empty(), "it left an event");
    let mut third = b.start("c", "order-2");
    third.body.external_id = Some("web-1".into());
    b.begin(third).await?;
    Ok(())
}
