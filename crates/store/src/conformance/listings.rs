//! Reading many.

use countermand_core::AttentionFlag;

use super::bench::{
    Bench, Failure, Fixture, KIND, Outcome, SCOPE, SECOND, check, check_eq, ids, name,
};
use crate::{Count, Cursor, Disposition, Filter, Known, Page, Row, Status, Store, Subject, Write};

async fn list<F: Fixture>(b: &Bench<F>, filter: Filter) -> Result<Vec<String>, Failure> {
    let page = b.store()?.list(&filter, None, 100).await?;
    check_eq!(page.next, None, "where a listing of everything goes on");
    check!(
        page.unreadable.is_empty(),
        "unreadable rows: {:?}",
        page.unreadable
    );
    Ok(ids(&page.rows).into_iter().map(str::to_owned).collect())
}

pub(super) async fn the_newest_instance_comes_first<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for id in ["c", "a"] {
        b.begin_one(id).await?;
    }
    b.clock().advance(SECOND);
    for id in ["b", "d"] {
        b.begin_one(id).await?;
    }
    check_eq!(
        list(b, Filter::default()).await?,
        ["d", "b", "c", "a"],
        "the order"
    );
    let page = b.store()?.list(&Filter::default(), None, 100).await?;
    check_eq!(page.rows[2], b.row("c").await?, "a row of the listing");
    Ok(())
}

pub(super) async fn a_listing_keeps_to_kind_phase_and_subject<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let save = b.fact(&row, "moved");
    b.apply(save).await?;
    b.begin_one("b").await?;
    let mut letter = b.start("c", "b");
    letter.kind = "letter".into();
    b.begin(letter).await?;
    let kind = Filter {
        kind: Some(KIND.into()),
        ..Filter::default()
    };
    check_eq!(list(b, kind.clone()).await?, ["b", "a"], "by kind");
    let phase = Filter {
        phase: Some("moved".into()),
        ..Filter::default()
    };
    check_eq!(list(b, phase.clone()).await?, ["a"], "by phase");
    let subject = Filter {
        subject: Some("b".into()),
        ..Filter::default()
    };
    check_eq!(list(b, subject.clone()).await?, ["c", "b"], "by subject");
    let all = Filter {
        kind: kind.kind,
        subject: subject.subject,
        ..phase
    };
    check!(list(b, all).await?.is_empty(), "all at once");
    Ok(())
}

pub(super) async fn a_listing_ends_before_a_time<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for id in ["a", "b", "c"] {
        b.begin_one(id).await?;
        b.clock().advance(SECOND);
    }
    let before = Filter {
        created_before: Some(b.time().minus(SECOND)),
        ..Filter::default()
    };
    check_eq!(
        list(b, before).await?,
        ["b", "a"],
        "what began before the third did"
    );
    Ok(())
}

/// An instance of each status, with a name that says which.
async fn one_of_each<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("finished").await?;
    let mut end = b.end(&row);
    end.body.attention = Some(flag(b));
    b.apply(end).await?;
    b.begin_one("running").await?;
    let mut start = b.start("waiting", "waiting");
    start.due_at = b.time().plus(SECOND);
    b.begin(start).await?;
    for (id, wait) in [("attention-1", 0), ("attention-2", 5)] {
        let mut start = b.start(id, id);
        start.body.attention = Some(flag(b));
        start.body.in_doubt = wait == 5;
        start.due_at = b.time().plus(SECOND * wait);
        b.begin(start).await?;
    }
    Ok(())
}

fn flag<F: Fixture>(b: &Bench<F>) -> AttentionFlag {
    AttentionFlag {
        since: b.time(),
        why: "help".into(),
    }
}

