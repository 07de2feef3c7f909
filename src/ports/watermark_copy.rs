//! The second copy of each container's watermark, outside the checkpoint table: it distinguishes a lost table
//! from a new installation.

use crate::flow_log::Container;
use crate::hour::Hour;
use std::future::Future;

/// Stores one hour per container: everything committed before it has been forwarded.
pub trait WatermarkCopy: Send + Sync + 'static {
    /// The stored hour of `container`; `None` when there is none.
    ///
    /// # Errors
    /// When the store does not answer, or holds something other than an hour.
    fn load(
        &self,
        container: &Container,
    ) -> impl Future<Output = Result<Option<Hour>, WatermarkCopyError>> + Send;

    /// Stores `hour` for `container`, and replaces the old one.
    ///
    /// # Errors
    /// When the store does not answer, or refuses. The hour may have been stored nevertheless.
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
    /// The answer of the store, without secrets.
    pub reason: String,
}
