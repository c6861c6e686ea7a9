//! On a SQLite file: restarts, and readers beside a running engine.

use std::time::Duration;

use countermand::store::SqliteStore;
use countermand::{
    CancellationState, Countermand, Handle, Pace, Reader, StartError, TargetId, Until, verify,
};

use crate::support::{self, World, created, draft, ms, soon};

async fn start(world: &World, file: &std::path::Path) -> Result<Handle, StartError> {
    Countermand::sqlite(file)
        .await?
        .target(TargetId::new(support::TARGET).unwrap(), world.clone())
        .refunds(world.clone())
        .oms(world.clone())
        .terms(support::terms())
        .pace(Pace {
            poll_initial: ms(10),
            poll_max: ms(40),
        })
        .options(support::options())
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_over_restarts_and_verifies_all_the_while() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countermand.db");
    let world = World::default();
    {
        let mut inside = world.lock();
        inside.decision = Some(CancellationState::Success);
        inside.refund = Some("9.99".to_owned());
        inside.lost_answers = 8;
    }
    let mut handle = start(&world, &file).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..20 {
        let order = format!("322-{n}");
        world.order(&order);
        let outcome = handle
            .cancel(&draft(&order, Some(&order)), None)
            .await
            .unwrap();
        ids.push(created(outcome));
    }
    let second = start(&world, &file).await;
    assert!(matches!(second, Err(StartError::Store(_))), "{second:?}");
    for _ in 0..3 {
        let beside = SqliteStore::open_read_only(file.as_path()).await.unwrap();
        let report = verify(&beside).await.unwrap();
        assert!(report.ok, "{report:?}");
        assert_eq!(report.checked.instances, 20);
        let reader = Reader::on(beside);
        assert_eq!(reader.find("322-7").await.unwrap().id, ids[7]);
        // No grace: whatever is on the wire is given up, and in doubt.
        handle.shutdown(Duration::ZERO).await;
        handle = start(&world, &file).await.unwrap();
    }
    for id in &ids {
        let view = soon(handle.wait(id, Until::Finished)).await.unwrap();
        assert_eq!(view.outcome.as_deref(), Some("cancelled"), "{view:?}");
    }
    soon(handle.shutdown(ms(2_000))).await;
    world.with(|inside| {
        assert_eq!(inside.cancel_calls.len(), 20);
        assert!(inside.payouts.values().all(|payouts| payouts.len() == 1));
        assert_eq!(inside.payouts.len(), 20);
    });
    let store = SqliteStore::open_read_only(file.as_path()).await.unwrap();
    let report = verify(&store).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(report.checked.finished, 20);
}
