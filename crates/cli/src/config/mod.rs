//! The configuration (docs/interfaces.md): one TOML file, the environment laid over it, every error told
//! at once with its place.

mod check;
mod example;
mod load;
mod near;
mod notes;
mod problem;
mod reader;
mod relations;
mod secrets;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod urls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub(crate) use example::EXAMPLE;
pub(crate) use load::{Source, load};
pub(crate) use problem::Problem;
pub(crate) use show::{as_json, as_toml};

/// Everything that is configured.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file, unless everything came from the environment.
    pub(crate) file: Option<PathBuf>,
    /// `[store]`.
    pub(crate) store: Store,
    /// `[buy_with_prime]`, one per target; never empty.
    pub(crate) targets: Vec<Target>,
    /// `[refunds]`.
    pub(crate) refunds: Refunds,
    /// `[oms]`.
    pub(crate) oms: Oms,
    /// `[http]`.
    pub(crate) http: Http,
    /// `[policy]`.
    pub(crate) policy: Policy,
    /// `[limits]`.
    pub(crate) limits: Limits,
    /// `[retry]` and its sections, by the effect's name.
    pub(crate) retry: BTreeMap<&'static str, Retry>,
    /// `[runner]`.
    pub(crate) runner: Runner,
    /// `[log]`.
    pub(crate) log: Log,
    /// What is odd, but no error.
    pub(crate) warnings: Vec<Problem>,
    /// Every effective value, in the order of the sections.
    pub(crate) shown: Vec<notes::Shown>,
}

/// `[store]`.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// The SQLite file, absolute unless the working directory is unknown.
    pub(crate) path: PathBuf,
}

/// Time-outs of one remote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// For the connection.
    pub(crate) connect: Duration,
    /// For the whole request, its body included.
    pub(crate) request: Duration,
}

/// One target at Buy with Prime.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The target id.
    pub(crate) id: String,
    /// The GraphQL endpoint.
    pub(crate) endpoint: Url,
    /// Where tokens come from.
    pub(crate) token_endpoint: Url,
    /// OAuth client id.
    pub(crate) client_id: String,
    /// OAuth client secret.
    pub(crate) client_secret: SecretString,
    /// The header that names the target.
    pub(crate) header: String,
    /// The API version asked for.
    pub(crate) api_version: String,
    /// The kind of alias that carries our id.
    pub(crate) alias_type: String,
    /// Time-outs.
    pub(crate) timeouts: Timeouts,
    /// Calls per second.
    pub(crate) rate_limit: f64,
    /// How far the order query may lag.
    pub(crate) visibility_lag: Duration,
}

/// `[limits]`.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Payouts within an hour; 0: none.
    pub(crate) payouts_per_hour: u32,
    /// The sum of payouts within 24 hours, for each currency that has a limit.
    pub(crate) payout_amount_per_day: Vec<countermand::core::Money>,
}

/// `[refunds]`.
#[derive(Debug, Clone)]
pub(crate) struct Refunds {
    /// Where to pay and to look.
    pub(crate) url: Url,
    /// How long an idempotency key is relied upon.
    pub(crate) key_horizon: Duration,
    /// How long "not there" is disbelieved.
    pub(crate) quiet: Duration,
    /// Time-outs.
    pub(crate) timeouts: Timeouts,
}

/// `[oms]`.
#[derive(Debug, Clone)]
pub(crate) struct Oms {
    /// Where to tell it.
    pub(crate) url: Url,
    /// `whsec_` and base64.
    pub(crate) secret: SecretString,
    /// Time-outs.
    pub(crate) timeouts: Timeouts,
}

/// `[http]`.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Who may do what.
    pub(crate) tokens: Vec<Token>,
}

/// A bearer token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// Whose it is.
    pub(crate) name: String,
    /// What it allows.
    pub(crate) role: Role,
    /// The token itself.
    pub(crate) secret: SecretString,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// To read.
    Read,
    /// To change, and to read.
    Operate,
    /// To bring events.
    Ingest,
}

/// `[policy]`.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The shortest wait between looks at a pending order.
    pub(crate) poll_initial: Duration,
    /// The longest.
    pub(crate) poll_max: Duration,
    /// How long Amazon may take to decide before a person is told.
    pub(crate) pending_alarm: Duration,
    /// How long refunds are looked for.
    pub(crate) refund_grace: Duration,
    /// How long something may be missing before a person is asked.
    pub(crate) patience: Duration,
    /// Which refunds are ours to pay.
    pub(crate) refund_reasons: Vec<String>,
    /// Do events begin cancellations of their own?
    pub(crate) observe: bool,
}

/// How one effect is retried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// The wait after the first failure.
    pub(crate) initial: Duration,
    /// The longest wait.
    pub(crate) max: Duration,
    /// How many failures in a row before it stops; 0 for no limit.
    pub(crate) attempts: u32,
}

/// `[runner]`.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    /// Effects under way at once.
    pub(crate) concurrency: u32,
    /// How long a claim lasts.
    pub(crate) lease: Duration,
    /// How long a stop may take.
    pub(crate) shutdown_grace: Duration,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// Which lines are written.
    pub(crate) filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}
