//! The simulated world of a demonstration, and the faults that tests plant in it.

use countermand_simulator::{Handle, Ledger, NewOrder, Scenario};
use serde_json::json;

use crate::daemon::{chain, plain_client};
use crate::exit::{Exit, Failure};

/// Names the fault to plant; for tests of the demonstration itself.
const PLANT_VARIABLE: &str = "COUNTERMAND_DEMO_PLANT";

/// A fault that the demonstration must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// Somebody pays a refund a second time.
    DoublePayout,
    /// An order is asked for and forgotten.
    LostOrder,
    /// A cancellation never ends.
    Stuck,
    /// Somebody else speaks to the OMS in our name.
    ForgedMessage,
}

impl Plant {
    /// The fault that the environment asks for.
    pub(super) fn from_env() -> Result<Option<Self>, Failure> {
        let Some(name) = std::env::var_os(PLANT_VARIABLE) else {
            return Ok(None);
        };
        match name.to_str() {
            Some("double_payout") => Ok(Some(Self::DoublePayout)),
            Some("lost_order") => Ok(Some(Self::LostOrder)),
            Some("stuck") => Ok(Some(Self::Stuck)),
            Some("forged_message") => Ok(Some(Self::ForgedMessage)),
            _ => Err(Failure::new(
                Exit::Usage,
                format!(
                    "{PLANT_VARIABLE} must be double_payout, lost_order, stuck or forged_message"
                ),
            )),
        }
    }
}

/// Every fifteenth order is cancelled or lost without us, and we only hear of it.
const OBSERVED: [Scenario; 3] = [
    Scenario::ShopperObserved,
    Scenario::Unfulfillable,
    Scenario::Undeliverable,
];

/// The orders: most are asked for, a few happen without us.
pub(super) fn orders(world: &Handle, count: usize, plant: Option<Plant>) -> Vec<NewOrder> {
    let observed = count / 15;
    let stuck = usize::from(plant == Some(Plant::Stuck)).min(count);
    let mut orders = world.create_orders(count.saturating_sub(observed + stuck));
    for index in 0..observed {
        if let Some(scenario) = OBSERVED.get(index % OBSERVED.len()) {
            orders.extend(world.create_order(None, *scenario));
        }
    }
    if stuck > 0 {
        orders.extend(world.create_order(None, Scenario::NeverDecides));
    }
    orders
}

/// Does behind the engine's back what it must never do itself.
pub(super) async fn misbehave(world: &Handle, plant: Plant) -> Result<(), Failure> {
    let failed = |error: reqwest::Error| {
        Failure::new(
            Exit::Failed,
            format!("the fault cannot be planted: {}", chain(&error)),
        )
    };
    let ledger: Ledger = world.ledger();
    let http = plain_client()?;
    match plant {
        Plant::LostOrder | Plant::Stuck => {}
        Plant::DoublePayout => {
            let payment = ledger.payments.first().ok_or_else(|| {
                Failure::new(
                    Exit::Failed,
                    "there is no payment to double: take more orders",
                )
            })?;
            let body = json!({
                "orderId": payment.order_id,
                "targetId": ledger.target_id,
                "refundId": payment.refund_id,
                "amount": { "amount": payment.amount.to_string(), "currencyCode": payment.currency },
                "lineItems": [],
                "cancellationId": "planted",
            });
            http.post(&world.endpoints().refunds)
                .header("Idempotency-Key", "planted")
                .json(&body)
                .send()
                .await
                .map_err(failed)?;
        }
        Plant::ForgedMessage => {
            // Unsigned, so the OMS turns it away and says so: that alone must fail the proof.
            http.post(&world.endpoints().oms)
                .header("webhook-id", "planted")
                .json(&json!({ "type": "cancellation.succeeded", "data": {} }))
                .send()
                .await
                .map_err(failed)?;
        }
    }
    Ok(())
}
