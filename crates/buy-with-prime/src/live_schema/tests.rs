//! Our schema against itself, changed in one place each time.

use super::live::{Field, Input, QUERY, Ref, Schema, Told, Type};
use super::used::used;
use super::{Severity, compare};

fn named(name: &str) -> Ref {
    Ref::Named(name.to_owned())
}

fn required(name: &str) -> Ref {
    Ref::Required(Box::new(named(name)))
}

fn fields<'a>(live: &'a mut Schema, ty: &str) -> &'a mut std::collections::BTreeMap<String, Field> {
    match live.types.get_mut(ty) {
        Some(Type::Fields(fields)) => fields,
        other => panic!("{ty}: {other:?}"),
    }
}

fn inputs<'a>(live: &'a mut Schema, ty: &str) -> &'a mut std::collections::BTreeMap<String, Input> {
    match live.types.get_mut(ty) {
        Some(Type::Input(fields)) => fields,
        other => panic!("{ty}: {other:?}"),
    }
}

fn values<'a>(live: &'a mut Schema, ty: &str) -> &'a mut Vec<String> {
    match live.types.get_mut(ty) {
        Some(Type::Enum(values)) => values,
        other => panic!("{ty}: {other:?}"),
    }
}

/// The differences after a change to our own schema, one a line.
fn after(change: impl FnOnce(&mut Schema)) -> Vec<String> {
    let mut live = used().ours;
    change(&mut live);
    compare::compare(&used(), &live)
        .differences
        .into_iter()
        .map(|difference| {
            let severity = match difference.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            format!("{severity} {}: {}", difference.at, difference.message)
        })
        .collect()
}

#[test]
fn our_schema_is_as_ours() {
    let comparison = compare::compare(&used(), &used().ours);
    assert_eq!(comparison.differences, []);
    assert!(
        comparison.types > 25 && comparison.fields > 60,
        "{comparison:?}"
    );
}

#[test]
fn everything_that_is_sent_and_asked_for_is_found() {
    let used = used();
    assert_eq!(
        used.inputs.keys().collect::<Vec<_>>(),
        [
            "AliasInput",
            "CancelOrderInput",
            "MoneyInput",
            "OrderIdentifierInput",
            "PaymentDetailsInput",
            "RefundDetailsInput",
            "RefundInput",
            "RefundTotalInput",
            "UpdateOrderInput",
        ]
    );
    let cancel = &used.inputs["CancelOrderInput"];
    assert_eq!(cancel.always.iter().collect::<Vec<_>>(), ["aliases"]);
    assert_eq!(cancel.ever.len(), 3);
    assert_eq!(used.values["CancellationReasonInput"].len(), 6);
    // PENDING is never reported.
    assert_eq!(
        used.values["RefundStateInput"].iter().collect::<Vec<_>>(),
        ["FAILURE", "PARTIAL", "REJECTED", "SUCCESS"]
    );
    assert_eq!(used.fields["Mutation"]["cancelOrder"].len(), 2);
    assert!(used.fields["LineItem"].contains_key("cancellations"));
    assert!(!used.fields.contains_key("Contact"));
}

#[test]
fn what_we_do_not_use_may_change() {
    let changed = after(|live| {
        live.types.remove("Contact");
        fields(live, "Order").remove("customer");
        fields(live, "Order").insert(
            "cancellations".to_owned(),
            Field {
                ty: named("Cancellations"),
                arguments: std::collections::BTreeMap::new(),
            },
        );
        values(live, "PaymentMethodTypeInput").clear();
        // Stricter than it was, for what is always there.
        inputs(live, "OrderIdentifierInput")
            .get_mut("orderId")
            .unwrap()
            .ty = required("ID");
        fields(live, "CancellationDetails")
            .get_mut("state")
            .unwrap()
            .ty = required("String");
        // The roots may have other names.
        let query = live.types.remove("Query").unwrap();
        live.types.insert("Root".to_owned(), query);
        live.query = Some("Root".to_owned());
    });
    assert_eq!(changed, Vec::<String>::new());
}

