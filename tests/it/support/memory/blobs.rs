//! Blobs in memory.

use bytes::Bytes;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::ports::blobs::{
    BlobListing, BlobReader, Chunk, Condition, Depth, ListError, Listed, Names, Page, ReadError,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Blobs in memory, each with the number of its version as `ETag`.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    blobs: Arc<Mutex<BTreeMap<Place, Stored>>>,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    bytes_read: Arc<AtomicU64>,
    lists: Arc<Mutex<u64>>,
    versions: Arc<Mutex<u64>>,
    /// The time of the storage service.
    pub now: Arc<AtomicU64>,
}

/// One blob: its version, the time of its commit, its content, and the offsets of its blocks.
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
    /// Commits `content` without blocks, and returns its `ETag`.
    pub fn commit(&self, blob: &FlowLogBlob, content: impl Into<Bytes>) -> String {
        etag(self.store(place(blob), content.into(), Vec::new()))
    }

    /// Commits these blocks, in order, as the content of `blob`, and returns its `ETag`.
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

    /// The ranges requested since the last call of this.
    pub fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    /// The bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// How many pages were listed since the last call of this.
    pub fn take_lists(&self) -> u64 {
        std::mem::take(&mut self.lists.lock().unwrap())
    }

    /// Commits an empty blob of any name to `container`.
    pub fn put(&self, container: &Container, name: &str) {
        let place = (container.account().to_string(), container.name().to_owned(), name.to_owned());
        self.store(place, Bytes::new(), Vec::new());
    }
}

/// An `ETag` as long as one of Azure: 15 digits.
fn etag(version: u64) -> String {
    format!("0x{version:015X}")
}

impl BlobReader for MemoryBlobs {
    async fn read(
        &self,
        blob: &FlowLogBlob,
        range: Range<u64>,
        condition: Condition<'_>,
    ) -> Result<Chunk, ReadError> {
        self.reads.lock().unwrap().push(range.clone());
        let blobs = self.blobs.lock().unwrap();
        let Stored { version: number, content, .. } = blobs.get(&place(blob)).ok_or(ReadError::NotFound)?;
        let etag = etag(*number);
        match condition {
            Condition::IfMatch(wanted) if wanted != etag => return Err(ReadError::Changed),
            Condition::IfNoneMatch(known) if known == etag => return Err(ReadError::Unchanged),
            _ => {}
        }
        let length = content.len() as u64;
        if range.start >= length && !(range.start == 0 && length == 0) {
            return Err(ReadError::PastEnd);
        }
        let part = usize::try_from(range.start).unwrap()..usize::try_from(range.end.min(length)).unwrap();
        self.bytes_read.fetch_add(part.len() as u64, Ordering::Relaxed);
        Ok(Chunk { bytes: content.slice(part).into(), blob_length: length, etag })
    }

    async fn blocks(&self, blob: &FlowLogBlob, wanted: &str) -> Result<Vec<u64>, ReadError> {
        let blobs = self.blobs.lock().unwrap();
        let stored = blobs.get(&place(blob)).ok_or(ReadError::NotFound)?;
        if etag(stored.version) == wanted { Ok(stored.blocks.clone()) } else { Err(ReadError::Changed) }
    }
}

/// A container exists once it holds a blob.
impl BlobListing for MemoryBlobs {
    async fn list(&self, container: &Container, names: Names<'_>) -> Result<Page, ListError> {
        // Lets other tasks run, as a network call would.
        tokio::task::yield_now().await;
        *self.lists.lock().unwrap() += 1;
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
            // A folder counts as one name.
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
