//! In-memory twins of storage, table and hub. Each passes the contract suite that the real one passes.

use bytes::Bytes;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::clock::Clock;
use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::flow_log::{CheckpointKey, Container, FlowLogBlob};
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, Depth, ListError, Listed, Names, Page, ReadError,
};
use flowlog_forwarder::ports::checkpoints::{
    CheckpointStore, CheckpointTable, Continuation, RowPage, RowVersion, Rows, StoreError, StoredRow,
};
use flowlog_forwarder::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use flowlog_forwarder::ports::watermark_copy::{WatermarkCopy, WatermarkCopyError};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Blobs in memory, each with the number of its version as `ETag`.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    blobs: Arc<Mutex<BTreeMap<Place, Stored>>>,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    lists: Arc<Mutex<u64>>,
    unreachable: Arc<Mutex<Option<String>>>,
    versions: Arc<Mutex<u64>>,
    /// The storage service's time.
    pub now: Arc<AtomicU64>,
}

/// One blob: the number of its version and when it was committed, its content, and where its blocks begin.
#[derive(Clone, Debug)]
struct Stored {
    version: u64,
    modified: u64,
    content: Bytes,
    blocks: Vec<u64>,
}

/// Account, container and name.
type Place = (String, String, String);

fn place(blob: &FlowLogBlob) -> Place {
    (blob.account().to_string(), blob.container().to_owned(), blob.name().to_owned())
}

impl MemoryBlobs {
    /// Commits `content`, put there in one piece, and returns its `ETag`.
    pub fn commit(&self, blob: &FlowLogBlob, content: impl Into<Bytes>) -> String {
        etag(self.store(place(blob), content.into(), Vec::new()))
    }

    /// Commits these blocks as the whole of `blob`, in order, and returns its `ETag`.
    pub fn commit_blocks(&self, blob: &FlowLogBlob, blocks: &[impl AsRef<[u8]>]) -> String {
        let lengths = blocks.iter().map(|block| block.as_ref().len() as u64);
        let starts = lengths.scan(0, |at, length| Some(std::mem::replace(at, *at + length))).collect();
        let content: Vec<u8> = blocks.iter().flat_map(|block| block.as_ref().to_vec()).collect();
        etag(self.store(place(blob), content.into(), starts))
    }

    fn store(&self, place: Place, content: Bytes, blocks: Vec<u64>) -> u64 {
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        let modified = self.now.load(Ordering::Relaxed);
        self.blobs.lock().unwrap().insert(place, Stored { version: *versions, modified, content, blocks });
        *versions
    }

    pub fn delete(&self, blob: &FlowLogBlob) {
        self.blobs.lock().unwrap().remove(&place(blob));
    }

    /// The ranges asked for since the last call.
    pub fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    /// How many pages were listed since the last call.
    pub fn take_lists(&self) -> u64 {
        std::mem::take(&mut self.lists.lock().unwrap())
    }

    /// Makes listings fail whose prefix begins with this; none ends that.
    pub fn fail_lists(&self, prefix: Option<&str>) {
        *self.unreachable.lock().unwrap() = prefix.map(str::to_owned);
    }

    /// Puts a blob of any name into `container`.
    pub fn put(&self, container: &Container, name: &str) {
        let place = (container.account().to_string(), container.name().to_owned(), name.to_owned());
        self.store(place, Bytes::new(), Vec::new());
    }
}

/// As long as in Azure: 15 digits.
fn etag(version: u64) -> String {
    format!("0x{version:015X}")
}

