//! Drives a cancellation by hand, one entry after the other.

use std::time::Duration;

use crate::cancellation::attempts::Attempts;
use crate::cancellation::effect::{Effect, Patience};
use crate::cancellation::exemplars::orders;
use crate::cancellation::input::{
    Action, Done, Event, EventType, Fact, Input, Mutation, Named, NotSent, OrderRead, Payout,
    PayoutState, Unknown,
};
use crate::cancellation::order::{Alias, CancellationState, Order, RefundState};
use crate::cancellation::request::{
    CancelRequest, CancellationReason, Observation, Request, Terms,
};
use crate::cancellation::{Cancellation, Prior, Rejection, State};
use crate::{
    Epoch, ExternalId, InstanceId, Money, Notice, Opening, PackageId, PaymentId, RefundId, Stamp,
    TargetId, Timestamp, Workflow,
};

/// The target of every exemplar.
pub const TARGET: &str = "bp-7d2f6a10";
/// The id of every exemplar.
pub const ID: &str = "c-1";
/// The external id of every requested exemplar, and so the id of its alias.
pub const EXTERNAL_ID: &str = "web-1";
/// When every exemplar begins.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_740_042_000_000);
/// The id of every payment at the provider.
pub const PAYMENT: &str = "pay-1";

/// A history that is being written: an opening, the accepted inputs, and the state they lead to.
#[derive(Debug, Clone)]
pub struct Script {
    /// The first entry.
    pub opening: Opening<Request, Prior>,
    /// Its stamp.
    pub opened: Stamp,
    /// The accepted inputs after it.
    pub entries: Vec<(Input, Stamp)>,
    /// The present state.
    pub state: State,
    /// Inputs that were turned down, with the reason; a script means to have none.
    pub turned_down: Vec<(Input, Rejection)>,
    now: Timestamp,
    epoch: Epoch,
}

impl Script {
    fn open(request: Request, prior: Prior) -> Self {
        let opened = Stamp {
            at: BEGIN,
            seq: 1,
            epoch: Epoch(7),
        };
        let state = Cancellation::default().start(&orders::id(ID), &request, &prior, opened);
        Self {
            opening: Opening { request, prior },
            opened,
            entries: Vec::new(),
            state,
            turned_down: Vec::new(),
            now: BEGIN,
            epoch: Epoch(7),
        }
    }

    /// Somebody asks for a cancellation.
    #[must_use]
    pub fn requested() -> Self {
        Self::open(Request::Requested(request()), Prior::default())
    }

    /// An event tells of a refund; `prior` is what earlier cancellations of the order handled.
    #[must_use]
    pub fn observed(prior: Prior) -> Self {
        Self::open(Request::Observed(observation(Some(refund_event()))), prior)
    }

    /// A person asks us to look at an order.
    #[must_use]
    pub fn observed_by_hand() -> Self {
        let observation = Observation {
            requested_by: Some("kim".to_owned()),
            ..observation(None)
        };
        Self::open(Request::Observed(observation), Prior::default())
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.state.case.id
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The number of the newest entry.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.entries.last().map_or(self.opened.seq, |(_, s)| s.seq)
    }

    /// The stamp that the next entry gets, if it comes `after` from now.
    #[must_use]
    pub fn stamp_in(&self, after: Duration) -> Stamp {
        Stamp {
            at: self.now.plus(after),
            seq: self.seq().saturating_add(1),
            epoch: self.epoch,
        }
    }

