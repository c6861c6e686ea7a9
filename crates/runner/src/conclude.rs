//! The end of a round: the one transaction, and what everybody is answered after it.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{InstanceId, Workflow};
use countermand_store::{self as store, Store, Write, Written};

use crate::handle::Change;
use crate::round::Round;
use crate::shelf::Snapshot;
use crate::task::{Altered, Authority, Done, SubmitErrorOf, Task};
use crate::{Ingested, Instance, Started, SubmitError};

/// A write, and who waits for it.
pub(crate) struct Planned<W: Workflow> {
    pub(crate) write: Write,
    pub(crate) then: Then<W>,
}

pub(crate) enum Then<W: Workflow> {
    Start {
        index: usize,
        snapshot: Snapshot<W>,
    },
    Save {
        members: Vec<Member<W>>,
        snapshot: Snapshot<W>,
        is_change: bool,
    },
    Keep {
        index: usize,
        done: Box<Done<W>>,
    },
}

/// One of the tasks that a save carries out.
pub(crate) struct Member<W: Workflow> {
    pub(crate) index: usize,
    pub(crate) rejections: Vec<W::Rejection>,
}

impl<W: Workflow, S: Store> Round<'_, W, S> {
    /// Answers everybody whose task is carried out.
    pub(crate) fn settle(&mut self, members: Vec<Member<W>>, instance: &Instance<W::State>) {
        for Member { index, rejections } in members {
            let is_event = matches!(
                self.tasks
                    .get(index)
                    .and_then(Option::as_ref)
                    .map(|pending| &pending.task),
                Some(Task::Ingest { .. })
            );
            let done = if !is_event {
                Done::Altered(Altered {
                    instance: instance.clone(),
                    rejections,
                })
            } else if rejections.is_empty() {
                Done::Ingested(Ingested::Applied(instance.clone()))
            } else {
                Done::Ingested(Ingested::Ignored)
            };
            self.answer(index, Ok(done));
        }
    }

    /// A write was refused: if several tasks made it, each is tried by itself.
    pub(crate) fn refuse(&mut self, members: Vec<Member<W>>, error: &SubmitErrorOf<W>) {
        let is_single = members.len() == 1;
        for member in members {
            if is_single {
                self.answer(member.index, Err(error.clone()));
            } else {
                self.again(member.index, true);
            }
        }
    }

    pub(crate) async fn commit(&mut self, planned: Vec<Planned<W>>) {
        let (writes, thens): (Vec<Write>, Vec<Then<W>>) = planned
            .into_iter()
            .map(|planned| (planned.write, planned.then))
            .unzip();
        let traces: Vec<Trace> = writes.iter().map(Trace::of).collect();
        let count = writes.len();
        match self.shared.store.commit(writes).await {
            Ok(written) if written.len() == count => {
                tracing::debug!(writes = count, "committed");
                self.shared.commits.succeeded();
                for (then, written) in thens.into_iter().zip(written) {
                    self.conclude(then, written);
                }
            }
            Ok(written) => {
                let detail = format!("it answered {} of {count} writes", written.len());
                self.fail_all(thens, &SubmitError::Refused { detail });
            }
            Err(store::Error::CommitUnknown { cause }) => {
                tracing::warn!(error = %cause, writes = count, "it is not known whether a commit happened: reading back");
                for (then, trace) in thens.into_iter().zip(traces) {
                    match self.read_back(&trace).await {
                        Ok(written) => self.conclude(then, written),
                        Err(error) => {
                            let now = self.shared.world.monotonic();
                            self.shared.commits.failed(&error, now);
                            self.fail_all(vec![then], &SubmitError::Store(Arc::new(error)));
                        }
                    }
                }
            }
            Err(store::Error::Corrupt { what, detail }) if count > 1 => {
                tracing::error!(
                    what,
                    detail,
                    "a commit failed as a whole: each write is tried by itself"
                );
                for then in thens {
                    then.indices()
                        .into_iter()
                        .for_each(|index| self.again(index, true));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
                self.shared
                    .commits
                    .failed(&error, self.shared.world.monotonic());
                self.fail_all(thens, &SubmitError::Store(Arc::new(error)));
            }
        }
    }

    fn fail_all(&mut self, thens: Vec<Then<W>>, error: &SubmitErrorOf<W>) {
        for then in thens {
            for index in then.indices() {
                self.answer(index, Err(error.clone()));
            }
        }
    }

    /// Was a write whose commit gave no answer made? (Rule R3.)
    async fn read_back(&self, trace: &Trace) -> Result<Written, store::Error> {
        let Some((id, after, operations)) = &trace.entries else {
            // Nothing that must not be done twice.
            return Ok(Written::Conflict);
        };
        let mut wait = Duration::from_millis(100);
        let entries = loop {
            match self
                .shared
                .store
                .history(id, *after, operations.len())
                .await
            {
                Ok(entries) => break entries,
                Err(error) if wait > Duration::from_secs(1) => return Err(error),
                Err(_) => self.shared.world.sleep(wait).await,
            }
            wait *= 2;
        };
        let ours = entries.iter().map(|entry| &entry.entry.operation_id);
        Ok(match entries.last() {
            Some(last) if ours.eq(operations.iter()) => Written::Saved {
                revision: last.seq,
                head: last.hash,
            },
            _ => Written::Conflict,
        })
    }

    fn conclude(&mut self, then: Then<W>, written: Written) {
        match then {
            Then::Start { index, snapshot } => self.conclude_start(index, snapshot, written),
            Then::Save {
                members,
                snapshot,
                is_change,
            } => self.conclude_save(members, snapshot, is_change, written),
            Then::Keep { index, done } => match written {
                Written::Kept | Written::Saved { .. } | Written::Duplicate { .. } => {
                    self.answer(index, Ok(*done));
                }
                Written::Conflict => self.again(index, false),
                other => self.answer(index, Err(refused(&other))),
            },
        }
    }

    fn conclude_start(&mut self, index: usize, snapshot: Snapshot<W>, written: Written) {
        let (revision, head) = match written {
            Written::Saved { revision, head } => (revision, head),
            Written::Conflict | Written::Duplicate { .. } | Written::Taken { .. } => {
                return self.again(index, false);
            }
            other => return self.answer(index, Err(refused(&other))),
        };
        let snapshot = snapshot.committed(revision, head);
        self.publish(&snapshot, true);
        let is_event = matches!(
            self.tasks
                .get(index)
                .and_then(Option::as_ref)
                .map(|pending| &pending.task),
            Some(Task::Ingest { .. })
        );
        let instance = instance_of(&snapshot);
        let done = if is_event {
            Done::Ingested(Ingested::Started(instance))
        } else {
            Done::Started(Started::Created(instance))
        };
        self.answer(index, Ok(done));
    }

    fn conclude_save(
        &mut self,
        members: Vec<Member<W>>,
        snapshot: Snapshot<W>,
        is_change: bool,
        written: Written,
    ) {
        let id = snapshot.row.id.clone();
        match written {
            Written::Saved { revision, head } => {
                let snapshot = snapshot.committed(revision, head);
                self.publish(&snapshot, is_change);
                self.settle(members, &instance_of(&snapshot));
            }
            Written::Conflict | Written::Duplicate { .. } => {
                for member in members {
                    self.again(member.index, false);
                }
            }
            Written::LeaseLost => {
                tracing::warn!(%id, "an instance belongs to a younger owner: its decisions are dropped");
                self.shared.shelf.lose(&id);
                for member in members {
                    if !is_change || self.is_decision(member.index) {
                        self.answer(member.index, Err(SubmitError::LeaseLost));
                    } else {
                        self.again(member.index, false);
                    }
                }
            }
            Written::Missing => {
                let error = SubmitError::Missing { id };
                for member in members {
                    self.answer(member.index, Err(error.clone()));
                }
            }
            other @ (Written::Taken { .. } | Written::Refused { .. } | Written::Kept) => {
                tracing::error!(%id, written = ?other, "the store refuses a change");
                self.refuse(members, &refused(&other));
            }
        }
    }

    fn is_decision(&self, index: usize) -> bool {
        let pending = self.tasks.get(index).and_then(Option::as_ref);
        pending.is_some_and(|pending| {
            matches!(&pending.task, Task::Alter { alter, .. }
                if matches!(alter.authority, Authority::Decision { .. }))
        })
    }

    /// Tells the holder, or the dispatcher, and everybody who follows changes.
    fn publish(&self, snapshot: &Snapshot<W>, is_change: bool) {
        let row = &snapshot.row;
        if !self.shared.shelf.publish(snapshot.clone())
            && let Some(due_at) = row.due_at
        {
            self.shared.hints.due(due_at);
        }
        if is_change {
            let change = Change {
                id: row.id.clone(),
                revision: row.revision,
                phase: row.body.phase.clone(),
            };
            // Nobody need be listening.
            drop(self.shared.changes.send(change));
        }
    }
}

