//! What all steps of one sweep work with.

use super::container::ContainerCaches;
use super::deadlines::{SweepDeadlines, in_time};
use super::error::SweepError;
use super::options::SweeperOptions;
use super::state::{StateKey, SweepState};
use crate::flow_log::Container;
use crate::forward::Forwarder;
use crate::hour::Hour;
use crate::ports::SweepPorts;
use tokio::time::Instant;

/// One sweep.
pub(super) struct SweepRun<'s, P: SweepPorts> {
    pub(super) listing: &'s P::Blobs,
    pub(super) table: &'s P::Checkpoints,
    pub(super) watermark_copy: &'s P::WatermarkCopy,
    pub(super) forwarder: &'s Forwarder<P>,
    pub(super) options: &'s SweeperOptions,
    pub(super) caches: &'s ContainerCaches,
    /// The start of the sweep, in milliseconds since the Unix epoch.
    pub(super) now: u64,
    pub(super) deadlines: SweepDeadlines,
}

impl<P: SweepPorts> SweepRun<'_, P> {
    /// The first hour that a sweep may scan: rows of earlier ones may be deleted.
    pub(super) fn first_kept_hour(&self) -> Hour {
        self.options.retention.first_hour(self.now)
    }

    /// Stores a number of the state. Returns false when another process stored one first.
    pub(super) async fn store(
        &self,
        container: &Container,
        state: &mut SweepState,
        key: StateKey,
        value: u64,
        deadline: Instant,
    ) -> Result<bool, SweepError> {
        in_time(deadline, state.store(self.table, container, key, value)).await
    }
}
