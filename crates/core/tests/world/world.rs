//! The world of one order: Amazon, the provider, the OMS, and an engine that drives the life cycle
//! through everything that goes wrong. Time is virtual; equal seeds give equal runs.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::cancellation::exemplars::{BEGIN, observation, request};
use countermand_core::cancellation::input::{Action, Event, Fact, Input};
use countermand_core::cancellation::{About, Origin, Request, State};
use countermand_core::{Admission, Epoch, Notice, Timestamp, Workflow};

use crate::brain::Brain;
use crate::chance::Chance;
use crate::instance::Instance;
use crate::perform::Op;
use crate::remotes::{Amazon, Later, Oms, Provider, Ripples};
use crate::scenario::Scenario;

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    Request,
    Amazon(Later),
    Payout(usize),
    Event(Event),
    Crash(Duration),
    Restart,
    Operator,
    /// The look within an attempt.
    Look(Op),
    /// The first byte is about to leave.
    Send(Op),
    /// The request reaches the remote.
    Arrive(Op),
    /// A performance ends with these facts.
    End {
        op: Op,
        inputs: Vec<Input>,
        failed: bool,
    },
    /// A fact that a dead process still delivers.
    Late(Input),
    /// A read, a watch or a message comes to its end.
    Finish(Op),
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) brain: Brain,
    pub(crate) amazon: Amazon,
    pub(crate) provider: Provider,
    pub(crate) oms: Oms,
    pub(crate) chance: Chance,
    pub(crate) now: Timestamp,
    pub(crate) epoch: Epoch,
    pub(crate) up: bool,
    pub(crate) live: Option<Instance>,
    pub(crate) ended: Vec<Instance>,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    queued: u64,
    pub(crate) performed: u64,
    operator_waits: bool,
    /// Was the request refused, because the order has a live cancellation or is cancelled?
    pub(crate) turned_away: bool,
    /// Rules that were broken on the way.
    pub(crate) broken: Vec<String>,
    /// Events that were delivered.
    pub(crate) delivered: Vec<Event>,
}

/// No cancellation needs more performances than this.
const MOST: u64 = 6_000;
/// No run takes longer than this.
const LONGEST: Duration = Duration::from_hours(24 * 60);

impl World {
    pub(crate) fn new(scenario: &Scenario, brain: Brain) -> Self {
        let life = &scenario.life;
        let amazon = Amazon::new(BEGIN, life.born(), life.packing, scenario.reply.clone());
        let mut world = Self {
            amazon,
            provider: Provider::new(scenario.payments.clone()),
            oms: Oms::default(),
            chance: Chance::new(scenario.seed),
            scenario: scenario.clone(),
            brain,
            now: BEGIN,
            epoch: Epoch(1),
            up: true,
            live: None,
            ended: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            performed: 0,
            operator_waits: false,
            turned_away: false,
            broken: Vec::new(),
            delivered: Vec::new(),
        };
        if scenario.requested {
            world.queue(scenario.asks_after, Happening::Request);
        }
        for (age, deed) in &scenario.life.deeds {
            world.queue(*age, Happening::Amazon(Later::Deed(deed.clone())));
        }
        for (when, away) in &scenario.faults.crashes {
            world.queue(*when, Happening::Crash(*away));
        }
        world
    }

    /// Runs to the end, or to the first broken rule.
    pub(crate) fn run(mut self) -> Self {
        while self.broken.is_empty() && self.turn() {
            if self.performed > MOST {
                self.broken
                    .push(format!("{} performances, and no end", self.performed));
            }
            if self.now.since(BEGIN) > LONGEST {
                self.broken
                    .push(format!("no end after {:?}", self.now.since(BEGIN)));
            }
        }
        if let Some(live) = self.live.take() {
            if self.broken.is_empty() {
                self.broken
                    .push("a cancellation has not ended, and nothing will happen".to_owned());
            }
            self.ended.push(live);
        }
        self
    }

    pub(crate) fn queue(&mut self, after: Duration, happening: Happening) {
        self.queued += 1;
        self.queue
            .insert((self.now.plus(after), self.queued), happening);
    }

