//! Bugs in writing.

use super::*;

/// What a store that does not care would say.
pub(super) const FAKE: Written = Written::Saved {
    revision: 1,
    head: [0; 32],
};

impl Buggy {
    /// Breaks a write before it is judged; `Err` answers it without.
    pub(super) async fn before(&self, write: &mut Write) -> Result<(), Written> {
        let Some(bug) = self.bug else {
            return Ok(());
        };
        match write {
            Write::Start(start) => self.before_start(bug, start).await?,
            Write::Save(save) => self.before_save(bug, save).await?,
            Write::Keep(record) => self.before_keep(bug, record)?,
        }
        let (entries, inbox, id) = match write {
            Write::Start(start) => (&mut start.entries, &mut start.inbox, Some(start.id.clone())),
            Write::Save(save) => (&mut save.entries, &mut save.inbox, Some(save.id.clone())),
            Write::Keep(_) => return Ok(()),
        };
        match bug {
            Bug::ForgetsActors => entries.iter_mut().for_each(|entry| entry.actor = None),
            Bug::ForgetsVersions => entries.iter_mut().for_each(|entry| entry.version = 1),
            Bug::LosesEvents => inbox.clear(),
            Bug::LosesFactKeys => inbox.iter_mut().for_each(|record| record.fact_key = None),
            Bug::ForgetsOperations | Bug::AnswersRepeatsWithTheRow => {
                let mut known = false;
                for entry in entries.iter() {
                    known |= !self
                        .seen
                        .lock()
                        .unwrap()
                        .operations
                        .insert(entry.operation_id.clone());
                }
                if let (true, Some(id)) = (known, id) {
                    return Err(match bug {
                        Bug::ForgetsOperations => Written::Conflict,
                        _ => self.fake(&id).await,
                    });
                }
            }
            Bug::OneEventPerTransportKey => {
                for key in inbox
                    .iter()
                    .filter_map(|record| record.transport_key.clone())
                {
                    if !self.seen.lock().unwrap().transport_keys.insert(key) {
                        return Err(Written::Duplicate { instance: id });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn before_start(&self, bug: Bug, start: &mut Start) -> Result<(), Written> {
        match bug {
            Bug::IgnoresTheFinishedOnes => {
                let known = self.store.look_up(&[of_start(start)]).await.unwrap();
                start.earlier = known[0].finished.len() as u64;
            }
            Bug::ForgetsFinishedSubjects if start.earlier > 0 => return Err(Written::Conflict),
            Bug::ScopesAreOne => start.scope = "one".into(),
            Bug::LosesAllButOneEntry => start.entries.truncate(1),
            Bug::TakesAStartAgain if self.row(&start.id).await.is_some() => return Err(FAKE),
            Bug::AllowsAnEmptyStart if start.entries.is_empty() => return Err(FAKE),
            Bug::LosesRetries => start.retries = "{}".into(),
            Bug::LosesAttention => start.body.attention = None,
            Bug::DueTimesCountAsTime => self.sees_due(start.due_at),
            Bug::TakesAnyText
                if serde_json::from_str::<serde_json::Value>(&start.body.state).is_err() =>
            {
                start.body.state = "null".into();
            }
            Bug::EpochsMayFall => {
                let own = self.store.incarnation();
                start
                    .entries
                    .iter_mut()
                    .for_each(|entry| entry.epoch = entry.epoch.min(own));
            }
            Bug::RewritesJson => rewrite(&mut start.body.state),
            _ => {}
        }
        Ok(())
    }

    async fn before_save(&self, bug: Bug, save: &mut Save) -> Result<(), Written> {
        let row = self.row(&save.id).await;
        let revision = match save.guard {
            Guard::Decision { revision, .. } | Guard::Fact { revision } => revision,
        };
        let is_schedule = save.entries.is_empty();
        match (bug, save.guard) {
            (Bug::IgnoresTheEpoch, Guard::Decision { .. }) => {
                let epoch = self.store.incarnation();
                save.guard = Guard::Decision { revision, epoch };
            }
            (Bug::FencesFacts, Guard::Fact { .. })
                if save
                    .entries
                    .iter()
                    .any(|entry| entry.epoch != self.store.incarnation()) =>
            {
                return Err(Written::LeaseLost);
            }
            (Bug::ConflictBeforeLostLease, Guard::Decision { .. })
                if row.as_ref().is_some_and(|row| row.revision != revision) =>
            {
                return Err(Written::Conflict);
            }
            (Bug::SchedulesByAnybody, Guard::Fact { .. }) if is_schedule => {
                let epoch = self.store.incarnation();
                save.guard = Guard::Decision { revision, epoch };
            }
            _ => {}
        }
        let Some(row) = row else {
            return if bug == Bug::MissingIsAConflict {
                Err(Written::Conflict)
            } else {
                Ok(())
            };
        };
        match bug {
            Bug::IgnoresTheRevision => {
                save.guard = match save.guard {
                    Guard::Decision { epoch, .. } => Guard::Decision {
                        revision: row.revision,
                        epoch,
                    },
                    Guard::Fact { .. } => Guard::Fact {
                        revision: row.revision,
                    },
                };
                save.head = row.head;
                if let Some(entry) = save.entries.first_mut() {
                    entry.from = row.body.phase;
                }
            }
            Bug::LosesAllButOneEntry => {
                save.entries.drain(..save.entries.len().saturating_sub(1));
                join(&row.body.phase, &mut save.entries, &save.body.phase);
            }
            Bug::IgnoresTheHead if revision == row.revision => save.head = row.head,
            Bug::DropsRejectedEvidence
                if !is_schedule && save.entries.iter().all(|entry| !entry.accepted) =>
            {
                return Err(self.fake(&save.id).await);
            }
            Bug::AcceptsRejectedMoves => save
                .entries
                .iter_mut()
                .for_each(|entry| entry.accepted = true),
            Bug::EpochsMayFall => {
                let own = self.store.incarnation();
                for entry in &mut save.entries {
                    entry.epoch = entry.epoch.max(row.epoch).min(own);
                }
                let highest = save
                    .entries
                    .first()
                    .map(|entry| entry.epoch)
                    .unwrap_or_default();
                save.entries
                    .iter_mut()
                    .for_each(|entry| entry.epoch = highest);
            }
            Bug::LosesSchedules if is_schedule => return Err(self.fake(&save.id).await),
            Bug::LosesRetries => save.retries = "{}".into(),
            Bug::LosesAttention => save.body.attention = None,
            Bug::FinishesBySchedule if is_schedule && save.due_at.is_none() => {
                return Err(self.fake(&save.id).await);
            }
            Bug::UnfinishesInstances if row.finished_at.is_some() && save.due_at.is_some() => {
                return Err(self.fake(&save.id).await);
            }
            Bug::RefusesLateFacts if row.finished_at.is_some() => return Err(Written::Conflict),
            Bug::OutcomesAnyTime => {
                save.body.outcome = save.due_at.is_none().then(|| "unknown".into());
            }
            Bug::ExternalIdsNeverChange => save.body.external_id = row.body.external_id,
            Bug::AllowsGaps => join(&row.body.phase, &mut save.entries, &save.body.phase),
            Bug::DueTimesCountAsTime => save.due_at.into_iter().for_each(|due| self.sees_due(due)),
            Bug::TakesAnyText => {
                for text in [&mut save.body.state, &mut save.retries] {
                    if serde_json::from_str::<serde_json::Value>(text).is_err() {
                        *text = "null".into();
                    }
                }
                for entry in &mut save.entries {
                    if serde_json::from_str::<serde_json::Value>(&entry.input).is_err() {
                        entry.input = "null".into();
                    }
                    entry.actor = entry.actor.take().map(|actor| actor.replace('\0', ""));
                }
                save.body.open_intent_epoch = save
                    .body
                    .open_intent_epoch
                    .filter(|epoch| epoch.0 < 1 << 62);
            }
            Bug::RewritesJson => rewrite(&mut save.body.state),
            Bug::WantsObjects if !save.body.state.trim_start().starts_with('{') => {
                return Err(Written::Refused {
                    detail: "no object".into(),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn before_keep(&self, bug: Bug, record: &mut InboxRecord) -> Result<(), Written> {
        match bug {
            Bug::LosesEvents => return Err(Written::Kept),
            Bug::LosesFactKeys => record.fact_key = None,
            Bug::KeepsAppliedEvents => record.disposition = Disposition::Ignored,
            Bug::KeylessEventsAreOne => {
                record.transport_key.get_or_insert_with(|| "none".into());
            }
            Bug::OneEventPerTransportKey => {
                let key = record.transport_key.clone().unwrap_or_default();
                if !self.seen.lock().unwrap().transport_keys.insert(key) {
                    return Err(Written::Kept);
                }
            }
            Bug::KeepsRepeats => {
                let mut seen = self.seen.lock().unwrap();
                let number = seen.transport_keys.len();
                let key = format!("{:?} {number}", record.transport_key);
                seen.transport_keys.insert(key.clone());
                record.transport_key = Some(key);
            }
            _ => {}
        }
        Ok(())
    }

    fn sees_due(&self, due: Timestamp) {
        let mut seen = self.seen.lock().unwrap();
        seen.latest_due = seen.latest_due.max(Some(due));
    }

    /// Breaks the answer.
    pub(super) async fn after(&self, write: Write, answer: Written) -> Written {
        let Some(bug) = self.bug else {
            return answer;
        };
        match (bug, &answer, write) {
            (
                Bug::ASecondLiveInstance,
                Written::Taken {
                    why: Taken::SubjectAlive,
                    ..
                },
                _,
            )
            | (
                Bug::ExternalIdsAreUsedAgain,
                Written::Taken {
                    why: Taken::ExternalId,
                    ..
                },
                _,
            )
            | (Bug::FactsOfABatchAreApart, Written::Duplicate { .. }, Write::Save(_)) => FAKE,
            (Bug::TheSubjectIsNamedFirst, Written::Taken { .. }, Write::Start(start)) => {
                let known = self.store.look_up(&[of_start(&start)]).await.unwrap();
                match &known[0].live {
                    None => answer,
                    Some(live) => Written::Taken {
                        by: live.id.clone(),
                        why: Taken::SubjectAlive,
                    },
                }
            }
            (
                Bug::SharesOperationIds | Bug::WritesAnInstanceTwice,
                Written::Refused { .. },
                Write::Save(save),
            ) => self.fake(&save.id).await,
            (
                Bug::AConflictKeepsItsEvents,
                Written::Conflict | Written::LeaseLost | Written::Missing,
                Write::Save(save),
            ) => {
                self.keep_all(save.inbox).await;
                answer
            }
            (Bug::AConflictKeepsItsEvents, Written::Taken { .. }, Write::Start(start)) => {
                self.keep_all(start.inbox).await;
                answer
            }
            (Bug::RefusesButWrites, Written::Refused { .. }, Write::Start(mut start)) => {
                start.body.state = "null".into();
                self.store.commit(vec![Write::Start(start)]).await.unwrap();
                answer
            }
            (Bug::ADuplicateWritesTheRest, Written::Duplicate { .. }, mut write) => {
                match &mut write {
                    Write::Start(start) => start.inbox.clear(),
                    Write::Save(save) => save.inbox.clear(),
                    Write::Keep(_) => {}
                }
                self.store.commit(vec![write]).await.unwrap();
                answer
            }
            (Bug::FactsPerTransportKey, Written::Duplicate { .. }, Write::Save(mut save)) => {
                save.inbox
                    .iter_mut()
                    .for_each(|record| record.fact_key = None);
                self.store
                    .commit(vec![Write::Save(save)])
                    .await
                    .unwrap()
                    .pop()
                    .unwrap()
            }
            (Bug::KeptEventsStandInTheWay, Written::Saved { .. }, Write::Save(save)) => {
                let inbox = self.store.inbox(usize::MAX).await.unwrap();
                let kept = |record: &InboxRecord| {
                    save.inbox
                        .iter()
                        .any(|applied| applied.fact_key == record.fact_key)
                        && record.disposition != Disposition::Applied
                };
                if inbox.iter().any(kept) {
                    Written::Duplicate { instance: None }
                } else {
                    answer
                }
            }
            _ => answer,
        }
    }

    async fn keep_all(&self, inbox: Vec<InboxRecord>) {
        for mut record in inbox {
            record.disposition = Disposition::Ignored;
            self.store.commit(vec![Write::Keep(record)]).await.unwrap();
        }
    }
}

fn of_start(start: &Start) -> Subject {
    Subject {
        kind: start.kind.clone(),
        scope: start.scope.clone(),
        subject: start.subject.clone(),
        external_id: None,
    }
}

/// Makes entries follow each other.
fn join(phase: &str, entries: &mut [NewEntry], last: &str) {
    let mut from = phase.to_owned();
    let length = entries.len();
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.from.clone_from(&from);
        if index + 1 == length {
            entry.to = last.to_owned();
        }
        from.clone_from(&entry.to);
    }
}

fn rewrite(json: &mut String) {
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(json) {
        *json = value.to_string();
    }
}
