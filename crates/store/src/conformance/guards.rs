//! Decisions are fenced, evidence is not.

use std::time::Duration;

use countermand_core::Epoch;

use super::bench::{Bench, Failure, Fixture, Outcome, SECOND, check, check_eq, refused};
use crate::{Disposition, Guard, Row, Write, Written};

/// An instance at revision 2, and its row as it was at revision 1.
async fn moved<F: Fixture>(b: &mut Bench<F>) -> Result<(Row, Row), Failure> {
    let old = b.begin_one("a").await?;
    let save = b.fact(&old, "moved");
    let new = b.apply(save).await?;
    Ok((old, new))
}

pub(super) async fn a_fact_on_an_old_revision_conflicts<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let (old, new) = moved(b).await?;
    let save = b.fact(&old, "elsewhere");
    check_eq!(b.save(save).await?, Written::Conflict, "the answer");
    check_eq!(b.row("a").await?, new, "the row");
    Ok(())
}

pub(super) async fn a_decision_on_an_old_revision_conflicts<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let (old, new) = moved(b).await?;
    let save = b.decision(&old, "elsewhere");
    check_eq!(b.save(save).await?, Written::Conflict, "the answer");
    check_eq!(b.row("a").await?, new, "the row");
    Ok(())
}

pub(super) async fn a_schedule_on_an_old_revision_conflicts<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let (old, new) = moved(b).await?;
    let due = b.time().plus(SECOND);
    let save = b.schedule(&old, due);
    check_eq!(b.save(save).await?, Written::Conflict, "the answer");
    check_eq!(b.row("a").await?, new, "the row");
    Ok(())
}

pub(super) async fn a_foreign_head_conflicts<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.head = [7; 32];
    check_eq!(b.save(save).await?, Written::Conflict, "the answer");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn a_conflict_changes_nothing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let (old, new) = moved(b).await?;
    let mut save = b.fact(&old, "elsewhere");
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    check_eq!(b.save(save).await?, Written::Conflict, "the answer");
    check_eq!(b.row("a").await?, new, "the row");
    check_eq!(b.history("a").await?.len(), 2, "entries");
    check!(b.inbox().await?.is_empty(), "its event was stored");
    Ok(())
}

pub(super) async fn the_others_of_the_batch_are_written<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let (old, _) = moved(b).await?;
    let other = b.begin_one("b").await?;
    let batch = vec![
        Write::Save(b.fact(&old, "elsewhere")),
        Write::Save(b.decision(&other, "moved")),
        Write::Start(b.start("c", "c")),
    ];
    let answers = b.commit(batch).await?;
    check_eq!(answers[0], Written::Conflict, "the first");
    check_eq!(b.row("b").await?.body.phase, "moved", "the second's phase");
    check_eq!(b.row("c").await?.revision, 1, "the third's revision");
    Ok(())
}

pub(super) async fn a_decision_of_an_earlier_epoch_is_lost<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let before = b.epoch();
    b.restart().await?;
    let mut save = b.decision(&row, "moved");
    save.guard = Guard::Decision {
        revision: 1,
        epoch: before,
    };
    save.entries[0].epoch = before;
    check_eq!(b.save(save).await?, Written::LeaseLost, "the answer");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn a_decision_of_a_later_epoch_is_lost<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.decision(&row, "moved");
    save.guard = Guard::Decision {
        revision: 1,
        epoch: Epoch(b.epoch().0 + 1),
    };
    check_eq!(b.save(save).await?, Written::LeaseLost, "the answer");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn a_schedule_of_an_earlier_epoch_is_lost<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    let row = b.begin_one("a").await?;
    let before = b.epoch();
    b.restart().await?;
    let due = b.time().plus(SECOND);
    let mut save = b.schedule(&row, due);
    save.guard = Guard::Decision {
        revision: 1,
        epoch: before,
    };
    check_eq!(b.save(save).await?, Written::LeaseLost, "the answer");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn a_lost_lease_comes_before_a_conflict<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let (old, _) = moved(b).await?;
    let before = b.epoch();
    b.restart().await?;
    let mut save = b.decision(&old, "elsewhere");
    save.guard = Guard::Decision {
        revision: 1,
        epoch: before,
    };
    check_eq!(b.save(save).await?, Written::LeaseLost, "the answer");
    Ok(())
}

