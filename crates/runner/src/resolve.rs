//! What becomes of requests and events, by what is known of their subject.

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::{Admission, Identity, InstanceId, Workflow};
use countermand_store::{self as store, Disposition, InboxRecord, Known, Store, Subject};

use crate::codec::{decode, guarded};
use crate::round::Round;
use crate::shared::Shared;
use crate::task::{Done, SubmitErrorOf, Task};
use crate::{Ingested, Started, SubmitError};

/// A task whose subject is to be looked up.
struct Ask {
    index: usize,
    identity: Identity,
    fact_key: Option<String>,
}

/// What a round has asked of one subject so far.
#[derive(Default)]
struct Asked {
    count: usize,
    /// Something else than events?
    is_taken: bool,
    facts: BTreeSet<String>,
}

/// Events of one subject in one round.
const TOGETHER_MAX: usize = 64;

impl Asked {
    fn admits(&mut self, is_event: bool, fact_key: Option<&String>) -> bool {
        let is_new = fact_key.is_none_or(|fact| !self.facts.contains(fact));
        let has_room = is_event && !self.is_taken && self.count < TOGETHER_MAX;
        if self.count > 0 && !(has_room && is_new) {
            // Whoever comes after one that waits, waits as well.
            self.is_taken = true;
            return false;
        }
        self.count += 1;
        self.is_taken |= !is_event;
        self.facts.extend(fact_key.cloned());
        true
    }
}

/// A business fact that was applied before.
struct Fact {
    /// To which instance.
    instance: Option<InstanceId>,
}

/// What is decided about a task.
enum Decided<W: Workflow> {
    Answer(Result<Done<W>, SubmitErrorOf<W>>),
    Open(W::Prior),
    /// Apply the event to the live instance.
    Apply(InstanceId),
    /// Keep the event only.
    Keep(Disposition, Ingested<W::State>),
}

