//! What leaves a run: planned messages become batches, batches fly, and what landed is marked.

use super::ForwardError;
use super::flight::{Accepted, Flight, Mark};
use crate::batch::{Batcher, Grouped, MessagePlan};
use crate::checkpoint::{GUARD_BYTES, Progress};
use crate::cut::Cutter;
use crate::flow_log::FlowLogBlob;
use crate::hub::{Batch, Hub};
use crate::plan::Trail;

/// The way from planned messages to the hub.
pub(super) struct Outbound<'h, H> {
    batcher: Batcher,
    flight: Flight<'h, H>,
    /// The bytes before `end`, for guards.
    trail: Trail,
    /// The end of the last message added.
    end: Mark,
    /// Where the run began.
    start: u64,
}

impl<'h, H: Hub> Outbound<'h, H> {
    /// Nothing sent yet; the first message starts at or behind `offset`, which `trail` leads up to.
    pub(super) fn new(batcher: Batcher, flight: Flight<'h, H>, offset: u64, trail: Trail) -> Self {
        let end = Mark { offset, guard: trail.guard() };
        Self { batcher, flight, trail, end, start: offset }
    }

    /// Builds the message that `plan` decided on, gives its bytes back to the cutter, and sends the
    /// batch that it completes, if it completes one.
    pub(super) async fn add(
        &mut self,
        blob: &FlowLogBlob,
        plan: MessagePlan,
        cutter: &mut Cutter,
    ) -> Result<(), ForwardError> {
        let offset = plan.range.end;
        let guarded = offset.saturating_sub(GUARD_BYTES).max(self.end.offset)..offset;
        self.trail.advance(&cutter.slice(guarded).map_err(ForwardError::internal(blob))?.to_bytes());
        let message = plan.message(cutter).map_err(ForwardError::internal(blob))?;
        cutter.release(offset);
        let before = std::mem::replace(&mut self.end, Mark { offset, guard: self.trail.guard() });
        match self.batcher.add(message) {
            Grouped::Fits => Ok(()),
            Grouped::Full(batch) => self.launch(blob, batch, before).await,
            Grouped::NeverFits(message) => Err(ForwardError::Oversize {
                blob: blob.url(),
                range: message.range,
                limit: self.batcher.max_body() as u64,
            }),
        }
    }

    /// Sends what is left and waits until everything has been accepted.
    pub(super) async fn drain(&mut self, blob: &FlowLogBlob) -> Result<(), ForwardError> {
        if let Some(batch) = self.batcher.finish() {
            self.launch(blob, batch, self.end.clone()).await?;
        }
        self.flight.drain().await.map_err(|cause| {
            ForwardError::send(blob, self.flight.landed().map_or(self.start, |mark| mark.offset), cause)
        })
    }

    /// `progress`, moved to the end of what has been accepted since.
    pub(super) fn landed_after(&self, progress: &Progress) -> Progress {
        match self.flight.landed() {
            Some(Mark { offset, guard }) => {
                Progress { offset: *offset, guard: Some(guard.clone()), ..progress.clone() }
            }
            None => progress.clone(),
        }
    }

    /// What has been accepted since the start.
    pub(super) fn accepted(&self) -> Accepted {
        self.flight.accepted()
    }

    async fn launch(&mut self, blob: &FlowLogBlob, batch: Batch, mark: Mark) -> Result<(), ForwardError> {
        let from = batch.range().start;
        self.flight.launch(batch, mark).await.map_err(|cause| ForwardError::send(blob, from, cause))
    }
}
