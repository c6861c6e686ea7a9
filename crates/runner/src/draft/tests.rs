//! What a draft makes of changes, on the workflow of the engine's own tests.

use std::time::Duration;

use countermand_core::{Item, OpenIntent};

use super::*;
use crate::TokioWorld;
use crate::codec::Decoded;

#[path = "../../tests/engine/support/parcel.rs"]
mod parcel;

use parcel::{Effect as ParcelEffect, Input, Parcel, Ship, State};

struct Bench {
    workflow: Parcel,
    options: Options,
    sights: Sights,
    world: TokioWorld,
}

impl Bench {
    fn new() -> Self {
        Self {
            workflow: Parcel::default(),
            options: Options::default(),
            sights: Sights::default(),
            world: TokioWorld::seeded(1),
        }
    }

    fn context(&self, seconds: u64) -> Context<'_, Parcel> {
        Context {
            workflow: &self.workflow,
            options: &self.options,
            sights: &self.sights,
            world: &self.world,
            incarnation: Epoch(7),
            moment: Moment {
                at: at(seconds),
                behind: false,
                mono: Duration::from_secs(seconds),
            },
        }
    }

    /// A parcel that is to be shipped, at revision 2.
    fn shipping(&self) -> Snapshot<Parcel> {
        let opened = open(&self.context(0), Ship::new("book"), 0).unwrap();
        let row = Row {
            id: opened.id,
            kind: Parcel::KIND.to_owned(),
            scope: "shop".to_owned(),
            subject: "book".to_owned(),
            body: opened.body,
            revision: 1,
            epoch: Epoch(7),
            head: [0; 32],
            created_at: at(0),
            updated_at: at(0),
            finished_at: None,
            due_at: Some(opened.due_at),
            retries: Retries::default().to_json(),
        };
        let decoded = Decoded {
            state: opened.state,
            upgraded_from: None,
        };
        let mut draft = Draft::new(Snapshot::new(row, decoded));
        let weighed = [Input::Weighed { grams: 7 }];
        fact(&mut draft, &self.context(0), &weighed, None).unwrap();
        draft.finish(&self.context(0)).unwrap().unwrap().snapshot
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(0).plus(Duration::from_secs(seconds))
}

type Applied = Result<Vec<parcel::Rejected>, SubmitErrorOf<Parcel>>;

fn fact(
    draft: &mut Draft<Parcel>,
    context: &Context<'_, Parcel>,
    inputs: &[Input],
    mark: Option<&Mark<ParcelEffect>>,
) -> Applied {
    let step = Step {
        inputs,
        mark,
        authority: Authority::Fact,
    };
    draft.apply(context, &step)
}

fn intent(
    draft: &mut Draft<Parcel>,
    context: &Context<'_, Parcel>,
    epoch: u64,
    revision: u64,
) -> Applied {
    let input = Input::IntentRecorded {
        attempt: 1,
        deadline: at(30),
        postage: None,
    };
    let step = Step {
        inputs: &[input],
        mark: None,
        authority: Authority::Decision {
            epoch: Epoch(epoch),
            revision: Some(revision),
        },
    };
    draft.apply(context, &step)
}

#[test]
fn a_decision_holds_for_the_revision_it_was_made_on() {
    let bench = Bench::new();
    let context = bench.context(1);
    let snapshot = bench.shipping();
    assert_eq!(snapshot.row.revision, 2);
    let mut draft = Draft::new(snapshot.clone());
    assert!(matches!(
        intent(&mut draft, &context, 7, 1),
        Err(SubmitError::Stale)
    ));
    // A fact that came first in the same batch counts, too.
    fact(&mut draft, &context, &[Input::Hint { number: 1 }], None).unwrap();
    assert!(matches!(
        intent(&mut draft, &context, 7, 2),
        Err(SubmitError::Stale)
    ));
    assert_eq!(intent(&mut draft, &context, 7, 3).unwrap(), []);
    let saved = draft.finish(&context).unwrap().unwrap();
    let guard = Guard::Decision {
        revision: 2,
        epoch: Epoch(7),
    };
    assert_eq!((saved.save.guard, saved.save.entries.len()), (guard, 2));
    assert_eq!(saved.snapshot.row.revision, 4);
    let intents = bench.workflow.open_intents(&saved.snapshot.state);
    let expected = OpenIntent {
        key: "ship".to_owned(),
        attempt: 1,
        epoch: Epoch(7),
    };
    assert_eq!(intents, [expected]);
}

#[test]
fn an_older_owner_decides_nothing_but_brings_facts() {
    let bench = Bench::new();
    let context = bench.context(1);
    let mut snapshot = bench.shipping();
    Arc::make_mut(&mut snapshot.row).epoch = Epoch(8);
    let mut draft = Draft::new(snapshot);
    assert!(matches!(
        intent(&mut draft, &context, 7, 2),
        Err(SubmitError::LeaseLost)
    ));
    fact(&mut draft, &context, &[Input::Hint { number: 1 }], None).unwrap();
    let saved = draft.finish(&context).unwrap().unwrap();
    assert_eq!(saved.save.guard, Guard::Fact { revision: 2 });
    assert_eq!(
        saved.save.entries[0].epoch,
        Epoch(8),
        "under the row's present epoch"
    );
}

