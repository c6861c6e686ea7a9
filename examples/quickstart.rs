//! The smallest program that cancels an order: an engine on a SQLite file, with the HTTP adapters.
//!
//!     cargo run -p countermand-examples --example quickstart

use std::time::Duration;

use countermand::{
    CancelOutcome, Countermand, Draft, HttpOms, HttpOptions, HttpRefundProvider, Until,
};
use countermand_examples::{amazon, short_pace, short_terms, simulator};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // In production these are your addresses and secrets.
    let world = simulator().await?;
    let directory = tempfile::tempdir()?;
    let (target, amazon) = amazon(&world)?;
    let refunds = HttpOptions::new(world.endpoints().refunds.parse()?);
    let oms = HttpOptions::new(world.endpoints().oms.parse()?);

    let engine = Countermand::sqlite(directory.path().join("countermand.db"))
        .await?
        .target(target, amazon)
        .refunds(HttpRefundProvider::new(refunds)?)
        .oms(HttpOms::new(oms, &"whsec_c2ltdWxhdGVk".into())?)
        .terms(short_terms()) // Leave these two out:
        .pace(short_pace()) // the defaults are for the real world.
        .start()
        .await?;

    let order = Draft {
        order_id: "SIM-happy-1".to_owned(),
        external_id: Some("web-100482".to_owned()), // Asking twice is safe.
        ..Draft::default()
    };
    match engine.cancel(&order, Some("quickstart")).await? {
        CancelOutcome::Created(view) | CancelOutcome::Existing(view) => {
            let ended = engine.wait(&view.id, Until::Settled).await?;
            println!("order {}: {:?}", ended.order_id, ended.outcome);
            for entry in engine.history(&view.id).await? {
                println!("{:>3}  {:<16} {}", entry.seq, entry.input_type(), entry.to);
            }
        }
        CancelOutcome::Conflict(conflict) => println!("not accepted: {conflict}"),
    }
    engine.shutdown(Duration::from_secs(35)).await;
    Ok(())
}
