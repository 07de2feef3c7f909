//! In-memory twins of storage, table and hub. Each passes the contract suite that the real one passes.

use bytes::Bytes;
use flowlog_forwarder::checkpoint::{Checkpoint, CheckpointStore, RowVersion, StoreError};
use flowlog_forwarder::flow_log::{CheckpointKey, FlowLogBlob};
use flowlog_forwarder::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use flowlog_forwarder::rope::Rope;
use flowlog_forwarder::source::{BlobSource, Chunk, ReadError, Version};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Blobs in memory, each with the number of its version as `ETag`.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    blobs: Arc<Mutex<HashMap<String, (u64, Bytes)>>>,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    versions: Arc<Mutex<u64>>,
}

impl MemoryBlobs {
    /// Commits `content` and returns its `ETag`.
    pub fn commit(&self, blob: &FlowLogBlob, content: impl Into<Bytes>) -> String {
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        self.blobs.lock().unwrap().insert(blob.to_string(), (*versions, content.into()));
        etag(*versions)
    }

    pub fn delete(&self, blob: &FlowLogBlob) {
        self.blobs.lock().unwrap().remove(&blob.to_string());
    }

    /// The ranges asked for since the last call.
    pub fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

/// As long as in Azure: 15 digits.
fn etag(version: u64) -> String {
    format!("0x{version:015X}")
}

impl BlobSource for MemoryBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Version<'_>,
    ) -> Result<Chunk, ReadError> {
        self.reads.lock().unwrap().push(range.clone());
        let blobs = self.blobs.lock().unwrap();
        let (number, content) = blobs.get(&blob.to_string()).ok_or(ReadError::NotFound)?;
        let etag = etag(*number);
        match version {
            Version::Only(wanted) if wanted != etag => return Err(ReadError::Changed),
            Version::NewerThan(known) if known == etag => return Err(ReadError::Unchanged),
            _ => {}
        }
        let length = content.len() as u64;
        if range.start >= length && !(range.start == 0 && length == 0) {
            return Err(ReadError::PastEnd);
        }
        let part = usize::try_from(range.start).unwrap()..usize::try_from(range.end.min(length)).unwrap();
        Ok(Chunk { bytes: content.slice(part).into(), blob_length: length, etag })
    }
}

/// A checkpoint table in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryTable {
    rows: Arc<Mutex<HashMap<CheckpointKey, (u64, Checkpoint)>>>,
    calls: Arc<Mutex<u64>>,
}

impl MemoryTable {
    pub fn row(&self, key: &CheckpointKey) -> Option<Checkpoint> {
        self.rows.lock().unwrap().get(key).map(|(_, row)| row.clone())
    }

    /// How many calls were made since the last time this was asked.
    pub fn take_calls(&self) -> u64 {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl CheckpointStore for MemoryTable {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        *self.calls.lock().unwrap() += 1;
        let rows = self.rows.lock().unwrap();
        Ok(rows.get(key).map(|(version, row)| (row.clone(), RowVersion(version.to_string()))))
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        *self.calls.lock().unwrap() += 1;
        let mut rows = self.rows.lock().unwrap();
        let stored = rows.get(key).map(|(version, _)| version.to_string());
        if stored.as_deref() != expected.map(|version| version.0.as_str()) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        // Versions never come back, not even after a row was deleted.
        let version = rows
            .values()
            .map(|(version, _)| version + 1)
            .max()
            .unwrap_or(1)
            .max(stored.and_then(|version| version.parse::<u64>().ok()).unwrap_or(0) + 1);
        rows.insert(key.clone(), (version, row.clone()));
        Ok(RowVersion(version.to_string()))
    }
}

/// A quarantine in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryQuarantine {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    staged: HashMap<(ItemName, u32), Vec<u8>>,
    items: HashMap<ItemName, (Note, Vec<u8>)>,
    finished: u64,
}

impl MemoryQuarantine {
    /// The items, in the order of their bytes.
    pub fn items(&self) -> Vec<(Note, Vec<u8>)> {
        let mut items: Vec<_> = self.shelf.lock().unwrap().items.values().cloned().collect();
        items.sort_by_key(|(note, _)| (note.blob.clone(), note.range.start));
        items
    }

    /// The item of that name.
    pub fn item(&self, item: &ItemName) -> Option<(Note, Vec<u8>)> {
        self.shelf.lock().unwrap().items.get(item).cloned()
    }

    /// How often an item was finished, anew or again.
    pub fn finished(&self) -> u64 {
        self.shelf.lock().unwrap().finished
    }
}

impl Quarantine for MemoryQuarantine {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        self.shelf.lock().unwrap().staged.insert((item.clone(), piece), bytes.to_bytes().to_vec());
        Ok(())
    }

    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        let mut kept = self.shelf.lock().unwrap();
        let bytes = (0..pieces).flat_map(|piece| kept.staged[&(item.clone(), piece)].clone()).collect();
        kept.items.insert(item.clone(), (note.clone(), bytes));
        kept.finished += 1;
        Ok(())
    }
}
