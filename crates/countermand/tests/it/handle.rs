//! A running engine, from request to OMS, over the memory store.

use countermand::{
    CancelOutcome, CancellationState, Conflict, ConflictWhy, Error, ListFilter, ObserveOutcome,
    OrderId, STATES, Status, TargetId, Until, verify,
};

use crate::support::{World, builder, created, draft, engine, share, soon};

fn conflict(outcome: CancelOutcome) -> Conflict {
    match outcome {
        CancelOutcome::Conflict(conflict) => conflict,
        other => panic!("no conflict: {other:?}"),
    }
}

#[tokio::test]
async fn from_request_to_oms() {
    let world = World::default();
    world.order("322-A");
    world.lock().refund = Some("43.99".to_owned());
    let (handle, store) = engine(&world).await;
    let mut changes = handle.changes();
    let outcome = handle
        .cancel(&draft("322-A", Some("web-1")), Some("shop"))
        .await
        .unwrap();
    let id = created(outcome);
    soon(async {
        while handle.get(&id).await.unwrap().state != "pending" {
            changes.next().await.unwrap();
        }
    })
    .await;
    world.decide("322-A", &CancellationState::Success);
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(view.requested_by.as_deref(), Some("shop"));
    assert_eq!(view.status, Status::Finished);
    assert!(view.finished_at.is_some() && view.next_at.is_none());
    let [refund] = view.refunds.as_slice() else {
        panic!("one refund: {view:?}");
    };
    assert_eq!(
        (refund.state.as_str(), refund.reported.as_deref()),
        ("SUCCESS", Some("SUCCESS"))
    );

    world.with(|inside| {
        assert_eq!(inside.cancel_calls, ["322-A"]);
        assert_eq!(inside.payouts["R-322-A"].len(), 1);
        assert_eq!(inside.reports.len(), 1);
    });
    assert_eq!(
        world.milestones(),
        [
            "cancellation.pending",
            "cancellation.succeeded",
            "refund.updated"
        ]
    );

    let history = handle.history(&id).await.unwrap();
    assert_eq!(history[0].input_type(), "requested");
    assert_eq!((history[0].seq, history[0].from.as_deref()), (1, None));
    assert_eq!(history.len() as u64, view.revision);
    assert!(history.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
    let report = verify(&share(&store)).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.checked.instances, report.checked.finished), (1, 1));
    assert_eq!(report.checked.entries, view.revision);
    assert_eq!(report.checked.intents, 3);
    assert!(soon(handle.shutdown(crate::support::ms(1000))).await);
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    let world = World::default();
    world.order("322-A");
    {
        let mut inside = world.lock();
        inside.refund = Some("10".to_owned());
        inside.decision = Some(CancellationState::Success);
        inside.lost_answers = 3;
    }
    let (handle, store) = engine(&world).await;
    let id = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    world.with(|inside| {
        assert_eq!(inside.cancel_calls.len(), 1);
        assert_eq!(inside.payouts["R-322-A"].len(), 1);
        assert_eq!(inside.reports.len(), 1);
        assert_eq!(inside.lost_answers, 0);
    });
    let report = verify(&store).await.unwrap();
    assert!(report.ok, "{report:?}");
}

