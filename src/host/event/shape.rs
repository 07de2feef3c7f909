//! Reads a JSON value of any shape, without building it in memory.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// How to read a JSON value, by its shape. A shape without its own method is skipped, however large it is,
/// and read as [`Shape::other`].
pub(super) trait Shape<'de>: Sized {
    /// The result of reading.
    type Output;

    /// Reads a value of any shape that is not expected here.
    fn other<E: Error>(self) -> Result<Self::Output, E>;

    /// Reads an object.
    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Output, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.other()
    }

    /// Reads an array.
    fn list<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Output, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        self.other()
    }

    /// Reads a string.
    fn text<E: Error>(self, _text: &str) -> Result<Self::Output, E> {
        self.other()
    }

    /// Reads a non-negative integer.
    fn number<E: Error>(self, _number: u64) -> Result<Self::Output, E> {
        self.other()
    }

    /// Reads `null`.
    fn null<E: Error>(self) -> Result<Self::Output, E> {
        self.other()
    }
}

/// Reads a whole JSON document.
pub(super) fn read_text<'de, S: Shape<'de>>(text: &'de str, shape: S) -> serde_json::Result<S::Output> {
    let mut json = serde_json::Deserializer::from_str(text);
    let output = Any(shape).deserialize(&mut json)?;
    json.end().map(|()| output)
}

/// Adapts a [`Shape`] to serde.
pub(super) struct Any<S>(pub(super) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Any<S> {
    type Value = S::Output;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Output, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Any<S> {
    type Value = S::Output;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<S::Output, A::Error> {
        self.0.object(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<S::Output, A::Error> {
        self.0.list(elements)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<S::Output, E> {
        self.0.text(text)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<S::Output, E> {
        self.0.number(number)
    }

    fn visit_unit<E: Error>(self) -> Result<S::Output, E> {
        self.0.null()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<S::Output, E> {
        self.0.other()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<S::Output, E> {
        self.0.other()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<S::Output, E> {
        self.0.other()
    }
}