impl BlobReader for MemoryBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        version: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        self.reads.lock().unwrap().push(range.clone());
        let blobs = self.blobs.lock().unwrap();
        let Stored { version: number, content, .. } = blobs.get(&place(blob)).ok_or(ReadError::NotFound)?;
        let etag = etag(*number);
        match version {
            Condition::IfMatch(wanted) if wanted != etag => return Err(ReadError::Changed),
            Condition::IfNoneMatch(known) if known == etag => return Err(ReadError::Unchanged),
            _ => {}
        }
        let length = content.len() as u64;
        if range.start >= length && !(range.start == 0 && length == 0) {
            return Err(ReadError::PastEnd);
        }
        let part = usize::try_from(range.start).unwrap()..usize::try_from(range.end.min(length)).unwrap();
        Ok(Chunk { bytes: content.slice(part).into(), blob_length: length, etag })
    }

    async fn blocks(&self, blob: &FlowLogBlob, wanted: &str) -> Result<Vec<u64>, ReadError> {
        let blobs = self.blobs.lock().unwrap();
        let stored = blobs.get(&place(blob)).ok_or(ReadError::NotFound)?;
        if etag(stored.version) == wanted { Ok(stored.blocks.clone()) } else { Err(ReadError::Changed) }
    }
}

/// A container is there as soon as it holds a blob.
impl BlobListing for MemoryBlobs {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        // Lets others in, as a network would.
        tokio::task::yield_now().await;
        *self.lists.lock().unwrap() += 1;
        if self.unreachable.lock().unwrap().as_ref().is_some_and(|prefix| names.prefix.starts_with(prefix)) {
            return Err(ListError::Failed {
                container: container.to_string(),
                prefix: names.prefix.to_owned(),
                reason: "as told".to_owned(),
            });
        }
        let blobs = self.blobs.lock().unwrap();
        let mut inside = blobs
            .iter()
            .filter(|((account, name, _), _)| {
                *account == container.account().to_string() && name == container.name()
            })
            .peekable();
        if inside.peek().is_none() {
            return Err(ListError::NoContainer { container: container.to_string() });
        }
        let mut page = Page::default();
        let mut last = "";
        for ((_, _, name), Stored { version, modified, content, .. }) in inside {
            let Some(rest) = name.strip_prefix(names.prefix) else { continue };
            // A folder counts as one name: its own.
            let shown = match rest.find('/').filter(|_| names.depth == Depth::Children) {
                Some(slash) => &name[..=names.prefix.len() + slash],
                None => name.as_str(),
            };
            if shown == last || names.marker.is_some_and(|marker| shown <= marker) {
                continue;
            }
            if page.folders.len() + page.blobs.len() == usize::try_from(names.at_most).unwrap() {
                page.next = Some(last.to_owned());
                break;
            }
            last = shown;
            if shown.len() < name.len() {
                page.folders.push(shown.to_owned());
            } else {
                let (etag, length) = (etag(*version), content.len() as u64);
                page.blobs.push(Listed { name: name.clone(), etag, length, modified: Some(*modified) });
            }
        }
        Ok(page)
    }
}

/// A checkpoint table in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryTable {
    rows: Arc<Mutex<BTreeMap<CheckpointKey, (u64, Checkpoint)>>>,
    /// Versions never come back, not even after a row was deleted.
    versions: Arc<Mutex<u64>>,
    calls: Arc<Mutex<u64>>,
    told: Option<(Arc<AtomicU64>, Clock)>,
    unreachable: Arc<Mutex<Option<String>>>,
}

impl MemoryTable {
    /// The same table, whose answers tell `clock` the time `now`, as the real service's do.
    pub fn telling(&self, now: &Arc<AtomicU64>, clock: &Clock) -> Self {
        Self { told: Some((Arc::clone(now), clock.clone())), ..self.clone() }
    }

    /// Deletes the table with all its rows.
    pub fn delete_all(&self) {
        self.rows.lock().unwrap().clear();
    }

    /// Makes scans fail that begin at a `PartitionKey` with this beginning; none ends that.
    pub fn fail_scans(&self, partition: Option<&str>) {
        *self.unreachable.lock().unwrap() = partition.map(str::to_owned);
    }

    fn called(&self) {
        *self.calls.lock().unwrap() += 1;
        if let Some((now, clock)) = &self.told {
            clock.observe(now.load(Ordering::Relaxed));
        }
    }

    pub fn row(&self, key: &CheckpointKey) -> Option<Checkpoint> {
        self.rows.lock().unwrap().get(key).map(|(_, row)| row.clone())
    }

