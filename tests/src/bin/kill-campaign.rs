//! Kills the daemon at random moments while it works, and judges what became of the orders.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use countermand_simulator::Chaos;
use countermand_tests::campaign::{Plant, Settings, run};
use countermand_tests::{PRODUCT, Program};

/// Kill the real daemon with SIGKILL at random moments while it cancels orders in a chaotic
/// simulated world, start it again each time, and judge: was anything lost, doubled or left behind?
#[derive(Debug, Parser)]
#[command(name = "kill-campaign", max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 nothing was lost, doubled, stuck or wrong; 1 something was, or the \
    campaign proves nothing (too few kills while a mutation was under way, a kind of chaos or a \
    result of a look that never came); 2 usage.\n\nOn failure the directory with store, log, \
    ledger.json and evidence.json (everything about the orders concerned) is kept and named, and \
    one line runs the same campaign again. Worlds are equal for equal seeds; the moments at which \
    kills strike are not, to the microsecond: run it a few times."
)]
struct Arguments {
    /// How often to kill the daemon
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// Decides all that is random [default: drawn from the clock, and printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How much goes wrong on the way to the remotes and back
    #[arg(long, default_value = "heavy", value_name = "LEVEL", value_parser = chaos())]
    chaos: Chaos,
    /// How many orders to keep in flight
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    orders_in_flight: u32,
    /// Keep store, configuration, log and ledger in this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Plant a fault that the campaign must find
    #[arg(long, hide = true, value_name = "FAULT", value_parser = plant())]
    plant: Option<Plant>,
}

fn chaos() -> impl TypedValueParser<Value = Chaos> {
    PossibleValuesParser::new(["none", "light", "heavy"]).try_map(|text| Chaos::from_str(&text))
}

fn plant() -> impl TypedValueParser<Value = Plant> {
    PossibleValuesParser::new(Plant::ALL.map(Plant::name)).try_map(|text| {
        Plant::ALL
            .into_iter()
            .find(|plant| plant.name() == text)
            .ok_or("no such fault")
    })
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // The daemon that is killed is this very executable, so it is never a stale one.
    if arguments.peek().is_some_and(|first| first == PRODUCT) {
        return countermand_cli::run(arguments);
    }
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(1, |since| u64::from(since.subsec_nanos()))
    });
    let settings = Settings {
        kills: arguments.kills,
        seed,
        chaos: arguments.chaos,
        in_flight: arguments.orders_in_flight as usize,
        directory: arguments.dir,
        plant: arguments.plant,
    };
    println!("seed {seed}");
    match campaign(&settings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            again(&settings);
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("seed {seed}: {error:#}");
            again(&settings);
            ExitCode::FAILURE
        }
    }
}

fn campaign(settings: &Settings) -> anyhow::Result<bool> {
    let program = Program::new(std::env::current_exe().context("this program cannot be found")?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(program, settings, |line| eprintln!("{line}")))?;
    println!("{outcome}");
    for (kind, finding) in outcome.found() {
        println!(
            "seed {}: {kind}: order {}: {}",
            outcome.seed, finding.order_id, finding.what
        );
    }
    if let Some(directory) = &outcome.directory {
        println!("its files are in {}", directory.display());
    }
    Ok(outcome.is_good())
}

/// How to run the same once more.
fn again(settings: &Settings) {
    let plant = settings
        .plant
        .map_or_else(String::new, |plant| format!(" --plant {}", plant.name()));
    println!(
        "again: cargo run -p countermand-tests --bin kill-campaign -- --kills {} --seed {} --chaos {} \
         --orders-in-flight {}{plant}",
        settings.kills, settings.seed, settings.chaos, settings.in_flight
    );
}
