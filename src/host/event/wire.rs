//! The host's envelope, read as a stream: events are counted and cut as they come, and nothing else is kept.

use super::fields::Fields;
use super::shape::{Any, Shape};
use super::{Event, Ignored, MOST_EVENTS, NotAnEnvelope};
use serde::Deserialize;
use serde::de::{DeserializeSeed as _, Error, IgnoredAny, MapAccess, SeqAccess};

/// How often a value may be text that holds JSON again: the host encodes arrays once and strings twice.
const NESTED_TEXTS: usize = 3;

/// How many arrays may lie in one another. A delivery is one array; each level costs stack.
const NESTED_LISTS: usize = 16;

/// Longest text of an event that is kept for the log, characters.
const KEPT: usize = 256;

/// The events in `body`, an envelope.
pub(super) fn read(body: &[u8]) -> Result<Vec<Event>, NotAnEnvelope> {
    // Some clients begin a body with a byte order mark, which JSON does not know.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let outcome = Any(Envelope(&mut found)).deserialize(&mut json).and_then(|()| json.end());
    match (found.refused, outcome) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => Err(NotAnEnvelope::NotJson(cut(&error.to_string()))),
        (None, Ok(())) if !found.has_data => Err(NotAnEnvelope::NoData),
        (None, Ok(())) => Ok(found.events),
    }
}

/// Reads the whole of `text`.
pub(super) fn read_text<'de, S: Shape<'de>>(text: &'de str, shape: S) -> serde_json::Result<S::Output> {
    let mut json = serde_json::Deserializer::from_str(text);
    let output = Any(shape).deserialize(&mut json)?;
    json.end().map(|()| output)
}

/// A foreign text, cut to what a log can bear, and on one line.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(KEPT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What reading has come to.
#[derive(Default)]
struct Found {
    events: Vec<Event>,
    /// Whether there was data with a binding in it.
    has_data: bool,
    /// Why reading was given up, where that is not the JSON's fault.
    refused: Option<NotAnEnvelope>,
}

impl Found {
    fn push<E: Error>(&mut self, event: Event) -> Result<(), E> {
        if self.events.len() >= MOST_EVENTS {
            return Err(self.refuse(NotAnEnvelope::TooMany));
        }
        self.events.push(event);
        Ok(())
    }

    /// Notes why, and returns an error that ends the reading.
    fn refuse<E: Error>(&mut self, why: NotAnEnvelope) -> E {
        let error = E::custom(&why);
        self.refused = Some(why);
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

/// The values of all bindings, under whatever names.
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

/// An event, an array of events, or text that holds either.
struct Element<'a> {
    found: &'a mut Found,
    /// How many texts it lies in.
    texts: usize,
    /// How many arrays it lies in.
    lists: usize,
}

impl<'de> Shape<'de> for Element<'_> {
    type Output = ();

    fn other<E: Error>(self) -> Result<(), E> {
        self.found.push(Event::Ignored(Ignored::NotAnEvent("no JSON object".to_owned())))
    }

    fn object<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let fields = Fields::read(members)?;
        self.found.push(Event::from_fields(fields))
    }

    fn list<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { found, texts, lists } = self;
        if lists == NESTED_LISTS {
            return Err(found.refuse(NotAnEnvelope::TooDeep));
        }
        while elements.next_element_seed(Any(Element { found, texts, lists: lists + 1 }))?.is_some() {}
        Ok(())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        let Self { found, texts, lists } = self;
        if texts == NESTED_TEXTS {
            return Element { found, texts, lists }.other();
        }
        let before = found.events.len();
        match read_text(text, Element { found, texts: texts + 1, lists }) {
            Ok(()) => Ok(()),
            Err(error) if found.refused.is_some() => Err(E::custom(error)),
            Err(error) => {
                // Half a text says nothing.
                found.events.truncate(before);
                found.push(Event::Ignored(Ignored::NotAnEvent(cut(&format!(
                    "text that is not JSON ({error})"
                )))))
            }
        }
    }
}
