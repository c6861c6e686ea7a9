//! Shapes of answers that are read although, or because, the schema says otherwise.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::operations::Refunds;

/// A field that may be null but must be there.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A list, or its only member without the list around it (X8).
pub(crate) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Option<Vec<Option<T>>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = Option<Vec<Option<T>>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list, an object or null")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
            let mut members = Vec::new();
            while let Some(member) = list.next_element()? {
                members.push(member);
            }
            Ok(Some(members))
        }

        // Reads the member in place: a form in between would hold its numbers as binary floats.
        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|member| Some(vec![Some(member)]))
        }
    }

    deserializer.deserialize_any(Members(PhantomData))
}

/// The refunds of an order: `{details: […]}`, or a list of such (X8).
pub(crate) fn refunds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Refunds>, D::Error> {
    let Some(parts) = one_or_many::<D, Refunds>(deserializer)? else {
        return Ok(None);
    };
    let mut details = Vec::new();
    for part in parts {
        match part {
            Some(part) => details.extend(part.details.unwrap_or_default()),
            // Kept as a hole, so that the reader sees that something is missing.
            None => details.push(None),
        }
    }
    Ok(Some(Refunds {
        details: Some(details),
    }))
}
