//! In doubt, end to end: every mutation, every way of losing its answer, every time to lose it at.
//! At most one effect, the right end, and a history that says *unknown* before anything is believed.

mod cell;
mod table;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use table::{Cell, Time};

/// Worlds at once, in all tests together; each has a simulator and a daemon of its own.
static ROOM: Semaphore = Semaphore::const_new(6);

/// Runs all cells and tells everything that is wrong with any of them.
async fn all(cells: Vec<Cell>) -> anyhow::Result<()> {
    assert!(!cells.is_empty());
    let mut running = JoinSet::new();
    for (number, cell) in cells.into_iter().enumerate() {
        running.spawn(async move {
            let _permit = ROOM.acquire().await;
            let seed = u64::try_from(number).unwrap_or_default() + 1;
            (cell, cell::run(cell, seed).await)
        });
    }
    let (mut good, mut failures) = (0, Vec::new());
    while let Some(done) = running.join_next().await {
        match done? {
            (_, Ok(())) => good += 1,
            (cell, Err(error)) => failures.push(format!("{cell}\n    {error:#}")),
        }
    }
    failures.sort();
    assert!(
        failures.is_empty(),
        "{good} cells are good, {} are not:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

fn at(time: Time) -> Vec<Cell> {
    table::cells()
        .into_iter()
        .filter(|cell| cell.time == time)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_crash() -> anyhow::Result<()> {
    all(at(Time::NoCrash)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_just_after_the_send() -> anyhow::Result<()> {
    all(at(Time::Killed)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_for_longer_than_the_key_horizon() -> anyhow::Result<()> {
    all(at(Time::OffBeyondTheHorizon)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_incarnations_later() -> anyhow::Result<()> {
    all(at(Time::TwoIncarnationsLater)).await
}
