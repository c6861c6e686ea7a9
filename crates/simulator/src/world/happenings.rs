//! What went wrong in the world, counted by kind: a run that should have met everything can be
//! asked whether it did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

macro_rules! happenings {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// A kind of thing that goes wrong in the world itself, not on the way to it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Happening {
            $($(#[$doc])* $variant,)*
        }

        impl Happening {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

happenings! {
    /// The order query answered with an order as it was some time ago.
    ReadBehind,
    /// The order query showed a cancellation, but not yet its alias.
    AliasHidden,
    /// The order query did not find an order that is there.
    NotFoundForAMoment,
    /// `cancelOrder` answered SUCCESS.
    SuccessAtOnce,
    /// `cancelOrder` answered REJECTED.
    RejectedAtOnce,
    /// Somebody else had asked for a cancellation before we did.
    ForeignBefore,
    /// Somebody else asked between our look and our request: both stand.
    ForeignBetween,
    /// Somebody else asked while ours was pending.
    ForeignDuring,
    /// Somebody else asked after ours was decided.
    ForeignAfter,
    /// A shopper asked.
    ForeignByShopper,
    /// A service agent asked.
    ForeignByAgent,
    /// Somebody of the merchant's asked by hand: MERCHANT, without our alias.
    ForeignByConsole,
    /// The packages left after the order was first looked at, before any request.
    ShippedAfterLook,
    /// `cancelOrder` was refused though the order, as last shown, could be cancelled.
    ShippedBeforeSend,
    /// The packages left while a cancellation was pending.
    ShippedWhilePending,
    /// A cancelled order without a refund.
    NoRefund,
    /// A cancelled order with several refunds.
    SeveralRefunds,
    /// A refund of nothing.
    ZeroRefund,
    /// A refund that appeared long after the cancellation was decided.
    LateRefund,
    /// A refund that somebody else had brought to its end before anybody saw it.
    RefundByOthers,
    /// An amount written without cents, or a refund of a cent.
    OddAmount,
    /// An event that was never delivered.
    EventLost,
    /// An event delivered again, for whatever reason.
    EventAgain,
    /// An event delivered more than twice.
    EventManyTimes,
    /// An event held back until later ones had overtaken it.
    EventOvertaken,
    /// An event that came when everything was over ("days late").
    EventMuchLater,
    /// An event under a name of an earlier generation.
    EventOldName,
    /// An event whose `data` is filled.
    EventEnriched,
    /// A fact told by a second subscription.
    EventSecondSubscription,
    /// A fact told by a second event with an id of its own.
    EventNewId,
    /// An event in an EventBridge envelope.
    EventEnvelope,
    /// An event within an SQS message.
    EventSqs,
    /// An event of a type that nobody knows.
    EventUnknownType,
    /// An event for somebody else's target.
    EventWrongTarget,
    /// An event that contradicts what is known: in transit after cancelled.
    EventContradictory,
    /// An event that was due before the order query showed its fact.
    EventBeforeState,
}

/// How often each kind happened.
#[derive(Debug, Default)]
pub(crate) struct Happenings(BTreeMap<Happening, u64>);

impl Happenings {
    pub(crate) fn count(&mut self, what: Happening) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn count_if(&mut self, happened: bool, what: Happening) {
        if happened {
            self.count(what);
        }
    }

    /// Every kind, with zero for what did not happen.
    pub(crate) fn all(&self) -> BTreeMap<Happening, u64> {
        Happening::ALL
            .iter()
            .map(|kind| (*kind, self.0.get(kind).copied().unwrap_or_default()))
            .collect()
    }
}
