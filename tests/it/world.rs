//! Storage, table and hub in memory, and processes that work on them.

use crate::memory::{MemoryBlobs, MemoryQuarantine, MemoryTable};
use crate::memory_hub::MemoryHub;
use crate::samples::{content, record};
use flowlog_forwarder::checkpoint::Wanted;
use flowlog_forwarder::flow_log::FlowLogBlob;
use flowlog_forwarder::forward::{ForwardError, Forwarded, Forwarder, Options};
use flowlog_forwarder::ledger::{Clock, Ledger};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Storage, table and hub in memory, and a clock that only tests move.
#[derive(Clone, Default)]
pub struct World {
    pub blobs: MemoryBlobs,
    pub table: MemoryTable,
    pub hub: Arc<MemoryHub>,
    pub quarantine: MemoryQuarantine,
    pub now: Arc<AtomicU64>,
}

pub type MemoryForwarder = Forwarder<MemoryBlobs, MemoryTable, MemoryHub, MemoryQuarantine>;

impl World {
    /// A process named `me` in this world.
    pub fn process(&self, me: &str) -> MemoryForwarder {
        self.process_with(me, Options::default())
    }

    pub fn process_with(&self, me: &str, options: Options) -> MemoryForwarder {
        let now = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let ledger = Ledger::new(self.table.clone(), me.to_owned(), clock);
        Forwarder::new(
            Arc::new(self.blobs.clone()),
            ledger,
            Arc::clone(&self.hub),
            self.quarantine.clone(),
            options,
        )
    }

    /// Commits these records and returns what the event would say.
    pub fn commit(&self, blob: &FlowLogBlob, records: &[String]) -> Wanted {
        self.commit_raw(blob, content(records))
    }

    pub fn commit_raw(&self, blob: &FlowLogBlob, content: String) -> Wanted {
        let length = content.len() as u64;
        Wanted { etag: self.blobs.commit(blob, content), length }
    }

    /// Starts the counts of reads and table calls anew.
    pub fn forget_calls(&self) {
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
    commit: &Wanted,
) -> Result<Forwarded, ForwardError> {
    process.forward(blob, commit, Instant::now()).await
}

/// The first `count` records of a blob.
pub fn records(count: u32) -> Vec<String> {
    (0..count).map(|number| record(number, 2)).collect()
}
