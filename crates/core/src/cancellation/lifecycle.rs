//! The transitions of the life cycle, all of them: one handler per state, two superstates for its
//! phases, one for what is common to every unfinished state.
//!
//! Handlers are pure: they read the input and say where to go. There are no entry or exit actions:
//! what *being* in a state requires is the answer of `next`.

use statig::Outcome as Reaction;
use statig::Outcome::{Handled, Super, Transition};
use statig::blocking::{self, StateExt as _};

use crate::Stamp;
use crate::cancellation::attempts::{Attempts, Belongs, Intent, Refusal};
use crate::cancellation::attention::{self, About};
use crate::cancellation::conclusion::{conclude, settle_attention, settle_reports};
use crate::cancellation::effect::Patience;
use crate::cancellation::input::{Action, Done, Fact, Input, Mutation, NotSent, OrderRead};
use crate::cancellation::milestone::Milestone;
use crate::cancellation::order::{CancellationEntry, CancellationState};
use crate::cancellation::rejection::Rejection;
use crate::cancellation::request::{CancelRequest, Origin};
use crate::cancellation::state::{
    Cancelled, Case, EntryKey, Grace, Outcome, Phase, Rejected, RejectedWhy, Sent, State,
};
use crate::cancellation::verdict::{self, Readiness, Verdict};

/// What the handlers work on: everything that is known, and the input's place in time.
pub(crate) struct Machine {
    pub(crate) case: Case,
    pub(crate) stamp: Stamp,
    /// Set by a handler that turns its input down; then nothing else counts.
    pub(crate) rejection: Option<Rejection>,
}

/// What is common to several states.
pub(crate) enum Group {
    /// `precheck`, `requested`, `pending`.
    InProgress,
    /// `success`, `refund`, `rejected`.
    Decided,
    /// Every unfinished state.
    Unfinished,
}

/// The one choke point: every change of a state passes here.
pub(crate) fn step(state: &State, input: &Input, stamp: Stamp) -> Result<State, Rejection> {
    let mut machine = Machine {
        case: state.case.clone(),
        stamp,
        rejection: None,
    };
    let mut phase = state.phase;
    let reaction = phase.handle(&mut machine, input, &mut ());
    if let Some(rejection) = machine.rejection {
        return Err(rejection);
    }
    let phase = match reaction {
        Super if state.phase.is_finished() => return Err(Rejection::Finished),
        Super => {
            return Err(Rejection::NotHandled {
                phase: state.phase.name(),
                input: input.name(),
            });
        }
        Handled => phase,
        Transition(next) => next,
    };
    let mut case = machine.case;
    settle_reports(&mut case);
    let phase = conclude(phase, &case);
    settle_attention(phase, &mut case);
    Ok(State { phase, case })
}

impl blocking::IntoStateMachine for Machine {
    type Event<'evt> = Input;
    type Context<'ctx> = ();
    type State = Phase;
    type Superstate<'sub> = Group;

    fn initial() -> Phase {
        // Never used: every instance begins by `start`.
        Phase::Precheck {
            since: crate::Timestamp::MIN,
        }
    }
}

impl blocking::State<Machine> for Phase {
    fn call_handler(
        &mut self,
        machine: &mut Machine,
        input: &Input,
        (): &mut (),
    ) -> Reaction<Self> {
        match *self {
            Self::Precheck { since } => machine.precheck(since, input),
            Self::Requested { .. } => machine.requested(input),
            Self::Pending { since } => machine.pending(since, input),
            Self::Success { .. } => machine.success(input),
            Self::Refund { .. } => machine.refund(input),
            Self::Rejected { .. } => machine.rejected(input),
            Self::OmsUpdated { .. } => finished(input),
        }
    }

    fn superstate(&mut self) -> Option<Group> {
        match self {
            Self::Precheck { .. } | Self::Requested { .. } | Self::Pending { .. } => {
                Some(Group::InProgress)
            }
            Self::Success { .. } | Self::Refund { .. } | Self::Rejected { .. } => {
                Some(Group::Decided)
            }
            Self::OmsUpdated { .. } => None,
        }
    }
}

