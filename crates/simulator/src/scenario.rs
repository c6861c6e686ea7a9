//! What happens to an order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::seeded::Seed;

/// The text names no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no scenario; known are {}", Scenario::names())]
pub struct UnknownScenario {
    /// What was given.
    pub given: String,
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happens to one order.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Scenario {
            $($(#[$doc])* $variant,)*
        }

        impl Scenario {
            /// Every scenario.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, as in JSON and in order ids.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

scenarios! {
    /// Accepted, SUCCESS, one refund over everything.
    Happy = "happy",
    /// As `happy`, with one refund per line item.
    TwoRefunds = "two_refunds",
    /// SUCCESS, and the shopper had not been charged: no refund (X6).
    NoRefund = "no_refund",
    /// SUCCESS, and a refund of nothing.
    ZeroRefund = "zero_refund",
    /// Accepted, later REJECTED; the packages ship.
    Rejected = "rejected",
    /// Looks cancellable, is refused at once with a `ValidationError`; the packages ship.
    Refused = "refused",
    /// All packages on their way from the beginning.
    Shipped = "shipped",
    /// One package on its way, one pending; the summary says PENDING (X22).
    PartlyShipped = "partly_shipped",
    /// Cancellable at the first look; ships soon after it. A request that arrives before that is
    /// accepted and REJECTED, one that arrives later is refused.
    ShipsMeanwhile = "ships_meanwhile",
    /// No packages at the first look; they appear later. Then as `happy`.
    NoPackagesYet = "no_packages_yet",
    /// Unknown at the first look; appears later (U9). Then as `happy`.
    AppearsLate = "appears_late",
    /// One line item spread over two pending packages. Then as `happy`.
    SplitLine = "split_line",
    /// The shopper's cancellation stands as SUCCESS before the first look; one refund.
    ShopperCancelled = "shopper_cancelled",
    /// The shopper's cancellation is PENDING at the first look; SUCCESS later, one refund.
    ShopperPending = "shopper_pending",
    /// Nobody asked us: soon after its creation the shopper cancels, and we hear of it by event.
    ShopperObserved = "shopper_observed",
    /// Nobody asked: soon after its creation one package turns out unfulfillable, the other ships.
    Unfulfillable = "unfulfillable",
    /// Nobody asked: on its way at creation, soon afterwards undeliverable.
    Undeliverable = "undeliverable",
    /// Accepted, and PENDING for ever (U2), or until it is healed: then SUCCESS. Provokes
    /// `pending_too_long`.
    NeverDecides = "never_decides",
    /// As `happy`; the provider pays a part at once and the rest later.
    PartialPayout = "partial_payout",
    /// As `happy`; the provider says PENDING at once and pays later.
    PendingPayout = "pending_payout",
    /// As `happy`; the first payout fails, one under a new key succeeds. Provokes `payout_failed`;
    /// `retry` ends it.
    FailingPayoutThenSuccess = "failing_payout_then_success",
    /// `cancelOrder` answers SUCCESS at once (X4). One refund.
    ImmediateSuccess = "immediate_success",
    /// `cancelOrder` answers REJECTED at once (X4); the packages ship.
    ImmediateRejected = "immediate_rejected",
    /// There is no such order, until it is healed. Provokes `precheck_undecided`; `withdraw` ends it.
    NotFound = "not_found",

    /// The order never gets packages, until it is healed; then as `happy`. Provokes
    /// `precheck_undecided`; `withdraw` ends it, and after healing so does `retry`.
    NeverReady = "never_ready",
    /// `cancelOrder` takes effect, is answered with an error, and from then on the order cannot be
    /// read, until it is healed. Provokes `in_doubt` (lane `cancel_order`) once the patience is over.
    CancelInDoubt = "cancel_in_doubt",
    /// The payout is made and answered with 500, and from then on the provider cannot list, until
    /// it is healed. Provokes `in_doubt` (lane `pay_refund`) once the patience is over.
    PayoutInDoubt = "payout_in_doubt",
    /// Payouts are made (once per key) and always answered with 500, and the provider never lists
    /// them, until it is healed. Provokes `key_expired`, where the key horizon is short.
    PayoutUnlisted = "payout_unlisted",
    /// SUCCESS without a refund, yet an event names one that no read shows, until it is healed.
    /// Provokes `not_visible`.
    PhantomRefund = "phantom_refund",
    /// The OMS answers every message about this order with 500, until it is healed. Provokes
    /// `attempts_exhausted` (lane `update_oms`), where the attempts are limited.
    OmsRefuses = "oms_refuses",
    /// The refund comes without an amount, until it is healed. Provokes `refund_unclear`.
    RefundWithoutAmount = "refund_without_amount",
    /// The refund comes without a reason, until it is healed. Provokes `refund_unclear`.
    RefundWithoutReason = "refund_without_reason",
    /// Somebody else reported the refund as FAILURE; healed, they report SUCCESS. Provokes
    /// `refund_moved`.
    RefundFailedElsewhere = "refund_failed_elsewhere",
    /// Somebody else reported the refund as PARTIAL; healed, they report SUCCESS. Provokes
    /// `refund_moved`.
    RefundPartialElsewhere = "refund_partial_elsewhere",
    /// The provider refuses the first payout with 422, and pays under another key. Provokes
    /// `payout_failed`; `retry` ends it.
    PayoutRefused = "payout_refused",
    /// The provider pays less than it was asked for. Provokes `payout_differs`.
    PayoutPaysLess = "payout_pays_less",
    /// The provider pays more than it was asked for. Provokes `payout_differs`.
    PayoutPaysMore = "payout_pays_more",
    /// Amazon refuses the first report of a refund with a `ValidationError`, and takes the next.
    /// Provokes `report_refused`; `retry` ends it.
    ReportRefused = "report_refused",
    /// As `happy`, with a refund of 250000.00. Provokes `payout_limited`, where the amount per day
    /// is limited to less.
    Expensive = "expensive",
}

/// What `cancelOrder` leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Success,
    Rejected,
    Never,
    SuccessAtOnce,
    RejectedAtOnce,
    RefusedAtOnce,
}

/// Which refunds a cancellation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundPlan {
    None,
    One,
    PerLine,
    Zero,
}

/// What the provider does with the first payout for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayoutPlan {
    Success,
    PartialThenSuccess,
    PendingThenSuccess,
    FailureFirst,
    /// 422, and nothing is paid.
    RefusedFirst,
    /// SUCCESS over another amount.
    Less,
    More,
    /// Paid, and answered with 500.
    Unanswered,
}

impl Scenario {
    fn names() -> String {
        Self::ALL
            .iter()
            .map(|scenario| scenario.name())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The scenario that an order id of the form `SIM-<scenario>-<anything>` asks for. Hyphens in
    /// the scenario's name count as underscores.
    #[must_use]
    pub fn of_order_id(order_id: &str) -> Option<Self> {
        let (name, rest) = order_id.strip_prefix("SIM-")?.rsplit_once('-')?;
        if rest.is_empty() {
            return None;
        }
        name.parse().ok()
    }

    /// Does it need somebody who asks for the cancellation? The others begin by themselves, and are
    /// heard of by event.
    #[must_use]
    pub const fn is_requested(self) -> bool {
        !matches!(
            self,
            Self::ShopperObserved | Self::Unfulfillable | Self::Undeliverable
        )
    }

    /// The code of the kind of attention that it provokes, where a person is needed; the
    /// documentation of the variant says under which terms and what ends it.
    #[must_use]
    pub const fn provokes(self) -> Option<&'static str> {
        Some(match self {
            Self::NeverReady | Self::NotFound => "precheck_undecided",
            Self::NeverDecides => "pending_too_long",
            Self::CancelInDoubt | Self::PayoutInDoubt => "in_doubt",
            Self::PhantomRefund => "not_visible",
            Self::OmsRefuses => "attempts_exhausted",
            Self::RefundWithoutAmount | Self::RefundWithoutReason => "refund_unclear",
            Self::RefundFailedElsewhere | Self::RefundPartialElsewhere => "refund_moved",
            Self::FailingPayoutThenSuccess | Self::PayoutRefused => "payout_failed",
            Self::PayoutPaysLess | Self::PayoutPaysMore => "payout_differs",
            Self::PayoutUnlisted => "key_expired",
            Self::ReportRefused => "report_refused",
            Self::Expensive => "payout_limited",
            _ => return None,
        })
    }

