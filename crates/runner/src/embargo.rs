//! After a restore from a backup the history is behind the world: somebody (ourselves, in a future
//! that was lost) may have sent what is not known here. So nothing is sent until all that can be
//! seen, and every unfinished instance is told to look first.
//!
//! The embargo counts on the monotonic clock from this process's first sight. The store's mark stays
//! until it is over, so a crash in between begins it anew.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermand_core::{InstanceId, Workflow};
use countermand_store::{self as store, Cursor, Filter, Store};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::task::{Alter, Authority, SubmitErrorOf};
use crate::{SubmitError, lock};

/// Are mutations held back since the store was restored? Until the store was asked, yes.
#[derive(Debug, Default)]
pub(crate) struct Embargo {
    known: Mutex<Known>,
    /// It was found out, and whoever is unfinished was told.
    told: CancellationToken,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    /// Until then, on the monotonic clock. The store's mark still stands.
    Until(Duration),
    /// The store is as any other.
    Over,
}

/// Where nothing is known yet, to be asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Instances that are told at once.
const PAGE: usize = 256;

impl Embargo {
    /// How much longer mutations are held back, if they are.
    pub(crate) fn left(&self, now: Duration) -> Option<Duration> {
        let left = match *lock(&self.known) {
            Known::Nothing => ASK_AGAIN,
            Known::Until(until) => until.saturating_sub(now),
            Known::Over => Duration::ZERO,
        };
        (!left.is_zero()).then_some(left)
    }

    fn set(&self, known: Known) {
        *lock(&self.known) = known;
        self.told.cancel();
    }

    /// Commands and events wait for this: an instance must know what it does not know before it
    /// hears of anything else.
    pub(crate) fn told(&self) -> &CancellationToken {
        &self.told
    }

    /// The time has come, and the store does not know it yet.
    fn is_to_end(&self, now: Duration) -> bool {
        matches!(*lock(&self.known), Known::Until(until) if until <= now)
    }
}

/// Finds out whether the store was restored; if so, tells every unfinished instance. To be called
/// before anything is taken up.
///
/// # Errors
/// When the store fails: to be tried again. An instance that was told twice looks once.
pub(crate) async fn begin<W: Workflow, S: Store>(
    shared: &Arc<Shared<W, S>>,
) -> Result<(), SubmitErrorOf<W>> {
    let failed = |error| SubmitError::Store(Arc::new(error));
    let first_sight = shared.world.monotonic();
    let Some(since) = shared.store.restored().await.map_err(failed)? else {
        shared.embargo.set(Known::Over);
        return Ok(());
    };
    let embargo = shared.options.embargo;
    tracing::warn!(
        %since,
        ?embargo,
        "the store was restored from a backup: nothing is sent for a while, and whatever is unfinished looks first"
    );
    if let Some(input) = shared.workflow.restored() {
        let told = tell_all(shared, &input).await?;
        tracing::info!(told, "unfinished instances look first");
    }
    let until = first_sight.saturating_add(embargo);
    shared.embargo.set(Known::Until(until));
    Ok(())
}

async fn tell_all<W: Workflow, S: Store>(
    shared: &Arc<Shared<W, S>>,
    input: &W::Input,
) -> Result<usize, SubmitErrorOf<W>> {
    let filter = Filter {
        kind: Some(W::KIND.to_owned()),
        live: true,
        ..Filter::default()
    };
    let mut after: Option<Cursor> = None;
    let mut told = 0;
    loop {
        let page = shared.store.list(&filter, after.as_ref(), PAGE).await;
        let page = page.map_err(|error| SubmitError::Store(Arc::new(error)))?;
        for what in &page.unreadable {
            tracing::error!(
                what,
                "an instance cannot be read, and is not told of the restore"
            );
        }
        told += page.rows.len();
        let tells = page.rows.into_iter().map(|row| tell(shared, row.id, input));
        join_all(tells)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        after = page.next;
        if after.is_none() {
            return Ok(told);
        }
    }
}

async fn tell<W: Workflow, S: Store>(
    shared: &Arc<Shared<W, S>>,
    id: InstanceId,
    input: &W::Input,
) -> Result<(), SubmitErrorOf<W>> {
    let alter = Alter {
        id: id.clone(),
        inputs: vec![input.clone()],
        mark: None,
        authority: Authority::Fact,
        internal: false,
    };
    match shared.alter(alter).await {
        Ok(altered) => {
            for rejection in altered.rejections {
                tracing::debug!(%id, %rejection, "an instance has no use for the restore");
            }
            Ok(())
        }
        Err(
            error @ (SubmitError::Store(_)
            | SubmitError::Closed
            | SubmitError::Contended
            | SubmitError::Overloaded
            | SubmitError::Stale
            | SubmitError::LeaseLost),
        ) => Err(error),
        Err(error) => {
            // Whatever is broken about it keeps it from sending anything, too.
            tracing::error!(%id, error = &error as &dyn std::error::Error, "an instance cannot be told of the restore");
            Ok(())
        }
    }
}

/// Once the time is over, the store is told; should that fail, the next look round does it.
pub(crate) async fn end<W: Workflow, S: Store>(
    shared: &Shared<W, S>,
    now: Duration,
) -> Result<(), store::Error> {
    if shared.embargo.is_to_end(now) {
        shared.store.caught_up().await?;
        shared.embargo.set(Known::Over);
        tracing::info!("what happened before the restore can be seen by now: mutations go out");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_it_is_known_to_be_over() {
        let embargo = Embargo::default();
        let secs = Duration::from_secs;
        assert_eq!(embargo.left(secs(100)), Some(ASK_AGAIN), "not asked yet");
        embargo.set(Known::Until(secs(130)));
        assert_eq!(embargo.left(secs(100)), Some(secs(30)));
        assert!(!embargo.is_to_end(secs(129)));
        assert_eq!(embargo.left(secs(130)), None);
        assert!(embargo.is_to_end(secs(130)));
        embargo.set(Known::Over);
        assert_eq!(embargo.left(secs(0)), None);
        assert!(!embargo.is_to_end(secs(200)));
    }
}
