//! Performing what the agenda asks for, with everything that can go wrong on the way.

use std::time::Duration;

use countermand_core::cancellation::Effect;
use countermand_core::cancellation::effect::{CancelOrder, PayRefund, ReportRefund};
use countermand_core::cancellation::input::{Done, Input, Mutation, NotSent, OrderRead, Unknown};
use countermand_core::cancellation::look::{self, CancelLook, PayLook, ReportLook};
use countermand_core::cancellation::order::Order;
use countermand_core::{EffectClass, Epoch, InstanceId, Item, Notice, Timestamp, Workflow};

use crate::world::{Happening, World};

/// A performance.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) number: u64,
    pub(crate) instance: InstanceId,
    pub(crate) lane: String,
    pub(crate) effect: Effect,
    pub(crate) epoch: Epoch,
    began_at: Timestamp,
    began_seq: u64,
    deadline: Timestamp,
}

const LIFE: Duration = Duration::from_secs(30);
const BRISK: Duration = Duration::from_secs(2);

impl Op {
    fn mutation(&self) -> Option<(Mutation, u32, bool)> {
        match &self.effect {
            Effect::CancelOrder(cancel) => {
                Some((Mutation::CancelOrder, cancel.attempt, cancel.doubted))
            }
            Effect::PayRefund(pay) => {
                let refund_id = pay.refund_id.clone();
                Some((Mutation::PayRefund { refund_id }, pay.attempt, pay.doubted))
            }
            Effect::ReportRefund(report) => {
                let refund_id = report.refund_id.clone();
                Some((
                    Mutation::ReportRefund { refund_id },
                    report.attempt,
                    report.doubted,
                ))
            }
            _ => None,
        }
    }

    fn not_sent(&self, why: NotSent) -> Vec<Input> {
        let input = self
            .mutation()
            .map(|(mutation, attempt, _)| Input::EffectNotSent {
                mutation,
                attempt,
                why,
                detail: None,
            });
        input.into_iter().collect()
    }

    fn unknown(&self, why: Unknown) -> Vec<Input> {
        let input = self
            .mutation()
            .map(|(mutation, attempt, _)| Input::EffectUnknown {
                mutation,
                attempt,
                why,
                detail: None,
            });
        input.into_iter().collect()
    }

    fn refused(&self, code: String) -> Input {
        let (mutation, attempt, _) = self.mutation().unwrap();
        Input::EffectRefused {
            mutation,
            attempt,
            code,
            message: "no".to_owned(),
        }
    }

    fn looked(
        &self,
        found: bool,
        payout: Option<countermand_core::cancellation::input::Payout>,
        key_expired: bool,
    ) -> Input {
        let (mutation, attempt, _) = self.mutation().unwrap();
        Input::Looked {
            mutation,
            attempt,
            found,
            payout,
            key_expired,
        }
    }

    fn read(&self, order: Order) -> Input {
        Input::OrderRead(OrderRead {
            began_seq: self.began_seq,
            began_at: self.began_at,
            order: Some(order),
        })
    }
}

impl World {
    pub(crate) fn perform(&mut self, item: Item<Effect>) {
        self.performed += 1;
        let Some(live) = &mut self.live else {
            return;
        };
        let class = countermand_core::Effect::class(&item.effect);
        if class == EffectClass::Timer {
            let input = self.brain.inner.notice(Notice::TimerFired {
                effect: &item.effect,
            });
            self.commit(input);
            return;
        }
        let deadline = self.now.plus(LIFE);
        let lane = live.lanes.entry(item.key.clone()).or_default();
        lane.last_began = Some(self.now);
        lane.busy = Some(self.performed);
        let intent = (class == EffectClass::Mutation).then(|| {
            self.brain.inner.notice(Notice::Intent {
                effect: &item.effect,
                deadline,
            })
        });
        let before = live.seq;
        if let Some(intent) = intent {
            self.commit(intent);
        }
        let Some(live) = &mut self.live else {
            return;
        };
        if class == EffectClass::Mutation && live.seq == before {
            self.broken.push(format!(
                "the state does not take the intent that its agenda asks for: {}",
                item.key
            ));
            return;
        }
        let op = Op {
            number: self.performed,
            instance: live.id.clone(),
            lane: item.key,
            effect: item.effect,
            epoch: self.epoch,
            began_at: self.now,
            began_seq: live.seq,
            deadline,
        };
        let takes = self
            .chance
            .wait(BRISK)
            .saturating_add(Duration::from_millis(20));
        let happening = if class == EffectClass::Mutation {
            Happening::Look(op)
        } else {
            Happening::Finish(op)
        };
        self.queue(takes, happening);
    }

    /// The order as a read that began then may show it now.
    fn shown(&mut self, began: Timestamp) -> Order {
        let lag = if self
            .now
            .since(countermand_core::cancellation::exemplars::BEGIN)
            < self.scenario.faults.until
        {
            self.scenario.faults.lag
        } else {
            Duration::ZERO
        };
        let oldest = began.minus(lag);
        let age = self.chance.wait(self.now.since(oldest));
        self.amazon.order_at(self.now.minus(age)).clone()
    }

