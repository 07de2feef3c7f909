//! What an event means: a commit of a blob, or nothing to do.

use time::OffsetDateTime;

/// Longest `ETag` kept, bytes. Those of Blob storage have 17 to 19.
pub const LONGEST_ETAG: usize = 128;

/// How much of an event's text is kept for the log, characters.
const LONGEST_TEXT: usize = 256;

/// A commit of a blob, as an event reports it. Only a hint: events come late, twice and out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The event's id, for the log. Empty when the event has none.
    pub id: String,
    /// The blob's URL as the event gives it, not validated.
    pub url: String,
    /// The `ETag` after the commit, without quotes.
    pub etag: Option<String>,
    /// The blob's length after the commit, bytes.
    pub length: Option<u64>,
    /// The API call that committed, such as `PutBlockList`.
    pub api: Option<String>,
    /// When the event happened.
    pub time: Option<OffsetDateTime>,
}

/// One event of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A blob was committed.
    Commit(Commit),
    /// There is nothing to do, and a retry would not change that.
    Ignored(Ignored),
}

/// Why an event is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// An event of another type.
    #[error("its type is {0:?}, not Microsoft.Storage.BlobCreated")]
    OtherType(String),
    /// An API call that gives a blob no content.
    #[error("{0} gives a blob no content")]
    NoContent(String),
    /// No blob is named.
    #[error("it has no data.url")]
    NoUrl,
    /// The URL is longer than [`LONGEST_URL`](crate::flow_log::LONGEST_URL).
    #[error("its data.url is longer than that of any blob")]
    LongUrl,
    /// A value that is not an event.
    #[error("it is not an Event Grid or CloudEvents event: {0}")]
    NotAnEvent(String),
}

impl Event {
    /// How much memory it takes, bytes.
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

/// An untrusted text, shortened and without line breaks, for a log line.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
