//! The table: which cells there are.

use std::fmt;

use countermand_simulator::{Beside, ErrorClass, Fault, Operation, Remote};

/// What is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    CancelOrder,
    PayRefund,
    ReportRefund,
    /// At least once by design: no doubt, but the same id and the same bytes again.
    UpdateOms,
}

impl Mutation {
    const ALL: [Self; 4] = [
        Self::CancelOrder,
        Self::PayRefund,
        Self::ReportRefund,
        Self::UpdateOms,
    ];

    pub(super) const fn remote(self) -> Remote {
        match self {
            Self::CancelOrder | Self::ReportRefund => Remote::BuyWithPrime,
            Self::PayRefund => Remote::Refunds,
            Self::UpdateOms => Remote::Oms,
        }
    }

    pub(super) const fn operation(self) -> Operation {
        match self {
            Self::CancelOrder => Operation::CancelOrder,
            Self::PayRefund => Operation::PayRefund,
            Self::ReportRefund => Operation::ReportRefund,
            Self::UpdateOms => Operation::UpdateOms,
        }
    }

    /// As in histories.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CancelOrder => "cancel_order",
            Self::PayRefund => "pay_refund",
            Self::ReportRefund => "report_refund",
            Self::UpdateOms => "update_oms",
        }
    }
}

/// When the answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// While the daemon lives on.
    NoCrash,
    /// SIGKILL as soon as the remote has the request; a new daemon at once.
    Killed,
    /// The same, and the new daemon only when the provider has forgotten the key.
    OffBeyondTheHorizon,
    /// The same, and the new daemon is killed as soon as it knows of the doubt.
    TwoIncarnationsLater,
}

/// A way of losing an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    /// Does the remote act?
    pub(super) effect: bool,
    /// Where it makes sense.
    fits: &'static [Mutation],
    /// Also where the daemon is killed: then nobody reads the answer, and few ways differ.
    crash: bool,
}

const EVERYWHERE: &[Mutation] = &Mutation::ALL;
/// Where the answer is more than a status.
const READ: &[Mutation] = &[
    Mutation::CancelOrder,
    Mutation::PayRefund,
    Mutation::ReportRefund,
];
const GRAPHQL: &[Mutation] = &[Mutation::CancelOrder, Mutation::ReportRefund];

const fn loss(
    name: &'static str,
    fault: Fault,
    effect: bool,
    fits: &'static [Mutation],
    crash: bool,
) -> Loss {
    Loss {
        name,
        fault,
        effect,
        fits,
        crash,
    }
}

/// Longer than any request may take here.
const LONG_MS: u64 = 1_500;

const LOSSES: &[Loss] = &[
    loss("request lost", Fault::RequestLost, false, EVERYWHERE, true),
    loss("answer lost", Fault::AnswerLost, true, EVERYWHERE, true),
    loss(
        "reset before the effect",
        Fault::ResetBeforeEffect,
        false,
        EVERYWHERE,
        false,
    ),
    loss(
        "reset after the effect",
        Fault::ResetAfterEffect,
        true,
        EVERYWHERE,
        false,
    ),
    loss(
        "time-out without effect",
        Fault::NeverAnswered,
        false,
        EVERYWHERE,
        true,
    ),
    loss(
        "time-out after the effect",
        Fault::NeverAnsweredAfterEffect,
        true,
        EVERYWHERE,
        true,
    ),
    loss(
        "slower than the deadline",
        Fault::Slow { delay_ms: LONG_MS },
        true,
        EVERYWHERE,
        false,
    ),
    loss(
        "in drops beyond the deadline",
        Fault::Drip { for_ms: LONG_MS },
        true,
        READ,
        false,
    ),
    loss(
        "effect after the connection closed",
        Fault::LateEffect {
            after_ms: 250,
            hang: false,
        },
        true,
        EVERYWHERE,
        true,
    ),
    loss(
        "effect later, no answer",
        Fault::LateEffect {
            after_ms: 250,
            hang: true,
        },
        true,
        EVERYWHERE,
        false,
    ),
    loss("503", Fault::Unavailable, false, EVERYWHERE, false),
    loss(
        "500 after the effect",
        Fault::ErrorAfterEffect { status: 500 },
        true,
        EVERYWHERE,
        true,
    ),
    loss(
        "504 after the effect",
        Fault::ErrorAfterEffect { status: 504 },
        true,
        READ,
        false,
    ),
    loss("truncated", Fault::Truncated, true, READ, false),
    loss("endless", Fault::Endless, true, READ, false),
    loss("a page of HTML", Fault::Html, true, READ, false),
    loss("no body", Fault::Empty, true, READ, false),
    loss("about somebody else", Fault::Foreign, true, READ, false),
    loss(
        "an answer to another call",
        Fault::AnotherAnswer,
        true,
        READ,
        false,
    ),
    loss(
        "a GraphQL error without effect",
        Fault::GraphqlErrorBeforeEffect {
            class: ErrorClass::InternalServer,
            beside: Beside::NullFields,
        },
        false,
        GRAPHQL,
        false,
    ),
    loss(
        "a GraphQL error after the effect",
        Fault::GraphqlErrorAfterEffect {
            class: ErrorClass::Unclassified,
            beside: Beside::NullData,
        },
        true,
        GRAPHQL,
        false,
    ),
    loss(
        "a GraphQL error beside the data",
        Fault::GraphqlErrorAfterEffect {
            class: ErrorClass::InternalServerOldForm,
            beside: Beside::Data,
        },
        true,
        GRAPHQL,
        false,
    ),
];

/// One cell of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) mutation: Mutation,
    pub(super) loss: Loss,
    pub(super) time: Time,
    /// What a person says where only a person can decide.
    pub(super) person: Person,
}

/// What a person says of a payout whose key is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// `resolve --fact not_sent`.
    NotSent,
    /// `resolve --fact refund_paid`.
    Paid,
}

impl Cell {
    /// Does only a person know what became of it? The provider lists nothing, and its key is too old
    /// to be sent again.
    pub(super) fn needs_a_person(&self) -> bool {
        self.mutation == Mutation::PayRefund
            && self.time == Time::OffBeyondTheHorizon
            && !self.loss.effect
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = match self.time {
            Time::NoCrash => "no crash",
            Time::Killed => "killed",
            Time::OffBeyondTheHorizon => "off beyond the horizon",
            Time::TwoIncarnationsLater => "two incarnations later",
        };
        write!(f, "{}, {}, {time}", self.mutation.name(), self.loss.name)?;
        if self.needs_a_person() {
            write!(f, ", a person says {:?}", self.person)?;
        }
        Ok(())
    }
}

/// Every cell.
pub(super) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for mutation in Mutation::ALL {
        for loss in LOSSES {
            for time in [
                Time::NoCrash,
                Time::Killed,
                Time::OffBeyondTheHorizon,
                Time::TwoIncarnationsLater,
            ] {
                if !loss.fits.contains(&mutation) || (time != Time::NoCrash && !loss.crash) {
                    continue;
                }
                let cell = Cell {
                    mutation,
                    loss: *loss,
                    time,
                    person: Person::NotSent,
                };
                cells.push(cell);
                if cell.needs_a_person() {
                    cells.push(Cell {
                        person: Person::Paid,
                        ..cell
                    });
                }
            }
        }
    }
    cells
}