#[test]
fn what_matters_is_an_error() {
    type Change = fn(&mut Schema);
    let table: [(Change, &str); 14] = [
        (
            |live| drop(live.types.remove("Cancellations")),
            "error Cancellations: there is no such type",
        ),
        (
            |live| drop(fields(live, "LineItem").remove("cancellations")),
            "error LineItem.cancellations: there is no such field",
        ),
        (
            |live| drop(fields(live, "Mutation").remove("updateOrder")),
            "error Mutation.updateOrder: there is no such field",
        ),
        (
            |live| live.mutation = None,
            "error Mutation: there is no such type",
        ),
        (
            |live| {
                let cancellations = fields(live, "LineItem").get_mut("cancellations");
                cancellations.unwrap().ty = named("Alias");
            },
            "error LineItem.cancellations: has the type Alias; we read Cancellations",
        ),
        (
            |live| fields(live, "Order").get_mut("lineItems").unwrap().ty = named("LineItem"),
            "error Order.lineItems: has the type LineItem; we read [LineItem]!",
        ),
        (
            |live| fields(live, "Amount").get_mut("value").unwrap().ty = required("String"),
            "error Amount.value: has the type String; we read Decimal",
        ),
        (
            |live| {
                let order = fields(live, "Query").get_mut("order").unwrap();
                order.arguments.clear();
            },
            "error Query.order(orderIdentifier:): there is no such argument",
        ),
        (
            |live| {
                let order = fields(live, "Query").get_mut("order").unwrap();
                order.arguments.get_mut("orderIdentifier").unwrap().ty = required("ID");
            },
            "error Query.order(orderIdentifier:): has the type ID!; we give OrderIdentifierInput!",
        ),
        (
            |live| {
                let input = Input {
                    ty: required("String"),
                    has_default: false,
                };
                let cancel = fields(live, "Mutation").get_mut("cancelOrder").unwrap();
                cancel.arguments.insert("store".to_owned(), input);
            },
            "error Mutation.cancelOrder(store:): is demanded now (String!), and we do not give it",
        ),
        (
            |live| {
                let input = inputs(live, "CancelOrderInput").get_mut("reason").unwrap();
                input.ty = required("CancellationReasonInput");
            },
            "error CancelOrderInput.reason: is demanded now (CancellationReasonInput!), and we do not always send it",
        ),
        (
            |live| drop(inputs(live, "RefundDetailsInput").remove("paymentDetails")),
            "error RefundDetailsInput.paymentDetails: there is no such field",
        ),
        (
            |live| inputs(live, "MoneyInput").get_mut("amount").unwrap().ty = required("String"),
            "error MoneyInput.amount: has the type String!; we send Decimal!",
        ),
        (
            |live| values(live, "RefundStateInput").retain(|value| value != "REJECTED"),
            "error RefundStateInput.REJECTED: there is no such value, and we may send it",
        ),
    ];
    for (change, says) in table {
        assert_eq!(after(change), [says]);
    }
}

#[test]
fn what_may_matter_is_a_warning() {
    let changed = after(|live| {
        values(live, "CancellationReasonInput").push("FRAUD".to_owned());
        live.types.insert(
            "CancellationState".to_owned(),
            Type::Enum(vec!["PENDING".to_owned(), "PAUSED".to_owned()]),
        );
        live.types.insert("DateTime".to_owned(), Type::Scalar);
        let details = fields(live, "CancellationDetails");
        details.get_mut("state").unwrap().ty = named("CancellationState");
        details.get_mut("createdAt").unwrap().ty = named("DateTime");
        fields(live, "LineItem").get_mut("id").unwrap().ty = named("ID");
    });
    assert_eq!(
        changed,
        [
            "warning CancellationDetails.createdAt: has the type DateTime, which says nothing about its form; we read String",
            "warning CancellationDetails.state: may be PAUSED, which this version does not know",
            "warning CancellationReasonInput.FRAUD: is a value that this version does not know, and never sends",
            "warning LineItem.id: may be null now (ID); an answer with null there is not read",
        ]
    );
}

#[test]
fn the_question_is_sound_and_its_answer_is_read() {
    let document = cynic_parser::parse_executable_document(QUERY).unwrap();
    assert_eq!(document.operations().count(), 1);
    let told: Told = serde_json::from_str(
        r#"{"__schema":{"queryType":{"name":"Q"},"mutationType":null,"types":[
            {"kind":"OBJECT","name":"Q","fields":[{"name":"a","args":[{"name":"b","defaultValue":"1",
              "type":{"kind":"NON_NULL","name":null,"ofType":{"kind":"SCALAR","name":"Int"}}}],
              "type":{"kind":"NON_NULL","ofType":{"kind":"LIST","ofType":{"kind":"NON_NULL","ofType":
                {"kind":"OBJECT","name":"Q"}}}}}],"inputFields":null,"enumValues":null},
            {"kind":"SPACE","name":"S"}]}}"#,
    )
    .unwrap();
    let schema = Schema::from(told.schema.unwrap());
    let Some(Type::Fields(fields)) = schema.types.get("Q") else {
        panic!("{schema:?}");
    };
    assert_eq!(fields["a"].ty.to_string(), "[Q!]!");
    assert!(!fields["a"].arguments["b"].is_demanded());
    assert!(matches!(schema.types["S"], Type::Other));
}
