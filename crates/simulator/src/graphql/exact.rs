//! Numbers that keep their digits: never through a binary float, in or out.

use std::collections::BTreeMap;

use async_graphql::{
    InputValueError, InputValueResult, Name, Scalar, ScalarType, Value, Variables,
};
use rust_decimal::Decimal;
use serde_json::value::RawValue;

/// The name under which `serde_json` and the GraphQL library pass a number's own text along.
const RAW: &str = "$serde_json::private::RawValue";

/// The `Decimal` scalar: a JSON number of any precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact(pub(crate) Decimal);

fn raw_text(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => match members.get(RAW)? {
            Value::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

/// Arbitrary-precision number; appears in JSON as a number (10, 10.0, 10.00).
#[Scalar(name = "Decimal")]
impl ScalarType for Exact {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = match &value {
            // A literal in the query's text. The shortest text of the float is the literal.
            Value::Number(number) => decimal(&number.to_string()),
            other => raw_text(other).and_then(decimal),
        };
        parsed
            .map(Self)
            .ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Number(_)) || raw_text(value).is_some()
    }

    fn to_value(&self) -> Value {
        raw(self.0.to_string())
    }
}

fn raw(text: String) -> Value {
    Value::Object(
        [(Name::new(RAW), Value::String(text))]
            .into_iter()
            .collect(),
    )
}

/// Reads JSON and keeps the digits of its fractions.
pub(crate) fn read(json: &RawValue) -> Result<Value, serde_json::Error> {
    let text = json.get().trim_start();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let members = members
                .into_iter()
                .map(|(name, value)| Ok((Name::new(name), read(value)?)))
                .collect::<Result<_, serde_json::Error>>()?;
            Value::Object(members)
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            Value::List(elements.into_iter().map(read).collect::<Result<_, _>>()?)
        }
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<i64>(text) {
            Ok(whole) => Value::Number(whole.into()),
            Err(_) => raw(text.trim_end().to_owned()),
        },
        _ => serde_json::from_str(text)?,
    })
}

/// Variables from what was read.
pub(crate) fn variables(value: Value) -> Variables {
    let mut variables = Variables::default();
    if let Value::Object(members) = value {
        variables.extend(members);
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_survive_both_ways() {
        for text in [
            "43.99",
            "20.00",
            "0.1",
            "10",
            "1234567890123456.789",
            "0.30000000000000004",
        ] {
            let parsed = Exact::parse(raw(text.to_owned())).unwrap();
            assert_eq!(parsed.0.to_string(), text);
            let told = serde_json::to_string(&parsed.to_value()).unwrap();
            assert_eq!(told, text);
        }
    }

    #[test]
    fn json_is_read_with_its_digits() {
        let json: Box<RawValue> = serde_json::from_str(
            r#"{"a": [1, -2.50, 1e3], "b": {"c": "43.99", "d": null, "e": true}}"#,
        )
        .unwrap();
        let value = read(&json).unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"a":[1,-2.50,1e3],"b":{"c":"43.99","d":null,"e":true}}"#
        );
    }

    #[test]
    fn scientific_notation_is_a_number_too() {
        assert_eq!(
            Exact::parse(raw("1.5e1".to_owned())).unwrap().0,
            Decimal::from(15)
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [
            Value::String("43.99".to_owned()),
            Value::Null,
            Value::Boolean(true),
        ] {
            assert!(Exact::parse(value.clone()).is_err(), "{value:?}");
            assert!(!Exact::is_valid(&value));
        }
    }
}
