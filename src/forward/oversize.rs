//! Records that fit no message: split where their schema repeats, quarantined where that can't be.

use super::outbound::Outbound;
use super::reader::{Reader, Supply};
use super::run::Job;
use super::{ForwardError, Forwarded, Forwarder};
use crate::checkpoint::CheckpointStore;
use crate::cut::{CutError, Cutter};
use crate::hub::Hub;
use crate::plan;
use crate::quarantine::{ItemName, Note, Quarantine};
use crate::rope::Rope;
use crate::source::BlobSource;
use crate::split::{Divider, Skeleton, SplitError, Survey, split};
use std::ops::Range;

/// What became of a record that was read again from its start.
pub(super) enum Dealt {
    /// It was sent or quarantined; the next one begins behind this offset.
    Done(u64),
    /// It is not complete yet in this version.
    Unfinished,
    /// It ends behind the run's end.
    Beyond,
    /// Its structure is broken.
    Broken(CutError),
}

impl<B: BlobSource, C: CheckpointStore, H: Hub, Q: Quarantine> Forwarder<B, C, H, Q> {
    /// Deals with a complete record that is held in memory.
    pub(super) async fn split_held(
        &self,
        job: &Job<'_>,
        range: &Range<u64>,
        cutter: &mut Cutter,
        outbound: &mut Outbound<'_, H>,
        done: &mut Forwarded,
    ) -> Result<(), ForwardError> {
        outbound.pass_to(job.blob, range.end, cutter)?;
        let bytes = cutter.slice(range.clone()).map_err(ForwardError::internal(job.blob))?;
        cutter.release(range.end);
        match split(&bytes, range.start, job.max_body) {
            Ok(parts) => {
                for part in parts.into_iter().flatten() {
                    let part = part.map_err(|cause| ForwardError::split(job.blob, cause))?;
                    let end = part.last.then_some(part.message.range.end);
                    outbound.send(job.blob, part.message, end).await?;
                }
                Ok(())
            }
            Err(reason) => {
                self.quarantine(job, range.clone(), &reason.to_string(), done).await?;
                outbound.skip_to(range.end);
                Ok(())
            }
        }
    }

    /// Deals with a record of any size that starts at `start`, holding no more of it than a window: its
    /// bytes are read once to learn how it ends, and once more to send them.
    pub(super) async fn split_streamed(
        &self,
        job: &Job<'_>,
        start: u64,
        outbound: &mut Outbound<'_, H>,
        done: &mut Forwarded,
    ) -> Result<Dealt, ForwardError> {
        let skeleton = match self.survey(job, start, done).await? {
            Ok(Some(skeleton)) => skeleton,
            Ok(None) => return Ok(Dealt::Unfinished),
            Err(SplitError::Broken(cause)) => return Ok(Dealt::Broken(cause)),
            Err(SplitError::Unsplittable { record, reason }) => {
                if record.end > job.until {
                    return Ok(Dealt::Beyond);
                }
                let tail = self.quarantine(job, record.clone(), &reason.to_string(), done).await?;
                outbound.pass(&tail);
                outbound.skip_to(record.end);
                return Ok(Dealt::Done(record.end));
            }
            Err(changed @ SplitError::Changed { .. }) => return Err(ForwardError::split(job.blob, changed)),
        };
        let range = skeleton.range();
        if range.end > job.until {
            return Ok(Dealt::Beyond);
        }
        let mut divider = Divider::new(skeleton);
        let mut reader = self.reader(job, range.clone());
        while let Some(window) = reader.next().await.map_err(ForwardError::read(job.blob))? {
            done.bytes_read += window.len() as u64;
            for piece in window.pieces() {
                outbound.pass(piece);
                divider.push(piece.clone());
                for part in divider.by_ref() {
                    let part = part.map_err(|cause| ForwardError::split(job.blob, cause))?;
                    let end = part.last.then_some(part.message.range.end);
                    outbound.send(job.blob, part.message, end).await?;
                }
            }
        }
        Ok(Dealt::Done(range.end))
    }

    async fn survey(
        &self,
        job: &Job<'_>,
        start: u64,
        done: &mut Forwarded,
    ) -> Result<Result<Option<Skeleton>, SplitError>, ForwardError> {
        let mut survey = Survey::new(start, job.max_body);
        let mut reader = self.reader(job, start..job.length);
        while let Some(window) = reader.next().await.map_err(ForwardError::read(job.blob))? {
            done.bytes_read += window.len() as u64;
            for piece in window.pieces() {
                match survey.push(piece) {
                    Ok(None) => {}
                    ended => return Ok(ended),
                }
            }
        }
        Ok(Ok(None))
    }

    /// Puts the bytes of `range` into quarantine and returns the last of them.
    pub(super) async fn quarantine(
        &self,
        job: &Job<'_>,
        range: Range<u64>,
        reason: &str,
        done: &mut Forwarded,
    ) -> Result<Vec<u8>, ForwardError> {
        let failed = |cause| ForwardError::Quarantine { blob: job.blob.url(), cause };
        let item = ItemName::new(job.blob, job.generation, range.start);
        let (mut pieces, mut tail) = (0, Vec::new());
        let mut reader = self.reader(job, range.clone());
        while let Some(window) = reader.next().await.map_err(ForwardError::read(job.blob))? {
            done.bytes_read += window.len() as u64;
            let guarded = usize::try_from(crate::checkpoint::GUARD_BYTES).unwrap_or(usize::MAX);
            tail.extend_from_slice(
                &window.slice(window.len().saturating_sub(guarded)..window.len()).to_bytes(),
            );
            self.quarantine.stage(&item, pieces, window).await.map_err(failed)?;
            pieces += 1;
        }
        let note = Note {
            blob: job.blob.url(),
            etag: job.etag.clone(),
            range: range.clone(),
            reason: reason.to_owned(),
        };
        self.quarantine.finish(&item, pieces, &note).await.map_err(failed)?;
        done.quarantined += 1;
        tracing::error!(
            blob = note.blob,
            start = range.start,
            end = range.end,
            item = item.as_str(),
            "quarantined, not forwarded: {reason}"
        );
        Ok(tail)
    }

    /// The bytes from `from` on, none of them read yet.
    pub(super) fn supply(&self, job: &Job<'_>, from: u64) -> Supply {
        Supply { from, first: Rope::default(), rest: self.reader(job, from..job.length) }
    }

    fn reader(&self, job: &Job<'_>, range: Range<u64>) -> Reader {
        let windows = plan::windows(range.start, range.end, self.options.window);
        Reader::start(&self.source, job.blob, &job.etag, windows)
    }
}
