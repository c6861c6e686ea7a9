//! Inputs of every type, made to fit a state: attempts with the numbers that it waits for, reads
//! that begin before and after every wait.

use std::time::Duration;

use crate::cancellation::effect::Patience;
use crate::cancellation::exemplars::Exemplar;
use crate::cancellation::exemplars::orders::{self, usd};
use crate::cancellation::exemplars::script::{
    PAYMENT, Script, package_event, pay, payout, refund_event, report, request,
};
use crate::cancellation::input::{
    Action, Done, Event, EventType, Fact, Input, Mutation, Named, NotSent, OrderRead, Payout,
    PayoutState, Unknown,
};
use crate::cancellation::order::{
    CancellationState, Order, PackageState, RefundDetails, RefundState, Requester,
};
use crate::cancellation::{Attempts, Cancellation};
use crate::{EffectClass, Notice, RefundId, Stamp, Workflow};

/// An input for a state.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The input's type, and what sets this one apart: `order_read: our entry is PENDING`.
    pub label: String,
    /// The input.
    pub input: Input,
    /// The stamp that it is applied with.
    pub stamp: Stamp,
}

const SOON: Duration = Duration::from_secs(1);
const LONG_AFTER: Duration = Duration::from_hours(24 * 40);

/// How the label of a read ends that begins after every wait is over.
pub(crate) const LATE: &str = ", after every wait";

impl Exemplar {
    /// Inputs of every type for this state, each with the stamp it is applied with.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let script = &self.script;
        let mut offers = reads(script);
        let at = |label: String, input: Input, after: Duration| {
            let label = match label.as_str() {
                "" => input.name().to_owned(),
                particulars => format!("{}: {particulars}", input.name()),
            };
            Offer {
                label,
                input,
                stamp: script.stamp_in(after),
            }
        };
        let plain = [
            intents(script),
            outcomes(script),
            events(),
            facts_of_people(),
            notices(),
        ];
        offers.extend(
            plain
                .into_iter()
                .flatten()
                .map(|(label, input)| at(label, input, SOON)),
        );
        let patiences = [
            ("precheck", Patience::Precheck),
            ("pending", Patience::Pending),
            ("doubt", Patience::Doubt),
            ("look", Patience::Look),
        ];
        offers.extend(
            patiences.map(|(label, timer)| {
                at(label.to_owned(), Input::TimerFired { timer }, LONG_AFTER)
            }),
        );
        offers
    }
}

fn reads(script: &Script) -> Vec<Offer> {
    let orders = shown(script);
    let begins = [("", SOON), (LATE, LONG_AFTER)];
    let each = orders.into_iter().flat_map(|(label, order)| {
        begins.map(|(when, after)| {
            let input = Input::OrderRead(OrderRead {
                began_seq: script.seq(),
                began_at: script.now().plus(after),
                order: order.clone(),
            });
            Offer {
                label: format!("{}: {label}{when}", input.name()),
                input,
                stamp: script.stamp_in(after.saturating_add(SOON)),
            }
        })
    });
    each.collect()
}

