//! Facts and commands: everything that can change a cancellation. Their serde forms are stored.

use serde::{Deserialize, Serialize};

use crate::cancellation::effect::Patience;
use crate::cancellation::order::{CancellationState, Order, RefundState};
use crate::cancellation::request::CancelRequest;
use crate::open_enum::open_enum;
use crate::{Money, PackageId, PaymentId, RefundId, Timestamp};

/// A fact or a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Input {
    /// A request for an order whose live instance was begun by an observation: it becomes a
    /// requested one, while it is still in `precheck`.
    Requested(CancelRequest),
    /// The order was read.
    OrderRead(OrderRead),
    /// A mutation is about to be attempted; nothing has left yet.
    IntentRecorded {
        /// Which mutation.
        #[serde(flatten)]
        mutation: Mutation,
        /// The attempt's number, counted from 1.
        attempt: u32,
        /// The idempotency key or alias it is sent with.
        key: String,
        /// Until when the request may live.
        deadline: Timestamp,
        /// The amount to be paid; frozen from here on (`pay_refund` only).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
    },
    /// An effect was carried out, for certain.
    EffectDone(Done),
    /// The remote said no, for certain.
    EffectRefused {
        /// Which mutation.
        #[serde(flatten)]
        mutation: Mutation,
        /// Which attempt.
        attempt: u32,
        /// The remote's code, such as `ValidationError`.
        code: String,
        /// The remote's words.
        message: String,
    },
    /// The attempt did not reach the remote, for certain.
    EffectNotSent {
        /// Which mutation.
        #[serde(flatten)]
        mutation: Mutation,
        /// Which attempt.
        attempt: u32,
        /// Why.
        why: NotSent,
        /// The particulars.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The attempt may or may not have taken effect.
    EffectUnknown {
        /// Which mutation.
        #[serde(flatten)]
        mutation: Mutation,
        /// Which attempt.
        attempt: u32,
        /// Why.
        why: Unknown,
        /// The particulars.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The look within an attempt. Found: the attempt ends without a send (the fact itself follows
    /// as [`OrderRead`](Self::OrderRead) or stands in `payout`). Not found: evidence only, written
    /// when an earlier attempt was in doubt; never permission for a later send.
    Looked {
        /// Which mutation.
        #[serde(flatten)]
        mutation: Mutation,
        /// Which attempt.
        attempt: u32,
        /// Was something found that stands against a send?
        found: bool,
        /// The payout found at the provider (`pay_refund` only).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payout: Option<Payout>,
        /// Nothing was found, and the key is too old to be sent again: a person must decide.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        key_expired: bool,
    },
    /// A payout that is under way was asked about, and has changed.
    PayoutSeen {
        /// The refund.
        refund_id: RefundId,
        /// The attempt that started the payout.
        attempt: u32,
        /// What the provider says now.
        payout: Payout,
    },
    /// The stored form was brought to a newer version; the base of every later fold.
    Upgraded {
        /// The version it had.
        from: u32,
        /// The version it has.
        to: u32,
    },
    /// The store was restored from a backup: what was attempted after that backup is not known here.
    Restored,
    /// An event arrived.
    EventReceived(Event),
    /// Something waits for longer than it should.
    TimerFired {
        /// What.
        timer: Patience,
    },
    /// The engine asks for a person.
    AttentionRaised {
        /// The lane that stopped (`pay_refund/R1`).
        lane: String,
        /// How often it failed in a row.
        failures: u32,
        /// The last error.
        error: String,
        /// Nothing failed: a limit on payouts leaves no room for this one, and `error` says which.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        limited: bool,
    },
    /// The engine no longer asks for a person about this lane.
    AttentionCleared {
        /// The lane.
        lane: String,
    },
    /// A person did something.
    Operator {
        /// Who.
        actor: String,
        /// What.
        #[serde(flatten)]
        action: Action,
    },
}

impl Input {
    /// The type, as it stands in the history.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "requested",
            Self::OrderRead(_) => "order_read",
            Self::IntentRecorded { .. } => "intent_recorded",
            Self::EffectDone(_) => "effect_done",
            Self::EffectRefused { .. } => "effect_refused",
            Self::EffectNotSent { .. } => "effect_not_sent",
            Self::EffectUnknown { .. } => "effect_unknown",
            Self::Looked { .. } => "looked",
            Self::PayoutSeen { .. } => "payout_seen",
            Self::Upgraded { .. } => "upgraded",
            Self::Restored => "restored",
            Self::EventReceived(_) => "event_received",
            Self::TimerFired { .. } => "timer_fired",
            Self::AttentionRaised { .. } => "attention_raised",
            Self::AttentionCleared { .. } => "attention_cleared",
            Self::Operator { .. } => "operator",
        }
    }
}

