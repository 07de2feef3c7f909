//! Storage, table and hub in memory, and processes that work on them.

use crate::support::blobs::{NINE, container};
use crate::support::faults::{Action, Call, Faults};
use crate::support::faulty::{Faulty, Life};
use crate::support::memory::{MemoryBlobs, MemoryHub, MemoryQuarantine, MemoryTable, MemoryWatermarkCopy};
use crate::support::records::content;
use bytes::Bytes;
use flowlog_forwarder::checkpoint::{BlobVersion, Checkpoint};
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::forward::lease_store::LeaseStore;
use flowlog_forwarder::forward::{ForwardError, Forwarded, Forwarder, ForwarderOptions};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::{Ports, SweepPorts};
use flowlog_forwarder::sweep::{Sweeper, SweeperOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Storage, table and hub in memory, their faults, and a clock that only tests set.
///
/// Clones share the twins and the clock.
#[derive(Clone)]
pub struct World {
    pub blobs: MemoryBlobs,
    pub table: MemoryTable,
    pub copy: MemoryWatermarkCopy,
    pub hub: MemoryHub,
    pub quarantine: MemoryQuarantine,
    pub now: Arc<AtomicU64>,
    pub clock: Clock,
    /// What happens to the calls of the processes made here.
    pub faults: Arc<Faults>,
    /// Whether the processes made here live.
    pub life: Arc<Life>,
}

impl Default for World {
    fn default() -> Self {
        let blobs = MemoryBlobs::default();
        let now = Arc::clone(&blobs.now);
        let told = Arc::clone(&now);
        Self {
            blobs,
            table: MemoryTable::default(),
            copy: MemoryWatermarkCopy::default(),
            hub: MemoryHub::default(),
            quarantine: MemoryQuarantine::default(),
            now,
            clock: Clock::new(move || told.load(Ordering::Relaxed)),
            faults: Arc::default(),
            life: Arc::default(),
        }
    }
}

/// The twins as the ports of one process.
pub struct Twins;

impl Ports for Twins {
    type Blobs = Faulty<MemoryBlobs>;
    type Checkpoints = Faulty<MemoryTable>;
    type Hub = Faulty<MemoryHub>;
    type Quarantine = Faulty<MemoryQuarantine>;
}

impl SweepPorts for Twins {
    type WatermarkCopy = Faulty<MemoryWatermarkCopy>;
}

pub type MemoryForwarder = Forwarder<Twins>;

pub type MemorySweeper = Sweeper<Twins>;

impl World {
    /// A world whose hub accepts transfers of `limit` bytes.
    pub fn with_hub_limit(limit: usize) -> Self {
        Self { hub: MemoryHub::with_limit(limit), ..Self::default() }
    }

    /// The same world with other faults, for processes with their own life.
    pub fn with_faults(&self, faults: Arc<Faults>) -> Self {
        Self { faults, life: Arc::default(), ..self.clone() }
    }

    /// A port of a process made here.
    pub fn port<T>(&self, inner: T) -> Faulty<T> {
        Faulty { inner, faults: Arc::clone(&self.faults), life: Arc::clone(&self.life) }
    }

    /// A process named `me`.
    pub fn process(&self, me: &str) -> MemoryForwarder {
        self.process_with(me, ForwarderOptions::default())
    }

    pub fn process_with(&self, me: &str, options: ForwarderOptions) -> MemoryForwarder {
        let leases = LeaseStore::new(self.port(self.table.clone()), me.to_owned(), self.clock.clone());
        let (blobs, hub) = (Arc::new(self.port(self.blobs.clone())), Arc::new(self.port(self.hub.clone())));
        Forwarder::new(blobs, leases, hub, self.port(self.quarantine.clone()), options)
    }

    /// A sweeper of the sample container, which forwards through `process`.
    pub fn sweeper(&self, process: &Arc<MemoryForwarder>) -> MemorySweeper {
        self.sweeper_with(process, SweeperOptions::default())
    }

    pub fn sweeper_with(&self, process: &Arc<MemoryForwarder>, options: SweeperOptions) -> MemorySweeper {
        self.sweeper_of(vec![container()], process, options)
    }

    pub fn sweeper_of(
        &self,
        containers: Vec<Container>,
        process: &Arc<MemoryForwarder>,
        options: SweeperOptions,
    ) -> MemorySweeper {
        let (blobs, table) = (Arc::new(self.port(self.blobs.clone())), self.port(self.table.clone()));
        let (copy, process) = (self.port(self.copy.clone()), Arc::clone(process));
        Sweeper::new(containers, blobs, table, copy, process, self.clock.clone(), options)
    }

    /// A sweeper of the sample container with its own process.
    pub fn sweeper_named(&self, me: &str) -> MemorySweeper {
        self.sweeper(&Arc::new(self.process(me)))
    }

    /// Sets the clock to this minute of `hour`.
    pub fn set_clock(&self, hour: Hour, minute: u64) {
        self.now.store(hour.number() * 3_600_000 + minute * 60_000, Ordering::Relaxed);
    }

    /// Commits these records and returns the version that an event would name.
    pub fn commit(&self, blob: &FlowLogBlob, records: &[String]) -> BlobVersion {
        self.commit_raw(blob, content(records))
    }

    pub fn commit_raw(&self, blob: &FlowLogBlob, content: impl Into<Bytes>) -> BlobVersion {
        let content = content.into();
        let length = content.len() as u64;
        BlobVersion { etag: self.blobs.commit(blob, content), length }
    }

    /// The same in these blocks.
    pub fn commit_blocks(&self, blob: &FlowLogBlob, blocks: &[impl AsRef<[u8]>]) -> BlobVersion {
        let length = blocks.iter().map(|block| block.as_ref().len() as u64).sum();
        BlobVersion { etag: self.blobs.commit_blocks(blob, blocks), length }
    }

    /// The checkpoint row of `blob`.
    pub fn row(&self, blob: &FlowLogBlob) -> Option<Checkpoint> {
        self.table.row(&blob.checkpoint_key())
    }

    /// The watermark of the sample container.
    pub fn watermark(&self) -> Hour {
        Hour::new(self.table.row(&container().sweep_key()).unwrap().progress.offset)
    }

    /// The content of each item in quarantine, as text.
    pub fn quarantined(&self) -> Vec<String> {
        let items = self.quarantine.items().into_iter();
        items.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect()
    }

    /// Resets the counts of lists, reads and table calls.
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

/// A world long after the hour of its blobs, where each read takes this long.
pub fn slow_world(latency: Duration) -> World {
    let world = World::default();
    world.set_clock(Hour::new(NINE.number() + 48), 0);
    world.faults.all(Call::Read, Action::Delay(latency));
    world
}

/// The time of the runtime, which tests may pause.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What the process does for one event.
pub async fn play(
    process: &MemoryForwarder,
    blob: &FlowLogBlob,
    commit: &BlobVersion,
) -> Result<Forwarded, ForwardError> {
    process.forward(blob, commit, now()).await
}
