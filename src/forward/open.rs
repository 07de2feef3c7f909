//! The first read of a run: what is new, and whether the old is still in place.

use super::blob_locks::CachedState;
use super::memory_budget::FIRST_READ;
use super::reader::{Reader, Supply};
use super::{Completion, ForwardError, Forwarded, Forwarder};
use crate::checkpoint::{Checkpoint, Progress};
use crate::flow_log::FlowLogBlob;
use crate::flow_log::fingerprint::FingerprintTail;
use crate::flow_log::rope::Rope;
use crate::forward::lease_store::{LoadedRow, Release};
use crate::forward::plan::{self, Continuity};
use crate::ports::Ports;
use crate::ports::blobs::{BlobReader, Condition, ReadError};
use std::sync::Arc;

/// A record without an end that is longer than this is not read again with every commit, but when its
/// hour is over. Network Watcher commits records whole.
const LONG_TAIL: u64 = 8 << 20;

/// A blob version found to hold bytes that were not forwarded.
pub(super) struct Opened {
    /// The version, without quotes.
    pub etag: String,
    /// Its length, bytes.
    pub length: u64,
    /// The bytes before the new ones.
    pub trail: FingerprintTail,
    /// What showed that the blob was rewritten, if it was.
    pub rewritten: Option<Continuity>,
    /// The row to claim: as stored, or starting over.
    pub row: Checkpoint,
    /// The first new bytes, from the checkpoint's offset on.
    first: Rope,
    /// The reads of what is behind them, once begun.
    rest: Option<Reader>,
}

impl Opened {
    /// How many bytes were read.
    pub(super) fn held(&self) -> u64 {
        self.first.len() as u64
    }

    /// How many bytes are still to be read.
    pub(super) fn more(&self) -> u64 {
        self.length.saturating_sub(self.read_to())
    }

    /// Lets go of the bytes that were read: they are to be read again.
    pub(super) fn put_back(&mut self) {
        self.first = Rope::default();
    }

    /// Begins to read what is still to be read, `window` bytes at a time.
    pub(super) fn read_on<B: BlobReader>(&mut self, source: &Arc<B>, blob: &FlowLogBlob, window: u64) {
        let windows = plan::windows(self.read_to(), self.length, window);
        self.rest = Some(Reader::start(source, blob, &self.etag, windows));
    }

    /// The new bytes.
    pub(super) fn into_supply(self) -> Supply {
        let rest = self.rest.unwrap_or_default();
        Supply { from: self.row.progress.offset, first: self.first, rest }
    }

    fn read_to(&self) -> u64 {
        self.row.progress.offset + self.held()
    }
}

impl<P: Ports> Forwarder<P> {
    /// The row as this process remembers it, or as stored. What the last run could not save is saved first:
    /// until then its claim turns other workers away, and a crash would send it again.
    pub(super) async fn recall(
        &self,
        blob: &FlowLogBlob,
        memory: &mut CachedState,
    ) -> Result<LoadedRow, ForwardError> {
        if let Some(seen) = memory.seen.take().filter(|_| memory.unsaved.is_none()) {
            return Ok(seen);
        }
        let seen = self.leases.load(blob).await.map_err(ForwardError::checkpoint(blob))?;
        let Some(end) = memory.unsaved.as_ref().filter(|end| end.belongs_to(&seen.row)) else {
            memory.unsaved = None;
            return Ok(seen);
        };
        let released = self.leases.release(&seen, end).await;
        let (Release::Done(seen) | Release::WantedMore(seen)) =
            released.map_err(ForwardError::checkpoint(blob))?;
        memory.unsaved = None;
        Ok(seen)
    }

    /// Reads the first new bytes; none when there is nothing new. Notices a rewritten blob.
    pub(super) async fn open(
        &self,
        blob: &FlowLogBlob,
        seen: &LoadedRow,
        done: &mut Forwarded,
    ) -> Result<Option<Opened>, ForwardError> {
        let window = self.options.window.min(FIRST_READ);
        let mut rewritten = None;
        let mut row = seen.row.clone();
        loop {
            let progress = &row.progress;
            let owes = progress.owes_quarantine_to(blob.hour_end(), self.leases.now()).is_some();
            let known = progress.etag.as_deref().filter(|_| !owes);
            let version = known.map_or(Condition::None, Condition::IfNoneMatch);
            let continuity = match self.blobs.read(blob, plan::first_read(progress, window), version).await {
                Err(ReadError::Unchanged) => return Ok(None),
                Err(ReadError::NotFound) => {
                    done.end = Completion::Deleted;
                    return Ok(None);
                }
                Err(ReadError::PastEnd) => Continuity::Shrunk,
                Err(cause) => return Err(ForwardError::read(blob)(cause)),
                Ok(chunk) => {
                    done.bytes_read += chunk.bytes.len() as u64;
                    let guarded = usize::try_from(plan::guarded(progress)).unwrap_or(usize::MAX);
                    let guarded = chunk.bytes.slice(0..guarded).to_bytes();
                    match plan::continuity(progress, &guarded, chunk.blob_length) {
                        Continuity::Grown { .. }
                            if !owes && waits_for_the_hour(progress, chunk.blob_length) =>
                        {
                            return Ok(None);
                        }
                        Continuity::Grown { skip } => {
                            let mut first = chunk.bytes;
                            first.drop_front(skip);
                            let (etag, length) = (chunk.etag, chunk.blob_length);
                            let trail = FingerprintTail::behind(&guarded[..skip]);
                            if progress.offset == 0 && progress.fingerprint.is_none() {
                                row.progress.fingerprint = plan::first_guard(&guarded, length);
                            }
                            return Ok(Some(Opened {
                                etag,
                                length,
                                trail,
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

/// Whether a blob of `length` ends in a record without an end that is too long to be read again before
/// its hour is over.
fn waits_for_the_hour(progress: &Progress, length: u64) -> bool {
    progress.broken.is_some_and(|broken| broken.unfinished && length.saturating_sub(broken.at) > LONG_TAIL)
}
