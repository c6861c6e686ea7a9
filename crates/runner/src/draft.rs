//! What changes make of an instance, before it is committed.

use std::sync::Arc;

use countermand_core::{
    Agenda, Effect, EffectClass, Epoch, InstanceId, Notice, Opening, Stamp, Timestamp, When,
    Workflow,
};
use countermand_store::{Body, Guard, Hash, InboxRecord, NewEntry, Row, Save};

use crate::codec::{body, guarded};
use crate::options::Options;
use crate::retries::{Attempted, memory_key};
use crate::schedule::{Moment, due};
use crate::shelf::Snapshot;
use crate::sights::Sights;
use crate::task::{Authority, Mark, SubmitErrorOf};
use crate::world::World;
use crate::{Retries, SubmitError, Tally};

/// What a draft is made in.
pub(crate) struct Context<'a, W> {
    pub(crate) workflow: &'a W,
    pub(crate) options: &'a Options,
    pub(crate) sights: &'a Sights,
    pub(crate) world: &'a dyn World,
    pub(crate) incarnation: Epoch,
    pub(crate) moment: Moment,
}

impl<W: Workflow> Context<'_, W> {
    /// A new id: sorts by the store's time.
    pub(crate) fn new_id(&self) -> String {
        let millis = u64::try_from(self.moment.at.as_millis()).unwrap_or(0);
        let mut random = [0; 16];
        random[..8].copy_from_slice(&self.world.random().to_le_bytes());
        random[8..].copy_from_slice(&self.world.random().to_le_bytes());
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&random[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes)
            .into_uuid()
            .to_string()
    }

    /// When something of an agenda is next due; `None` if and only if it is finished.
    pub(crate) fn due_at(
        &self,
        id: &InstanceId,
        agenda: &Agenda<W::Effect>,
        retries: &Retries,
    ) -> Option<Timestamp> {
        self.sights.see(id, agenda.items(), self.moment);
        let Agenda::Open(items) = agenda else {
            return None;
        };
        let due = items.iter().filter_map(|item| {
            let retry = self.options.retry(item.effect.name());
            let sight = self.sights.of(id, item);
            due(
                item,
                retries.lane(&memory_key(item)),
                sight,
                &retry,
                self.moment,
            )
        });
        // Everything waits for a person, and nothing for time.
        Some(due.min().unwrap_or(Timestamp::MAX))
    }
}

/// A new instance: its state, its row and the opening entry.
pub(crate) struct Opened<W: Workflow> {
    pub(crate) id: InstanceId,
    pub(crate) state: W::State,
    pub(crate) body: Body,
    pub(crate) due_at: Timestamp,
    pub(crate) entry: NewEntry,
}

/// Begins an instance.
pub(crate) fn open<W: Workflow>(
    context: &Context<'_, W>,
    request: W::Request,
    prior: W::Prior,
) -> Result<Opened<W>, String> {
    let id = InstanceId::new(context.new_id()).map_err(|error| error.to_string())?;
    let stamp = Stamp {
        at: context.moment.at,
        seq: 1,
        epoch: context.incarnation,
    };
    let operation_id = context.new_id();
    guarded(|| {
        let workflow = context.workflow;
        let state = workflow.start(&id, &request, &prior, stamp);
        let body = body(workflow, &state)?;
        let Some(due_at) = context.due_at(&id, &workflow.next(&state), &Retries::default()) else {
            return Err("it is finished before it began".to_owned());
        };
        let actor = workflow.requester(&request).map(str::to_owned);
        let opening = Opening { request, prior };
        let entry = NewEntry {
            operation_id,
            at: stamp.at,
            from: String::new(),
            to: body.phase.clone(),
            input: serde_json::to_string(&opening).map_err(|error| error.to_string())?,
            accepted: true,
            actor,
            epoch: stamp.epoch,
            version: W::VERSION,
            emissions: emissions(workflow, &id, &state, stamp)?,
            trace_context: None,
            spend: None,
        };
        Ok(Opened {
            id,
            state,
            body,
            due_at,
            entry,
        })
    })
    .and_then(|opened| opened)
}