/// What the order may look like.
fn shown(script: &Script) -> Vec<(&'static str, Option<Order>)> {
    let alias = script.alias();
    let ours = |state| orders::ours(state, &alias);
    let pending = || orders::refund(RefundState::Pending);
    let with_refund = |mut order: Order, refund: RefundDetails| {
        order.refunds.push(refund);
        order
    };
    let cancelled = |refunds| orders::cancelled(ours(CancellationState::Success), refunds);
    let moved = |state| cancelled(vec![orders::refund(state)]);
    let mut foreign = orders::all_pending();
    foreign.id = orders::id("322-ANOTHER");
    let mut two = orders::not_cancelled(orders::shoppers(CancellationState::Rejected));
    two.cancellations.push(ours(CancellationState::Pending));
    let mut unknown = orders::all_pending();
    for package in &mut unknown.packages {
        package.state = PackageState::from("ON_THE_MOON");
    }
    let agent = orders::entry(
        Requester::ServiceAgent,
        CancellationState::Success,
        orders::SHOPPERS_TIME,
        Vec::new(),
    );
    let delivered = orders::with_states(PackageState::Delivered, PackageState::Delivered);
    let found = [
        ("every package is PENDING", orders::all_pending()),
        ("a package is on its way", orders::partially_shipped()),
        ("there are no packages", orders::no_packages()),
        (
            "a line is split, half of it on its way",
            orders::line_split(),
        ),
        ("a package is in an unknown state", unknown),
        ("a package is CANCELLED, no entry", orders::unexplained()),
        ("a package is UNFULFILLABLE", orders::unfulfillable()),
        (
            "a package is UNFULFILLABLE, a refund is asked for",
            orders::unfulfillable_with_refund(),
        ),
        (
            "UNDELIVERABLE, a refund is asked for",
            orders::undeliverable(),
        ),
        (
            "delivered, a refund is asked for",
            with_refund(delivered.clone(), pending()),
        ),
        (
            "delivered, a refund of another kind is asked for",
            with_refund(
                delivered,
                RefundDetails {
                    reason: Some("RETURN_RECEIVED".to_owned()),
                    ..pending()
                },
            ),
        ),
        (
            "our entry is PENDING",
            orders::cancelling(ours(CancellationState::Pending)),
        ),
        ("our entry is SUCCESS", cancelled(Vec::new())),
        (
            "our entry is SUCCESS, a refund is asked for",
            cancelled(vec![pending()]),
        ),
        (
            "our entry is REJECTED",
            orders::not_cancelled(ours(CancellationState::Rejected)),
        ),
        (
            "a shopper's entry is PENDING",
            orders::cancelling(orders::shoppers(CancellationState::Pending)),
        ),
        (
            "a shopper's entry is SUCCESS, a refund is asked for",
            orders::cancelled(
                orders::shoppers(CancellationState::Success),
                vec![pending()],
            ),
        ),
        (
            "a shopper's entry is REJECTED",
            orders::not_cancelled(orders::shoppers(CancellationState::Rejected)),
        ),
        ("a service agent's entry is SUCCESS", {
            orders::cancelled(agent, Vec::new())
        }),
        ("a shopper's entry is REJECTED, ours is PENDING", two),
        ("the refund is PARTIAL", moved(RefundState::Partial)),
        ("the refund is FAILURE", moved(RefundState::Failure)),
        ("the refund is SUCCESS", moved(RefundState::Success)),
        ("the refund is REJECTED", moved(RefundState::Rejected)),
        ("another order", foreign),
    ];
    let found = found.into_iter().map(|(label, order)| (label, Some(order)));
    found.chain([("not found", None)]).collect()
}

type Labelled = (String, Input);

fn attempts<'a>(script: &'a Script, mutation: &Mutation) -> Option<&'a Attempts> {
    let refund = |id: &RefundId| script.state.case.refunds.get(id);
    match mutation {
        Mutation::CancelOrder => Some(&script.state.case.cancel),
        Mutation::PayRefund { refund_id } => refund(refund_id).map(|r| &r.pay),
        Mutation::ReportRefund { refund_id } => refund(refund_id).map(|r| &r.report),
    }
}

/// What the agenda asks for, and what nobody asked for.
fn intents(script: &Script) -> Vec<Labelled> {
    let workflow = Cancellation::default();
    let deadline = script.now().plus(Duration::from_secs(30));
    let mut intents: Vec<Labelled> = script
        .effects()
        .iter()
        .filter(|effect| crate::Effect::class(*effect) == EffectClass::Mutation)
        .map(|effect| {
            let label = crate::Effect::name(effect).to_owned();
            (label, workflow.notice(Notice::Intent { effect, deadline }))
        })
        .collect();
    let unwanted = [Mutation::CancelOrder, pay(), report()];
    intents.extend(unwanted.map(|mutation| {
        let attempt = attempts(script, &mutation).map_or(1, Attempts::next);
        let input = Input::IntentRecorded {
            attempt,
            key: "a key of somebody else's".to_owned(),
            deadline,
            amount: Some(usd(1)),
            mutation,
        };
        ("unwanted".to_owned(), input)
    }));
    intents
}

