//! Faults that are planted so that the campaign can show that it would find them.

use anyhow::Context as _;
use countermand::buy_with_prime::http_client;
use countermand_simulator::{Handle, Ledger, Scenario};
use serde_json::json;

use std::time::Duration;

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Somebody pays a refund a second time.
    SecondPayout,
    /// Somebody cancels an order a second time, under our alias.
    SecondCancel,
    /// An order is asked for and forgotten.
    ForgottenOrder,
    /// The store is put back to what it was one kill earlier: acknowledged requests are gone.
    StoreRolledBack,
    /// A cancellation that Amazon never decides: it does not end.
    NeverEnds,
    /// Nobody is asked for anything, so that no kill can strike a mutation.
    Idle,
}

impl Plant {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::SecondPayout,
        Self::SecondCancel,
        Self::ForgottenOrder,
        Self::StoreRolledBack,
        Self::NeverEnds,
        Self::Idle,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecondPayout => "second-payout",
            Self::SecondCancel => "second-cancel",
            Self::ForgottenOrder => "forgotten-order",
            Self::StoreRolledBack => "store-rolled-back",
            Self::NeverEnds => "never-ends",
            Self::Idle => "idle",
        }
    }

    /// The order that this fault adds to what is asked for.
    pub(super) fn order(self, world: &Handle) -> Option<String> {
        match self {
            Self::NeverEnds => world
                .create_order(None, Scenario::NeverDecides)
                .map(|order| order.order_id),
            _ => None,
        }
    }

    /// Does behind the engine's back what it must never do itself.
    pub(super) async fn misbehave(self, world: &Handle) -> anyhow::Result<()> {
        let http = http_client(Duration::from_secs(5))?;
        let ledger = world.ledger();
        match self {
            Self::SecondPayout => {
                let payment = ledger
                    .payments
                    .first()
                    .context("there is no payment to double: kill more often")?;
                let body = json!({
                    "orderId": payment.order_id,
                    "targetId": ledger.target_id,
                    "refundId": payment.refund_id,
                    "amount": {
                        "amount": payment.amount.to_string(),
                        "currencyCode": payment.currency,
                    },
                    "lineItems": [],
                    "cancellationId": "planted",
                });
                insist(|| {
                    http.post(&world.endpoints().refunds)
                        .header("Idempotency-Key", "planted")
                        .json(&body)
                })
                .await
            }
            Self::SecondCancel => second_cancel(world, &http).await,
            Self::ForgottenOrder | Self::StoreRolledBack | Self::NeverEnds | Self::Idle => Ok(()),
        }
    }
}

/// Chaos is for everybody: again until it was taken.
async fn insist(request: impl Fn() -> reqwest::RequestBuilder) -> anyhow::Result<()> {
    for _ in 0..50 {
        if let Ok(answer) = request().send().await
            && answer.status().is_success()
        {
            return Ok(());
        }
    }
    anyhow::bail!("the fault cannot be planted: the simulator answers nothing")
}

async fn second_cancel(world: &Handle, http: &reqwest::Client) -> anyhow::Result<()> {
    let credentials = world.credentials();
    let mut token = None;
    for _ in 0..50 {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credentials.client_id, credentials.client_secret
        );
        let request = http
            .post(&world.endpoints().token)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        if let Ok(answer) = request.send().await
            && let Ok(answer) = answer.json::<serde_json::Value>().await
            && let Some(text) = answer["access_token"].as_str()
        {
            token = Some(text.to_owned());
            break;
        }
    }
    let token = token.context("the simulator gives no token")?;
    let before = world.ledger();
    let query = "mutation($by: OrderIdentifierInput!, $input: CancelOrderInput) { \
                 cancelOrder(orderIdentifier: $by, input: $input) { cancellation { id } } }";
    let accepted = |ledger: &Ledger| ledger.cancels.iter().filter(|call| call.accepted).count();
    let mut answers = String::new();
    // What has shipped since cannot be cancelled a second time: which ones did is a matter of luck.
    for first in before.cancels.iter().filter(|call| call.accepted) {
        let alias = first.aliases.first().context("it has no alias")?;
        let body = json!({
            "query": query,
            "variables": {
                "by": { "orderId": first.order_id },
                "input": {
                    "aliases": [{ "aliasId": alias.alias_id, "aliasType": alias.alias_type }],
                },
            },
        });
        let request = http
            .post(&world.endpoints().graphql)
            .bearer_auth(&token)
            .header(&credentials.target_header, &credentials.target_id)
            .json(&body);
        answers = match request.send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        if accepted(&world.ledger()) > accepted(&before) {
            return Ok(());
        }
    }
    anyhow::bail!(
        "the fault cannot be planted: no second cancellation took effect of {}: kill more often \
         ({answers})",
        accepted(&before)
    )
}
