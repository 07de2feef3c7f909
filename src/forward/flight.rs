//! Batches on their way to the hub: several at once, acknowledged in order.

use crate::checkpoint::Guard;
use crate::hub::{Batch, Hub, HubError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use std::time::Instant;

/// How many batches one run has under way. Enough to cover a round trip of 50 ms at 300 MB/s.
const BATCHES: usize = 16;
/// How many bytes one run has under way: bounds memory whatever a batch weighs.
const BYTES: usize = 8 << 20;

/// A place in the blob up to which everything has been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Byte position behind a record.
    pub offset: u64,
    /// Fingerprint of the bytes before it.
    pub guard: Guard,
}

type Landing = (Mark, usize, Result<(), HubError>);

/// The sends of one run.
pub struct Flight<'h, H> {
    hub: &'h H,
    deadline: Instant,
    under_way: FuturesOrdered<BoxFuture<'h, Landing>>,
    bytes: usize,
    landed: Option<Mark>,
    messages: u64,
}

impl<'h, H: Hub> Flight<'h, H> {
    /// No batch under way; each will have until `deadline`.
    pub fn new(hub: &'h H, deadline: Instant) -> Self {
        Self { hub, deadline, under_way: FuturesOrdered::new(), bytes: 0, landed: None, messages: 0 }
    }

    /// Sends `batch`, which ends at `mark`, as soon as there is room; returns when it is on its way.
    ///
    /// # Errors
    /// The first failure among the batches before it. Those behind the failed one are not counted,
    /// for a checkpoint can only say "everything up to here".
    pub async fn launch(&mut self, batch: Batch, mark: Mark) -> Result<(), HubError> {
        let size: usize = batch.messages.iter().map(|message| message.body.len()).sum();
        while self.under_way.len() >= BATCHES || (self.bytes > 0 && self.bytes + size > BYTES) {
            if let Some(landing) = self.under_way.next().await {
                self.land(landing)?;
            }
        }
        self.bytes += size;
        self.messages += batch.messages.len() as u64;
        let (hub, deadline) = (self.hub, self.deadline);
        self.under_way
            .push_back(async move { (mark, size, hub.send(batch, deadline).await) }.boxed());
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
    pub async fn drain(&mut self) -> Result<(), HubError> {
        while let Some(landing) = self.under_way.next().await {
            self.land(landing)?;
        }
        Ok(())
    }

    /// The end of the unbroken run of accepted batches, if any was accepted.
    pub fn landed(&self) -> Option<&Mark> {
        self.landed.as_ref()
    }

    /// How many messages were launched.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    fn land(&mut self, (mark, size, result): Landing) -> Result<(), HubError> {
        self.bytes -= size;
        result.map(|()| self.landed = Some(mark))
    }
}
