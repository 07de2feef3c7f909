//! The quarantine: bytes that can't be forwarded, with a note that says why.

use crate::flow_log::FlowLogBlob;
use crate::flow_log::rope::Rope;
use std::future::Future;
use std::ops::Range;

/// The note beside an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The blob's URL.
    pub blob: String,
    /// The version of the blob, without quotes.
    pub etag: String,
    /// The bytes `[start, end)` of the blob.
    pub range: Range<u64>,
    /// Why the bytes were not forwarded.
    pub reason: String,
}

/// The name of an item. It is unique per range of a blob's contents, so that an attempt after a crash replaces the
/// item of the first one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemName(String);

impl ItemName {
    /// The item for the bytes `[range.start, range.end)` of `blob`, which was rewritten `generation` times.
    #[must_use]
    pub fn new(blob: &FlowLogBlob, generation: u32, range: &Range<u64>) -> Self {
        let key = blob.checkpoint_key();
        Self(format!("{}/{}/{generation}-{}-{}", key.partition, key.row, range.start, range.end))
    }

    /// The name without its extension: `.bin` for the bytes, `.json` for the note.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stores quarantined bytes.
pub trait Quarantine: Send + Sync + 'static {
    /// Uploads piece number `piece` (from 0) of the item's bytes. The item does not exist before
    /// [`Quarantine::finish`].
    ///
    /// # Errors
    /// When the store does not answer, or refuses.
    fn stage(
        &self,
        item: &ItemName,
        piece: u32,
        bytes: Rope,
    ) -> impl Future<Output = Result<(), QuarantineError>> + Send;

    /// Creates the item from its first `pieces` pieces, and its note. Replaces an item of the same name.
    ///
    /// # Errors
    /// When the store does not answer, or refuses.
    fn finish(
        &self,
        item: &ItemName,
        pieces: u32,
        note: &Note,
    ) -> impl Future<Output = Result<(), QuarantineError>> + Send;
}

/// Why an item was not stored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("quarantining {item} failed: {reason}")]
pub struct QuarantineError {
    /// The item's name.
    pub item: String,
    /// The answer of the store, without secrets.
    pub reason: String,
}
