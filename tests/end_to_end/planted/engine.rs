//! The engine in this process, on the real adapters and a simulated world, with room for a bug.

use std::sync::Arc;
use std::time::Duration;

use countermand::buy_with_prime::{Client, Settings};
use countermand::store::Store;
use countermand::{
    CancelOutcome, Countermand, Draft, Handle, HttpOms, HttpOptions, HttpRefundProvider, Orders,
    Pace, RefundProvider, Terms, Until, View,
};
use countermand_simulator as simulated;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

const REQUEST: Duration = Duration::from_secs(1);
/// What is waited for before "not there" is believed.
const DISBELIEF: Duration = Duration::from_millis(500);
/// Everything ends within this, or something is wrong.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// The way to a simulated world, also for another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Way {
    endpoints: simulated::Endpoints,
    client_id: String,
    client_secret: String,
    target_id: String,
    target_header: String,
    oms_secret: String,
}

impl Way {
    pub(crate) fn to(world: &simulated::Handle) -> Self {
        let credentials = world.credentials().clone();
        Self {
            endpoints: world.endpoints().clone(),
            client_id: credentials.client_id,
            client_secret: credentials.client_secret,
            target_id: credentials.target_id,
            target_header: credentials.target_header,
            oms_secret: credentials.oms_secret.unwrap_or_default(),
        }
    }

    pub(crate) fn target_id(&self) -> &str {
        &self.target_id
    }

    /// The product's client for Buy with Prime.
    pub(crate) fn orders(&self) -> anyhow::Result<Client> {
        let settings = Settings {
            endpoint: self.endpoints.graphql.parse()?,
            token_endpoint: self.endpoints.token.parse()?,
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone().into(),
            target_id: self.target_id.parse()?,
            target_header: self.target_header.clone(),
            api_version: Settings::API_VERSION.to_owned(),
            extra_headers: Vec::new(),
            request_timeout: REQUEST,
        };
        Ok(countermand::connect(settings, REQUEST)?)
    }

    /// The product's adapter for a refund provider.
    pub(crate) fn refunds(&self) -> anyhow::Result<HttpRefundProvider> {
        Ok(HttpRefundProvider::new(options(&self.endpoints.refunds)?)?)
    }

    /// Starts an engine.
    pub(crate) async fn engine(
        &self,
        store: impl Store,
        orders: impl Orders,
        refunds: impl RefundProvider,
    ) -> anyhow::Result<Handle> {
        let secret = self.oms_secret.clone().into();
        let handle = Countermand::on(store)
            .target(self.target_id.parse()?, orders)
            .refunds(refunds)
            .oms(HttpOms::new(options(&self.endpoints.oms)?, &secret)?)
            .terms(Terms {
                refund_grace: DISBELIEF,
                visibility_lag: DISBELIEF,
                quiet: DISBELIEF,
                ..Terms::default()
            })
            .pace(Pace {
                poll_initial: Duration::from_millis(50),
                poll_max: Duration::from_millis(200),
            })
            .start()
            .await?;
        Ok(handle)
    }
}

fn options(url: &str) -> anyhow::Result<HttpOptions> {
    Ok(HttpOptions {
        connect_timeout: REQUEST,
        request_timeout: REQUEST,
        ..HttpOptions::new(url.parse()?)
    })
}

/// Asks for a cancellation.
pub(crate) async fn ask(engine: &Handle, order_id: &str) -> anyhow::Result<View> {
    let draft = Draft {
        order_id: order_id.to_owned(),
        external_id: Some(format!("x-{order_id}")),
        ..Draft::default()
    };
    match engine.cancel(&draft, Some("test")).await? {
        CancelOutcome::Created(view) => Ok(view),
        other => anyhow::bail!("{order_id}: {other:?}"),
    }
}

/// Asks for a cancellation, and waits for its end.
pub(crate) async fn cancel(engine: &Handle, order_id: &str) -> anyhow::Result<View> {
    let asked = ask(engine, order_id).await?;
    Ok(timeout(ENDS_WITHIN, engine.wait(&asked.id, Until::Finished)).await??)
}

/// A world of its own, which a bug may change as it goes.
pub(crate) async fn world(seed: u64) -> anyhow::Result<Arc<simulated::Handle>> {
    let world = countermand_tests::simulator(seed, simulated::Chaos::None, |_| {}).await?;
    Ok(Arc::new(world))
}
