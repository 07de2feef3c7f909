//! The store of checkpoint rows: compare-and-swap on each row, and scans for the sweep.

use crate::checkpoint::Checkpoint;
use crate::flow_log::CheckpointKey;
use std::future::Future;
use std::ops::Range;

/// The opaque version of a stored row, for compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVersion(pub String);

/// Stores checkpoint rows, with compare-and-swap on each row.
pub trait CheckpointStore: Send + Sync + 'static {
    /// The row and its version; `None` when there is no row.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store does not answer.
    fn load(
        &self,
        key: &CheckpointKey,
    ) -> impl Future<Output = Result<Option<(Checkpoint, RowVersion)>, StoreError>> + Send;

    /// Writes `row` if the stored version is `expected`; `None` expects that there is no row. Returns the new
    /// version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the stored version is another one. [`StoreError::Failed`] when the store does
    /// not answer; the row may have been written.
    fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> impl Future<Output = Result<RowVersion, StoreError>> + Send;
}

/// Why a call to the checkpoint store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another worker changed the row.
    #[error("checkpoint {key} was changed by another worker")]
    Conflict {
        /// The key of the row.
        key: CheckpointKey,
    },
    /// The store did not answer, or refused.
    #[error("checkpoint {key}: {operation} failed: {reason}")]
    Failed {
        /// The key of the row.
        key: CheckpointKey,
        /// The operation.
        operation: &'static str,
        /// The answer of the store, without secrets.
        reason: String,
    },
    /// A scan failed.
    #[error("scanning checkpoints {from}: {reason}")]
    Scan {
        /// The first `PartitionKey` of the scan.
        from: String,
        /// The answer of the store, without secrets.
        reason: String,
    },
}

/// The most rows in one page (REST reference, *Query Timeout and Pagination*).
pub const LARGEST_PAGE: u32 = 1_000;

/// Which rows to scan. Keys are compared as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// The rows of one `PartitionKey` with a `RowKey` in the range.
    Of {
        /// The `PartitionKey`.
        partition: String,
        /// The `RowKey`s.
        rows: Range<String>,
    },
    /// All rows with a `PartitionKey` in the range.
    Partitions(Range<String>),
}

/// A stored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its key.
    pub key: CheckpointKey,
    /// Its content.
    pub row: Checkpoint,
    /// Its version.
    pub version: RowVersion,
}

/// One page of rows. An empty page may have a next page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPage {
    /// The rows, in key order.
    pub rows: Vec<StoredRow>,
    /// The start of the next page, if there is one.
    pub next: Option<Continuation>,
}

/// The opaque start of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The next `PartitionKey`.
    pub partition: String,
    /// The next `RowKey`; `None` for the first row.
    pub row: Option<String>,
}

/// A checkpoint store that can scan and delete rows.
pub trait CheckpointTable: CheckpointStore {
    /// One page of at most `at_most` (up to [`LARGEST_PAGE`]) of the `rows`, starting at `after`. A row that can't
    /// be read is skipped and logged.
    ///
    /// # Errors
    /// [`StoreError::Scan`] when the store does not answer.
    fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> impl Future<Output = Result<RowPage, StoreError>> + Send;

    /// Deletes the row if the stored version is `expected`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the stored version is another one. [`StoreError::Failed`] when the store does
    /// not answer; the row may have been deleted.
    fn delete(
        &self,
        key: &CheckpointKey,
        expected: &RowVersion,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
