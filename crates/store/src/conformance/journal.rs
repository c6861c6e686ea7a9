//! Reading all histories together, in the order of writing.

use super::bench::{Bench, Failure, Fixture, Outcome, check, check_eq, name};
use crate::Store;

pub(super) async fn the_journal_has_every_entry_once_in_the_order_of_writing<F: Fixture>(
    b: &mut Bench<F>,
) -> Outcome {
    check_eq!(b.store()?.journal_end().await?, 0, "the end of nothing");
    let mut written = Vec::new();
    let mut rows = Vec::new();
    for id in ["c", "a"] {
        rows.push(b.begin_one(id).await?);
        written.push((id.to_owned(), 1));
    }
    let middle = b.store()?.journal_end().await?;
    for row in &rows {
        let save = b.fact(row, "moved");
        b.apply(save).await?;
        written.push((row.id.to_string(), 2));
    }
    b.begin_one("b").await?;
    written.push(("b".to_owned(), 1));
    let end = b.store()?.journal_end().await?;

    let read = async |mut after, limit| -> Result<Vec<(String, u64)>, Failure> {
        let mut all = Vec::new();
        loop {
            let journal = b.store()?.journal(after, limit).await?;
            check!(journal.unreadable.is_empty(), "unreadable entries");
            check!(journal.entries.len() <= limit, "more than the limit");
            if journal.entries.is_empty() {
                check_eq!(journal.next, after, "where an empty stretch ends");
                return Ok(all);
            }
            check!(journal.next > after, "it does not go on");
            let seen = journal.entries.iter();
            all.extend(seen.map(|entry| (entry.instance_id.to_string(), entry.seq)));
            after = journal.next;
        }
    };
    check_eq!(read(0, 100).await?, written, "all at once");
    check_eq!(read(0, 2).await?, written, "two at a time");
    check_eq!(read(middle, 1).await?, written[2..], "from the middle");
    check!(
        read(end, 100).await?.is_empty(),
        "there is more after the end"
    );
    check!(
        read(u64::MAX, 100).await?.is_empty(),
        "there is more beyond everything"
    );
    let whole = b.store()?.journal(0, 1).await?.entries;
    check_eq!(
        whole,
        b.store()?.history(&name("c"), 0, 1).await?,
        "an entry"
    );
    Ok(())
}

pub(super) async fn a_row_is_never_behind_the_journal<F: Fixture>(b: &mut Bench<F>) -> Outcome {
    let row = b.begin_one("a").await?;
    let end = b.end(&row);
    b.apply(end).await?;
    let journal = b.store()?.journal(0, 100).await?;
    let newest = journal.entries.last().map(|entry| entry.seq);
    let row = b.row("a").await?;
    check!(
        newest.is_some_and(|newest| newest <= row.revision),
        "entry {newest:?} came before revision {}",
        row.revision
    );
    check_eq!(newest, Some(row.revision), "the newest entry");
    Ok(())
}
