//! A backup at any moment of a run, the rest of that run, and then a store restored from the
//! backup in the world that has moved on: nothing is done twice, and everything ends.

use std::time::Duration;

use countermand::core::cancellation::order::PackageState;
use countermand::store::{MemoryStore, Store, SystemClock};
use countermand::*;

use crate::support::*;

fn refund_requested() -> String {
    serde_json::json!({
        "idempotencyKey": "k1",
        "eventDescriptor": "REFUND_REQUESTED",
        "resources": [format!("businessProduct/{TARGET}/order/B/refund/R-B")],
        "eventId": "event-k1",
        "apiVersion": "2024-11-01",
        "eventTime": "2025-02-20T09:21:41Z",
        "data": {},
    })
    .to_string()
}

/// One order is cancelled by us, another by its shopper.
struct Run {
    world: World,
    store: MemoryStore,
    handle: Handle,
    id: InstanceId,
}

impl Run {
    async fn begin(lost_answers: u32) -> Self {
        let world = World::default();
        world.order("A");
        world.order("B");
        {
            let mut inside = world.lock();
            inside.decision = Some(CancellationState::Success);
            inside.refund = Some("9.99".into());
            inside.lost_answers = lost_answers;
        }
        let store = MemoryStore::new(SystemClock);
        let handle = builder(&world, share(&store)).start().await.unwrap();
        let id = created(
            handle
                .cancel(&draft("A", Some("web-1")), None)
                .await
                .unwrap(),
        );
        world.shopper_cancels("B");
        let event = refund_requested();
        handle.ingest(event.as_bytes(), "test").await.unwrap();
        Self {
            world,
            store,
            handle,
            id,
        }
    }

    /// Until both are finished; answers with the number of entries.
    async fn end(&self) -> u64 {
        soon(self.handle.wait(&self.id, Until::Finished))
            .await
            .unwrap();
        let other = self.handle.find("B").await.unwrap();
        soon(self.handle.wait(&other.id, Until::Finished))
            .await
            .unwrap();
        self.handle.shutdown(ms(1_000)).await;
        self.store.info().await.unwrap().entries
    }

