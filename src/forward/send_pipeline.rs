//! Batches on their way to the hub: several at once, acknowledged in order.

use super::deadlines::Deadlines;
use crate::flow_log::fingerprint::Fingerprint;
use crate::message::Batch;
use crate::ports::hub::{Hub, HubError, MAX_BATCHES_IN_FLIGHT};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use std::time::Instant;
use tokio::time::timeout_at;

/// What a message takes in memory beside its body, bytes: its pieces, and its properties as encoded.
const MESSAGE_OVERHEAD: usize = 1 << 10;

/// A place in the blob up to which everything has been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Byte position behind a record.
    pub(super) offset: u64,
    /// Fingerprint of the bytes before it.
    pub(super) fingerprint: Fingerprint,
    /// How many bytes before it are in quarantine.
    pub(super) set_aside: u64,
}

/// What the hub has accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Records, in the unbroken run from where the run began.
    pub(super) records: u64,
    /// Messages that carried them.
    pub(super) messages: u64,
}

struct Landing {
    mark: Position,
    size: usize,
    accepted: Accepted,
    result: Result<(), HubError>,
}

/// The sends of one run.
pub(super) struct SendPipeline<'h, H> {
    hub: &'h H,
    deadline: Instant,
    /// When a send is given up that should have ended at its deadline.
    given_up: Instant,
    under_way: FuturesOrdered<BoxFuture<'h, Landing>>,
    /// How many bytes may be under way, and how many are.
    most_bytes: usize,
    bytes: usize,
    landed: Option<Position>,
    accepted: Accepted,
}

impl<'h, H: Hub> SendPipeline<'h, H> {
    /// No batch under way; each will have until the time to send is over, and all together `most_bytes`.
    pub(super) fn new(hub: &'h H, times: &Deadlines, most_bytes: usize) -> Self {
        Self {
            hub,
            deadline: times.send_until,
            given_up: times.send_until + (times.end - times.send_until) / 4,
            most_bytes,
            under_way: FuturesOrdered::new(),
            bytes: 0,
            landed: None,
            accepted: Accepted::default(),
        }
    }

    /// Sends `batch`, which ends at `mark`, as soon as there is room; returns when it is on its way.
    ///
    /// # Errors
    /// The first failure among the batches before it. Those behind the failed one are not counted,
    /// for a checkpoint can only say "everything up to here".
    pub(super) async fn launch(&mut self, batch: Batch, mark: Position) -> Result<(), HubError> {
        let size = batch.messages.iter().map(|message| message.body.len() + MESSAGE_OVERHEAD).sum();
        while self.under_way.len() >= MAX_BATCHES_IN_FLIGHT
            || (self.bytes > 0 && self.bytes + size > self.most_bytes)
        {
            if let Some(landing) = self.under_way.next().await {
                self.land(landing)?;
            }
        }
        self.bytes += size;
        let accepted = Accepted {
            records: batch.messages.iter().map(|message| message.records as u64).sum(),
            messages: batch.messages.len() as u64,
        };
        let (hub, deadline, given_up) = (self.hub, self.deadline, self.given_up);
        let landing = async move {
            let sent = timeout_at(given_up.into(), hub.send(batch, deadline)).await;
            let result = sent.unwrap_or_else(|_| Err(HubError::overdue()));
            Landing { mark, size, accepted, result }
        };
        self.under_way.push_back(landing.boxed());
        // A send starts with its first poll; and what has landed meanwhile makes room.
        while let Some(Some(landing)) = self.under_way.next().now_or_never() {
            self.land(landing)?;
        }
        Ok(())
    }

    /// Waits until every batch has been accepted.
    ///
    /// # Errors
    /// The first failure.
    pub(super) async fn drain(&mut self) -> Result<(), HubError> {
        while let Some(landing) = self.under_way.next().await {
            self.land(landing)?;
        }
        Ok(())
    }

    /// The end of the unbroken run of accepted batches, if any was accepted.
    pub(super) fn landed(&self) -> Option<&Position> {
        self.landed.as_ref()
    }

    /// What has been accepted since the start.
    #[must_use]
    pub(super) fn accepted(&self) -> Accepted {
        self.accepted
    }

    fn land(&mut self, landing: Landing) -> Result<(), HubError> {
        self.bytes -= landing.size;
        landing.result?;
        self.landed = Some(landing.mark);
        self.accepted.records += landing.accepted.records;
        self.accepted.messages += landing.accepted.messages;
        Ok(())
    }
}
