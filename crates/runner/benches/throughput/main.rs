//! How much the engine costs beside the disk: the peers' workflow of seven transitions, each
//! acknowledged only after its commit, against a bare writer thread on plain SQLite. Both sides run
//! in turn, in one run, on one disk; only the ratios mean anything.
//!
//! `cargo bench -p countermand-runner --bench throughput`

mod engine;
mod ladder;
mod raw;
mod report;

use ladder::TOP;
use report::{Run, median};

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{ROUNDS} rounds in turn, medians; a workflow has {TOP} transitions");
    println!(
        "{:>9} {:>6} {:>12} {:>14} {:>9} {:>9} {:>8} {:>6}",
        "in flight", "side", "workflows/s", "transitions/s", "p50 ms", "p99 ms", "bytes", "ratio"
    );
    for (in_flight, workflows) in [(1, 300), (64, 4_000), (1_000, 8_000)] {
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let directory = tempfile::tempdir()?;
            raw.push(runtime.block_on(raw::run(directory.path(), workflows, in_flight))?);
            ours.push(runtime.block_on(engine::run(directory.path(), workflows, in_flight))?);
        }
        let limit = print(in_flight, "raw", &raw, None);
        print(in_flight, "engine", &ours, limit);
    }
    Ok(())
}

fn print(in_flight: usize, side: &str, runs: &[Run], limit: Option<f64>) -> Option<f64> {
    let per_second = median(runs.iter().map(|run| run.per_second))?;
    let p50 = median(runs.iter().map(|run| run.p50))?;
    let p99 = median(runs.iter().map(|run| run.p99))?;
    let bytes = median(runs.iter().map(|run| run.bytes_each))?;
    let ratio = limit.map_or_else(String::new, |limit| format!("{:.2}", per_second / limit));
    println!(
        "{in_flight:>9} {side:>6} {per_second:>12.0} {:>14.0} {:>9.2} {:>9.2} {bytes:>8} {ratio:>6}",
        per_second * f64::from(TOP),
        p50.as_secs_f64() * 1000.0,
        p99.as_secs_f64() * 1000.0,
    );
    Some(per_second)
}