/// Every outcome of the newest attempt at every mutation, and of the one before.
fn outcomes(script: &Script) -> Vec<Labelled> {
    let mut all = Vec::new();
    for mutation in [Mutation::CancelOrder, pay(), report()] {
        let made = attempts(script, &mutation).map_or(0, |attempts| attempts.made);
        for attempt in [made, made.saturating_sub(1)] {
            all.extend(outcomes_of(&mutation, attempt));
        }
    }
    let head = script.state.case.milestones.queue.first();
    let told = |id: String| {
        let done = Done::UpdateOms { attempt: 1, id };
        ("update_oms".to_owned(), Input::EffectDone(done))
    };
    all.extend(head.map(|raised| told(raised.message_id(script.id()))));
    all.push(told("of another message".to_owned()));
    all
}

fn outcomes_of(mutation: &Mutation, attempt: u32) -> Vec<Labelled> {
    let name = match mutation {
        Mutation::CancelOrder => "cancel_order",
        Mutation::PayRefund { .. } => "pay_refund",
        Mutation::ReportRefund { .. } => "report_refund",
    };
    let mutation = || mutation.clone();
    let looked = |found, payout, key_expired| Input::Looked {
        mutation: mutation(),
        attempt,
        found,
        payout,
        key_expired,
    };
    let mut inputs = vec![
        Input::EffectRefused {
            mutation: mutation(),
            attempt,
            code: "ValidationError".to_owned(),
            message: "no".to_owned(),
        },
        Input::EffectNotSent {
            mutation: mutation(),
            attempt,
            why: NotSent::Throttled,
            detail: None,
        },
        Input::EffectUnknown {
            mutation: mutation(),
            attempt,
            why: Unknown::TimeOut,
            detail: None,
        },
        looked(true, None, false),
        looked(false, None, false),
    ];
    match mutation() {
        Mutation::CancelOrder => {
            inputs.push(Input::EffectNotSent {
                mutation: mutation(),
                attempt,
                why: NotSent::NotCancellable,
                detail: None,
            });
            let answers = [
                CancellationState::Pending,
                CancellationState::Success,
                CancellationState::Rejected,
            ];
            inputs.extend(answers.map(|state| {
                Input::EffectDone(Done::CancelOrder {
                    attempt,
                    state,
                    cancellation_id: None,
                    created_at: None,
                })
            }));
        }
        Mutation::PayRefund { refund_id } => {
            inputs.push(looked(false, None, true));
            for payout in payouts() {
                inputs.push(looked(true, Some(payout.clone()), false));
                inputs.push(Input::PayoutSeen {
                    refund_id: refund_id.clone(),
                    attempt,
                    payout: payout.clone(),
                });
                inputs.push(Input::EffectDone(Done::PayRefund {
                    refund_id: refund_id.clone(),
                    attempt,
                    payout,
                }));
            }
        }
        Mutation::ReportRefund { refund_id } => {
            let states = [
                RefundState::Partial,
                RefundState::Failure,
                RefundState::Success,
                RefundState::Rejected,
            ];
            inputs.extend(states.map(|state| {
                Input::EffectDone(Done::ReportRefund {
                    refund_id: refund_id.clone(),
                    attempt,
                    state,
                })
            }));
        }
    }
    let named = inputs.into_iter().map(|input| {
        let answer = match &input {
            Input::EffectDone(Done::CancelOrder { state, .. }) => format!(" {state}"),
            Input::EffectDone(Done::ReportRefund { state, .. }) => format!(" {state}"),
            Input::EffectNotSent {
                why: NotSent::NotCancellable,
                ..
            } => " not cancellable".to_owned(),
            Input::Looked { found: true, .. } => " found".to_owned(),
            Input::Looked {
                key_expired: true, ..
            } => " key expired".to_owned(),
            _ => String::new(),
        };
        (format!("{name}{answer}"), input)
    });
    named.collect()
}

