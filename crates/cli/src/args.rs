//! The command line (docs/interfaces.md): every command and flag, once.

#![expect(
    clippy::doc_markdown,
    reason = "comments of flags are printed as they stand"
)]

mod parse;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use countermand::{
    CancellationReason, InstanceId, Money, OrderId, PaymentId, RefundId, STATES, Status,
};
use countermand_simulator::Chaos;
use url::Url;

use parse::{actor, amount, chaos, duration, reasons, statuses, token, wait, words};

/// What the program's end means; the same for every command.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 no such thing, \
    4 refused or in conflict, 5 finished but not cancelled, 6 the store cannot be used, \
    7 the configuration is wrong, 8 still under way, 9 the daemon cannot be reached.";

/// Durable order cancellations for Buy with Prime.
#[derive(Debug, Parser)]
#[command(
    name = "countermand",
    version,
    max_term_width = 80,
    disable_help_subcommand = false
)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration [default: $COUNTERMAND_CONFIG, else ./countermand.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON: one document, or one per line for lists
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Stop when standard input ends: for a parent that must not leave a daemon behind
    #[arg(long, hide = true)]
    pub(crate) while_stdin_is_open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job on this machine: cancel orders, kill the daemon in the middle, prove the result
    Demo(Demo),
    /// Run the daemon
    Serve(Serve),
    /// Ask for a cancellation, durably
    Cancel(Cancel),
    /// List cancellations, newest first
    List(List),
    /// Show one cancellation: where it is, why, what happens next and when
    Show(Show),
    /// Tell one cancellation in plain language: who asked, what happened, what is next
    Report(Report),
    /// Follow changes: those of all cancellations, or one's until it is finished
    Watch(Watch),
    /// Try again now what stopped or waits after a failure
    Retry(Retry),
    /// Give a cancellation up, while nothing was sent
    Withdraw(Withdraw),
    /// Supply a fact that you know
    Resolve(Resolve),
    /// Write something down in a cancellation's history
    Note(Note),
    /// Take in events: EventBridge envelopes, webhook bodies or SQS messages, one or many
    Event(Event),
    /// Look at orders whose events may have been lost; never cancels
    Observe(Observe),
    /// Replay every history, compare it with every row, check the invariants
    Verify,
    /// Count cancellations per state and status
    Stats,
    /// Draw the life cycle
    Diagram(Diagram),
    /// Run the simulated world alone: Buy with Prime, a refund provider, an OMS
    Simulate(Simulate),
    /// Look after the store
    #[command(subcommand)]
    Db(Db),
    /// Look after the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions of a shell
    Completions(Completions),
    /// Write man pages, one per command
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many orders to cancel
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) orders: u32,
    /// Decides all that is random in the simulated world
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// How much goes wrong on the way to the remotes and back
    #[arg(long, default_value = "none", value_name = "LEVEL", value_parser = chaos())]
    pub(crate) chaos: Chaos,
    /// Keep store, configuration and log in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The order
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        value_name = "ORDER_ID"
    )]
    pub(crate) order_id: Option<OrderId>,
    /// The reason to give to Amazon
    #[arg(long, value_name = "REASON", value_parser = reasons(), conflicts_with = "file")]
    pub(crate) reason: Option<CancellationReason>,
    /// The comments to give to Amazon; required with the reason OTHER
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub(crate) comments: Option<String>,
    /// Your own id for it: asking again with the same id and content is safe
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    pub(crate) external_id: Option<String>,
    /// The target, where several are configured
    #[arg(long, value_name = "ID")]
    pub(crate) target: Option<String>,
    /// Wait until it is finished or needs a person, for at most DURATION
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "forever", value_parser = wait)]
    pub(crate) wait: Option<Wait>,
    /// Many at once: JSON lines or CSV, `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// How long to wait; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Option<Duration>);

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    pub(crate) state: Option<String>,
    /// Only those with this status
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    pub(crate) status: Option<Status>,
    /// Only those of this order
    #[arg(long, value_name = "ORDER_ID")]
    pub(crate) order: Option<OrderId>,
    /// Only those that began at least so long ago, such as 2h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// As many as there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The cancellation's id, or the order's: then the live one, else the newest
    #[arg(value_name = "ID|ORDER_ID", value_parser = token)]
    pub(crate) id: String,
    /// With everything that happened to it
    #[arg(long)]
    pub(crate) history: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The cancellation's id, or the order's: then the live one, else the newest
    #[arg(value_name = "ID|ORDER_ID", value_parser = token)]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only this cancellation, by its id or the order's, until it is finished
    #[arg(value_name = "ID", value_parser = token)]
    pub(crate) id: Option<String>,
}

