//! What is in an order: drawn from the seed and the order's id, as its scenario needs it.

use rust_decimal::Decimal;

use crate::ledger::AliasRecord;
use crate::scenario::Scenario;
use crate::seeded::Seed;
use crate::world::order::{
    Cancellation, CancellationState, Contents, LineItem, Order, Package, PackageReason,
    PackageState, Requester, Tick,
};

const TITLES: [&str; 8] = [
    "Travel mug, 350 ml",
    "Desk lamp",
    "Wool socks, three pairs",
    "Notebook, dotted",
    "Bicycle bell",
    "Tea towel",
    "Garden gloves",
    "Card game",
];

/// The order as it is at the beginning.
pub(crate) fn order(seed: Seed, id: &str, scenario: Scenario, now: &str) -> Order {
    let line_items = line_items(seed, id, scenario);
    let mut order = Order {
        id: id.to_owned(),
        exists: !matches!(scenario, Scenario::NotFound | Scenario::AppearsLate),
        started: true,
        aliases: vec![AliasRecord {
            alias_id: format!("web-{id}"),
            alias_type: "EXTERNAL_ID".to_owned(),
        }],
        line_items,
        currency: "USD".to_owned(),
        packages: Vec::new(),
        cancellations: Vec::new(),
        refunds: Vec::new(),
        created_at: now.to_owned(),
        updated_at: now.to_owned(),
    };
    if matches!(scenario, Scenario::NoPackagesYet | Scenario::NeverReady) {
        order.started = false;
    } else {
        order.packages = packages(seed, &order, scenario);
    }
    begin(seed, &mut order, scenario, now);
    order
}

fn line_items(seed: Seed, id: &str, scenario: Scenario) -> Vec<LineItem> {
    let at_least = match scenario {
        Scenario::TwoRefunds | Scenario::PartlyShipped | Scenario::Unfulfillable => 2,
        _ => 1,
    };
    let drawn = at_least + seed.below(3, &["lines", id]).min(2);
    let count = if scenario == Scenario::Expensive {
        1
    } else {
        drawn.min(3)
    };
    (0..count)
        .map(|n| {
            let place = n.to_string();
            let draw = |choices, what| seed.below(choices, &["line", id, &place, what]);
            let splits = scenario == Scenario::SplitLine && n == 0;
            let quantity = draw(3, "quantity") + if splits { 2 } else { 1 };
            let unit_cents = 199 + draw(9_800, "price");
            let title = usize::try_from(draw(TITLES.len() as u64, "title")).unwrap_or(0);
            let hex = seed.hex(20, &["line", id, &place, "id"]);
            let (left, right) = hex.split_at(10);
            let mut price = Decimal::from(unit_cents * quantity) / Decimal::ONE_HUNDRED;
            price.rescale(2);
            if scenario == Scenario::Expensive {
                price = Decimal::new(25_000_000, 2);
            }
            LineItem {
                id: format!("{left}-{right}"),
                title: TITLES.get(title).copied().unwrap_or_default().to_owned(),
                quantity: Decimal::from(quantity),
                price,
            }
        })
        .collect()
}

/// The packages as they are when they appear.
pub(crate) fn packages(seed: Seed, order: &Order, scenario: Scenario) -> Vec<Package> {
    let everything = order.everything();
    let parts: Vec<Contents> = match scenario {
        Scenario::SplitLine => split(&everything),
        // One package per line where the scenario tells packages apart, else as the seed says.
        Scenario::PartlyShipped | Scenario::Unfulfillable | Scenario::TwoRefunds => {
            everything.into_iter().map(|part| vec![part]).collect()
        }
        _ if seed.per_mille(500, &["together", &order.id]) => vec![everything],
        _ => everything.into_iter().map(|part| vec![part]).collect(),
    };
    parts
        .into_iter()
        .enumerate()
        .map(|(n, contents)| {
            let on_its_way = match scenario {
                Scenario::Shipped | Scenario::Undeliverable => true,
                Scenario::PartlyShipped => n == 0,
                _ => false,
            };
            Package {
                id: seed.uuid_shaped(&["package", &order.id, &n.to_string()]),
                state: if on_its_way {
                    PackageState::InTransit
                } else {
                    PackageState::Pending
                },
                reason: None,
                contents,
            }
        })
        .collect()
}

