//! What the committer is asked to do, and how it answers.

use std::sync::Arc;
use std::time::Duration;

use countermand_core::{Epoch, InstanceId, Item, Timestamp, Workflow};
use countermand_store::{InboxRecord, Row};
use tokio::sync::oneshot;

use crate::{SubmitError, Tally};

/// An instance as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance<S> {
    /// Its row.
    pub row: Row,
    /// Its state, as read from the row.
    pub state: Arc<S>,
}

/// The answer to a request to begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Started<S> {
    /// It has begun, durably.
    Created(Instance<S>),
    /// An equal request with the same external id began this one before.
    Existing(Instance<S>),
    /// Earlier instances handled everything that the request speaks of.
    Known,
    /// Another instance stands against it.
    Conflict {
        /// Which one.
        with: Instance<S>,
        /// Why, as a stable code: `live`, `external_id_reused`, or what the workflow says.
        why: &'static str,
    },
}

/// An event from the outside.
pub struct Event<W: Workflow> {
    /// As it is kept. Its time of arrival, disposition and instance are filled in by the engine.
    pub record: InboxRecord,
    /// What it means to a live instance of the subject.
    pub input: W::Input,
    /// What it means where no instance is alive. It also names the subject.
    pub request: W::Request,
}

impl<W: Workflow> Clone for Event<W> {
    fn clone(&self) -> Self {
        Self {
            record: self.record.clone(),
            input: self.input.clone(),
            request: self.request.clone(),
        }
    }
}

impl<W: Workflow> std::fmt::Debug for Event<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("record", &self.record)
            .field("input", &self.input)
            .field("request", &self.request)
            .finish()
    }
}

/// The answer to an event. Whatever it is, the event is kept, durably.
#[derive(Debug, Clone, PartialEq)]
pub enum Ingested<S> {
    /// It was applied to a live instance.
    Applied(Instance<S>),
    /// It began an instance.
    Started(Instance<S>),
    /// Its business fact was known before.
    Duplicate {
        /// The instance that the fact was applied to, where there was one.
        instance: Option<InstanceId>,
    },
    /// It concerns nothing: handled by earlier instances, or of no use to the live one.
    Ignored,
}

pub(crate) type SubmitErrorOf<W> = SubmitError<<W as Workflow>::Rejection>;
pub(crate) type Reply<T, W> = oneshot::Sender<Result<T, SubmitErrorOf<W>>>;

/// Under which authority a change is made (fence decisions, never evidence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// Outcomes of mutations, events, commands.
    Fact,
    /// Intents, schedules, results of reads.
    Decision {
        /// The epoch that the decider owns the row under.
        epoch: Epoch,
        /// The revision it was decided on; `None` where it holds for any (results of reads say
        /// themselves when they began).
        revision: Option<u64>,
    },
}

/// What the shell is to remember with a change.
#[derive(Debug, Clone)]
pub(crate) enum Mark<E> {
    /// A performance came to its end.
    Performed {
        item: Item<E>,
        began_at: Timestamp,
        tally: Tally,
        random: u64,
    },
    /// Nothing was tried.
    PutOff {
        lane: String,
        effect: &'static str,
        wait: Option<Duration>,
        random: u64,
    },
    /// The owners of attempts in these lanes are gone.
    Lost { lanes: Vec<String> },
    /// A person wants another try, now.
    Reset,
}

/// A change of one instance.
pub(crate) struct Alter<W: Workflow> {
    pub(crate) id: InstanceId,
    pub(crate) inputs: Vec<W::Input>,
    pub(crate) mark: Option<Mark<W::Effect>>,
    pub(crate) authority: Authority,
    /// Does it come from a worker that holds the instance? Then the state in memory is stepped: it
    /// is the present one, or the save conflicts.
    pub(crate) internal: bool,
}

/// What became of a change.
pub(crate) struct Altered<W: Workflow> {
    pub(crate) instance: Instance<W::State>,
    /// The inputs that the workflow did not accept.
    pub(crate) rejections: Vec<W::Rejection>,
}

/// What the committer is asked to do.
pub(crate) enum Task<W: Workflow> {
    Start {
        request: W::Request,
        reply: Reply<Started<W::State>, W>,
    },
    Ingest {
        event: Event<W>,
        reply: Reply<Ingested<W::State>, W>,
    },
    Keep {
        record: InboxRecord,
        reply: Reply<(), W>,
    },
    Alter {
        alter: Alter<W>,
        reply: Reply<Altered<W>, W>,
    },
}

/// What became of a task.
pub(crate) enum Done<W: Workflow> {
    Started(Started<W::State>),
    Ingested(Ingested<W::State>),
    Kept,
    Altered(Altered<W>),
}

impl<W: Workflow> Task<W> {
    /// Tells whoever asked. Nobody may be listening any more.
    pub(crate) fn answer(self, done: Result<Done<W>, SubmitErrorOf<W>>) {
        // A task is only ever answered in kind; anything else would drop the sender, which the
        // other side sees as a shutdown.
        match self {
            Self::Start { reply, .. } => match done {
                Ok(Done::Started(started)) => drop(reply.send(Ok(started))),
                Ok(_) => {}
                Err(error) => drop(reply.send(Err(error))),
            },
            Self::Ingest { reply, .. } => match done {
                Ok(Done::Ingested(ingested)) => drop(reply.send(Ok(ingested))),
                Ok(_) => {}
                Err(error) => drop(reply.send(Err(error))),
            },
            Self::Keep { reply, .. } => match done {
                Ok(Done::Kept) => drop(reply.send(Ok(()))),
                Ok(_) => {}
                Err(error) => drop(reply.send(Err(error))),
            },
            Self::Alter { reply, .. } => match done {
                Ok(Done::Altered(altered)) => drop(reply.send(Ok(altered))),
                Ok(_) => {}
                Err(error) => drop(reply.send(Err(error))),
            },
        }
    }
}