/// A mutation of a remote, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    tag = "effect",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Mutation {
    /// `cancelOrder` at Buy with Prime.
    CancelOrder,
    /// A payout at the refund provider.
    PayRefund {
        /// The refund.
        refund_id: RefundId,
    },
    /// `updateOrder` at Buy with Prime, for one refund.
    ReportRefund {
        /// The refund.
        refund_id: RefundId,
    },
}

impl Mutation {
    /// The lane of its agenda items.
    #[must_use]
    pub fn lane(&self) -> String {
        match self {
            Self::CancelOrder => "cancel_order".to_owned(),
            Self::PayRefund { refund_id } => format!("pay_refund/{refund_id}"),
            Self::ReportRefund { refund_id } => format!("report_refund/{refund_id}"),
        }
    }

    /// The mutation of a lane; `None` for a lane of something else.
    #[must_use]
    pub fn of_lane(lane: &str) -> Option<Self> {
        if lane == "cancel_order" {
            return Some(Self::CancelOrder);
        }
        let (effect, refund) = lane.split_once('/')?;
        let refund_id = RefundId::new(refund).ok()?;
        match effect {
            "pay_refund" => Some(Self::PayRefund { refund_id }),
            "report_refund" => Some(Self::ReportRefund { refund_id }),
            _ => None,
        }
    }
}

/// An order as read, and when the reading began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRead {
    /// The revision at which the read began: it settles nothing that became known later.
    pub began_seq: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// What was read; `None` when Buy with Prime does not know the order (yet).
    pub order: Option<Order>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "effect",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Done {
    /// `cancelOrder` was answered with a cancellation that carries our alias.
    CancelOrder {
        /// Which attempt.
        attempt: u32,
        /// Its state; normally PENDING (X4).
        state: CancellationState,
        /// The id that the mutation answers with; it can be looked up nowhere (X10).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancellation_id: Option<String>,
        /// When, as Amazon wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<String>,
    },
    /// The provider took the payout.
    PayRefund {
        /// The refund.
        refund_id: RefundId,
        /// Which attempt.
        attempt: u32,
        /// What it says.
        payout: Payout,
    },
    /// Buy with Prime took the report.
    ReportRefund {
        /// The refund.
        refund_id: RefundId,
        /// Which attempt.
        attempt: u32,
        /// The state that was reported.
        state: RefundState,
    },
    /// The OMS took the message.
    UpdateOms {
        /// How many tries it took.
        attempt: u32,
        /// The message's id.
        id: String,
    },
}

/// A payout as the refund provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payout {
    /// Its id at the provider.
    pub payment_id: PaymentId,
    /// Where it is.
    pub state: PayoutState,
    /// How much was paid so far.
    pub amount: Money,
}

/// Where a payout is (docs/interfaces.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayoutState {
    /// Under way; ask again.
    Pending,
    /// A part is paid; ask again.
    Partial,
    /// All is paid. Final.
    Success,
    /// Declared failed. Final for its key.
    Failure,
}

