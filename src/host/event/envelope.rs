//! The host's envelope, read as a stream: only the events are kept, shortened and up to a maximum number.

use super::commit::{Event, Ignored, shorten};
use super::fields::Fields;
use super::shape::{Any, Shape, read_text};
use serde::Deserialize;
use serde::de::{DeserializeSeed as _, Error, IgnoredAny, MapAccess, SeqAccess};

/// How many events one delivery may have: Event Grid's own limit for a batch (its *output batching* page).
pub const MAX_EVENTS: usize = 5000;

/// How often a value may be a string with JSON inside. The host encodes arrays once and strings twice.
const MAX_NESTED_TEXTS: usize = 3;

/// How many arrays may be nested. A delivery is one array; each level takes stack.
const MAX_NESTED_LISTS: usize = 16;

/// The shape that [`NotAnEnvelope`] asks for.
const EXPECTED: &str = "the Functions host's {\"Data\":{\"eventGridEvent\":{…}},\"Metadata\":{…}}";

/// Why a body is not what the Functions host posts. A retry would not change that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEnvelope {
    /// The body is not JSON.
    #[error("the body is not JSON ({0}); expected {EXPECTED}")]
    NotJson(String),
    /// The JSON has another shape.
    #[error("the body has no Data with an event in it; expected {EXPECTED}")]
    NoData,
    /// More events than one delivery can have.
    #[error("the body has more than {MAX_EVENTS} events, Event Grid's limit")]
    TooMany,
    /// Arrays nested deeper than in any delivery.
    #[error("the body has more than {MAX_NESTED_LISTS} nested arrays; expected {EXPECTED}")]
    TooDeep,
}

/// Parses the body of an invocation as a stream. Keeps at most [`MAX_EVENTS`] events of bounded size in
/// memory, whatever else the body holds.
///
/// # Errors
/// [`NotAnEnvelope`], when the whole body is invalid. A single invalid event becomes [`Event::Ignored`], so
/// that the others are still forwarded.
pub fn parse(body: &[u8]) -> Result<Vec<Event>, NotAnEnvelope> {
    // Some clients put a byte order mark before the body, which is not JSON.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let result = Any(Envelope(&mut found)).deserialize(&mut json).and_then(|()| json.end());
    match (found.rejected, result) {
        (Some(reason), _) => Err(reason),
        (None, Err(error)) => Err(NotAnEnvelope::NotJson(shorten(&error.to_string()))),
        (None, Ok(())) if !found.has_data => Err(NotAnEnvelope::NoData),
        (None, Ok(())) => Ok(found.events),
    }
}

/// The result of reading so far.
#[derive(Default)]
struct Found {
    events: Vec<Event>,
    /// Whether `Data` with a binding was seen.
    has_data: bool,
    /// Why reading was stopped, although the JSON is valid so far.
    rejected: Option<NotAnEnvelope>,
}

impl Found {
    fn push<E: Error>(&mut self, event: Event) -> Result<(), E> {
        if self.events.len() >= MAX_EVENTS {
            return Err(self.reject(NotAnEnvelope::TooMany));
        }
        self.events.push(event);
        Ok(())
    }

    /// Keeps the reason, and returns an error that stops the reading.
    fn reject<E: Error>(&mut self, reason: NotAnEnvelope) -> E {
        let error = E::custom(&reason);
        self.rejected = Some(reason);
        error
    }
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum EnvelopeMember {
    Data,
    #[serde(other)]
    Other,
}

/// `{"Data":{…},"Metadata":{…}}`.
struct Envelope<'a>(&'a mut Found);

impl<'de> Shape<'de> for Envelope<'_> {
    type Output = ();

    fn other<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key()? {
            match member {
                EnvelopeMember::Data => members.next_value_seed(Any(Bindings(self.0)))?,
                EnvelopeMember::Other => members.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// The values of all bindings, whatever their names.
struct Bindings<'a>(&'a mut Found);

impl<'de> Shape<'de> for Bindings<'_> {
    type Output = ();

    fn other<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key::<IgnoredAny>()?.is_some() {
            self.0.has_data = true;
            members.next_value_seed(Any(Element { found: self.0, texts: 0, lists: 0 }))?;
        }
        Ok(())
    }
}

/// An event, an array of events, or a string with either.
struct Element<'a> {
    found: &'a mut Found,
    /// How many strings enclose it.
    texts: usize,
    /// How many arrays enclose it.
    lists: usize,
}

impl<'de> Shape<'de> for Element<'_> {
    type Output = ();

    fn other<E: Error>(self) -> Result<(), E> {
        self.found.push(Event::Ignored(Ignored::NotAnEvent("not a JSON object".to_owned())))
    }

    fn object<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let commit = Fields::read(members)?.and_then(Fields::into_commit);
        self.found.push(commit.map_or_else(Event::Ignored, Event::Commit))
    }

    fn list<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { found, texts, lists } = self;
        if lists == MAX_NESTED_LISTS {
            return Err(found.reject(NotAnEnvelope::TooDeep));
        }
        while elements.next_element_seed(Any(Element { found, texts, lists: lists + 1 }))?.is_some() {}
        Ok(())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        let Self { found, texts, lists } = self;
        if texts == MAX_NESTED_TEXTS {
            return Element { found, texts, lists }.other();
        }
        let before = found.events.len();
        match read_text(text, Element { found, texts: texts + 1, lists }) {
            Ok(()) => Ok(()),
            Err(error) if found.rejected.is_some() => Err(E::custom(error)),
            Err(error) => {
                // The events before the error may be incomplete.
                found.events.truncate(before);
                let reason = shorten(&format!("a string that is not JSON ({error})"));
                found.push(Event::Ignored(Ignored::NotAnEvent(reason)))
            }
        }
    }
}
