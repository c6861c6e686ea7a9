//! A cancellation as it is shown: the JSON of the command line and the HTTP API
//! (docs/interfaces.md).

use serde::{Deserialize, Serialize};

use crate::cancellation::attention::Attention;
use crate::cancellation::input::PayoutState;
use crate::cancellation::request::{CancellationReason, Origin};
use crate::cancellation::state::State;
use crate::{InstanceId, Money, OrderId, PaymentId, RefundId, TargetId, Timestamp};

/// What the row and the engine know beside the state.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFacts {
    /// The cancellation's id.
    pub id: InstanceId,
    /// The newest entry's number.
    pub revision: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// When something is next due.
    pub due_at: Option<Timestamp>,
    /// Failures in a row of whatever fails most.
    pub attempt: u32,
    /// The last error of whatever fails.
    pub last_error: Option<LastError>,
    /// The store's present time.
    pub now: Timestamp,
}

/// The last error of an effect that is being retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Which effect, such as `read_order`.
    pub effect: String,
    /// What went wrong.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// Is it moving?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Due, or being worked on.
    Running,
    /// Its next look is in the future.
    Waiting,
    /// A person is needed. Polling may go on.
    Attention,
    /// Nothing is left to do.
    Finished,
}

/// A cancellation for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Its id.
    pub id: InstanceId,
    /// The target.
    pub target_id: TargetId,
    /// The order.
    pub order_id: OrderId,
    /// The caller's idempotency key.
    pub external_id: Option<String>,
    /// How it began.
    pub origin: Origin,
    /// The life cycle's state.
    pub state: String,
    /// Is it moving?
    pub status: Status,
    /// How it ended.
    pub outcome: Option<String>,
    /// The reason given to Amazon.
    pub reason: Option<CancellationReason>,
    /// The comments given to Amazon.
    pub additional_comments: Option<String>,
    /// Who asked.
    pub requested_by: Option<String>,
    /// Is any mutation in doubt?
    pub in_doubt: bool,
    /// Why a person is needed.
    pub attention: Option<AttentionView>,
    /// Why it was rejected.
    pub rejection: Option<RejectionView>,
    /// Its refunds.
    pub refunds: Vec<RefundView>,
    /// Failures in a row of whatever fails most.
    pub attempt: u32,
    /// The last error of whatever fails.
    pub last_error: Option<LastError>,
    /// When something is next due.
    pub next_at: Option<Timestamp>,
    /// The newest entry's number.
    pub revision: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
}

/// Why a person is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttentionView {
    /// Since when.
    pub since: Timestamp,
    /// Why: a stable code, a colon, and a sentence.
    pub why: String,
    /// What can be done, as command lines without the program's name.
    pub suggest: Vec<String>,
    /// Everything that a person is needed for, oldest first; each with what can be done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<NeedView>,
}

/// One thing that a person is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeedView {
    /// The stable code of its kind.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
    /// What it is, in a sentence.
    pub detail: String,
    /// What goes on meanwhile, in a sentence.
    pub meanwhile: String,
    /// What can be done, as command lines without the program's name.
    pub suggest: Vec<String>,
}

/// Why a cancellation was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectionView {
    /// A stable code, such as `not_cancellable`.
    pub why: String,
    /// The particulars.
    pub detail: Option<String>,
}

/// A refund as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    /// Amazon's id.
    pub id: RefundId,
    /// Its state at Amazon, as last read or reported.
    pub state: String,
    /// The frozen amount, else Amazon's estimate. Not known where somebody else had moved it on
    /// before it was first seen.
    pub amount: Option<Money>,
    /// What Amazon showed as its total when somebody else was seen to have moved it on: what was
    /// returned by then, or, after a failure, perhaps still the estimate. Left out once we reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_at_amazon: Option<Money>,
    /// The payment.
    pub payment_id: Option<PaymentId>,
    /// The state that we reported last.
    pub reported: Option<String>,
}

impl View {
    /// What the state, the row and the engine know, together.
    #[must_use]
    pub fn new(state: &State, facts: RowFacts) -> Self {
        let case = &state.case;
        let finished = state.phase.is_finished();
        let attention = state.attention_view(&facts.id);
        let status = if finished {
            Status::Finished
        } else if attention.is_some() {
            Status::Attention
        } else if facts.due_at.is_none_or(|due| due <= facts.now) {
            Status::Running
        } else {
            Status::Waiting
        };
        Self {
            target_id: case.target_id.clone(),
            order_id: case.order_id.clone(),
            external_id: case.external_id.as_ref().map(ToString::to_string),
            origin: case.origin.clone(),
            state: state.phase.name().to_owned(),
            status,
            outcome: state.outcome().map(str::to_owned),
            reason: case.reason,
            additional_comments: case.additional_comments.clone(),
            requested_by: case.requested_by.clone(),
            in_doubt: case.in_doubt(),
            attention,
            rejection: state.rejection_view(),
            refunds: state.refund_views(),
            attempt: facts.attempt,
            last_error: facts.last_error,
            // Where everything waits for a person, nothing is due, ever.
            next_at: facts
                .due_at
                .filter(|due| !finished && *due < Timestamp::MAX),
            revision: facts.revision,
            created_at: facts.created_at,
            updated_at: facts.updated_at,
            finished_at: facts.finished_at,
            id: facts.id,
        }
    }
}

impl State {
    /// Why a person is needed: the oldest reason, and how many others there are.
    fn attention_view(&self, id: &InstanceId) -> Option<AttentionView> {
        let all = &self.case.attention;
        let oldest = all.first()?;
        let code = oldest.about.code();
        let why = match all.len() {
            1 => format!("{code}: {}", oldest.detail),
            many => format!("{code}: {} (and {} more)", oldest.detail, many - 1),
        };
        let need = |attention: &Attention| {
            let lines = attention.about.suggestions().into_iter();
            NeedView {
                code: attention.about.code().to_owned(),
                since: attention.since,
                detail: attention.detail.clone(),
                meanwhile: attention.about.meanwhile().to_owned(),
                suggest: lines
                    .map(|line| line.replacen("ID", id.as_str(), 1))
                    .collect(),
            }
        };
        let needs: Vec<NeedView> = all.iter().map(need).collect();
        let mut suggest: Vec<String> = Vec::new();
        for line in needs.iter().flat_map(|need| &need.suggest) {
            if !suggest.contains(line) {
                suggest.push(line.clone());
            }
        }
        Some(AttentionView {
            since: oldest.since,
            why,
            suggest,
            needs,
        })
    }

    pub(crate) fn rejection_view(&self) -> Option<RejectionView> {
        self.case.rejection.as_ref().map(|rejected| RejectionView {
            why: rejected.why.as_str().to_owned(),
            detail: rejected.detail.clone(),
        })
    }

    pub(crate) fn refund_views(&self) -> Vec<RefundView> {
        let refunds = self.case.refunds.iter();
        refunds
            .map(|(id, refund)| RefundView {
                id: id.clone(),
                state: refund.state.to_string(),
                amount: refund.amount,
                total_at_amazon: refund.total_at_amazon.filter(|_| refund.reported.is_none()),
                payment_id: refund
                    .payout
                    .as_ref()
                    .filter(|paid| paid.payout.state != PayoutState::Failure)
                    .map(|paid| paid.payout.payment_id.clone())
                    .or_else(|| refund.parts.last().map(|part| part.payment_id.clone())),
                reported: refund.reported.as_ref().map(|last| last.state.to_string()),
            })
            .collect()
    }
}
