//! Arbitrary inputs of every type.

use proptest::option;
use proptest::prelude::*;

use crate::cancellation::effect::Patience;
use crate::cancellation::exemplars::orders::{ORDER, PACKAGE_A, PACKAGE_B, REFUND, id};
use crate::cancellation::exemplars::{PAYMENT, TARGET, request};
use crate::cancellation::input::{
    Action, Done, Event, EventType, Fact, Input, Mutation, Named, NotSent, OrderRead, Payout,
    PayoutState, Unknown,
};
use crate::strategies::orders::{cancellation_states, refund_states};
use crate::strategies::{money, orders, timestamps};
use crate::{OrderId, RefundId, TargetId};

fn refund_ids() -> impl Strategy<Value = RefundId> {
    prop_oneof![4 => Just(REFUND), 1 => Just("a-second-refund")]
        .prop_map(id)
        .boxed()
}

fn attempts() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 1_u32..4, 1 => Just(0), 1 => any::<u32>()].boxed()
}

fn mutations() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::CancelOrder),
        refund_ids().prop_map(|refund_id| Mutation::PayRefund { refund_id }),
        refund_ids().prop_map(|refund_id| Mutation::ReportRefund { refund_id }),
    ]
    .boxed()
}

fn payouts() -> impl Strategy<Value = Payout> {
    let name = prop_oneof![4 => Just(PAYMENT), 1 => Just("pay-2")];
    let state = prop_oneof![
        Just(PayoutState::Pending),
        Just(PayoutState::Partial),
        Just(PayoutState::Success),
        Just(PayoutState::Failure),
    ];
    (name, state, money())
        .prop_map(|(name, state, amount)| Payout {
            payment_id: id(name),
            state,
            amount,
        })
        .boxed()
}

/// Reads of [any order](orders), or of none, that began at any time.
pub fn order_reads() -> impl Strategy<Value = OrderRead> {
    let parts = (0_u64..60, timestamps(), option::weighted(0.9, orders()));
    parts
        .prop_map(|(began_seq, began_at, order)| OrderRead {
            began_seq,
            began_at,
            order,
        })
        .boxed()
}

fn dones() -> impl Strategy<Value = Done> {
    let told = prop_oneof![
        Just("c-1:cancellation_pending:1".to_owned()),
        Just("c-1:cancellation_succeeded:1".to_owned()),
        Just("c-1:cancellation_rejected:1".to_owned()),
        (1_u32..3).prop_map(|nth| format!("c-1:refund_updated:{REFUND}:{nth}")),
    ];
    prop_oneof![
        (attempts(), cancellation_states()).prop_map(|(attempt, state)| Done::CancelOrder {
            attempt,
            state,
            cancellation_id: None,
            created_at: None,
        }),
        (refund_ids(), attempts(), payouts()).prop_map(|(refund_id, attempt, payout)| {
            Done::PayRefund {
                refund_id,
                attempt,
                payout,
            }
        }),
        (refund_ids(), attempts(), refund_states()).prop_map(|(refund_id, attempt, state)| {
            Done::ReportRefund {
                refund_id,
                attempt,
                state,
            }
        }),
        told.prop_map(|id| Done::UpdateOms { attempt: 1, id }),
    ]
    .boxed()
}

fn outcomes() -> impl Strategy<Value = Input> {
    let not_sent = prop_oneof![
        Just(NotSent::ConnectionRefused),
        Just(NotSent::Throttled),
        Just(NotSent::LookFailed),
        Just(NotSent::NotCancellable),
    ];
    let unknown = prop_oneof![
        Just(Unknown::TimeOut),
        Just(Unknown::OwnerLost),
        Just(Unknown::Overdue),
        Just(Unknown::ForeignAnswer),
    ];
    let looks = (any::<bool>(), option::of(payouts()), any::<bool>());
    prop_oneof![
        4 => dones().prop_map(Input::EffectDone),
        1 => (mutations(), attempts()).prop_map(|(mutation, attempt)| Input::EffectRefused {
            mutation,
            attempt,
            code: "ValidationError".to_owned(),
            message: "no".to_owned(),
        }),
        1 => (mutations(), attempts(), not_sent).prop_map(|(mutation, attempt, why)| {
            Input::EffectNotSent { mutation, attempt, why, detail: None }
        }),
        1 => (mutations(), attempts(), unknown).prop_map(|(mutation, attempt, why)| {
            Input::EffectUnknown { mutation, attempt, why, detail: None }
        }),
        1 => (mutations(), attempts(), looks).prop_map(
            |(mutation, attempt, (found, payout, key_expired))| Input::Looked {
                mutation,
                attempt,
                found,
                payout,
                key_expired,
            },
        ),
        1 => (refund_ids(), attempts(), payouts()).prop_map(|(refund_id, attempt, payout)| {
            Input::PayoutSeen { refund_id, attempt, payout }
        }),
    ]
    .boxed()
}

