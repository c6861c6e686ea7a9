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
    compare("lifecycle.md", &diagram::lifecycle_page());
}

#[test]
fn the_picture_is_up_to_date() {
    compare("lifecycle.svg", &diagram::svg(None));
}

fn compare(name: &str, text: &str) {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever changes the life cycle"
    )]
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let same = std::fs::read_to_string(&path).unwrap_or_default() == text;
    assert!(
        same,
        "docs/{name} is not what the code does: run this test with UPDATE_DOCS=1 and read the difference"
    );
}

/// A new arrow is drawn, whatever else is forgotten.
#[test]
fn the_picture_has_every_arrow_and_marks_the_way() {
    let picture = diagram::svg(None);
    for (from, to) in ARROWS {
        assert!(
            picture.contains(&format!("<title>{from} to {to}: ")),
            "{from} {to}"
        );
    }
    assert_eq!(picture.matches("<g>").count(), ARROWS.len());
    assert!(!picture.contains(" taken\"") && !picture.contains(" here\""));
    let way = ["precheck", "precheck", "requested", "pending", "success"];
    let marked = diagram::svg(Some(&diagram::Mark::of(way)));
    assert_eq!(marked.matches("<g><title>").count(), ARROWS.len());
    assert!(marked.contains("It is in success."), "{marked}");
    // Three arrows, the one into the first state, and the one in the legend.
    assert_eq!(marked.matches(" taken\"").count(), 5);
    for outside in ["<script", "href", "url(http", "@import"] {
        assert!(!marked.contains(outside), "{outside}");
    }
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
