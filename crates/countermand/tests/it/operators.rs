//! What people do to a cancellation.

use countermand::{CancellationState, Error, Fact, InstanceId, RefundState, Until, verify};

use crate::support::{World, created, draft, engine, soon};

#[tokio::test]
async fn people_can_act() {
    let world = World::default();
    world.order("322-A");
    world.lock().amazon_down = true;
    let (handle, store) = engine(&world).await;
    let id = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    let view = handle.note(&id, "ann", "the shopper called").await.unwrap();
    assert_eq!(view.revision, 2);
    handle.retry(&id, "ann").await.unwrap();
    match handle
        .resolve(&id, "ann", Fact::OmsTold, "they said so")
        .await
    {
        Err(Error::Refused {
            id: refused, code, ..
        }) => {
            assert_eq!((&refused, code.as_str()), (&id, "refused"));
        }
        other => panic!("{other:?}"),
    }
    let view = handle
        .withdraw(&id, "ann", Some("a mistake"))
        .await
        .unwrap();
    assert_eq!(view.rejection.unwrap().why, "withdrawn");
    // The retry asked for a look at the order.
    world.lock().amazon_down = false;
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("withdrawn"));
    assert!(matches!(
        handle.retry(&id, "ann").await,
        Err(Error::Refused { .. })
    ));
    handle.note(&id, "bob", "closed").await.unwrap();
    let history = handle.history(&id).await.unwrap();
    let acted: Vec<_> = history
        .iter()
        .filter_map(|entry| entry.actor.as_deref())
        .collect();
    assert_eq!(acted, ["ann", "ann", "ann", "bob"]);

    let nobody = InstanceId::new("nobody").unwrap();
    assert!(matches!(
        handle.retry(&nobody, "ann").await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        handle.get(&nobody).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        handle.history(&nobody).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        handle.find("322-Z").await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        handle.wait(&nobody, Until::Settled).await,
        Err(Error::NotFound { .. })
    ));
    let report = verify(&store).await.unwrap();
    assert!(report.ok, "{report:?}");
}

#[tokio::test]
async fn failures_show_and_the_refund_is_told_by_a_person() {
    let world = World::default();
    world.order("322-A");
    {
        let mut inside = world.lock();
        inside.decision = Some(CancellationState::Success);
        inside.refund = Some("10".to_owned());
        inside.oms_down = true;
    }
    let (handle, _) = engine(&world).await;
    let id = created(handle.cancel(&draft("322-A", None), None).await.unwrap());
    soon(async {
        loop {
            let view = handle.get(&id).await.unwrap();
            let reported = view.refunds.iter().any(|refund| refund.reported.is_some());
            if let Some(error) = view.last_error.filter(|_| reported) {
                // A dead OMS holds up no refund.
                assert_eq!(error.effect, "update_oms");
                assert!(view.attempt > 0);
                break;
            }
            tokio::time::sleep(crate::support::ms(5)).await;
        }
    })
    .await;
    handle
        .resolve(&id, "ann", Fact::OmsTold, "told by phone")
        .await
        .unwrap();
    let view = soon(handle.wait(&id, Until::Finished)).await.unwrap();
    assert_eq!(view.outcome.as_deref(), Some("cancelled"));
    assert_eq!(
        world.lock().reports,
        [("R-322-A".parse().unwrap(), RefundState::Success)]
    );
}
