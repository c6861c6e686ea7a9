//! The engine behind a [`Handle`](crate::Handle): the runner, driving cancellations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::cancellation::input::{Action, Fact, Input};
use countermand_core::cancellation::request::{
    CancelRequest, Draft, Observation, Origin, Problem, Request, Terms,
};
use countermand_core::cancellation::view::View;
use countermand_core::cancellation::{Cancellation, Phase, Rejection, State};
use countermand_core::{InstanceId, OrderId, TargetId};
use countermand_runner::{GetError, Instance, Started, SubmitError};
use countermand_store::{self as store, Store};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::{CancelOutcome, Conflict, ConflictWhy, Error, Ingested, ObserveOutcome, Until};
use crate::builder::Close;
use crate::changes::Changes;
use crate::engine::Engine;
use crate::ports::BoxFuture;
use crate::source::{Source, view};

/// When it is worth trying again after an overload.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) type Runner<S> = countermand_runner::Handle<Cancellation, S>;

/// The runner, and what it needs to know to drive cancellations.
pub(crate) struct Embedded<S: Store> {
    pub(crate) runner: Runner<S>,
    pub(crate) source: Arc<Source<S>>,
    /// What is agreed with new cancellations, per target.
    pub(crate) targets: BTreeMap<TargetId, Terms>,
    /// Do events begin observed cancellations?
    pub(crate) observe: bool,
    /// Closes the store, where it is ours to close.
    close: Option<Close>,
    /// The engine has stopped: nothing changes any more.
    stopped: CancellationToken,
    _on_drop: DropGuard,
}

impl<S: Store> Embedded<S> {
    pub(crate) fn new(
        runner: Runner<S>,
        source: Arc<Source<S>>,
        targets: BTreeMap<TargetId, Terms>,
        observe: bool,
        close: Option<Close>,
    ) -> Self {
        let stopped = CancellationToken::new();
        Self {
            runner,
            source,
            targets,
            observe,
            close,
            _on_drop: stopped.clone().drop_guard(),
            stopped,
        }
    }

    /// The only target, where there is only one.
    fn default_target(&self) -> Option<&TargetId> {
        let mut ids = self.targets.keys();
        ids.next().filter(|_| ids.next().is_none())
    }

    /// The terms of a target.
    fn terms(&self, id: &TargetId) -> Result<&Terms, Problem> {
        self.targets.get(id).ok_or_else(|| {
            let known: Vec<&str> = self.targets.keys().map(TargetId::as_str).collect();
            Problem {
                field: "targetId",
                message: format!("is not configured here; configured: {}", known.join(", ")),
            }
        })
    }

    async fn shown(&self, instance: &Instance<State>) -> Result<View, Error> {
        let now = self.source.store.now().await?.at;
        view(&self.source.workflow, &instance.row, now)
    }

    async fn try_cancel(
        &self,
        draft: Draft,
        requested_by: Option<String>,
    ) -> Result<CancelOutcome, Error> {
        // Validation needs the terms, and the terms need a sound target: the draft is checked under
        // the common ones first, then agreed under its target's own.
        let mut request = draft
            .validate(
                self.default_target(),
                requested_by.as_deref(),
                Terms::default(),
            )
            .map_err(|problems| Error::Invalid { problems })?;
        request.terms = self
            .terms(&request.target_id)
            .map_err(|problem| Error::Invalid {
                problems: vec![problem],
            })?
            .clone();
        match self.start(Request::Requested(request.clone())).await? {
            Started::Created(instance) => Ok(CancelOutcome::Created(self.shown(&instance).await?)),
            Started::Existing(instance) => {
                Ok(CancelOutcome::Existing(self.shown(&instance).await?))
            }
            Started::Conflict { with, why: "live" } if with.state.case.prior.whole => {
                Ok(conflict(&with, "already_cancelled"))
            }
            Started::Conflict { with, why: "live" } if is_convertible(&with.state) => {
                self.convert(&with, request).await
            }
            Started::Conflict { with, why } => Ok(conflict(&with, why)),
            Started::Known => Err(known()),
        }
    }

    /// Turns an observed cancellation in `precheck` into a requested one.
    async fn convert(
        &self,
        observed: &Instance<State>,
        request: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        let id = observed.row.id.clone();
        match self
            .runner
            .submit(&id, Input::Requested(request), true)
            .await
        {
            Ok(instance) => Ok(CancelOutcome::Created(self.shown(&instance).await?)),
            // It has moved on meanwhile.
            Err(SubmitError::Rejected(_)) => Ok(conflict(observed, "live")),
            Err(error) => Err(failed(error)),
        }
    }

