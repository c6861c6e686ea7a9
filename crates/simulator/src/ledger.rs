//! What the remotes saw and did.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::chaos::{Chaos, FaultKind, Remote};
use crate::operation::Operation;
use crate::scenario::Scenario;
use crate::world::Happening;

/// Everything the remotes saw and did, at one moment.
///
/// `seq` numbers run through all lists: they tell what came before what, across remotes. Times are
/// RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// The seed of the run.
    pub seed: u64,
    /// The level of chaos of the run.
    pub chaos: Chaos,
    /// The target (business product) that the orders belong to.
    pub target_id: String,
    /// Requests per remote.
    pub requests: BTreeMap<Remote, RequestCounts>,
    /// Amazon's books: every order as it stands, by id.
    pub orders: Vec<OrderRecord>,
    /// Every `cancelOrder` that reached Amazon.
    pub cancels: Vec<CancelCall>,
    /// Every refund report (`updateOrder`) that reached Amazon.
    pub reports: Vec<ReportCall>,
    /// Every payout request that reached the provider.
    pub payouts: Vec<PayoutCall>,
    /// Every payment that the provider made or tried.
    pub payments: Vec<Payment>,
    /// Every message that reached the OMS, once per `webhook-id`, in the order of first arrival.
    pub oms: Vec<OmsMessage>,
    /// Deliveries to the OMS, by their place, that the chaos itself brought late: they are in nobody's
    /// order.
    pub oms_late: Vec<u64>,
    /// Messages that the OMS turned away: no id, no valid signature, no readable body.
    pub oms_invalid: Vec<String>,
    /// Every event that was published.
    pub events: Vec<EventRecord>,
    /// What went wrong in the world itself: every kind, with zero for what did not happen.
    pub happenings: BTreeMap<Happening, u64>,
    /// Things that will still happen by themselves: at 0 the world is at rest.
    pub under_way: usize,
}

/// Requests to one remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestCounts {
    /// All that arrived, lost ones included.
    pub received: u64,
    /// The same by what they asked for.
    pub operations: BTreeMap<Operation, u64>,
    /// Of these, turned away for their credentials (401), rightly.
    pub unauthorized: u64,
    /// Of these, cut because the remote was down. Connections that were refused are in no count.
    pub while_down: u64,
    /// What went wrong with how many.
    pub faults: BTreeMap<FaultKind, Struck>,
}

impl RequestCounts {
    /// How often this kind of fault struck.
    #[must_use]
    pub fn struck(&self, kind: FaultKind) -> Struck {
        self.faults.get(&kind).copied().unwrap_or_default()
    }
}

/// How often a kind of fault struck.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Struck {
    /// Calls that change nothing.
    pub reads: u64,
    /// Calls that change something.
    pub mutations: u64,
    /// Of these, mutations that had their effect all the same; late ones once they had it. A
    /// payout under a known key counts: it had its effect.
    pub with_effect: u64,
}

impl Struck {
    /// Calls of either sort.
    #[must_use]
    pub const fn calls(self) -> u64 {
        self.reads + self.mutations
    }
}

/// What was counted on the way to the remotes and back. Cheap to ask for, however long the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// Requests per remote.
    pub requests: BTreeMap<Remote, RequestCounts>,
    /// Mutations that arrived and are not answered yet.
    pub open_mutations: u64,
    /// Mutations that will have their effect later, and whose callers are told nothing.
    pub late_effects_to_come: u64,
}

impl Counters {
    /// How often this kind of fault struck, with all remotes together.
    #[must_use]
    pub fn struck(&self, kind: FaultKind) -> Struck {
        let mut all = Struck::default();
        for counts in self.requests.values() {
            let one = counts.struck(kind);
            all.reads += one.reads;
            all.mutations += one.mutations;
            all.with_effect += one.with_effect;
        }
        all
    }
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasRecord {
    /// The id.
    pub alias_id: String,
    /// The kind.
    pub alias_type: String,
}

/// An order in Amazon's books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRecord {
    /// Its id.
    pub order_id: String,
    /// What happens to it.
    pub scenario: Scenario,
    /// Is it known to callers at all?
    pub exists: bool,
    /// How often it was read.
    pub reads: u64,
    /// Its packages.
    pub packages: Vec<PackageRecord>,
    /// Its cancellations, oldest first.
    pub cancellations: Vec<CancellationRecord>,
    /// Its refunds.
    pub refunds: Vec<RefundRecord>,
}

/// A package in Amazon's books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageRecord {
    /// Its id.
    pub id: String,
    /// Where it is: `PENDING`, `IN_TRANSIT`, `DELIVERED`, `CANCELLED`.
    pub state: String,
    /// Why it was cancelled.
    pub reason: Option<String>,
}

/// A cancellation in Amazon's books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancellationRecord {
    /// Where it is: `PENDING`, `SUCCESS`, `REJECTED`.
    pub state: String,
    /// Who asked: `MERCHANT`, `SHOPPER`, `BWP_CUSTOMER_SERVICE_AGENT`.
    pub requested_by: String,
    /// Its aliases.
    pub aliases: Vec<AliasRecord>,
}

