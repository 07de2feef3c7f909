//! Blob storage: ranged reads for the forwarder, listings for the sweep.

use crate::flow_log::rope::Rope;
use crate::flow_log::{Container, FlowLogBlob};
use std::future::Future;
use std::ops::Range;

/// The condition of a read. `ETag`s are without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// The current version, whichever it is.
    None,
    /// Only this version (`If-Match`).
    IfMatch(&'a str),
    /// Any version but this one (`If-None-Match`), so that an unchanged blob is not transferred.
    IfNoneMatch(&'a str),
}

/// The answer to a ranged read.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes of the range, up to the end of the blob.
    pub bytes: Rope,
    /// Length of the whole blob in this version, bytes.
    pub blob_length: u64,
    /// The version that was read, without quotes.
    pub etag: String,
}

/// Reads blobs by range.
pub trait BlobReader: Send + Sync + 'static {
    /// The bytes `[range.start, range.end)` of `blob`, or up to its end when it is shorter.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        condition: Condition<'_>,
    ) -> impl Future<Output = Result<Chunk, ReadError>> + Send;

    /// The offsets at which the committed blocks of the version `etag` begin, ascending from 0. Empty for a blob
    /// that was uploaded in one piece.
    ///
    /// # Errors
    /// [`ReadError::Changed`] when another version is current; otherwise as [`BlobReader::read`].
    fn blocks(
        &self,
        blob: &FlowLogBlob,
        etag: &str,
    ) -> impl Future<Output = Result<Vec<u64>, ReadError>> + Send;
}

/// Why a read returned no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The blob does not exist (404): it was deleted, or expired by a lifecycle rule.
    #[error("the blob does not exist")]
    NotFound,
    /// Another version was committed (412).
    #[error("another version of the blob was committed during the read")]
    Changed,
    /// The version named by [`Condition::IfNoneMatch`] is still the current one (304).
    #[error("the blob has not changed")]
    Unchanged,
    /// The range starts at or behind the end of the blob (416).
    #[error("the blob ends before the range")]
    PastEnd,
    /// Storage did not answer, or refused.
    #[error("reading bytes {}..{} failed: {reason}", range.start, range.end)]
    Failed {
        /// The requested range.
        range: Range<u64>,
        /// The answer of storage, without secrets.
        reason: String,
    },
    /// The block list could not be read.
    #[error("reading the block list failed: {reason}")]
    NoBlockList {
        /// The answer of storage, without secrets.
        reason: String,
    },
}

/// The most names in one page (REST reference, *List Blobs*).
pub const LARGEST_PAGE: u32 = 5_000;

/// Which names to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// The prefix of the names; empty for all.
    pub prefix: &'a str,
    /// How far to list below the prefix.
    pub depth: Depth,
    /// Where the previous page ended; `None` for the first page.
    pub marker: Option<&'a str>,
    /// The most names in the page, up to [`LARGEST_PAGE`].
    pub at_most: u32,
}

/// How far below a prefix to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Up to the next `/`: blobs and folders.
    Children,
    /// All blobs below the prefix.
    All,
}

/// One page of names. An empty page may have a next page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Names up to and including the next `/`; only for [`Depth::Children`].
    pub folders: Vec<String>,
    /// Blobs.
    pub blobs: Vec<Listed>,
    /// The marker of the next page, if there is one.
    pub next: Option<String>,
}

/// A blob in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name, decoded, exactly as it is stored.
    pub name: String,
    /// The `ETag` of the newest commit, without quotes.
    pub etag: String,
    /// Length of the newest commit, bytes.
    pub length: u64,
    /// Its time, in milliseconds since the Unix epoch; `None` when storage does not send it.
    pub modified: Option<u64>,
}

/// Lists the names in containers.
pub trait BlobListing: Send + Sync + 'static {
    /// One page of the names in `container`, in byte order.
    ///
    /// # Errors
    /// See [`ListError`].
    fn list(
        &self,
        container: &Container,
        names: Names<'_>,
    ) -> impl Future<Output = Result<Page, ListError>> + Send;
}

/// Why a listing failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The container does not exist (404): no flow log has written to the account yet.
    #[error("container {container} does not exist")]
    NoContainer {
        /// The container's URL.
        container: String,
    },
    /// Storage did not answer, or refused.
    #[error("listing {container}, names beginning with \"{prefix}\": {reason}")]
    Failed {
        /// The container's URL.
        container: String,
        /// The prefix of the names.
        prefix: String,
        /// The answer of storage, without secrets.
        reason: String,
    },
}
