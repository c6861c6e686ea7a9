//! The schema that is executed is the reconstructed one, member by member.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition,
};

use crate::chaos::Chaos;
use crate::options::Credentials;
use crate::pace::Pace;
use crate::scenario::Mix;
use crate::seeded::Seed;
use crate::world::{Laws, World};

const REFERENCE: &str = include_str!("../../../buy-with-prime/schema/buy-with-prime.graphql");

fn argument(definition: &InputValueDefinition) -> String {
    format!("{}: {}", definition.name.node, definition.ty.node)
}

fn field(definition: &FieldDefinition) -> String {
    let mut arguments: Vec<String> = definition
        .arguments
        .iter()
        .map(|given| argument(&given.node))
        .collect();
    arguments.sort();
    let arguments = arguments.join(", ");
    format!(
        "{}({arguments}): {}",
        definition.name.node, definition.ty.node
    )
}

/// Every type with its members, one text each.
fn members(sdl: &str) -> BTreeMap<String, Vec<String>> {
    let mut types = BTreeMap::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let definition = definition.node;
        let mut members: Vec<String> = match definition.kind {
            TypeKind::Scalar => vec!["scalar".to_owned()],
            TypeKind::Object(object) => object
                .fields
                .iter()
                .map(|given| field(&given.node))
                .chain(
                    object
                        .implements
                        .iter()
                        .map(|name| format!("implements {}", name.node)),
                )
                .collect(),
            TypeKind::Interface(interface) => interface
                .fields
                .iter()
                .map(|given| field(&given.node))
                .collect(),
            TypeKind::InputObject(input) => input
                .fields
                .iter()
                .map(|given| argument(&given.node))
                .collect(),
            TypeKind::Enum(values) => values
                .values
                .iter()
                .map(|value| value.node.value.node.to_string())
                .collect(),
            TypeKind::Union(_) => panic!("the reference has no unions"),
        };
        members.sort();
        types.insert(definition.name.node.to_string(), members);
    }
    types
}

#[tokio::test]
async fn the_schema_is_the_reference_member_by_member() {
    let world = World::new(Laws {
        seed: Seed::new(1),
        chaos: Chaos::None,
        pace: Pace::quick(),
        credentials: Credentials::default(),
        mix: Mix::default(),
    });
    let ours = members(&super::api(Arc::new(world)).sdl());
    let mut reference = members(REFERENCE);
    // Sets for client code, by their own words not in the API.
    reference.retain(|name, _| !name.starts_with("Client"));
    assert!(reference.len() > 60, "{}", reference.len());
    for (name, members) in &reference {
        assert_eq!(ours.get(name), Some(members), "type {name}");
    }
    let more: Vec<&String> = ours
        .keys()
        .filter(|name| !reference.contains_key(*name))
        .collect();
    assert!(
        more.is_empty(),
        "types that the reference does not have: {more:?}"
    );
}
