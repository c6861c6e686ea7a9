//! What is due, and for whom.

use countermand_core::Epoch;

use super::bench::{Bench, Failure, Fixture, KIND, Outcome, SECOND, check, check_eq, ids};

/// Starts an instance that is due so many seconds from now.
async fn due_in<F: Fixture>(b: &mut Bench<F>, id: &str, seconds: i32) -> Outcome {
    let mut start = b.start(id, id);
    let by = SECOND * seconds.unsigned_abs();
    start.due_at = if seconds < 0 {
        b.time().minus(by)
    } else {
        b.time().plus(by)
    };
    b.begin(start).await?;
    Ok(())
}

pub(super) async fn what_is_most_overdue_comes_first<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (id, seconds) in [("a", -2), ("b", -9), ("c", 0), ("d", -5), ("e", -5)] {
        due_in(b, id, seconds).await?;
    }
    let claimed = b.claim(10, &[]).await?;
    check_eq!(ids(&claimed.rows), ["b", "d", "e", "a", "c"], "the order");
    check_eq!(claimed.next_due, None, "the next due time");
    Ok(())
}

pub(super) async fn what_is_not_due_waits_and_says_when<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    due_in(b, "a", 7).await?;
    due_in(b, "b", 3).await?;
    let claimed = b.claim(10, &[]).await?;
    check!(
        claimed.rows.is_empty(),
        "claimed too early: {:?}",
        ids(&claimed.rows)
    );
    check_eq!(
        claimed.next_due,
        Some(b.time().plus(SECOND * 3)),
        "the next due time"
    );
    b.clock().advance(SECOND * 3);
    let claimed = b.claim(10, &[]).await?;
    check_eq!(ids(&claimed.rows), ["b"], "what is due then");
    check_eq!(
        claimed.next_due,
        Some(b.time().plus(SECOND * 4)),
        "the next due time then"
    );
    Ok(())
}

pub(super) async fn a_claim_keeps_to_its_limit<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (id, seconds) in [("a", -3), ("b", -2), ("c", -1), ("d", 5)] {
        due_in(b, id, seconds).await?;
    }
    let claimed = b.claim(2, &[]).await?;
    check_eq!(ids(&claimed.rows), ["a", "b"], "what was claimed");
    check_eq!(
        claimed.next_due,
        Some(b.time().minus(SECOND)),
        "the next due time"
    );
    Ok(())
}

pub(super) async fn what_is_held_is_not_claimed<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (id, seconds) in [("a", -3), ("b", -2), ("c", -1)] {
        due_in(b, id, seconds).await?;
    }
    let claimed = b.claim(1, &["a", "b"]).await?;
    check_eq!(ids(&claimed.rows), ["c"], "what was claimed");
    check_eq!(claimed.next_due, None, "the next due time");
    Ok(())
}

pub(super) async fn what_is_held_is_not_due_next<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for (id, seconds) in [("a", 3), ("b", -2), ("c", 9)] {
        due_in(b, id, seconds).await?;
    }
    let claimed = b.claim(10, &["a", "b"]).await?;
    check!(claimed.rows.is_empty(), "claimed: {:?}", ids(&claimed.rows));
    check_eq!(
        claimed.next_due,
        Some(b.time().plus(SECOND * 9)),
        "the next due time"
    );
    Ok(())
}

pub(super) async fn a_claim_keeps_to_its_kind<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let mut other = b.start("a", "a");
    other.kind = "letter".into();
    b.begin(other).await?;
    b.begin_one("b").await?;
    let claimed = b.claim(10, &[]).await?;
    check_eq!(ids(&claimed.rows), ["b"], "what was claimed");
    check_eq!(claimed.next_due, None, "the next due time");
    Ok(())
}

pub(super) async fn what_is_finished_is_never_due<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut end = b.end(&row);
    end.body.open_intent_epoch = Some(b.epoch());
    b.apply(end).await?;
    b.restart().await?;
    let claimed = b.claim(10, &[]).await?;
    check!(claimed.rows.is_empty(), "claimed: {:?}", ids(&claimed.rows));
    check_eq!(claimed.next_due, None, "the next due time");
    Ok(())
}

pub(super) async fn claimed_rows_carry_the_claimers_epoch<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let started = b.begin_one("a").await?;
    b.restart().await?;
    let claimed = b.claim(10, &[]).await?;
    check_eq!(ids(&claimed.rows), ["a"], "what was claimed");
    let row = &claimed.rows[0];
    check_eq!(row.epoch, b.epoch(), "the claimed row's epoch");
    check_eq!(
        (row.revision, row.head, &row.body),
        (1, started.head, &started.body),
        "the row"
    );
    let loaded = b.row("a").await?;
    check_eq!(
        loaded.epoch,
        started.epoch,
        "the stored row's epoch, which is its newest entry's"
    );
    Ok(())
}

pub(super) async fn an_open_intent_of_an_earlier_incarnation_is_due_at_once<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    due_in(b, "a", -1).await?;
    for id in ["b", "c"] {
        let mut start = b.start(id, id);
        start.due_at = b.time().plus(SECOND * 600);
        start.body.open_intent_epoch = Some(b.epoch());
        b.begin(start).await?;
    }
    b.restart().await?;
    let claimed = b.claim(2, &[]).await?;
    check_eq!(ids(&claimed.rows), ["a", "b"], "what was claimed");
    check_eq!(claimed.next_due, Some(b.time()), "the next due time");
    let claimed = b.claim(10, &["a", "b"]).await?;
    check_eq!(ids(&claimed.rows), ["c"], "what was claimed then");
    Ok(())
}

pub(super) async fn an_open_intent_of_this_incarnation_waits<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let mut start = b.start("a", "a");
    start.due_at = b.time().plus(SECOND);
    start.body.open_intent_epoch = Some(b.epoch());
    b.begin(start).await?;
    let claimed = b.claim(10, &[]).await?;
    check!(claimed.rows.is_empty(), "claimed: {:?}", ids(&claimed.rows));
    check_eq!(
        claimed.next_due,
        Some(b.time().plus(SECOND)),
        "the next due time"
    );
    Ok(())
}

pub(super) async fn a_claim_of_nothing_says_when<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let claimed = b.claim(0, &[]).await?;
    check_eq!(
        (claimed.rows.len(), claimed.next_due),
        (0, None),
        "from an empty store"
    );
    due_in(b, "a", -3).await?;
    let claimed = b.claim(0, &[]).await?;
    check!(claimed.rows.is_empty(), "claimed: {:?}", ids(&claimed.rows));
    check_eq!(
        claimed.next_due,
        Some(b.time().minus(SECOND * 3)),
        "the next due time"
    );
    Ok(())
}

pub(super) async fn many_held_rows_hide_nobody<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let names: Vec<String> = (0..150).map(|n| format!("held-{n:03}")).collect();
    let mut batch = Vec::new();
    for name in &names {
        let mut start = b.start(name, name);
        start.due_at = b.time().minus(SECOND);
        batch.push(crate::Write::Start(start));
    }
    b.commit(batch).await?;
    b.begin_one("free").await?;
    due_in(b, "later", 60).await?;
    let held: Vec<&str> = names.iter().map(String::as_str).collect();
    let claimed = b.claim(1, &held).await?;
    check_eq!(ids(&claimed.rows), ["free"], "what was claimed");
    check_eq!(
        claimed.next_due,
        Some(b.time().plus(SECOND * 60)),
        "the next due time"
    );
    check!(b.epoch() > Epoch(0), "an incarnation is counted from 1");
    check_eq!(claimed.rows[0].kind, KIND, "the kind");
    Ok(())
}