    async fn start(&self, request: Request) -> Result<Started<State>, Error> {
        self.runner
            .start(request)
            .await
            .map_err(|error| match error {
                SubmitError::Rejected(rejection) => Error::Defect {
                    detail: rejection.to_string(),
                },
                error => failed(error),
            })
    }

    async fn try_observe(
        &self,
        target_id: Option<TargetId>,
        order_id: OrderId,
        actor: Option<String>,
    ) -> Result<ObserveOutcome, Error> {
        let invalid = |problem| Error::Invalid {
            problems: vec![problem],
        };
        let target_id = target_id
            .or_else(|| self.default_target().cloned())
            .ok_or_else(|| {
                invalid(Problem {
                    field: "targetId",
                    message: "is required: there is no single default target".to_owned(),
                })
            })?;
        let terms = self.terms(&target_id).map_err(invalid)?.clone();
        let observation = Observation {
            target_id,
            order_id,
            event: None,
            requested_by: actor,
            terms,
        };
        match self.start(Request::Observed(observation)).await? {
            Started::Created(instance) => Ok(ObserveOutcome::Created(self.shown(&instance).await?)),
            Started::Existing(with) | Started::Conflict { with, .. } => {
                Ok(ObserveOutcome::Existing(self.shown(&with).await?))
            }
            Started::Known => Err(known()),
        }
    }

    async fn act(&self, id: InstanceId, actor: String, action: Action) -> Result<View, Error> {
        // A retry, and a fact that a person supplies, make whatever waits after a failure due now.
        let resets = matches!(action, Action::Retry | Action::Resolve { .. });
        let input = Input::Operator { actor, action };
        let instance = self
            .runner
            .submit(&id, input, resets)
            .await
            .map_err(|error| turned_down(&id, error))?;
        self.shown(&instance).await
    }

    async fn try_wait(&self, id: &InstanceId, until: Until) -> Result<View, Error> {
        let done = |instance: &Instance<State>| match until {
            Until::Finished => instance.state.phase.is_finished(),
            Until::Settled => {
                instance.state.phase.is_finished() || !instance.state.case.attention.is_empty()
            }
        };
        match self.runner.wait_until(id, done).await {
            Ok(Some(instance)) => self.shown(&instance).await,
            Ok(None) => Err(Error::Closed),
            Err(GetError::Missing { id }) => Err(Error::NotFound {
                what: id.to_string(),
            }),
            Err(GetError::Unreadable { id, detail }) => Err(unreadable(&id, detail)),
            Err(GetError::Store(cause)) => Err(Error::Store(cause)),
        }
    }

    async fn try_shutdown(&self, grace: Duration) -> bool {
        let complete = self.runner.shutdown(grace).await;
        self.stopped.cancel();
        if let Some(close) = &self.close {
            close().await;
        }
        complete
    }
}

impl<S: Store> Engine for Embedded<S> {
    fn cancel(
        &self,
        draft: Draft,
        requested_by: Option<String>,
    ) -> BoxFuture<'_, Result<CancelOutcome, Error>> {
        Box::pin(self.try_cancel(draft, requested_by))
    }

    fn observe(
        &self,
        target_id: Option<TargetId>,
        order_id: OrderId,
        actor: Option<String>,
    ) -> BoxFuture<'_, Result<ObserveOutcome, Error>> {
        Box::pin(self.try_observe(target_id, order_id, actor))
    }

    fn ingest(&self, text: Vec<u8>, source: String) -> BoxFuture<'_, Result<Ingested, Error>> {
        Box::pin(self.take_in(text, source))
    }

    fn retry(&self, id: InstanceId, actor: String) -> BoxFuture<'_, Result<View, Error>> {
        Box::pin(self.act(id, actor, Action::Retry))
    }

    fn withdraw(
        &self,
        id: InstanceId,
        actor: String,
        note: Option<String>,
    ) -> BoxFuture<'_, Result<View, Error>> {
        Box::pin(self.act(id, actor, Action::Withdraw { note }))
    }

    fn resolve(
        &self,
        id: InstanceId,
        actor: String,
        fact: Fact,
        note: String,
    ) -> BoxFuture<'_, Result<View, Error>> {
        Box::pin(self.act(id, actor, Action::Resolve { fact, note }))
    }

    fn note(
        &self,
        id: InstanceId,
        actor: String,
        text: String,
    ) -> BoxFuture<'_, Result<View, Error>> {
        Box::pin(self.act(id, actor, Action::Note { text }))
    }

    fn wait<'a>(&'a self, id: &'a InstanceId, until: Until) -> BoxFuture<'a, Result<View, Error>> {
        Box::pin(self.try_wait(id, until))
    }

    fn changes(&self) -> Changes {
        Changes::new(self.runner.changes(), self.stopped.clone())
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.runner.settled())
    }

    fn shutdown(&self, grace: Duration) -> BoxFuture<'_, bool> {
        Box::pin(self.try_shutdown(grace))
    }

    fn is_running(&self) -> bool {
        self.runner.is_running()
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.runner.stopped())
    }

    fn troubled(&self) -> Vec<(InstanceId, String)> {
        self.runner.troubled()
    }

    fn commit_failure(&self) -> Option<(Duration, String)> {
        self.runner.commit_failure()
    }
}

