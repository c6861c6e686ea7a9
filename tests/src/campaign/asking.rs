//! Keeps asking for cancellations, each until it is acknowledged: whatever became of the daemon
//! meanwhile, asking again is safe.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use countermand_simulator::{NewOrder, Scenario};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::dice::Dice;
use super::stage::{Request, Stage};

/// Between two looks at how much is in flight.
const LOOK: Duration = Duration::from_millis(150);
/// Most orders that are begun at one look.
const AT_ONCE: usize = 12;
/// What happens to some orders without anybody asking.
const OBSERVED: [Scenario; 3] = [
    Scenario::ShopperObserved,
    Scenario::Unfulfillable,
    Scenario::Undeliverable,
];
const REASONS: [&str; 3] = ["ORDERED_BY_MISTAKE", "ITEMS_ARRIVING_LATE", "OUT_OF_STOCK"];

/// Keeps so many orders in flight until it is told to stop; then waits until every request that it
/// began is acknowledged.
pub(super) async fn keep_asking(stage: Arc<Stage>, in_flight: usize) -> anyhow::Result<()> {
    let mut dice = Dice::new(stage.seed, "asking");
    let mut requests = JoinSet::new();
    while stage.asks() {
        while let Some(done) = requests.try_join_next() {
            done??;
        }
        if let Some(living) = stage.living().await? {
            let open = living.len().saturating_add(requests.len());
            for _ in 0..in_flight.saturating_sub(open).min(AT_ONCE) {
                let number = stage.count_order();
                let Some(order) = order(&stage, number) else {
                    bail!("the simulator creates no more orders");
                };
                if order.scenario.is_requested() {
                    let request = Draft::new(&stage, number, order, &mut dice);
                    requests.spawn(request.ask(Arc::clone(&stage)));
                }
            }
        }
        sleep(LOOK).await;
    }
    while let Some(done) = requests.join_next().await {
        done??;
    }
    Ok(())
}

/// Most happen as the seed says; some happen without us, and some need a person.
fn order(stage: &Stage, number: usize) -> Option<NewOrder> {
    let observed = OBSERVED.get(number / 12 % OBSERVED.len());
    match number % 12 {
        5 => stage.world.create_order(None, *observed?),
        9 if number % 24 == 9 => stage
            .world
            .create_order(None, Scenario::FailingPayoutThenSuccess),
        _ => stage.world.create_orders(1).pop(),
    }
}

/// A request that is about to be made.
struct Draft {
    order: NewOrder,
    body: Value,
    /// Ask once more after the acknowledgement.
    again: bool,
    /// Then with another content, which must be refused.
    differently: bool,
}

impl Draft {
    fn new(stage: &Stage, number: usize, order: NewOrder, dice: &mut Dice) -> Self {
        let mut body = json!({
            "orderId": order.order_id,
            "reason": dice.pick(&REASONS),
        });
        if dice.percent(85) {
            body["externalId"] = json!(format!("campaign-{}-{number}", stage.seed));
        }
        if dice.percent(20) {
            body["additionalComments"] = json!("the shopper wrote: please \u{1f64f}");
        }
        let again = body["externalId"].is_string() && dice.percent(20);
        Self {
            order,
            body,
            again,
            differently: again && dice.percent(30),
        }
    }

    async fn ask(self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let order = &self.order.order_id;
        let answer = stage.insist("/v1/cancellations", &self.body).await?;
        let (id, is_conflict) = match answer.status {
            200 | 202 => (answer.body["id"].as_str(), false),
            // Without an external id the first try may have been accepted, and nobody could tell.
            409 => (answer.body["cancellationId"].as_str(), true),
            status => bail!(
                "order {order}: the request was answered with {status}: {}",
                answer.body
            ),
        };
        let id = id
            .with_context(|| format!("order {order}: the answer names no cancellation"))?
            .to_owned();
        stage.log().asked.insert(
            order.clone(),
            Request {
                body: self.body.clone(),
                cancellation: id.clone(),
                is_conflict,
            },
        );
        stage.acknowledged.send_modify(|count| *count += 1);
        if self.again {
            self.ask_again(&stage, &id).await?;
        }
        Ok(())
    }

    /// The same once more is the same cancellation; something else under the same id is refused.
    async fn ask_again(&self, stage: &Stage, id: &str) -> anyhow::Result<()> {
        let mut body = self.body.clone();
        let expected = if self.differently {
            body["reason"] = json!("OTHER");
            body["additionalComments"] = json!("another request altogether");
            (409, "cancellationId")
        } else {
            (200, "id")
        };
        let answer = stage.insist("/v1/cancellations", &body).await?;
        let (status, member) = expected;
        if answer.status != status || answer.body[member] != id {
            let what = format!(
                "asked again, the answer was {} {} instead of {status} with {id}",
                answer.status, answer.body
            );
            stage.log().wrong.push((self.order.order_id.clone(), what));
        }
        Ok(())
    }
}
