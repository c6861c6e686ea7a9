//! Money: decimal, exact, never across currencies.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks the code and wraps it.
    ///
    /// # Errors
    /// When it is not three capital letters.
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        match code.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|x| x.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::Currency {
                code: code.chars().take(16).collect(),
            }),
        }
    }

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII capitals get past `new`.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Why an amount cannot be taken or a sum cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency code.
    #[error("`{code}` is not a currency code such as USD")]
    Currency {
        /// What was given.
        code: String,
    },
    /// Not a plain decimal number, or one with more than 28 digits.
    #[error("`{text}` is not an amount such as 43.99")]
    Amount {
        /// What was given.
        text: String,
    },
    /// Below zero.
    #[error("the amount {amount} is negative")]
    Negative {
        /// What was given.
        amount: Decimal,
    },
    /// Two currencies met.
    #[error("{left} and {right} cannot be compared or added")]
    Mixed {
        /// The one currency.
        left: Currency,
        /// The other one.
        right: Currency,
    },
    /// The sum has more digits than can be kept exactly.
    #[error("the sum cannot be kept exactly")]
    Overflow,
}

/// A non-negative amount in one currency, exact.
///
/// In JSON the amount is a string (`{"amount": "43.99", "currencyCode": "USD"}`), so that no reader
/// takes it for a binary float. Equality is by value: 19.0 USD equals 19.00 USD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawMoney")]
pub struct Money {
    amount: Decimal,
    currency_code: Currency,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMoney {
    amount: Decimal,
    currency_code: Currency,
}

impl TryFrom<RawMoney> for Money {
    type Error = MoneyError;

    fn try_from(raw: RawMoney) -> Result<Self, Self::Error> {
        Self::new(raw.amount, raw.currency_code)
    }
}

impl Money {
    /// An amount in a currency.
    ///
    /// # Errors
    /// When the amount is negative.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(MoneyError::Negative { amount });
        }
        Ok(Self {
            amount: amount.abs(),
            currency_code: currency,
        })
    }

    /// Nothing, in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self {
            amount: Decimal::ZERO,
            currency_code: currency,
        }
    }

    /// Reads a plain decimal amount (`43.99`; no exponent, no sign, no blanks).
    ///
    /// # Errors
    /// When the text is no such number, or the code no currency.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let plain = amount.len() <= 40
            && amount.starts_with(|c: char| c.is_ascii_digit())
            && amount.ends_with(|c: char| c.is_ascii_digit())
            && amount.chars().all(|c| c.is_ascii_digit() || c == '.');
        let amount = plain
            .then(|| Decimal::from_str_exact(amount).ok())
            .flatten()
            .ok_or_else(|| MoneyError::Amount {
                text: amount.chars().take(64).collect(),
            })?;
        Self::new(amount, Currency::new(currency)?)
    }

    /// The amount, in units of the currency (not cents).
    #[must_use]
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency_code
    }

    /// Is it nothing?
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.amount.is_zero()
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// When the currencies differ or the sum cannot be kept exactly.
    pub fn plus(&self, other: &Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..*self })
    }

    /// What is left of this after taking `other` away.
    ///
    /// # Errors
    /// When the currencies differ or `other` is more.
    pub fn minus(&self, other: &Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self
            .amount
            .checked_sub(other.amount)
            .ok_or(MoneyError::Overflow)?;
        Self::new(amount, self.currency_code)
    }

    fn same_currency(&self, other: &Self) -> Result<(), MoneyError> {
        if self.currency_code == other.currency_code {
            Ok(())
        } else {
            Err(MoneyError::Mixed {
                left: self.currency_code,
                right: other.currency_code,
            })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency_code)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_digit() {
        let money = Money::parse("43.99", "USD").unwrap();
        assert_eq!(money.to_string(), "43.99 USD");
        assert_eq!(
            serde_json::to_string(&money).unwrap(),
            r#"{"amount":"43.99","currencyCode":"USD"}"#
        );
        assert_eq!(
            serde_json::from_str::<Money>(r#"{"amount":"19.0","currencyCode":"USD"}"#).unwrap(),
            Money::parse("19.00", "USD").unwrap()
        );
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in [
            "", "-1", "+1", "1e3", "NaN", " 1", ".5", "5.", "1.2.3", "0x10", "1_000",
        ] {
            assert!(Money::parse(text, "USD").is_err(), "{text:?}");
        }
        for code in ["", "usd", "US", "USDX", "U$D"] {
            assert!(Money::parse("1", code).is_err(), "{code:?}");
        }
        let negative = r#"{"amount":"-1","currencyCode":"USD"}"#;
        assert!(serde_json::from_str::<Money>(negative).is_err());
    }

    #[test]
    fn never_across_currencies() {
        let usd = Money::parse("1", "USD").unwrap();
        let eur = Money::parse("1", "EUR").unwrap();
        assert!(usd.plus(&eur).is_err() && usd.minus(&eur).is_err());
        assert_eq!(usd.plus(&usd).unwrap(), Money::parse("2.0", "USD").unwrap());
        assert!(usd.minus(&Money::parse("1.01", "USD").unwrap()).is_err());
    }
}
