//! One cancellation and its row, as an engine would keep them.

use std::collections::BTreeMap;
use std::time::Duration;

use countermand_core::cancellation::exemplars::orders::id;
use countermand_core::cancellation::input::Input;
use countermand_core::cancellation::{Effect, Prior, Request, State};
use countermand_core::{Epoch, InstanceId, Item, Opening, Stamp, Timestamp, When, Workflow};

use crate::brain::Brain;
use crate::invariants;

/// An accepted entry after the opening.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) input: Input,
    pub(crate) stamp: Stamp,
    pub(crate) phase: &'static str,
}

/// What the engine remembers of a lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lane {
    pub(crate) last_began: Option<Timestamp>,
    pub(crate) failures: u32,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) busy: Option<u64>,
}

pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) opening: Opening<Request, Prior>,
    pub(crate) opened: Stamp,
    pub(crate) state: State,
    pub(crate) seq: u64,
    pub(crate) history: Vec<Entry>,
    pub(crate) lanes: BTreeMap<String, Lane>,
    pub(crate) sights: BTreeMap<(String, Timestamp), Timestamp>,
    /// The messages that each entry raised: their ids and bodies.
    pub(crate) emissions: Vec<(u64, String, String)>,
    /// When the newest read began that was applied.
    pub(crate) last_read: Timestamp,
}

impl Instance {
    pub(crate) fn begin(
        number: usize,
        brain: &Brain,
        request: Request,
        prior: Prior,
        at: Timestamp,
        epoch: Epoch,
    ) -> Self {
        let id: InstanceId = id(&format!("c-{number}"));
        let opened = Stamp { at, seq: 1, epoch };
        let state = brain.inner.start(&id, &request, &prior, opened);
        Self {
            id,
            opening: Opening { request, prior },
            opened,
            state,
            seq: 1,
            history: Vec::new(),
            lanes: BTreeMap::new(),
            sights: BTreeMap::new(),
            emissions: Vec::new(),
            last_read: Timestamp::MIN,
        }
    }

    /// Applies an input; an error is a broken rule.
    pub(crate) fn commit(
        &mut self,
        brain: &Brain,
        input: Input,
        at: Timestamp,
        epoch: Epoch,
    ) -> Result<(), String> {
        let stamp = Stamp {
            at,
            seq: self.seq + 1,
            epoch,
        };
        let Ok(next) = brain.step(&self.state, &input, stamp) else {
            if brain.inner.is_evidence(&input) {
                self.seq += 1;
            }
            return Ok(());
        };
        if let Input::OrderRead(read) = &input {
            self.last_read = self.last_read.max(read.began_at);
        }
        if next == self.state && !brain.inner.always_recorded(&input) {
            return Ok(());
        }
        if brain.bug.is_none() {
            let kept = invariants::of_step(&self.state, &input, &next)
                .and_then(|()| invariants::of_state(&next));
            kept.map_err(|rule| format!("{rule}\nby {input:?}\nin {:#?}", self.state))?;
        }
        self.seq += 1;
        self.state = next;
        for emission in brain.inner.emissions(&self.id, &self.state, stamp) {
            self.emissions.push((stamp.seq, emission.id, emission.body));
        }
        let phase = self.state.phase.name();
        self.history.push(Entry {
            input,
            stamp,
            phase,
        });
        Ok(())
    }

    /// When an item is due; see the engine's own schedule.
    fn due(&mut self, item: &Item<Effect>, now: Timestamp) -> Timestamp {
        let lane = self.lanes.entry(item.key.clone()).or_default().clone();
        let asked = match item.when {
            When::Now => now,
            When::At(at) => at,
            When::Poll {
                since,
                first,
                cap,
                prompt,
                until,
            } => {
                let regular = match lane.last_began.filter(|began| *began >= since) {
                    Some(began) => began.plus(began.since(since).max(first).min(cap)),
                    None if prompt => since,
                    None => since.plus(first),
                };
                let latest =
                    until.filter(|until| lane.last_began.is_none_or(|began| began < *until));
                latest.map_or(regular, |latest| regular.min(latest))
            }
            When::Settled { since, wait } => {
                let sight = self
                    .sights
                    .entry((item.key.clone(), since))
                    .or_insert(now.max(since));
                sight.plus(wait)
            }
        };
        lane.not_before.map_or(asked, |until| asked.max(until))
    }

    /// The item that is due first, and when.
    pub(crate) fn first_due(
        &mut self,
        brain: &Brain,
        now: Timestamp,
    ) -> Option<(Timestamp, Item<Effect>)> {
        let agenda = brain.next(&self.state);
        let idle: Vec<_> = agenda
            .items()
            .iter()
            .filter(|item| {
                self.lanes
                    .get(&item.key)
                    .is_none_or(|lane| lane.busy.is_none())
            })
            .cloned()
            .collect();
        let dues = idle.into_iter().map(|item| (self.due(&item, now), item));
        dues.min_by_key(|(due, _)| *due)
    }

    /// How a performance in a lane ended.
    pub(crate) fn ended(
        &mut self,
        lane: &str,
        op: u64,
        failed: bool,
        at: Timestamp,
        spread: Duration,
    ) {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        if lane.busy != Some(op) {
            return;
        }
        lane.busy = None;
        if failed {
            lane.failures += 1;
            let most = Duration::from_secs(1 << lane.failures.min(8));
            lane.not_before = Some(at.plus(most.min(spread.max(Duration::from_millis(500)))));
        } else {
            lane.failures = 0;
            lane.not_before = None;
        }
    }
}
