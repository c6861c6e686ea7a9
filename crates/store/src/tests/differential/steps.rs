//! Random sequences of what can be done to a store.

use proptest::prelude::*;
use proptest::sample::Index;

pub(super) const IDS: u8 = 6;
pub(super) const SUBJECTS: u8 = 3;
pub(super) const NAMES: u8 = 3;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Commit(Vec<Change>),
    /// The same batch as the nth one before.
    Again(Index),
    Claim {
        limit: usize,
        held: Vec<u8>,
    },
    Wait(i64),
    Restart,
    Pause(bool),
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Start {
        id: u8,
        subject: u8,
        scope: bool,
        name: Option<u8>,
        earlier: Option<u64>,
        extra: Extra,
    },
    Save {
        id: u8,
        how: How,
        /// How far the writer's knowledge is behind.
        behind: u64,
        epoch: Whose,
        entries: usize,
        name: Option<u8>,
        extra: Extra,
    },
    Keep(Event),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Fact,
    Decision,
    Schedule,
    End,
    Reopen,
    Rejected,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    Ours,
    Earlier,
    Rows,
}

#[derive(Debug, Clone)]
pub(super) struct Extra {
    pub(super) due: i64,
    pub(super) attention: bool,
    pub(super) open: bool,
    pub(super) events: Vec<Event>,
    pub(super) spoilt: u8,
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) source: bool,
    pub(super) transport: Option<u8>,
    pub(super) fact: Option<u8>,
    pub(super) disposition: Index,
    pub(super) late: i64,
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let key = || prop::option::weighted(0.8, 0..NAMES);
    (
        any::<bool>(),
        key(),
        key(),
        any::<Index>(),
        -2_000..2_000_i64,
    )
        .prop_map(|(source, transport, fact, disposition, late)| Event {
            source,
            transport,
            fact,
            disposition,
            late,
        })
}

pub(super) fn extra() -> impl Strategy<Value = Extra> {
    let events = prop::collection::vec(event(), 0..3);
    (
        -5_000..20_000_i64,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        events,
        0..40_u8,
    )
        .prop_map(|(due, attention, open, events, spoilt)| Extra {
            due,
            attention,
            open,
            events,
            spoilt,
        })
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let name = || prop::option::weighted(0.4, 0..NAMES);
    let start = (
        0..IDS,
        0..SUBJECTS,
        any::<bool>(),
        name(),
        prop::option::weighted(0.2, 0..3_u64),
        extra(),
    )
        .prop_map(|(id, subject, scope, name, earlier, extra)| Change::Start {
            id,
            subject,
            scope,
            name,
            earlier,
            extra,
        });
    let how = prop_oneof![
        4 => Just(How::Fact),
        4 => Just(How::Decision),
        3 => Just(How::Schedule),
        3 => Just(How::End),
        1 => Just(How::Reopen),
        1 => Just(How::Rejected),
    ];
    let behind = prop_oneof![5 => Just(0), 1 => 1..3_u64];
    let whose =
        prop_oneof![5 => Just(Whose::Ours), 1 => Just(Whose::Earlier), 1 => Just(Whose::Rows)];
    let save = (0..IDS, how, behind, whose, 1..3_usize, name(), extra()).prop_map(
        |(id, how, behind, epoch, entries, name, extra)| Change::Save {
            id,
            how,
            behind,
            epoch,
            entries,
            name,
            extra,
        },
    );
    prop_oneof![3 => start, 5 => save, 1 => event().prop_map(Change::Keep)]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let claim = (0..5_usize, prop::collection::vec(0..IDS, 0..3))
        .prop_map(|(limit, held)| Step::Claim { limit, held });
    prop_oneof![
        12 => prop::collection::vec(change(), 0..5).prop_map(Step::Commit),
        2 => any::<Index>().prop_map(Step::Again),
        3 => claim,
        3 => (-3_000..10_000_i64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Pause),
    ]
}
