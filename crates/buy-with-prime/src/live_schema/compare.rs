//! The differences between two schemas that matter to us.

use std::collections::BTreeMap;

use super::live::{Field, Input, Ref, Schema, Type};
use super::used::{Given, Sent, Used};
use super::{Comparison, Difference, Severity};
use crate::cap::cap;

/// Fields that the API constrains to values which our schema file lists under these names.
const CONSTRAINED: [(&str, &str, &str); 6] = [
    (
        "CancellationDetails",
        "requestedBy",
        "ClientCancellationRequestedBy",
    ),
    ("CancellationDetails", "state", "ClientCancellationState"),
    (
        "CancellationRequestDetails",
        "state",
        "ClientCancellationState",
    ),
    (
        "PackageInformationDetails",
        "reason",
        "ClientPackageCancelReason",
    ),
    ("PackageInformationDetails", "state", "ClientPackageState"),
    ("RefundDetails", "state", "ClientRefundState"),
];

/// Read alike, whether one comes or a list (a list of one is what one is).
const ONE_OR_MANY: [(&str, &str); 2] = [("Order", "refunds"), ("Refunds", "details")];

pub(super) fn compare(used: &Used, live: &Schema) -> Comparison {
    let mut compared = Compared {
        used,
        live,
        types: 0,
        fields: 0,
        differences: Vec::new(),
    };
    for (name, fields) in &used.fields {
        compared.object(name, fields);
    }
    for (name, sent) in &used.inputs {
        compared.input(name, sent);
    }
    compared.values();
    let mut differences = compared.differences;
    differences.sort();
    differences.dedup();
    Comparison {
        types: compared.types,
        fields: compared.fields,
        differences,
    }
}

struct Compared<'a> {
    used: &'a Used,
    live: &'a Schema,
    types: usize,
    fields: usize,
    differences: Vec<Difference>,
}

