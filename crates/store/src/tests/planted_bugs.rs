//! The proof of the conformance suite: stores with a planted bug must fail it.
//!
//! Each bug is a thin layer over the memory store that breaks one rule. A bug that no case notices
//! is a hole in the suite.

mod buggy;

use std::collections::BTreeSet;

use super::fixtures::MemoryFixture;
use crate::conformance::{Bench, Fixture, ManualClock, cases, run};
use crate::{Error, Store};

use buggy::{Bug, Buggy};

struct BuggyFixture {
    bug: Option<Bug>,
    memory: MemoryFixture,
    first: std::sync::Mutex<Option<Buggy>>,
}

impl BuggyFixture {
    fn new(bug: Option<Bug>) -> Self {
        Self {
            bug,
            memory: MemoryFixture::default(),
            first: std::sync::Mutex::default(),
        }
    }
}

impl Fixture for BuggyFixture {
    type Store = Buggy;

    fn clock(&self) -> &ManualClock {
        self.memory.clock()
    }

    async fn open(&self) -> Result<Buggy, Error> {
        let before = self.first.lock().unwrap().clone();
        let store = match (self.bug, before) {
            (Some(Bug::RestartKeepsTheIncarnation), Some(before)) => before,
            (_, before) => Buggy::new(
                self.bug,
                self.memory.next(),
                self.clock().clone(),
                before.is_some(),
            ),
        };
        if self.bug == Some(Bug::RestartLiftsThePause) {
            store.inner().set_pause(None).await?;
        }
        *self.first.lock().unwrap() = Some(store.clone());
        Ok(store)
    }

    async fn close(&self, _: Buggy) {}
}

/// The names of the cases that a store with this bug fails.
async fn failed(bug: Option<Bug>) -> BTreeSet<&'static str> {
    let mut failed = BTreeSet::new();
    for case in cases::<BuggyFixture>() {
        // A case may index into an answer that a bug has cut short: that is a failure, too.
        let ran = tokio::spawn(run(BuggyFixture::new(bug), case.name)).await;
        if !matches!(ran, Ok(Ok(()))) {
            failed.insert(case.name);
        }
    }
    failed
}

#[tokio::test]
async fn without_a_bug_every_case_passes() {
    assert_eq!(failed(None).await, BTreeSet::new());
}

#[tokio::test]
async fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    let mut caught_by = BTreeSet::new();
    for bug in Bug::ALL {
        let failed = failed(Some(*bug)).await;
        if failed.is_empty() {
            missed.push(*bug);
        }
        caught_by.extend(failed);
    }
    assert!(missed.is_empty(), "no case notices: {missed:?}");
    let idle: Vec<&str> = cases::<BuggyFixture>()
        .into_iter()
        .map(|case| case.name)
        .filter(|name| !caught_by.contains(name))
        .collect();
    assert!(
        idle.is_empty(),
        "no planted bug fails these cases, so nothing shows that they work: {idle:?}"
    );
}

#[test]
fn cases_have_names_of_their_own() {
    let cases = cases::<BuggyFixture>();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let categories: BTreeSet<&str> = cases.iter().map(|case| case.category).collect();
    let wanted = [
        "start",
        "claim",
        "save",
        "conflict",
        "lease_lost",
        "evidence",
        "inbox",
        "listing",
        "journal",
        "paging",
        "versions",
        "poison_row",
        "restart",
        "time",
    ];
    assert_eq!(categories, BTreeSet::from(wanted));
}

/// So that the bench is known to be needed by name.
#[expect(dead_code, reason = "a check of the public signature, by the compiler")]
fn a_case_can_be_run_by_hand(
    case: &crate::conformance::Case<BuggyFixture>,
    bench: &mut Bench<BuggyFixture>,
) {
    drop((case.run)(bench));
}