#[tokio::test]
async fn requests_are_idempotent_and_conflicts_name_what_stands_against_them() {
    let world = World::default();
    world.order("322-A");
    world.order("322-B");
    let (handle, _) = engine(&world).await;
    let request = draft("322-A", Some("web-1"));
    let id = created(handle.cancel(&request, None).await.unwrap());
    match handle
        .cancel(&request, Some("somebody else"))
        .await
        .unwrap()
    {
        CancelOutcome::Existing(view) => assert_eq!(view.id, id),
        other => panic!("{other:?}"),
    }
    let reused = conflict(
        handle
            .cancel(&draft("322-B", Some("web-1")), None)
            .await
            .unwrap(),
    );
    assert_eq!(
        (reused.why, &reused.with),
        (ConflictWhy::ExternalIdReused, &id)
    );
    let live = conflict(
        handle
            .cancel(&draft("322-A", Some("web-2")), None)
            .await
            .unwrap(),
    );
    assert_eq!((live.why, &live.with), (ConflictWhy::CancellationLive, &id));

    world.lock().decision = Some(CancellationState::Success);
    soon(async {
        while world.lock().cancel_calls.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.decide("322-A", &CancellationState::Success);
    soon(handle.wait(&id, Until::Finished)).await.unwrap();
    let over = conflict(
        handle
            .cancel(&draft("322-A", Some("web-2")), None)
            .await
            .unwrap(),
    );
    assert_eq!((over.why, &over.with), (ConflictWhy::AlreadyCancelled, &id));
    match handle.cancel(&request, None).await.unwrap() {
        CancelOutcome::Existing(view) => assert_eq!(view.id, id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn after_a_rejection_a_new_request_is_accepted() {
    let world = World::default();
    world.order("322-A");
    world.lock().decision = Some(CancellationState::Rejected);
    let (handle, _) = engine(&world).await;
    let first = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    let view = soon(handle.wait(&first, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("rejected"));
    assert_eq!(view.rejection.unwrap().why, "rejected_by_amazon");
    world.lock().decision = Some(CancellationState::Success);
    let second = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    let view = soon(handle.wait(&second, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(handle.find("322-A").await.unwrap().id, second);
    assert_eq!(handle.find(first.as_str()).await.unwrap().id, first);
}

#[tokio::test]
async fn concurrent_equal_requests_begin_one() {
    let world = World::default();
    world.order("322-A");
    let (handle, _) = engine(&world).await;
    let request = draft("322-A", Some("web-1"));
    let asked = (0..50).map(|_| handle.cancel(&request, None));
    let outcomes = futures_util::future::join_all(asked).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut begun = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            CancelOutcome::Created(view) => {
                begun += 1;
                ids.insert(view.id);
            }
            CancelOutcome::Existing(view) => {
                ids.insert(view.id);
            }
            CancelOutcome::Conflict(conflict) => panic!("{conflict}"),
        }
    }
    assert_eq!((begun, ids.len()), (1, 1));
}

#[tokio::test]
async fn unsound_requests_are_told_everything() {
    let world = World::default();
    let (handle, _) = engine(&world).await;
    let mut request = draft("a b", None);
    request.reason = Some("FRAUD".to_owned());
    match handle.cancel(&request, None).await {
        Err(Error::Invalid { problems }) => assert_eq!(problems.len(), 2),
        other => panic!("{other:?}"),
    }
    let mut request = draft("322-A", None);
    request.target_id = Some("bp-9".to_owned());
    match handle.cancel(&request, None).await {
        Err(Error::Invalid { problems }) => {
            assert_eq!(problems[0].field, "targetId");
            assert!(problems[0].message.contains("bp-1"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_observed_cancellation_becomes_a_requested_one() {
    let world = World::default();
    world.order("322-A");
    let (handle, _) = engine(&world).await;
    let order = OrderId::new("322-A").unwrap();
    let observed = match handle.observe(None, &order, Some("ann")).await.unwrap() {
        ObserveOutcome::Created(view) => view,
        other @ ObserveOutcome::Existing(_) => panic!("{other:?}"),
    };
    assert_eq!(observed.origin.as_str(), "observed");
    match handle.observe(None, &order, Some("ann")).await.unwrap() {
        ObserveOutcome::Existing(view) => assert_eq!(view.id, observed.id),
        other @ ObserveOutcome::Created(_) => panic!("{other:?}"),
    }
    world.lock().decision = Some(CancellationState::Success);
    let id = created(
        handle
            .cancel(&draft("322-A", Some("web-1")), None)
            .await
            .unwrap(),
    );
    assert_eq!(id, observed.id);
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(
        (view.origin.as_str(), view.outcome.as_deref()),
        ("requested", Some("cancelled"))
    );
    assert_eq!(view.external_id.as_deref(), Some("web-1"));
    match handle
        .cancel(&draft("322-A", Some("web-1")), None)
        .await
        .unwrap()
    {
        CancelOutcome::Existing(view) => assert_eq!(view.id, id),
        other => panic!("{other:?}"),
    }
    let nobody = TargetId::new("bp-9").unwrap();
    assert!(matches!(
        handle.observe(Some(&nobody), &order, None).await,
        Err(Error::Invalid { .. })
    ));
}

#[tokio::test]
async fn listings_page_and_filter() {
    let world = World::default();
    let (handle, _) = engine(&world).await;
    world.lock().amazon_down = true;
    for n in 0..7 {
        created(
            handle
                .cancel(&draft(&format!("322-{n}"), None), None)
                .await
                .unwrap(),
        );
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    let all = ListFilter::default();
    loop {
        let page = handle.list(&all, cursor.as_deref(), 3).await.unwrap();
        assert!(page.items.len() <= 3);
        seen.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.created_at >= b.created_at));
    let orders: std::collections::BTreeSet<_> = seen.iter().map(|view| &view.order_id).collect();
    assert_eq!((seen.len(), orders.len()), (7, 7));

    let one = ListFilter {
        order_id: Some("322-3".parse().unwrap()),
        state: Some("precheck".to_owned()),
        ..ListFilter::default()
    };
    assert_eq!(handle.list(&one, None, 10).await.unwrap().items.len(), 1);
    let finished = ListFilter {
        status: Some(Status::Finished),
        ..ListFilter::default()
    };
    assert!(
        handle
            .list(&finished, None, 10)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let cursor = handle.list(&all, None, 3).await.unwrap().next_cursor;
    assert!(matches!(
        handle.list(&one, cursor.as_deref(), 3).await,
        Err(Error::BadCursor)
    ));
    let stats = handle.stats().await.unwrap();
    assert_eq!(stats.counts.iter().map(|count| count.count).sum::<u64>(), 7);
    assert!(
        stats
            .counts
            .iter()
            .all(|count| STATES.contains(&&*count.state))
    );
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let world = World::default();
    world.order("322-A");
    let (handle, store) = engine(&world).await;
    let id = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    soon(async {
        while world.lock().cancel_calls.is_empty() {
            tokio::time::sleep(crate::support::ms(1)).await;
        }
    })
    .await;
    assert!(soon(handle.shutdown(crate::support::ms(2000))).await);
    assert!(!handle.is_running());
    assert!(matches!(
        handle.cancel(&draft("322-B", None), None).await,
        Err(Error::Closed)
    ));
    assert!(matches!(
        handle.wait(&id, Until::Finished).await,
        Err(Error::Closed)
    ));

    world.decide("322-A", &CancellationState::Success);
    let again = store.reopen();
    let handle = builder(&world, again.clone()).start().await.unwrap();
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(world.lock().cancel_calls.len(), 1);
    let report = verify(&again).await.unwrap();
    assert!(report.ok, "{report:?}");
}

#[tokio::test]
async fn changes_end_with_the_engine() {
    let world = World::default();
    world.order("322-A");
    let (handle, _) = engine(&world).await;
    let mut changes = handle.changes();
    created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    assert!(soon(changes.next()).await.is_some());
    soon(handle.shutdown(crate::support::ms(1000))).await;
    soon(async { while changes.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn an_engine_says_what_it_lacks() {
    use countermand::store::{MemoryStore, SystemClock};
    use countermand::{Countermand, StartError};
    let world = World::default();
    let store = || MemoryStore::new(SystemClock);
    let none = Countermand::on(store())
        .refunds(world.clone())
        .oms(world.clone())
        .start()
        .await;
    assert!(matches!(
        none,
        Err(StartError::Missing { what: "target", .. })
    ));
    let twice = builder(&world, store())
        .target(
            TargetId::new(crate::support::TARGET).unwrap(),
            world.clone(),
        )
        .start()
        .await;
    assert!(matches!(twice, Err(StartError::TargetTwice { .. })));
    let lone = Countermand::on(store()).oms(world.clone()).start().await;
    assert!(matches!(
        lone,
        Err(StartError::Missing {
            what: "refund provider",
            ..
        })
    ));
}