/// Why an attempt did not reach the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotSent {
    /// The connection was refused, or the name did not resolve, or TLS was not agreed.
    ConnectionRefused,
    /// 401, also with a fresh token.
    Unauthorized,
    /// 429 or a throttling error.
    Throttled,
    /// Another call could not renew the access token, and this one did not try.
    NoToken,
    /// The token endpoint is in trouble: it answered without a token and without refusing the
    /// credentials.
    TokenFailed,
    /// The circuit breaker is open.
    BreakerOpen,
    /// The look failed, so nothing was sent.
    LookFailed,
    /// The deadline was over before the request could start.
    DeadlineOver,
    /// The fence no longer held as the request was about to start.
    Fenced,
    /// The look showed an order that can no longer be cancelled.
    NotCancellable,
    /// The remote does not know the thing that the attempt is about (yet, U9).
    NotFound,
}

/// Why an outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// No answer in time.
    TimeOut,
    /// The connection broke after the request began.
    ConnectionLost,
    /// A 5xx, or an error that may stand beside an effect.
    ServerError,
    /// An answer that cannot be read.
    Unreadable,
    /// An answer about something else: another alias, order, amount or currency.
    ForeignAnswer,
    /// Whoever sent it is gone.
    OwnerLost,
    /// Its deadline passed without any outcome.
    Overdue,
    /// A person says that it will come to nothing, although Amazon accepted it, or may have.
    Contradicted,
}

open_enum! {
    /// The kind of an event, by its newest name (reference 4.3).
    EventType {
        /// A package was cancelled. Not by itself the success of a request (X20).
        PackageDeliveryCancelled = "PACKAGE_DELIVERY_CANCELLED",
        /// A refund is asked for.
        RefundRequested = "REFUND_REQUESTED",
        /// A refund was processed in full.
        RefundCompleted = "REFUND_COMPLETED",
        /// A package left: cancelling is no longer possible.
        PackageDeliveryInTransit = "PACKAGE_DELIVERY_IN_TRANSIT",
        /// A package arrived.
        PackageDelivered = "PACKAGE_DELIVERED",
    }
}

/// An event about the order: a hint, never proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its kind.
    pub event_type: EventType,
    /// Amazon's id of it; for the log only (U17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The package or refund that it names.
    #[serde(flatten)]
    pub names: Named,
}

/// What an event names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", untagged, rename_all_fields = "camelCase")]
pub enum Named {
    /// A refund.
    Refund {
        /// Its id.
        refund_id: RefundId,
    },
    /// A package.
    Package {
        /// Its id.
        package_id: PackageId,
    },
    /// Only the order.
    Order {},
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refund { refund_id } => write!(f, "refund {refund_id}"),
            Self::Package { package_id } => write!(f, "package {package_id}"),
            Self::Order {} => f.write_str("the order"),
        }
    }
}

/// What a person did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "action",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Action {
    /// Try again now what stopped.
    Retry,
    /// Give the cancellation up, while nothing was sent.
    Withdraw {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Supply a fact.
    Resolve {
        /// The fact.
        #[serde(flatten)]
        fact: Fact,
        /// How the person knows.
        note: String,
    },
    /// Write something down.
    Note {
        /// What.
        text: String,
    },
}

/// A fact that a person knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "fact",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Fact {
    /// Amazon cancelled the order.
    Cancelled,
    /// Amazon will not cancel the order.
    Rejected,
    /// The attempt in doubt did not reach Amazon.
    NotSent,
    /// The refund was paid by hand.
    RefundPaid {
        /// The refund.
        refund_id: RefundId,
        /// The payment's id.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
    },
    /// The refund is not to be paid.
    RefundNotDue {
        /// The refund.
        refund_id: RefundId,
    },
    /// The OMS knows everything that it was still to be told.
    OmsTold,
    /// What an event named is not there: the event was wrong.
    EventWrong,
}
