//! Builds planned messages, sends them in batches, and tracks the offset up to which they were accepted.

use super::error::ForwardError;
use super::send_pipeline::{Accepted, Position, SendPipeline};
use crate::checkpoint::Progress;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::Cutter;
use crate::flow_log::fingerprint::{FINGERPRINT_BYTES, FingerprintTail};
use crate::message::batch::{Batched, Batcher, MessagePlan};
use crate::message::{Batch, Message};
use crate::ports::hub::Hub;

/// The sending side of a run.
pub(super) struct Outbound<'h, H> {
    batcher: Batcher,
    pipeline: SendPipeline<'h, H>,
    /// The last bytes before `passed_to`, for fingerprints.
    tail: FingerprintTail,
    passed_to: u64,
    /// The end of the last message added.
    end: Position,
    /// The offset at which the run began.
    start: u64,
    /// The last end up to which everything was accepted or skipped while nothing was in flight.
    settled: Option<Position>,
    /// Whether anything was put into a batch.
    used: bool,
    /// Whether the last message is a part of a record, but not its last part.
    within_record: bool,
}

impl<'h, H: Hub> Outbound<'h, H> {
    /// The first message starts at or behind the offset of `progress`; `tail` holds the bytes before it.
    pub(super) fn new(
        batcher: Batcher,
        pipeline: SendPipeline<'h, H>,
        progress: &Progress,
        tail: FingerprintTail,
    ) -> Self {
        let Progress { offset, skipped_bytes, .. } = *progress;
        let end = Position { offset, fingerprint: tail.fingerprint(), skipped_bytes };
        Self {
            batcher,
            pipeline,
            tail,
            passed_to: offset,
            end,
            start: offset,
            settled: None,
            used: false,
            within_record: false,
        }
    }

    /// Whether any message was added, sent or not.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether only a part of the last record was sent.
    pub(super) fn is_within_record(&self) -> bool {
        self.within_record
    }

    /// The offset up to which the fingerprint has seen the bytes.
    pub(super) fn passed_to(&self) -> u64 {
        self.passed_to
    }

    /// The end of what was added or skipped, accepted or not.
    pub(super) fn end(&self) -> u64 {
        self.end.offset
    }

    /// Builds the planned message, releases its bytes in the cutter, and sends a batch if it is full.
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

    /// Adds the bytes up to `offset`, which `cutter` holds, to the fingerprint.
    pub(super) fn pass_to(
        &mut self,
        blob: &FlowLogBlob,
        offset: u64,
        cutter: &Cutter,
    ) -> Result<(), ForwardError> {
        let covered = offset.saturating_sub(FINGERPRINT_BYTES).max(self.passed_to)..offset;
        self.tail.advance(&cutter.slice(covered).map_err(ForwardError::internal(blob))?.to_bytes());
        self.passed_to = offset;
        Ok(())
    }

    /// Adds the next bytes to the fingerprint.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.tail.advance(bytes);
        self.passed_to += bytes.len() as u64;
    }

    /// Moves the end to `offset`, over bytes that quarantine holds. `covered` are the bytes before it, from
    /// [`Outbound::passed_to`] on or as many as the fingerprint covers.
    pub(super) fn jump_to(&mut self, offset: u64, covered: &[u8]) {
        self.tail.advance(covered);
        self.passed_to = offset;
        self.skip_to(offset);
    }

    /// Moves the end over bytes that quarantine holds, after [`Outbound::pass_to`].
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.move_to(offset, offset.saturating_sub(self.end.offset));
    }

    /// Moves the end over separators between records, after [`Outbound::pass_to`].
    pub(super) fn step_to(&mut self, offset: u64) {
        self.move_to(offset, 0);
    }

    fn move_to(&mut self, offset: u64, skipped_bytes: u64) {
        let all_settled =
            self.settled.as_ref().map_or(self.start, |position| position.offset) == self.end.offset;
        let skipped_bytes = self.end.skipped_bytes + skipped_bytes;
        self.end = Position { offset, fingerprint: self.tail.fingerprint(), skipped_bytes };
        if all_settled {
            self.settled = Some(self.end.clone());
        }
    }

    /// Adds `message` to the open batch, and sends the batch if it is full. `end` is the offset at which a later
    /// run may begin once the message is accepted; `None` within a record.
    pub(super) async fn send(
        &mut self,
        blob: &FlowLogBlob,
        message: Message,
        end: Option<u64>,
    ) -> Result<(), ForwardError> {
        let before = self.end.clone();
        if let Some(offset) = end {
            self.end = Position { offset, fingerprint: self.tail.fingerprint(), ..self.end.clone() };
        }
        self.used = true;
        self.within_record = end.is_none();
        match self.batcher.add(message) {
            Batched::Fits => Ok(()),
            Batched::Full(batch) => self.submit(blob, batch, before).await,
            Batched::NeverFits(message) => Err(ForwardError::Oversize {
                blob: blob.url(),
                size: message.body.len(),
                range: message.range,
            }),
        }
    }

    /// Sends the open batch and waits until everything has been accepted.
    pub(super) async fn drain(&mut self, blob: &FlowLogBlob) -> Result<(), ForwardError> {
        if let Some(batch) = self.batcher.finish() {
            self.submit(blob, batch, self.end.clone()).await?;
        }
        let drained = self.pipeline.drain().await;
        drained.map_err(|cause| ForwardError::send(blob, self.acknowledged_to(), cause))?;
        if self.end.offset > self.start {
            self.settled = Some(self.end.clone());
        }
        Ok(())
    }

    /// `progress`, moved to the end of what has been accepted.
    pub(super) fn acknowledged_after(&self, progress: &Progress) -> Progress {
        let position =
            self.settled.iter().chain(self.pipeline.acknowledged()).max_by_key(|position| position.offset);
        match position {
            Some(Position { offset, fingerprint, skipped_bytes }) => Progress {
                offset: *offset,
                fingerprint: Some(fingerprint.clone()),
                skipped_bytes: *skipped_bytes,
                ..progress.clone()
            },
            None => progress.clone(),
        }
    }

    /// What has been accepted since the run began.
    pub(super) fn accepted(&self) -> Accepted {
        self.pipeline.accepted()
    }

    async fn submit(
        &mut self,
        blob: &FlowLogBlob,
        batch: Batch,
        position: Position,
    ) -> Result<(), ForwardError> {
        let submitted = self.pipeline.submit(batch, position).await;
        submitted.map_err(|cause| ForwardError::send(blob, self.acknowledged_to(), cause))
    }

    /// The offset before which everything has been accepted or skipped.
    fn acknowledged_to(&self) -> u64 {
        let positions = self.settled.iter().chain(self.pipeline.acknowledged());
        positions.map(|position| position.offset).max().unwrap_or(self.start)
    }
}