impl<W: Workflow, S: Store> Round<'_, W, S> {
    /// Decides on every request and event of the round.
    pub(crate) async fn resolve(&mut self) {
        let asks = self.asks();
        if asks.is_empty() {
            return;
        }
        let subjects: Vec<Subject> = asks.iter().map(subject::<W>).collect();
        let known = look_up(self.shared, &subjects).await;
        let facts: Vec<String> = asks.iter().filter_map(|ask| ask.fact_key.clone()).collect();
        let mut facts = match known_facts(self.shared, &facts).await {
            Ok(facts) => facts.into_iter(),
            Err(error) => {
                let error = std::sync::Arc::new(error);
                for ask in &asks {
                    self.answer(ask.index, Err(SubmitError::Store(error.clone())));
                }
                return;
            }
        };
        let mut begun = BTreeSet::new();
        for (ask, known) in asks.iter().zip(known) {
            let fact = match ask.fact_key {
                Some(_) => facts.next().flatten(),
                None => None,
            };
            let of = (&ask.identity.scope, &ask.identity.subject);
            if begun.contains(&of) {
                // For the instance that an event before it begins.
                self.defer(ask.index);
                continue;
            }
            let decided = match known {
                Ok(known) => self.decide(ask, known, fact),
                Err(error) => Decided::Answer(Err(SubmitError::Store(error.into()))),
            };
            if matches!(decided, Decided::Open(_)) {
                begun.insert(of);
            }
            self.carry_out(ask.index, decided);
        }
    }

    /// The requests and events; one per subject and external id, the others wait for their turn.
    /// Several events of one subject go together, if each speaks of another fact.
    fn asks(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        let mut subjects: BTreeMap<(String, String), Asked> = BTreeMap::new();
        let mut external_ids = BTreeSet::new();
        for index in 0..self.tasks.len() {
            let Some(pending) = &self.tasks[index] else {
                continue;
            };
            let (request, fact_key) = match &pending.task {
                Task::Start { request, .. } => (request, None),
                Task::Ingest { event, .. } => (&event.request, event.record.fact_key.clone()),
                Task::Keep { .. } | Task::Alter { .. } => continue,
            };
            let workflow = &self.shared.workflow;
            let identity = match guarded(|| workflow.identity(request)) {
                Ok(identity) => identity,
                Err(detail) => {
                    self.answer(index, Err(SubmitError::Panicked { detail }));
                    continue;
                }
            };
            let external_id = identity
                .external_id
                .clone()
                .map(|id| (identity.scope.clone(), id));
            let asked = subjects
                .entry((identity.scope.clone(), identity.subject.clone()))
                .or_default();
            let is_event = matches!(pending.task, Task::Ingest { .. });
            if !asked.admits(is_event, fact_key.as_ref())
                || external_id.is_some_and(|id| !external_ids.insert(id))
            {
                self.defer(index);
                continue;
            }
            asks.push(Ask {
                index,
                identity,
                fact_key,
            });
        }
        asks
    }

    fn decide(&mut self, ask: &Ask, known: Known, fact: Option<Fact>) -> Decided<W> {
        let Some(pending) = &self.tasks[ask.index] else {
            return Decided::Answer(Err(SubmitError::Closed));
        };
        let decided = match &pending.task {
            Task::Start { request, .. } => self.decide_start(request, &ask.identity, &known),
            Task::Ingest { event, .. } => match (fact, &known.live) {
                (Some(Fact { instance }), _) => Ok(Decided::Keep(
                    Disposition::Duplicate,
                    Ingested::Duplicate { instance },
                )),
                (None, Some(live)) => Ok(Decided::Apply(live.id.clone())),
                (None, None) => {
                    self.admit(&event.request, &known)
                        .map(|admission| match admission {
                            Admission::Start(prior) => Decided::Open(prior),
                            Admission::Known | Admission::Refuse { .. } => {
                                Decided::Keep(Disposition::Ignored, Ingested::Ignored)
                            }
                        })
                }
            },
            Task::Keep { .. } | Task::Alter { .. } => Err(SubmitError::Closed),
        };
        if let (Ok(Decided::Open(_)), finished) = (&decided, known.finished.len()) {
            self.earlier.insert(ask.index, finished as u64);
        }
        if let (Ok(Decided::Apply(id)), Some(live)) = (&decided, known.live) {
            self.rows.insert(id.clone(), live);
        }
        decided.unwrap_or_else(|error| Decided::Answer(Err(error)))
    }

    fn decide_start(
        &self,
        request: &W::Request,
        identity: &Identity,
        known: &Known,
    ) -> Result<Decided<W>, SubmitErrorOf<W>> {
        let instance = |row: &store::Row| self.shared.instance(row.clone());
        let started = if let Some(row) = &known.by_external_id {
            if row.body.fingerprint.as_ref() == Some(&identity.fingerprint) {
                Started::Existing(instance(row)?)
            } else {
                Started::Conflict {
                    with: instance(row)?,
                    why: "external_id_reused",
                }
            }
        } else if let Some(row) = &known.live {
            Started::Conflict {
                with: instance(row)?,
                why: "live",
            }
        } else {
            match self.admit(request, known)? {
                Admission::Start(prior) => return Ok(Decided::Open(prior)),
                Admission::Known => Started::Known,
                Admission::Refuse { index, why } => match known.finished.get(index) {
                    Some(row) => Started::Conflict {
                        with: instance(row)?,
                        why,
                    },
                    None => {
                        return Err(SubmitError::Panicked {
                            detail: format!(
                                "it refuses for an instance that is not there: {index}"
                            ),
                        });
                    }
                },
            }
        };
        Ok(Decided::Answer(Ok(Done::Started(started))))
    }

    fn admit(
        &self,
        request: &W::Request,
        known: &Known,
    ) -> Result<Admission<W::Prior>, SubmitErrorOf<W>> {
        let workflow = &*self.shared.workflow;
        let mut earlier = Vec::with_capacity(known.finished.len());
        for row in &known.finished {
            match guarded(|| decode(workflow, row)).and_then(|decoded| decoded) {
                Ok(decoded) => earlier.push(decoded.state),
                Err(detail) => {
                    return Err(SubmitError::Unreadable {
                        id: row.id.clone(),
                        detail,
                    });
                }
            }
        }
        guarded(|| workflow.admit(request, &earlier))
            .map_err(|detail| SubmitError::Panicked { detail })
    }

    fn carry_out(&mut self, index: usize, decided: Decided<W>) {
        match decided {
            Decided::Answer(answer) => self.answer(index, answer),
            Decided::Open(prior) => self.opening.push((index, prior)),
            Decided::Apply(id) => self.groups.entry(id).or_default().push(index),
            Decided::Keep(disposition, ingested) => {
                let Some(mut record) = self.event_record(index) else {
                    return;
                };
                record.disposition = disposition;
                if let Ingested::Duplicate { instance } = &ingested {
                    record.instance_id.clone_from(instance);
                }
                self.keeps.push((index, record, Done::Ingested(ingested)));
            }
        }
    }

    /// The event of a task, as it is to be kept, before anything is known of what becomes of it.
    pub(crate) fn event_record(&self, index: usize) -> Option<InboxRecord> {
        match &self.tasks.get(index)?.as_ref()?.task {
            Task::Ingest { event, .. } => Some(InboxRecord {
                received_at: self.moment.at,
                instance_id: None,
                ..event.record.clone()
            }),
            Task::Start { .. } | Task::Keep { .. } | Task::Alter { .. } => None,
        }
    }
}

fn subject<W: Workflow>(ask: &Ask) -> Subject {
    Subject {
        kind: W::KIND.to_owned(),
        scope: ask.identity.scope.clone(),
        subject: ask.identity.subject.clone(),
        external_id: ask.identity.external_id.clone(),
    }
}

/// Looks subjects up. One that cannot be read spoils no other.
async fn look_up<W: Workflow, S: Store>(
    shared: &Shared<W, S>,
    subjects: &[Subject],
) -> Vec<Result<Known, store::Error>> {
    match shared.store.look_up(subjects).await {
        Ok(known) => known.into_iter().map(Ok).collect(),
        Err(error) if subjects.len() == 1 => vec![Err(error)],
        Err(_) => {
            let mut all = Vec::with_capacity(subjects.len());
            for subject in subjects {
                let one = shared.store.look_up(std::slice::from_ref(subject)).await;
                all.push(one.map(|known| known.into_iter().next().unwrap_or_default()));
            }
            all
        }
    }
}

async fn known_facts<W: Workflow, S: Store>(
    shared: &Shared<W, S>,
    keys: &[String],
) -> Result<Vec<Option<Fact>>, store::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let known = shared.store.known_facts(keys).await?;
    let fact = |known: Option<_>| known.map(|instance| Fact { instance });
    Ok(known.into_iter().map(fact).collect())
}