    pub(crate) const fn decision(self) -> Decision {
        match self {
            Self::Rejected | Self::ShipsMeanwhile => Decision::Rejected,
            Self::Refused => Decision::RefusedAtOnce,
            Self::NeverDecides => Decision::Never,
            Self::ImmediateSuccess => Decision::SuccessAtOnce,
            Self::ImmediateRejected => Decision::RejectedAtOnce,
            _ => Decision::Success,
        }
    }

    pub(crate) const fn refunds(self) -> RefundPlan {
        match self {
            Self::TwoRefunds => RefundPlan::PerLine,
            Self::NoRefund => RefundPlan::None,
            Self::ZeroRefund => RefundPlan::Zero,
            _ => RefundPlan::One,
        }
    }

    pub(crate) const fn payout(self) -> PayoutPlan {
        match self {
            Self::PartialPayout => PayoutPlan::PartialThenSuccess,
            Self::PendingPayout => PayoutPlan::PendingThenSuccess,
            Self::FailingPayoutThenSuccess => PayoutPlan::FailureFirst,
            Self::PayoutRefused => PayoutPlan::RefusedFirst,
            Self::PayoutPaysLess => PayoutPlan::Less,
            Self::PayoutPaysMore => PayoutPlan::More,
            Self::PayoutInDoubt | Self::PayoutUnlisted => PayoutPlan::Unanswered,
            _ => PayoutPlan::Success,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.replace('-', "_");
        Self::ALL
            .iter()
            .copied()
            .find(|scenario| scenario.name() == wanted)
            .ok_or_else(|| UnknownScenario {
                given: text.to_owned(),
            })
    }
}

/// How often each scenario is drawn for orders that are created without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mix {
    weights: Vec<(Scenario, u32)>,
}

impl Mix {
    /// These scenarios, as often as their weights say. A mix without any weight is always
    /// [`Scenario::Happy`].
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = (Scenario, u32)>) -> Self {
        Self {
            weights: weights.into_iter().collect(),
        }
    }

