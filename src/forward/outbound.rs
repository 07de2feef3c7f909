//! What leaves a run: planned messages become batches, batches fly, and what landed is marked.

use super::ForwardError;
use super::send_pipeline::{Accepted, Position, SendPipeline};
use crate::checkpoint::Progress;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::Cutter;
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use crate::flow_log::fingerprint::FingerprintTail;
use crate::message::batch::{Batched, Batcher, MessagePlan};
use crate::message::{Batch, Message};
use crate::ports::hub::Hub;

/// The way from planned messages to the hub.
pub(super) struct Outbound<'h, H> {
    batcher: Batcher,
    flight: SendPipeline<'h, H>,
    /// The bytes before `passed_to`, for guards.
    trail: FingerprintTail,
    passed_to: u64,
    /// The end of the last message added.
    end: Position,
    /// Where the run began.
    start: u64,
    /// The last end up to which everything was found accepted or skipped at a time when nothing was under way.
    settled: Option<Position>,
    /// Whether anything was put into a batch.
    used: bool,
    /// Whether the last message was a part of a record, and not the last.
    within_record: bool,
}

impl<'h, H: Hub> Outbound<'h, H> {
    /// Nothing sent yet; the first message starts at or behind the offset of `progress`, which `trail`
    /// leads up to.
    pub(super) fn new(
        batcher: Batcher,
        flight: SendPipeline<'h, H>,
        progress: &Progress,
        trail: FingerprintTail,
    ) -> Self {
        let Progress { offset, set_aside, .. } = *progress;
        let end = Position { offset, fingerprint: trail.fingerprint(), set_aside };
        Self {
            batcher,
            flight,
            trail,
            passed_to: offset,
            end,
            start: offset,
            settled: None,
            used: false,
            within_record: false,
        }
    }

    /// Whether anything was sent, or waits for its batch to be full.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether a record was sent in part.
    pub(super) fn is_within_record(&self) -> bool {
        self.within_record
    }

    /// Up to where the fingerprint knows the bytes.
    pub(super) fn passed_to(&self) -> u64 {
        self.passed_to
    }

    /// The end of what was sent or skipped, accepted or not.
    pub(super) fn end(&self) -> u64 {
        self.end.offset
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

    /// Lets the fingerprint know of the bytes up to `offset`, which `cutter` holds from the last end on.
    pub(super) fn pass_to(
        &mut self,
        blob: &FlowLogBlob,
        offset: u64,
        cutter: &Cutter,
    ) -> Result<(), ForwardError> {
        let guarded = offset.saturating_sub(FINGERPRINT_BYTES).max(self.passed_to)..offset;
        self.trail.advance(&cutter.slice(guarded).map_err(ForwardError::internal(blob))?.to_bytes());
        self.passed_to = offset;
        Ok(())
    }

    /// Lets the fingerprint know of the next bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.trail.advance(bytes);
        self.passed_to += bytes.len() as u64;
    }

    /// Moves the end to `offset`, behind bytes that are in quarantine. `guarded` are those right before it,
    /// from [`Outbound::passed_to`] on, or as many as the fingerprint covers.
    pub(super) fn jump_to(&mut self, offset: u64, guarded: &[u8]) {
        self.trail.advance(guarded);
        self.passed_to = offset;
        self.skip_to(offset);
    }

    /// Moves the end behind bytes that are in quarantine, to which [`Outbound::pass_to`] has led.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.move_to(offset, offset.saturating_sub(self.end.offset));
    }

    /// Moves the end behind what separates records, to which [`Outbound::pass_to`] has led.
    pub(super) fn step_to(&mut self, offset: u64) {
        self.move_to(offset, 0);
    }

    fn move_to(&mut self, offset: u64, set_aside: u64) {
        let all_settled = self.settled.as_ref().map_or(self.start, |mark| mark.offset) == self.end.offset;
        let set_aside = self.end.set_aside + set_aside;
        self.end = Position { offset, fingerprint: self.trail.fingerprint(), set_aside };
        if all_settled {
            self.settled = Some(self.end.clone());
        }
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
            self.end = Position { offset, fingerprint: self.trail.fingerprint(), ..self.end.clone() };
        }
        self.used = true;
        self.within_record = end.is_none();
        match self.batcher.add(message) {
            Batched::Fits => Ok(()),
            Batched::Full(batch) => self.launch(blob, batch, before).await,
            Batched::NeverFits(message) => Err(ForwardError::Oversize {
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
        let drained = self.flight.drain().await;
        drained.map_err(|cause| ForwardError::send(blob, self.landed_to(), cause))?;
        if self.end.offset > self.start {
            self.settled = Some(self.end.clone());
        }
        Ok(())
    }

    /// `progress`, moved to the end of what has been accepted since.
    pub(super) fn landed_after(&self, progress: &Progress) -> Progress {
        let mark = self.settled.iter().chain(self.flight.landed()).max_by_key(|mark| mark.offset);
        match mark {
            Some(Position { offset, fingerprint, set_aside }) => Progress {
                offset: *offset,
                fingerprint: Some(fingerprint.clone()),
                set_aside: *set_aside,
                ..progress.clone()
            },
            None => progress.clone(),
        }
    }

    /// What has been accepted since the start.
    pub(super) fn accepted(&self) -> Accepted {
        self.flight.accepted()
    }

    async fn launch(&mut self, blob: &FlowLogBlob, batch: Batch, mark: Position) -> Result<(), ForwardError> {
        let launched = self.flight.launch(batch, mark).await;
        launched.map_err(|cause| ForwardError::send(blob, self.landed_to(), cause))
    }

    /// Everything before this byte has been accepted or skipped.
    fn landed_to(&self) -> u64 {
        let marks = self.settled.iter().chain(self.flight.landed());
        marks.map(|mark| mark.offset).max().unwrap_or(self.start)
    }
}
