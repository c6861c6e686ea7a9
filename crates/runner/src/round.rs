//! One round of the committer: everything that waits becomes one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use countermand_core::{InstanceId, Workflow};
use countermand_store::{self as store, Disposition, InboxRecord, Row, Start, Store, Write};

use crate::Instance;
use crate::SubmitError;
use crate::codec::{decode, guarded};
use crate::conclude::{Member, Planned, Then};
use crate::draft::{Draft, Saved, Step, open};
use crate::schedule::Moment;
use crate::shared::Shared;
use crate::shelf::Snapshot;
use crate::task::{Authority, Done, SubmitErrorOf, Task};

/// How often a task is tried again after somebody else was faster.
const TRIES: u32 = 16;

/// A task that waits for a round.
pub(crate) struct Pending<W: Workflow> {
    pub(crate) task: Task<W>,
    /// How often it was tried.
    tries: u32,
    /// To be tried in a round of its own: something in its last round was refused.
    pub(crate) alone: bool,
}

impl<W: Workflow> Pending<W> {
    pub(crate) fn new(task: Task<W>) -> Self {
        Self {
            task,
            tries: 0,
            alone: false,
        }
    }
}

/// One round.
pub(crate) struct Round<'a, W: Workflow, S: Store> {
    pub(crate) shared: &'a Shared<W, S>,
    pub(crate) moment: Moment,
    /// The tasks that are not answered yet.
    pub(crate) tasks: Vec<Option<Pending<W>>>,
    /// Tasks for the next round, by their order in this one.
    later: BTreeMap<usize, Pending<W>>,
    /// Changes, by instance.
    pub(crate) groups: BTreeMap<InstanceId, Vec<usize>>,
    /// Rows that were loaded in passing.
    pub(crate) rows: BTreeMap<InstanceId, Row>,
    /// Instances to begin.
    pub(crate) opening: Vec<(usize, W::Prior)>,
    /// How many finished instances were looked at before an instance was begun.
    pub(crate) earlier: BTreeMap<usize, u64>,
    /// Events to keep, and the answer then.
    pub(crate) keeps: Vec<(usize, InboxRecord, Done<W>)>,
}

impl<'a, W: Workflow, S: Store> Round<'a, W, S> {
    /// Carries out tasks; answers with those that are to be tried again.
    pub(crate) async fn run(shared: &'a Shared<W, S>, tasks: Vec<Pending<W>>) -> Vec<Pending<W>> {
        let moment = match shared.moment().await {
            Ok(moment) => moment,
            Err(error) => {
                let error = Arc::new(error);
                for pending in tasks {
                    pending.task.answer(Err(SubmitError::Store(error.clone())));
                }
                return Vec::new();
            }
        };
        let mut round = Self {
            shared,
            moment,
            tasks: tasks.into_iter().map(Some).collect(),
            later: BTreeMap::new(),
            groups: BTreeMap::new(),
            rows: BTreeMap::new(),
            opening: Vec::new(),
            earlier: BTreeMap::new(),
            keeps: Vec::new(),
        };
        round.resolve().await;
        round.group();
        round.load().await;
        let planned = round.plan();
        if !planned.is_empty() {
            round.commit(planned).await;
        }
        round.later.into_values().collect()
    }

    pub(crate) fn answer(&mut self, index: usize, done: Result<Done<W>, SubmitErrorOf<W>>) {
        if let Some(pending) = self.tasks.get_mut(index).and_then(Option::take) {
            pending.task.answer(done);
        }
    }

    /// Somebody else's turn first.
    pub(crate) fn defer(&mut self, index: usize) {
        if let Some(pending) = self.tasks.get_mut(index).and_then(Option::take) {
            self.later.insert(index, pending);
        }
    }

    /// Somebody else was faster: to be decided again.
    pub(crate) fn again(&mut self, index: usize, alone: bool) {
        if let Some(mut pending) = self.tasks.get_mut(index).and_then(Option::take) {
            pending.tries += 1;
            pending.alone = alone;
            if pending.tries > TRIES {
                pending.task.answer(Err(SubmitError::Contended));
            } else {
                self.later.insert(index, pending);
            }
        }
    }

    fn group(&mut self) {
        for index in 0..self.tasks.len() {
            let Some(pending) = &self.tasks[index] else {
                continue;
            };
            match &pending.task {
                Task::Alter { alter, .. } => {
                    self.groups.entry(alter.id.clone()).or_default().push(index);
                }
                Task::Keep { record, .. } => {
                    let record = InboxRecord {
                        received_at: self.moment.at,
                        ..record.clone()
                    };
                    self.keeps.push((index, record, Done::Kept));
                }
                Task::Start { .. } | Task::Ingest { .. } => {}
            }
        }
        // By arrival, whichever way they came in.
        for group in self.groups.values_mut() {
            group.sort_unstable();
        }
    }