fn emissions<W: Workflow>(
    workflow: &W,
    id: &InstanceId,
    state: &W::State,
    stamp: Stamp,
) -> Result<Option<String>, String> {
    let emissions = workflow.emissions(id, state, stamp);
    if emissions.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&emissions)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// An instance with changes that are not committed yet.
pub(crate) struct Draft<W: Workflow> {
    /// As it is stored.
    pub(crate) base: Arc<Row>,
    now: Working<W>,
    inbox: Vec<InboxRecord>,
    /// The epoch that the decisions in it are made under.
    decision: Option<Epoch>,
}

/// The part that a change replaces as a whole, or not at all.
struct Working<W: Workflow> {
    state: Arc<W::State>,
    phase: String,
    retries: Retries,
    upgraded_from: Option<u32>,
    entries: Vec<NewEntry>,
}

impl<W: Workflow> Clone for Working<W> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            phase: self.phase.clone(),
            retries: self.retries.clone(),
            upgraded_from: self.upgraded_from,
            entries: self.entries.clone(),
        }
    }
}

/// One change, as a draft sees it.
pub(crate) struct Step<'a, W: Workflow> {
    pub(crate) inputs: &'a [W::Input],
    pub(crate) mark: Option<&'a Mark<W::Effect>>,
    pub(crate) authority: Authority,
}

/// What a draft comes to.
pub(crate) struct Saved<W: Workflow> {
    pub(crate) save: Save,
    pub(crate) snapshot: Snapshot<W>,
}

impl<W: Workflow> Draft<W> {
    pub(crate) fn new(snapshot: Snapshot<W>) -> Self {
        Self {
            now: Working {
                phase: snapshot.row.body.phase.clone(),
                retries: (*snapshot.retries).clone(),
                state: snapshot.state,
                upgraded_from: snapshot.upgraded_from,
                entries: Vec::new(),
            },
            base: snapshot.row,
            inbox: Vec::new(),
            decision: None,
        }
    }

    /// The instance as it is stored, for those whose change came to nothing.
    pub(crate) fn state(&self) -> Arc<W::State> {
        self.now.state.clone()
    }

    /// Is nothing left to do, ever?
    pub(crate) fn is_finished(&self, workflow: &W) -> bool {
        let agenda = guarded(|| workflow.next(&self.now.state));
        matches!(agenda, Ok(Agenda::Finished))
    }

    fn revision(&self) -> u64 {
        self.base
            .revision
            .saturating_add(self.now.entries.len() as u64)
    }

    /// Applies a change; when it fails, the draft is what it was.
    pub(crate) fn apply(
        &mut self,
        context: &Context<'_, W>,
        step: &Step<'_, W>,
    ) -> Result<Vec<W::Rejection>, SubmitErrorOf<W>> {
        let mut epoch = self.base.epoch.max(context.incarnation);
        if let Authority::Decision {
            epoch: decider,
            revision,
        } = step.authority
        {
            if self.base.epoch > decider || self.decision.is_some_and(|other| other != decider) {
                return Err(SubmitError::LeaseLost);
            }
            if revision.is_some_and(|revision| revision != self.revision()) {
                return Err(SubmitError::Stale);
            }
            epoch = epoch.max(decider);
        }
        let applied = guarded(|| {
            let mut work = Work {
                context,
                id: &self.base.id,
                base_revision: self.base.revision,
                epoch,
                now: self.now.clone(),
            };
            work.apply(step).map(|rejections| (work.now, rejections))
        });
        match applied.and_then(|applied| applied) {
            Ok((now, rejections)) => {
                self.now = now;
                if let Authority::Decision { epoch, .. } = step.authority {
                    self.decision = Some(epoch);
                }
                Ok(rejections)
            }
            Err(detail) => Err(SubmitError::Panicked { detail }),
        }
    }

    /// Adds the event that a change came from.
    pub(crate) fn add_event(&mut self, record: InboxRecord) {
        self.inbox.push(record);
    }

    /// What is to be written; `None` when nothing has changed.
    pub(crate) fn finish(self, context: &Context<'_, W>) -> Result<Option<Saved<W>>, String> {
        guarded(|| self.finish_inner(context)).and_then(|saved| saved)
    }

