//! The second copy of each container's watermark: kept elsewhere than the checkpoint table, so that a table
//! that vanished is told from a new installation.

use crate::flow_log::Container;
use crate::hour::Hour;
use std::future::Future;

/// Keeps one hour for each container: everything committed before it is forwarded.
pub trait WatermarkCopy: Send + Sync + 'static {
    /// The hour kept for `container`; none when none was ever kept.
    ///
    /// # Errors
    /// When the store can't answer, or what it holds is not an hour.
    fn load(
        &self,
        container: &Container,
    ) -> impl Future<Output = Result<Option<Hour>, WatermarkCopyError>> + Send;

    /// Keeps `hour` for `container`, in place of what was kept before.
    ///
    /// # Errors
    /// When the store can't be reached or refuses: then it may have been kept.
    fn store(
        &self,
        container: &Container,
        hour: Hour,
    ) -> impl Future<Output = Result<(), WatermarkCopyError>> + Send;
}

/// Why the second copy was not read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the second copy of the watermark of {container}: {reason}")]
pub struct WatermarkCopyError {
    /// The container's URL.
    pub container: String,
    /// What the store said, without secrets.
    pub reason: String,
}