fn events() -> impl Strategy<Value = Event> {
    let event_type = prop_oneof![
        9 => proptest::sample::select(EventType::KNOWN),
        1 => Just(EventType::from("SOMETHING_NEW")),
    ];
    let package = prop_oneof![Just(PACKAGE_A), Just(PACKAGE_B), Just("a-third-package")];
    let names = prop_oneof![
        4 => refund_ids().prop_map(|refund_id| Named::Refund { refund_id }),
        4 => package.prop_map(|package| Named::Package { package_id: id(package) }),
        1 => Just(Named::Order {}),
    ];
    (event_type, names)
        .prop_map(|(event_type, names)| Event {
            event_type,
            event_id: None,
            names,
        })
        .boxed()
}

fn people() -> impl Strategy<Value = Input> {
    let facts = prop_oneof![
        Just(Fact::Cancelled),
        Just(Fact::Rejected),
        Just(Fact::NotSent),
        Just(Fact::OmsTold),
        Just(Fact::EventWrong),
        (refund_ids(), money()).prop_map(|(refund_id, amount)| Fact::RefundPaid {
            refund_id,
            payment_id: id("cheque-7"),
            amount,
        }),
        refund_ids().prop_map(|refund_id| Fact::RefundNotDue { refund_id }),
    ];
    let actions = prop_oneof![
        3 => Just(Action::Retry),
        1 => Just(Action::Withdraw { note: None }),
        4 => facts.prop_map(|fact| Action::Resolve { fact, note: "as seen".to_owned() }),
        1 => Just(Action::Note { text: "asked".to_owned() }),
    ];
    actions
        .prop_map(|action| Input::Operator {
            actor: "kim".to_owned(),
            action,
        })
        .boxed()
}

fn intents() -> impl Strategy<Value = Input> {
    let target: TargetId = id(TARGET);
    let order: OrderId = id(ORDER);
    let key = (1_u32..3).prop_map(move |nth| format!("refund:{target}:{order}:{REFUND}:{nth}"));
    let parts = (
        mutations(),
        attempts(),
        key,
        timestamps(),
        option::of(money()),
    );
    parts
        .prop_map(
            |(mutation, attempt, key, deadline, amount)| Input::IntentRecorded {
                mutation,
                attempt,
                key,
                deadline,
                amount,
            },
        )
        .boxed()
}

fn engine() -> impl Strategy<Value = Input> {
    let timer = prop_oneof![
        Just(Patience::Precheck),
        Just(Patience::Pending),
        Just(Patience::Doubt),
        Just(Patience::Look),
    ];
    let lane = mutations().prop_map(|mutation| mutation.lane());
    prop_oneof![
        3 => timer.prop_map(|timer| Input::TimerFired { timer }),
        1 => (lane, 1_u32..30, any::<bool>()).prop_map(|(lane, failures, limited)| {
            Input::AttentionRaised {
                lane,
                failures,
                error: "503".to_owned(),
                limited,
            }
        }),
        1 => mutations().prop_map(|mutation| Input::AttentionCleared { lane: mutation.lane() }),
        1 => Just(Input::Upgraded { from: 0, to: 1 }),
        1 => Just(Input::Restored),
        1 => Just(Input::Requested(request())),
    ]
    .boxed()
}

/// Inputs of every type, without regard to any state.
pub fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => order_reads().prop_map(Input::OrderRead),
        6 => outcomes(),
        2 => events().prop_map(Input::EventReceived),
        2 => people(),
        2 => intents(),
        2 => engine(),
    ]
    .boxed()
}