impl Compared<'_> {
    fn note(&mut self, severity: Severity, at: impl Into<String>, message: impl Into<String>) {
        self.differences.push(Difference {
            severity,
            at: at.into(),
            message: message.into(),
        });
    }

    fn error(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.note(Severity::Error, at, message);
    }

    /// The roots may have other names.
    fn live_name<'a>(&'a self, ours: &'a str) -> Option<&'a str> {
        if Some(ours) == self.used.ours.query.as_deref() {
            self.live.query.as_deref()
        } else if Some(ours) == self.used.ours.mutation.as_deref() {
            self.live.mutation.as_deref()
        } else {
            Some(ours)
        }
    }

    fn object(&mut self, name: &str, fields: &BTreeMap<String, Given>) {
        let live = self
            .live_name(name)
            .and_then(|name| self.live.types.get(name));
        let Some(Type::Fields(live)) = live else {
            let what = match live {
                None => "there is no such type",
                Some(_) => "is no object any more",
            };
            return self.error(name, what);
        };
        self.types += 1;
        let Some(Type::Fields(ours)) = self.used.ours.types.get(name) else {
            return;
        };
        for (field, given) in fields {
            self.fields += 1;
            match (ours.get(field), live.get(field)) {
                (Some(ours), Some(live)) => self.field(name, field, given, ours, live),
                (Some(_), None) => {
                    self.error(format!("{name}.{field}"), "there is no such field");
                }
                (None, _) => {}
            }
        }
    }

    fn field(&mut self, parent: &str, name: &str, given: &Given, ours: &Field, live: &Field) {
        let at = format!("{parent}.{name}");
        let mut live_type = &live.ty;
        let mut our_type = &ours.ty;
        if ONE_OR_MANY.contains(&(parent, name)) {
            (our_type, live_type) = (item(our_type), item(live_type));
        }
        self.output(&at, our_type, live_type);
        if let Some((_, _, values)) = CONSTRAINED
            .iter()
            .find(|(ty, field, _)| (*ty, *field) == (parent, name))
        {
            self.known_values(&at, values, live.ty.name());
        }
        for (argument, ours) in given {
            let at = format!("{at}({argument}:)");
            self.fields += 1;
            match live.arguments.get(argument) {
                None => self.error(at, "there is no such argument"),
                Some(live) if accepts(live, ours) => {}
                Some(live) => {
                    let message = format!("has the type {}; we give {ours}", live.ty);
                    self.error(at, message);
                }
            }
        }
        for (argument, live) in &live.arguments {
            if live.is_demanded() && !given.contains_key(argument) {
                let at = format!("{at}({}:)", cap(argument));
                self.error(
                    at,
                    format!("is demanded now ({}), and we do not give it", live.ty),
                );
            }
        }
    }

    /// What we read.
    fn output(&mut self, at: &str, ours: &Ref, live: &Ref) {
        let shape = (ours.bare(), live.bare());
        match shape {
            (Ref::List(our_item), Ref::List(live_item)) => self.output(at, our_item, live_item),
            (Ref::Named(our_name), Ref::Named(live_name)) => {
                self.named(at, our_name, live_name);
            }
            _ => {
                let message = format!("has the type {live}; we read {ours}");
                return self.error(at, message);
            }
        }
        if ours.is_required() && !live.is_required() {
            let message =
                format!("may be null now ({live}); an answer with null there is not read");
            self.note(Severity::Warning, at, message);
        }
    }

    fn named(&mut self, at: &str, ours: &str, live: &str) {
        if ours == live {
            return;
        }
        let is_object = |schema: &Schema, name: &str| {
            matches!(
                schema.types.get(name),
                Some(Type::Fields(_) | Type::Other | Type::Input(_))
            )
        };
        if is_object(&self.used.ours, ours) || is_object(self.live, live) {
            let message = format!("has the type {}; we read {ours}", cap(live));
            return self.error(at, message);
        }
        match (json(&self.used.ours, ours), json(self.live, live)) {
            (Some(ours), Some(live)) if ours == live => {}
            (Some(_), Some(_)) => {
                let message = format!("has the type {}; we read {ours}", cap(live));
                self.error(at, message);
            }
            _ => {
                let message = format!(
                    "has the type {}, which says nothing about its form; we read {ours}",
                    cap(live)
                );
                self.note(Severity::Warning, at, message);
            }
        }
    }

    /// Values that may come, against those that we know.
    fn known_values(&mut self, at: &str, ours: &str, live: &str) {
        let (Some(Type::Enum(known)), Some(Type::Enum(values))) =
            (self.used.ours.types.get(ours), self.live.types.get(live))
        else {
            return;
        };
        let strange: Vec<_> = values
            .iter()
            .filter(|value| !known.contains(value))
            .collect();
        for value in strange {
            let message = format!("may be {}, which this version does not know", cap(value));
            self.note(Severity::Warning, at, message);
        }
    }

    /// What we send.
    fn input(&mut self, name: &str, sent: &Sent) {
        let live = match self.live.types.get(name) {
            Some(Type::Input(live)) => live,
            Some(_) => return self.error(name, "is no input any more"),
            None => return self.error(name, "there is no such type"),
        };
        self.types += 1;
        let Some(Type::Input(ours)) = self.used.ours.types.get(name) else {
            return;
        };
        for field in &sent.ever {
            self.fields += 1;
            let at = format!("{name}.{field}");
            let Some(live) = live.get(field) else {
                self.error(at, "there is no such field");
                continue;
            };
            let Some(ours) = ours.get(field) else {
                continue;
            };
            if !self.may_hold(&live.ty, &ours.ty) {
                let message = format!("has the type {}; we send {}", live.ty, ours.ty);
                self.error(at, message);
            }
        }
        for (field, live) in live {
            if live.is_demanded() && !sent.always.contains(field) {
                let at = format!("{name}.{}", cap(field));
                let when = if sent.ever.contains(field) {
                    "do not always send it"
                } else {
                    "do not send it"
                };
                self.error(at, format!("is demanded now ({}), and we {when}", live.ty));
            }
        }
    }

    /// May a value of our type stand where the live schema wants one of its own? Whether it is there
    /// at all is judged apart.
    fn may_hold(&self, live: &Ref, ours: &Ref) -> bool {
        match (live.bare(), ours.bare()) {
            (Ref::List(live), Ref::List(ours)) => self.may_hold(live, ours),
            // One stands for a list of one.
            (Ref::List(live), ours) => self.may_hold(live, ours),
            (Ref::Named(live), Ref::Named(ours)) => {
                live == ours
                    || match (json(self.live, live), json(&self.used.ours, ours)) {
                        (Some(live), Some(ours)) => live == ours,
                        // A scalar of theirs: nothing says that it does not fit.
                        (None, _) => matches!(self.live.types.get(live), Some(Type::Scalar)),
                        (Some(_), None) => false,
                    }
            }
            _ => false,
        }
    }

    /// Values that we send, against those that are known there.
    fn values(&mut self) {
        for (name, sent) in &self.used.values {
            let Some(Type::Enum(live)) = self.live.types.get(name) else {
                continue;
            };
            self.types += 1;
            for value in sent.iter().filter(|value| !live.contains(value)) {
                self.differences.push(Difference {
                    severity: Severity::Error,
                    at: format!("{name}.{value}"),
                    message: "there is no such value, and we may send it".to_owned(),
                });
            }
            let Some(Type::Enum(ours)) = self.used.ours.types.get(name) else {
                continue;
            };
            for value in live.iter().filter(|value| !ours.contains(value)) {
                self.differences.push(Difference {
                    severity: Severity::Warning,
                    at: format!("{name}.{}", cap(value)),
                    message: "is a value that this version does not know, and never sends"
                        .to_owned(),
                });
            }
        }
    }
}

/// Without a list around it.
fn item(ty: &Ref) -> &Ref {
    match ty.bare() {
        Ref::List(item) => item,
        _ => ty,
    }
}

/// Does an argument take a variable of this type (the specification's "are types compatible")?
fn accepts(live: &Input, ours: &Ref) -> bool {
    fn fits(live: &Ref, ours: &Ref) -> bool {
        match (live, ours) {
            (Ref::Required(live), Ref::Required(ours)) | (Ref::List(live), Ref::List(ours)) => {
                fits(live, ours)
            }
            (Ref::Required(_), _) => false,
            (live, Ref::Required(ours)) => fits(live, ours),
            (Ref::Named(live), Ref::Named(ours)) => live == ours,
            _ => false,
        }
    }
    let wanted = if live.has_default {
        live.ty.bare()
    } else {
        &live.ty
    };
    fits(wanted, ours)
}

/// How a leaf looks in JSON, where its type says so.
fn json(schema: &Schema, name: &str) -> Option<&'static str> {
    match (name, schema.types.get(name)) {
        ("String" | "ID", _) | (_, Some(Type::Enum(_))) => Some("a string"),
        ("Int" | "Float" | "Decimal", _) => Some("a number"),
        ("Boolean", _) => Some("a boolean"),
        _ => None,
    }
}
