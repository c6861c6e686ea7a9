//! The runs are worth something: every arrow of the drawing, and everything that can go wrong, is
//! met in some of them.

use std::collections::BTreeMap;

use countermand_core::cancellation::exemplars::orders::PACKAGE_B;
use countermand_core::cancellation::order::{CancellationState, PackageReason, Requester};
use countermand_core::strategies::life::Deed;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::brain::Brain;
use crate::invariants::ARROWS;
use crate::scenario::{Scenario, asked, contended, heard, secs};
use crate::world::World;

/// What must be met, beside the arrows.
const MARKS: [&str; 33] = [
    "effect_done cancel_order",
    "effect_done pay_refund",
    "effect_done report_refund",
    "effect_done update_oms",
    "effect_not_sent cancel_order connection_refused",
    "effect_not_sent cancel_order look_failed",
    "effect_not_sent cancel_order not_cancellable",
    "effect_not_sent pay_refund connection_refused",
    "effect_not_sent report_refund look_failed",
    "effect_refused cancel_order",
    "effect_refused pay_refund",
    "effect_unknown cancel_order overdue",
    "effect_unknown cancel_order owner_lost",
    "effect_unknown cancel_order server_error",
    "effect_unknown cancel_order time_out",
    "effect_unknown pay_refund owner_lost",
    "effect_unknown pay_refund time_out",
    "effect_unknown report_refund owner_lost",
    "effect_unknown report_refund time_out",
    "event_received",
    "looked cancel_order found",
    "looked pay_refund found",
    "looked pay_refund key_expired",
    "looked report_refund found",
    "operator retry",
    "operator resolve not_sent",
    "payout_seen SUCCESS",
    "payout_seen FAILURE",
    "timer_fired doubt",
    "outcome cancelled",
    "outcome nothing_to_do",
    "outcome rejected",
    "the rest was paid",
];

fn mark(form: &serde_json::Value) -> String {
    let text = |part: &str| {
        form.get(part)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    let flag = |part: &str| {
        (form.get(part) == Some(&serde_json::Value::Bool(true))).then(|| part.to_owned())
    };
    let of_payout = || {
        form.get("payout")?
            .get("state")?
            .as_str()
            .map(str::to_owned)
    };
    let parts = match text("type").unwrap_or_default().as_str() {
        "effect_done" | "effect_refused" => vec![text("effect")],
        "event_received" | "order_read" => Vec::new(),
        "payout_seen" => vec![of_payout()],
        "looked" => vec![
            text("effect"),
            flag("found"),
            flag("keyExpired").map(|_| "key_expired".to_owned()),
        ],
        _ => vec![
            text("effect"),
            text("why"),
            text("timer"),
            text("action"),
            text("fact"),
        ],
    };
    let parts = std::iter::once(text("type")).chain(parts).flatten();
    parts.collect::<Vec<_>>().join(" ")
}

fn met(world: &World, marks: &mut BTreeMap<String, u32>) {
    for ended in &world.ended {
        let mut from = "precheck";
        for entry in &ended.history {
            let form = serde_json::to_value(&entry.input).unwrap();
            *marks.entry(mark(&form)).or_default() += 1;
            *marks
                .entry(format!("{from} to {}", entry.phase))
                .or_default() += 1;
            from = entry.phase;
        }
        let refunds = ended.state.case.refunds.values();
        if refunds.clone().any(|refund| !refund.parts.is_empty()) {
            *marks.entry("the rest was paid".to_owned()).or_default() += 1;
        }
        let outcome = format!("outcome {}", ended.state.outcome().unwrap_or_default());
        *marks.entry(outcome).or_default() += 1;
    }
}

fn some(
    strategy: impl Strategy<Value = Scenario>,
    runner: &mut TestRunner,
    marks: &mut BTreeMap<String, u32>,
) {
    for _ in 0..250 {
        let scenario = strategy.new_tree(runner).unwrap().current();
        met(&World::new(&scenario, Brain::sound()).run(), marks);
    }
}

/// An item could not be picked and nobody told us; hours after our rejection the shopper cancels.
fn late_success() -> Scenario {
    let mut scenario = crate::planted::scenario(1);
    scenario.asks_after = secs(20);
    scenario.life.deeds = vec![
        (
            secs(10),
            Deed::Drop(PACKAGE_B, PackageReason::Unfulfillable),
        ),
        (secs(7_000), Deed::Ask(Requester::Shopper)),
        (secs(7_100), Deed::Decide(CancellationState::Success)),
    ];
    scenario.faults.event_lost = 1000;
    scenario
}

#[test]
fn a_late_success_of_the_shopper_is_seen() {
    let world = World::new(&late_success(), Brain::sound()).run();
    assert_eq!(crate::oracle::verdict(&world), Vec::<String>::new());
    assert_eq!(world.ended[0].state.outcome(), Some("cancelled"));
}

#[test]
fn everything_is_met() {
    let mut runner = TestRunner::deterministic();
    let mut marks = BTreeMap::new();
    some(asked(), &mut runner, &mut marks);
    some(heard(), &mut runner, &mut marks);
    some(contended(), &mut runner, &mut marks);
    met(
        &World::new(&late_success(), Brain::sound()).run(),
        &mut marks,
    );
    let arrows = ARROWS.map(|(from, to)| format!("{from} to {to}"));
    let wanted = MARKS.into_iter().map(str::to_owned).chain(arrows);
    let missing: Vec<String> = wanted.filter(|mark| !marks.contains_key(mark)).collect();
    assert!(
        missing.is_empty(),
        "never met: {missing:#?}\nmet: {marks:#?}"
    );
}
