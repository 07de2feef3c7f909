//! Pipelined sends: several batches in flight, acknowledged in order.

use super::deadlines::Deadlines;
use crate::flow_log::fingerprint::Fingerprint;
use crate::memory::MAX_BATCHES_IN_FLIGHT;
use crate::message::Batch;
use crate::ports::hub::{Hub, HubError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use std::time::Instant;
use tokio::time::timeout_at;

/// Memory of a message beside its body, bytes: its pieces and its encoded properties.
const MESSAGE_OVERHEAD: usize = 1 << 10;

/// A position to which a checkpoint can move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// An offset behind a record.
    pub(super) offset: u64,
    /// Fingerprint of the bytes before it.
    pub(super) fingerprint: Fingerprint,
    /// How many bytes before it were not forwarded.
    pub(super) skipped_bytes: u64,
}

/// What the hub has accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Records, without a gap from where the run began.
    pub(super) records: u64,
    /// Messages with these records.
    pub(super) messages: u64,
}

struct Settled {
    position: Position,
    size: usize,
    accepted: Accepted,
    result: Result<(), HubError>,
}

/// The sends of one run.
pub(super) struct SendPipeline<'h, H> {
    hub: &'h H,
    deadline: Instant,
    /// When to abandon a send that does not end at its deadline.
    abandon_at: Instant,
    in_flight: FuturesOrdered<BoxFuture<'h, Settled>>,
    /// How many bytes may be in flight.
    max_bytes: usize,
    /// How many bytes are in flight.
    bytes: usize,
    acknowledged: Option<Position>,
    accepted: Accepted,
}

impl<'h, H: Hub> SendPipeline<'h, H> {
    /// A pipeline whose batches end by [`Deadlines::send_until`] and have at most `max_bytes` in flight.
    pub(super) fn new(hub: &'h H, deadlines: &Deadlines, max_bytes: usize) -> Self {
        Self {
            hub,
            deadline: deadlines.send_until,
            abandon_at: deadlines.send_until + (deadlines.end - deadlines.send_until) / 4,
            max_bytes,
            in_flight: FuturesOrdered::new(),
            bytes: 0,
            acknowledged: None,
            accepted: Accepted::default(),
        }
    }

    /// Sends `batch`, which ends at `position`, once the pipeline has room. Returns when it is in flight.
    ///
    /// # Errors
    /// The first failure of an earlier batch. Batches behind it are not counted: a checkpoint covers everything
    /// before its offset.
    pub(super) async fn submit(&mut self, batch: Batch, position: Position) -> Result<(), HubError> {
        let size = batch.messages.iter().map(|message| message.body.len() + MESSAGE_OVERHEAD).sum();
        while self.in_flight.len() >= MAX_BATCHES_IN_FLIGHT
            || (self.bytes > 0 && self.bytes + size > self.max_bytes)
        {
            if let Some(settled) = self.in_flight.next().await {
                self.acknowledge(settled)?;
            }
        }
        self.bytes += size;
        let accepted = Accepted {
            records: batch.messages.iter().map(|message| message.records as u64).sum(),
            messages: batch.messages.len() as u64,
        };
        let (hub, deadline, abandon_at) = (self.hub, self.deadline, self.abandon_at);
        let settled = async move {
            let sent = timeout_at(abandon_at.into(), hub.send(batch, deadline)).await;
            let result = sent.unwrap_or_else(|_| Err(HubError::no_answer()));
            Settled { position, size, accepted, result }
        };
        self.in_flight.push_back(settled.boxed());
        // The first poll starts the send. Batches that have ended make room.
        while let Some(Some(settled)) = self.in_flight.next().now_or_never() {
            self.acknowledge(settled)?;
        }
        Ok(())
    }

    /// Waits until every batch has been accepted.
    ///
    /// # Errors
    /// The first failure.
    pub(super) async fn drain(&mut self) -> Result<(), HubError> {
        while let Some(settled) = self.in_flight.next().await {
            self.acknowledge(settled)?;
        }
        Ok(())
    }

    /// The end of the accepted batches, without a gap from where the run began.
    pub(super) fn acknowledged(&self) -> Option<&Position> {
        self.acknowledged.as_ref()
    }

    /// What has been accepted since the run began.
    #[must_use]
    pub(super) fn accepted(&self) -> Accepted {
        self.accepted
    }

    fn acknowledge(&mut self, settled: Settled) -> Result<(), HubError> {
        self.bytes -= settled.size;
        settled.result?;
        self.acknowledged = Some(settled.position);
        self.accepted.records += settled.accepted.records;
        self.accepted.messages += settled.accepted.messages;
        Ok(())
    }
}
