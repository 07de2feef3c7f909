//! What leaves a run: planned messages become batches, batches fly, and what landed is marked.

use super::ForwardError;
use super::flight::{Accepted, Flight, Mark};
use crate::batch::{Batcher, Grouped, MessagePlan};
use crate::checkpoint::{GUARD_BYTES, Progress};
use crate::cut::Cutter;
use crate::flow_log::FlowLogBlob;
use crate::hub::{Batch, Hub, Message};
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
    /// Whether everything up to `end` has been accepted or skipped.
    drained: bool,
}

impl<'h, H: Hub> Outbound<'h, H> {
    /// Nothing sent yet; the first message starts at or behind `offset`, which `trail` leads up to.
    pub(super) fn new(batcher: Batcher, flight: Flight<'h, H>, offset: u64, trail: Trail) -> Self {
        let end = Mark { offset, guard: trail.guard() };
        Self { batcher, flight, trail, end, start: offset, drained: false }
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
        self.pass_to(blob, offset, cutter)?;
        let message = plan.message(cutter).map_err(ForwardError::internal(blob))?;
        cutter.release(offset);
        self.send(blob, message, Some(offset)).await
    }

    /// Lets the guard know of the bytes up to `offset`, which `cutter` holds from the last end on.
    pub(super) fn pass_to(
        &mut self,
        blob: &FlowLogBlob,
        offset: u64,
        cutter: &Cutter,
    ) -> Result<(), ForwardError> {
        let guarded = offset.saturating_sub(GUARD_BYTES).max(self.end.offset)..offset;
        self.pass(&cutter.slice(guarded).map_err(ForwardError::internal(blob))?.to_bytes());
        Ok(())
    }

    /// Lets the guard know of bytes that lead up to the next end.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.trail.advance(bytes);
    }

    /// Moves the end behind bytes that are not sent, to which [`Outbound::pass`] has led.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.end = Mark { offset, guard: self.trail.guard() };
    }

    /// Puts `message` into a batch, and sends the batch that it completes, if it completes one.
    /// `end` is where a later run may begin once the message is accepted; none within a record.
    pub(super) async fn send(
        &mut self,
        blob: &FlowLogBlob,
        message: Message,
        end: Option<u64>,
    ) -> Result<(), ForwardError> {
        let before = self.end.clone();
        if let Some(offset) = end {
            self.skip_to(offset);
        }
        match self.batcher.add(message) {
            Grouped::Fits => Ok(()),
            Grouped::Full(batch) => self.launch(blob, batch, before).await,
            Grouped::NeverFits(message) => Err(ForwardError::Oversize {
                blob: blob.url(),
                size: message.body.len(),
                range: message.range,
            }),
        }
    }

    /// Sends what is left and waits until everything has been accepted.
    pub(super) async fn drain(&mut self, blob: &FlowLogBlob) -> Result<(), ForwardError> {
        if let Some(batch) = self.batcher.finish() {
            self.launch(blob, batch, self.end.clone()).await?;
        }
        let landed = self.flight.landed().map_or(self.start, |mark| mark.offset);
        self.flight.drain().await.map_err(|cause| ForwardError::send(blob, landed, cause))?;
        self.drained = self.end.offset > self.start;
        Ok(())
    }

    /// `progress`, moved to the end of what has been accepted since.
    pub(super) fn landed_after(&self, progress: &Progress) -> Progress {
        let mark = if self.drained { Some(&self.end) } else { self.flight.landed() };
        match mark {
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
