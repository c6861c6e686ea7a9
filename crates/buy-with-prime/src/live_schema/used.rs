//! What our operations use of our schema file: found by reading the documents and variables that the
//! client really sends.

use std::collections::{BTreeMap, BTreeSet};

use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
use countermand_core::cancellation::order::{Alias, RefundState, ReportedPayment};
use countermand_core::cancellation::request::CancellationReason;
use countermand_core::{Money, OrderId, PaymentId, RefundId, TargetId};
use cynic_parser::common::{OperationType, WrappingType};
use cynic_parser::executable::{OperationDefinition, Selection};
use cynic_parser::type_system::{
    Definition, FieldDefinition, InputValueDefinition, TypeDefinition,
};
use serde::Serialize;
use serde_json::Value;

use super::live::{Field, Input, Ref, Schema, Type};
use crate::client::{cancel_operation, read_operation, report_operation};

const OURS: &str = include_str!("../../schema/buy-with-prime.graphql");

/// Of an input type.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Fields that stand in every object of this type that we send.
    pub(super) always: BTreeSet<String>,
    /// Fields that stand in any.
    pub(super) ever: BTreeSet<String>,
}

/// The arguments that we give to a field, with the types of the variables in them.
pub(super) type Given = BTreeMap<String, Ref>;

#[derive(Debug)]
pub(super) struct Used {
    pub(super) ours: Schema,
    /// Fields that we ask for, by the type that has them.
    pub(super) fields: BTreeMap<String, BTreeMap<String, Given>>,
    /// Inputs that we send, by their type.
    pub(super) inputs: BTreeMap<String, Sent>,
    /// Values of enums that we send.
    pub(super) values: BTreeMap<String, BTreeSet<String>>,
}

/// Everything that the client's operations use.
pub(super) fn used() -> Used {
    let mut used = Used {
        ours: ours(),
        fields: BTreeMap::new(),
        inputs: BTreeMap::new(),
        values: BTreeMap::new(),
    };
    for (document, variables) in exemplars() {
        used.add(&document, &variables);
    }
    used
}

impl Used {
    fn add(&mut self, document: &str, variables: &Value) {
        let document = cynic_parser::parse_executable_document(document)
            .expect("our documents are made from types that were checked against the schema");
        for operation in document.operations() {
            let root = match operation.operation_type() {
                OperationType::Query => self.ours.query.clone(),
                OperationType::Mutation => self.ours.mutation.clone(),
                OperationType::Subscription => None,
            };
            let Some(root) = root else { continue };
            for selection in operation.selection_set() {
                self.select(&root, selection, operation);
            }
            for variable in operation.variable_definitions() {
                let ty = reference(variable.ty().name(), variable.ty().wrappers().rev());
                if let Some(value) = variables.get(variable.name()) {
                    self.send(ty.name(), value);
                }
            }
        }
    }

    fn select(
        &mut self,
        parent: &str,
        selection: Selection<'_>,
        operation: OperationDefinition<'_>,
    ) {
        let Some(field) = selection.as_field() else {
            return;
        };
        let given = self.fields.entry(parent.to_owned()).or_default();
        let given = given.entry(field.name().to_owned()).or_default();
        for argument in field.arguments() {
            let value = argument.value();
            let variable = value.as_variable().and_then(|name| {
                operation
                    .variable_definitions()
                    .find(|variable| variable.name() == name)
            });
            if let Some(variable) = variable {
                let ty = reference(variable.ty().name(), variable.ty().wrappers().rev());
                given.insert(argument.name().to_owned(), ty);
            }
        }
        let Some(Type::Fields(fields)) = self.ours.types.get(parent) else {
            return;
        };
        let Some(ty) = fields.get(field.name()) else {
            return;
        };
        let inner = ty.ty.name().to_owned();
        for selection in field.selection_set() {
            self.select(&inner, selection, operation);
        }
    }

    fn send(&mut self, ty: &str, value: &Value) {
        match (value, self.ours.types.get(ty)) {
            (Value::Array(items), _) => {
                for item in items {
                    self.send(ty, item);
                }
            }
            (Value::Object(members), Some(Type::Input(inputs))) => {
                let inner: Vec<_> = members
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .filter_map(|(name, value)| {
                        let input = inputs.get(name)?;
                        Some((name.clone(), input.ty.name().to_owned(), value))
                    })
                    .collect();
                let names: BTreeSet<String> =
                    inner.iter().map(|(name, _, _)| name.clone()).collect();
                if let Some(sent) = self.inputs.get_mut(ty) {
                    sent.always.retain(|name| names.contains(name));
                    sent.ever.extend(names);
                } else {
                    let sent = Sent {
                        always: names.clone(),
                        ever: names,
                    };
                    self.inputs.insert(ty.to_owned(), sent);
                }
                for (_, ty, value) in inner {
                    self.send(&ty, value);
                }
            }
            (Value::String(value), Some(Type::Enum(_))) => {
                let values = self.values.entry(ty.to_owned()).or_default();
                values.insert(value.clone());
            }
            _ => {}
        }
    }
}

