//! The schema's `Decimal`: a JSON number, kept as its text.

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::operations::schema;

/// A `Decimal` exactly as it stands in the JSON. Reading it never goes through a binary float, and
/// text that is no number (`"10"`, `null`) is only refused when its value is asked for, so that one
/// unsound amount does not make a whole answer unreadable.
#[derive(Debug, Clone, cynic::Scalar)]
#[cynic(graphql_type = "Decimal")]
pub(crate) struct Number(Box<RawValue>);

impl Number {
    /// The value, if the text is a JSON number that a [`Decimal`] holds exactly.
    pub(crate) fn value(&self) -> Option<Decimal> {
        exact(self.0.get())
    }
}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        let text = value.to_string();
        Self(RawValue::from_string(text).expect("a decimal reads as a JSON number"))
    }
}

/// Reads a JSON number, exponent included (Java writes 10 as `1E+1`), exactly or not at all.
fn exact(text: &str) -> Option<Decimal> {
    const LENGTH_MAX: usize = 64;
    let number = text.len() <= LENGTH_MAX
        && text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !number {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let mantissa = Decimal::from_str_exact(mantissa).ok()?;
    if mantissa.is_zero() {
        return Some(Decimal::ZERO);
    }
    let scale = i32::try_from(mantissa.scale())
        .ok()?
        .checked_sub(exponent)?;
    if let Ok(scale) = u32::try_from(scale) {
        return Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok();
    }
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    let whole = mantissa.mantissa().checked_mul(factor)?;
    Decimal::try_from_i128_with_scale(whole, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<String> {
        let number: Number = serde_json::from_str(json).unwrap();
        number.value().map(|value| value.to_string())
    }

    #[test]
    fn reads_exactly() {
        for (json, value) in [
            ("43.99", "43.99"),
            ("10.0", "10.0"),
            ("10.00", "10.00"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("0.3", "0.3"),
            ("9007199254740993", "9007199254740993"),
            (
                "1234567890123456789012345678",
                "1234567890123456789012345678",
            ),
            (
                "0.1234567890123456789012345678",
                "0.1234567890123456789012345678",
            ),
            ("1E+1", "10"),
            ("4.399e1", "43.99"),
            ("4399e-2", "43.99"),
            ("0e400", "0"),
            ("-1", "-1"),
            ("-0.5", "-0.5"),
            ("-0", "0"),
        ] {
            assert_eq!(read(json).as_deref(), Some(value), "{json}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        for json in [
            "1e400",
            "1e-400",
            "1e99999999999999",
            "1e28000",
            "0.12345678901234567890123456789",
            "79228162514264337593543950336",
            r#""10""#,
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
        let long = format!("0.{}", "0".repeat(100));
        assert_eq!(read(&long), None);
    }

    proptest! {
        #[test]
        fn writes_what_it_reads(mantissa in any::<i64>(), scale in 0_u32..=28) {
            let value = Decimal::from_i128_with_scale(i128::from(mantissa), scale);
            let json = serde_json::to_string(&Number::from(value)).unwrap();
            prop_assert_eq!(&json, &value.to_string());
            let back = serde_json::from_str::<Number>(&json).unwrap().value().unwrap();
            prop_assert_eq!(back, value);
            prop_assert!(value.is_zero() || back.scale() == value.scale());
        }
    }
}