    /// The keys of all rows, in order.
    pub fn keys(&self) -> Vec<CheckpointKey> {
        self.rows.lock().unwrap().keys().cloned().collect()
    }

    /// How many calls were made since the last time this was asked.
    pub fn take_calls(&self) -> u64 {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl CheckpointStore for MemoryTable {
    async fn load(&self, key: &CheckpointKey) -> Result<Option<(Checkpoint, RowVersion)>, StoreError> {
        self.called();
        let rows = self.rows.lock().unwrap();
        Ok(rows.get(key).map(|(version, row)| (row.clone(), RowVersion(version.to_string()))))
    }

    async fn swap(
        &self,
        key: &CheckpointKey,
        row: &Checkpoint,
        expected: Option<&RowVersion>,
    ) -> Result<RowVersion, StoreError> {
        self.called();
        let mut rows = self.rows.lock().unwrap();
        let stored = rows.get(key).map(|(version, _)| version.to_string());
        if stored.as_deref() != expected.map(|version| version.0.as_str()) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        rows.insert(key.clone(), (*versions, row.clone()));
        Ok(RowVersion(versions.to_string()))
    }
}

impl CheckpointTable for MemoryTable {
    async fn scan(
        &self,
        wanted: &Rows,
        after: Option<&Continuation>,
        at_most: u32,
    ) -> Result<RowPage, StoreError> {
        tokio::task::yield_now().await;
        self.called();
        let (Rows::Of { partition: from, .. } | Rows::Partitions(Range { start: from, .. })) = wanted;
        if self.unreachable.lock().unwrap().as_ref().is_some_and(|partition| from.starts_with(partition)) {
            return Err(StoreError::Scan { from: from.clone(), reason: "as told".to_owned() });
        }
        let rows = self.rows.lock().unwrap();
        let is_wanted = |key: &CheckpointKey| match wanted {
            Rows::Of { partition, rows } => key.partition == *partition && rows.contains(&key.row),
            Rows::Partitions(partitions) => partitions.contains(&key.partition),
        };
        let begin = |key: &CheckpointKey| {
            after.is_none_or(|after| {
                (key.partition.as_str(), Some(key.row.as_str()))
                    >= (after.partition.as_str(), after.row.as_deref())
            })
        };
        let mut found = rows.iter().filter(|(key, _)| is_wanted(key) && begin(key));
        let page = found.by_ref().take(usize::try_from(at_most).unwrap()).map(|(key, (version, row))| {
            StoredRow { key: key.clone(), row: row.clone(), version: RowVersion(version.to_string()) }
        });
        let page = page.collect();
        let next = found
            .next()
            .map(|(key, _)| Continuation { partition: key.partition.clone(), row: Some(key.row.clone()) });
        Ok(RowPage { rows: page, next })
    }

    async fn delete(&self, key: &CheckpointKey, expected: &RowVersion) -> Result<(), StoreError> {
        self.called();
        let mut rows = self.rows.lock().unwrap();
        if rows.get(key).is_none_or(|(version, _)| version.to_string() != expected.0) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        rows.remove(key);
        Ok(())
    }
}

/// Second copies of watermarks in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryWatermarkCopy {
    hours: Arc<Mutex<HashMap<Container, Hour>>>,
}

impl MemoryWatermarkCopy {
    /// The hour kept for `container`.
    pub fn hour(&self, container: &Container) -> Option<Hour> {
        self.hours.lock().unwrap().get(container).copied()
    }

    /// Deletes all copies.
    pub fn delete_all(&self) {
        self.hours.lock().unwrap().clear();
    }
}

impl WatermarkCopy for MemoryWatermarkCopy {
    async fn load(&self, container: &Container) -> Result<Option<Hour>, WatermarkCopyError> {
        Ok(self.hour(container))
    }

    async fn store(&self, container: &Container, hour: Hour) -> Result<(), WatermarkCopyError> {
        self.hours.lock().unwrap().insert(container.clone(), hour);
        Ok(())
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
