//! Asks for every cancellation over HTTP, and asks again until the daemon has answered: the external
//! id makes that safe, whatever became of it meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countermand_simulator::NewOrder;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::daemon::Api;
use crate::exit::{Exit, Failure};

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// Before asking again.
const AGAIN: Duration = Duration::from_millis(30);

/// What was accepted so far.
#[derive(Default)]
pub(super) struct Accepted {
    ids: Mutex<BTreeMap<String, String>>,
    again: AtomicUsize,
    trouble: Mutex<Trouble>,
}

/// What stood in the way.
#[derive(Default)]
struct Trouble {
    /// Why a request had to be repeated, of the last one.
    last: Option<String>,
    /// Why a request was given up, and with it all others.
    refused: Option<String>,
}

impl Accepted {
    /// How many orders.
    pub(super) fn count(&self) -> usize {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The cancellation of each order.
    pub(super) fn ids(&self) -> BTreeMap<String, String> {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Why the last request that had to be repeated was not answered.
    pub(super) fn last_trouble(&self) -> Option<String> {
        self.trouble().last.clone()
    }

    /// Why asking ended before its time.
    pub(super) fn refused(&self) -> Option<String> {
        self.trouble().refused.clone()
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a request had to be repeated.
    pub(super) fn repeated(&self) -> usize {
        self.again.load(Ordering::Relaxed)
    }
}

/// Asks for all of them; ends when every one was accepted.
///
/// `daemon` is the one that runs now, if one does.
pub(super) async fn all(
    orders: Vec<NewOrder>,
    seed: u64,
    daemon: watch::Receiver<Option<Api>>,
    accepted: Arc<Accepted>,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    let mut waiting = orders.into_iter().enumerate();
    loop {
        while tasks.len() < AT_ONCE {
            let Some((number, order)) = waiting.next() else {
                break;
            };
            let (daemon, accepted) = (daemon.clone(), Arc::clone(&accepted));
            tasks.spawn(async move { one(number, &order, seed, daemon, &accepted).await });
        }
        match tasks.join_next().await {
            None => return Ok(()),
            Some(Ok(result)) => result?,
            Some(Err(error)) => {
                return Err(Failure::new(
                    Exit::Failed,
                    format!("asking failed: {error}"),
                ));
            }
        }
    }
}

async fn one(
    number: usize,
    order: &NewOrder,
    seed: u64,
    mut daemon: watch::Receiver<Option<Api>>,
    accepted: &Accepted,
) -> Result<(), Failure> {
    const REASONS: [&str; 3] = ["ORDERED_BY_MISTAKE", "ITEMS_ARRIVING_LATE", "OUT_OF_STOCK"];
    let body = json!({
        "orderId": order.order_id,
        "externalId": format!("demo-{seed}-{number}"),
        "reason": REASONS.get(number % REASONS.len()),
    });
    loop {
        let api = daemon
            .wait_for(Option::is_some)
            .await
            .map_err(|_| {
                Failure::new(
                    Exit::Failed,
                    "the demonstration ended while orders were still to be asked for",
                )
            })?
            .clone();
        let Some(api) = api else { continue };
        match api.cancel(&body).await {
            Ok((view, _)) => {
                accepted
                    .ids
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(order.order_id.clone(), view.id.to_string());
                return Ok(());
            }
            // Killed, starting, or busy: whether it was stored is not known, and need not be.
            Err(failure) if matches!(failure.exit, Exit::Daemon | Exit::Failed) => {
                accepted.again.fetch_add(1, Ordering::Relaxed);
                accepted.trouble().last = Some(failure.message);
                sleep(AGAIN).await;
            }
            Err(failure) => {
                let why = format!(
                    "the cancellation of order {} was not accepted: {failure}",
                    order.order_id
                );
                accepted.trouble().refused = Some(why.clone());
                return Err(Failure::new(Exit::Failed, why));
            }
        }
    }
}