    /// Are things still going wrong?
    pub(crate) fn fails(&mut self, times: u64) -> bool {
        self.now.since(BEGIN) < self.scenario.faults.until && self.chance.once_in_1000(times)
    }

    /// One thing happens; false when nothing will.
    fn turn(&mut self) -> bool {
        let due = match &mut self.live {
            Some(live) if self.up => live.first_due(&self.brain, self.now),
            _ => None,
        };
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        match (due, next) {
            (Some((at, item)), next) if next.is_none_or(|next| at < next) => {
                self.now = self.now.max(at);
                self.perform(item);
            }
            (_, Some(_)) => {
                if let Some(((at, _), happening)) = self.queue.pop_first() {
                    self.now = self.now.max(at);
                    self.happen(happening);
                }
            }
            _ => return false,
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Request => self.request(),
            Happening::Amazon(later) => {
                let ripples = self.amazon.later(self.now, &later);
                self.ripple(ripples);
            }
            Happening::Payout(index) => self.provider.go_on(index),
            Happening::Event(event) => self.event(event),
            Happening::Crash(away) => self.crash(away),
            Happening::Restart => self.restart(),
            Happening::Operator => self.operator(),
            Happening::Look(op) => self.look(op),
            Happening::Send(op) => self.send(op),
            Happening::Arrive(op) => self.arrive(op),
            Happening::Finish(op) => self.finish(op),
            Happening::Late(input) => {
                if self.up {
                    self.commit(input);
                } else {
                    self.queue(Duration::from_mins(1), Happening::Late(input));
                }
            }
            Happening::End { op, inputs, failed } => {
                if self.is_alive(&op) {
                    let spread = self.chance.wait(Duration::from_mins(5));
                    if let Some(live) = &mut self.live {
                        live.ended(&op.lane, op.number, failed, self.now, spread);
                    }
                    for input in inputs {
                        self.commit(input);
                    }
                } else if self.chance.once_in_1000(self.scenario.faults.zombie) {
                    for input in inputs {
                        self.queue(Duration::from_secs(1), Happening::Late(input));
                    }
                }
            }
        }
    }

    /// What follows from a change at Amazon.
    pub(crate) fn ripple(&mut self, (later, events): Ripples) {
        for (after, later) in later {
            self.queue(after, Happening::Amazon(later));
        }
        for event in events {
            if self.chance.once_in_1000(self.scenario.faults.event_lost) {
                continue;
            }
            let copies = if self.chance.once_in_1000(self.scenario.faults.event_twice) {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let late = self.chance.wait(self.scenario.faults.event_late);
                self.queue(late, Happening::Event(event.clone()));
            }
        }
    }

    /// Applies an input to the live cancellation.
    pub(crate) fn commit(&mut self, input: Input) {
        let Some(live) = &mut self.live else {
            return;
        };
        if let Err(rule) = live.commit(&self.brain, input, self.now, self.epoch) {
            self.broken.push(rule);
        }
        if live.state.phase.is_finished() {
            self.ended.extend(self.live.take());
        } else if !live.state.case.attention.is_empty() && !self.operator_waits {
            self.operator_waits = true;
            let after = self
                .chance
                .wait(Duration::from_hours(8))
                .saturating_add(Duration::from_mins(10));
            self.queue(after, Happening::Operator);
        }
    }

    fn begin(&mut self, request: Request) {
        let earlier: Vec<State> = self
            .ended
            .iter()
            .rev()
            .map(|ended| ended.state.clone())
            .collect();
        if let Admission::Start(prior) = self.brain.inner.admit(&request, &earlier) {
            let number = self.ended.len() + 1;
            self.live = Some(Instance::begin(
                number,
                &self.brain,
                request,
                prior,
                self.now,
                self.epoch,
            ));
        }
    }

