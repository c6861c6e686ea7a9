//! The drawing as a picture: one SVG file that needs nothing else, for light pages and dark ones.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::layout::{AREAS, BEGIN, END, NODES, Node, ROUTES, Route, SIZE};
use super::{Edge, arrows};

/// Radius of the corners of lanes.
const CORNER: i32 = 10;
/// Between two lines of a label.
const LINE: i32 = 14;

const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#3d4a57}
.page{fill:#fff}
.area{fill:#f3f6f9;stroke:#dbe2e9}
.area-name{fill:#6b7885;font-size:11px;letter-spacing:.06em}
.state{fill:#fff;stroke:#4a5968;stroke-width:1.5}
.name{font-size:15px;font-weight:600;fill:#16202a;text-anchor:middle}
.says{fill:#56636f;text-anchor:middle}
.lane{fill:none;stroke:#7a8896;stroke-width:1.5}
.tip{fill:#7a8896}
.odd{stroke-dasharray:5 4;stroke:#c2410c}
.mid{text-anchor:middle}
.dot{fill:#4a5968}
.ring{fill:none;stroke:#4a5968;stroke-width:1.5}
.taken{stroke:#0b6bcb;stroke-width:3}
.tip-taken{fill:#0b6bcb}
.been{stroke:#0b6bcb;stroke-width:2.5}
.here{fill:#ffe2a8;stroke:#b45309;stroke-width:3}
.here-name{fill:#3a2503}
.here-says{fill:#5c3d0a}
@media (prefers-color-scheme:dark){
text{fill:#c3ccd5}
.page{fill:#12171d}
.area{fill:#1a2129;stroke:#2b3540}
.area-name{fill:#93a0ad}
.state{fill:#222b35;stroke:#8494a4}
.name{fill:#f2f5f8}
.says{fill:#aab6c2}
.lane{stroke:#7d8b99}
.tip{fill:#7d8b99}
.odd{stroke:#fb923c}
.dot{fill:#8494a4}
.ring{stroke:#8494a4}
.taken{stroke:#60a5fa}
.tip-taken{fill:#60a5fa}
.been{stroke:#60a5fa}
.here{fill:#5a3d0c;stroke:#fbbf24}
.here-name{fill:#fff4dc}
.here-says{fill:#f3dcae}
}
";

/// What is marked in a drawing: one cancellation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The state it is in.
    pub here: String,
    /// The arrows it took, from and to.
    pub taken: BTreeSet<(String, String)>,
}

impl Mark {
    /// The mark of a cancellation that was in these states, one after the other; the last is where
    /// it is.
    #[must_use]
    pub fn of<'a>(states: impl IntoIterator<Item = &'a str>) -> Self {
        let mut mark = Self::default();
        for state in states {
            if !mark.here.is_empty() && mark.here != state {
                mark.taken.insert((mark.here.clone(), state.to_owned()));
            }
            state.clone_into(&mut mark.here);
        }
        mark
    }

    fn took(&self, from: &str, to: &str) -> bool {
        self.taken.iter().any(|(f, t)| f == from && t == to)
    }

    fn was_in(&self, state: &str) -> bool {
        self.taken
            .iter()
            .any(|(from, to)| from == state || to == state)
    }
}

/// As an SVG picture that stands alone: no scripts, no fonts, colours for light and for dark.
#[must_use]
pub fn svg(mark: Option<&Mark>) -> String {
    let arrows = arrows();
    let mark = mark.filter(|mark| NODES.iter().any(|node| node.name == mark.here));
    let mut text = String::new();
    let (width, height) = SIZE;
    let about = match mark {
        Some(mark) => format!(
            "The life cycle of an order cancellation, with one cancellation that is in the state {}",
            mark.here
        ),
        None => "The life cycle of an order cancellation".to_owned(),
    };
    push(
        &mut text,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
             <title id=\"title\">{about}</title>\n<desc id=\"desc\">{}</desc>\n<style>\n{STYLE}</style>\n\
             <defs>{}{}</defs>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n",
            described(&arrows, mark),
            tip("tip", "tip"),
            tip("tip-taken", "tip-taken"),
        ),
    );
    for area in &AREAS {
        let ((x, y), (w, h)) = (area.corner, area.size);
        push(
            &mut text,
            format_args!(
                "<rect class=\"area\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"12\"/>\n\
                 <text class=\"area-name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                x + w - 12,
                y + h - 10,
                area.label
            ),
        );
    }
    ends(&mut text, mark);
    let mut drawn: Vec<_> = arrows.iter().collect();
    // What was taken is drawn last, on top of what it crosses.
    drawn.sort_by_key(|(from, to, _)| mark.is_some_and(|mark| mark.took(from, to)));
    for (from, to, edges) in drawn {
        arrow(&mut text, from, to, edges, mark);
    }
    for node in &NODES {
        state(&mut text, node, mark);
    }
    if mark.is_some() {
        push(
            &mut text,
            format_args!(
                "<rect class=\"state here\" x=\"119\" y=\"568\" width=\"22\" height=\"14\" rx=\"4\"/>\
                 <text x=\"149\" y=\"580\">here it is</text>\
                 <path class=\"lane taken\" d=\"M229 575H257\"/><text x=\"265\" y=\"580\">the way it came</text>\n"
            ),
        );
    }
    text.push_str("</svg>\n");
    text
}

fn tip(id: &str, class: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerUnits=\"userSpaceOnUse\" \
         markerWidth=\"11\" markerHeight=\"11\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L10 5L0 10Z\"/></marker>"
    )
}

/// The drawing in words, for whoever cannot see it.
fn described(arrows: &[(&str, &str, Vec<Edge>)], mark: Option<&Mark>) -> String {
    let mut words = String::from("It begins in precheck and ends in oms_updated.");
    for node in &NODES {
        let next: Vec<&str> = arrows
            .iter()
            .filter(|(from, ..)| *from == node.name)
            .map(|(_, to, _)| *to)
            .collect();
        if !next.is_empty() {
            push(
                &mut words,
                format_args!(" From {} it leads to {}.", node.name, next.join(", ")),
            );
        }
    }
    if let Some(mark) = mark {
        for (from, to) in &mark.taken {
            push(
                &mut words,
                format_args!(" This one went from {} to {}.", known(from), known(to)),
            );
        }
        push(&mut words, format_args!(" It is in {}.", known(&mark.here)));
    }
    words
}

/// Only the names of states get into the drawing.
fn known(state: &str) -> &'static str {
    let node = NODES.iter().find(|node| node.name == state);
    node.map_or("another state", |node| node.name)
}

fn ends(text: &mut String, mark: Option<&Mark>) {
    let (begin, end) = (BEGIN, END);
    let finished = mark.is_some_and(|mark| mark.here == "oms_updated");
    let (into, into_tip) = taken(mark.is_some());
    let (out, out_tip) = taken(finished);
    push(
        text,
        format_args!(
            "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"7\"/>\n\
             <path class=\"lane{into}\" marker-end=\"url(#{into_tip})\" d=\"M{} {}H80\"/>\n\
             <path class=\"lane{out}\" marker-end=\"url(#{out_tip})\" d=\"M1405 {}H{}\"/>\n\
             <circle class=\"ring\" cx=\"{}\" cy=\"{}\" r=\"10\"/><circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"5\"/>\n",
            begin.0,
            begin.1,
            begin.0 + 7,
            begin.1,
            end.1,
            end.0 - 10,
            end.0,
            end.1,
            end.0,
            end.1
        ),
    );
}

fn taken(taken: bool) -> (&'static str, &'static str) {
    if taken {
        (" taken", "tip-taken")
    } else {
        ("", "tip")
    }
}

fn route(from: &str, to: &str) -> Option<&'static Route> {
    ROUTES
        .iter()
        .find(|route| route.from == from && route.to == to)
}

fn arrow(text: &mut String, from: &str, to: &str, edges: &[Edge], mark: Option<&Mark>) {
    let types: BTreeSet<&str> = edges.iter().map(Edge::input_type).collect();
    let types: Vec<&str> = types.into_iter().collect();
    let (class, tip) = taken(mark.is_some_and(|mark| mark.took(from, to)));
    push(
        text,
        format_args!("<g><title>{from} to {to}: {}</title>", types.join(", ")),
    );
    if let Some(route) = route(from, to) {
        push(
            text,
            format_args!(
                "<path class=\"lane{class}\" marker-end=\"url(#{tip})\" d=\"{}\"/>",
                way(route.points)
            ),
        );
        let middle = if route.centred { " class=\"mid\"" } else { "" };
        for (line, y) in route.label.iter().zip((route.at.1..).step_by(14)) {
            push(
                text,
                format_args!("<text{middle} x=\"{}\" y=\"{y}\">{line}</text>", route.at.0),
            );
        }
    } else {
        // Nobody has given it a place yet: it is to be seen all the same.
        let center = |name: &str| {
            NODES
                .iter()
                .find(|node| node.name == name)
                .map(|n| n.center)
        };
        if let (Some(a), Some(b)) = (center(from), center(to)) {
            push(
                text,
                format_args!(
                    "<path class=\"lane odd{class}\" marker-mid=\"url(#{tip})\" d=\"M{} {}L{} {}L{} {}\"/>\
                     <text class=\"mid\" x=\"{}\" y=\"{}\">{}</text>",
                    a.0,
                    a.1,
                    i32::midpoint(a.0, b.0),
                    i32::midpoint(a.1, b.1),
                    b.0,
                    b.1,
                    i32::midpoint(a.0, b.0),
                    i32::midpoint(a.1, b.1) - 6,
                    types.join(", ")
                ),
            );
        }
    }
    text.push_str("</g>\n");
}

/// A lane through these points, with round corners.
fn way(points: &[(i32, i32)]) -> String {
    let mut text = String::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| points.get(before));
        let after = points.get(index + 1);
        match (before, after) {
            (None, _) => push(&mut text, format_args!("M{x} {y}")),
            (Some(_), None) => push(&mut text, format_args!("L{x} {y}")),
            (Some(&a), Some(&b)) => {
                let (from, to) = (towards((x, y), a), towards((x, y), b));
                push(
                    &mut text,
                    format_args!("L{} {}Q{x} {y} {} {}", from.0, from.1, to.0, to.1),
                );
            }
        }
    }
    text
}

/// The point that lies a corner's radius from here on the way there.
fn towards(here: (i32, i32), there: (i32, i32)) -> (i32, i32) {
    let step = |a: i32, b: i32| a + (b - a).signum() * CORNER;
    (step(here.0, there.0), step(here.1, there.1))
}

fn state(text: &mut String, node: &Node, mark: Option<&Mark>) {
    let ((x, y), (w, h)) = (node.center, node.size);
    let (class, prefix) = match mark {
        Some(mark) if mark.here == node.name => (" here", " here-"),
        Some(mark) if mark.was_in(node.name) => (" been", ""),
        _ => ("", ""),
    };
    let styled = |part: &str| {
        if prefix.is_empty() {
            part.to_owned()
        } else {
            format!("{part}{prefix}{part}")
        }
    };
    push(
        text,
        format_args!(
            "<rect class=\"state{class}\" x=\"{}\" y=\"{}\" width=\"{w}\" height=\"{h}\" rx=\"9\"/>\
             <text class=\"{}\" x=\"{x}\" y=\"{}\">{}</text>\
             <text class=\"{}\" x=\"{x}\" y=\"{}\">{}</text>\n",
            x - w / 2,
            y - h / 2,
            styled("name"),
            y - 2,
            node.name,
            styled("says"),
            y + LINE + 3,
            node.says
        ),
    );
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancellation::Phase;

    /// Left, top, right, bottom.
    type Rectangle = (i32, i32, i32, i32);

    fn overlap(a: Rectangle, b: Rectangle) -> bool {
        a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
    }

    fn box_of(node: &Node) -> Rectangle {
        let ((x, y), (w, h)) = (node.center, node.size);
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    }

    /// Where a label's lines are, by a wide guess of the letters' widths.
    fn label(route: &Route) -> Rectangle {
        let longest = route.label.iter().map(|line| line.len()).max().unwrap_or(0);
        let width = i32::try_from(longest * 66 / 10).unwrap();
        let lines = i32::try_from(route.label.len()).unwrap();
        let left = if route.centred {
            route.at.0 - width / 2
        } else {
            route.at.0
        };
        let top = route.at.1 - 10;
        (left, top, left + width, route.at.1 + (lines - 1) * LINE + 3)
    }

    fn segments(route: &Route) -> Vec<Rectangle> {
        let pairs = route.points.windows(2);
        pairs
            .map(|pair| {
                let (a, b) = (pair[0], pair[1]);
                let (left, right) = (a.0.min(b.0), a.0.max(b.0));
                (left - 1, a.1.min(b.1) - 1, right + 1, a.1.max(b.1) + 1)
            })
            .collect()
    }

    #[test]
    fn every_arrow_has_its_lane_and_every_lane_its_arrow() {
        let found: BTreeSet<_> = arrows().iter().map(|(from, to, _)| (*from, *to)).collect();
        let laid: BTreeSet<_> = ROUTES.iter().map(|route| (route.from, route.to)).collect();
        assert_eq!(found, laid, "give the new arrow its lane in layout.rs");
        assert_eq!(ROUTES.len(), laid.len());
        let states: BTreeSet<_> = NODES.iter().map(|node| node.name).collect();
        assert_eq!(states, BTreeSet::from(Phase::NAMES));
    }

    #[test]
    fn lanes_begin_and_end_at_their_states_and_turn_squarely() {
        for route in ROUTES {
            let of = |name| box_of(NODES.iter().find(|node| node.name == name).unwrap());
            let touches = |(x, y): (i32, i32), b: Rectangle| {
                (x >= b.0 && x <= b.2 && (y == b.1 || y == b.3))
                    || (y >= b.1 && y <= b.3 && (x == b.0 || x == b.2))
            };
            let (first, last) = (route.points[0], route.points[route.points.len() - 1]);
            assert!(
                touches(first, of(route.from)),
                "{} {}",
                route.from,
                route.to
            );
            assert!(touches(last, of(route.to)), "{} {}", route.from, route.to);
            for pair in route.points.windows(2) {
                let straight = pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1;
                assert!(straight, "{} {}", route.from, route.to);
            }
        }
    }

    #[test]
    fn nothing_lies_on_a_label_and_no_lane_on_a_state() {
        for route in ROUTES {
            let here = label(route);
            let name = format!("{} to {}", route.from, route.to);
            assert!(
                here.0 > 0 && here.1 > 0 && here.2 < SIZE.0 && here.3 < SIZE.1,
                "{name}"
            );
            for node in &NODES {
                assert!(!overlap(here, box_of(node)), "{name} on {}", node.name);
                for segment in segments(route) {
                    let (l, t, r, b) = box_of(node);
                    let inside = (l + 2, t + 2, r - 2, b - 2);
                    assert!(!overlap(segment, inside), "{name} through {}", node.name);
                }
            }
            for other in ROUTES {
                let is_other = (other.from, other.to) != (route.from, route.to);
                let both = format!("{name} and {} to {}", other.from, other.to);
                assert!(!(is_other && overlap(here, label(other))), "labels: {both}");
                for segment in segments(other) {
                    assert!(!overlap(here, segment), "label and lane: {both}");
                }
            }
        }
    }

    /// Two crossings are the fewest that there can be: 17 arrows, and 15 lines at most between seven
    /// points on a page that do not cross.
    #[test]
    fn lanes_cross_twice() {
        let mut crossings = 0;
        for (index, one) in ROUTES.iter().enumerate() {
            for other in ROUTES.iter().skip(index + 1) {
                for a in segments(one) {
                    crossings += segments(other).iter().filter(|b| overlap(a, **b)).count();
                }
            }
        }
        assert_eq!(crossings, 2);
    }

    #[test]
    fn only_what_is_known_gets_into_the_picture() {
        let mark = Mark::of(["precheck", "<script>", "pending"]);
        let drawn = svg(Some(&mark));
        assert!(!drawn.contains("script"), "{drawn}");
        assert_eq!(svg(Some(&Mark::of(["elsewhere"]))), svg(None));
    }
}