pub(super) async fn a_listing_keeps_to_each_status<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    one_of_each(b).await?;
    let living = Filter {
        live: true,
        ..Filter::default()
    };
    let all = ["waiting", "running", "attention-2", "attention-1"];
    check_eq!(list(b, living).await?, all, "what is not finished");
    let with = |status| Filter {
        status: Some(status),
        ..Filter::default()
    };
    check_eq!(
        list(b, with(Status::Finished)).await?,
        ["finished"],
        "finished"
    );
    check_eq!(
        list(b, with(Status::Running)).await?,
        ["running"],
        "running"
    );
    check_eq!(
        list(b, with(Status::Waiting)).await?,
        ["waiting"],
        "waiting"
    );
    check_eq!(
        list(b, with(Status::Attention)).await?,
        ["attention-2", "attention-1"],
        "attention"
    );
    b.clock().advance(SECOND);
    check_eq!(
        list(b, with(Status::Running)).await?,
        ["waiting", "running"],
        "running, later"
    );
    check!(
        list(b, with(Status::Waiting)).await?.is_empty(),
        "something waits, later"
    );
    Ok(())
}

fn subject(subject: &str, external_id: Option<&str>) -> Subject {
    Subject {
        kind: KIND.into(),
        scope: SCOPE.into(),
        subject: subject.into(),
        external_id: external_id.map(str::to_owned),
    }
}

pub(super) async fn a_look_up_finds_the_living_and_the_finished<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    for (earlier, id) in [(0, "b"), (1, "a"), (2, "c")] {
        let mut start = b.start(id, "order-1");
        start.earlier = earlier;
        let row = b.begin(start).await?;
        if id != "c" {
            let end = b.end(&row);
            b.apply(end).await?;
            b.clock().advance(SECOND);
        }
    }
    let mut elsewhere = b.start("d", "order-1");
    elsewhere.scope = "another shop".into();
    b.begin(elsewhere).await?;
    let asked = [subject("order-2", None), subject("order-1", None)];
    let known = b.store()?.look_up(&asked).await?;
    check_eq!(known.len(), 2, "answers");
    check_eq!(known[0], Known::default(), "what is known of nothing");
    check_eq!(known[1].live, Some(b.row("c").await?), "the living");
    check_eq!(ids(&known[1].finished), ["a", "b"], "the finished");
    check_eq!(known[1].finished[0], b.row("a").await?, "a finished row");
    check_eq!(known[1].by_external_id, None, "by no external id");
    check!(
        b.store()?.look_up(&[]).await?.is_empty(),
        "answers to nothing"
    );
    Ok(())
}

pub(super) async fn a_look_up_finds_by_external_id<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut start = b.start("a", "order-1");
    start.body.external_id = Some("web-1".into());
    let row = b.begin(start).await?;
    let end = b.end(&row);
    let row = b.apply(end).await?;
    let mut elsewhere = b.start("b", "order-1");
    elsewhere.scope = "another shop".into();
    elsewhere.body.external_id = Some("web-2".into());
    b.begin(elsewhere).await?;
    let asked = [
        subject("order-9", Some("web-1")),
        subject("order-1", Some("web-1")),
        subject("order-1", Some("web-2")),
    ];
    let known = b.store()?.look_up(&asked).await?;
    check_eq!(
        known[0].by_external_id,
        Some(row.clone()),
        "whatever the subject"
    );
    check_eq!(
        (known[0].live.as_ref(), known[0].finished.len()),
        (None, 0),
        "of that subject"
    );
    check_eq!(
        known[1].by_external_id,
        Some(row.clone()),
        "of its own subject"
    );
    check_eq!(known[1].finished, [row], "the finished");
    check_eq!(
        known[2].by_external_id,
        None,
        "an external id of another scope"
    );
    Ok(())
}

pub(super) async fn loading_keeps_the_order_asked_for<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for id in ["a", "b", "c"] {
        b.begin_one(id).await?;
    }
    let asked = ["c", "nobody", "a", "c"].map(name);
    let rows = b.store()?.load(&asked).await?;
    let found: Vec<Option<&str>> = rows
        .iter()
        .map(|row| row.as_ref().map(|row| row.id.as_str()))
        .collect();
    check_eq!(found, [Some("c"), None, Some("a"), Some("c")], "the rows");
    check!(b.store()?.load(&[]).await?.is_empty(), "answers to nothing");
    Ok(())
}