/// The first line's quantity over two packages; the rest goes with the first.
fn split(everything: &Contents) -> Vec<Contents> {
    let mut first = everything.clone();
    let Some((line, quantity)) = first.first_mut() else {
        return Vec::new();
    };
    *quantity -= Decimal::ONE;
    let second = vec![(*line, Decimal::ONE)];
    vec![first, second]
}

/// What happened before anybody looked.
fn begin(seed: Seed, order: &mut Order, scenario: Scenario, now: &str) {
    let state = match scenario {
        Scenario::ShopperCancelled => CancellationState::Success,
        Scenario::ShopperPending => CancellationState::Pending,
        _ => return,
    };
    let entry = foreign(seed, &order.id, 0, Requester::Shopper, state, now);
    order.cancellations.push(entry);
    if state == CancellationState::Success {
        for package in &mut order.packages {
            package.state = PackageState::Cancelled;
            package.reason = Some(PackageReason::CustomerRequested);
        }
    }
}

/// A cancellation that somebody else asked for, as the `nth` of the order. Nobody else gives
/// aliases.
pub(crate) fn foreign(
    seed: Seed,
    id: &str,
    nth: usize,
    requested_by: Requester,
    state: CancellationState,
    now: &str,
) -> Cancellation {
    Cancellation {
        id: seed.hex(64, &["cancellation", id, "foreign", &nth.to_string()]),
        state,
        requested_by,
        reason: Some("ITEMS_ARRIVING_LATE".to_owned()),
        comments: None,
        aliases: Vec::new(),
        aliases_from: Tick::ZERO,
        created_at: now.to_owned(),
        updated_at: now.to_owned(),
    }
}

/// An order id of Amazon's form.
pub(crate) fn order_id(seed: Seed, n: u64) -> String {
    let code = seed.code(10, &["order", &n.to_string()]);
    let (left, right) = code.split_at(4.min(code.len()));
    format!("322-{left}-{right}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scenario: Scenario, n: u32) -> Order {
        order(
            Seed::new(1),
            &format!("SIM-{scenario}-{n}"),
            scenario,
            "2026-01-01T00:00:00.000Z",
        )
    }

    #[test]
    fn the_same_seed_and_id_give_the_same_order() {
        let a = format!("{:?}", of(Scenario::Happy, 1));
        assert_eq!(a, format!("{:?}", of(Scenario::Happy, 1)));
        assert_ne!(a, format!("{:?}", of(Scenario::Happy, 2)));
    }

    #[test]
    fn packages_cover_what_was_ordered_exactly() {
        for scenario in Scenario::ALL {
            for n in 0..20 {
                let order = of(*scenario, n);
                if matches!(*scenario, Scenario::NoPackagesYet | Scenario::NeverReady) {
                    assert!(order.packages.is_empty() && !order.started);
                    continue;
                }
                for (line, item) in order.line_items.iter().enumerate() {
                    let covered: Decimal = order
                        .packages
                        .iter()
                        .flat_map(|package| &package.contents)
                        .filter(|(of, _)| *of == line)
                        .map(|(_, quantity)| *quantity)
                        .sum();
                    assert_eq!(covered, item.quantity, "{scenario} {n}");
                }
                for package in &order.packages {
                    assert!(package.contents.iter().all(|(_, q)| *q > Decimal::ZERO));
                }
            }
        }
    }

    #[test]
    fn scenarios_have_the_shape_they_promise() {
        for n in 0..20 {
            assert!(of(Scenario::TwoRefunds, n).line_items.len() >= 2);
            let split = of(Scenario::SplitLine, n);
            assert_eq!(split.packages.len(), 2);
            assert_eq!(split.packages[1].contents[0].0, 0);
            let partly = of(Scenario::PartlyShipped, n);
            assert_eq!(partly.package_summary(), Some(PackageState::Pending));
            assert_eq!(partly.packages[0].state, PackageState::InTransit);
        }
        assert!(!of(Scenario::NotFound, 1).exists);
    }

    #[test]
    fn prices_are_cents_and_parts_add_up() {
        for n in 0..50 {
            let order = of(Scenario::SplitLine, n);
            assert_eq!(order.total().scale(), 2);
            let parts: Decimal = order
                .packages
                .iter()
                .map(|package| order.price_of(&package.contents))
                .sum();
            assert_eq!(parts, order.total());
        }
    }

    #[test]
    fn order_ids_look_like_amazons() {
        let id = order_id(Seed::new(1), 7);
        assert_eq!(id.len(), 15, "{id}");
        assert!(id.starts_with("322-"));
    }
}
