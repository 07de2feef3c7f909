//! Forwards what is new in one blob: read → claim → cut → batch → send → checkpoint.
//!
//! The read comes before the claim, which looks odd and saves money: most events turn out to bring
//! nothing new (late, doubled), and a conditional read finds that out without writing anything. It
//! is safe, for the claim only succeeds on the row from which the read was planned.

mod attempt;
mod blob_locks;
mod breaks;
mod count;
mod deadlines;
mod error;
pub mod lease_store;
mod memory_budget;
mod open;
mod outbound;
mod oversize;
mod packing;
pub mod plan;
mod quarantine;
mod read_on;
mod reader;
mod run;
mod send_pipeline;

pub use error::ForwardError;
pub use plan::Continuity;

use crate::checkpoint::BlobVersion;
use crate::flow_log::FlowLogBlob;
use crate::forward::lease_store::{LeaseStore, LoadedRow};
use crate::message::PartitionKey;
use crate::metrics::Metrics;
use crate::ports::Ports;
use blob_locks::BlobLocks;
use deadlines::{Caller, Deadlines, now};
use memory_budget::MemoryBudget;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How much more time than one event's the sweep must have left to work on a blob that one event's time
/// was too short for.
const LONG_ATTEMPT: u32 = 4;

/// How a forwarder works; the defaults suit Functions behind Event Grid.
#[derive(Clone, Debug)]
pub struct ForwarderOptions {
    /// Whether messages of one NIC keep their order.
    pub partition_key: PartitionKey,
    /// Upper bound for one message as encoded, bytes; the link's own limit when none or larger.
    pub max_message_bytes: Option<NonZeroUsize>,
    /// Bytes asked for by one ranged GET.
    pub window: u64,
    /// How long one event may take: Event Grid waits 30 s, then delivers again.
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

/// What came of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Records that the hub accepted.
    pub records: u64,
    /// Messages that the hub accepted.
    pub messages: u64,
    /// Stretches of bytes that were put into quarantine.
    pub quarantined: u64,
    /// Bytes of the blob that were read to find them.
    pub bytes_read: u64,
    /// Whether some of what is committed is not forwarded because it is no flow log: see
    /// [`Progress::is_broken`](crate::checkpoint::Progress::is_broken).
    pub broken: bool,
    /// How the blob was found rewritten, if it was.
    pub rewritten: Option<Continuity>,
    /// Why nothing more was done.
    pub end: Completion,
}

impl Forwarded {
    /// Whether the attempt that `result` ended ran out of time without any progress.
    fn is_stuck(&self, result: &Result<(), ForwardError>) -> bool {
        let out_of_time = match result {
            Ok(()) => self.end == Completion::LeftOver,
            Err(error) => matches!(error, ForwardError::OutOfTime { .. }),
        };
        out_of_time && self.records + self.quarantined == 0
    }

    /// Notes that the blob's bytes were not those that had been forwarded, if so: loudly, for all of
    /// them are forwarded again.
    fn note_rewrite(&mut self, blob: &FlowLogBlob, how: Option<Continuity>) {
        if let Some(how) = how {
            tracing::warn!(%blob, ?how, "the blob was rewritten: forwarding it again from 0");
            self.rewritten = Some(how);
        }
    }
}

/// Where work on an event ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// At the end of the newest version: everything committed has been accepted by the hub.
    #[default]
    Complete,
    /// With the budget: the rest is the next event's, or the sweep's.
    LeftOver,
    /// At another worker's claim, which knows now that this commit is wanted.
    ClaimedElsewhere,
    /// At a blob that is not there any more.
    Deleted,
}

/// Forwards blobs from a source to a hub, with checkpoints in a store.
pub struct Forwarder<P: Ports> {
    blobs: Arc<P::Blobs>,
    leases: LeaseStore<P::Checkpoints>,
    hub: Arc<P::Hub>,
    quarantine: P::Quarantine,
    blob_locks: BlobLocks,
    memory: MemoryBudget,
    metrics: Metrics,
    options: ForwarderOptions,
    /// Whether the process is about to end.
    stopping: watch::Sender<bool>,
    /// How many attempts on behalf of events are under way.
    events: watch::Sender<usize>,
}

impl<P: Ports> Forwarder<P> {
    /// A forwarder that reads from `blobs`, sends to `hub`, keeps its books in `leases`, and puts into
    /// `quarantine` what can't be sent.
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

    /// How long one call of [`Forwarder::forward`] may take.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.options.budget
    }

    /// What has been done so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Asks all runs to save what the hub has accepted and to release their claims, because the process is
    /// about to end. Attempts that begin later end at once, with [`ForwardError::Stopping`].
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether [`Forwarder::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Forwards everything committed to `blob` that has not been forwarded: at least the commit that
    /// the event named, whose arrival started the clock.
    ///
    /// # Errors
    /// See [`ForwardError`]. What was accepted until then is checkpointed, if the store can be reached.
    pub async fn forward(
        &self,
        blob: &FlowLogBlob,
        commit: &BlobVersion,
        arrived: Instant,
    ) -> Result<Forwarded, ForwardError> {
        self.attempt(blob, commit, None, Deadlines::within(Caller::Event, arrived, self.options.budget)).await
    }

    /// The same on behalf of the sweep, which has just scanned the row or does not know it: in at most the
    /// time of one event, and not beyond `until`. A blob on which such a turn made no progress gets all the
    /// time that is left, when that is several times as much.
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
        let times = if left >= budget * LONG_ATTEMPT && self.blob_locks.is_stuck(&blob.checkpoint_key()) {
            Deadlines { last_resort: true, ..Deadlines::within(Caller::Sweep, now, left) }
        } else {
            Deadlines::within(Caller::Sweep, now, left.min(budget))
        };
        self.attempt(blob, commit, scanned, times).await
    }
}
