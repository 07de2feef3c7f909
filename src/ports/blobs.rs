//! What is asked of blob storage: byte ranges of one blob, each from one known version, by the forwarder;
//! and the names in a container, page by page, by the sweep.

use crate::flow_log::rope::Rope;
use crate::flow_log::{Container, FlowLogBlob};
use std::future::Future;
use std::ops::Range;

/// Which version of the blob a read may come from. `ETag`s are without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is committed now.
    None,
    /// Only this one (`If-Match`).
    IfMatch(&'a str),
    /// Any but this one (`If-None-Match`): nothing is transferred when nothing is new.
    IfNoneMatch(&'a str),
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
pub trait BlobReader: Send + Sync + 'static {
    /// The bytes `[range.start, range.end)` of `blob`, or up to its end when it is shorter.
    ///
    /// # Errors
    /// See [`ReadError`]; all but `Failed` are ordinary answers.
    fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        condition: Condition<'_>,
    ) -> impl Future<Output = Result<Chunk, ReadError>> + Send;

    /// Where the committed blocks of the version `etag` begin: blob offsets in ascending order, the first
    /// of them 0. Empty for a blob that was not put together from blocks.
    ///
    /// # Errors
    /// [`ReadError::Changed`] when another version is current; otherwise as [`BlobReader::read`].
    fn blocks(
        &self,
        blob: &FlowLogBlob,
        etag: &str,
    ) -> impl Future<Output = Result<Vec<u64>, ReadError>> + Send;
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
    /// The version named by [`Condition::IfNoneMatch`] is still the current one (304).
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
    /// The list of the blob's blocks could not be had.
    #[error("reading the block list failed: {reason}")]
    NoBlockList {
        /// What storage said, without secrets.
        reason: String,
    },
}

/// The most names that the service puts into one page (REST reference, *List Blobs*).
pub const LARGEST_PAGE: u32 = 5_000;

/// Which names to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// What the names begin with; empty for all.
    pub prefix: &'a str,
    /// How far to look below the prefix.
    pub depth: Depth,
    /// Where the page before this one ended; none for the first.
    pub marker: Option<&'a str>,
    /// How many names a page may have, up to [`LARGEST_PAGE`].
    pub at_most: u32,
}

/// How far below a prefix to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Up to the next `/`: blobs there, and folders.
    Children,
    /// All blobs, however many `/` are in their names.
    All,
}

/// One page of names. It may be empty and still have another one behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Names up to and with the next `/`; only for [`Depth::Children`].
    pub folders: Vec<String>,
    /// Blobs.
    pub blobs: Vec<Listed>,
    /// The marker of the next page, if there is one.
    pub next: Option<String>,
}

/// A blob as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name, decoded, exactly as it is stored.
    pub name: String,
    /// The `ETag` of the newest commit, without quotes.
    pub etag: String,
    /// Length of the newest commit, bytes.
    pub length: u64,
    /// When it was made, in milliseconds since the Unix epoch; none when storage did not say.
    pub modified: Option<u64>,
}

/// Lists the names in containers.
pub trait BlobListing: Send + Sync + 'static {
    /// One page of the names in `container`, in the order of their bytes.
    ///
    /// # Errors
    /// See [`ListError`].
    fn list(
        &self,
        container: &Container,
        names: Names<'_>,
    ) -> impl Future<Output = Result<Page, ListError>> + Send;
}

/// Why names were not listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// There is no such container (404): no flow log has written to the account yet.
    #[error("there is no container {container}")]
    NoContainer {
        /// The container's URL.
        container: String,
    },
    /// Storage could not be reached or refused.
    #[error("listing {container}, names beginning with \"{prefix}\": {reason}")]
    Failed {
        /// The container's URL.
        container: String,
        /// What the names should begin with.
        prefix: String,
        /// What storage said, without secrets.
        reason: String,
    },
}
