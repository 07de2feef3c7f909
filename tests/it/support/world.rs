//! Storage, table and hub in memory, and processes that work on them.

use crate::support::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable, MemoryWatermarkCopy};
use crate::support::memory_hub::MemoryHub;
use crate::support::samples::{container, content, record};
use flowlog_forwarder::checkpoint::BlobVersion;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{ForwardError, Forwarded, Forwarder, ForwarderOptions};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::blobs::{BlobListing, BlobReader};
use flowlog_forwarder::ports::checkpoints::{CheckpointStore, CheckpointTable};
use flowlog_forwarder::ports::hub::Hub;
use flowlog_forwarder::ports::quarantine::Quarantine;
use flowlog_forwarder::ports::watermark_copy::WatermarkCopy;
use flowlog_forwarder::ports::{Ports, SweepPorts};
use flowlog_forwarder::sweep::{self, Sweeper};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Storage, table and hub in memory, and a clock that only tests move.
#[derive(Clone)]
pub struct World {
    pub blobs: MemoryBlobs,
    pub table: MemoryTable,
    pub copy: MemoryWatermarkCopy,
    pub hub: Arc<MemoryHub>,
    pub quarantine: MemoryQuarantine,
    pub now: Arc<AtomicU64>,
}

impl Default for World {
    fn default() -> Self {
        let blobs = MemoryBlobs::default();
        let now = Arc::clone(&blobs.now);
        Self {
            blobs,
            table: MemoryTable::default(),
            copy: MemoryWatermarkCopy::default(),
            hub: Arc::default(),
            quarantine: MemoryQuarantine::default(),
            now,
        }
    }
}

/// Ports in memory; tests put others in their place.
pub struct Twins<
    B = MemoryBlobs,
    C = MemoryTable,
    H = MemoryHub,
    Q = MemoryQuarantine,
    W = MemoryWatermarkCopy,
>(PhantomData<(B, C, H, Q, W)>);

impl<B, C, H, Q, W> Ports for Twins<B, C, H, Q, W>
where
    B: BlobReader,
    C: CheckpointStore,
    H: Hub,
    Q: Quarantine,
    W: WatermarkCopy,
{
    type Blobs = B;
    type Checkpoints = C;
    type Hub = H;
    type Quarantine = Q;
}

impl<B, C, H, Q, W> SweepPorts for Twins<B, C, H, Q, W>
where
    B: BlobReader + BlobListing,
    C: CheckpointTable,
    H: Hub,
    Q: Quarantine,
    W: WatermarkCopy,
{
    type WatermarkCopy = W;
}

pub type MemoryForwarder = Forwarder<Twins>;

pub type MemorySweeper = Sweeper<Twins>;

impl World {
    /// A process named `me` in this world.
    pub fn process(&self, me: &str) -> MemoryForwarder {
        self.process_with(me, ForwarderOptions::default())
    }

    pub fn process_with(&self, me: &str, options: ForwarderOptions) -> MemoryForwarder {
        let leases = LeaseStore::new(self.table.clone(), me.to_owned(), self.clock());
        Forwarder::new(
            Arc::new(self.blobs.clone()),
            leases,
            Arc::clone(&self.hub),
            self.quarantine.clone(),
            options,
        )
    }

    /// A sweeper of the sample container in this world, which forwards through `process`.
    pub fn sweeper(&self, process: &Arc<MemoryForwarder>) -> MemorySweeper {
        self.sweeper_of(vec![container()], process, sweep::SweeperOptions::default())
    }

    pub fn sweeper_of(
        &self,
        containers: Vec<Container>,
        process: &Arc<MemoryForwarder>,
        options: sweep::SweeperOptions,
    ) -> MemorySweeper {
        let (blobs, table) = (Arc::new(self.blobs.clone()), self.table.clone());
        let (copy, process) = (self.copy.clone(), Arc::clone(process));
        Sweeper::new(containers, blobs, table, copy, process, self.clock(), options)
    }

    /// The world's clock.
    pub fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || now.load(Ordering::Relaxed))
    }

    /// Sets the clock to this minute of `hour`.
    pub fn set_clock(&self, hour: Hour, minute: u64) {
        self.now.store(hour.number() * 3_600_000 + minute * 60_000, Ordering::Relaxed);
    }

    /// Commits these records and returns what the event would say.
    pub fn commit(&self, blob: &FlowLogBlob, records: &[String]) -> BlobVersion {
        self.commit_raw(blob, content(records))
    }

    pub fn commit_raw(&self, blob: &FlowLogBlob, content: String) -> BlobVersion {
        let length = content.len() as u64;
        BlobVersion { etag: self.blobs.commit(blob, content), length }
    }

    /// Starts the counts of lists, reads and table calls anew.
    pub fn forget_calls(&self) {
        self.blobs.take_lists();
        self.blobs.take_reads();
        self.table.take_calls();
    }

    /// The records received, in order.
    pub fn received(&self) -> Vec<String> {
        self.hub.records()
    }
}

/// One event's work.
pub async fn play(
    process: &MemoryForwarder,
    blob: &FlowLogBlob,
    commit: &BlobVersion,
) -> Result<Forwarded, ForwardError> {
    process.forward(blob, commit, tokio::time::Instant::now().into_std()).await
}

/// The first `count` records of a blob.
pub fn records(count: u32) -> Vec<String> {
    (0..count).map(|number| record(number, 2)).collect()
}
