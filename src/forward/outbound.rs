//! What leaves a run: planned messages become batches, batches fly, and what landed is marked.

use super::flight::{Accepted, Flight, Mark};
use crate::batch::{Batcher, Grouped, MessagePlan};
use crate::checkpoint::GUARD_BYTES;
use crate::cut::{Cutter, NotHeld};
use crate::hub::{Batch, Hub, HubError};
use crate::plan::Trail;

/// Why a message did not get out.
#[derive(Debug)]
pub(super) enum OutboundError {
    /// The hub did not accept a batch.
    Hub(HubError),
    /// The message's bytes had been given back already.
    NotHeld(NotHeld),
}

/// The way from planned messages to the hub.
pub(super) struct Outbound<'h, H> {
    batcher: Batcher,
    flight: Flight<'h, H>,
    /// The bytes before `end`, for guards.
    trail: Trail,
    /// The end of the last message added.
    end: Mark,
}

impl<'h, H: Hub> Outbound<'h, H> {
    /// Nothing sent yet; the first message starts at or behind `offset`, which `trail` leads up to.
    pub(super) fn new(batcher: Batcher, flight: Flight<'h, H>, offset: u64, trail: Trail) -> Self {
        let end = Mark { offset, guard: trail.guard() };
        Self { batcher, flight, trail, end }
    }

    /// Builds the message that `plan` decided on, gives its bytes back to the cutter, and sends the
    /// batch that it completes, if it completes one.
    pub(super) async fn add(&mut self, plan: MessagePlan, cutter: &mut Cutter) -> Result<(), OutboundError> {
        let offset = plan.range.end;
        let guarded = offset.saturating_sub(GUARD_BYTES).max(self.end.offset)..offset;
        self.trail.advance(&cutter.slice(guarded).map_err(OutboundError::NotHeld)?.to_bytes());
        let message = plan.message(cutter).map_err(OutboundError::NotHeld)?;
        cutter.release(offset);
        let before = std::mem::replace(&mut self.end, Mark { offset, guard: self.trail.guard() });
        match self.batcher.add(message) {
            Grouped::Fits => Ok(()),
            Grouped::Full(batch) => self.launch(batch, before).await,
            Grouped::NeverFits(message) => Err(OutboundError::Hub(self.batcher.too_large(&message))),
        }
    }

    /// Sends what is left and waits until everything has been accepted.
    pub(super) async fn drain(&mut self) -> Result<(), OutboundError> {
        if let Some(batch) = self.batcher.finish() {
            self.launch(batch, self.end.clone()).await?;
        }
        self.flight.drain().await.map_err(OutboundError::Hub)
    }

    /// The end of what has been accepted since the last call, if anything has.
    pub(super) fn take_landed(&mut self) -> Option<Mark> {
        self.flight.take_landed()
    }

    /// What has been accepted since the start.
    pub(super) fn accepted(&self) -> Accepted {
        self.flight.accepted()
    }

    async fn launch(&mut self, batch: Batch, mark: Mark) -> Result<(), OutboundError> {
        self.flight.launch(batch, mark).await.map_err(OutboundError::Hub)
    }
}