fn is_convertible(state: &State) -> bool {
    state.case.origin == Origin::Observed && matches!(state.phase, Phase::Precheck { .. })
}

fn conflict(with: &Instance<State>, why: &str) -> CancelOutcome {
    let id = &with.row.id;
    let order = &with.state.case.order_id;
    let phase = with.state.phase.name();
    let (why, message) = match why {
        "external_id_reused" => (
            ConflictWhy::ExternalIdReused,
            format!(
                "the external id belongs to cancellation {id}, whose request was another one: use a new one"
            ),
        ),
        "live" => (
            ConflictWhy::CancellationLive,
            format!("cancellation {id} of order {order} is under way, in state {phase}"),
        ),
        "already_cancelled" => (
            ConflictWhy::AlreadyCancelled,
            format!("order {order} was cancelled by {id}"),
        ),
        other => (
            ConflictWhy::Refused,
            format!("cancellation {id} of order {order} stands against it: {other}"),
        ),
    };
    CancelOutcome::Conflict(Conflict {
        with: id.clone(),
        why,
        message,
    })
}

/// A request to begin always begins something, unless something stands against it.
fn known() -> Error {
    Error::Defect {
        detail: "a request was taken for news of an old cancellation".to_owned(),
    }
}

/// Why an operator's input was not carried out.
fn turned_down(id: &InstanceId, error: SubmitError<Rejection>) -> Error {
    match error {
        SubmitError::Rejected(rejection) => Error::Refused {
            id: id.clone(),
            code: code(&rejection).to_owned(),
            message: rejection.to_string(),
        },
        error => failed(error),
    }
}

/// The engine's errors, as callers see them.
pub(crate) fn failed(error: SubmitError<Rejection>) -> Error {
    match error {
        SubmitError::Rejected(rejection) => Error::Defect {
            detail: rejection.to_string(),
        },
        SubmitError::Missing { id } => Error::NotFound {
            what: id.to_string(),
        },
        // The last two are for decisions of the engine itself; no caller makes any.
        SubmitError::Overloaded
        | SubmitError::Contended
        | SubmitError::Stale
        | SubmitError::LeaseLost => Error::Overloaded {
            retry_after: RETRY_AFTER,
        },
        SubmitError::Closed => Error::Closed,
        SubmitError::Unreadable { id, detail } => unreadable(&id, detail),
        SubmitError::Refused { detail } | SubmitError::Panicked { detail } => {
            Error::Defect { detail }
        }
        SubmitError::Store(cause) => Error::Store(shared(cause)),
    }
}

fn unreadable(id: &InstanceId, detail: String) -> Error {
    Error::Store(store::Error::Corrupt {
        what: format!("cancellation {id}"),
        detail,
    })
}

/// An error that several callers share, for one of them.
fn shared(cause: Arc<store::Error>) -> store::Error {
    match Arc::try_unwrap(cause) {
        Ok(error) => error,
        Err(cause) => store::Error::Unavailable {
            operation: "commit",
            cause: Box::new(SharedCause(cause)),
        },
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct SharedCause(Arc<store::Error>);

fn code(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Finished => "finished",
        Rejection::NotHandled { .. } => "not_handled",
        Rejection::NotWanted { .. } => "not_wanted",
        Rejection::PastAttempt { .. } => "past_attempt",
        Rejection::ForeignOrder { .. } => "foreign_order",
        Rejection::UnknownRefund { .. } => "unknown_refund",
        Rejection::Refused { .. } => "refused",
    }
}
