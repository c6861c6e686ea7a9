//! A memory store behind a layer that breaks one rule.

mod writes;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermand_core::{Epoch, InstanceId, Timestamp};

use crate::conformance::ManualClock;
use crate::{
    Claim, Claimed, Clock, Cursor, Disposition, Entry, Error, Filter, GENESIS, Guard, InboxRecord,
    Info, Journal, Known, MemoryStore, NewEntry, Now, Page, Pause, Row, Save, Spent, Start, Stats,
    Status, Store, Subject, Taken, Write, Written, entry_hash,
};

macro_rules! bugs {
    ($($bug:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Bug {
            $($bug,)*
        }

        impl Bug {
            pub(super) const ALL: &[Self] = &[$(Self::$bug,)*];
        }
    };
}

bugs! {
    // Guards.
    IgnoresTheEpoch,
    IgnoresTheRevision,
    IgnoresTheHead,
    FencesFacts,
    ConflictBeforeLostLease,
    EpochsMayFall,
    DropsRejectedEvidence,
    AcceptsRejectedMoves,
    AConflictKeepsItsEvents,
    OneConflictStopsTheBatch,
    // Starts.
    ASecondLiveInstance,
    ExternalIdsAreUsedAgain,
    TheSubjectIsNamedFirst,
    IgnoresTheFinishedOnes,
    ForgetsFinishedSubjects,
    ScopesAreOne,
    StartsAreSortedFirst,
    LosesAllButOneEntry,
    TakesAStartAgain,
    AllowsAnEmptyStart,
    // Saves.
    LosesSchedules,
    SchedulesByAnybody,
    LosesRetries,
    LosesAttention,
    FinishesBySchedule,
    UnfinishesInstances,
    MovesTheEnd,
    RefusesLateFacts,
    OutcomesAnyTime,
    MissingIsAConflict,
    ForgetsOperations,
    AnswersRepeatsWithTheRow,
    SharesOperationIds,
    AnswersInReverse,
    WritesAnInstanceTwice,
    ExternalIdsNeverChange,
    AllowsGaps,
    AnEmptyBatchIsAnError,
    HashesStandAlone,
    ForgetsActors,
    ForgetsVersions,
    RewritesJson,
    WantsObjects,
    OneRefusalFailsAll,
    RefusesButWrites,
    TakesAnyText,
    TouchesTheBeginning,
    // Claims.
    ClaimsTheLatestFirst,
    ClaimsEarly,
    ExceedsTheLimit,
    ClaimsWhatIsHeld,
    LimitsBeforeHeld,
    DueNextCountsHeld,
    ClaimsEveryKind,
    ClaimsFinished,
    ClaimsUnderTheOldEpoch,
    WaitsForLostOwners,
    LosesEveryOwner,
    ForgetsWhatIsDueNext,
    // Events.
    LosesEvents,
    LosesFactKeys,
    OneEventPerTransportKey,
    FactsPerTransportKey,
    ADuplicateWritesTheRest,
    RepeatsAreNotCounted,
    KeepsRepeats,
    KeptEventsAreKnown,
    KeptEventsStandInTheWay,
    KeepsAppliedEvents,
    KeylessEventsAreOne,
    OldestEventFirst,
    FactsOfABatchAreApart,
    // Reading.
    ListsTheOldestFirst,
    ListsTheBorder,
    ListsEveryStatus,
    ListsEverySubject,
    LoadsInIdOrder,
    LooksUpTheOldestFirst,
    LooksUpOneScope,
    HistoryStartsOneEarly,
    WhatWasSpentIsForgotten,
    SpendsEveryTime,
    JournalStartsOneEarly,
    JournalInIdOrder,
    TheJournalRunsAhead,
    CountsFinishedAsWaiting,
    TheHeadStandsStill,
    PagesSkipARow,
    PagesRepeatARow,
    TheLastPagePromisesMore,
    // Restarts and time.
    RestartKeepsTheIncarnation,
    RestartLiftsThePause,
    RestartForgetsTheHistory,
    RestartForgetsFacts,
    RestartForgetsTime,
    TimeGoesBack,
    TimeStandsStill,
    IsNeverBehind,
    EventsHaveNoTime,
    DueTimesCountAsTime,
    LastChangesFall,
}

#[derive(Clone)]
pub(super) struct Buggy {
    bug: Option<Bug>,
    store: MemoryStore,
    clock: ManualClock,
    restarted: bool,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    transport_keys: BTreeSet<String>,
    operations: BTreeSet<String>,
    latest_due: Option<Timestamp>,
    first_now: Option<Timestamp>,
}

impl Buggy {
    pub(super) fn new(
        bug: Option<Bug>,
        store: MemoryStore,
        clock: ManualClock,
        restarted: bool,
    ) -> Self {
        Self {
            bug,
            store,
            clock,
            restarted,
            seen: Arc::default(),
        }
    }

    pub(super) fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    async fn row(&self, id: &InstanceId) -> Option<Row> {
        self.store
            .load(std::slice::from_ref(id))
            .await
            .unwrap()
            .pop()
            .flatten()
    }

    async fn fake(&self, id: &InstanceId) -> Written {
        match self.row(id).await {
            None => writes::FAKE,
            Some(row) => Written::Saved {
                revision: row.revision,
                head: row.head,
            },
        }
    }

    fn see(&self, mut row: Row) -> Row {
        match self.bug {
            Some(Bug::MovesTheEnd) => {
                row.finished_at = row.finished_at.map(|_| self.clock.now());
            }
            Some(Bug::TouchesTheBeginning) => row.created_at = row.updated_at,
            Some(Bug::LastChangesFall) => {
                row.updated_at = row.updated_at.minus(Duration::from_secs(1));
            }
            _ => {}
        }
        row
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        operation: "do anything",
        cause: "a planted bug".into(),
    }
}

impl Store for Buggy {
    fn incarnation(&self) -> Epoch {
        self.store.incarnation()
    }

    async fn now(&self) -> Result<Now, Error> {
        let mut now = self.store.now().await?;
        let clock = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        match self.bug {
            Some(Bug::TimeGoesBack) => now.at = clock,
            Some(Bug::RestartForgetsTime) if self.restarted => now.at = clock,
            Some(Bug::IsNeverBehind) => now.behind = false,
            Some(Bug::TimeStandsStill) => now.at = *seen.first_now.get_or_insert(clock),
            Some(Bug::EventsHaveNoTime) if seen.operations.is_empty() => now.at = clock,
            Some(Bug::DueTimesCountAsTime) => now.at = now.at.max(seen.latest_due.unwrap_or(clock)),
            _ => {}
        }
        Ok(now)
    }

    async fn commit(&self, mut batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        if self.has(Bug::AnEmptyBatchIsAnError) && batch.is_empty() {
            return Err(unavailable());
        }
        if self.has(Bug::StartsAreSortedFirst) {
            batch.sort_by_key(|write| !matches!(write, Write::Start(_)));
        }
        let mut passed = Vec::new();
        let mut answers: Vec<Option<Written>> = Vec::new();
        for mut write in batch {
            match self.before(&mut write).await {
                Ok(()) => {
                    passed.push(write);
                    answers.push(None);
                }
                Err(answer) => answers.push(Some(answer)),
            }
        }
        if self.has(Bug::OneRefusalFailsAll) || self.has(Bug::OneConflictStopsTheBatch) {
            return self.one_by_one(passed).await;
        }
        let mut given = self.store.commit(passed.clone()).await?.into_iter();
        let mut passed = passed.into_iter();
        let mut all = Vec::new();
        for answer in answers {
            all.push(match answer {
                Some(answer) => answer,
                None => {
                    self.after(passed.next().unwrap(), given.next().unwrap())
                        .await
                }
            });
        }
        if self.has(Bug::AnswersInReverse) {
            all.reverse();
        }
        Ok(all)
    }

    async fn load(&self, ids: &[InstanceId]) -> Result<Vec<Option<Row>>, Error> {
        let mut ids = ids.to_vec();
        if self.has(Bug::LoadsInIdOrder) {
            ids.sort();
        }
        let rows = self.store.load(&ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| row.map(|row| self.see(row)))
            .collect())
    }

    async fn look_up(&self, subjects: &[Subject]) -> Result<Vec<Known>, Error> {
        let mut known = self.store.look_up(subjects).await?;
        if self.has(Bug::LooksUpTheOldestFirst) {
            for known in &mut known {
                known.finished.reverse();
            }
        }
        if self.has(Bug::LooksUpOneScope) {
            for (known, subject) in known.iter_mut().zip(subjects) {
                let elsewhere = Subject {
                    scope: "another shop".into(),
                    ..subject.clone()
                };
                let found = self.store.look_up(&[elsewhere]).await?.remove(0);
                known.by_external_id = known.by_external_id.take().or(found.by_external_id);
            }
        }
        Ok(known)
    }

    async fn known_facts(
        &self,
        fact_keys: &[String],
    ) -> Result<Vec<Option<Option<InstanceId>>>, Error> {
        let mut known = self.store.known_facts(fact_keys).await?;
        if self.has(Bug::KeptEventsAreKnown) {
            let inbox = self.store.inbox(usize::MAX).await?;
            for (known, key) in known.iter_mut().zip(fact_keys) {
                if inbox
                    .iter()
                    .any(|record| record.fact_key.as_ref() == Some(key))
                {
                    known.get_or_insert(None);
                }
            }
        }
        if self.has(Bug::RestartForgetsFacts) && self.restarted {
            known.fill(None);
        }
        Ok(known)
    }

    async fn claim(&self, mut claim: Claim) -> Result<Claimed, Error> {
        let asked = claim.clone();
        let now = self.store.now().await?.at;
        match self.bug {
            Some(Bug::ExceedsTheLimit) => claim.limit += 1,
            Some(Bug::ClaimsWhatIsHeld | Bug::LimitsBeforeHeld) => claim.held.clear(),
            _ => {}
        }
        let mut claimed = self.store.claim(claim.clone()).await?;
        match self.bug {
            Some(Bug::ClaimsTheLatestFirst) => claimed.rows.reverse(),
            Some(Bug::LimitsBeforeHeld) => claimed.rows.retain(|row| !asked.held.contains(&row.id)),
            Some(Bug::DueNextCountsHeld) => {
                claim.held = claimed.rows.iter().map(|row| row.id.clone()).collect();
                claim.limit = 0;
                claimed.next_due = self.store.claim(claim).await?.next_due;
            }
            Some(Bug::ClaimsEveryKind) => {
                claim.kind = "letter".into();
                claimed.rows.extend(self.store.claim(claim).await?.rows);
            }
            Some(Bug::ClaimsFinished | Bug::ClaimsEarly) => {
                let finished = self.has(Bug::ClaimsFinished);
                let page = self
                    .store
                    .list(&Filter::default(), None, usize::MAX)
                    .await?;
                let wanted = |row: &Row| {
                    if finished {
                        row.finished_at.is_some()
                    } else {
                        row.due_at > Some(now)
                    }
                };
                claimed.rows.extend(page.rows.into_iter().filter(wanted));
            }
            Some(Bug::ClaimsUnderTheOldEpoch) => {
                for row in &mut claimed.rows {
                    row.epoch = self.row(&row.id).await.unwrap().epoch;
                }
            }
            Some(Bug::WaitsForLostOwners) => claimed.rows.retain(|row| row.due_at <= Some(now)),
            Some(Bug::LosesEveryOwner) => {
                let page = self
                    .store
                    .list(&Filter::default(), None, usize::MAX)
                    .await?;
                let open = |row: &Row| row.body.open_intent_epoch.is_some() && row.due_at.is_some();
                claimed.rows.extend(page.rows.into_iter().filter(open));
            }
            Some(Bug::ForgetsWhatIsDueNext) => claimed.next_due = None,
            _ => {}
        }
        Ok(claimed)
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut filter = filter.clone();
        match self.bug {
            Some(Bug::ListsTheBorder) => {
                filter.created_before = filter
                    .created_before
                    .map(|at| at.plus(Duration::from_millis(1)));
            }
            Some(Bug::ListsEveryStatus) => filter.status = None,
            Some(Bug::ListsEverySubject) => filter.subject = None,
            _ => {}
        }
        let mut page = self.store.list(&filter, after, limit).await?;
        match (self.bug, &page.next) {
            (Some(Bug::ListsTheOldestFirst), _) => page.rows.reverse(),
            (Some(Bug::PagesSkipARow), Some(next)) => {
                let skipped = self.store.list(&filter, Some(next), 1).await?;
                page.next = skipped.next;
            }
            (Some(Bug::PagesRepeatARow), Some(_)) if page.rows.len() > 1 => {
                page.next = page.rows.iter().rev().nth(1).map(cursor);
            }
            (Some(Bug::TheLastPagePromisesMore), None) if page.rows.len() == limit => {
                page.next = page.rows.last().map(cursor);
            }
            _ => {}
        }
        page.rows = page.rows.into_iter().map(|row| self.see(row)).collect();
        Ok(page)
    }

    async fn history(
        &self,
        id: &InstanceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        if self.has(Bug::RestartForgetsTheHistory) && self.restarted {
            return Ok(Vec::new());
        }
        let after = if self.has(Bug::HistoryStartsOneEarly) {
            after.saturating_sub(1)
        } else {
            after
        };
        let mut entries = self.store.history(id, after, limit).await?;
        if self.has(Bug::HashesStandAlone) {
            for entry in &mut entries {
                entry.hash = entry_hash(&GENESIS, id, entry.seq, &entry.entry);
            }
        }
        Ok(entries)
    }

    async fn spent(&self, kind: &str, since: Timestamp) -> Result<Vec<Spent>, Error> {
        let since = if self.has(Bug::SpendsEveryTime) {
            Timestamp::MIN
        } else {
            since
        };
        let mut spent = self.store.spent(kind, since).await?;
        if self.has(Bug::WhatWasSpentIsForgotten) && self.restarted {
            spent.clear();
        }
        Ok(spent)
    }

    async fn journal(&self, after: u64, limit: usize) -> Result<Journal, Error> {
        let early = u64::from(self.has(Bug::JournalStartsOneEarly));
        let mut journal = self
            .store
            .journal(after.saturating_sub(early), limit)
            .await?;
        if self.has(Bug::JournalInIdOrder) {
            journal
                .entries
                .sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
        }
        if self.has(Bug::TheJournalRunsAhead) {
            for entry in &mut journal.entries {
                entry.seq += 1;
            }
        }
        Ok(journal)
    }

    async fn journal_end(&self) -> Result<u64, Error> {
        self.store.journal_end().await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxRecord>, Error> {
        let mut inbox = self.store.inbox(limit).await?;
        if self.has(Bug::OldestEventFirst) {
            inbox = self.store.inbox(usize::MAX).await?;
            inbox.reverse();
            inbox.truncate(limit);
        }
        Ok(inbox)
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let mut stats = self.store.stats().await?;
        if self.has(Bug::CountsFinishedAsWaiting) {
            for count in &mut stats.counts {
                if count.status == Status::Finished {
                    count.status = Status::Waiting;
                }
            }
        }
        if self.has(Bug::RepeatsAreNotCounted) {
            stats.deliveries = stats.events.iter().map(|(_, count)| count).sum();
        }
        Ok(stats)
    }

    async fn info(&self) -> Result<Info, Error> {
        let mut info = self.store.info().await?;
        if self.has(Bug::TheHeadStandsStill) {
            info.head = [0; 32];
        }
        Ok(info)
    }

    async fn paused(&self) -> Result<Option<Pause>, Error> {
        self.store.paused().await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), Error> {
        self.store.set_pause(pause).await
    }
}

fn cursor(row: &Row) -> Cursor {
    Cursor {
        created_at: row.created_at,
        id: row.id.clone(),
    }
}

impl Buggy {
    /// A store that stops at the first write that fails.
    async fn one_by_one(&self, batch: Vec<Write>) -> Result<Vec<Written>, Error> {
        let mut answers = Vec::new();
        let mut stopped = false;
        for write in batch {
            if stopped {
                answers.push(Written::Conflict);
                continue;
            }
            let answer = self.store.commit(vec![write]).await?.pop().unwrap();
            stopped = match answer {
                Written::Conflict => self.has(Bug::OneConflictStopsTheBatch),
                Written::Refused { .. } => self.has(Bug::OneRefusalFailsAll),
                _ => false,
            };
            answers.push(answer);
        }
        Ok(answers)
    }
}
