//! Identifiers, each its own type.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text cannot be an identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// Which identifier.
        what: &'static str,
    },
    /// Longer than allowed.
    #[error("{what} has {length} characters, at most {max} are allowed")]
    TooLong {
        /// Which identifier.
        what: &'static str,
        /// Characters given.
        length: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A character outside the allowed set.
    #[error("{what} holds the character {found:?}; allowed are {allowed}")]
    Charset {
        /// Which identifier.
        what: &'static str,
        /// The first character that is not allowed.
        found: char,
        /// The allowed set, for people.
        allowed: &'static str,
    },
}

fn check(
    what: &'static str,
    text: &str,
    max: usize,
    allowed: &'static str,
    is_allowed: fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if let Some(found) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(IdError::Charset {
            what,
            found,
            allowed,
        });
    }
    let length = text.chars().count();
    if length > max {
        return Err(IdError::TooLong { what, length, max });
    }
    Ok(())
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')
}

fn is_printable_ascii(c: char) -> bool {
    matches!(c, ' '..='~')
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $what:literal, max $max:literal, $allowed:literal, $is:path) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// When it is empty, too long, or holds a character that is not allowed.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check($what, &text, $max, $allowed, $is)?;
                Ok(Self(text))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// An instance of a workflow; for a cancellation, the cancellation's id. A UUID v7 in the
    /// product; tests may use any short name.
    InstanceId, "the id", max 64, "letters, digits and . _ : -", is_token
);
id!(
    /// An order at Buy with Prime, such as `322-T7QM-2LH9WD`.
    OrderId, "the order id", max 64, "letters, digits and . _ : -", is_token
);
id!(
    /// A business product at Buy with Prime (the `TargetId` of the API credentials), such as
    /// `bp-7d2f6a10-3c84-4e19-9b57-51e0c8a4d3f6`.
    TargetId, "the target id", max 64, "letters, digits and . _ : -", is_token
);
id!(
    /// The caller's own id for a cancellation: the idempotency key of the request, and the value of
    /// the alias that Amazon is sent (reference 2.6, U21).
    ExternalId, "the external id", max 64, "printable ASCII", is_printable_ascii
);
id!(
    /// A refund that Amazon asks for; 64 hex digits have been seen (reference 3.5).
    RefundId, "the refund id", max 128, "printable ASCII", is_printable_ascii
);
id!(
    /// A line item of an order.
    LineItemId, "the line item id", max 128, "printable ASCII", is_printable_ascii
);
id!(
    /// A package; before shipment these ids are not stable, a package may split (reference 1.5).
    PackageId, "the package id", max 128, "printable ASCII", is_printable_ascii
);
id!(
    /// A payment at the refund provider.
    PaymentId, "the payment id", max 128, "printable ASCII", is_printable_ascii
);

/// A lease epoch, the fencing token: it never falls. On SQLite it is the incarnation number that
/// each start of the daemon takes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_ids_keep_to_their_charset() {
        assert!(OrderId::new("322-T7QM-2LH9WD").is_ok());
        for bad in [
            "",
            " ",
            "a b",
            "a\nb",
            "\u{202e}abc",
            "３２２",
            "a;b",
            "../etc",
            "${jndi}",
        ] {
            assert!(OrderId::new(bad).is_err(), "{bad:?}");
        }
        assert!(OrderId::new("x".repeat(64)).is_ok());
        assert_eq!(
            OrderId::new("x".repeat(65)).unwrap_err().to_string(),
            "the order id has 65 characters, at most 64 are allowed"
        );
    }
}
