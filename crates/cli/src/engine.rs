//! From the configuration to a running engine, with the HTTP adapters of every remote.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand::buy_with_prime::{Client, Settings};
use countermand::core::Backoff;
use countermand::runner::{BreakerLimits, Limits, Options, Rate, Retry, SpendLimits};
use countermand::store::SqliteStore;
use countermand::{
    Countermand, Handle, HttpOms, HttpOptions, HttpRefundProvider, Pace, Target, TargetId, Terms,
};

use crate::config::{Config, Target as TargetConfig, Timeouts};
use crate::daemon::chain;
use crate::exit::{Exit, Failure};
use crate::store::Mode;

/// Remote name of Buy with Prime in the runner's limits; its parts are the targets.
const BUY_WITH_PRIME: &str = countermand::core::cancellation::effect::BUY_WITH_PRIME;

/// Starts the engine on an open store.
pub(crate) async fn start(
    config: &Config,
    store: SqliteStore,
    mode: Mode,
) -> Result<Handle, Failure> {
    let refunds = refund_provider(config)?;
    let oms = HttpOms::new(
        http_options(&config.oms.url, config.oms.timeouts),
        &config.oms.secret,
    )
    .map_err(|error| refused("[oms]", &error))?;
    let mut builder = Countermand::on(store)
        .refunds(refunds)
        .oms(oms)
        .terms(terms(config))
        .pace(Pace {
            poll_initial: config.policy.poll_initial,
            poll_max: config.policy.poll_max,
        })
        .observe(config.policy.observe)
        .options(options(config, mode));
    for target in &config.targets {
        builder = builder.target_with(connect(target)?);
    }
    builder
        .start()
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))
}

/// The way to the refund provider.
pub(crate) fn refund_provider(config: &Config) -> Result<HttpRefundProvider, Failure> {
    HttpRefundProvider::new(http_options(&config.refunds.url, config.refunds.timeouts))
        .map_err(|error| refused("[refunds]", &error))
}

/// What was checked with the configuration can only be refused where the two checks differ.
fn refused(section: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Config, format!("{section}: {}", chain(error)))
}

fn http_options(url: &url::Url, timeouts: Timeouts) -> HttpOptions {
    HttpOptions {
        url: url.clone(),
        connect_timeout: timeouts.connect,
        request_timeout: timeouts.request,
    }
}

/// The way to Buy with Prime, for one target.
pub(crate) fn client(target: &TargetConfig) -> Result<Client, Failure> {
    let settings = Settings {
        endpoint: target.endpoint.clone(),
        token_endpoint: target.token_endpoint.clone(),
        client_id: target.client_id.clone(),
        client_secret: target.client_secret.clone(),
        target_id: target_id(target)?,
        target_header: target.header.clone(),
        api_version: target.api_version.clone(),
        extra_headers: Vec::new(),
        request_timeout: target.timeouts.request,
    };
    countermand::connect(settings, target.timeouts.connect)
        .map_err(|error| refused("[buy_with_prime]", &error))
}

fn target_id(target: &TargetConfig) -> Result<TargetId, Failure> {
    target
        .id
        .parse()
        .map_err(|error| refused("[buy_with_prime]", &error))
}

fn connect(target: &TargetConfig) -> Result<Target, Failure> {
    let mut common = Target::new(target_id(target)?, client(target)?);
    common.visibility_lag = Some(target.visibility_lag);
    common.alias_type = Some(target.alias_type.clone());
    Ok(common)
}

/// What is agreed with new cancellations; each target has a visibility lag and an alias of its own.
fn terms(config: &Config) -> Terms {
    Terms {
        patience: config.policy.patience,
        pending_alarm: config.policy.pending_alarm,
        refund_grace: config.policy.refund_grace,
        quiet: config.refunds.quiet,
        key_horizon: config.refunds.key_horizon,
        refund_reasons: config.policy.refund_reasons.clone(),
        ..Terms::default()
    }
}

fn options(config: &Config, mode: Mode) -> Options {
    let defaults = Options::default();
    let amazon = config
        .targets
        .iter()
        .map(|target| target.timeouts.request)
        .max()
        .unwrap_or(defaults.budget);
    let budget_of = BTreeMap::from([
        ("read_order".to_owned(), amazon),
        ("cancel_order".to_owned(), amazon),
        ("report_refund".to_owned(), amazon),
        ("pay_refund".to_owned(), config.refunds.timeouts.request),
        ("update_oms".to_owned(), config.oms.timeouts.request),
    ]);
    let retry_of = config
        .retry
        .iter()
        .map(|(effect, retry)| {
            let backoff = Backoff {
                initial: retry.initial,
                max: retry.max,
            };
            let retry = Retry {
                backoff,
                attempts: retry.attempts,
            };
            ((*effect).to_owned(), retry)
        })
        .collect();
    // Nobody is left alone for longer than the longest wait between two tries.
    let breaker = BreakerLimits::default();
    let longest = config.retry.values().map(|retry| retry.max).max();
    let longest = longest.unwrap_or(breaker.open_max);
    let spared = Limits {
        breaker: BreakerLimits {
            open: breaker.open.min(longest),
            open_max: breaker.open_max.min(longest),
            ..breaker
        },
        ..Limits::default()
    };
    // Each target has a rate limit and a circuit breaker of its own.
    let remotes = config
        .targets
        .iter()
        .map(|target| {
            let limits = Limits {
                rate: Rate::per_second(target.rate_limit),
                ..spared
            };
            (format!("{BUY_WITH_PRIME}/{}", target.id), limits)
        })
        .collect();
    Options {
        concurrency: config.runner.concurrency as usize,
        held: match mode {
            Mode::Drive => defaults.held,
            Mode::StoreOnly | Mode::Existing => 0,
        },
        lease: config.runner.lease,
        // Short durations must not wait for the engine's own look round.
        poll: defaults
            .poll
            .min(config.policy.poll_max.max(Duration::from_millis(100))),
        budget: amazon,
        budget_of,
        retry_of,
        remote: spared,
        remotes,
        spending: SpendLimits {
            payments_per_hour: Some(config.limits.payouts_per_hour.into()),
            amount_per_day: config.limits.payout_amount_per_day.clone(),
        },
        ..defaults
    }
}
