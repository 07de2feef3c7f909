//! Reads a JSON value of whatever shape without building it.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What is made of a JSON value, by its shape. A shape without a method of its own is skipped, however
/// large it is, and taken for [`Shape::other`].
pub(super) trait Shape<'de>: Sized {
    /// What it becomes.
    type Output;

    /// For a value of any shape that is not expected here.
    fn other<E: Error>(self) -> Result<Self::Output, E>;

    /// For an object.
    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Output, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.other()
    }

    /// For an array.
    fn list<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Output, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        self.other()
    }

    /// For a string.
    fn text<E: Error>(self, _text: &str) -> Result<Self::Output, E> {
        self.other()
    }

    /// For a whole number that is not negative.
    fn number<E: Error>(self, _number: u64) -> Result<Self::Output, E> {
        self.other()
    }

    /// For `null`.
    fn null<E: Error>(self) -> Result<Self::Output, E> {
        self.other()
    }
}

/// Lets serde read a [`Shape`].
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
