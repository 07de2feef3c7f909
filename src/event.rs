//! What the host posts, read into commits of blobs.
//!
//! The Functions host wraps an Event Grid event into `{"Data":{"<binding>":…},"Metadata":{…}}`. Depending
//! on the binding's cardinality and the host's version the event arrives as an object, as an array, or
//! as either of them in a JSON-encoded string; and it is an Event Grid event or a `CloudEvents` 1.0 event.
//! All of these are understood; the function's settings need not say which.

mod wire;

use time::OffsetDateTime;

/// The events of one delivery, at most: Event Grid's own limit for a batch (its *output batching* page).
pub const MOST_EVENTS: usize = 5000;

/// The one event type that is about content.
const BLOB_CREATED: &str = "Microsoft.Storage.BlobCreated";

/// The calls that raise the event without giving the blob any content.
const NO_CONTENT: [&str; 4] = ["CreateDirectory", "DeleteBlob", "DeleteDirectory", "DeleteFile"];

/// A commit of a blob, as an event announces it. A hint: events come late, doubled and out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The event's id, for the log; empty when the event has none.
    pub id: String,
    /// The blob's URL as the event gives it: input, not yet checked.
    pub url: String,
    /// The `ETag` of that commit, without quotes.
    pub etag: Option<String>,
    /// The blob's whole length at that commit, bytes.
    pub length: Option<u64>,
    /// The call that committed, such as `PutBlockList`.
    pub api: Option<String>,
    /// When the event happened.
    pub time: Option<OffsetDateTime>,
}

/// One event of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A blob was committed.
    Commit(Commit),
    /// Nothing to do, and nothing that a retry would change.
    Ignored(Ignored),
}

/// Why an event says nothing about content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Another type of event.
    #[error("its type is {0:?}, not Microsoft.Storage.BlobCreated")]
    OtherType(String),
    /// A call that gives a blob no content.
    #[error("{0} gives a blob no content")]
    NoContent(String),
    /// No blob named.
    #[error("it has no data.url")]
    NoUrl,
    /// No event at all.
    #[error("it is not an Event Grid or CloudEvents event: {0}")]
    NotAnEvent(String),
}

/// Why a body is not what the Functions host posts. It would be no different the next time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEnvelope {
    /// No JSON.
    #[error("the body is not JSON ({0}); expected {EXPECTED}")]
    NotJson(String),
    /// JSON of another shape.
    #[error("the body has no Data with an event in it; expected {EXPECTED}")]
    NoData,
    /// More events than one delivery can have.
    #[error("the body holds more than {MOST_EVENTS} events")]
    TooMany,
}

/// The shape that [`NotAnEnvelope`] asks for.
const EXPECTED: &str = "the Functions host's {\"Data\":{\"eventGridEvent\":{…}},\"Metadata\":{…}}";

/// Reads the body of an invocation.
///
/// # Errors
/// [`NotAnEnvelope`], when the body as a whole can't be understood. A single event that can't be is
/// [`Event::Ignored`], so that it does not keep the others from being forwarded.
pub fn parse(body: &[u8]) -> Result<Vec<Event>, NotAnEnvelope> {
    let mut events = Vec::new();
    for value in wire::bindings(body)? {
        wire::flatten(value, &mut events)?;
    }
    Ok(events.into_iter().map(Event::from_wire).collect())
}

impl Event {
    fn from_wire(value: wire::Element) -> Self {
        match value.and_then(Commit::from_wire) {
            Ok(commit) => Self::Commit(commit),
            Err(reason) => Self::Ignored(reason),
        }
    }
}

impl Commit {
    fn from_wire(event: wire::Event) -> Result<Self, Ignored> {
        let kind = event.kind.as_deref().unwrap_or_default();
        if kind != BLOB_CREATED {
            return Err(Ignored::OtherType(wire::cut(kind)));
        }
        let data = event.data.unwrap_or_default();
        if let Some(api) = data.api.as_deref().filter(|api| NO_CONTENT.contains(api)) {
            return Err(Ignored::NoContent(api.to_owned()));
        }
        let length = data.content_length.and_then(wire::Number::value);
        // On accounts with directories a file is first created empty, and flushed with its content later.
        if let (Some("CreateFile"), Some(0)) = (data.api.as_deref(), length) {
            return Err(Ignored::NoContent("CreateFile".to_owned()));
        }
        let url = data.url.filter(|url| !url.is_empty()).ok_or(Ignored::NoUrl)?;
        Ok(Self {
            id: wire::cut(event.id.as_deref().unwrap_or_default()),
            url,
            etag: data.etag.map(|etag| unquoted(&etag)).filter(|etag| !etag.is_empty()),
            length,
            api: data.api.as_deref().map(wire::cut),
            time: event.time.and_then(|time| wire::time(&time)),
        })
    }
}

/// An `ETag` as the block list and headers compare it: events carry it bare or in quotes.
fn unquoted(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests;
