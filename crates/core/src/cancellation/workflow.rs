//! The cancellation as a [`Workflow`].

use crate::cancellation::effect::{Effect, Timer};
use crate::cancellation::input::{Done, EventType, Input, Mutation, Named, Unknown};
use crate::cancellation::order::Alias;
use crate::cancellation::pace::Pace;
use crate::cancellation::rejection::Rejection;
use crate::cancellation::request::{CancelRequest, Observation, Origin, Request, Terms};
use crate::cancellation::state::{Case, Outcome, Phase, Prior, State};
use crate::cancellation::{agenda, lifecycle, milestone};
use crate::{
    Admission, Agenda, AttentionFlag, Emission, Identity, InstanceId, Notice, OpenIntent,
    Projection, Spend, Stamp, UpgradeError, Workflow,
};

/// The life cycle of an order cancellation.
///
/// ```
/// use countermand_core::cancellation::{Cancellation, Draft, Request, Terms};
/// use countermand_core::{Epoch, InstanceId, Stamp, TargetId, Timestamp, Workflow};
///
/// let workflow = Cancellation::default();
/// let target = TargetId::new("bp-1").unwrap();
/// let draft = Draft { order_id: "322-T7QM".into(), ..Draft::default() };
/// let request = draft.validate(Some(&target), None, Terms::default()).unwrap();
///
/// let id = InstanceId::new("c-1").unwrap();
/// let stamp = Stamp { at: Timestamp::from_millis(0), seq: 1, epoch: Epoch(1) };
/// let state = workflow.start(&id, &Request::Requested(request), &Default::default(), stamp);
///
/// assert_eq!(state.phase.name(), "precheck");
/// assert_eq!(workflow.next(&state).items()[0].key, "read_order");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Cancellation {
    /// How often Amazon is asked.
    pub pace: Pace,
}

impl Workflow for Cancellation {
    const KIND: &'static str = "cancellation";
    const VERSION: u32 = 1;

    type Request = Request;
    type Prior = Prior;
    type State = State;
    type Input = Input;
    type Effect = Effect;
    type Rejection = Rejection;

    fn identity(&self, request: &Request) -> Identity {
        match request {
            Request::Requested(request) => Identity {
                scope: request.target_id.to_string(),
                subject: request.order_id.to_string(),
                external_id: request.external_id.as_ref().map(ToString::to_string),
                fingerprint: fingerprint(request),
            },
            Request::Observed(observation) => Identity {
                scope: observation.target_id.to_string(),
                subject: observation.order_id.to_string(),
                external_id: None,
                fingerprint: String::new(),
            },
        }
    }

    fn admit(&self, request: &Request, earlier: &[State]) -> Admission<Prior> {
        let prior = Prior::of(earlier);
        match request {
            Request::Requested(_) => {
                let cancelled = earlier
                    .iter()
                    .position(|state| state.phase == ended(Outcome::Cancelled));
                match cancelled {
                    Some(index) => Admission::Refuse {
                        index,
                        why: "already_cancelled",
                    },
                    None => Admission::Start(prior),
                }
            }
            Request::Observed(observation) if is_known(observation, &prior) => Admission::Known,
            Request::Observed(_) => Admission::Start(prior),
        }
    }

    fn start(&self, id: &InstanceId, request: &Request, prior: &Prior, stamp: Stamp) -> State {
        let case = match request {
            Request::Requested(request) => requested(id, request, prior),
            Request::Observed(observation) => observed(id, observation, prior, stamp),
        };
        let phase = Phase::Precheck { since: stamp.at };
        State { phase, case }
    }

    fn step(&self, state: &State, input: &Input, stamp: Stamp) -> Result<State, Rejection> {
        lifecycle::step(state, input, stamp)
    }

    fn next(&self, state: &State) -> Agenda<Effect> {
        agenda::next(state, &self.pace)
    }

    fn project(&self, state: &State) -> Projection {
        let case = &state.case;
        let fingerprint = (case.origin == Origin::Requested).then(|| state.fingerprint());
        Projection {
            phase: state.phase.name(),
            outcome: state.outcome(),
            finished: state.phase.is_finished(),
            in_doubt: case.in_doubt(),
            attention: case.attention.first().map(|attention| AttentionFlag {
                since: attention.since,
                why: attention.about.code().to_owned(),
            }),
            open_intent_epoch: self.open_intents(state).iter().map(|open| open.epoch).min(),
            external_id: case.external_id.as_ref().map(ToString::to_string),
            fingerprint,
        }
    }

    fn emissions(&self, _: &InstanceId, state: &State, stamp: Stamp) -> Vec<Emission> {
        milestone::render(state, stamp)
    }

