//! The one strict reader of JSON: no duplicate keys, no depth beyond 32, nothing before or after
//! the document, every field known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::problem::{FieldError, Problem, echo};

/// How deep arrays and objects may nest.
const DEPTH_MAX: usize = 32;
/// Longest string, unless said otherwise.
const STRING_MAX: usize = 4096;

/// A JSON value whose objects have each key once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool,
    Number,
    Text(String),
    Array,
    Object(BTreeMap<String, Value>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::Array => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::bad_request("body_missing", "the body is empty"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::bad_request(
            "json_invalid",
            format!("the body is not UTF-8 from byte {} on", error.valid_up_to()),
        )
    })?;
    let walk = Walk::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Seed {
        walk: &walk,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value))
    .map_err(|error| {
        walk.fault.take().unwrap_or_else(|| {
            let offset = offset(text, error.line(), error.column());
            Problem::bad_request("json_invalid", format!("no valid JSON at byte {offset}"))
        })
    })
}

/// The byte at a line and column, both counted from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// Where the reader is, and what it found wrong beyond the grammar.
#[derive(Default)]
struct Walk {
    path: RefCell<Vec<String>>,
    fault: RefCell<Option<Problem>>,
}

impl Walk {
    fn pointer(&self) -> String {
        self.path
            .borrow()
            .iter()
            .fold(String::new(), |mut pointer, step| {
                pointer.push('/');
                let escaped = step.replace('~', "~0").replace('/', "~1");
                pointer.extend(escaped.escape_debug().take(64));
                pointer
            })
    }

