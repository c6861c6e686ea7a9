//! The schema as an endpoint tells it (introspection, as the GraphQL specification has it).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Types within types are followed so deep: `[[X!]!]!` takes six.
pub(super) const QUERY: &str = "query Introspection { __schema { queryType { name } mutationType { name } types { \
    kind name \
    fields(includeDeprecated: true) { name args { name defaultValue type { ...Type } } type { ...Type } } \
    inputFields { name defaultValue type { ...Type } } \
    enumValues(includeDeprecated: true) { name } } } } \
    fragment Type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name } } } } } } }";

#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(rename = "__schema")]
    pub(super) schema: Option<ToldSchema>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToldSchema {
    query_type: Option<Named>,
    mutation_type: Option<Named>,
    types: Vec<ToldType>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldType {
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    fields: Option<Vec<ToldField>>,
    #[serde(default)]
    input_fields: Option<Vec<ToldInput>>,
    #[serde(default)]
    enum_values: Option<Vec<Named>>,
}

#[derive(Debug, Deserialize)]
struct ToldField {
    name: String,
    #[serde(default)]
    args: Vec<ToldInput>,
    #[serde(rename = "type")]
    ty: ToldRef,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldInput {
    name: String,
    #[serde(default)]
    default_value: Option<String>,
    #[serde(rename = "type")]
    ty: ToldRef,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldRef {
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    of_type: Option<Box<ToldRef>>,
}

/// A type where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ref {
    Named(String),
    List(Box<Ref>),
    Required(Box<Ref>),
}

impl Ref {
    /// Without the outermost `!`.
    pub(super) fn bare(&self) -> &Self {
        match self {
            Self::Required(inner) => inner,
            other => other,
        }
    }

    pub(super) fn is_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }

    /// The named type inside.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(inner) | Self::Required(inner) => inner.name(),
        }
    }
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(&crate::cap::cap(name)),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::Required(inner) => write!(f, "{inner}!"),
        }
    }
}

impl From<ToldRef> for Ref {
    fn from(told: ToldRef) -> Self {
        match (told.kind.as_str(), told.of_type) {
            ("NON_NULL", Some(inner)) => Self::Required(Box::new(Self::from(*inner))),
            ("LIST", Some(inner)) => Self::List(Box::new(Self::from(*inner))),
            _ => Self::Named(told.name.unwrap_or_default()),
        }
    }
}

/// An argument, or a field of an input.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) ty: Ref,
    pub(super) has_default: bool,
}

impl Input {
    /// Must it be given?
    pub(super) fn is_demanded(&self) -> bool {
        self.ty.is_required() && !self.has_default
    }
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) ty: Ref,
    pub(super) arguments: BTreeMap<String, Input>,
}

#[derive(Debug)]
pub(super) enum Type {
    /// An object or an interface.
    Fields(BTreeMap<String, Field>),
    Input(BTreeMap<String, Input>),
    Enum(Vec<String>),
    Scalar,
    /// A union, or a kind that is not known.
    Other,
}

#[derive(Debug)]
pub(super) struct Schema {
    pub(super) query: Option<String>,
    pub(super) mutation: Option<String>,
    pub(super) types: BTreeMap<String, Type>,
}

fn inputs(told: Vec<ToldInput>) -> BTreeMap<String, Input> {
    let input = |told: ToldInput| {
        let input = Input {
            ty: told.ty.into(),
            has_default: told.default_value.is_some(),
        };
        (told.name, input)
    };
    told.into_iter().map(input).collect()
}

impl From<ToldSchema> for Schema {
    fn from(told: ToldSchema) -> Self {
        let types = told.types.into_iter().filter_map(|told| {
            let ty = match told.kind.as_str() {
                "OBJECT" | "INTERFACE" => {
                    let fields = told.fields.unwrap_or_default().into_iter().map(|told| {
                        let field = Field {
                            ty: told.ty.into(),
                            arguments: inputs(told.args),
                        };
                        (told.name, field)
                    });
                    Type::Fields(fields.collect())
                }
                "INPUT_OBJECT" => Type::Input(inputs(told.input_fields.unwrap_or_default())),
                "ENUM" => {
                    let values = told.enum_values.unwrap_or_default();
                    Type::Enum(values.into_iter().map(|value| value.name).collect())
                }
                "SCALAR" => Type::Scalar,
                _ => Type::Other,
            };
            Some((told.name?, ty))
        });
        Self {
            query: told.query_type.map(|named| named.name),
            mutation: told.mutation_type.map(|named| named.name),
            types: types.collect(),
        }
    }
}