impl blocking::Superstate<Machine> for Group {
    fn call_handler(
        &mut self,
        machine: &mut Machine,
        input: &Input,
        (): &mut (),
    ) -> Reaction<Phase> {
        match self {
            Self::InProgress => machine.in_progress(input),
            Self::Decided => machine.decided(input),
            Self::Unfinished => machine.unfinished(input),
        }
    }

    fn superstate(&mut self) -> Option<Self> {
        match self {
            Self::InProgress | Self::Decided => Some(Self::Unfinished),
            Self::Unfinished => None,
        }
    }
}

/// Terminal is final: only annotations follow.
fn finished(input: &Input) -> Reaction<Phase> {
    match input {
        Input::Operator {
            action: Action::Note { .. },
            ..
        }
        | Input::EventReceived(_)
        | Input::Upgraded { .. } => Handled,
        _ => Super,
    }
}

impl Machine {
    fn precheck(&mut self, since: crate::Timestamp, input: &Input) -> Reaction<Phase> {
        match input {
            Input::OrderRead(read) => self.precheck_read(since, read),
            // Of an attempt that a restore from backup has made us forget.
            Input::EffectDone(Done::CancelOrder { attempt, state, .. })
                if self.case.origin == Origin::Requested =>
            {
                self.accepted(*attempt, state)
            }
            Input::Requested(request) => self.take_over(request),
            Input::TimerFired {
                timer: Patience::Precheck,
            } => {
                let detail = format!(
                    "no read since {since} shows whether the order can be cancelled: it may not exist under this id at this target, or have no packages yet"
                );
                self.attend(About::PrecheckUndecided, detail);
                Handled
            }
            Input::Operator {
                action: Action::Retry,
                ..
            } => {
                attention::clear(&mut self.case.attention, |a| *a == About::PrecheckUndecided);
                self.retry();
                Transition(Phase::Precheck {
                    since: self.stamp.at,
                })
            }
            Input::Operator {
                action: Action::Withdraw { note },
                ..
            } => self.withdraw(note.as_deref()),
            _ => Super,
        }
    }

    fn precheck_read(&mut self, since: crate::Timestamp, read: &OrderRead) -> Reaction<Phase> {
        let patient = read.began_at < since.plus(self.case.terms.patience);
        let Some(order) = self.learn(read) else {
            if self.case.origin == Origin::Observed && !patient {
                let detail = format!("Buy with Prime does not show order {}", self.case.order_id);
                self.attend(About::PrecheckUndecided, detail);
            }
            return Handled;
        };
        match verdict::judge(&self.case, order) {
            Verdict::Cancelled { whole } => return self.enter_success(whole),
            Verdict::Pending(entry) => return self.enter_pending(entry),
            Verdict::Rejected(entry) => return self.enter_rejected_by_amazon(entry),
            Verdict::None => {}
        }
        if self.case.origin == Origin::Observed {
            let open =
                |refund: &crate::cancellation::refund::Refund| refund.is_open(&self.case.terms);
            if self.case.refunds.values().any(open) {
                return Transition(Phase::Refund {
                    since: self.stamp.at,
                });
            }
            let pending_refund = self
                .case
                .refunds
                .values()
                .any(|refund| !refund.is_final(&self.case.terms));
            let owed = !self.case.looks.is_empty() || !self.case.milestones.queue.is_empty();
            if patient || pending_refund || owed {
                return Handled;
            }
            return Transition(Phase::OmsUpdated {
                outcome: Outcome::NothingToDo,
            });
        }
        match verdict::precheck(order) {
            Readiness::Ready => {
                self.case.unfit_since = None;
                Transition(Phase::Requested {
                    since: self.stamp.at,
                })
            }
            Readiness::FurtherOn { detail } => self.enter_not_cancellable(detail),
            Readiness::Unexplained { detail } => self.unexplained(read, detail),
            Readiness::NotYet { .. } => Handled,
        }
    }

    /// A CANCELLED package without a visible entry: the entry may be late, so the order is looked
    /// at again for the visibility lag before the package is taken at its word.
    fn unexplained(&mut self, read: &OrderRead, detail: String) -> Reaction<Phase> {
        let since = *self.case.unfit_since.get_or_insert(self.stamp.at);
        if read.began_at >= since.plus(self.case.terms.visibility_lag) {
            return self.enter_not_cancellable(detail);
        }
        Handled
    }

