//! The first read of a run: what is new, and whether the old is still in place.

use super::reader::{Reader, Supply};
use super::turns::Memory;
use super::{End, ForwardError, Forwarded, Forwarder};
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::flow_log::FlowLogBlob;
use crate::hub::{Hub, Origin};
use crate::ledger::{Release, Seen};
use crate::plan::{self, Continuity, Trail};
use crate::quarantine::Quarantine;
use crate::source::{BlobSource, ReadError, Version};
use std::sync::Arc;

/// A blob version found to hold bytes that were not forwarded.
pub(super) struct Opened {
    /// The version, without quotes.
    pub etag: String,
    /// Its length, bytes.
    pub length: u64,
    /// What messages say of where they come from.
    pub origin: Arc<Origin>,
    /// The new bytes, from the checkpoint's offset on.
    pub supply: Supply,
    /// The bytes before them.
    pub trail: Trail,
    /// What showed that the blob was rewritten, if it was.
    pub rewritten: Option<Continuity>,
    /// The row to claim: as stored, or starting over.
    pub row: Checkpoint,
}

impl<B: BlobSource, C: CheckpointStore, H: Hub, Q: Quarantine> Forwarder<B, C, H, Q> {
    /// The row as this process remembers it, or as stored.
    pub(super) async fn recall(&self, blob: &FlowLogBlob, memory: &mut Memory) -> Result<Seen, ForwardError> {
        let seen = match memory.seen.take().filter(|_| memory.unsaved.is_none()) {
            Some(seen) => seen,
            None => self.ledger.load(blob).await.map_err(ForwardError::checkpoint(blob))?,
        };
        let Some(unsaved) = memory.unsaved.as_ref().filter(|_| self.ledger.is_ours(&seen)) else {
            return Ok(seen);
        };
        // Before anything else: until then the claim turns others away, and a crash would send it again.
        let finished = unsaved.etag.is_some();
        let released = self.ledger.release(&seen, unsaved, finished).await;
        let (Release::Done(seen) | Release::WantedMore(seen)) =
            released.map_err(ForwardError::checkpoint(blob))?;
        memory.unsaved = None;
        Ok(seen)
    }

    /// Reads the first new bytes; none when there is nothing new. Notices a rewritten blob.
    pub(super) async fn open(
        &self,
        blob: &FlowLogBlob,
        seen: &Seen,
        done: &mut Forwarded,
    ) -> Result<Option<Opened>, ForwardError> {
        let mut rewritten = None;
        let mut row = seen.row.clone();
        loop {
            let progress = &row.progress;
            let range = plan::first_read(progress, self.options.window);
            let owes = progress.owes_quarantine(blob.hour_end(), self.ledger.now());
            let known = progress.etag.as_deref().filter(|_| !owes);
            let version = known.map_or(Version::Any, Version::NewerThan);
            let continuity = match self.source.read(blob, range.clone(), version).await {
                Err(ReadError::Unchanged) => return Ok(None),
                Err(ReadError::NotFound) => {
                    done.end = End::Gone;
                    return Ok(None);
                }
                Err(ReadError::PastEnd) => Continuity::Shrunk,
                Err(cause) => return Err(ForwardError::read(blob)(cause)),
                Ok(chunk) => {
                    done.bytes_read += chunk.bytes.len() as u64;
                    let guarded = usize::try_from(plan::guarded(progress)).unwrap_or(usize::MAX);
                    let guarded = chunk.bytes.slice(0..guarded).to_bytes();
                    match plan::continuity(progress, &guarded, chunk.blob_length) {
                        Continuity::Grown { skip } => {
                            let mut first = chunk.bytes;
                            first.drop_front(skip);
                            let (etag, length) = (chunk.etag, chunk.blob_length);
                            let from = progress.offset;
                            // Before the claim, which they need not wait for; without it they are given up.
                            let rest = plan::windows(from + first.len() as u64, length, self.options.window);
                            let rest = Reader::start(&self.source, blob, &etag, rest);
                            let supply = Supply { from, first, rest };
                            let trail = Trail::behind(&guarded[..skip]);
                            if progress.offset == 0 && progress.guard.is_none() {
                                row.progress.guard = plan::first_guard(&guarded, length);
                            }
                            let origin = Arc::new(self.origin(blob, &etag, row.progress.generation));
                            return Ok(Some(Opened { etag, length, origin, supply, trail, rewritten, row }));
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
