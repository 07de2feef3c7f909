//! Where checkpoint rows are kept.

use super::Checkpoint;
use crate::flow_log::CheckpointKey;
use std::future::Future;

/// The version of a stored row, for compare-and-swap. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVersion(pub String);

/// Keeps checkpoint rows with compare-and-swap on each.
pub trait CheckpointStore: Send + Sync {
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