    fn requested(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::OrderRead(read) => self.requested_read(read),
            Input::IntentRecorded {
                mutation: Mutation::CancelOrder,
                attempt,
                deadline,
                ..
            } => {
                if !self.case.wants_cancel() || !self.case.cancel.admits(*attempt) {
                    return self.reject(Rejection::NotWanted {
                        detail: format!("attempt {attempt} at cancel_order"),
                    });
                }
                let epoch = self.stamp.epoch;
                self.case.cancel.begin(Intent {
                    attempt: *attempt,
                    epoch,
                    deadline: *deadline,
                });
                Handled
            }
            Input::EffectDone(Done::CancelOrder { attempt, state, .. }) => {
                self.accepted(*attempt, state)
            }
            Input::EffectNotSent {
                why: NotSent::NotCancellable,
                attempt,
                ..
            } if self.case.cancel.belongs(*attempt) == Belongs::Present => {
                // No further attempt before a read shows an order that can be cancelled.
                self.case.unfit_since.get_or_insert(self.stamp.at);
                Super
            }
            Input::TimerFired {
                timer: Patience::Precheck,
            } if self.case.unfit_since.is_some() => {
                let detail = "the order no longer shows whether it can be cancelled".to_owned();
                self.attend(About::PrecheckUndecided, detail);
                Handled
            }
            Input::Operator {
                action: Action::Withdraw { note },
                ..
            } => self.withdraw(note.as_deref()),
            _ => Super,
        }
    }

    /// Amazon accepted an attempt, and answers with the state of its entry.
    fn accepted(&mut self, attempt: u32, state: &CancellationState) -> Reaction<Phase> {
        self.case.accepted = true;
        self.case.unfit_since = None;
        self.case.cancel.done(attempt);
        match state {
            CancellationState::Success => self.enter_success(true),
            CancellationState::Rejected => {
                // A `done` is believed, and the order is read.
                self.look_again();
                self.enter_rejected(RejectedWhy::RejectedByAmazon, Some("at once".to_owned()))
            }
            CancellationState::Pending | CancellationState::Other(_) => {
                self.raise_once(Milestone::Pending);
                Transition(Phase::Pending {
                    since: self.stamp.at,
                })
            }
        }
    }

    fn requested_read(&mut self, read: &OrderRead) -> Reaction<Phase> {
        let Some(order) = self.learn(read) else {
            return Handled;
        };
        match verdict::judge(&self.case, order) {
            Verdict::Cancelled { whole } => return self.enter_success(whole),
            Verdict::Pending(entry) => return self.enter_pending(entry),
            Verdict::Rejected(entry) => return self.enter_rejected_by_amazon(entry),
            Verdict::None => {}
        }
        if self.case.cancel.open.is_some() {
            // Its outcome is on its way; until then nothing is concluded from what is not there.
            return Handled;
        }
        if let Some(refusal) = &self.case.cancel.refused {
            // A refusal settles only with a read begun after the visibility lag.
            if read.began_at >= refusal.at.plus(self.case.terms.visibility_lag) {
                let words = format!("{}: {}", refusal.code, refusal.message);
                return self.enter_rejected(RejectedWhy::Refused, Some(words));
            }
            return Handled;
        }
        let doubted = self
            .case
            .cancel_doubt_ends()
            .is_some_and(|end| read.began_at < end);
        match verdict::precheck(order) {
            Readiness::Ready => {
                self.case.unfit_since = None;
                Handled
            }
            _ if doubted => Handled,
            Readiness::FurtherOn { detail } => {
                self.case.cancel.doubt = None;
                self.enter_not_cancellable(detail)
            }
            Readiness::Unexplained { detail } => {
                let reaction = self.unexplained(read, detail);
                if matches!(reaction, Transition(_)) {
                    self.case.cancel.doubt = None;
                }
                reaction
            }
            Readiness::NotYet { .. } => {
                self.case.unfit_since.get_or_insert(self.stamp.at);
                Handled
            }
        }
    }

    fn pending(&mut self, since: crate::Timestamp, input: &Input) -> Reaction<Phase> {
        match input {
            Input::OrderRead(read) => {
                let Some(order) = self.learn(read) else {
                    return Handled;
                };
                match verdict::judge(&self.case, order) {
                    Verdict::Cancelled { whole } => self.enter_success(whole),
                    Verdict::Rejected(entry) => self.enter_rejected_by_amazon(entry),
                    Verdict::Pending(entry) => {
                        self.follow(entry);
                        Handled
                    }
                    Verdict::None => Handled,
                }
            }
            Input::TimerFired {
                timer: Patience::Pending,
            } => {
                let detail = format!(
                    "Amazon has had the request since {since}, and has neither cancelled the order nor said that it will not"
                );
                self.attend(About::PendingTooLong, detail);
                Handled
            }
            _ => Super,
        }
    }

    fn success(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::OrderRead(read) => {
                if let Some(order) = self.learn(read) {
                    self.learn_whole(order);
                }
                Handled
            }
            _ => Super,
        }
    }

    fn refund(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::IntentRecorded { .. } => match self.decided(input) {
                Transition(_) => Handled,
                reaction => reaction,
            },
            Input::OrderRead(read) => {
                let Some(order) = self.learn(read) else {
                    return Handled;
                };
                if let Verdict::Cancelled { whole } = verdict::judge(&self.case, order) {
                    // The state stays: refunds are being paid.
                    self.see_cancelled(whole);
                }
                Handled
            }
            _ => Super,
        }
    }

    fn rejected(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::OrderRead(read) => {
                let Some(order) = self.learn(read) else {
                    return Handled;
                };
                match verdict::judge(&self.case, order) {
                    Verdict::Cancelled { whole } => self.enter_success(whole),
                    Verdict::Pending(_) if self.is_undecided_at_amazon(order) => {
                        self.look_again();
                        Handled
                    }
                    _ => Handled,
                }
            }
            Input::Operator {
                action:
                    Action::Resolve {
                        fact: Fact::Cancelled,
                        ..
                    },
                ..
            } => self.enter_success(true),
            _ => Super,
        }
    }

    fn in_progress(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::Operator {
                action:
                    Action::Resolve {
                        fact: Fact::Cancelled,
                        ..
                    },
                ..
            } => self.enter_success(true),
            Input::Operator {
                action:
                    Action::Resolve {
                        fact: Fact::Rejected,
                        note,
                    },
                ..
            } => self.resolve_rejected(note),
            Input::Operator {
                action: Action::Withdraw { .. },
                ..
            } => self.refuse("Amazon has the request already: it cannot be withdrawn any more"),
            _ => Super,
        }
    }

    fn decided(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::IntentRecorded {
                mutation,
                attempt,
                key,
                deadline,
                amount,
            } => {
                let intent = Intent {
                    attempt: *attempt,
                    epoch: self.stamp.epoch,
                    deadline: *deadline,
                };
                match mutation {
                    Mutation::PayRefund { refund_id } => {
                        if self.begin_payment(refund_id, intent, key, amount.as_ref()) {
                            return Transition(Phase::Refund {
                                since: self.stamp.at,
                            });
                        }
                    }
                    Mutation::ReportRefund { refund_id } => {
                        if self.begin_report(refund_id, intent) {
                            return Handled;
                        }
                    }
                    Mutation::CancelOrder => {}
                }
                self.reject(Rejection::NotWanted {
                    detail: format!("attempt {attempt} at {}", mutation.lane()),
                })
            }
            Input::Operator {
                action:
                    Action::Resolve {
                        fact: Fact::Cancelled,
                        ..
                    },
                ..
            } => {
                self.see_cancelled(true);
                Handled
            }
            Input::Operator {
                action:
                    Action::Resolve {
                        fact: Fact::Rejected,
                        ..
                    },
                ..
            } => self.refuse("the cancellation is decided already"),
            Input::Operator {
                action: Action::Withdraw { .. },
                ..
            } => {
                self.refuse("the cancellation is decided already: it cannot be withdrawn any more")
            }
            _ => Super,
        }
    }

    fn unfinished(&mut self, input: &Input) -> Reaction<Phase> {
        match input {
            Input::EffectDone(done) => self.done(done),
            Input::EffectRefused {
                mutation,
                attempt,
                code,
                message,
            } => {
                let refusal = Refusal {
                    attempt: *attempt,
                    at: self.stamp.at,
                    code: code.clone(),
                    message: message.clone(),
                };
                self.outcome(mutation, *attempt, |attempts| attempts.refuse(refusal));
                if self.rejection.is_none() {
                    self.after_refusal(mutation, code, message);
                }
                Handled
            }
            Input::EffectNotSent {
                mutation, attempt, ..
            } => {
                let was_open = self.attempts(mutation).is_some_and(|a| a.open.is_some());
                let reaction = self.outcome(mutation, *attempt, Attempts::not_sent);
                if was_open {
                    self.forget_unused_key(mutation);
                }
                reaction
            }
            Input::EffectUnknown {
                mutation,
                attempt,
                why,
                ..
            } => {
                let (at, why) = (self.stamp.at, *why);
                self.outcome(mutation, *attempt, |attempts| attempts.unknown(at, why))
            }
            Input::Looked {
                mutation,
                attempt,
                found,
                payout,
                key_expired,
            } => self.looked(mutation, *attempt, *found, payout.as_ref(), *key_expired),
            Input::PayoutSeen {
                refund_id,
                attempt,
                payout,
            } => self.record_payout(refund_id, *attempt, payout),
            Input::EventReceived(event) => {
                self.owe_look(event);
                Handled
            }
            Input::Restored => {
                self.look_after_restore();
                Handled
            }
            Input::TimerFired {
                timer: Patience::Doubt,
            } => {
                self.attend_doubts();
                Handled
            }
            Input::TimerFired {
                timer: Patience::Look,
            } => {
                self.attend_looks();
                Handled
            }
            // The state moved on before the timer's input arrived.
            Input::TimerFired { .. } | Input::Upgraded { .. } => Handled,
            Input::AttentionRaised {
                lane,
                failures,
                error,
                limited,
            } => {
                if *limited {
                    return self.limited(lane, error);
                }
                let what = attention::lane_in_words(lane);
                let detail =
                    format!("{what} failed {failures} times in a row, the last time with: {error}");
                self.attend(About::AttemptsExhausted { lane: lane.clone() }, detail);
                Handled
            }
            Input::AttentionCleared { lane } => {
                self.clear_exhausted(lane);
                Handled
            }
            Input::Operator { action, .. } => self.operator(action),
            Input::Requested(_) => self.refuse("the order has a live cancellation already"),
            Input::OrderRead(_) | Input::IntentRecorded { .. } => Super,
        }
    }

    /// A request for an order that is being observed: from now on it is a requested one.
    fn take_over(&mut self, request: &CancelRequest) -> Reaction<Phase> {
        let case = &mut self.case;
        if case.origin != Origin::Observed {
            return self.refuse("the order has a live cancellation already");
        }
        if (&case.order_id, &case.target_id) != (&request.order_id, &request.target_id) {
            return self.refuse("the request is for another order");
        }
        if case.prior.whole {
            return self.refuse("the order is cancelled already");
        }
        case.origin = Origin::Requested;
        // Whatever was accepted before now had another alias.
        case.accepted = false;
        case.external_id.clone_from(&request.external_id);
        case.alias = alias(&case.id, request);
        case.reason = request.reason;
        case.additional_comments
            .clone_from(&request.additional_comments);
        case.requested_by.clone_from(&request.requested_by);
        case.terms = request.terms.clone();
        Transition(Phase::Precheck {
            since: self.stamp.at,
        })
    }

    fn withdraw(&mut self, note: Option<&str>) -> Reaction<Phase> {
        if self.case.origin == Origin::Observed {
            return self.refuse("it was not requested by us: there is nothing to withdraw");
        }
        let untouched = self.case.sent() == Sent::Never && self.case.cancel.refused.is_none();
        if !untouched {
            return self
                .refuse("an attempt may have reached Amazon: it cannot be withdrawn any more");
        }
        if self.case.looks.iter().any(|look| look.not_before.is_some()) {
            return self.refuse(
                "the store was restored from a backup, and an attempt that it does not know of may have reached Amazon: wait until the order was looked at",
            );
        }
        self.enter_rejected(RejectedWhy::Withdrawn, note.map(str::to_owned))
    }

    fn enter_success(&mut self, whole: bool) -> Reaction<Phase> {
        self.see_cancelled(whole);
        Transition(Phase::Success {
            since: self.stamp.at,
        })
    }

    fn enter_pending(&mut self, entry: &CancellationEntry) -> Reaction<Phase> {
        self.follow(entry);
        self.raise_once(Milestone::Pending);
        self.case.unfit_since = None;
        self.case.cancel.refused = None;
        Transition(Phase::Pending {
            since: self.stamp.at,
        })
    }

    fn enter_rejected_by_amazon(&mut self, entry: &CancellationEntry) -> Reaction<Phase> {
        let by = entry
            .requested_by
            .as_ref()
            .map_or("somebody", |by| by.as_str());
        let detail = if entry.aliases.contains(&self.case.alias) {
            None
        } else {
            Some(format!("the request of {by} was rejected"))
        };
        self.enter_rejected(RejectedWhy::RejectedByAmazon, detail)
    }

    fn enter_not_cancellable(&mut self, detail: String) -> Reaction<Phase> {
        self.enter_rejected(RejectedWhy::NotCancellable, Some(detail))
    }

    pub(crate) fn enter_rejected(
        &mut self,
        why: RejectedWhy,
        detail: Option<String>,
    ) -> Reaction<Phase> {
        self.case.rejection = Some(Rejected { why, detail });
        self.case.unfit_since = None;
        self.raise_once(Milestone::Rejected);
        Transition(Phase::Rejected {
            since: self.stamp.at,
        })
    }

    /// The order is cancelled: the first sight starts the grace and is told to the OMS, unless an
    /// earlier cancellation of this order has told it.
    fn see_cancelled(&mut self, whole: bool) {
        let at = self.stamp.at;
        self.case.unfit_since = None;
        self.case.rejection = None;
        if let Some(cancelled) = &mut self.case.cancelled {
            cancelled.whole |= whole;
            return;
        }
        self.case.cancelled = Some(Cancelled { since: at, whole });
        self.case.grace = Some(Grace {
            since: at,
            over: false,
        });
        let prior = &self.case.prior;
        let news = !prior.whole && (whole || !self.case.cancelled_packages.is_empty());
        if !prior.succeeded || news {
            self.raise_once(Milestone::Succeeded);
        }
    }

    fn follow(&mut self, entry: &CancellationEntry) {
        if entry.aliases.contains(&self.case.alias) {
            self.case.accepted = true;
        } else {
            self.case.adopted = Some(EntryKey::of(entry));
        }
    }

    /// One outcome of an attempt other than *done*: counts for the present attempt only.
    fn outcome(
        &mut self,
        mutation: &Mutation,
        attempt: u32,
        apply: impl FnOnce(&mut Attempts),
    ) -> Reaction<Phase> {
        let Some(attempts) = self.attempts(mutation) else {
            return self.reject_unknown_refund(mutation);
        };
        if attempts.belongs(attempt) == Belongs::Past {
            return self.reject(Rejection::PastAttempt { attempt });
        }
        apply(attempts);
        Handled
    }

    fn raise_once(&mut self, milestone: Milestone) {
        if !self.case.milestones.was_raised(milestone) {
            self.case.milestones.raise(self.stamp.seq, milestone, None);
        }
    }

    pub(crate) fn attend(&mut self, about: About, detail: String) {
        attention::raise(&mut self.case.attention, self.stamp.at, about, detail);
    }

    pub(crate) fn reject(&mut self, rejection: Rejection) -> Reaction<Phase> {
        self.rejection = Some(rejection);
        Handled
    }

    pub(crate) fn refuse(&mut self, why: &str) -> Reaction<Phase> {
        self.reject(Rejection::Refused {
            why: why.to_owned(),
        })
    }
}

/// The alias of a request: the caller's id, or our own where none was given.
pub(crate) fn alias(
    id: &crate::InstanceId,
    request: &CancelRequest,
) -> crate::cancellation::order::Alias {
    let own = || id.as_str().to_owned();
    crate::cancellation::order::Alias {
        alias_id: request
            .external_id
            .as_ref()
            .map_or_else(own, |id| id.as_str().to_owned()),
        alias_type: request.terms.alias_type.clone(),
    }
}