    /// A backup as soon as there are so many entries, or no more will come.
    async fn backup_at(&self, entries: u64) -> MemoryStore {
        let reached = async {
            loop {
                let info = self.store.info().await.unwrap();
                if info.entries >= entries || info.live == 0 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(reached).await;
        self.store.backup()
    }
}

fn judge(world: &World, what: &str) {
    world.with(|inside| {
        assert_eq!(inside.cancel_calls, ["A"], "{what}");
        for refund in ["R-A", "R-B"] {
            let paid = inside.payouts.get(refund).map_or(0, Vec::len);
            assert_eq!(paid, 1, "{what}: payouts of {refund}");
        }
        for order in ["A", "B"] {
            let refunds = &inside.orders[order].refunds;
            assert_eq!(refunds.len(), 1, "{what}");
            assert_eq!(refunds[0].state, RefundState::Success, "{what}");
            assert_eq!(refunds[0].payments.len(), 1, "{what}: payments reported");
        }
    });
}

/// To its end. A payout that was under way as the backup was made, and that the lost future reported,
/// looks like somebody else's: that is for a person to look into, and nothing else is.
async fn end(handle: &Handle, id: &InstanceId) -> View {
    let view = handle.wait(id, Until::Settled).await.unwrap();
    let Some(attention) = view.attention else {
        return view;
    };
    assert!(attention.why.starts_with("refund_moved: "), "{attention:?}");
    handle.retry(id, "kim").await.unwrap();
    handle.wait(id, Until::Finished).await.unwrap()
}

async fn restored_at(entries: u64, lost_answers: u32) -> bool {
    let run = Run::begin(lost_answers).await;
    let backup = run.backup_at(entries).await;
    let all = run.end().await;
    let what = format!("{lost_answers} answers lost, backup at entry {entries} of {all}");
    judge(&run.world, &what);
    let calls = |world: &World| world.with(|w| (w.cancel_calls.len(), w.reports.len()));
    let before = calls(&run.world);

    let store = backup.reopen();
    let handle = builder(&run.world, share(&store)).start().await.unwrap();
    // Whoever asked asks again, and the event is delivered again: both are safe.
    let again = handle
        .cancel(&draft("A", Some("web-1")), None)
        .await
        .unwrap();
    assert!(
        matches!(again, CancelOutcome::Existing(_)),
        "{what}: {again:?}"
    );
    let event = refund_requested();
    handle.ingest(event.as_bytes(), "test").await.unwrap();
    let ended = async {
        let view = end(&handle, &run.id).await;
        assert_eq!(view.outcome.as_deref(), Some("cancelled"), "{what}");
        let other = handle.find("B").await.unwrap();
        end(&handle, &other.id).await;
    };
    if tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .is_err()
    {
        let views = [handle.find("A").await, handle.find("B").await];
        panic!("{what}: it does not end: {views:#?}");
    }
    judge(&run.world, &what);
    assert_eq!(calls(&run.world), before, "{what}: nothing was sent again");
    handle.shutdown(ms(1_000)).await;
    let report = verify(&store).await.unwrap();
    assert!(report.ok, "{what}: {report:?}");
    entries < all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_whenever_the_backup_was_made() {
    for lost_answers in [0, 6] {
        let all = Run::begin(lost_answers).await.end().await;
        let moments = (2..=all).map(|entries| restored_at(entries, lost_answers));
        let inside = futures_util::future::join_all(moments).await;
        let inside = inside.into_iter().filter(|inside| *inside).count();
        assert!(inside > 10, "only {inside} backups were of a run under way");
    }
}

/// What is not known may have been sent: until a read cannot be late any more, nobody can give a
/// restored cancellation up.
#[tokio::test]
async fn a_restored_cancellation_is_not_given_up_unlooked() {
    for in_lost_future in [true, false] {
        let world = World::default();
        world.order("A");
        world.lock().amazon_down = true;
        let (lost, store) = engine(&world).await;
        let id = created(lost.cancel(&draft("A", None), None).await.unwrap());
        let backup = store.backup();
        if in_lost_future {
            world.lock().amazon_down = false;
            let pending = async {
                while lost.get(&id).await.unwrap().state != "pending" {
                    tokio::time::sleep(ms(2)).await;
                }
            };
            soon(pending).await;
        }
        lost.shutdown(Duration::ZERO).await;
        world.lock().amazon_down = true;

        let store = backup.reopen();
        let handle = builder(&world, share(&store)).start().await.unwrap();
        for _ in 0..3 {
            match handle.withdraw(&id, "kim", None).await.unwrap_err() {
                Error::Refused { message, .. } => {
                    assert!(message.contains("restored from a backup"), "{message}");
                }
                other => panic!("{other:?}"),
            }
            tokio::time::sleep(ms(20)).await;
        }
        let history = handle.history(&id).await.unwrap();
        let told = history
            .iter()
            .filter(|entry| entry.input_type() == "restored");
        assert_eq!(told.count(), 1);
        if in_lost_future {
            world.lock().amazon_down = false;
            world.decide("A", &CancellationState::Success);
            let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
            assert_eq!(view.outcome.as_deref(), Some("cancelled"));
            assert_eq!(world.with(|inside| inside.cancel_calls.len()), 1);
        } else {
            // Amazon has nothing of ours, and says so after the visibility lag.
            {
                let mut inside = world.lock();
                let order = inside.orders.get_mut("A").unwrap();
                order.packages[0].state = PackageState::InTransit;
                inside.amazon_down = false;
            }
            let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
            assert_eq!(view.outcome.as_deref(), Some("rejected"));
            assert_eq!(world.with(|inside| inside.cancel_calls.len()), 0);
        }
    }
}

/// Also where nothing is driven: a command on a store that no daemon has opened yet.
#[tokio::test]
async fn a_command_on_a_restored_store_comes_after_the_news() {
    let world = World::default();
    world.order("A");
    world.lock().amazon_down = true;
    let (lost, store) = engine(&world).await;
    let id = created(lost.cancel(&draft("A", None), None).await.unwrap());
    let backup = store.backup();
    lost.shutdown(ms(1_000)).await;
    let mut nothing = options();
    nothing.held = 0;
    let store = backup.reopen();
    let builder = builder(&world, share(&store)).options(nothing);
    let handle = builder.start().await.unwrap();
    let refused = handle.withdraw(&id, "kim", None).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    handle.shutdown(ms(1_000)).await;
    assert!(store.restored().await.unwrap().is_some(), "for the daemon");
}