    fn end(&mut self, op: Op, after: Duration, inputs: Vec<Input>, failed: bool) {
        self.queue(after, Happening::End { op, inputs, failed });
    }

    pub(crate) fn look(&mut self, op: Op) {
        if !self.is_alive(&op) {
            return;
        }
        let read_fails = self.scenario.faults.read_fails;
        if self.fails(read_fails) {
            let inputs = op.not_sent(NotSent::LookFailed);
            return self.end(op, Duration::ZERO, inputs, true);
        }
        let found = match &op.effect {
            Effect::CancelOrder(attempt) => self.look_for_cancel(&op, attempt),
            Effect::PayRefund(attempt) => self.look_for_payout(&op, attempt),
            Effect::ReportRefund(attempt) => self.look_for_report(&op, attempt),
            _ => return,
        };
        if let Some(inputs) = found {
            let not_shown = |input: &Input| {
                matches!(
                    input,
                    Input::EffectNotSent {
                        why: NotSent::NotFound,
                        ..
                    }
                )
            };
            let failed = inputs.iter().any(not_shown);
            self.end(op, Duration::ZERO, inputs, failed);
        } else {
            let takes = self.chance.wait(BRISK);
            self.queue(takes, Happening::Send(op));
        }
    }

    fn look_for_cancel(&mut self, op: &Op, attempt: &CancelOrder) -> Option<Vec<Input>> {
        let order = self.shown(op.began_at);
        match self.brain.look(attempt, &order) {
            CancelLook::Send => None,
            CancelLook::Found => Some(vec![op.looked(true, None, false), op.read(order)]),
            CancelLook::NotCancellable { .. } => {
                let mut inputs = op.not_sent(NotSent::NotCancellable);
                inputs.push(op.read(order));
                Some(inputs)
            }
        }
    }

    fn look_for_payout(&mut self, op: &Op, attempt: &PayRefund) -> Option<Vec<Input>> {
        match look::pay(
            attempt,
            &self.provider.list(&attempt.refund_id),
            self.now,
            false,
        ) {
            PayLook::Send => None,
            PayLook::Found(payout) => Some(vec![op.looked(true, Some(payout), false)]),
            PayLook::KeyExpired => Some(vec![op.looked(false, None, true)]),
            PayLook::NotShown { .. } => Some(op.not_sent(NotSent::NotFound)),
        }
    }

    fn look_for_report(&mut self, op: &Op, attempt: &ReportRefund) -> Option<Vec<Input>> {
        let order = self.shown(op.began_at);
        match look::report(attempt, &order) {
            ReportLook::Send(_) => None,
            ReportLook::Found => Some(vec![op.looked(true, None, false), op.read(order)]),
            ReportLook::NotShown { .. } => Some(op.not_sent(NotSent::NotFound)),
            ReportLook::Contradicted { detail } => Some(vec![op.refused(detail), op.read(order)]),
        }
    }

    pub(crate) fn send(&mut self, op: Op) {
        if !self.is_alive(&op) {
            return;
        }
        let wanted = self
            .live
            .as_ref()
            .is_some_and(|live| self.brain.inner.wants(&live.state, &op.effect));
        if self.now >= op.deadline || !wanted {
            let inputs = op.not_sent(NotSent::Fenced);
            return self.end(op, Duration::ZERO, inputs, false);
        }
        let left = op.deadline.since(self.now);
        let faults = self.scenario.faults.clone();
        if self.may_die() {
            // The request never leaves.
        } else if self.fails(faults.vanishes) {
            // Nobody will ever tell; what is on the wire stays there.
            if let Some(live) = &mut self.live {
                live.ended(&op.lane, op.number, false, self.now, Duration::ZERO);
            }
            let lost = Op {
                epoch: Epoch(0),
                ..op
            };
            self.queue(BRISK, Happening::Arrive(lost));
        } else if self.fails(faults.not_sent) {
            let inputs = op.not_sent(NotSent::ConnectionRefused);
            self.end(op, Duration::ZERO, inputs, true);
        } else if self.fails(faults.request_lost) {
            let inputs = op.unknown(Unknown::TimeOut);
            self.end(op, left, inputs, true);
        } else {
            let most = if self.chance.once_in_1000(200) {
                left
            } else {
                BRISK
            };
            let takes = self.chance.wait(most).min(left);
            self.queue(takes, Happening::Arrive(op));
        }
    }

    /// Does the process die, now? It stays away for longer than any key is remembered, now and then.
    fn may_die(&mut self) -> bool {
        let dies = self.fails(self.scenario.faults.dies);
        if dies {
            let for_long = self.chance.once_in_1000(300);
            let away = if for_long {
                Duration::from_hours(26)
            } else {
                self.chance.wait(BRISK)
            };
            self.queue(Duration::ZERO, Happening::Crash(away));
        }
        dies
    }

