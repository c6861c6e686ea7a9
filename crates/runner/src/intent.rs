//! Before a mutation: its intent, and what it may spend.

use std::time::Duration;

use countermand_core::{Notice, Timestamp, Workflow};
use countermand_store::Store;

use crate::codec::guarded;
use crate::lane::{Begun, LaneEnd, Lanes, STORE_RECOVERY};
use crate::shelf::Snapshot;
use crate::task::{Alter, Authority};
use crate::{Perform, SubmitError};

/// What became of a decision.
enum Decided<W: Workflow> {
    Committed(Snapshot<W>),
    Rejected(W::Rejection),
    /// It was not committed.
    No(LaneEnd),
    /// It may have been.
    Unknown(LaneEnd),
}

/// How long something waits that a limit stands against, where the workflow does not stop it.
const LIMITED: Duration = Duration::from_secs(60);
/// How often an intent is decided anew because other lanes were faster.
const INTENT_TRIES: u32 = 8;

impl<W: Workflow, S: Store, P: Perform<W>> Lanes<'_, W, S, P> {
    /// Commits the intent, if there is room for what it spends; answers with the instance as it is
    /// then.
    pub(crate) async fn intend(
        &self,
        begun: &Begun<W>,
        deadline: Timestamp,
    ) -> Result<Snapshot<W>, LaneEnd> {
        let workflow = &*self.shared.workflow;
        let effect = &begun.item.effect;
        let asked = guarded(|| {
            let input = workflow.notice(Notice::Intent { effect, deadline });
            let spend = workflow.spend(&input);
            (input, spend)
        });
        let (input, spend) = asked.map_err(LaneEnd::Harm)?;
        let mut taken = None;
        if let Some(spend) = spend {
            let (store, who) = (&*self.shared.store, (&self.held.id, &spend));
            let purse = &self.shared.purse;
            match purse.take(store, W::KIND, who, begun.moment.into()).await {
                Ok(Ok(place)) => taken = place,
                Ok(Err(full)) => return Err(self.limited(begun, &full.to_string()).await),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "what was spent of late cannot be told: nothing is"
                    );
                    let why = "what was spent of late cannot be told";
                    return Err(self.put_off(&begun.item, None, why).await);
                }
            }
        }
        let decided = self.decide(begun, &input).await;
        let is_committed = matches!(decided, Decided::Committed(_) | Decided::Unknown(_));
        if let Some(taken) = taken.filter(|_| !is_committed) {
            self.shared.purse.give_back(taken);
        }
        match decided {
            Decided::Committed(snapshot) => Ok(snapshot),
            Decided::No(end) | Decided::Unknown(end) => Err(end),
            Decided::Rejected(rejection) => {
                let why = format!("the workflow rejects the intent: {rejection}");
                tracing::error!(id = %self.held.id, lane = begun.item.key, why);
                Err(self.put_off(&begun.item, None, &why).await)
            }
        }
    }

    /// Commits a decision about an item that is still wanted as it was.
    async fn decide(&self, begun: &Begun<W>, input: &W::Input) -> Decided<W> {
        for _ in 0..INTENT_TRIES {
            let snapshot = self.held.latest();
            if !self.is_wanted(&snapshot, &begun.item) {
                break;
            }
            if self.shared.pause.is_thrown() || self.shared.stopping.is_cancelled() {
                break;
            }
            let alter = Alter {
                id: self.held.id.clone(),
                inputs: vec![input.clone()],
                mark: None,
                authority: Authority::Decision {
                    epoch: self.held.epoch,
                    revision: Some(snapshot.row.revision),
                },
                internal: true,
            };
            match self.shared.alter(alter).await {
                Ok(altered) => {
                    return match altered.rejections.into_iter().next() {
                        None => Decided::Committed(self.held.latest()),
                        Some(rejection) => Decided::Rejected(rejection),
                    };
                }
                Err(SubmitError::Stale) => {}
                Err(error) => {
                    let may_be = matches!(error, SubmitError::Store(_) | SubmitError::Closed);
                    let end = self.failed(error, &mut STORE_RECOVERY.1.clone()).await;
                    let end = end.unwrap_or(LaneEnd::Done);
                    return if may_be {
                        Decided::Unknown(end)
                    } else {
                        Decided::No(end)
                    };
                }
            }
        }
        Decided::No(LaneEnd::Done)
    }

    /// A limit on what is spent leaves no room: the workflow is told instead.
    async fn limited(&self, begun: &Begun<W>, detail: &str) -> LaneEnd {
        let (workflow, item) = (&*self.shared.workflow, &begun.item);
        let notice = guarded(|| {
            workflow.notice(Notice::Limited {
                effect: &item.effect,
                key: &item.key,
                detail,
            })
        });
        let input = match notice {
            Ok(input) => input,
            Err(notice) => return LaneEnd::Harm(notice),
        };
        tracing::warn!(id = %self.held.id, lane = item.key, detail, "nothing is spent");
        match self.decide(begun, &input).await {
            // A workflow that goes on wanting it is not asked again and again.
            Decided::Committed(snapshot) if self.is_wanted(&snapshot, item) => {
                self.put_off(item, Some(LIMITED), detail).await
            }
            Decided::Committed(_) => LaneEnd::Done,
            Decided::No(end) | Decided::Unknown(end) => end,
            Decided::Rejected(_) => self.put_off(item, Some(LIMITED), detail).await,
        }
    }
}
