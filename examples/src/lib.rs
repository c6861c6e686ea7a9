//! What the examples share: a simulated world to run in, so that each of them runs on a fresh
//! machine, and waits short enough to watch.

use std::time::Duration;

use anyhow::Context as _;
use countermand::buy_with_prime::{Client, Settings, http_client};
use countermand::{Pace, TargetId, Terms};
use countermand_simulator::{Handle, Options, Simulator};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a simulator of Buy with Prime, a refund provider and an OMS, on a free port.
///
/// # Errors
/// When no port can be listened on.
pub async fn simulator() -> anyhow::Result<Handle> {
    // The binary chooses the cryptography. Somebody may have chosen before: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = http_client(CONNECT_TIMEOUT).context("failed to build an HTTP client")?;
    Simulator::start(Options::new(client))
        .await
        .context("failed to start the simulator")
}

/// A client for the simulated Buy with Prime, and the id of the target it acts for.
///
/// # Errors
/// When the simulator's own addresses are unsound.
pub fn amazon(simulator: &Handle) -> anyhow::Result<(TargetId, Client)> {
    let credentials = simulator.credentials();
    let target: TargetId = credentials.target_id.parse()?;
    let settings = Settings {
        endpoint: simulator.endpoints().graphql.parse()?,
        token_endpoint: simulator.endpoints().token.parse()?,
        client_id: credentials.client_id.clone(),
        client_secret: credentials.client_secret.clone().into(),
        target_id: target.clone(),
        target_header: credentials.target_header.clone(),
        api_version: Settings::API_VERSION.to_owned(),
        extra_headers: Vec::new(),
        request_timeout: Duration::from_secs(2),
    };
    let client = countermand::connect(settings, CONNECT_TIMEOUT)?;
    Ok((target, client))
}

/// Terms for the simulator, where everything happens within a second. In production the defaults
/// are right: hours and days.
#[must_use]
pub fn short_terms() -> Terms {
    Terms {
        patience: Duration::from_secs(30),
        pending_alarm: Duration::from_secs(60),
        refund_grace: Duration::from_secs(1),
        visibility_lag: Duration::from_secs(4),
        quiet: Duration::from_secs(4),
        ..Terms::default()
    }
}

/// A pace for the simulator.
#[must_use]
pub fn short_pace() -> Pace {
    Pace {
        poll_initial: Duration::from_millis(100),
        poll_max: Duration::from_secs(1),
    }
}
