//! Why a step of a sweep failed.

use crate::ports::blobs::ListError;
use crate::ports::checkpoints::StoreError;
use crate::ports::watermark_copy::WatermarkCopyError;

/// Fails one container, hour or row: the sweep goes on with the others.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Checkpoints(#[from] StoreError),
    #[error(transparent)]
    WatermarkCopy(#[from] WatermarkCopyError),
    #[error("the sweep ran out of time while {activity}: storage is slow, or there is too much to list")]
    OutOfTime { activity: &'static str },
    #[error(
        "{container} has more than {limit} flow logs or folders: only the first found are swept, and no hour is closed"
    )]
    TooMany {
        /// The container's URL.
        container: String,
        limit: usize,
    },
}
