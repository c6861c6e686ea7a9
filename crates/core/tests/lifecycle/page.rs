//! `docs/lifecycle.md` and the drawing.

use std::collections::BTreeSet;

use countermand_core::cancellation::diagram;

use crate::invariants::ARROWS;

#[test]
fn the_drawing_is_the_one_of_the_design() {
    let found: BTreeSet<_> = diagram::edges()
        .iter()
        .map(|edge| (edge.from, edge.to))
        .collect();
    assert_eq!(found, BTreeSet::from(ARROWS));
}

#[test]
fn the_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle.md");
    let page = diagram::lifecycle_page();
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever changes the life cycle"
    )]
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let same = written == page;
    assert!(
        same,
        "docs/lifecycle.md is not what the code does: run this test with UPDATE_DOCS=1 and read the difference"
    );
}

#[test]
fn mermaid_and_dot_have_the_same_arrows() {
    for (from, to) in ARROWS {
        assert!(
            diagram::mermaid(None).contains(&format!("    {from} --> {to}: ")),
            "{from} {to}"
        );
        assert!(
            diagram::dot(None).contains(&format!("    {from} -> {to} [label=")),
            "{from} {to}"
        );
    }
    assert_eq!(
        diagram::mermaid(None).matches("-->").count(),
        ARROWS.len() + 2
    );
    assert_eq!(diagram::dot(None).matches("->").count(), ARROWS.len() + 1);
}

#[test]
fn one_state_can_be_set_off() {
    assert!(diagram::mermaid(Some("pending")).contains("class pending here"));
    assert!(diagram::dot(Some("pending")).contains("pending [style="));
    // No state of that name: nothing is set off, and nothing gets into the drawing.
    assert_eq!(diagram::mermaid(Some("x\"; y")), diagram::mermaid(None));
    assert_eq!(diagram::dot(Some("x\"; y")), diagram::dot(None));
}

#[test]
fn every_unfinished_state_has_duties() {
    let states: BTreeSet<_> = diagram::duties().iter().map(|duty| duty.state).collect();
    let unfinished = [
        "precheck",
        "requested",
        "pending",
        "success",
        "rejected",
        "refund",
    ];
    assert_eq!(states, BTreeSet::from(unfinished));
}
