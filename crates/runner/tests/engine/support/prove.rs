//! The history proves the row.

use countermand_core::{Epoch, Opening, Stamp, Workflow, fold};
use countermand_store::{Filter, Row, Store};

use super::{Input, Parcel, Ship};

/// Replays every history and compares it with its row.
pub(crate) async fn prove<S: Store>(store: &S, workflow: &Parcel) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .list(&Filter::default(), after.as_ref(), 100)
            .await
            .unwrap();
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for row in &rows {
        prove_row(store, workflow, row).await;
    }
    rows
}

async fn prove_row<S: Store>(store: &S, workflow: &Parcel, row: &Row) {
    let entries = store.history(&row.id, 0, 10_000).await.unwrap();
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(
        numbers,
        (1..=row.revision).collect::<Vec<_>>(),
        "without gaps"
    );
    let mut epoch = Epoch(0);
    for pair in entries.windows(2) {
        assert_eq!(pair[0].entry.to, pair[1].entry.from, "{}", row.id);
        assert!(pair[0].entry.at <= pair[1].entry.at);
    }
    for entry in &entries {
        assert!(entry.entry.epoch >= epoch, "epochs never fall");
        epoch = entry.entry.epoch;
    }
    let last = entries.last().unwrap();
    assert_eq!((last.hash, &last.entry.to), (row.head, &row.body.phase));

    let stamp = |entry: &countermand_store::Entry| Stamp {
        at: entry.entry.at,
        seq: entry.seq,
        epoch: entry.entry.epoch,
    };
    let opening: Opening<Ship, u32> = serde_json::from_str(&entries[0].entry.input).unwrap();
    let accepted = entries[1..]
        .iter()
        .filter(|entry| entry.entry.accepted)
        .map(|entry| {
            let input: Input = serde_json::from_str(&entry.entry.input).unwrap();
            (input, stamp(entry))
        });
    let state = fold(workflow, &row.id, &opening, stamp(&entries[0]), accepted).unwrap();
    assert_eq!(
        serde_json::to_string(&state).unwrap(),
        row.body.state,
        "{}",
        row.id
    );
    let projection = workflow.project(&state);
    assert_eq!(projection.phase, row.body.phase);
    assert_eq!(projection.finished, row.finished_at.is_some());
    assert_eq!(projection.finished, row.due_at.is_none());
}