    /// Lets time pass.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.now = self.now.plus(wait);
        self
    }

    /// Applies an input, a second later.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        let stamp = self.stamp_in(Duration::from_secs(1));
        self.now = stamp.at;
        let workflow = Cancellation::default();
        match workflow.step(&self.state, &input, stamp) {
            // As in a real history: what taught nothing gets no entry.
            Ok(state) if state == self.state && !workflow.always_recorded(&input) => {}
            Ok(state) => {
                self.state = state;
                self.entries.push((input, stamp));
            }
            Err(rejection) => self.turned_down.push((input, rejection)),
        }
        self
    }

    /// A read that begins now.
    #[must_use]
    pub fn read(self, order: Order) -> Self {
        let read = self.reading(Some(order));
        self.input(read)
    }

    /// The input of a read that begins now.
    #[must_use]
    pub fn reading(&self, order: Option<Order>) -> Input {
        Input::OrderRead(OrderRead {
            began_seq: self.seq(),
            began_at: self.now,
            order,
        })
    }

    /// The intent of what stands on the agenda in this lane; nothing where nothing stands there.
    #[must_use]
    pub fn intent(self, lane: &str) -> Self {
        let workflow = Cancellation::default();
        let deadline = self.now.plus(Duration::from_secs(30));
        let agenda = workflow.next(&self.state);
        let wanted = agenda.items().iter().find(|item| item.key == lane);
        match wanted.map(|item| &item.effect) {
            Some(effect) => {
                let notice = Notice::Intent { effect, deadline };
                self.input(workflow.notice(notice))
            }
            None => self,
        }
    }

    /// The process dies; its successor takes the instance up and finds the open intents.
    #[must_use]
    pub fn crash(mut self) -> Self {
        let workflow = Cancellation::default();
        self.epoch = Epoch(self.epoch.0.saturating_add(1));
        let lost = workflow.open_intents(&self.state);
        lost.iter().fold(self, |script, intent| {
            script.input(workflow.notice(Notice::OwnerLost { intent }))
        })
    }

    /// No outcome is known.
    #[must_use]
    pub fn unknown(self, mutation: Mutation) -> Self {
        let attempt = self.made(&mutation);
        self.input(Input::EffectUnknown {
            mutation,
            attempt,
            why: Unknown::TimeOut,
            detail: None,
        })
    }

    /// The remote said no.
    #[must_use]
    pub fn refused(self, mutation: Mutation) -> Self {
        let attempt = self.made(&mutation);
        self.input(Input::EffectRefused {
            mutation,
            attempt,
            code: "ValidationError".to_owned(),
            message: "the order cannot be cancelled".to_owned(),
        })
    }

    /// Certainly not sent.
    #[must_use]
    pub fn not_sent(self, mutation: Mutation, why: NotSent) -> Self {
        let attempt = self.made(&mutation);
        self.input(Input::EffectNotSent {
            mutation,
            attempt,
            why,
            detail: None,
        })
    }

    /// The look within an attempt.
    #[must_use]
    pub fn looked(self, mutation: Mutation, payout: Option<Payout>, key_expired: bool) -> Self {
        let attempt = self.made(&mutation);
        self.input(Input::Looked {
            mutation,
            attempt,
            found: !key_expired,
            payout,
            key_expired,
        })
    }

    /// Amazon took our cancellation.
    #[must_use]
    pub fn accepted(self, state: CancellationState) -> Self {
        let attempt = self.made(&Mutation::CancelOrder);
        self.input(Input::EffectDone(Done::CancelOrder {
            attempt,
            state,
            cancellation_id: None,
            created_at: Some(orders::OUR_TIME.to_owned()),
        }))
    }

    /// The provider took the payout.
    #[must_use]
    pub fn paid(self, state: PayoutState, amount: Money) -> Self {
        let attempt = self.made(&pay());
        self.input(Input::EffectDone(Done::PayRefund {
            refund_id: orders::id(orders::REFUND),
            attempt,
            payout: payout(PAYMENT, state, amount),
        }))
    }

    /// Amazon took the report.
    #[must_use]
    pub fn reported(self, state: RefundState) -> Self {
        let attempt = self.made(&report());
        self.input(Input::EffectDone(Done::ReportRefund {
            refund_id: orders::id(orders::REFUND),
            attempt,
            state,
        }))
    }

    /// The OMS takes every message that waits.
    #[must_use]
    pub fn told(self) -> Self {
        let queue = self.state.case.milestones.queue.clone();
        queue.iter().fold(self, |script, raised| {
            let id = raised.message_id(script.id());
            script.input(Input::EffectDone(Done::UpdateOms { attempt: 1, id }))
        })
    }

    /// A person supplies a fact.
    #[must_use]
    pub fn resolve(self, fact: Fact) -> Self {
        self.operator(Action::Resolve {
            fact,
            note: "as seen in the console".to_owned(),
        })
    }

    /// A person does something.
    #[must_use]
    pub fn operator(self, action: Action) -> Self {
        let actor = "kim".to_owned();
        self.input(Input::Operator { actor, action })
    }

    /// Something waits for longer than it should.
    #[must_use]
    pub fn timer(self, timer: Patience) -> Self {
        self.input(Input::TimerFired { timer })
    }

    /// The alias of our attempts.
    #[must_use]
    pub fn alias(&self) -> Alias {
        self.state.case.alias.clone()
    }

    /// The newest attempt at a mutation.
    #[must_use]
    pub fn made(&self, mutation: &Mutation) -> u32 {
        let case = &self.state.case;
        let made = |attempts: &Attempts| attempts.made;
        match mutation {
            Mutation::CancelOrder => made(&case.cancel),
            Mutation::PayRefund { refund_id } => {
                case.refunds.get(refund_id).map_or(0, |r| made(&r.pay))
            }
            Mutation::ReportRefund { refund_id } => {
                case.refunds.get(refund_id).map_or(0, |r| made(&r.report))
            }
        }
    }

    /// The effects of the agenda.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let agenda = Cancellation::default().next(&self.state);
        let effects = agenda.items().iter().map(|item| item.effect.clone());
        effects.collect()
    }
}

/// A request as callers make it.
#[must_use]
pub fn request() -> CancelRequest {
    CancelRequest {
        target_id: orders::id::<TargetId>(TARGET),
        order_id: orders::id(orders::ORDER),
        external_id: Some(orders::id::<ExternalId>(EXTERNAL_ID)),
        reason: Some(CancellationReason::OrderedByMistake),
        additional_comments: Some("wrong colour".to_owned()),
        requested_by: Some("shop".to_owned()),
        terms: Terms::default(),
    }
}

/// An observation, by an event or by hand.
#[must_use]
pub fn observation(event: Option<Event>) -> Observation {
    Observation {
        target_id: orders::id(TARGET),
        order_id: orders::id(orders::ORDER),
        event,
        requested_by: None,
        terms: Terms::default(),
    }
}

/// The mutation that pays the refund.
#[must_use]
pub fn pay() -> Mutation {
    Mutation::PayRefund {
        refund_id: orders::id(orders::REFUND),
    }
}

/// The mutation that reports the refund.
#[must_use]
pub fn report() -> Mutation {
    Mutation::ReportRefund {
        refund_id: orders::id(orders::REFUND),
    }
}

/// A payout at the provider.
#[must_use]
pub fn payout(name: &str, state: PayoutState, amount: Money) -> Payout {
    Payout {
        payment_id: orders::id::<PaymentId>(name),
        state,
        amount,
    }
}

/// A refund is asked for.
#[must_use]
pub fn refund_event() -> Event {
    Event {
        event_type: EventType::RefundRequested,
        event_id: Some("e-1".to_owned()),
        names: Named::Refund {
            refund_id: orders::id::<RefundId>(orders::REFUND),
        },
    }
}

/// Something happened to a package.
#[must_use]
pub fn package_event(event_type: EventType, package: &str) -> Event {
    Event {
        event_type,
        event_id: None,
        names: Named::Package {
            package_id: orders::id::<PackageId>(package),
        },
    }
}