    pub(crate) fn arrive(&mut self, op: Op) {
        if let (Effect::PayRefund(_), Some(live)) = (&op.effect, &self.live)
            && !live.state.phase.is_decided()
        {
            self.broken
                .push("a payout reaches the provider before the decision".to_owned());
        }
        let outcome = match &op.effect {
            Effect::CancelOrder(cancel) => {
                let (answer, ripples) = self.amazon.cancel(self.now, &cancel.alias);
                self.ripple(ripples);
                answer.map(|state| Done::CancelOrder {
                    attempt: cancel.attempt,
                    state,
                    cancellation_id: None,
                    created_at: None,
                })
            }
            Effect::PayRefund(pay) => {
                let (answer, goes_on) =
                    self.provider
                        .pay(self.now, &pay.key, &pay.refund_id, pay.amount);
                if let Some(index) = goes_on {
                    let after = self.chance.wait(Duration::from_hours(2));
                    self.queue(after, Happening::Payout(index));
                }
                answer.map(|payout| Done::PayRefund {
                    refund_id: pay.refund_id.clone(),
                    attempt: pay.attempt,
                    payout,
                })
            }
            Effect::ReportRefund(report) => {
                // What the look allowed: the payments that Amazon does not list.
                let listed = self
                    .amazon
                    .refund(&report.refund_id)
                    .map(|known| known.payments.clone())
                    .unwrap_or_default();
                let new = report
                    .payments
                    .iter()
                    .filter(|payment| listed.iter().all(|known| known.id != payment.id));
                let new: Vec<_> = new.cloned().collect();
                let answer = self.amazon.report(
                    self.now,
                    &report.refund_id,
                    &report.state,
                    report.total,
                    &new,
                );
                answer.map(|events| {
                    self.ripple((Vec::new(), events));
                    Done::ReportRefund {
                        refund_id: report.refund_id.clone(),
                        attempt: report.attempt,
                        state: report.state.clone(),
                    }
                })
            }
            _ => return,
        };
        if self.is_alive(&op) {
            self.may_die();
        }
        let doubted = op.mutation().is_some_and(|(.., doubted)| doubted);
        let answer = match outcome {
            Ok(done) => Input::EffectDone(done),
            Err(code) => op.refused(code),
        };
        let left = op.deadline.since(self.now);
        let answer_lost = self.scenario.faults.answer_lost;
        if self.fails(answer_lost) {
            if self.chance.once_in_1000(200) {
                // The answer was on its way all the same.
                let late = left.saturating_add(self.chance.wait(Duration::from_mins(10)));
                self.queue(late, Happening::Late(answer));
            }
            let (after, why) = if self.chance.once_in_1000(300) {
                (Duration::ZERO, Unknown::ServerError)
            } else {
                (left, Unknown::TimeOut)
            };
            let inputs = op.unknown(why);
            return self.end(op, after, inputs, true);
        }
        let mut inputs = Vec::new();
        if doubted {
            inputs.push(op.looked(false, None, false));
        }
        inputs.push(answer);
        let takes = self.chance.wait(BRISK).min(left);
        self.end(op, takes, inputs, false);
    }

    /// A read, a watch or a message.
    pub(crate) fn finish(&mut self, op: Op) {
        if !self.is_alive(&op) {
            return;
        }
        let faults = self.scenario.faults.clone();
        let (inputs, failed) = match &op.effect {
            Effect::ReadOrder(_) | Effect::WatchPayout(_) if self.fails(faults.read_fails) => {
                (Vec::new(), true)
            }
            Effect::ReadOrder(_) => {
                let order = self.shown(op.began_at);
                (vec![op.read(order)], false)
            }
            Effect::WatchPayout(watch) => {
                let listed = self.provider.list(&watch.refund_id);
                let payout = listed
                    .into_iter()
                    .find(|payout| payout.payment_id == watch.payment_id);
                let known = self.live.as_ref().and_then(|live| {
                    live.state
                        .case
                        .refunds
                        .get(&watch.refund_id)?
                        .payout
                        .as_ref()
                        .map(|paid| paid.payout.clone())
                });
                let seen = payout
                    .filter(|payout| known.as_ref() != Some(payout))
                    .map(|payout| Input::PayoutSeen {
                        refund_id: watch.refund_id.clone(),
                        attempt: watch.attempt,
                        payout,
                    });
                (seen.into_iter().collect(), false)
            }
            Effect::UpdateOms(update) => {
                let raised = self.live.as_ref().and_then(|live| {
                    live.emissions
                        .iter()
                        .find(|(seq, id, _)| *seq == update.seq && *id == update.id)
                        .cloned()
                });
                match raised {
                    _ if self.fails(faults.request_lost) => (Vec::new(), true),
                    None => {
                        self.broken.push(format!(
                            "entry {} holds no message {}",
                            update.seq, update.id
                        ));
                        (Vec::new(), true)
                    }
                    Some((_, id, body)) => {
                        self.oms.told.push((id.clone(), body));
                        if self.fails(faults.answer_lost) {
                            (Vec::new(), true)
                        } else {
                            (
                                vec![Input::EffectDone(Done::UpdateOms { attempt: 1, id })],
                                false,
                            )
                        }
                    }
                }
            }
            _ => return,
        };
        self.end(op, Duration::ZERO, inputs, failed);
    }
}