/// A refund in Amazon's books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundRecord {
    /// Its id.
    pub id: String,
    /// Where it is: `PENDING`, `PARTIAL`, `FAILURE`, `SUCCESS`, `REJECTED`.
    pub state: String,
    /// Why it is asked for.
    pub reason: String,
    /// What Amazon asks to be returned.
    pub amount: Decimal,
    /// The currency.
    pub currency: String,
    /// The running total as reported last; `None` before the first report.
    pub reported_total: Option<Decimal>,
    /// The payments as booked: one that was reported twice is here twice.
    pub payments: Vec<PaymentPart>,
    /// Did somebody else bring it to where it is, or where it was before we touched it?
    #[serde(default)]
    pub by_others: bool,
}

/// A payment within a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPart {
    /// Its id, as reported.
    pub id: Option<String>,
    /// How much.
    pub amount: Option<Decimal>,
    /// The currency.
    pub currency: Option<String>,
}

/// A `cancelOrder` that reached Amazon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelCall {
    /// Its place among everything that was recorded.
    pub seq: u64,
    /// When.
    pub at: String,
    /// The order, as it was named.
    pub order_id: String,
    /// Its aliases.
    pub aliases: Vec<AliasRecord>,
    /// Did it take effect?
    pub accepted: bool,
    /// Why not: the error's type or code.
    pub error: Option<String>,
    /// Did another cancellation stand (PENDING or SUCCESS) and could it be seen by the caller?
    pub beside_visible: bool,
}

/// The code under which Amazon refuses what can no longer be cancelled.
pub(crate) const NOT_CANCELLABLE: &str = "INVENTED_OrderNotCancellable";

impl CancelCall {
    /// Was it refused for what the order is? Every other refusal is a fault of the caller's.
    pub(crate) fn is_not_cancellable(&self) -> bool {
        self.error.as_deref() == Some(NOT_CANCELLABLE)
    }
}

/// The error of a payout or report that was refused for the scenario's sake, not for its own.
pub(crate) const REFUSED_BY_SCENARIO: &str = "INVENTED_RefusedByScenario";

/// A refund report that reached Amazon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportCall {
    /// Its place among everything that was recorded.
    pub seq: u64,
    /// When.
    pub at: String,
    /// The order.
    pub order_id: String,
    /// The refund; `None` when it was not named.
    pub refund_id: Option<String>,
    /// The state reported.
    pub state: Option<String>,
    /// The running total reported.
    pub total: Option<Decimal>,
    /// Its currency.
    pub currency: Option<String>,
    /// The payments reported.
    pub payments: Vec<PaymentPart>,
    /// Did it take effect?
    pub accepted: bool,
    /// Why not: the error's type or code.
    pub error: Option<String>,
}

/// A payout request that reached the provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayoutCall {
    /// Its place among everything that was recorded.
    pub seq: u64,
    /// When.
    pub at: String,
    /// The idempotency key.
    pub key: String,
    /// The order.
    pub order_id: String,
    /// The refund.
    pub refund_id: String,
    /// The amount asked for.
    pub amount: Decimal,
    /// Its currency.
    pub currency: String,
    /// Did it make a payment (or try to)? No: it was a replay of an earlier answer, or refused.
    pub effect: bool,
    /// The payment made, or replayed.
    pub payment_id: Option<String>,
    /// Why it was refused.
    pub error: Option<String>,
    /// Was this refund open at Amazon just then, for this order?
    pub open_at_amazon: bool,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentState {
    /// Under way.
    Pending,
    /// A part was paid.
    Partial,
    /// Paid.
    Success,
    /// Not paid, and it will not be.
    Failure,
}

/// A payment that the provider made or tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its place among everything that was recorded.
    pub seq: u64,
    /// Its id.
    pub payment_id: String,
    /// The key under which it was asked for.
    pub key: String,
    /// The order.
    pub order_id: String,
    /// The refund.
    pub refund_id: String,
    /// Where it is.
    pub state: PaymentState,
    /// The amount asked for.
    pub amount: Decimal,
    /// The amount that left, so far.
    pub paid: Decimal,
    /// The currency.
    pub currency: String,
}

/// A message to the OMS, all its deliveries together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OmsMessage {
    /// The `webhook-id`.
    pub webhook_id: String,
    /// The milestone, such as `cancellation.succeeded`.
    pub kind: String,
    /// The order.
    pub order_id: String,
    /// The cancellation's id.
    pub cancellation_id: String,
    /// The cancellation's revision as told.
    pub revision: Option<u64>,
    /// The refunds told of.
    pub refund_ids: Vec<String>,
    /// The place of each delivery among everything that was recorded.
    pub deliveries: Vec<u64>,
    /// When it first came.
    pub first_at: String,
    /// The SHA-256 of the first body, in hexadecimal.
    pub body_sha256: String,
    /// Was every later body the same, byte for byte?
    pub byte_identical: bool,
}

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// Its place among everything that was recorded.
    pub seq: u64,
    /// Its id.
    pub event_id: String,
    /// Its type, as published.
    pub event_type: String,
    /// The order.
    pub order_id: String,
    /// The package or refund.
    pub subject_id: String,
    /// How often it is delivered on purpose: 2 and more are duplicates.
    pub copies: u32,
    /// How often a delivery was tried.
    pub attempts: u32,
    /// How many copies were acknowledged.
    pub acknowledged: u32,
    /// When the first copy was acknowledged.
    pub first_acknowledged_at: Option<String>,
    /// Why the last delivery that failed did.
    pub last_error: Option<String>,
}