    fn notice(&self, notice: Notice<'_, Effect>) -> Input {
        match notice {
            Notice::Intent { effect, deadline } => intent(effect, deadline),
            Notice::OwnerLost { intent } => {
                unknown(&intent.key, intent.attempt, Unknown::OwnerLost)
            }
            Notice::TimerFired { effect } => match effect {
                Effect::Timer(Timer::Overdue { mutation, attempt }) => {
                    unknown(&mutation.lane(), *attempt, Unknown::Overdue)
                }
                Effect::Timer(Timer::Patience(patience)) => Input::TimerFired { timer: *patience },
                // Only timers fire; for anything else there is nothing to say.
                other => Input::AttentionCleared {
                    lane: crate::Effect::name(other).to_owned(),
                },
            },
            Notice::Upgraded { from, to } => Input::Upgraded { from, to },
            Notice::AttemptsExhausted {
                key,
                failures,
                error,
                ..
            } => Input::AttentionRaised {
                lane: key.to_owned(),
                failures,
                error: error.to_owned(),
                limited: false,
            },
            Notice::Limited { key, detail, .. } => Input::AttentionRaised {
                lane: key.to_owned(),
                failures: 0,
                error: detail.to_owned(),
                limited: true,
            },
        }
    }

    fn spend(&self, input: &Input) -> Option<Spend> {
        match input {
            Input::IntentRecorded {
                mutation: Mutation::PayRefund { .. },
                key,
                amount: Some(amount),
                ..
            } => Some(Spend {
                key: key.clone(),
                amount: *amount,
            }),
            _ => None,
        }
    }

    fn open_intents(&self, state: &State) -> Vec<OpenIntent> {
        let case = &state.case;
        let cancel = [(Mutation::CancelOrder, &case.cancel)];
        let refunds = case.refunds.iter().flat_map(|(id, refund)| {
            let refund_id = id.clone();
            let pay = Mutation::PayRefund {
                refund_id: refund_id.clone(),
            };
            [
                (pay, &refund.pay),
                (Mutation::ReportRefund { refund_id }, &refund.report),
            ]
        });
        cancel
            .into_iter()
            .chain(refunds)
            .filter_map(|(mutation, attempts)| {
                attempts.open.as_ref().map(|open| OpenIntent {
                    key: mutation.lane(),
                    attempt: open.attempt,
                    epoch: open.epoch,
                })
            })
            .collect()
    }

    fn wants(&self, state: &State, effect: &Effect) -> bool {
        let case = &state.case;
        let open = |attempts: &crate::cancellation::Attempts, attempt: u32| {
            attempts
                .open
                .as_ref()
                .is_some_and(|open| open.attempt == attempt)
        };
        match effect {
            Effect::CancelOrder(cancel) => {
                matches!(state.phase, Phase::Requested { .. })
                    && case.wants_cancel()
                    && open(&case.cancel, cancel.attempt)
            }
            Effect::PayRefund(pay) => case.refunds.get(&pay.refund_id).is_some_and(|refund| {
                open(&refund.pay, pay.attempt)
                    && !refund.pay_stopped
                    && refund.due(&case.terms) == Some(pay.amount)
            }),
            Effect::ReportRefund(report) => {
                case.refunds.get(&report.refund_id).is_some_and(|refund| {
                    let due = refund.report_due(&case.terms);
                    open(&refund.report, report.attempt)
                        && due.is_some_and(|due| due.state == report.state)
                })
            }
            Effect::ReadOrder(_)
            | Effect::WatchPayout(_)
            | Effect::UpdateOms(_)
            | Effect::Timer(_) => !state.phase.is_finished(),
        }
    }

    fn restored(&self) -> Option<Input> {
        Some(Input::Restored)
    }

    fn always_recorded(&self, input: &Input) -> bool {
        !matches!(
            input,
            Input::OrderRead(_)
                | Input::PayoutSeen { .. }
                | Input::TimerFired { .. }
                | Input::AttentionRaised { .. }
                | Input::AttentionCleared { .. }
                | Input::Restored
        )
    }

    fn is_evidence(&self, input: &Input) -> bool {
        matches!(
            input,
            Input::EffectDone(
                Done::CancelOrder { .. } | Done::PayRefund { .. } | Done::ReportRefund { .. }
            ) | Input::EffectRefused { .. }
                | Input::EffectNotSent { .. }
                | Input::EffectUnknown { .. }
                | Input::Looked { .. }
        )
    }

    fn actor<'a>(&self, input: &'a Input) -> Option<&'a str> {
        match input {
            Input::Operator { actor, .. } => Some(actor),
            Input::Requested(request) => request.requested_by.as_deref(),
            _ => None,
        }
    }

    fn requester<'a>(&self, request: &'a Request) -> Option<&'a str> {
        match request {
            Request::Requested(request) => request.requested_by.as_deref(),
            Request::Observed(observation) => observation.requested_by.as_deref(),
        }
    }

    fn upgrade(&self, version: u32, state: &str) -> Result<State, UpgradeError> {
        if version > Self::VERSION {
            return Err(UpgradeError::Newer {
                found: version,
                newest: Self::VERSION,
            });
        }
        // Version 1 is the first one: there is nothing to convert yet.
        serde_json::from_str(state).map_err(|error| UpgradeError::Unreadable {
            version,
            detail: error.to_string(),
        })
    }
}

fn ended(outcome: Outcome) -> Phase {
    Phase::OmsUpdated { outcome }
}