/// Who did it.
#[derive(Debug, Args)]
pub(crate) struct Actor {
    /// Who does this, for the history [default: your user name]
    #[arg(long, value_name = "NAME", value_parser = actor)]
    pub(crate) actor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The cancellation
    pub(crate) id: InstanceId,
    #[command(flatten)]
    pub(crate) actor: Actor,
}

#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// The cancellation
    pub(crate) id: InstanceId,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) actor: Actor,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The cancellation
    pub(crate) id: InstanceId,
    /// What you know
    #[arg(long, value_name = "FACT")]
    pub(crate) fact: FactName,
    /// How you know it, for the history
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) note: String,
    /// The refund (refund_paid, refund_not_due)
    #[arg(long, value_name = "ID", required_if_eq_any = [("fact", "refund_paid"), ("fact", "refund_not_due")])]
    pub(crate) refund: Option<RefundId>,
    /// The payment's id at whoever paid (refund_paid)
    #[arg(long, value_name = "ID", required_if_eq("fact", "refund_paid"))]
    pub(crate) payment_id: Option<PaymentId>,
    /// How much was paid, such as "43.99 USD"; the currency may be left out where the refund's is
    /// known (refund_paid)
    #[arg(long, value_name = "AMOUNT", required_if_eq("fact", "refund_paid"), value_parser = amount)]
    pub(crate) amount: Option<Amount>,
    #[command(flatten)]
    pub(crate) actor: Actor,
}

/// An amount as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Amount {
    /// With its currency.
    Whole(Money),
    /// A sound number, in the currency of whatever it is about.
    Bare(String),
}

/// The facts that a person may supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum FactName {
    /// Amazon cancelled the order
    Cancelled,
    /// Amazon will not cancel the order
    Rejected,
    /// The attempt in doubt did not reach Amazon
    NotSent,
    /// The refund was paid by hand
    RefundPaid,
    /// The refund is not to be paid
    RefundNotDue,
    /// The OMS knows everything that it was still to be told
    OmsTold,
    /// What an event named is not there
    EventWrong,
}

#[derive(Debug, Args)]
pub(crate) struct Note {
    /// The cancellation
    pub(crate) id: InstanceId,
    /// What to write down
    #[arg(value_parser = words)]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) actor: Actor,
}

#[derive(Debug, Args)]
pub(crate) struct Event {
    /// The events; `-` for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Observe {
    /// The orders
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        value_name = "ORDER_ID"
    )]
    pub(crate) order_ids: Vec<OrderId>,
    /// Many at once: one id a line, JSON lines or CSV; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The target, where several are configured
    #[arg(long, value_name = "ID")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) actor: Actor,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to; created when it is not there
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Diagram {
    /// In which language
    #[arg(long, value_enum, default_value_t = DiagramFormat::Mermaid)]
    pub(crate) format: DiagramFormat,
    /// Mark where this cancellation is, by its id or the order's
    #[arg(long, value_name = "ID|ORDER_ID", value_parser = token)]
    pub(crate) of: Option<String>,
}

/// Languages of drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagramFormat {
    Mermaid,
    Dot,
    /// A picture that stands alone; with --of also the way it came
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8181")]
    pub(crate) listen: SocketAddr,
    /// Decides all that is random
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// How much goes wrong
    #[arg(long, default_value = "none", value_name = "LEVEL", value_parser = chaos())]
    pub(crate) chaos: Chaos,
    /// Where to send events, such as http://127.0.0.1:8080/v1/events
    #[arg(long, value_name = "URL")]
    pub(crate) events_to: Option<Url>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// What the store says of itself
    Info,
    /// Create the store, or bring it to the newest schema
    Migrate,
    /// Copy the store to a new file, also while a daemon runs
    Backup(Backup),
    /// Make a store of a backup; whatever is unfinished in it looks before it acts
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The backup; no file of this name may be there
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Move a store that is there aside
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and tell everything that is wrong with it
    Check(ConfigCheck),
    /// Print the effective configuration, secrets hidden
    Show,
    /// Print a complete example that works against `countermand simulate`
    Example,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfigCheck {
    /// Try it on the remotes too: token, one read, schema, reach. Changes nothing there
    #[arg(long)]
    pub(crate) online: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn waits() {
        let parse = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            match cli.command {
                Command::Cancel(cancel) => cancel.wait,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(parse("countermand cancel 322-A"), None);
        assert_eq!(parse("countermand cancel 322-A --wait"), Some(Wait(None)));
        assert_eq!(parse("countermand cancel --wait 322-A"), Some(Wait(None)));
        assert_eq!(
            parse("countermand cancel 322-A --wait=250ms"),
            Some(Wait(Some(Duration::from_millis(250))))
        );
    }
}
