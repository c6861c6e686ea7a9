//! What happens to cancellations, as it happens.

use countermand_runner as runner;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::api::Change;

/// A stream of [`Change`]s. A reader that falls behind is told so ([`Change::Missed`]).
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<runner::Change>,
    stopped: CancellationToken,
}

impl Changes {
    pub(crate) fn new(
        receiver: broadcast::Receiver<runner::Change>,
        stopped: CancellationToken,
    ) -> Self {
        Self { receiver, stopped }
    }

    /// The next change; `None` once the engine has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Change> {
        let received = tokio::select! {
            biased;
            received = self.receiver.recv() => received,
            () = self.stopped.cancelled() => return None,
        };
        match received {
            Ok(change) => Some(Change::Changed {
                id: change.id,
                revision: change.revision,
                state: change.phase,
            }),
            Err(RecvError::Lagged(_)) => Some(Change::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}