#[test]
fn a_change_that_breaks_the_workflow_leaves_the_draft_as_it_was() {
    let bench = Bench::new();
    let context = bench.context(1);
    let mut draft = Draft::new(bench.shipping());
    fact(&mut draft, &context, &[Input::Hint { number: 1 }], None).unwrap();
    let inputs = [Input::Hint { number: 2 }, Input::Bomb];
    let broken = fact(&mut draft, &context, &inputs, None);
    assert!(matches!(broken, Err(SubmitError::Panicked { .. })));
    let saved = draft.finish(&context).unwrap().unwrap();
    assert_eq!(saved.save.entries.len(), 1);
    assert_eq!(saved.snapshot.state.hints, 1);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let bench = Bench::new();
    let draft = Draft::new(bench.shipping());
    assert!(
        draft.finish(&bench.context(1)).unwrap().is_none(),
        "due before, due now"
    );
    let mut draft = Draft::new(bench.shipping());
    let told = [Input::Told { seq: 99 }];
    fact(&mut draft, &bench.context(1), &told, None).unwrap();
    assert!(draft.finish(&bench.context(1)).unwrap().is_none());
}

#[test]
fn a_schedule_is_a_decision_whoever_asks_for_it() {
    let bench = Bench::new();
    let mut draft = Draft::new(bench.shipping());
    let mark = Mark::PutOff {
        lane: "ship".to_owned(),
        effect: "ship",
        wait: Some(Duration::from_secs(9)),
        random: 0,
    };
    fact(&mut draft, &bench.context(1), &[], Some(&mark)).unwrap();
    let saved = draft.finish(&bench.context(1)).unwrap().unwrap();
    assert!(matches!(
        saved.save.guard,
        Guard::Decision {
            revision: 2,
            epoch: Epoch(7)
        }
    ));
    assert_eq!(saved.save.due_at, Some(at(10)));
    assert!(saved.save.entries.is_empty());
}

#[test]
fn a_lane_is_remembered_as_long_as_it_is_on_the_agenda_or_open() {
    let bench = Bench::new();
    let context = bench.context(1);
    let performed = |state: &State| {
        let item: Item<ParcelEffect> = bench.workflow.next(state).items()[0].clone();
        Mark::Performed {
            item,
            began_at: at(1),
            tally: Tally::Failed {
                message: "503".to_owned(),
                retry_after: None,
            },
            random: u64::MAX,
        }
    };
    let snapshot = bench.shipping();
    let mut draft = Draft::new(snapshot.clone());
    let mark = performed(&snapshot.state);
    fact(
        &mut draft,
        &context,
        &[Input::NotSent { attempt: 1 }],
        Some(&mark),
    )
    .unwrap();
    let saved = draft.finish(&context).unwrap().unwrap();
    assert_eq!(saved.save.due_at, Some(at(2)), "after the backoff");
    let mut draft = Draft::new(saved.snapshot);
    intent(&mut draft, &context, 7, 2).unwrap();
    let saved = draft.finish(&context).unwrap().unwrap();
    let failures = |snapshot: &Snapshot<Parcel>| snapshot.retries.lane("ship").map(|l| l.failures);
    assert_eq!(
        failures(&saved.snapshot),
        Some(1),
        "an open intent keeps it"
    );
    let mut draft = Draft::new(saved.snapshot);
    fact(
        &mut draft,
        &context,
        &[Input::ShipDone { attempt: 1 }],
        None,
    )
    .unwrap();
    let saved = draft.finish(&context).unwrap().unwrap();
    assert_eq!(failures(&saved.snapshot), None);
    assert_eq!(saved.save.retries, r#"{"lanes":{}}"#);
}

#[test]
fn messages_are_rendered_once_with_the_entry_that_raised_them() {
    let bench = Bench::new();
    let mut draft = Draft::new(bench.shipping());
    intent(&mut draft, &bench.context(1), 7, 2).unwrap();
    let done = [Input::ShipDone { attempt: 1 }, Input::Tracked];
    fact(&mut draft, &bench.context(2), &done, None).unwrap();
    let saved = draft.finish(&bench.context(2)).unwrap().unwrap();
    let emissions: Vec<Option<&str>> = saved
        .save
        .entries
        .iter()
        .map(|entry| entry.emissions.as_deref())
        .collect();
    let body = r#"[{"id":"book/shipped","body":"7 g shipped at 1970-01-01T00:00:02.000Z"}]"#;
    assert_eq!(emissions, [None, Some(body), None]);
    let phases: Vec<(&str, &str)> = saved
        .save
        .entries
        .iter()
        .map(|e| (e.from.as_str(), e.to.as_str()))
        .collect();
    let shipping = ("shipping", "shipping");
    assert_eq!(
        phases,
        [shipping, ("shipping", "shipped"), ("shipped", "shipped")]
    );
}

#[test]
fn ids_sort_by_time() {
    let bench = Bench::new();
    let (early, late) = (bench.context(1).new_id(), bench.context(2).new_id());
    assert!(early < late, "{early} {late}");
    assert_ne!(bench.context(1).new_id(), bench.context(1).new_id());
}