    /// Nothing but this.
    #[must_use]
    pub fn only(scenario: Scenario) -> Self {
        Self::new([(scenario, 1)])
    }

    /// Everything that somebody asks for and that ends without a person's help.
    #[must_use]
    pub fn requested() -> Self {
        Self::new([
            (Scenario::Happy, 40),
            (Scenario::TwoRefunds, 10),
            (Scenario::NoRefund, 8),
            (Scenario::ZeroRefund, 3),
            (Scenario::Rejected, 8),
            (Scenario::Refused, 3),
            (Scenario::Shipped, 4),
            (Scenario::PartlyShipped, 3),
            (Scenario::ShipsMeanwhile, 3),
            (Scenario::NoPackagesYet, 3),
            (Scenario::AppearsLate, 2),
            (Scenario::SplitLine, 3),
            (Scenario::ShopperCancelled, 2),
            (Scenario::ShopperPending, 2),
            (Scenario::PartialPayout, 2),
            (Scenario::PendingPayout, 2),
            (Scenario::ImmediateSuccess, 1),
            (Scenario::ImmediateRejected, 1),
        ])
    }

    pub(crate) fn draw(&self, seed: Seed, label: &[&str]) -> Scenario {
        let total: u64 = self
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        let mut drawn = seed.below(total, label);
        for (scenario, weight) in &self.weights {
            let weight = u64::from(*weight);
            if drawn < weight {
                return *scenario;
            }
            drawn -= weight;
        }
        Scenario::Happy
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self::requested()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for scenario in Scenario::ALL {
            let json = serde_json::to_string(scenario).unwrap();
            assert_eq!(json, format!("\"{}\"", scenario.name()));
            assert_eq!(scenario.name().parse::<Scenario>().unwrap(), *scenario);
        }
    }

    #[test]
    fn order_ids_name_their_scenario() {
        for (id, expected) in [
            ("SIM-happy-1", Some(Scenario::Happy)),
            ("SIM-two_refunds-17", Some(Scenario::TwoRefunds)),
            ("SIM-two-refunds-17", Some(Scenario::TwoRefunds)),
            ("SIM-happy-", None),
            ("SIM-happy", None),
            ("SIM-nonsense-1", None),
            ("322-T7QM-2LH9WD", None),
        ] {
            assert_eq!(Scenario::of_order_id(id), expected, "{id}");
        }
    }

    #[test]
    fn nobody_is_needed_for_what_is_drawn_by_itself() {
        for (scenario, _) in &Mix::requested().weights {
            assert_eq!(scenario.provokes(), None, "{scenario}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "nope".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("nope") && error.contains("split_line"));
    }

    #[test]
    fn a_mix_draws_each_of_its_scenarios_by_weight() {
        let mix = Mix::new([(Scenario::Happy, 3), (Scenario::Rejected, 1)]);
        let mut seen: BTreeMap<Scenario, u32> = BTreeMap::new();
        for n in 0..1_000 {
            *seen
                .entry(mix.draw(Seed::new(3), &[&n.to_string()]))
                .or_default() += 1;
        }
        assert_eq!(seen.len(), 2);
        assert!((650..850).contains(&seen[&Scenario::Happy]), "{seen:?}");
        assert_eq!(Mix::new([]).draw(Seed::new(3), &["x"]), Scenario::Happy);
    }
}