pub(super) async fn a_history_is_read_from_where_one_was<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut row = b.begin_one("a").await?;
    for _ in 0..5 {
        let save = b.fact(&row, "moved");
        row = b.apply(save).await?;
    }
    b.begin_one("b").await?;
    let read = async |after, limit| -> Result<Vec<u64>, Failure> {
        let entries = b.store()?.history(&name("a"), after, limit).await?;
        Ok(entries.iter().map(|entry| entry.seq).collect())
    };
    check_eq!(read(0, 2).await?, [1, 2], "the first two");
    check_eq!(read(2, 2).await?, [3, 4], "the next two");
    check_eq!(read(4, 100).await?, [5, 6], "the rest");
    check!(read(6, 100).await?.is_empty(), "there is more");
    check!(
        read(u64::MAX, 100).await?.is_empty(),
        "there is more beyond everything"
    );
    check!(
        b.history("nobody").await?.is_empty(),
        "nobody has a history"
    );
    Ok(())
}

pub(super) async fn what_was_spent_is_told_by_kind_and_time<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let spend = |nth: u32| Some(format!(r#"{{"key":"k{nth}"}}"#));
    let began = b.time();
    let row = b.begin_one("b").await?;
    let mut save = b.decision(&row, "moved");
    save.entries[0].spend = spend(1);
    let row = b.apply(save).await?;
    b.clock().advance(SECOND);
    let second = b.time();
    let mut start = b.start("a", "a");
    start.entries[0].spend = spend(2);
    b.begin(start).await?;
    let mut save = b.fact(&row, "moved");
    save.entries[0].spend = spend(3);
    b.apply(save).await?;
    let mut foreign = b.start("c", "c");
    foreign.kind = "another".into();
    foreign.entries[0].spend = spend(4);
    let kind = row.kind.clone();
    b.begin(foreign).await?;
    let told = async |b: &Bench<F>, since| -> Result<Vec<_>, Failure> {
        let all = b.store()?.spent(&kind, since).await?.into_iter();
        Ok(all
            .map(|one| (one.instance_id.to_string(), one.at, Some(one.spend)))
            .collect())
    };
    let all = [
        ("b".to_owned(), began, spend(1)),
        ("a".to_owned(), second, spend(2)),
        ("b".to_owned(), second, spend(3)),
    ];
    check_eq!(told(b, began).await?, all.to_vec(), "everything");
    check_eq!(told(b, second).await?, all[1..].to_vec(), "of late");
    let later = second.plus(SECOND);
    check_eq!(told(b, later).await?, Vec::new(), "nothing yet");
    b.restart().await?;
    check_eq!(told(b, began).await?, all.to_vec(), "after a restart");
    Ok(())
}

pub(super) async fn counts_are_counted<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let empty = b.store()?.stats().await?;
    check_eq!(empty, crate::Stats::default(), "the counts of nothing");
    one_of_each(b).await?;
    b.clock().advance(SECOND * 2);
    for fact in ["f-1", "f-2"] {
        let record = b.event("t-1", fact, Disposition::OtherTarget);
        b.write(Write::Keep(record)).await?;
    }
    let stats = b.store()?.stats().await?;
    let count = |phase: &str, status, count| Count {
        phase: phase.into(),
        status,
        count,
    };
    let counts = vec![
        count("done", Status::Finished, 1),
        count("new", Status::Running, 2),
        count("new", Status::Attention, 2),
    ];
    check_eq!(stats.counts, counts, "instances per phase and status");
    check_eq!(
        stats.oldest_due,
        Some(b.time().minus(SECOND * 2)),
        "the oldest due time"
    );
    check_eq!(
        (stats.in_doubt, stats.attention),
        (1, 2),
        "in doubt, and in need of a person"
    );
    check_eq!(stats.events, [(Disposition::OtherTarget, 2)], "events");
    let info = b.store()?.info().await?;
    check_eq!(
        (info.instances, info.live, info.entries),
        (5, 4, 6),
        "instances, live ones, entries"
    );
    Ok(())
}

