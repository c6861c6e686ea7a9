//! The world's own motion: what is due happens, and events are delivered, again and again until they
//! are acknowledged.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::SharedSink;
use crate::options::EventSink;
use crate::world::{Delivery, SharedWorld};

/// Deliveries under way at the same time.
const AT_ONCE: usize = 16;

/// A webhook must answer within this time (reference 4.5).
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Runs until it is told to stop; deliveries under way are given up then.
pub(crate) async fn run(
    world: SharedWorld,
    sink: SharedSink,
    client: reqwest::Client,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let target = sink.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A copy in flight comes back here through `changed`; so does a free slot.
        let free = slots.available_permits();
        if let Some(target) = target.as_ref().filter(|_| free > 0) {
            for delivery in world.take_deliveries(free) {
                let Ok(permit) = Arc::clone(&slots).try_acquire_owned() else {
                    world.not_delivered(delivery, "no free slot".to_owned());
                    continue;
                };
                tasks.spawn(deliver(
                    Arc::clone(&world),
                    client.clone(),
                    target.clone(),
                    delivery,
                    permit,
                    stop.clone(),
                ));
            }
        }
        let is_deliverable = target.is_some() && slots.available_permits() > 0;
        let due = world
            .next_due(is_deliverable)
            .and_then(|tick| world.instant(tick));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = world.changed.notified() => {}
            () = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn deliver(
    world: SharedWorld,
    client: reqwest::Client,
    target: EventSink,
    delivery: Delivery,
    permit: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    let mut request = client
        .post(&target.url)
        .header("content-type", "application/json")
        .body(delivery.body.clone());
    if let Some(token) = &target.token {
        request = request.bearer_auth(token);
    }
    let outcome = tokio::select! {
        biased;
        () = stop.cancelled() => Err("the simulator is shutting down".to_owned()),
        answered = timeout(ANSWER_WITHIN, request.send()) => match answered {
            Err(_) => Err("no answer within 5 s".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("answered {}", answer.status())),
        },
    };
    match outcome {
        Ok(()) => world.delivered(&delivery),
        Err(why) => {
            tracing::debug!(%why, "an event was not delivered");
            world.not_delivered(delivery, why);
        }
    }
    drop(permit);
    world.changed.notify_one();
}
