//! The host's envelope and the events in it, as they travel.

use super::{Ignored, MOST_EVENTS, NotAnEnvelope};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How often a value may be text that holds JSON again: the host encodes arrays once and strings twice.
const NESTED_TEXTS: usize = 3;

/// Longest text of an event that is kept for the log, characters.
const KEPT: usize = 256;

/// One element of the host's data: an event, or what it is instead.
pub(super) type Element = Result<Event, Ignored>;

/// Event Grid's schema and `CloudEvents` 1.0 in one: what the former calls `eventType` and `eventTime`,
/// the latter calls `type` and `time`. The rest has the same names. No field has to be there.
#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    #[serde(alias = "eventType", rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(alias = "eventTime")]
    pub(super) time: Option<String>,
    pub(super) data: Option<Data>,
}

/// The part that Blob storage fills in.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    pub(super) api: Option<String>,
    pub(super) url: Option<String>,
    #[serde(rename = "eTag", alias = "etag")]
    pub(super) etag: Option<String>,
    pub(super) content_length: Option<Number>,
}

/// A number, also where it travels as text; anything else counts as none.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Integer(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Number {
    pub(super) fn value(self) -> Option<u64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Text(text) => text.parse().ok(),
            Self::Other(_) => None,
        }
    }
}

/// The values of all bindings, under whatever names; at least one.
pub(super) fn bindings(body: &[u8]) -> Result<impl Iterator<Item = Value>, NotAnEnvelope> {
    // Some clients begin a body with a byte order mark, which JSON does not know.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    match serde_json::from_slice(body).map_err(|error| NotAnEnvelope::NotJson(error.to_string()))? {
        Value::Object(mut envelope) => match envelope.remove("Data") {
            Some(Value::Object(data)) if !data.is_empty() => Ok(data.into_iter().map(|(_, value)| value)),
            _ => Err(NotAnEnvelope::NoData),
        },
        _ => Err(NotAnEnvelope::NoData),
    }
}

/// Adds the events in `value` to `events`: itself, its elements, or what its text holds.
pub(super) fn flatten(value: Value, events: &mut Vec<Element>) -> Result<(), NotAnEnvelope> {
    // A stack and not recursion, so that nesting costs no more than its own bytes.
    let mut open = vec![(value, 0)];
    while let Some((value, texts)) = open.pop() {
        match value {
            Value::Array(elements) => open.extend(elements.into_iter().rev().map(|element| (element, texts))),
            Value::String(text) if texts < NESTED_TEXTS => match serde_json::from_str(&text) {
                Ok(value) => open.push((value, texts + 1)),
                Err(error) => events.push(not_an_event(&error)),
            },
            value => events.push(event(value)),
        }
        if events.len() + open.len() > MOST_EVENTS {
            return Err(NotAnEnvelope::TooMany);
        }
    }
    Ok(())
}

/// Reads one event; its `data` may be text that holds the object.
fn event(value: Value) -> Element {
    // Checked here because serde would read an array as a struct, field by field.
    let Value::Object(mut event) = value else {
        return Err(Ignored::NotAnEvent("no JSON object".to_owned()));
    };
    let data = match event.remove("data") {
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
        Some(data) => data,
        None => Value::Null,
    };
    if data.is_object() {
        event.insert("data".to_owned(), data);
    }
    serde_json::from_value(Value::Object(event)).map_err(|error| Ignored::NotAnEvent(cut(&error.to_string())))
}

fn not_an_event(error: &serde_json::Error) -> Element {
    Err(Ignored::NotAnEvent(cut(&format!("text that is not JSON ({error})"))))
}

/// A time as either schema writes it.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}

/// A foreign text, cut to what a log can bear, and on one line.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(KEPT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
