//! Reading GraphQL answers: the envelope strictly, the errors leniently (reference 2.3).

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cap::cap;

/// The most errors of one answer that are looked at.
const FAULTS_MAX: usize = 32;

/// A GraphQL answer. `data` is kept as text: it must not pass through a form that holds numbers as
/// binary floats.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    data: Option<&'a RawValue>,
    /// The errors; none when all went well.
    pub(crate) faults: Vec<Fault>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads the envelope.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, String> {
        let envelope: Envelope<'a> = serde_json::from_slice(body).map_err(|error| {
            let length = body.len();
            format!(
                "an answer of {length} bytes that is no GraphQL answer: {}",
                position(&error)
            )
        })?;
        let faults = envelope.errors.map_or_else(Vec::new, faults);
        if envelope.data.is_none() && faults.is_empty() {
            return Err("an answer with neither data nor errors".to_owned());
        }
        Ok(Self {
            data: envelope.data,
            faults,
        })
    }

    /// The data.
    pub(crate) fn data<T: Deserialize<'a>>(&self) -> Result<T, String> {
        let text = self.data.ok_or("an answer without data")?.get();
        serde_json::from_str(text)
            .map_err(|error| format!("data that are not as the schema says: {}", position(&error)))
    }

    /// Do the data hold anything, so that the errors may stand beside an effect?
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some_and(|data| {
            let fields: Result<std::collections::BTreeMap<String, Option<&RawValue>>, _> =
                serde_json::from_str(data.get());
            fields.map_or(true, |fields| fields.values().any(Option::is_some))
        })
    }
}

/// What went wrong with some JSON, without any of its content.
fn position(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        // These two name a field of ours; the others may quote the answer.
        Category::Data
            if ["missing field", "duplicate field"]
                .iter()
                .any(|kind| error.to_string().starts_with(kind)) =>
        {
            cap(&error.to_string())
        }
        Category::Eof => "it ends too early".to_owned(),
        Category::Data => format!("not the expected type at line {line}, column {column}"),
        Category::Syntax | Category::Io => format!("no JSON at line {line}, column {column}"),
    }
}

/// What kind of error it is, by the stem of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Input or state is not acceptable, or the engine refused the document itself.
    Validation,
    /// The token lacks the permission, or the id belongs to somebody else.
    AccessDenied,
    /// The id is not known.
    ResourceNotFound,
    /// It clashes with something under way.
    Conflict,
    /// Too many requests.
    Throttling,
    /// Their fault.
    InternalServer,
    /// Anything else.
    Unclassified,
}

/// One entry of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) class: Class,
    /// Was the class named, and does nothing contradict it? Else it is a guess from a number.
    pub(crate) certain: bool,
    /// The error's type as it was named, such as `ValidationError`.
    pub(crate) kind: String,
    /// The finer code, such as `InvalidRefundId`.
    pub(crate) code: Option<String>,
    /// Their words.
    pub(crate) message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)
    }
}

fn faults(errors: &RawValue) -> Vec<Fault> {
    match serde_json::from_str::<Value>(errors.get()) {
        Ok(Value::Array(entries)) => {
            let mut faults: Vec<_> = entries.iter().take(FAULTS_MAX).map(fault).collect();
            if entries.len() > FAULTS_MAX {
                // What is not looked at may be anything.
                faults.push(fault(&Value::Null));
            }
            faults
        }
        Ok(Value::Null) => Vec::new(),
        Ok(other) => vec![fault(&other)],
        // Not a tree that can be held, say a number beyond all bounds: an error all the same.
        Err(_) => vec![fault(&Value::Null)],
    }
}

fn fault(entry: &Value) -> Fault {
    let classification = &entry["extensions"]["classification"];
    let text = |value: &Value| value.as_str().map(cap);
    let kind = text(&classification["errorType"])
        .or_else(|| text(&classification["type"]))
        .or_else(|| text(classification))
        .or_else(|| text(&entry["errorType"]));
    let number =
        error_code(&classification["errorCode"]).or_else(|| error_code(&entry["errorCode"]));
    let named = kind.as_deref().map_or(Class::Unclassified, class_by_name);
    let class = match named {
        Class::Unclassified => number.map_or(Class::Unclassified, class_by_number),
        named => named,
    };
    Fault {
        class,
        certain: named != Class::Unclassified
            && number.is_none_or(|number| !(500..600).contains(&number)),
        kind: kind.unwrap_or_else(|| "unclassified".to_owned()),
        code: text(&classification["code"]),
        message: text(&entry["message"]).unwrap_or_else(|| "no message".to_owned()),
    }
}

fn error_code(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => {
            let text = text.trim();
            // `5xx` has been imagined; only the leading digit matters.
            text.parse()
                .ok()
                .or_else(|| (text.starts_with('5') && text.len() == 3).then_some(500))
        }
        _ => None,
    }
}

fn class_by_name(name: &str) -> Class {
    const STEMS: [(&str, Class); 9] = [
        ("validation", Class::Validation),
        ("accessdenied", Class::AccessDenied),
        ("resourcenotfound", Class::ResourceNotFound),
        ("conflict", Class::Conflict),
        ("throttl", Class::Throttling),
        ("internalserver", Class::InternalServer),
        // The common Java engine, before any resolver runs.
        ("invalidsyntax", Class::Validation),
        ("operationnotsupported", Class::Validation),
        ("internal", Class::InternalServer),
    ];
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    STEMS
        .iter()
        .find(|(stem, _)| plain.starts_with(stem))
        .map_or(Class::Unclassified, |(_, class)| *class)
}

fn class_by_number(number: u64) -> Class {
    match number {
        400 | 422 => Class::Validation,
        401 | 403 => Class::AccessDenied,
        404 => Class::ResourceNotFound,
        409 => Class::Conflict,
        429 => Class::Throttling,
        500..=599 => Class::InternalServer,
        _ => Class::Unclassified,
    }
}
