//! One module per command.

mod batch;
mod cancel;
mod completions;
mod config;
mod db;
mod diagram;
mod event;
mod list;
mod man;
mod observe;
mod online;
mod operate;
mod report;
mod serve;
mod show;
mod simulate;
mod stats;
mod verify;
mod watch;

pub(crate) use simulate::OMS_SECRET;

use std::future::Future;

use crate::args::{Cli, Command, Global};
use crate::config::{Config, Problem, Source, load};
use crate::exit::{Exit, Failure};
use crate::output::{Output, tell};

/// Runs the command.
pub(crate) fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    let mut out = Output::new(global.json);
    let exit = match command {
        Command::Config(command) => block_on(config::run(command, &global, &mut out)),
        Command::Completions(arguments) => completions::run(&arguments, &mut out),
        Command::Man(arguments) => man::run(&arguments, &mut out),
        Command::Demo(arguments) => block_on(crate::demo::run(&arguments, &mut out)),
        Command::Serve(arguments) => block_on(serve::run(&arguments, &global)),
        Command::Cancel(arguments) => block_on(cancel::run(&arguments, &global, &mut out)),
        Command::List(arguments) => block_on(list::run(&arguments, &global, &mut out)),
        Command::Show(arguments) => block_on(show::run(&arguments, &global, &mut out)),
        Command::Report(arguments) => block_on(report::run(&arguments, &global, &mut out)),
        Command::Watch(arguments) => block_on(watch::run(&arguments, &global, &mut out)),
        Command::Retry(arguments) => block_on(operate::retry(&arguments, &global, &mut out)),
        Command::Withdraw(arguments) => block_on(operate::withdraw(&arguments, &global, &mut out)),
        Command::Resolve(arguments) => block_on(operate::resolve(&arguments, &global, &mut out)),
        Command::Note(arguments) => block_on(operate::note(&arguments, &global, &mut out)),
        Command::Event(arguments) => block_on(event::run(&arguments, &global, &mut out)),
        Command::Observe(arguments) => block_on(observe::run(&arguments, &global, &mut out)),
        Command::Verify => block_on(verify::run(&global, &mut out)),
        Command::Stats => block_on(stats::run(&global, &mut out)),
        Command::Diagram(arguments) => block_on(diagram::run(&arguments, &global, &mut out)),
        Command::Simulate(arguments) => block_on(simulate::run(&arguments, &mut out)),
        Command::Db(command) => block_on(db::run(&command, &global, &mut out)),
    }?;
    out.flush()?;
    Ok(exit)
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the runtime cannot be started: {error}"),
            )
        })?;
    let result = runtime.block_on(async {
        crate::signals::outlive_file_size_limits();
        work.await
    });
    // Whatever still runs is of no consequence: what had to be durable is.
    runtime.shutdown_background();
    result
}

/// The configuration of the command line; all its errors at once.
fn configuration(global: &Global) -> Result<Config, Failure> {
    load(&Source::of_process(global.config.clone()))
        .map_err(|problems| wrong_configuration(&problems))
}

fn wrong_configuration(problems: &[Problem]) -> Failure {
    let mut message = match problems.len() {
        1 => "the configuration is wrong".to_owned(),
        count => format!("the configuration is wrong in {count} places"),
    };
    for problem in problems {
        message.push('\n');
        message.push_str(&problem.to_string());
    }
    Failure::new(Exit::Config, message).with(serde_json::json!({ "problems": problems }))
}

/// What is odd about the configuration goes to stderr.
fn warn(config: &Config) {
    for warning in &config.warnings {
        tell(format!("warning: {warning}"));
    }
}