    fn fail<E: serde::de::Error>(&self, code: &'static str, detail: &str) -> E {
        let problem = Problem::fields(vec![FieldError {
            pointer: self.pointer(),
            code,
            detail: detail.to_owned(),
        }]);
        self.fault.replace(Some(problem));
        E::custom(code)
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    walk: &'a Walk,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            let detail = format!("nests deeper than {DEPTH_MAX} levels");
            // The path of such a document is as deep as the document: it is left out.
            self.walk.path.borrow_mut().clear();
            return Err(self.walk.fail("depth", &detail));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Bool)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut index = 0_usize;
        loop {
            self.walk.path.borrow_mut().push(index.to_string());
            let member = access.next_element_seed(seed)?;
            self.walk.path.borrow_mut().pop();
            if member.is_none() {
                return Ok(Value::Array);
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut members = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            self.walk.path.borrow_mut().push(key.clone());
            if members.contains_key(&key) {
                return Err(self.walk.fail("duplicate_key", "stands there twice"));
            }
            let value = access.next_value_seed(seed)?;
            self.walk.path.borrow_mut().pop();
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// The members of an object that are expected, taken out one by one; problems are collected.
pub(crate) struct Fields {
    prefix: String,
    members: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// The members of the document.
    pub(crate) fn of(document: Value) -> Result<Self, Problem> {
        match document {
            Value::Object(members) => Ok(Self {
                prefix: String::new(),
                members,
                known: Vec::new(),
                errors: Vec::new(),
            }),
            other => Err(Problem::fields(vec![FieldError {
                pointer: String::new(),
                code: "type",
                detail: format!("must be an object, not {}", other.kind()),
            }])),
        }
    }

    /// No members at all.
    pub(crate) fn empty() -> Self {
        Self {
            prefix: String::new(),
            members: BTreeMap::new(),
            known: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Notes a problem with a member.
    pub(crate) fn refuse(&mut self, field: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(FieldError {
            pointer: format!("{}/{field}", self.prefix),
            code,
            detail: detail.into(),
        });
    }

    /// Was a problem with this member noted?
    pub(crate) fn has_problem(&self, field: &str) -> bool {
        let pointer = format!("{}/{field}", self.prefix);
        self.errors.iter().any(|error| error.pointer == pointer)
    }

    /// A string, or nothing (also for `null`).
    pub(crate) fn text(&mut self, field: &'static str) -> Option<String> {
        self.known.push(field);
        match self.members.remove(field)? {
            Value::Null => None,
            Value::Text(text) if text.len() > STRING_MAX => {
                self.refuse(
                    field,
                    "too_long",
                    format!("has more than {STRING_MAX} bytes"),
                );
                None
            }
            Value::Text(text) => Some(text),
            other => {
                self.refuse(
                    field,
                    "type",
                    format!("must be a string, not {}", other.kind()),
                );
                None
            }
        }
    }

    /// A string that must be there.
    pub(crate) fn required(&mut self, field: &'static str) -> String {
        let is_null = self.members.get(field) == Some(&Value::Null);
        let text = self.text(field);
        if text.is_none() && !self.has_problem(field) {
            if is_null {
                self.refuse(field, "type", "must be a string, not null");
            } else {
                self.refuse(field, "required", "is required");
            }
        }
        text.unwrap_or_default()
    }

    /// A text that must be there and sound.
    pub(crate) fn parsed<T: std::str::FromStr<Err: fmt::Display>>(
        &mut self,
        field: &'static str,
    ) -> Option<T> {
        let text = self.required(field);
        if self.has_problem(field) {
            return None;
        }
        text.parse()
            .map_err(|error: T::Err| self.refuse(field, "invalid", error.to_string()))
            .ok()
    }

    /// An object within the object.
    pub(crate) fn object<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Fields) -> Option<T>,
    ) -> Option<T> {
        self.known.push(field);
        let members = match self.members.remove(field) {
            Some(Value::Object(members)) => members,
            Some(other) => {
                self.refuse(
                    field,
                    "type",
                    format!("must be an object, not {}", other.kind()),
                );
                return None;
            }
            None => {
                self.refuse(field, "required", "is required");
                return None;
            }
        };
        let mut inner = Fields {
            prefix: format!("{}/{field}", self.prefix),
            members,
            known: Vec::new(),
            errors: Vec::new(),
        };
        let value = read(&mut inner);
        inner.note_unknown();
        self.errors.append(&mut inner.errors);
        value
    }

    fn note_unknown(&mut self) {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for key in unknown {
            let expected = self.known.join(", ");
            let name: String = key.escape_debug().take(64).collect();
            self.errors.push(FieldError {
                pointer: format!("{}/{name}", self.prefix),
                code: "unknown_field",
                detail: format!("{} is not known here; known are {expected}", echo(&key)),
            });
        }
    }

    /// Everything was taken and was sound; or every problem at once.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        self.note_unknown();
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(self.errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &[u8]) -> &'static str {
        read(text).map_or_else(|problem| problem.code, |_| "ok")
    }

    #[test]
    fn strict() {
        let table: &[(&[u8], &str)] = &[
            (b"", "body_missing"),
            (b"  \r\n", "body_missing"),
            (b"{\"a\":1", "json_invalid"),
            (b"{} x", "json_invalid"),
            (b"{}{}", "json_invalid"),
            (b"{}\n{}\n", "json_invalid"),
            (b"\xef\xbb\xbf{}", "json_invalid"),
            (b"\xff\xfe{\x00}\x00", "json_invalid"),
            (b"{\"a\":\"\\ud800\"}", "json_invalid"),
            (b"{\"a\":\"\xc3\x28\"}", "json_invalid"),
            (b"{\"a\":\"x\ny\"}", "json_invalid"),
            (b"{\"a\":01}", "json_invalid"),
            (b"{\"a\":NaN}", "json_invalid"),
            (b"{'a':1}", "json_invalid"),
            (b"{\"a\":1,}", "json_invalid"),
            (b"{\"a\":1,\"a\":1}", "duplicate_key"),
            (b"{\"a\":{\"b\":1,\"\\u0062\":2}}", "duplicate_key"),
            (b"{\"a\":[1,2.5,-3,true,null,\"x\"]}", "ok"),
        ];
        for (text, expected) in table {
            assert_eq!(code(text), *expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn depth_is_bounded_and_safe() {
        let nested = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert_eq!(code(&nested(32)), "ok");
        assert_eq!(code(&nested(33)), "depth");
        assert_eq!(code(&nested(10_000)), "depth");
        assert_eq!(code(&b"[".repeat(1_000_000)), "depth");
        assert_eq!(code(&b"{\"a\":".repeat(100_000)), "depth");
    }

    #[test]
    fn problems_say_where() {
        let problem = read(b"{\"a\":[{},{\"x/y\":1,\"x/y\":2}]}").unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/a/1/x~1y");
        let problem = read(b"{\n \"a\": nil}").unwrap_err();
        assert!(problem.detail.contains("at byte 9"), "{}", problem.detail);
    }

    #[test]
    fn fields_are_all_checked() {
        let document = read(b"{\"b\":1,\"c\":{\"d\":\"x\",\"e\":2},\"Reason\":\"x\"}").unwrap();
        let mut fields = Fields::of(document).unwrap();
        fields.required("a");
        fields.text("b");
        fields.object("c", |c| c.text("d"));
        let problem = fields.finish().unwrap_err();
        let found: Vec<_> = problem
            .errors
            .iter()
            .map(|error| (error.pointer.as_str(), error.code))
            .collect();
        assert_eq!(
            found,
            [
                ("/a", "required"),
                ("/b", "type"),
                ("/c/e", "unknown_field"),
                ("/Reason", "unknown_field"),
            ]
        );
    }
}
