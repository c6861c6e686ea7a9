//! From the configuration to a running engine, with the HTTP adapters of every remote.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand::buy_with_prime::Settings;
use countermand::core::Backoff;
use countermand::runner::{Limits, Options, Rate, Retry};
use countermand::store::SqliteStore;
use countermand::{
    Countermand, Handle, HttpOms, HttpOptions, HttpRefundProvider, Pace, Target, TargetId, Terms,
};

use crate::config::{Config, Target as TargetConfig, Timeouts};
use crate::daemon::chain;
use crate::exit::{Exit, Failure};
use crate::store::Mode;

/// Remote name of Buy with Prime in the runner's limits.
const BUY_WITH_PRIME: &str = countermand::core::cancellation::effect::BUY_WITH_PRIME;

/// Starts the engine on an open store.
pub(crate) async fn start(
    config: &Config,
    store: SqliteStore,
    mode: Mode,
) -> Result<Handle, Failure> {
    let refunds =
        HttpRefundProvider::new(http_options(&config.refunds.url, config.refunds.timeouts))
            .map_err(|error| refused("[refunds]", &error))?;
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

fn connect(target: &TargetConfig) -> Result<Target, Failure> {
    let id: TargetId = target
        .id
        .parse()
        .map_err(|error| refused("[buy_with_prime]", &error))?;
    let settings = Settings {
        endpoint: target.endpoint.clone(),
        token_endpoint: target.token_endpoint.clone(),
        client_id: target.client_id.clone(),
        client_secret: target.client_secret.clone(),
        target_id: id.clone(),
        target_header: target.header.clone(),
        api_version: target.api_version.clone(),
        extra_headers: Vec::new(),
        request_timeout: target.timeouts.request,
    };
    let client = countermand::connect(settings, target.timeouts.connect)
        .map_err(|error| refused("[buy_with_prime]", &error))?;
    let mut common = Target::new(id, client);
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
    // The engine knows one Buy with Prime: with several targets the slowest limit holds for all.
    let rate = config
        .targets
        .iter()
        .filter_map(|target| Rate::per_second(target.rate_limit))
        .max_by_key(|rate| rate.period);
    let remotes = BTreeMap::from([(
        BUY_WITH_PRIME.to_owned(),
        Limits {
            rate,
            ..Limits::default()
        },
    )]);
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
        remotes,
        ..defaults
    }
}
