//! JSON read one level at a time, so that depth is counted, duplicate keys are seen, and numbers in
//! parts that we do not use are never interpreted.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::EventError;
use crate::cap::cap;

/// How deep a body may be nested; the text of a message counts from its own start.
pub(super) const DEPTH_MAX: usize = 32;

/// One level of a JSON text.
pub(super) enum Level<'a> {
    Object(Object<'a>),
    Array(Vec<&'a RawValue>),
    Text(Cow<'a, str>),
    /// A number, a boolean or null.
    Plain,
}

/// An object, with its keys in the order given.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The value under a key; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        (value.get() != "null").then_some(value)
    }

    /// The text under a key, if there is text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match level(self.get(key)?) {
            Ok(Level::Text(text)) => Some(text.into_owned()),
            _ => None,
        }
    }
}

/// Checks a whole text: JSON throughout, no key twice, at most `depth` levels.
pub(super) fn check(value: &RawValue, depth: usize) -> Result<(), EventError> {
    match level(value)? {
        Level::Object(_) | Level::Array(_) if depth == 0 => {
            Err(EventError::TooDeep { max: DEPTH_MAX })
        }
        Level::Object(Object(fields)) => {
            let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
            names.sort_unstable();
            if let Some(pair) = names.windows(2).find(|pair| pair.first() == pair.last()) {
                return Err(EventError::DuplicateKey {
                    key: cap(pair.first().copied().unwrap_or_default()),
                });
            }
            fields
                .iter()
                .try_for_each(|(_, value)| check(value, depth - 1))
        }
        Level::Array(members) => members.iter().try_for_each(|value| check(value, depth - 1)),
        Level::Text(_) | Level::Plain => Ok(()),
    }
}

/// Reads a text as JSON, without looking into it.
pub(super) fn parse(text: &str) -> Result<&RawValue, EventError> {
    serde_json::from_str(text).map_err(|error| no_json(&error))
}

/// Reads one level.
pub(super) fn level(value: &RawValue) -> Result<Level<'_>, EventError> {
    let text = value.get();
    let read = match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str(text).map(Level::Object),
        Some(b'[') => serde_json::from_str(text).map(Level::Array),
        Some(b'"') => serde_json::from_str(text).map(|Text(text)| Level::Text(text)),
        _ => Ok(Level::Plain),
    };
    read.map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> EventError {
    EventError::Json {
        detail: cap(&error.to_string()),
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fields).map(Object)
    }
}
