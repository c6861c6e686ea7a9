//! Where everything stands in the drawing: coordinates by hand, for arrows that are found.
//!
//! States stand in columns from left to right; arrows run in lanes, turn at right angles and have
//! their label beside the lane. Seven states with these arrows cannot be drawn without a crossing:
//! two are left, where lanes pass each other squarely.

/// The whole drawing, in pixels.
pub(super) const SIZE: (i32, i32) = (1480, 600);
/// Where it begins, and where it ends.
pub(super) const BEGIN: (i32, i32) = (36, 300);
pub(super) const END: (i32, i32) = (1446, 300);

/// A state's box.
pub(super) struct Node {
    pub(super) name: &'static str,
    /// What it is, in a few words.
    pub(super) says: &'static str,
    pub(super) center: (i32, i32),
    pub(super) size: (i32, i32),
}

const fn node(
    name: &'static str,
    says: &'static str,
    center: (i32, i32),
    size: (i32, i32),
) -> Node {
    Node {
        name,
        says,
        center,
        size,
    }
}

/// The seven states.
pub(super) const NODES: [Node; 7] = [
    node("precheck", "still possible?", (150, 300), (140, 64)),
    node("requested", "Amazon is asked", (400, 300), (140, 64)),
    node("pending", "Amazon decides", (650, 300), (140, 64)),
    node("success", "it is cancelled", (900, 150), (150, 96)),
    node("rejected", "it is not cancelled", (900, 450), (150, 96)),
    node("refund", "money goes back", (1110, 300), (130, 64)),
    node("oms_updated", "done, all are told", (1340, 300), (130, 64)),
];

/// A shaded area around some states.
pub(super) struct Area {
    pub(super) label: &'static str,
    pub(super) corner: (i32, i32),
    pub(super) size: (i32, i32),
}

/// The two phases that have more than one state.
pub(super) const AREAS: [Area; 2] = [
    Area {
        label: "in progress",
        corner: (62, 242),
        size: (680, 122),
    },
    Area {
        label: "decided",
        corner: (808, 86),
        size: (384, 428),
    },
];

/// The way of an arrow and its label.
pub(super) struct Route {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) points: &'static [(i32, i32)],
    /// One line or two; each is centred where it has no lane to begin on.
    pub(super) label: &'static [&'static str],
    /// The beginning of the label's base line; its middle where `centred`.
    pub(super) at: (i32, i32),
    pub(super) centred: bool,
}

const fn lane(
    from: &'static str,
    to: &'static str,
    points: &'static [(i32, i32)],
    label: &'static [&'static str],
    at: (i32, i32),
) -> Route {
    Route {
        from,
        to,
        points,
        label,
        at,
        centred: false,
    }
}

const fn link(
    from: &'static str,
    to: &'static str,
    points: &'static [(i32, i32)],
    label: &'static [&'static str],
    at: (i32, i32),
) -> Route {
    Route {
        centred: true,
        ..lane(from, to, points, label, at)
    }
}

/// Every arrow that there is.
pub(super) const ROUTES: &[Route] = &[
    link(
        "precheck",
        "requested",
        &[(220, 300), (330, 300)],
        &["every package", "is PENDING"],
        (272, 278),
    ),
    lane(
        "precheck",
        "pending",
        &[(175, 268), (175, 222), (620, 222), (620, 268)],
        &["a cancellation is there already"],
        (189, 215),
    ),
    lane(
        "precheck",
        "success",
        &[(130, 268), (130, 126), (825, 126)],
        &["cancelled already"],
        (144, 119),
    ),
    lane(
        "precheck",
        "rejected",
        &[(130, 332), (130, 474), (825, 474)],
        &["too late, or withdrawn"],
        (144, 467),
    ),
    lane(
        "precheck",
        "refund",
        &[(105, 268), (105, 56), (1135, 56), (1135, 268)],
        &["only watched: a refund is asked for"],
        (119, 49),
    ),
    lane(
        "precheck",
        "oms_updated",
        &[(105, 332), (105, 546), (1360, 546), (1360, 332)],
        &["only watched: nothing came of it"],
        (119, 539),
    ),
    link(
        "requested",
        "pending",
        &[(470, 300), (580, 300)],
        &["Amazon", "accepts"],
        (522, 278),
    ),
    lane(
        "requested",
        "success",
        &[(400, 268), (400, 150), (825, 150)],
        &["cancelled at once, or by somebody else"],
        (414, 143),
    ),
    lane(
        "requested",
        "rejected",
        &[(400, 332), (400, 450), (825, 450)],
        &["refused, too late, or withdrawn"],
        (414, 443),
    ),
    lane(
        "pending",
        "success",
        &[(660, 268), (660, 174), (825, 174)],
        &["Amazon cancels it"],
        (674, 167),
    ),
    lane(
        "pending",
        "rejected",
        &[(650, 332), (650, 426), (825, 426)],
        &["Amazon cannot"],
        (664, 419),
    ),
    lane(
        "success",
        "refund",
        &[(975, 174), (1085, 174), (1085, 268)],
        &["a payout begins"],
        (981, 167),
    ),
    lane(
        "success",
        "oms_updated",
        &[(975, 126), (1340, 126), (1340, 268)],
        &["nothing to refund"],
        (981, 119),
    ),
    lane(
        "rejected",
        "success",
        &[(900, 402), (900, 198)],
        &["cancelled", "after all"],
        (910, 296),
    ),
    lane(
        "rejected",
        "refund",
        &[(975, 426), (1085, 426), (1085, 332)],
        &["a payout begins"],
        (981, 419),
    ),
    lane(
        "rejected",
        "oms_updated",
        &[(975, 474), (1320, 474), (1320, 332)],
        &["nothing is owed, all are told"],
        (981, 467),
    ),
    link(
        "refund",
        "oms_updated",
        &[(1175, 300), (1275, 300)],
        &["refunds", "are settled"],
        (1229, 278),
    ),
];
