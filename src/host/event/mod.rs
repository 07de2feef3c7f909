//! What the host posts, read into commits of blobs.
//!
//! The Functions host wraps an Event Grid event into `{"Data":{"<binding>":…},"Metadata":{…}}`. Depending
//! on the binding's cardinality and the host's version the event arrives as an object, as an array, or
//! as either of them in a JSON-encoded string; and it is an Event Grid event or a `CloudEvents` 1.0 event.
//! All of these are understood; the function's settings need not say which.

mod fields;
mod shape;
mod wire;

use fields::{Address, Fields};
use time::OffsetDateTime;

/// The events of one delivery, at most: Event Grid's own limit for a batch (its *output batching* page).
pub const MOST_EVENTS: usize = 5000;

/// Longest `ETag` that is kept, bytes. Those of Blob storage have 17 to 19.
pub const LONGEST_ETAG: usize = 128;

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
    /// No blob has such an address.
    #[error("its data.url is longer than that of any blob")]
    LongUrl,
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
    /// Arrays in arrays, deeper than in any delivery.
    #[error("the body nests arrays deeper than any delivery; expected {EXPECTED}")]
    TooDeep,
}

/// The shape that [`NotAnEnvelope`] asks for.
const EXPECTED: &str = "the Functions host's {\"Data\":{\"eventGridEvent\":{…}},\"Metadata\":{…}}";

/// Reads the body of an invocation, as a stream: memory goes to at most [`MOST_EVENTS`] events, each of
/// bounded size, whatever else the body holds.
///
/// # Errors
/// [`NotAnEnvelope`], when the body as a whole can't be understood. A single event that can't be is
/// [`Event::Ignored`], so that it does not keep the others from being forwarded.
pub fn parse(body: &[u8]) -> Result<Vec<Event>, NotAnEnvelope> {
    wire::read(body)
}

impl Event {
    fn from_fields(fields: Result<Fields, Ignored>) -> Self {
        match fields.and_then(Commit::from_fields) {
            Ok(commit) => Self::Commit(commit),
            Err(reason) => Self::Ignored(reason),
        }
    }

    /// How many bytes of memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = match self {
            Self::Commit(Commit { id, url, etag, api, .. }) => {
                let optional = [etag, api].into_iter().flatten();
                id.capacity() + url.capacity() + optional.map(String::capacity).sum::<usize>()
            }
            Self::Ignored(
                Ignored::OtherType(text) | Ignored::NoContent(text) | Ignored::NotAnEvent(text),
            ) => text.capacity(),
            Self::Ignored(Ignored::NoUrl | Ignored::LongUrl) => 0,
        };
        size_of::<Self>() + texts
    }
}

impl Commit {
    fn from_fields(Fields { id, kind, time, data }: Fields) -> Result<Self, Ignored> {
        if kind != BLOB_CREATED {
            return Err(Ignored::OtherType(kind));
        }
        if let Some(api) = data.api.as_deref().filter(|api| NO_CONTENT.contains(api)) {
            return Err(Ignored::NoContent(api.to_owned()));
        }
        // On accounts with directories a file is first created empty, and flushed with its content later.
        if let (Some("CreateFile"), Some(0)) = (data.api.as_deref(), data.length) {
            return Err(Ignored::NoContent("CreateFile".to_owned()));
        }
        let url = match data.url {
            Some(Address::Whole(url)) => url,
            Some(Address::TooLong) => return Err(Ignored::LongUrl),
            None => return Err(Ignored::NoUrl),
        };
        Ok(Self { id, url, etag: data.etag, length: data.length, api: data.api, time })
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
