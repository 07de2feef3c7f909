//! Forwards what is new in one blob: open → claim → read → cut → batch → send → checkpoint.
//!
//! The first read comes before the claim to save money: most events bring nothing new (late or repeated),
//! and a conditional read finds that out without a write. It is safe because the claim succeeds only on the
//! row from which the read was planned.
//!
//! ```text
//! rounds        attempts on one blob: lock, load, open, claim, run, release
//!   open        first read: new bytes, and proof that the old ones are unchanged
//!   packing     message bounds: the hub's limits, or those of messages in flight
//!   pump        the loop: read → cut → batch → send → checkpoint
//!     reader, outbound, send_pipeline
//!     oversize, breaks, quarantine    records too large, bytes that are not records
//! ```

mod attempt;
mod blob_locks;
mod breaks;
mod count;
mod deadlines;
mod error;
mod forwarded;
pub mod lease_store;
mod memory_budget;
mod open;
mod outbound;
mod oversize;
mod packing;
pub mod plan;
mod pump;
mod quarantine;
mod read_on;
mod reader;
mod rounds;
mod run;
mod send_pipeline;
mod stop;

pub use error::{Awaited, ForwardError};
pub use forwarded::{Completion, Forwarded};
pub use plan::Continuity;

use crate::checkpoint::BlobVersion;
use crate::flow_log::FlowLogBlob;
use crate::message::PartitionKey;
use crate::metrics::Metrics;
use crate::ports::Ports;
use attempt::Attempt;
use blob_locks::BlobLocks;
use deadlines::{Caller, Deadlines, now};
use lease_store::{LeaseStore, LoadedRow};
use memory_budget::MemoryBudget;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The sweep retries a blob that made no progress with all its remaining time if that is at least this many
/// times the time of one event.
const LONG_ATTEMPT: u32 = 4;

/// How a forwarder works. The defaults suit Functions behind Event Grid.
#[derive(Clone, Debug)]
pub struct ForwarderOptions {
    /// Whether messages of one network interface keep their order.
    pub partition_key: PartitionKey,
    /// The largest encoded message, bytes; the link's limit if that is smaller or this is `None`.
    pub max_message_bytes: Option<NonZeroUsize>,
    /// Bytes of one ranged GET.
    pub window: u64,
    /// The time for one event. Event Grid waits 30 s, then delivers again.
    pub budget: Duration,
    /// How often progress is saved inside a run.
    pub save_every: Duration,
}

impl Default for ForwarderOptions {
    fn default() -> Self {
        Self {
            partition_key: PartitionKey::None,
            max_message_bytes: None,
            window: plan::WINDOW,
            budget: Duration::from_secs(25),
            save_every: Duration::from_secs(5),
        }
    }
}

/// Forwards blobs to a hub, with checkpoints in a table.
pub struct Forwarder<P: Ports> {
    blobs: Arc<P::Blobs>,
    leases: LeaseStore<P::Checkpoints>,
    hub: Arc<P::Hub>,
    quarantine: P::Quarantine,
    blob_locks: BlobLocks,
    memory: MemoryBudget,
    metrics: Metrics,
    options: ForwarderOptions,
    /// Whether the process stops.
    stopping: watch::Sender<bool>,
    /// How many attempts for events are in progress.
    events: watch::Sender<usize>,
}

impl<P: Ports> Forwarder<P> {
    /// A forwarder that reads from `blobs`, sends to `hub`, keeps checkpoints in `leases`, and puts bytes that
    /// can't be sent into `quarantine`.
    pub fn new(
        blobs: Arc<P::Blobs>,
        leases: LeaseStore<P::Checkpoints>,
        hub: Arc<P::Hub>,
        quarantine: P::Quarantine,
        options: ForwarderOptions,
    ) -> Self {
        Self {
            blobs,
            leases,
            hub,
            quarantine,
            blob_locks: BlobLocks::default(),
            memory: MemoryBudget::default(),
            metrics: Metrics::default(),
            options,
            stopping: watch::Sender::new(false),
            events: watch::Sender::new(0),
        }
    }

    /// The longest time of one call of [`Forwarder::forward`].
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.options.budget
    }

    /// Counters since the start.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Asks all runs to save their progress and release their claims, because the process stops. Later attempts
    /// end at once with [`ForwardError::Stopping`].
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether [`Forwarder::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Forwards everything committed to `blob` that has not been forwarded: at least `commit`, which the event
    /// names. The deadline counts from `arrived`.
    ///
    /// # Errors
    /// See [`ForwardError`]. What the hub accepted before is checkpointed if the table can be reached.
    pub async fn forward(
        &self,
        blob: &FlowLogBlob,
        commit: &BlobVersion,
        arrived: Instant,
    ) -> Result<Forwarded, ForwardError> {
        let deadlines = Deadlines::within(Caller::Event, arrived, self.options.budget);
        self.attempt(Attempt::new(blob, commit, deadlines), None).await
    }

    /// The same for the sweep, until `until` and for at most the time of one event. `scanned` is the row that
    /// the sweep has scanned; `None` loads it. If the last attempt made no progress and several times as much
    /// time is left, the blob gets all of it.
    ///
    /// # Errors
    /// As [`Forwarder::forward`].
    pub async fn catch_up(
        &self,
        blob: &FlowLogBlob,
        commit: &BlobVersion,
        scanned: Option<LoadedRow>,
        until: Instant,
    ) -> Result<Forwarded, ForwardError> {
        let (now, budget) = (now(), self.options.budget);
        let left = until.saturating_duration_since(now);
        let deadlines = if left >= budget * LONG_ATTEMPT && self.blob_locks.is_stuck(&blob.checkpoint_key()) {
            Deadlines { last_resort: true, ..Deadlines::within(Caller::Sweep, now, left) }
        } else {
            Deadlines::within(Caller::Sweep, now, left.min(budget))
        };
        self.attempt(Attempt::new(blob, commit, deadlines), scanned).await
    }
}
