//! What the forwarder asks of blob storage: byte ranges of one blob, each from one known version.

use crate::flow_log::FlowLogBlob;
use crate::rope::Rope;
use std::future::Future;
use std::ops::Range;

/// Which version of the blob a read may come from. `ETag`s are without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version<'a> {
    /// Whatever is committed now.
    Any,
    /// Only this one (`If-Match`).
    Only(&'a str),
    /// Any but this one (`If-None-Match`): nothing is transferred when nothing is new.
    NewerThan(&'a str),
}

/// The answer to a ranged read.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes: as many of the range as the blob has.
    pub bytes: Rope,
    /// Length of the whole blob, bytes, in the version that was read.
    pub blob_length: u64,
    /// The version that was read, without quotes.
    pub etag: String,
}

/// Reads blobs by range.
pub trait BlobSource: Send + Sync + 'static {
    /// The bytes `[range.start, range.end)` of `blob`, or up to its end when it is shorter.
    ///
    /// # Errors
    /// See [`ReadError`]; all but `Failed` are ordinary answers.
    fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Version<'_>,
    ) -> impl Future<Output = Result<Chunk, ReadError>> + Send;
}

/// Why a read brought no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such blob (404): deleted, or expired by a lifecycle rule.
    #[error("the blob does not exist")]
    NotFound,
    /// Another version was committed (412).
    #[error("the blob was committed anew while it was read")]
    Changed,
    /// The version named by [`Version::NewerThan`] is still the current one (304).
    #[error("the blob has not changed")]
    Unchanged,
    /// The range starts at or behind the blob's end (416).
    #[error("the blob ends before the range starts")]
    PastEnd,
    /// Storage could not be reached or refused.
    #[error("reading bytes {}..{} failed: {reason}", range.start, range.end)]
    Failed {
        /// The range asked for.
        range: Range<u64>,
        /// What storage said, without secrets.
        reason: String,
    },
}