fn payouts() -> Vec<Payout> {
    vec![
        payout(PAYMENT, PayoutState::Pending, usd(0)),
        payout(PAYMENT, PayoutState::Partial, usd(20_00)),
        payout(PAYMENT, PayoutState::Success, usd(43_99)),
        payout(PAYMENT, PayoutState::Failure, usd(0)),
        payout("pay-of-somebody-else", PayoutState::Success, usd(43_99)),
        payout(PAYMENT, PayoutState::Success, usd(50_00)),
    ]
}

fn events() -> Vec<Labelled> {
    let on_packages = [
        EventType::PackageDeliveryCancelled,
        EventType::PackageDeliveryInTransit,
        EventType::PackageDelivered,
    ];
    let mut events: Vec<Event> = on_packages
        .into_iter()
        .map(|event_type| package_event(event_type, orders::PACKAGE_A))
        .collect();
    events.push(refund_event());
    events.push(Event {
        event_type: EventType::RefundCompleted,
        ..refund_event()
    });
    events.push(Event {
        event_type: EventType::RefundRequested,
        event_id: None,
        names: Named::Refund {
            refund_id: orders::id("a-second-refund"),
        },
    });
    events.push(Event {
        event_type: EventType::from("SOMETHING_NEW"),
        event_id: None,
        names: Named::Order {},
    });
    let named = events
        .into_iter()
        .map(|event| (event.event_type.to_string(), Input::EventReceived(event)));
    named.collect()
}

fn facts_of_people() -> Vec<Labelled> {
    let refund_id = || orders::id::<RefundId>(orders::REFUND);
    let resolve = |fact| Action::Resolve {
        fact,
        note: "as seen in the console".to_owned(),
    };
    let actions = [
        ("retry", Action::Retry),
        ("withdraw", Action::Withdraw { note: None }),
        ("resolve cancelled", resolve(Fact::Cancelled)),
        ("resolve rejected", resolve(Fact::Rejected)),
        ("resolve not_sent", resolve(Fact::NotSent)),
        (
            "resolve refund_paid",
            resolve(Fact::RefundPaid {
                refund_id: refund_id(),
                payment_id: orders::id("cheque-7"),
                amount: usd(43_99),
            }),
        ),
        (
            "resolve refund_not_due",
            resolve(Fact::RefundNotDue {
                refund_id: refund_id(),
            }),
        ),
        ("resolve oms_told", resolve(Fact::OmsTold)),
        ("resolve event_wrong", resolve(Fact::EventWrong)),
        (
            "note",
            Action::Note {
                text: "asked Amazon's support".to_owned(),
            },
        ),
    ];
    let named = actions.into_iter().map(|(label, action)| {
        let actor = "kim".to_owned();
        (label.to_owned(), Input::Operator { actor, action })
    });
    named.collect()
}

fn notices() -> Vec<Labelled> {
    let lanes = ["cancel_order".to_owned(), pay().lane(), report().lane()];
    let mut all = vec![
        (String::new(), Input::Requested(request())),
        (String::new(), Input::Upgraded { from: 0, to: 1 }),
        (String::new(), Input::Restored),
    ];
    for lane in lanes {
        all.push((
            String::new(),
            Input::AttentionRaised {
                lane: lane.clone(),
                failures: 20,
                error: "connection refused".to_owned(),
                limited: false,
            },
        ));
        if lane.starts_with("pay_refund") {
            all.push((
                "limited".to_owned(),
                Input::AttentionRaised {
                    lane: lane.clone(),
                    failures: 0,
                    error: "200 of 200 payouts were made within an hour".to_owned(),
                    limited: true,
                },
            ));
        }
        all.push((String::new(), Input::AttentionCleared { lane }));
    }
    all
}