impl<W: Workflow> Then<W> {
    fn indices(&self) -> Vec<usize> {
        match self {
            Self::Start { index, .. } | Self::Keep { index, .. } => vec![*index],
            Self::Save { members, .. } => members.iter().map(|member| member.index).collect(),
        }
    }
}

/// By what a write can be read back: the instance, the revision before, and the operations.
struct Trace {
    entries: Option<(InstanceId, u64, Vec<String>)>,
}

impl Trace {
    fn of(write: &Write) -> Self {
        let (id, after, entries) = match write {
            Write::Start(start) => (&start.id, 0, &start.entries),
            Write::Save(save) => {
                let (store::Guard::Decision { revision, .. } | store::Guard::Fact { revision }) =
                    save.guard;
                (&save.id, revision, &save.entries)
            }
            Write::Keep(_) => return Self { entries: None },
        };
        let operations: Vec<String> = entries
            .iter()
            .map(|entry| entry.operation_id.clone())
            .collect();
        Self {
            entries: (!operations.is_empty()).then(|| (id.clone(), after, operations)),
        }
    }
}

fn instance_of<W: Workflow>(snapshot: &Snapshot<W>) -> Instance<W::State> {
    Instance {
        row: (*snapshot.row).clone(),
        state: snapshot.state.clone(),
    }
}

fn refused<R: std::error::Error + 'static>(written: &Written) -> SubmitError<R> {
    let detail = match written {
        Written::Refused { detail } => detail.clone(),
        Written::Taken { by, .. } => format!("instance {by} stands against it"),
        other => format!("an answer that does not fit: {other:?}"),
    };
    SubmitError::Refused { detail }
}