    fn finish_inner(self, context: &Context<'_, W>) -> Result<Option<Saved<W>>, String> {
        let id = &self.base.id;
        let agenda = context.workflow.next(&self.now.state);
        let due_at = context.due_at(id, &agenda, &self.now.retries);
        let retries = self.now.retries.to_json();
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= context.moment.at);
        let same_time = due_at == self.base.due_at || (is_due(due_at) && is_due(self.base.due_at));
        let entries = self.now.entries;
        if entries.is_empty() && self.inbox.is_empty() && same_time && retries == self.base.retries
        {
            return Ok(None);
        }
        let revision = self.base.revision;
        let guard = match self.decision {
            Some(epoch) => Guard::Decision { revision, epoch },
            None if entries.is_empty() => {
                // A schedule is a decision, whoever asks for it.
                let epoch = context.incarnation;
                Guard::Decision { revision, epoch }
            }
            None => Guard::Fact { revision },
        };
        let body = if entries.is_empty() {
            self.base.body.clone()
        } else {
            body(context.workflow, &self.now.state)?
        };
        let row = Row {
            body: body.clone(),
            revision: revision.saturating_add(entries.len() as u64),
            epoch: entries.last().map_or(self.base.epoch, |entry| entry.epoch),
            updated_at: context.moment.at,
            finished_at: self
                .base
                .finished_at
                .or(due_at.is_none().then_some(context.moment.at)),
            due_at,
            retries: retries.clone(),
            ..(*self.base).clone()
        };
        let save = Save {
            id: self.base.id.clone(),
            guard,
            head: self.base.head,
            body,
            due_at,
            retries,
            entries,
            inbox: self.inbox,
        };
        let snapshot = Snapshot {
            row: Arc::new(row),
            state: self.now.state,
            retries: Arc::new(self.now.retries),
            upgraded_from: self.now.upgraded_from,
        };
        Ok(Some(Saved { save, snapshot }))
    }
}

impl<W: Workflow> Snapshot<W> {
    /// As the store answered.
    pub(crate) fn committed(mut self, revision: u64, head: Hash) -> Self {
        let row = Arc::make_mut(&mut self.row);
        row.revision = revision;
        row.head = head;
        self
    }
}

/// A change being applied. The workflow's code may panic anywhere in here.
struct Work<'a, 'b, W: Workflow> {
    context: &'a Context<'b, W>,
    id: &'a InstanceId,
    base_revision: u64,
    epoch: Epoch,
    now: Working<W>,
}

impl<W: Workflow> Work<'_, '_, W> {
    fn apply(&mut self, step: &Step<'_, W>) -> Result<Vec<W::Rejection>, String> {
        if let Some(from) = self.now.upgraded_from.take() {
            let to = W::VERSION;
            let notice = self.context.workflow.notice(Notice::Upgraded { from, to });
            if let Some(rejection) = self.input(&notice)? {
                return Err(format!(
                    "it rejects the notice of its own upgrade: {rejection}"
                ));
            }
        }
        let mut rejections = Vec::new();
        for input in step.inputs {
            rejections.extend(self.input(input)?);
        }
        if let Some(mark) = step.mark {
            let is_rejected = !rejections.is_empty();
            self.mark(mark, is_rejected)?;
        }
        self.forget();
        Ok(rejections)
    }

    fn stamp(&self) -> Stamp {
        let entries = self.now.entries.len() as u64;
        Stamp {
            at: self.context.moment.at,
            seq: self.base_revision.saturating_add(entries).saturating_add(1),
            epoch: self.epoch,
        }
    }

