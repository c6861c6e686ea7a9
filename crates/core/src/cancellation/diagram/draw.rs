//! The drawing as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Edge, arrows};
use crate::cancellation::{Phase, exemplars};

const IN_PROGRESS: [&str; 3] = ["precheck", "requested", "pending"];
const DECIDED: [&str; 3] = ["success", "refund", "rejected"];

/// The input types on an arrow.
fn types(edges: &[Edge]) -> String {
    let types: BTreeSet<&str> = edges.iter().map(Edge::input_type).collect();
    types.into_iter().collect::<Vec<_>>().join(", ")
}

/// As a Mermaid state diagram, with one state set off.
#[must_use]
pub fn mermaid(highlight: Option<&str>) -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> precheck: requested, observed\n");
    for (from, to, edges) in arrows() {
        push(
            &mut text,
            format_args!("    {from} --> {to}: {}\n", types(&edges)),
        );
    }
    text.push_str("    oms_updated --> [*]\n");
    if let Some(here) = known(highlight) {
        text.push_str("    classDef here fill:#fc6,stroke:#333,stroke-width:3px,color:#000\n");
        push(&mut text, format_args!("    class {here} here\n"));
    }
    text
}

/// As a graph for Graphviz, with one state set off.
#[must_use]
pub fn dot(highlight: Option<&str>) -> String {
    let mut text = String::from(
        "digraph cancellation {\n    rankdir=LR;\n    node [shape=box, style=rounded];\n    begin [shape=point];\n",
    );
    for (name, label, states) in [
        ("in_progress", "in progress", &IN_PROGRESS),
        ("decided", "decided", &DECIDED),
    ] {
        push(
            &mut text,
            format_args!(
                "    subgraph cluster_{name} {{ label=\"{label}\"; {}; }}\n",
                states.join("; ")
            ),
        );
    }
    text.push_str("    oms_updated [peripheries=2];\n");
    if let Some(here) = known(highlight) {
        let style = "style=\"rounded,filled\", fillcolor=\"#ffcc66\", penwidth=3";
        push(&mut text, format_args!("    {here} [{style}];\n"));
    }
    text.push_str("    begin -> precheck [label=\"requested, observed\"];\n");
    for (from, to, edges) in arrows() {
        let label = types(&edges);
        push(
            &mut text,
            format_args!("    {from} -> {to} [label=\"{label}\"];\n"),
        );
    }
    text.push_str("}\n");
    text
}

/// As a table in Markdown: each arrow, and everything that takes it.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| from | to | on |\n| --- | --- | --- |\n");
    for (from, to, edges) in arrows() {
        let inputs: BTreeSet<&str> = edges.iter().map(|edge| edge.input.as_str()).collect();
        // What a read leads to at once, it leads to later as well.
        let is_said = |input: &&&str| {
            input
                .strip_suffix(exemplars::LATE)
                .is_some_and(|soon| inputs.contains(soon))
        };
        let inputs: Vec<&str> = inputs
            .iter()
            .filter(|input| !is_said(input))
            .copied()
            .collect();
        let inputs = inputs.join("<br>");
        push(
            &mut text,
            format_args!("| `{from}` | `{to}` | {inputs} |\n"),
        );
    }
    text
}

/// The state to set off, if it is one.
fn known(highlight: Option<&str>) -> Option<&'static str> {
    let wanted = highlight?;
    Phase::NAMES.into_iter().find(|name| *name == wanted)
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(line);
}
