//! What outlives a process, and what time it is.

use super::bench::{Bench, Failure, Fixture, Outcome, SECOND, check, check_eq};
use crate::{Disposition, Now, Pause, Store, Write, Written};

pub(super) async fn each_start_takes_the_next_incarnation<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for wanted in 1..4 {
        check_eq!(b.epoch().0, wanted, "the incarnation");
        check_eq!(
            b.store()?.info().await?.incarnation,
            b.epoch(),
            "the one that is told"
        );
        b.restart().await?;
    }
    Ok(())
}

pub(super) async fn everything_is_still_there<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    save.retries = r#"{"failures":3}"#.into();
    let row = b.apply(save).await?;
    let other = b.begin_one("b").await?;
    let end = b.end(&other);
    let other = b.apply(end).await?;
    b.write(Write::Keep(b.event("t-2", "f-2", Disposition::Ignored)))
        .await?;
    let (history, inbox) = (b.history("a").await?, b.inbox().await?);
    let (stats, before) = (b.store()?.stats().await?, b.store()?.info().await?);
    b.restart().await?;
    check_eq!(b.row("a").await?, row, "a live row");
    check_eq!(b.row("b").await?, other, "a finished row");
    check_eq!(b.history("a").await?, history, "a history");
    check_eq!(b.inbox().await?, inbox, "the inbox");
    check_eq!(b.store()?.stats().await?, stats, "the counts");
    let after = b.store()?.info().await?;
    check_eq!(
        (after.head, after.entries, after.live),
        (before.head, before.entries, before.live),
        "what is told"
    );
    Ok(())
}

pub(super) async fn facts_and_operations_are_still_known<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    let first = b.save(save.clone()).await?;
    b.restart().await?;
    check_eq!(b.save(save).await?, first, "the same save after a restart");
    let row = b.row("a").await?;
    let mut save = b.fact(&row, "elsewhere");
    save.inbox = vec![b.event("t-9", "f-1", Disposition::Applied)];
    let known = Written::Duplicate {
        instance: Some(row.id.clone()),
    };
    check_eq!(b.save(save).await?, known, "the same fact after a restart");
    let known = b.store()?.known_facts(&["f-1".to_owned()]).await?;
    check_eq!(
        known,
        [Some(Some(row.id))],
        "is the fact known after a restart?"
    );
    Ok(())
}

pub(super) async fn the_pause_stands_until_it_is_lifted<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    check_eq!(b.store()?.paused().await?, None, "the pause at first");
    let mut pause = Pause {
        since: b.time(),
        by: "somebody".into(),
        why: "something smells".into(),
    };
    b.store()?.set_pause(Some(pause.clone())).await?;
    pause.why = "it smells worse".into();
    b.store()?.set_pause(Some(pause.clone())).await?;
    check_eq!(b.store()?.paused().await?, Some(pause.clone()), "the pause");
    b.restart().await?;
    check_eq!(
        b.store()?.paused().await?,
        Some(pause.clone()),
        "the pause after a restart"
    );
    check_eq!(
        b.store()?.info().await?.paused,
        Some(pause),
        "the pause that is told"
    );
    b.store()?.set_pause(None).await?;
    check_eq!(b.store()?.paused().await?, None, "the pause once lifted");
    b.restart().await?;
    check_eq!(
        b.store()?.paused().await?,
        None,
        "the pause once lifted, after a restart"
    );
    Ok(())
}

async fn now<F: Fixture>(b: &Bench<F>) -> Result<Now, Failure> {
    Ok(b.store()?.now().await?)
}

pub(super) async fn time_follows_the_clock<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    for _ in 0..3 {
        let wanted = Now {
            at: b.time(),
            behind: false,
        };
        check_eq!(now(b).await?, wanted, "the time");
        b.clock().advance(SECOND);
    }
    // Before anything is stored, a clock may be set back.
    b.clock().set(b.time().minus(SECOND * 60));
    check_eq!(now(b).await?.at, b.time(), "the time on a clock set back");
    Ok(())
}

pub(super) async fn time_never_goes_back<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    b.clock().advance(SECOND * 10);
    let save = b.fact(&row, "moved");
    b.apply(save).await?;
    let newest = b.time();
    b.clock().set(newest.minus(SECOND * 60));
    let wanted = Now {
        at: newest,
        behind: true,
    };
    check_eq!(now(b).await?, wanted, "the time on a clock set back");
    b.clock().set(newest);
    check_eq!(
        now(b).await?.behind,
        false,
        "is the clock behind when it is level?"
    );
    b.clock().advance(SECOND);
    check_eq!(
        now(b).await?.at,
        newest.plus(SECOND),
        "the time once the clock has caught up"
    );
    Ok(())
}

pub(super) async fn time_does_not_go_back_over_a_restart<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    b.begin_one("a").await?;
    let newest = b.time();
    // The last commit stores no time at all: it only counts a delivery.
    let mut event = b.event("t-1", "f-1", Disposition::Ignored);
    event.received_at = newest.minus(SECOND);
    for _ in 0..2 {
        b.write(Write::Keep(event.clone())).await?;
    }
    b.clock().set(newest.minus(SECOND * 60));
    b.restart().await?;
    let wanted = Now {
        at: newest,
        behind: true,
    };
    check_eq!(now(b).await?, wanted, "the time");
    let claimed = b.claim(1, &[]).await?;
    check_eq!(
        claimed.rows.len(),
        1,
        "what is due by the store's time is claimed: rows"
    );
    Ok(())
}

pub(super) async fn the_time_of_an_event_counts<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let event = b.event("t-1", "f-1", Disposition::Unroutable);
    b.write(Write::Keep(event)).await?;
    let newest = b.time();
    b.clock().set(newest.minus(SECOND));
    check_eq!(now(b).await?.at, newest, "the time");
    Ok(())
}

pub(super) async fn a_due_time_is_no_time_that_was<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let due = b.time().plus(SECOND * 3600);
    let save = b.schedule(&row, due);
    b.apply(save).await?;
    let wanted = Now {
        at: b.time(),
        behind: false,
    };
    check_eq!(now(b).await?, wanted, "the time");
    Ok(())
}

pub(super) async fn a_rows_last_change_never_falls<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let first = b.time();
    // A fact that was stamped earlier comes late.
    let mut save = b.fact(&row, "moved");
    save.entries[0].at = first.minus(SECOND * 5);
    let row = b.apply(save).await?;
    check_eq!(row.updated_at, first, "the last change after a late fact");
    b.clock().advance(SECOND);
    let due = b.time().plus(SECOND);
    let save = b.schedule(&row, due);
    let row = b.apply(save).await?;
    check_eq!(
        row.updated_at,
        first.plus(SECOND),
        "the last change after a schedule"
    );
    check!(row.created_at == first, "the beginning moved");
    Ok(())
}
