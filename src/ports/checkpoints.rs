//! The store of checkpoint rows: compare-and-swap on each row, and scans for the sweep.

use crate::checkpoint::Checkpoint;
use crate::flow_log::CheckpointKey;
use std::future::Future;
use std::ops::Range;

/// The version of a stored row, for compare-and-swap. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVersion(pub String);

/// Keeps checkpoint rows with compare-and-swap on each.
pub trait CheckpointStore: Send + Sync + 'static {
    /// The row and its version; none when there is none.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store can't answer.
    fn load(
        &self,
        key: &CheckpointKey,
    ) -> impl Future<Output = Result<Option<(Checkpoint, RowVersion)>, StoreError>> + Send;

    /// Writes `row` if the stored version is still `expected`, or if there is no row when that is
    /// none. Returns the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the row changed, appeared or vanished meanwhile;
    /// [`StoreError::Failed`] when the store can't answer: then the write may have happened.
    fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> impl Future<Output = Result<RowVersion, StoreError>> + Send;
}

/// Why the checkpoint store did not do as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the row first.
    #[error("checkpoint {key} was changed by another worker")]
    Conflict {
        /// The row.
        key: CheckpointKey,
    },
    /// The store could not be reached or refused.
    #[error("checkpoint {key}: {operation} failed: {reason}")]
    Failed {
        /// The row.
        key: CheckpointKey,
        /// What was tried.
        operation: &'static str,
        /// What the store said, without secrets.
        reason: String,
    },
    /// Rows could not be scanned.
    #[error("scanning checkpoints {from}: {reason}")]
    Scan {
        /// The first `PartitionKey` of the scan.
        from: String,
        /// What the store said, without secrets.
        reason: String,
    },
}

/// The most rows that the service puts into one page (REST reference, *Query Timeout and Pagination*).
pub const LARGEST_PAGE: u32 = 1_000;

/// Which rows to scan. Table partitions are named by their `PartitionKey`, and compared as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Those of one `PartitionKey` whose `RowKey` is in the range.
    Of {
        /// The `PartitionKey`.
        partition: String,
        /// The `RowKey`s.
        rows: Range<String>,
    },
    /// All whose `PartitionKey` is in the range.
    Partitions(Range<String>),
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Which row.
    pub key: CheckpointKey,
    /// Its content.
    pub row: Checkpoint,
    /// Its version.
    pub version: RowVersion,
}

/// One page of rows. It may be empty and still have another one behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPage {
    /// The rows, in the order of their keys.
    pub rows: Vec<StoredRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<Continuation>,
}

/// Where a page begins, as the store itself put it. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The `PartitionKey` to go on with.
    pub partition: String,
    /// The `RowKey` to go on with; none for the first.
    pub row: Option<String>,
}

/// A store whose rows can be scanned and deleted.
pub trait CheckpointTable: CheckpointStore {
    /// One page of `rows`, at most `at_most` (up to [`LARGEST_PAGE`]) of them, from `after` on. A row
    /// that can't be read is left out, and told of in the log.
    ///
    /// # Errors
    /// [`StoreError::Scan`] when the store can't answer.
    fn scan(
        &self,
        rows: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> impl Future<Output = Result<RowPage, StoreError>> + Send;

    /// Deletes the row if the stored version is still `expected`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the row changed or vanished meanwhile; [`StoreError::Failed`]
    /// when the store can't answer: then the row may be gone.
    fn delete(
        &self,
        key: &CheckpointKey,
        expected: &RowVersion,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