/// Does an observation speak only of what earlier cancellations of the order handled, or of what
/// never begins one? Without an event, a person asks: that always begins one.
fn is_known(observation: &Observation, prior: &Prior) -> bool {
    let Some(event) = &observation.event else {
        return false;
    };
    match (&event.event_type, &event.names) {
        (EventType::RefundRequested, Named::Refund { refund_id }) => {
            prior.refunds.contains(refund_id)
        }
        (EventType::PackageDeliveryCancelled, Named::Package { package_id }) => {
            prior.whole || prior.packages.contains(package_id)
        }
        // Nothing else is news of a cancellation or of a refund.
        _ => true,
    }
}

fn requested(id: &InstanceId, request: &CancelRequest, prior: &Prior) -> Case {
    Case {
        origin: Origin::Requested,
        external_id: request.external_id.clone(),
        alias: lifecycle::alias(id, request),
        reason: request.reason,
        additional_comments: request.additional_comments.clone(),
        requested_by: request.requested_by.clone(),
        ..blank(
            id,
            &request.target_id,
            &request.order_id,
            &request.terms,
            prior,
        )
    }
}

fn observed(id: &InstanceId, observation: &Observation, prior: &Prior, stamp: Stamp) -> Case {
    let case = Case {
        requested_by: observation.requested_by.clone(),
        ..blank(
            id,
            &observation.target_id,
            &observation.order_id,
            &observation.terms,
            prior,
        )
    };
    let mut machine = lifecycle::Machine {
        case,
        stamp,
        rejection: None,
    };
    if let Some(event) = &observation.event {
        machine.owe_look(event);
    }
    machine.case
}

fn blank(
    id: &InstanceId,
    target_id: &crate::TargetId,
    order_id: &crate::OrderId,
    terms: &Terms,
    prior: &Prior,
) -> Case {
    Case {
        id: id.clone(),
        target_id: target_id.clone(),
        order_id: order_id.clone(),
        origin: Origin::Observed,
        external_id: None,
        alias: Alias {
            alias_id: id.as_str().to_owned(),
            alias_type: terms.alias_type.clone(),
        },
        reason: None,
        additional_comments: None,
        requested_by: None,
        terms: terms.clone(),
        prior: prior.clone(),
        cancel: crate::cancellation::Attempts::default(),
        accepted: false,
        adopted: None,
        unfit_since: None,
        cancelled: None,
        rejection: None,
        grace: None,
        cancelled_packages: Vec::new(),
        refunds: std::collections::BTreeMap::new(),
        milestones: crate::cancellation::Milestones::default(),
        looks: Vec::new(),
        dismissed: Vec::new(),
        attention: Vec::new(),
    }
}

/// What makes two requests with one external id the same: what the caller asked for, after
/// defaults; not who asked, and not what was agreed.
fn fingerprint(request: &CancelRequest) -> String {
    canonical(
        &request.order_id,
        request.reason,
        request.additional_comments.as_deref(),
    )
}

fn canonical(
    order_id: &crate::OrderId,
    reason: Option<crate::cancellation::request::CancellationReason>,
    comments: Option<&str>,
) -> String {
    serde_json::json!([order_id, reason, comments]).to_string()
}

impl State {
    pub(crate) fn fingerprint(&self) -> String {
        let case = &self.case;
        canonical(
            &case.order_id,
            case.reason,
            case.additional_comments.as_deref(),
        )
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&'static str> {
        match self.phase {
            Phase::OmsUpdated { outcome } => Some(outcome.as_str()),
            _ => None,
        }
    }
}

fn intent(effect: &Effect, deadline: crate::Timestamp) -> Input {
    let (mutation, attempt, key, amount) = match effect {
        Effect::CancelOrder(cancel) => (
            Mutation::CancelOrder,
            cancel.attempt,
            cancel.alias.alias_id.clone(),
            None,
        ),
        Effect::PayRefund(pay) => (
            Mutation::PayRefund {
                refund_id: pay.refund_id.clone(),
            },
            pay.attempt,
            pay.key.clone(),
            Some(pay.amount),
        ),
        Effect::ReportRefund(report) => (
            Mutation::ReportRefund {
                refund_id: report.refund_id.clone(),
            },
            report.attempt,
            report.payments.first().map_or_else(
                || report.state.to_string(),
                |payment| payment.id.to_string(),
            ),
            None,
        ),
        // No intent is ever made for anything else; if one were, the state would turn it down.
        other => (
            Mutation::CancelOrder,
            0,
            crate::Effect::name(other).to_owned(),
            None,
        ),
    };
    Input::IntentRecorded {
        mutation,
        attempt,
        key,
        deadline,
        amount,
    }
}

fn unknown(lane: &str, attempt: u32, why: Unknown) -> Input {
    match Mutation::of_lane(lane) {
        Some(mutation) => Input::EffectUnknown {
            mutation,
            attempt,
            why,
            detail: None,
        },
        // A lane of ours always names its mutation; this keeps the function total.
        None => Input::AttentionCleared {
            lane: lane.to_owned(),
        },
    }
}