    fn request(&mut self) {
        if !self.up {
            self.queue(Duration::from_secs(10), Happening::Request);
            return;
        }
        match &self.live {
            Some(_) => self.commit(Input::Requested(request())),
            None => self.begin(Request::Requested(request())),
        }
        let is_asked = |instance: &Instance| instance.state.case.origin == Origin::Requested;
        self.turned_away = !self.live.as_ref().is_some_and(is_asked);
    }

    fn event(&mut self, event: Event) {
        if !self.up {
            // Nobody answers: it is delivered again.
            self.queue(Duration::from_mins(3), Happening::Event(event));
            return;
        }
        self.delivered.push(event.clone());
        if self.live.is_some() {
            self.commit(Input::EventReceived(event));
        } else {
            self.begin(Request::Observed(observation(Some(event))));
        }
    }

    fn crash(&mut self, away: Duration) {
        if self.up {
            self.up = false;
            self.queue(away, Happening::Restart);
        }
    }

    fn restart(&mut self) {
        self.up = true;
        self.epoch = Epoch(self.epoch.0 + 1);
        let Some(live) = &mut self.live else {
            return;
        };
        live.sights.clear();
        for lane in live.lanes.values_mut() {
            lane.busy = None;
        }
        let lost: Vec<Input> = self
            .brain
            .inner
            .open_intents(&live.state)
            .iter()
            .map(|intent| self.brain.inner.notice(Notice::OwnerLost { intent }))
            .collect();
        for input in lost {
            self.commit(input);
        }
    }

    /// Does the process still run that performs this?
    pub(crate) fn is_alive(&self, op: &Op) -> bool {
        self.up
            && op.epoch == self.epoch
            && self
                .live
                .as_ref()
                .is_some_and(|live| live.id == op.instance)
    }

    /// The histories, one entry a line.
    pub(crate) fn story(&self) -> String {
        let mut lines = Vec::new();
        for ended in &self.ended {
            lines.push(format!("{} {:?}", ended.id, ended.opening.request));
            for entry in &ended.history {
                let mut input = format!("{:?}", entry.input);
                input.truncate(600);
                lines.push(format!(
                    "{} {} {} {input}",
                    entry.stamp.seq, entry.stamp.at, entry.phase
                ));
            }
        }
        lines.join("\n")
    }

    /// A person looks at what attention was raised for, and tells the truth.
    fn operator(&mut self) {
        self.operator_waits = false;
        if !self.up {
            self.operator_waits = true;
            self.queue(Duration::from_hours(1), Happening::Operator);
            return;
        }
        let Some(live) = &self.live else {
            return;
        };
        let case = &live.state.case;
        let expired = |about: &About| matches!(about, About::KeyExpired { .. });
        let worst = case
            .attention
            .iter()
            .find(|attention| expired(&attention.about));
        let Some(attention) = worst.or(case.attention.first()) else {
            return;
        };
        // "Not sent" is said of everything that is in doubt, so it must be true of all of it.
        let nothing_sent = case.cancel.doubt.is_none()
            && case.refunds.iter().all(|(id, refund)| {
                let not_paid = refund.pay.doubt.is_none() || self.provider.standing(id).is_empty();
                not_paid && refund.report.doubt.is_none()
            });
        let action = match &attention.about {
            About::KeyExpired { refund_id } => match self.provider.standing(refund_id).first() {
                Some(paid) if !paid.payout.amount.is_zero() => Some(Fact::RefundPaid {
                    refund_id: refund_id.clone(),
                    payment_id: paid.payout.payment_id.clone(),
                    amount: {
                        let parts = self.provider.in_parts(refund_id, paid.full);
                        paid.payout.amount.plus(&parts).unwrap()
                    },
                }),
                None if nothing_sent => Some(Fact::NotSent),
                _ => None,
            },
            About::RefundUnclear { .. } | About::PayoutDiffers { .. } => {
                self.broken
                    .push(format!("nobody expected {:?}", attention.about));
                None
            }
            _ => None,
        };
        let action = match action {
            Some(fact) => Action::Resolve {
                fact,
                note: "as seen at the provider".to_owned(),
            },
            None => Action::Retry,
        };
        let actor = "kim".to_owned();
        self.commit(Input::Operator { actor, action });
    }
}