pub(super) async fn the_head_covers_every_history<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut seen = vec![b.store()?.info().await?.head];
    let a = b.begin_one("a").await?;
    seen.push(b.store()?.info().await?.head);
    b.begin_one("b").await?;
    seen.push(b.store()?.info().await?.head);
    let save = b.fact(&a, "moved");
    b.apply(save).await?;
    seen.push(b.store()?.info().await?.head);
    check_eq!(
        b.store()?.info().await?.head,
        seen[3],
        "the head of an unchanged store"
    );
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    check_eq!(seen.len(), all, "different heads");
    Ok(())
}

/// Reads page after page.
async fn pages<F: Fixture>(
    b: &Bench<F>,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Page>, Failure> {
    let mut pages: Vec<Page> = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = b.store()?.list(filter, after.as_ref(), limit).await?;
        check!(
            page.rows.len() <= limit,
            "a page of {} rows",
            page.rows.len()
        );
        after.clone_from(&page.next);
        pages.push(page);
        if after.is_none() {
            return Ok(pages);
        }
        check!(pages.len() < 100, "the pages do not end");
    }
}

fn rows(pages: &[Page]) -> Vec<&Row> {
    pages.iter().flat_map(|page| &page.rows).collect()
}

pub(super) async fn pages_join_without_a_gap<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for number in 0..11 {
        // Several begin in the same millisecond.
        if number % 4 == 3 {
            b.clock().advance(SECOND);
        }
        b.begin_one(&format!("i-{:02}", (number * 7) % 11)).await?;
    }
    let whole = list(b, Filter::default()).await?;
    for limit in [1, 2, 3, 5, 10, 11, 12] {
        let pages = pages(b, &Filter::default(), limit).await?;
        let found: Vec<&str> = rows(&pages).iter().map(|row| row.id.as_str()).collect();
        check_eq!(found, whole, "pages of {limit}");
    }
    Ok(())
}

pub(super) async fn the_last_page_knows_that_it_is<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    check_eq!(
        pages(b, &Filter::default(), 2).await?.len(),
        1,
        "pages of nothing"
    );
    for id in ["a", "b", "c", "d"] {
        b.begin_one(id).await?;
    }
    check_eq!(
        pages(b, &Filter::default(), 2).await?.len(),
        2,
        "pages of two"
    );
    check_eq!(
        pages(b, &Filter::default(), 4).await?.len(),
        1,
        "pages of four"
    );
    check_eq!(
        pages(b, &Filter::default(), 3).await?.len(),
        2,
        "pages of three"
    );
    Ok(())
}

pub(super) async fn pages_are_not_disturbed_by_newcomers<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for id in ["a", "b", "c", "d"] {
        b.begin_one(id).await?;
        b.clock().advance(SECOND);
    }
    let first = b.store()?.list(&Filter::default(), None, 2).await?;
    check_eq!(ids(&first.rows), ["d", "c"], "the first page");
    let changed = b.row("b").await?;
    let save = b.fact(&changed, "moved");
    b.apply(save).await?;
    b.begin_one("e").await?;
    let second = b
        .store()?
        .list(&Filter::default(), first.next.as_ref(), 2)
        .await?;
    check_eq!(ids(&second.rows), ["b", "a"], "the second page");
    Ok(())
}

pub(super) async fn pages_keep_to_their_filter<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for number in 0..9 {
        let id = format!("i-{number}");
        let mut start = b.start(&id, &id);
        start.kind = if number % 3 == 0 { "letter" } else { KIND }.into();
        b.begin(start).await?;
    }
    let filter = Filter {
        kind: Some("letter".into()),
        ..Filter::default()
    };
    let pages = pages(b, &filter, 2).await?;
    let found: Vec<&str> = rows(&pages).iter().map(|row| row.id.as_str()).collect();
    check_eq!(found, ["i-6", "i-3", "i-0"], "the letters");
    check_eq!(pages.len(), 2, "pages");
    Ok(())
}
