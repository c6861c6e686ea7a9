//! Random failures on virtual time: equal seeds, equal runs; and every run comes to a good end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use countermand_store::{MemoryStore, Store};

use crate::support::{Parcel, Phase, Remotes, Rig, options, parcel, prove, virtual_clock};

const PARCELS: usize = 5;

/// Everything that happened, as text.
async fn trace(seed: u64) -> String {
    let store = Arc::new(MemoryStore::new(virtual_clock()));
    let remotes = Arc::new(Remotes::chaotic(seed));
    let rig = Rig::over(store, remotes, options(), parcel(), seed);
    let mut parcels = Vec::new();
    for number in 0..PARCELS {
        parcels.push(rig.start(&format!("p{number}")).await);
        tokio::time::sleep(Duration::from_millis(seed % 50)).await;
    }
    // Two restarts in the middle, the second one by surprise of the first.
    let mut rig = rig;
    for restart in 0..2 {
        tokio::time::sleep(Duration::from_millis(300 + seed * 7 % 900)).await;
        rig.world.kill().await;
        let store = Arc::new(rig.store.reopen());
        let seed = seed * 1000 + restart;
        rig = Rig::over(store, rig.remotes.clone(), options(), parcel(), seed);
    }
    for instance in &parcels {
        let done = rig.finished(instance).await;
        assert_eq!(done.state.phase, Phase::Done);
        assert_eq!(
            rig.remotes.shipped(&done.state.name),
            1,
            "seed {seed}: {}",
            done.state.name
        );
    }
    let ledger = rig.remotes.ledger();
    let mut messages = ledger.messages.clone();
    messages.sort();
    messages.dedup();
    assert_eq!(
        messages.len(),
        PARCELS,
        "byte-identical, seed {seed}: {messages:?}"
    );
    let rows = prove(&*rig.store, &Parcel::default()).await;
    let mut trace = format!("{:?}\n{rows:?}\n", ledger.calls);
    for row in rows {
        let entries = rig.store.history(&row.id, 0, 10_000).await.unwrap();
        writeln!(trace, "{entries:?}").unwrap();
    }
    rig.handle.shutdown(Duration::from_secs(1)).await;
    trace
}

/// Each run in a runtime of its own: a paused clock starts anew with each.
fn run(seed: u64) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(trace(seed))
}

#[test]
fn equal_seeds_equal_runs() {
    std::panic::set_hook(Box::new(|panic| {
        // The performer breaks on purpose; the rest is worth reading.
        let text = panic.to_string();
        if !text.contains("the performer of") {
            eprintln!("{text}");
        }
    }));
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let trace = run(seed);
        assert!(
            trace == run(seed),
            "seed {seed} ran differently the second time"
        );
        assert!(traces.insert(trace), "seed {seed} ran as another one did");
    }
}