fn reference(name: &str, wrappers: impl Iterator<Item = WrappingType>) -> Ref {
    wrappers.fold(
        Ref::Named(name.to_owned()),
        |inner, wrapper| match wrapper {
            WrappingType::NonNull => Ref::Required(Box::new(inner)),
            WrappingType::List => Ref::List(Box::new(inner)),
        },
    )
}

/// Our schema file.
fn ours() -> Schema {
    let document = cynic_parser::parse_type_system_document(OURS)
        .expect("the schema file was read at build time");
    let mut schema = Schema {
        query: None,
        mutation: None,
        types: BTreeMap::new(),
    };
    for definition in document.definitions() {
        match definition {
            Definition::Schema(roots) => {
                let named = |root: cynic_parser::type_system::RootOperationTypeDefinition<'_>| {
                    root.named_type().to_owned()
                };
                schema.query = roots.root_query_definition().map(named);
                schema.mutation = roots.root_mutation_definition().map(named);
            }
            Definition::Type(ty) => {
                schema.types.insert(ty.name().to_owned(), type_of(ty));
            }
            _ => {}
        }
    }
    schema
}

fn type_of(ty: TypeDefinition<'_>) -> Type {
    match ty {
        TypeDefinition::Scalar(_) => Type::Scalar,
        TypeDefinition::Object(object) => Type::Fields(object.fields().map(field).collect()),
        TypeDefinition::Interface(interface) => {
            Type::Fields(interface.fields().map(field).collect())
        }
        TypeDefinition::Enum(values) => Type::Enum(
            values
                .values()
                .map(|value| value.value().to_owned())
                .collect(),
        ),
        TypeDefinition::InputObject(object) => Type::Input(object.fields().map(input).collect()),
        TypeDefinition::Union(_) => Type::Other,
    }
}

fn field(field: FieldDefinition<'_>) -> (String, Field) {
    let ty = reference(field.ty().name(), field.ty().wrappers().rev());
    let arguments = field.arguments().map(input).collect();
    (field.name().to_owned(), Field { ty, arguments })
}

fn input(input: InputValueDefinition<'_>) -> (String, Input) {
    let ty = reference(input.ty().name(), input.ty().wrappers().rev());
    let has_default = input.default_value().is_some();
    (input.name().to_owned(), Input { ty, has_default })
}

/// Every document that the client sends, with the least and the most that its variables can hold.
fn exemplars() -> Vec<(String, Value)> {
    const SOUND: &str = "the exemplars are sound";
    let order_id = OrderId::new("322-A").expect(SOUND);
    let target_id = TargetId::new("bp-1").expect(SOUND);
    let mut all = vec![exemplar(&read_operation(&order_id))];
    let reasons = CancellationReason::ALL.map(Some);
    for reason in [None].into_iter().chain(reasons) {
        let call = CancelOrder {
            attempt: 1,
            doubted: false,
            target_id: target_id.clone(),
            order_id: order_id.clone(),
            alias: Alias {
                alias_id: "a".to_owned(),
                alias_type: "EXT_CANCEL_ID".to_owned(),
            },
            reason,
            additional_comments: reason.map(|_| "c".to_owned()),
        };
        all.push(exemplar(&cancel_operation(&call)));
    }
    let money = Money::parse("1.00", "USD").expect(SOUND);
    let payment = |amount| ReportedPayment {
        id: PaymentId::new("p").expect(SOUND),
        amount,
    };
    let payments = [payment(None), payment(Some(money))];
    for state in [
        RefundState::Partial,
        RefundState::Failure,
        RefundState::Success,
        RefundState::Rejected,
    ] {
        let call = ReportRefund {
            attempt: 1,
            doubted: false,
            target_id: target_id.clone(),
            order_id: order_id.clone(),
            refund_id: RefundId::new("r").expect(SOUND),
            state,
            total: money,
            payments: Vec::new(),
        };
        for payments in [&[][..], &payments] {
            all.push(exemplar(&report_operation(&call, payments).expect(SOUND)));
        }
    }
    all
}

fn exemplar<F, V: Serialize>(operation: &cynic::Operation<F, V>) -> (String, Value) {
    // By way of text: amounts are written as the numbers that they are on the wire.
    let text = serde_json::to_string(&operation.variables)
        .expect("text and numbers can always be written");
    let variables = serde_json::from_str(&text).expect("what was written can be read");
    (operation.query.clone(), variables)
}
