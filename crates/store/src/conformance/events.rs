//! The inbox: every event is kept, each business fact is applied once.

use super::bench::{Bench, Failure, Fixture, Outcome, SECOND, check, check_eq, name, refused};
use crate::{Disposition, InboxRecord, Row, Save, Store, Write, Written};

/// A fact save that applies an event.
fn applying<F: Fixture>(b: &mut Bench<F>, row: &Row, transport: &str, fact: &str) -> Save {
    let mut save = b.fact(row, "moved");
    save.inbox = vec![b.event(transport, fact, Disposition::Applied)];
    save
}

async fn deliveries<F: Fixture>(b: &Bench<F>) -> Result<u64, Failure> {
    Ok(b.store()?.stats().await?.deliveries)
}

fn duplicate_of(id: &str) -> Written {
    Written::Duplicate {
        instance: Some(name(id)),
    }
}

pub(super) async fn an_applied_event_is_stored_with_its_write<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut start = b.start("a", "a");
    start.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let row = b.begin(start).await?;
    let save = applying(b, &row, "t-2", "f-2");
    b.apply(save).await?;
    let inbox = b.inbox().await?;
    check_eq!(inbox.len(), 2, "events");
    for record in &inbox {
        check_eq!(record.disposition, Disposition::Applied, "the disposition");
        check_eq!(
            record.instance_id,
            Some(name("a")),
            "the instance, which the store fills in"
        );
    }
    Ok(())
}

pub(super) async fn an_event_comes_back_as_it_came<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (number, disposition) in (0..).zip(Disposition::ALL.into_iter().skip(1)) {
        let record = InboxRecord {
            source: "sqs".into(),
            transport_key: (number != 1).then(|| format!("transport {number}")),
            fact_key: (number != 2).then(|| format!("fact {number} \u{2603}")),
            event_type: String::new(),
            received_at: b.time().minus(SECOND * number),
            disposition,
            instance_id: (number == 3).then(|| name("somebody")),
            raw: "\u{feff}not even JSON: \u{1f980} \u{1} \u{2028} \r\n \t \\ \"".into(),
        };
        check_eq!(
            b.write(Write::Keep(record.clone())).await?,
            Written::Kept,
            "the answer"
        );
        check_eq!(b.inbox().await?.first(), Some(&record), "the event");
    }
    Ok(())
}

pub(super) async fn a_known_fact_makes_the_write_a_duplicate<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "t-1", "f-1");
    b.apply(save).await?;
    let other = b.begin_one("b").await?;
    let mut save = applying(b, &other, "t-2", "f-1");
    save.inbox
        .insert(0, b.event("t-3", "f-3", Disposition::Applied));
    check_eq!(b.save(save).await?, duplicate_of("a"), "the answer");
    check_eq!(b.row("b").await?, other, "the row");
    check_eq!(b.history("b").await?.len(), 1, "entries");
    check_eq!(b.inbox().await?.len(), 1, "events");
    let known = b.store()?.known_facts(&["f-3".to_owned()]).await?;
    check_eq!(known, [None], "is the fact beside it known?");
    Ok(())
}

pub(super) async fn a_duplicate_counts_its_delivery<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "t-1", "f-1");
    let row = b.apply(save).await?;
    check_eq!(deliveries(b).await?, 1, "deliveries at first");
    for wanted in 2..4 {
        let save = applying(b, &row, "t-1", "f-1");
        check_eq!(b.save(save).await?, duplicate_of("a"), "the answer");
        check_eq!(deliveries(b).await?, wanted, "deliveries");
    }
    check_eq!(
        b.store()?.stats().await?.events,
        [(Disposition::Applied, 1)],
        "events"
    );
    Ok(())
}

pub(super) async fn a_fact_under_another_transport_key_is_known<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "subscription 1", "f-1");
    let row = b.apply(save).await?;
    let mut save = applying(b, &row, "subscription 2", "f-1");
    save.inbox[0].source = "sqs".into();
    check_eq!(b.save(save).await?, duplicate_of("a"), "the answer");
    let mut save = applying(b, &row, "", "f-1");
    save.inbox[0].transport_key = None;
    check_eq!(
        b.save(save).await?,
        duplicate_of("a"),
        "the answer without a transport key"
    );
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn another_fact_under_the_same_transport_key_is_new<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "t-1", "f-1");
    let row = b.apply(save).await?;
    let save = applying(b, &row, "t-1", "f-2");
    let row = b.apply(save).await?;
    check_eq!(row.revision, 3, "the revision");
    let kept = b.event("t-1", "f-3", Disposition::Ignored);
    check_eq!(
        b.write(Write::Keep(kept)).await?,
        Written::Kept,
        "the answer"
    );
    check_eq!(b.inbox().await?.len(), 3, "events");
    Ok(())
}

pub(super) async fn a_known_fact_starts_nothing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "t-1", "f-1");
    b.apply(save).await?;
    let mut start = b.start("b", "b");
    start.inbox = vec![b.event("t-2", "f-1", Disposition::Applied)];
    check_eq!(
        b.write(Write::Start(start)).await?,
        duplicate_of("a"),
        "the answer"
    );
    check!(b.find("b").await?.is_none(), "it happened");
    Ok(())
}

