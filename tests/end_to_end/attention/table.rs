//! One row per scenario that needs a person: what the person does, and how it ends.

use countermand_simulator::Scenario;

/// What the person does, by one command that `show` suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    Retry,
    Withdraw,
    /// `resolve --fact cancelled`, and so on.
    Cancelled,
    NotSent,
    OmsTold,
    EventWrong,
    /// With the payment at the provider, where there is one, else with a cheque.
    RefundPaid,
    RefundNotDue,
}

impl Remedy {
    /// What tells its command from the others.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Retry => "countermand retry ",
            Self::Withdraw => "countermand withdraw ",
            Self::Cancelled => "--fact cancelled ",
            Self::NotSent => "--fact not_sent ",
            Self::OmsTold => "--fact oms_told ",
            Self::EventWrong => "--fact event_wrong ",
            Self::RefundPaid => "--fact refund_paid ",
            Self::RefundNotDue => "--fact refund_not_due ",
        }
    }
}

/// When the world itself is set right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Healed {
    Never,
    /// Before the person acts.
    Before,
    /// After it: else nobody would be needed.
    After,
}

/// One order that needs a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    /// Is the world itself set right, and when?
    pub(crate) healed: Healed,
    pub(crate) remedy: Remedy,
    /// How the cancellation ends.
    pub(crate) outcome: &'static str,
    /// What the sentence that `show` prints must say.
    pub(crate) says: &'static str,
}

/// The rows of a scenario; none for one that has no row yet.
pub(crate) fn rows(scenario: Scenario) -> Vec<Row> {
    use Healed::{After, Before, Never};
    use Remedy::{
        Cancelled, EventWrong, NotSent, OmsTold, RefundNotDue, RefundPaid, Retry, Withdraw,
    };
    let row = |healed, remedy, says| Row {
        scenario,
        healed,
        remedy,
        outcome: if remedy == Withdraw {
            "withdrawn"
        } else {
            "cancelled"
        },
        says,
    };
    match scenario {
        Scenario::NeverReady => {
            let says = "whether the order can be cancelled";
            vec![row(Before, Retry, says), row(Never, Withdraw, says)]
        }
        Scenario::NotFound => {
            vec![row(Never, Withdraw, "it may not exist under this id")]
        }
        Scenario::NeverDecides => {
            vec![row(Never, Cancelled, "has neither cancelled the order")]
        }
        Scenario::CancelInDoubt => {
            let says = "the request to cancel the order was attempted, its answer was lost";
            vec![row(After, Cancelled, says), row(After, NotSent, says)]
        }
        Scenario::PayoutInDoubt => {
            let says = "the payout of refund";
            vec![row(Before, Retry, says), row(Never, RefundPaid, says)]
        }
        Scenario::PhantomRefund => {
            let says = "no read of the order shows";
            vec![
                row(Never, EventWrong, says),
                row(Never, RefundNotDue, says),
                row(Before, Retry, says),
            ]
        }
        Scenario::OmsRefuses => {
            let says = "the message to the OMS failed 4 times in a row";
            vec![row(Never, OmsTold, says), row(Before, Retry, says)]
        }
        Scenario::RefundWithoutAmount => {
            vec![row(Never, RefundNotDue, "without a sound amount")]
        }
        Scenario::RefundWithoutReason => {
            vec![row(Never, RefundPaid, "without a reason")]
        }
        Scenario::RefundFailedElsewhere => {
            vec![row(Never, RefundNotDue, "to FAILURE at Amazon")]
        }
        Scenario::RefundPartialElsewhere => {
            vec![row(Never, RefundPaid, "to PARTIAL at Amazon")]
        }
        Scenario::FailingPayoutThenSuccess => {
            vec![row(Never, Retry, "declared the payout of refund")]
        }
        Scenario::PayoutRefused => {
            let says = "the provider refused";
            vec![
                row(Never, Retry, says),
                row(Never, RefundPaid, says),
                row(Never, RefundNotDue, says),
            ]
        }
        Scenario::PayoutPaysLess | Scenario::PayoutPaysMore => {
            vec![row(Never, RefundPaid, "the provider was to pay")]
        }
        Scenario::ReportRefused => vec![row(Never, Retry, "refused the report of refund")],
        Scenario::Expensive => {
            let says = "the limit is 200000 USD a day";
            vec![row(Never, RefundPaid, says), row(Never, RefundNotDue, says)]
        }
        Scenario::PayoutUnlisted => {
            vec![row(Never, RefundPaid, "the provider does not list it")]
        }
        _ => Vec::new(),
    }
}
