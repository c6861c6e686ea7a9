//! Embedding: a daemon that has its own OMS and its own way to pay refunds, both in this process.
//!
//! It cancels twenty orders of a simulated Buy with Prime, stops in the middle as a deployment
//! would, starts again on the same file, and ends with what the OMS and the bank saw.
//!
//!     cargo run -p countermand-examples --example order_daemon

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countermand::buy_with_prime::Client;
use countermand::{
    BoxFuture, CallError, CancelOutcome, Countermand, Draft, Fence, Handle, Message, NotSent, Oms,
    Payment, Payout, PayoutState, ReadError, RefundId, RefundProvider, TargetId, TellError, Until,
};
use countermand_examples::{amazon, short_pace, short_terms, simulator};

/// The shop's own database, here two collections: what it heard of each order, and which messages
/// it took.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    orders: BTreeMap<String, Vec<String>>,
    taken: BTreeSet<String>,
}

impl Oms for Shop {
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>> {
        Box::pin(async move {
            let body: serde_json::Value = serde_json::from_str(&message.body)
                .map_err(|error| TellError::new(error.to_string()))?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A message may come twice, with the same id. In a database this is one transaction
            // with a unique message id.
            if books.taken.insert(message.id.clone()) {
                let order = books
                    .orders
                    .entry(text(&body["data"]["orderId"]))
                    .or_default();
                order.push(text(&body["type"]));
            }
            Ok(())
        })
    }
}

/// The shop's own bank account: one payout per idempotency key.
#[derive(Clone, Default)]
struct Bank(Arc<Mutex<BTreeMap<String, (RefundId, Payout)>>>);

impl RefundProvider for Bank {
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        _: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        Box::pin(async move {
            let mut payouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The last moment to turn back: after this the money is gone.
            if !fence.holds() {
                return Err(CallError::NotSent {
                    why: NotSent::Fenced,
                    detail: "the attempt is no longer wanted".to_owned(),
                    retry_after: None,
                });
            }
            let number = payouts.len() + 1;
            let payment_id =
                format!("P{number}")
                    .parse()
                    .map_err(|error: countermand::core::IdError| CallError::Refused {
                        code: "payment_id".to_owned(),
                        message: error.to_string(),
                    })?;
            let (_, payout) = payouts.entry(payment.key.clone()).or_insert_with(|| {
                let payout = Payout {
                    payment_id,
                    state: PayoutState::Success,
                    amount: payment.amount,
                };
                (payment.refund_id.clone(), payout)
            });
            Ok(payout.clone())
        })
    }

    fn list<'a>(
        &'a self,
        refund_id: &'a RefundId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        Box::pin(async move {
            let payouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let paid = payouts.values().filter(|(refund, _)| refund == refund_id);
            Ok(paid.map(|(_, payout)| payout.clone()).collect())
        })
    }
}

async fn start(
    file: &Path,
    (target, amazon): (TargetId, Client),
    shop: &Shop,
    bank: &Bank,
) -> anyhow::Result<Handle> {
    let engine = Countermand::sqlite(file)
        .await?
        .target(target, amazon)
        .refunds(bank.clone())
        .oms(shop.clone())
        .terms(short_terms())
        .pace(short_pace())
        .start()
        .await?;
    Ok(engine)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let world = simulator().await?;
    let (shop, bank) = (Shop::default(), Bank::default());
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("orders.db");

    let engine = start(&file, amazon(&world)?, &shop, &bank).await?;
    let mut ids = Vec::new();
    for n in 1..=20 {
        let kind = ["happy", "two_refunds", "no_refund", "rejected", "shipped"][n % 5];
        let draft = Draft {
            order_id: format!("SIM-{kind}-{n}"),
            external_id: Some(format!("web-{n}")),
            ..Draft::default()
        };
        match engine.cancel(&draft, Some("order_daemon")).await? {
            CancelOutcome::Created(view) | CancelOutcome::Existing(view) => ids.push(view.id),
            CancelOutcome::Conflict(conflict) => println!("not accepted: {conflict}"),
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    println!("stopping in the middle of {} cancellations", ids.len());
    engine.shutdown(Duration::from_secs(5)).await;

    let engine = start(&file, amazon(&world)?, &shop, &bank).await?;
    println!("started again; nothing has to be done for what was under way");
    for id in &ids {
        let view = engine.wait(id, Until::Settled).await?;
        let outcome = view.outcome.as_deref().unwrap_or("needs a person");
        println!("{:<18} {outcome}", view.order_id);
    }
    engine.shutdown(Duration::from_secs(5)).await;

    println!("\nthe shop knows:");
    let books = shop.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (order, milestones) in &books.orders {
        println!("{order:<18} {}", milestones.join(", "));
    }
    println!("\nthe bank paid:");
    let payouts = bank.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (refund, payout) in payouts.values() {
        println!(
            "{:<4} {:<12} {refund}",
            payout.payment_id,
            payout.amount.to_string()
        );
    }
    Ok(())
}