pub(super) async fn facts_are_known_with_their_instance<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (id, fact) in [("a", "f-1"), ("b", "f-2")] {
        let row = b.begin_one(id).await?;
        let save = applying(b, &row, "t", fact);
        b.apply(save).await?;
    }
    let asked: Vec<String> = ["f-2", "f-9", "f-1", "f-2"].map(str::to_owned).to_vec();
    let known = b.store()?.known_facts(&asked).await?;
    let (a, other) = (Some(Some(name("a"))), Some(Some(name("b"))));
    check_eq!(known, [other.clone(), None, a, other], "what is known");
    check!(
        b.store()?.known_facts(&[]).await?.is_empty(),
        "answers to nothing"
    );
    Ok(())
}

pub(super) async fn a_kept_event_is_no_known_fact<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for disposition in Disposition::ALL.into_iter().skip(1) {
        let record = b.event("t-1", disposition.name(), disposition);
        b.write(Write::Keep(record)).await?;
        let known = b
            .store()?
            .known_facts(&[disposition.name().to_owned()])
            .await?;
        check_eq!(
            known,
            [None],
            "is a fact known that was {}?",
            disposition.name()
        );
    }
    Ok(())
}

pub(super) async fn a_kept_event_can_be_applied_later<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let kept = b.event("t-1", "f-1", Disposition::Unroutable);
    b.write(Write::Keep(kept)).await?;
    let row = b.begin_one("a").await?;
    let save = applying(b, &row, "t-1", "f-1");
    let row = b.apply(save).await?;
    let known = b.store()?.known_facts(&["f-1".to_owned()]).await?;
    check_eq!(known, [Some(Some(name("a")))], "is it known then?");
    let save = applying(b, &row, "t-1", "f-1");
    check_eq!(b.save(save).await?, duplicate_of("a"), "the same again");
    let events = b.store()?.stats().await?.events;
    check_eq!(
        events,
        [(Disposition::Applied, 1), (Disposition::Unroutable, 1)],
        "events"
    );
    Ok(())
}

pub(super) async fn a_repeated_kept_event_is_counted<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let kept = b.event("t-1", "f-1", Disposition::Ignored);
    let mut other = kept.clone();
    other.source = "sqs".into();
    let batch = vec![Write::Keep(kept.clone()), Write::Keep(kept.clone())];
    check_eq!(
        b.commit(batch).await?,
        [Written::Kept, Written::Kept],
        "the answers"
    );
    check_eq!(
        b.write(Write::Keep(kept)).await?,
        Written::Kept,
        "the answer"
    );
    check_eq!(
        (b.inbox().await?.len(), deliveries(b).await?),
        (1, 3),
        "events and deliveries"
    );
    check_eq!(
        b.write(Write::Keep(other)).await?,
        Written::Kept,
        "the answer from another source"
    );
    check_eq!(
        (b.inbox().await?.len(), deliveries(b).await?),
        (2, 4),
        "events and deliveries then"
    );
    Ok(())
}

pub(super) async fn events_without_keys_are_all_stored<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for _ in 0..3 {
        let mut record = b.event("", "", Disposition::Unroutable);
        (record.transport_key, record.fact_key) = (None, None);
        b.write(Write::Keep(record)).await?;
    }
    check_eq!(b.inbox().await?.len(), 3, "events");
    Ok(())
}

pub(super) async fn a_fact_of_a_failed_write_is_not_known<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let old = applying(b, &row, "t-1", "f-1");
    let other = b.begin_one("b").await?;
    let save = b.fact(&row, "elsewhere");
    b.apply(save).await?;
    let next = applying(b, &other, "t-1", "f-1");
    let answers = b.commit(vec![Write::Save(old), Write::Save(next)]).await?;
    check_eq!(answers[0], Written::Conflict, "the first");
    check!(
        matches!(answers[1], Written::Saved { .. }),
        "the second: {:?}",
        answers[1]
    );
    Ok(())
}

pub(super) async fn of_two_writes_with_one_fact_the_first_applies_it<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let (a, other) = (b.begin_one("a").await?, b.begin_one("b").await?);
    let batch = vec![
        Write::Save(applying(b, &a, "t-1", "f-1")),
        Write::Save(applying(b, &other, "t-2", "f-1")),
    ];
    let answers = b.commit(batch).await?;
    check!(
        matches!(answers[0], Written::Saved { .. }),
        "the first: {:?}",
        answers[0]
    );
    check_eq!(answers[1], duplicate_of("a"), "the second");
    check_eq!(b.row("b").await?, other, "the second's row");
    check_eq!(
        (b.inbox().await?.len(), deliveries(b).await?),
        (1, 2),
        "events and deliveries"
    );
    Ok(())
}

pub(super) async fn an_applied_event_is_not_merely_kept<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let record = b.event("t-1", "f-1", Disposition::Applied);
    let answer = b.write(Write::Keep(record)).await?;
    check!(refused(&answer), "{answer:?}");
    check!(b.inbox().await?.is_empty(), "it was stored");
    Ok(())
}

pub(super) async fn the_newest_event_comes_first<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (number, fact) in (0_u32..).zip(["f-1", "f-2", "f-3"]) {
        let mut record = b.event("t-1", fact, Disposition::Ignored);
        // By arrival, whatever the clock said.
        record.received_at = b.time().minus(SECOND * number);
        b.write(Write::Keep(record)).await?;
    }
    let facts = |records: Vec<InboxRecord>| -> Vec<Option<String>> {
        records.into_iter().map(|record| record.fact_key).collect()
    };
    let newest = facts(b.store()?.inbox(2).await?);
    check_eq!(
        newest,
        [Some("f-3".to_owned()), Some("f-2".to_owned())],
        "the newest two"
    );
    check!(b.store()?.inbox(0).await?.is_empty(), "events of none");
    Ok(())
}