    /// Does the state in memory do for this group? What a worker hands in was decided on it, and
    /// conflicts where it is not the present one. Everybody else is answered from the store.
    fn is_internal(&self, group: &[usize]) -> bool {
        group.iter().all(|index| {
            let pending = self.tasks.get(*index).and_then(Option::as_ref);
            pending.is_some_and(|pending| {
                let is_internal =
                    matches!(&pending.task, Task::Alter { alter, .. } if alter.internal);
                is_internal && pending.tries == 0
            })
        })
    }

    async fn load(&mut self) {
        let wanted = |(id, group): (&InstanceId, &Vec<usize>)| {
            let is_held = self.is_internal(group) && self.shared.shelf.get(id).is_some();
            (!is_held && !self.rows.contains_key(id)).then(|| id.clone())
        };
        let ids: Vec<InstanceId> = self.groups.iter().filter_map(wanted).collect();
        if ids.is_empty() {
            return;
        }
        let rows = match self.shared.store.load(&ids).await {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) if ids.len() == 1 => vec![Err(error)],
            Err(_) => {
                // One row that cannot be read spoils no other.
                let mut rows = Vec::with_capacity(ids.len());
                for id in &ids {
                    let row = self.shared.store.load(std::slice::from_ref(id)).await;
                    rows.push(row.map(|row| row.into_iter().next().flatten()));
                }
                rows
            }
        };
        for (id, row) in ids.into_iter().zip(rows) {
            let error = match row {
                Ok(Some(row)) => {
                    self.rows.insert(id, row);
                    continue;
                }
                Ok(None) => SubmitError::Missing { id: id.clone() },
                Err(store::Error::Corrupt { what, detail }) => SubmitError::Unreadable {
                    id: id.clone(),
                    detail: format!("{what}: {detail}"),
                },
                Err(error) => SubmitError::Store(Arc::new(error)),
            };
            self.fail(&id, &error);
        }
    }

    fn fail(&mut self, id: &InstanceId, error: &SubmitErrorOf<W>) {
        for index in self.groups.remove(id).unwrap_or_default() {
            self.answer(index, Err(error.clone()));
        }
    }

    fn plan(&mut self) -> Vec<Planned<W>> {
        let mut planned = Vec::new();
        for (index, prior) in std::mem::take(&mut self.opening) {
            planned.extend(self.plan_start(index, prior));
        }
        for (id, group) in std::mem::take(&mut self.groups) {
            planned.extend(self.plan_save(&id, &group));
        }
        for (index, record, done) in std::mem::take(&mut self.keeps) {
            planned.push(Planned {
                write: Write::Keep(record),
                then: Then::Keep {
                    index,
                    done: Box::new(done),
                },
            });
        }
        planned
    }

    fn plan_start(&mut self, index: usize, prior: W::Prior) -> Option<Planned<W>> {
        let request = match &self.tasks.get(index)?.as_ref()?.task {
            Task::Start { request, .. } => request.clone(),
            Task::Ingest { event, .. } => event.request.clone(),
            Task::Keep { .. } | Task::Alter { .. } => return None,
        };
        let workflow = &*self.shared.workflow;
        let context = self.shared.context(self.moment);
        let opened = guarded(|| workflow.identity(&request))
            .and_then(|identity| Ok((identity, open(&context, request, prior)?)));
        let (identity, opened) = match opened {
            Ok(opened) => opened,
            Err(detail) => {
                self.answer(index, Err(SubmitError::Panicked { detail }));
                return None;
            }
        };
        let inbox = self.event_record(index).map(|mut record| {
            record.disposition = Disposition::Applied;
            record.instance_id = Some(opened.id.clone());
            record
        });
        let retries = crate::Retries::default();
        let row = Row {
            id: opened.id.clone(),
            kind: W::KIND.to_owned(),
            scope: identity.scope.clone(),
            subject: identity.subject.clone(),
            body: opened.body.clone(),
            revision: 1,
            epoch: opened.entry.epoch,
            head: [0; 32],
            created_at: self.moment.at,
            updated_at: self.moment.at,
            finished_at: None,
            due_at: Some(opened.due_at),
            retries: retries.to_json(),
        };
        let start = Start {
            id: opened.id,
            kind: W::KIND.to_owned(),
            scope: identity.scope,
            subject: identity.subject,
            earlier: self.earlier.remove(&index).unwrap_or(0),
            body: opened.body,
            due_at: opened.due_at,
            retries: row.retries.clone(),
            entries: vec![opened.entry],
            inbox: inbox.into_iter().collect(),
        };
        let snapshot = Snapshot {
            row: Arc::new(row),
            state: Arc::new(opened.state),
            retries: Arc::new(retries),
            upgraded_from: None,
        };
        Some(Planned {
            write: Write::Start(start),
            then: Then::Start { index, snapshot },
        })
    }

    fn plan_save(&mut self, id: &InstanceId, group: &[usize]) -> Option<Planned<W>> {
        let (snapshot, is_loaded) = match self.rows.remove(id) {
            Some(row) => match guarded(|| decode(&*self.shared.workflow, &row)) {
                Ok(Ok(decoded)) => (Snapshot::new(row, decoded), true),
                Ok(Err(detail)) | Err(detail) => {
                    let error = SubmitError::Unreadable {
                        id: id.clone(),
                        detail,
                    };
                    for index in group {
                        self.answer(*index, Err(error.clone()));
                    }
                    return None;
                }
            },
            None => (self.shared.shelf.get(id)?.latest(), false),
        };
        if is_loaded {
            self.shared.shelf.publish(snapshot.clone());
        }
        let mut draft = Draft::new(snapshot);
        let mut members = Vec::new();
        let mut failed = Vec::new();
        let mut too_late = Vec::new();
        for index in group {
            if self.comes_too_late(&draft, *index) {
                too_late.push(*index);
                continue;
            }
            match self.apply(&mut draft, *index) {
                Ok(rejections) => members.push(Member {
                    index: *index,
                    rejections,
                }),
                Err(error) => failed.push((*index, error)),
            }
        }
        for index in too_late {
            self.again(index, false);
        }
        let is_refused = members.iter().any(|one| !one.rejections.is_empty())
            || failed
                .iter()
                .any(|(_, error)| matches!(error, SubmitError::Panicked { .. }));
        if is_refused && !is_loaded {
            // Nobody is turned away on a state that may not be the present one. What is stale by
            // the one in memory is stale for ever, though.
            for index in group {
                self.again(*index, false);
            }
            return None;
        }
        for (index, error) in failed {
            self.answer(index, Err(error));
        }
        if members.is_empty() {
            return None;
        }
        let (base, state) = (draft.base.clone(), draft.state());
        match draft.finish(&self.shared.context(self.moment)) {
            Ok(Some(Saved { save, snapshot })) => {
                let is_change = !save.entries.is_empty();
                Some(Planned {
                    write: Write::Save(save),
                    then: Then::Save {
                        members,
                        snapshot,
                        is_change,
                    },
                })
            }
            Ok(None) => {
                let instance = Instance {
                    row: (*base).clone(),
                    state,
                };
                self.settle(members, &instance);
                None
            }
            Err(detail) => {
                self.refuse(members, &SubmitError::Panicked { detail });
                None
            }
        }
    }

    /// An event for an instance that has just ended, in this very round: it is not the instance's
    /// any more. The next round finds out whether it begins another one.
    fn comes_too_late(&self, draft: &Draft<W>, index: usize) -> bool {
        let task = self.tasks.get(index).and_then(Option::as_ref);
        task.is_some_and(|pending| matches!(pending.task, Task::Ingest { .. }))
            && draft.is_finished(&self.shared.workflow)
    }

    fn apply(
        &self,
        draft: &mut Draft<W>,
        index: usize,
    ) -> Result<Vec<W::Rejection>, SubmitErrorOf<W>> {
        let context = self.shared.context(self.moment);
        let Some(pending) = self.tasks.get(index).and_then(Option::as_ref) else {
            return Err(SubmitError::Closed);
        };
        match &pending.task {
            Task::Alter { alter, .. } => {
                let step = Step {
                    inputs: &alter.inputs,
                    mark: alter.mark.as_ref(),
                    authority: alter.authority,
                };
                draft.apply(&context, &step)
            }
            Task::Ingest { event, .. } => {
                let step = Step {
                    inputs: std::slice::from_ref(&event.input),
                    mark: None,
                    authority: Authority::Fact,
                };
                let rejections = draft.apply(&context, &step)?;
                if let Some(mut record) = self.event_record(index) {
                    record.instance_id = Some(draft.base.id.clone());
                    record.disposition = if rejections.is_empty() {
                        Disposition::Applied
                    } else {
                        Disposition::Ignored
                    };
                    draft.add_event(record);
                }
                Ok(rejections)
            }
            Task::Start { .. } | Task::Keep { .. } => Err(SubmitError::Closed),
        }
    }
}
