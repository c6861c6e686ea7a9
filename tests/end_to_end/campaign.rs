//! The kill campaign, small: it ends well, and it finds what is planted.

use countermand_simulator::Chaos;
use countermand_tests::campaign::{Outcome, Plant, Settings, run};

async fn campaign(kills: u32, in_flight: usize, plant: Option<Plant>) -> anyhow::Result<Outcome> {
    let settings = Settings {
        kills,
        seed: 5,
        chaos: Chaos::Heavy,
        in_flight,
        directory: None,
        plant,
    };
    let outcome = run(crate::program(), &settings, |_| {}).await?;
    if let Some(directory) = outcome.directory.as_ref().filter(|_| plant.is_some()) {
        std::fs::remove_dir_all(directory)?;
    }
    Ok(outcome)
}

/// Runs it with a fault, and says what it found.
async fn with(plant: Plant) -> anyhow::Result<String> {
    let outcome = campaign(3, 12, Some(plant)).await?;
    assert!(!outcome.is_good(), "{plant:?} was not found:\n{outcome}");
    Ok(outcome.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_well() -> anyhow::Result<()> {
    let outcome = campaign(6, 40, None).await?;
    assert_eq!(outcome.kills, 6);
    // Whether enough of so few kills struck a mutation is a matter of luck: that is asked of long
    // campaigns.
    assert!(
        outcome.found().next().is_none() && outcome.proof.ok,
        "{outcome}"
    );
    assert!(
        outcome.acknowledged > 20 && !outcome.looks.is_empty(),
        "{outcome}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_a_second_payout() -> anyhow::Result<()> {
    let found = with(Plant::SecondPayout).await?;
    assert!(found.contains("was paid 2 times"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_a_second_cancellation() -> anyhow::Result<()> {
    let found = with(Plant::SecondCancel).await?;
    assert!(found.contains("2 cancelOrder calls took effect"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_a_forgotten_order() -> anyhow::Result<()> {
    let found = with(Plant::ForgottenOrder).await?;
    assert!(found.contains("SIM-happy-forgotten"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_acknowledged_requests_that_are_gone() -> anyhow::Result<()> {
    let found = with(Plant::StoreRolledBack).await?;
    assert!(found.contains("which does not exist"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_what_does_not_end() -> anyhow::Result<()> {
    let found = with(Plant::NeverEnds).await?;
    assert!(found.contains("is still in pending"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proves_nothing_where_nothing_is_done() -> anyhow::Result<()> {
    let found = with(Plant::Idle).await?;
    assert!(found.contains("0 of 3 kills struck"), "{found}");
    Ok(())
}
