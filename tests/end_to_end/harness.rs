//! The harness itself: without it, everything else here would say nothing.

use std::time::Duration;

use countermand_simulator::{Asked, Chaos, judge};
use countermand_tests::{Place, simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_survives_a_kill() -> anyhow::Result<()> {
    let world = simulator(1, Chaos::None, |_| {}).await?;
    let place = Place::new(crate::program(), &world)?;
    let daemon = place.serve().await?;
    let id = daemon.cancel("SIM-happy-1").await?;
    daemon.kill().await?;
    let daemon = place.serve().await?;
    let ended = daemon
        .wait_until(&id, Duration::from_secs(20), |view| {
            view["status"] == "finished"
        })
        .await?;
    assert_eq!(ended["outcome"], "cancelled");
    assert!(!daemon.history(&id).await?.is_empty());
    daemon.stop().await?;
    place.verify().await?;
    let proof = judge(&[Asked::order("SIM-happy-1")], &world.ledger());
    assert!(proof.ok, "{proof:#?}");
    Ok(())
}