    fn input(&mut self, input: &W::Input) -> Result<Option<W::Rejection>, String> {
        let workflow = self.context.workflow;
        let stamp = self.stamp();
        let (rejection, emissions) = match workflow.step(&self.now.state, input, stamp) {
            Ok(next) => {
                if next == *self.now.state && !workflow.always_recorded(input) {
                    return Ok(None);
                }
                let emissions = emissions(workflow, self.id, &next, stamp)?;
                self.now.state = Arc::new(next);
                (None, emissions)
            }
            Err(rejection) => {
                if !workflow.is_evidence(input) {
                    return Ok(Some(rejection));
                }
                (Some(rejection), None)
            }
        };
        let spend = match rejection {
            None => workflow.spend(input),
            Some(_) => None,
        };
        let spend = spend
            .map(|spend| serde_json::to_string(&spend))
            .transpose()
            .map_err(|error| error.to_string())?;
        let to = if rejection.is_none() {
            workflow.project(&self.now.state).phase.to_owned()
        } else {
            self.now.phase.clone()
        };
        self.now.entries.push(NewEntry {
            operation_id: self.context.new_id(),
            at: stamp.at,
            from: std::mem::replace(&mut self.now.phase, to.clone()),
            to,
            input: serde_json::to_string(input).map_err(|error| error.to_string())?,
            accepted: rejection.is_none(),
            actor: workflow.actor(input).map(str::to_owned),
            epoch: stamp.epoch,
            version: W::VERSION,
            emissions,
            trace_context: None,
            spend,
        });
        Ok(rejection)
    }

    fn mark(&mut self, mark: &Mark<W::Effect>, is_rejected: bool) -> Result<(), String> {
        let now = self.context.moment.at;
        match mark {
            Mark::Performed {
                item,
                began_at,
                tally,
                random,
            } => {
                let effect = item.effect.name();
                let retry = self.context.options.retry(effect);
                let key = memory_key(item);
                let what = Attempted {
                    lane: &key,
                    effect,
                    stops: item.effect.class() != EffectClass::Read,
                    began_at: *began_at,
                    tally,
                    random: *random,
                };
                let is_quiet = self.now.entries.is_empty();
                let agenda = self.context.workflow.next(&self.now.state);
                let again = agenda.items().iter().find(|again| again.key == item.key);
                if self.now.retries.attempted(now, &what, &retry) && again.is_some() {
                    self.exhausted(&item.key, &item.effect)?;
                }
                let is_due = again.is_some_and(|again| match again.when {
                    When::Now => true,
                    When::At(at) => at <= now,
                    When::Poll { .. } | When::Settled { .. } => false,
                });
                let is_same = again.is_some_and(|again| again.effect == item.effect);
                let is_timer = item.effect.class() == EffectClass::Timer;
                let is_idle = is_due && is_same && (is_timer || is_quiet);
                if is_idle && matches!(tally, Tally::Answered | Tally::Empty { .. }) {
                    self.now.retries.idled(now, &key, &retry);
                } else {
                    self.now.retries.moved(&key);
                }
            }
            Mark::PutOff {
                lane,
                effect,
                wait,
                random,
            } => {
                let retry = self.context.options.retry(effect);
                self.now.retries.put_off(now, lane, *wait, &retry, *random);
            }
            Mark::Lost { lanes } => lanes.iter().for_each(|lane| self.now.retries.lost(lane)),
            Mark::Reset if is_rejected => {}
            Mark::Reset => self.now.retries.reset(),
        }
        Ok(())
    }

    fn exhausted(&mut self, key: &str, effect: &W::Effect) -> Result<(), String> {
        let Some(lane) = self.now.retries.lane(key) else {
            return Ok(());
        };
        let failures = lane.failures;
        let error = lane
            .last_error
            .as_ref()
            .map_or_else(String::new, |error| error.message.clone());
        let notice = self.context.workflow.notice(Notice::AttemptsExhausted {
            effect,
            key,
            failures,
            error: &error,
        });
        if let Some(rejection) = self.input(&notice)? {
            tracing::warn!(id = %self.id, lane = key, %rejection, "nobody is asked for a lane that stopped");
        }
        Ok(())
    }

    /// What is no longer on the agenda is not worth remembering; an attempt under way still is.
    fn forget(&mut self) {
        let workflow = self.context.workflow;
        let agenda = workflow.next(&self.now.state);
        let intents = workflow.open_intents(&self.now.state);
        self.now.retries.keep(|key| {
            agenda.items().iter().any(|item| memory_key(item) == key)
                || intents.iter().any(|intent| intent.key == key)
        });
    }
}

#[cfg(test)]
mod tests;
