//! The first read of a run: the new bytes, and proof that the old ones are unchanged.

use super::blob_locks::CachedState;
use super::memory_budget::FIRST_READ;
use super::reader::{Input, WindowReader};
use super::{Completion, ForwardError, Forwarded, Forwarder};
use crate::checkpoint::{Checkpoint, Progress};
use crate::flow_log::FlowLogBlob;
use crate::flow_log::fingerprint::FingerprintTail;
use crate::flow_log::rope::Rope;
use crate::forward::lease_store::{LoadedRow, ReleaseOutcome};
use crate::forward::plan::{self, Continuity};
use crate::ports::Ports;
use crate::ports::blobs::{BlobReader, Condition, ReadError};
use std::sync::Arc;

/// A record without an end that is longer than this is read again only after its hour, not with every commit.
/// Network Watcher commits whole records.
const LONG_TAIL: u64 = 8 << 20;

/// A blob version with bytes that have not been forwarded.
pub(super) struct Opened {
    /// The version, without quotes.
    pub etag: String,
    /// Its length, bytes.
    pub length: u64,
    /// The bytes before the new ones.
    pub tail: FingerprintTail,
    /// How the blob was rewritten; `None` when it only grew.
    pub rewritten: Option<Continuity>,
    /// The row to claim: as stored, or reset after a rewrite.
    pub row: Checkpoint,
    /// The first new bytes: from the checkpoint's offset on.
    first: Rope,
    /// Reads the bytes after them.
    rest: Option<WindowReader>,
}

impl Opened {
    /// How many bytes it holds in memory.
    pub(super) fn held(&self) -> u64 {
        self.first.len() as u64
    }

    /// How many bytes have not been read yet.
    pub(super) fn unread(&self) -> u64 {
        self.length.saturating_sub(self.read_to())
    }

    /// Frees the bytes that were read; they will be read again.
    pub(super) fn discard_bytes(&mut self) {
        self.first = Rope::default();
    }

    /// Starts to read the rest, `window` bytes at a time.
    pub(super) fn start_reading<B: BlobReader>(&mut self, blobs: &Arc<B>, blob: &FlowLogBlob, window: u64) {
        let windows = plan::windows(self.read_to(), self.length, window);
        self.rest = Some(WindowReader::start(blobs, blob, &self.etag, windows));
    }

    /// The new bytes.
    pub(super) fn into_input(self) -> Input {
        let rest = self.rest.unwrap_or_default();
        Input { from: self.row.progress.offset, first: Some(self.first), rest }
    }

    fn read_to(&self) -> u64 {
        self.row.progress.offset + self.held()
    }
}

impl<P: Ports> Forwarder<P> {
    /// The cached row, or the stored one. The end of a run that could not be saved is saved first: until then
    /// its claim keeps other workers away, and a crash would send its messages again.
    pub(super) async fn current_row(
        &self,
        blob: &FlowLogBlob,
        cached: &mut CachedState,
    ) -> Result<LoadedRow, ForwardError> {
        if let Some(loaded) = cached.loaded.take().filter(|_| cached.unsaved.is_none()) {
            return Ok(loaded);
        }
        let loaded = self.leases.load(blob).await.map_err(ForwardError::checkpoint(blob))?;
        let Some(end) = cached.unsaved.as_ref().filter(|end| end.belongs_to(&loaded.row)) else {
            cached.unsaved = None;
            return Ok(loaded);
        };
        let released = self.leases.release(&loaded, end).await;
        let (ReleaseOutcome::Released(loaded) | ReleaseOutcome::NewerWanted(loaded)) =
            released.map_err(ForwardError::checkpoint(blob))?;
        cached.unsaved = None;
        Ok(loaded)
    }

    /// Reads the first new bytes; `None` when there are none. A rewritten blob is read from the start.
    pub(super) async fn open(
        &self,
        blob: &FlowLogBlob,
        loaded: &LoadedRow,
        stats: &mut Forwarded,
    ) -> Result<Option<Opened>, ForwardError> {
        let window = self.options.window.min(FIRST_READ);
        let mut rewritten = None;
        let mut row = loaded.row.clone();
        loop {
            let progress = &row.progress;
            let quarantine_due = progress.quarantine_due_to(blob.hour_end(), self.leases.now()).is_some();
            let known = progress.etag.as_deref().filter(|_| !quarantine_due);
            let condition = known.map_or(Condition::None, Condition::IfNoneMatch);
            let continuity = match self.blobs.read(blob, plan::first_read(progress, window), condition).await
            {
                Err(ReadError::Unchanged) => return Ok(None),
                Err(ReadError::NotFound) => {
                    stats.completion = Completion::Deleted;
                    return Ok(None);
                }
                Err(ReadError::PastEnd) => Continuity::Shrunk,
                Err(cause) => return Err(ForwardError::read(blob)(cause)),
                Ok(chunk) => {
                    stats.bytes_read += chunk.bytes.len() as u64;
                    let covered = usize::try_from(plan::covered(progress)).unwrap_or(usize::MAX);
                    let old = chunk.bytes.slice(0..covered).to_bytes();
                    match plan::continuity(progress, &old, chunk.blob_length) {
                        Continuity::Grown { .. }
                            if !quarantine_due && waits_for_the_hour(progress, chunk.blob_length) =>
                        {
                            return Ok(None);
                        }
                        Continuity::Grown { skip } => {
                            let mut first = chunk.bytes;
                            first.drop_front(skip);
                            let (etag, length) = (chunk.etag, chunk.blob_length);
                            let tail = FingerprintTail::behind(&old[..skip]);
                            if progress.offset == 0 && progress.fingerprint.is_none() {
                                row.progress.fingerprint = plan::first_fingerprint(&old, length);
                            }
                            return Ok(Some(Opened {
                                etag,
                                length,
                                tail,
                                rewritten,
                                row,
                                first,
                                rest: None,
                            }));
                        }
                        broken => broken,
                    }
                }
            };
            rewritten = Some(continuity);
            row = row.rewritten();
        }
    }
}

/// Whether the blob of `length` bytes ends in a record without an end that is read again only after its hour.
fn waits_for_the_hour(progress: &Progress, length: u64) -> bool {
    progress.broken.is_some_and(|broken| broken.unfinished && length.saturating_sub(broken.at) > LONG_TAIL)
}
