//! Where bytes go that can't be forwarded: kept whole, with a note that says why.

use crate::flow_log::FlowLogBlob;
use crate::flow_log::rope::Rope;
use std::future::Future;
use std::ops::Range;

/// What is kept, and why it was not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The blob's URL.
    pub blob: String,
    /// The version the bytes were read from, without quotes.
    pub etag: String,
    /// The bytes `[start, end)` of the blob.
    pub range: Range<u64>,
    /// Why they were not forwarded, for people.
    pub reason: String,
}

/// Names one item: the same for the same stretch of the same blob, so that an attempt after a crash
/// replaces what the first one left, and another one for any other stretch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemName(String);

impl ItemName {
    /// The item that is to hold the bytes `[range.start, range.end)` of `blob`, which was found rewritten
    /// `generation` times.
    #[must_use]
    pub fn new(blob: &FlowLogBlob, generation: u32, range: &Range<u64>) -> Self {
        let key = blob.checkpoint_key();
        Self(format!("{}/{}/{generation}-{}-{}", key.partition, key.row, range.start, range.end))
    }

    /// The name, to which `.bin` (the bytes) and `.json` (the note) are added.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keeps items.
pub trait Quarantine: Send + Sync + 'static {
    /// Takes piece number `piece` (from 0) of the item's bytes. Nothing shows before
    /// [`Quarantine::finish`], so a broken attempt leaves nothing behind.
    ///
    /// # Errors
    /// When the store can't be reached or refuses.
    fn stage(
        &self,
        item: &ItemName,
        piece: u32,
        bytes: Rope,
    ) -> impl Future<Output = Result<(), QuarantineError>> + Send;

    /// Puts the item together from its first `pieces` pieces, and its note beside it; replaces an
    /// item of the same name.
    ///
    /// # Errors
    /// When the store can't be reached or refuses.
    fn finish(
        &self,
        item: &ItemName,
        pieces: u32,
        note: &Note,
    ) -> impl Future<Output = Result<(), QuarantineError>> + Send;
}

/// Why an item was not kept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("quarantining {item} failed: {reason}")]
pub struct QuarantineError {
    /// The item's name.
    pub item: String,
    /// What the store said, without secrets.
    pub reason: String,
}
