//! A runner that does what there is to do and ends: for a cron job, or a machine that sleeps.
//!
//! It takes up what is due in the store, drives it until everything waits (for Amazon, for a
//! refund, for a person), says what the store holds, and stops. Run it again later.
//!
//!     COUNTERMAND_STORE__URL=countermand.db \
//!     COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID=… COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET=… \
//!     COUNTERMAND_BUY_WITH_PRIME__TARGET_ID=bp-… \
//!     COUNTERMAND_REFUNDS__URL=https://… COUNTERMAND_OMS__URL=https://… \
//!     COUNTERMAND_OMS__SECRET=whsec_… \
//!     cargo run -p countermand-examples --example runner [ORDER_ID...]
//!
//! Orders given are asked to be cancelled first. Without any of these variables it runs in a
//! simulated world of its own.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, bail};
use countermand::buy_with_prime::Settings;
use countermand::{
    CancelOutcome, Countermand, Draft, Handle, HttpOms, HttpOptions, HttpRefundProvider, Pace,
    Status, TargetId, Terms,
};
use countermand_examples::{short_pace, short_terms, simulator};
use countermand_simulator as simulated;

/// What the environment says.
struct Setup {
    store: String,
    amazon: Settings,
    refunds: HttpOptions,
    oms: HttpOptions,
    secret: String,
    terms: Terms,
    pace: Pace,
}

impl Setup {
    fn from_env() -> anyhow::Result<Option<Self>> {
        let names = [
            "COUNTERMAND_STORE__URL",
            "COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID",
            "COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET",
            "COUNTERMAND_BUY_WITH_PRIME__TARGET_ID",
            "COUNTERMAND_REFUNDS__URL",
            "COUNTERMAND_OMS__URL",
            "COUNTERMAND_OMS__SECRET",
        ];
        let missing: Vec<&str> = names
            .into_iter()
            .filter(|name| env::var_os(name).is_none())
            .collect();
        if missing.len() == names.len() {
            return Ok(None);
        }
        if !missing.is_empty() {
            bail!("set {} as well, or none of them", missing.join(", "));
        }
        let var = |name: &str| env::var(name).with_context(|| format!("failed to read {name}"));
        let or = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        let target: TargetId = var("COUNTERMAND_BUY_WITH_PRIME__TARGET_ID")?.parse()?;
        Ok(Some(Self {
            store: var("COUNTERMAND_STORE__URL")?
                .trim_start_matches("sqlite://")
                .to_owned(),
            amazon: Settings {
                endpoint: or("COUNTERMAND_BUY_WITH_PRIME__ENDPOINT", Settings::ENDPOINT).parse()?,
                token_endpoint: or(
                    "COUNTERMAND_BUY_WITH_PRIME__TOKEN_ENDPOINT",
                    Settings::TOKEN_ENDPOINT,
                )
                .parse()?,
                client_id: var("COUNTERMAND_BUY_WITH_PRIME__CLIENT_ID")?,
                client_secret: var("COUNTERMAND_BUY_WITH_PRIME__CLIENT_SECRET")?.into(),
                target_id: target,
                target_header: or(
                    "COUNTERMAND_BUY_WITH_PRIME__TARGET_HEADER",
                    Settings::TARGET_HEADER,
                ),
                api_version: Settings::API_VERSION.to_owned(),
                extra_headers: Vec::new(),
                request_timeout: Settings::REQUEST_TIMEOUT,
            },
            refunds: HttpOptions::new(var("COUNTERMAND_REFUNDS__URL")?.parse()?),
            oms: HttpOptions::new(var("COUNTERMAND_OMS__URL")?.parse()?),
            secret: var("COUNTERMAND_OMS__SECRET")?,
            terms: Terms::default(),
            pace: Pace::default(),
        }))
    }

    fn simulated(world: &simulated::Handle, store: String) -> anyhow::Result<Self> {
        let credentials = world.credentials();
        let endpoints = world.endpoints();
        Ok(Self {
            store,
            amazon: Settings {
                endpoint: endpoints.graphql.parse()?,
                token_endpoint: endpoints.token.parse()?,
                client_id: credentials.client_id.clone(),
                client_secret: credentials.client_secret.clone().into(),
                target_id: credentials.target_id.parse()?,
                target_header: credentials.target_header.clone(),
                api_version: Settings::API_VERSION.to_owned(),
                extra_headers: Vec::new(),
                request_timeout: Duration::from_secs(2),
            },
            refunds: HttpOptions::new(endpoints.refunds.parse()?),
            oms: HttpOptions::new(endpoints.oms.parse()?),
            secret: "whsec_c2ltdWxhdGVk".to_owned(),
            terms: short_terms(),
            pace: short_pace(),
        })
    }

    async fn start(&self) -> anyhow::Result<Handle> {
        let amazon = countermand::connect(self.amazon.clone(), Duration::from_secs(5))?;
        let engine = Countermand::sqlite(self.store.as_str())
            .await?
            .target(self.amazon.target_id.clone(), amazon)
            .refunds(HttpRefundProvider::new(self.refunds.clone())?)
            .oms(HttpOms::new(self.oms.clone(), &self.secret.clone().into())?)
            .terms(self.terms.clone())
            .pace(self.pace)
            .start()
            .await?;
        Ok(engine)
    }
}

/// Takes up what is due, and stops once everything waits. Answers whether anything is unfinished.
async fn drive(setup: &Setup, orders: &[String]) -> anyhow::Result<bool> {
    let engine = setup.start().await?;
    for order in orders {
        let draft = Draft {
            order_id: order.clone(),
            ..Draft::default()
        };
        match engine.cancel(&draft, Some("runner")).await? {
            CancelOutcome::Created(view) => println!("{order}: {}", view.id),
            CancelOutcome::Existing(view) => println!("{order}: {} as before", view.id),
            CancelOutcome::Conflict(conflict) => println!("{order}: {conflict}"),
        }
    }
    engine.idle().await;
    let stats = engine.stats().await?;
    for count in &stats.counts {
        println!("{:>6}  {} ({:?})", count.count, count.state, count.status);
    }
    engine.shutdown(Duration::from_secs(35)).await;
    let unfinished = |status: Status| matches!(status, Status::Running | Status::Waiting);
    Ok(stats.counts.iter().any(|count| unfinished(count.status)))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let orders: Vec<String> = env::args().skip(1).collect();
    if let Some(setup) = Setup::from_env()? {
        drive(&setup, &orders).await?;
        return Ok(());
    }
    let world = simulator().await?;
    let directory = tempfile::tempdir()?;
    let store = directory
        .path()
        .join("countermand.db")
        .display()
        .to_string();
    let setup = Setup::simulated(&world, store)?;
    let orders =
        ["happy", "two_refunds", "rejected", "shipped"].map(|kind| format!("SIM-{kind}-1"));
    let mut unfinished = drive(&setup, &orders).await?;
    // A cron job would do this.
    while unfinished {
        tokio::time::sleep(Duration::from_millis(500)).await;
        println!("again:");
        unfinished = drive(&setup, &[]).await?;
    }
    Ok(())
}