pub(super) async fn a_lost_lease_changes_nothing<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.decision(&row, "moved");
    save.guard = Guard::Decision {
        revision: 1,
        epoch: Epoch(0),
    };
    save.inbox = vec![b.event("t-1", "f-1", Disposition::Applied)];
    check_eq!(b.save(save).await?, Written::LeaseLost, "the answer");
    check_eq!(b.row("a").await?, row, "the row");
    check_eq!(b.history("a").await?.len(), 1, "entries");
    check!(b.inbox().await?.is_empty(), "its event was stored");
    Ok(())
}

pub(super) async fn a_fact_needs_no_lease<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    b.restart().await?;
    // Somebody who knows only the row brings what he saw, under the row's present epoch.
    let mut save = b.fact(&row, "moved");
    save.entries[0].epoch = row.epoch;
    let row = b.apply(save).await?;
    check_eq!(
        (row.revision, row.epoch),
        (2, Epoch(b.epoch().0 - 1)),
        "revision and epoch"
    );
    Ok(())
}

pub(super) async fn rejected_evidence_has_its_entry<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "new");
    save.entries[0].accepted = false;
    save.entries[0].actor = Some("somebody".into());
    let wanted = save.entries[0].clone();
    let row = b.apply(save).await?;
    check_eq!(row.revision, 2, "the revision");
    let history = b.history("a").await?;
    check_eq!(
        history.get(1).map(|entry| &entry.entry),
        Some(&wanted),
        "the entry"
    );
    Ok(())
}

pub(super) async fn rejected_evidence_changes_no_phase<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.entries[0].accepted = false;
    let answer = b.save(save).await?;
    check!(refused(&answer), "{answer:?}");
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn epochs_never_fall<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    b.begin_one("a").await?;
    b.restart().await?;
    let row = b.row("a").await?;
    let save = b.decision(&row, "moved");
    let row = b.apply(save).await?;
    check_eq!(row.epoch, b.epoch(), "the epoch after a decision");
    let mut save = b.fact(&row, "moved");
    save.entries[0].epoch = Epoch(row.epoch.0 - 1);
    let answer = b.save(save).await?;
    check!(refused(&answer), "a fact of a lower epoch: {answer:?}");
    let mut save = b.fact(&row, "moved");
    save.entries.push(b.entry("moved", "moved"));
    save.entries[1].epoch = Epoch(row.epoch.0 - 1);
    let answer = b.save(save).await?;
    check!(
        refused(&answer),
        "an epoch that falls within a write: {answer:?}"
    );
    check_eq!(b.row("a").await?, row, "the row");
    Ok(())
}

pub(super) async fn no_epoch_is_ahead_of_the_store<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let mut save = b.fact(&row, "moved");
    save.entries[0].epoch = Epoch(b.epoch().0 + 1);
    let answer = b.save(save).await?;
    check!(refused(&answer), "a fact: {answer:?}");
    let mut start = b.start("b", "b");
    start.entries[0].epoch = Epoch(b.epoch().0 + 1);
    let answer = b.write(Write::Start(start)).await?;
    check!(refused(&answer), "a start: {answer:?}");
    Ok(())
}

pub(super) async fn the_rows_epoch_is_the_newest_entrys<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    b.begin_one("a").await?;
    for wanted in 2..4 {
        b.restart().await?;
        b.clock().advance(Duration::from_millis(1));
        let row = b.row("a").await?;
        let save = b.decision(&row, "new");
        let row = b.apply(save).await?;
        let history = b.history("a").await?;
        let newest = history
            .last()
            .map(|entry| (entry.seq, entry.entry.epoch, entry.hash));
        check_eq!(
            newest,
            Some((row.revision, row.epoch, row.head)),
            "the newest entry"
        );
        check_eq!(row.epoch, Epoch(wanted), "the epoch");
    }
    Ok(())
}
