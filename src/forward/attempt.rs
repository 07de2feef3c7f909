//! One attempt on one blob: its subject, its deadlines and its statistics.

use super::deadlines::{Caller, Deadlines};
use super::error::{Awaited, ForwardError};
use super::forwarded::Forwarded;
use crate::checkpoint::BlobVersion;
use crate::flow_log::FlowLogBlob;
use std::time::Instant;
use tokio::sync::watch;
use tokio::time::timeout_at;

/// One attempt on one blob.
pub(super) struct Attempt<'a> {
    pub(super) blob: &'a FlowLogBlob,
    /// The commit that must be forwarded at least.
    pub(super) commit: &'a BlobVersion,
    pub(super) deadlines: Deadlines,
    pub(super) stats: Forwarded,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(blob: &'a FlowLogBlob, commit: &'a BlobVersion, deadlines: Deadlines) -> Self {
        Self { blob, commit, deadlines, stats: Forwarded::default() }
    }

    /// Waits for `work` until [`Deadlines::send_until`].
    pub(super) async fn within<T>(
        &self,
        awaited: Awaited,
        work: impl Future<Output = T>,
    ) -> Result<T, ForwardError> {
        within(self.blob, &self.deadlines, awaited, work).await
    }

    /// Waits for `work` until `deadline`.
    pub(super) async fn until<T>(
        &self,
        deadline: Instant,
        awaited: Awaited,
        work: impl Future<Output = T>,
    ) -> Result<T, ForwardError> {
        until(self.blob, &self.deadlines, deadline, awaited, work).await
    }
}

/// Waits for `work` until [`Deadlines::send_until`].
pub(super) async fn within<T>(
    blob: &FlowLogBlob,
    deadlines: &Deadlines,
    awaited: Awaited,
    work: impl Future<Output = T>,
) -> Result<T, ForwardError> {
    until(blob, deadlines, deadlines.send_until, awaited, work).await
}

async fn until<T>(
    blob: &FlowLogBlob,
    deadlines: &Deadlines,
    deadline: Instant,
    awaited: Awaited,
    work: impl Future<Output = T>,
) -> Result<T, ForwardError> {
    let ended = timeout_at(deadline.into(), work).await;
    ended.map_err(|_| ForwardError::out_of_time(blob, deadlines, awaited))
}

/// Counts an attempt for an event while it lasts: the sweep yields to it.
pub(super) struct EventInProgress<'f>(Option<&'f watch::Sender<usize>>);

impl<'f> EventInProgress<'f> {
    pub(super) fn begin(events: &'f watch::Sender<usize>, caller: Caller) -> Self {
        let events = (caller == Caller::Event).then_some(events);
        if let Some(events) = events {
            events.send_modify(|count| *count += 1);
        }
        Self(events)
    }
}

impl Drop for EventInProgress<'_> {
    fn drop(&mut self) {
        if let Some(events) = self.0 {
            events.send_modify(|count| *count -= 1);
        }
    }
}
