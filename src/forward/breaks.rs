//! What happens where a blob stops being records: the bytes up to the next block that begins a record go
//! into quarantine, and forwarding goes on there. One broken block costs one block.

use super::attempt::within;
use super::deadlines::now;
use super::error::Awaited;
use super::run::{Run, StopReason};
use super::{ForwardError, Forwarder};
use crate::checkpoint::Broken;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::{CutError, Cutter, Expected, first_key};
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use crate::flow_log::rope::Rope;
use crate::ports::Ports;
use crate::ports::blobs::{BlobReader, Condition};
use std::ops::Range;

/// How many blocks behind a break are tried: an hour has 60.
const MOST_TRIED: usize = 256;

/// How many bytes of a block are read to see whether it begins a record; more when the record is longer.
const PROBE: u64 = 64 << 10;
/// Where that ends.
const LONGEST_PROBE: u64 = 2 << 20;

/// The name of every flow log record's first member (learn.microsoft.com, *Virtual network flow logs* and
/// *Read flow logs*): a block that begins inside a record does not begin with it.
const FIRST_KEY: &[u8] = b"time";

/// A place at which a version stops being records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Break {
    /// The byte that can't be, or the start of the record that has no end.
    at: u64,
    /// Where quarantine begins; none for right behind the last record.
    from: Option<u64>,
    /// Whether the version ends inside the record.
    unfinished: bool,
    /// Whether records may begin again behind it.
    may_resume: bool,
    /// Where records begin again, if that is known.
    resume_at: Option<u64>,
    reason: String,
}

/// What came of a break.
pub(super) enum BreakOutcome {
    /// Everything before this block is in quarantine, and records begin again there.
    Resume(u64),
    /// Nothing can be forwarded behind it, now or ever.
    Stopped(StopReason),
}

impl Break {
    /// Bytes that are no records.
    pub(super) fn found(cause: &CutError) -> Self {
        // Without its opener a blob is no flow log at all.
        let may_resume = cause.expected != Expected::Opener;
        let (at, reason) = (cause.offset, cause.to_string());
        Self { at, from: None, unfinished: false, may_resume, resume_at: None, reason }
    }

    /// A record that starts at `start` and has no end in this version.
    pub(super) fn unfinished(start: u64) -> Self {
        let reason = format!("the blob ends inside the record that starts at byte {start}");
        Self { at: start, from: Some(start), unfinished: true, may_resume: true, resume_at: None, reason }
    }

    /// A complete record that can't be forwarded.
    pub(super) fn of_record(record: Range<u64>, reason: String) -> Self {
        let (start, resume_at) = (record.start, Some(record.end));
        Self { at: start, from: Some(start), unfinished: false, may_resume: true, resume_at, reason }
    }

    /// A record that can't be read and sent in one invocation, however long that may take.
    pub(super) fn too_long(start: u64, end: Option<u64>) -> Self {
        let reason =
            format!("the record that starts at byte {start} is too long to be forwarded in one invocation");
        Self { at: start, from: Some(start), unfinished: false, may_resume: true, resume_at: end, reason }
    }

    /// What an earlier run found in this very version.
    pub(super) fn known(broken: Broken) -> Self {
        let Broken { at, unfinished, resume_at, .. } = broken;
        if unfinished {
            return Self { resume_at, ..Self::unfinished(at) };
        }
        let reason = format!("the blob stops being records at byte {at}, found by an earlier run");
        Self { at, from: None, unfinished, may_resume: true, resume_at, reason }
    }
}

impl<P: Ports> Forwarder<P> {
    /// Puts what follows a break into quarantine, as far as that is due, and finds the block at which
    /// records begin again. Everything before the break has been accepted.
    pub(super) async fn pass_break(
        &self,
        run: &mut Run<'_, P::Hub>,
        found: Break,
    ) -> Result<BreakOutcome, ForwardError> {
        let (offset, time) = (run.outbound.end(), self.leases.now());
        let before = run.broken;
        let same_version = run.seen.row.covers(&run.etag);
        let broken = Broken {
            at: found.at,
            kept: before.map_or(0, |before| before.kept),
            since: before.filter(|_| same_version).map_or(time, |before| before.since),
            unfinished: found.unfinished,
            partial: before.is_some_and(|before| before.partial) && same_version,
            resume_at: found.resume_at,
        };
        run.broken = Some(broken);
        if found.unfinished && run.owes_quarantine_to(time).is_none() {
            if before.is_none() {
                tracing::warn!(blob = %run.blob, "{}: waiting for a commit that finishes it", found.reason);
            }
            return Ok(BreakOutcome::Stopped(StopReason::Kept));
        }
        let resume_at = match found.resume_at {
            None if found.may_resume && !broken.partial => match self.next_record_block(run, offset).await? {
                Search::Found(block) => Some(block),
                Search::Nothing => None,
                Search::OutOfTime => {
                    run.broken = before;
                    return Ok(BreakOutcome::Stopped(StopReason::Budget));
                }
            },
            known => known,
        };
        if resume_at.is_some_and(|block| block >= run.until) && run.until < run.length {
            // The earlier run, whose end this one goes to first, stopped here.
            run.broken = before;
            return Ok(BreakOutcome::Stopped(StopReason::Doubt));
        }
        run.broken = Some(Broken { resume_at, ..broken });
        let Some(end) = run.owes_quarantine_to(time) else {
            return Ok(BreakOutcome::Stopped(StopReason::Kept));
        };
        // What quarantine holds of an earlier version ends with that version's closer, which may have given
        // way to records: it is taken anew.
        let from = if broken.partial { broken.kept } else { found.from.unwrap_or(offset) };
        if !self.keep(run, from..end, &found.reason).await? {
            return Ok(BreakOutcome::Stopped(StopReason::Budget));
        }
        match resume_at {
            Some(block) => {
                self.skip(run, block).await?;
                run.broken = None;
                Ok(BreakOutcome::Resume(block))
            }
            None => Ok(BreakOutcome::Stopped(StopReason::Kept)),
        }
    }

    /// Moves the end of the run to `offset`, before which everything is in quarantine.
    async fn skip(&self, run: &mut Run<'_, P::Hub>, offset: u64) -> Result<(), ForwardError> {
        let guarded = run.outbound.passed_to().max(offset.saturating_sub(FINGERPRINT_BYTES))..offset;
        let bytes = self.probe(run, guarded).await?;
        run.outbound.jump_to(offset, &bytes.to_bytes());
        Ok(())
    }

    /// Finds the first block behind `offset` that begins a record.
    async fn next_record_block(
        &self,
        run: &mut Run<'_, P::Hub>,
        offset: u64,
    ) -> Result<Search, ForwardError> {
        let asked = within(run.blob, run.times, Awaited::Storage, self.blobs.blocks(run.blob, &run.etag));
        let blocks = asked.await?.map_err(ForwardError::read(run.blob))?;
        let length = run.length;
        let behind = blocks.into_iter().filter(|block| *block > offset && *block < length);
        for block in behind.take(MOST_TRIED) {
            if now() >= run.times.work_until || self.is_stopping() {
                return Ok(Search::OutOfTime);
            }
            if self.begins_record(run, block).await? {
                return Ok(Search::Found(block));
            }
        }
        Ok(Search::Nothing)
    }

    /// Whether the bytes from `block` on begin with a complete record like any other.
    async fn begins_record(&self, run: &mut Run<'_, P::Hub>, block: u64) -> Result<bool, ForwardError> {
        let mut cutter = Cutter::after_record(block);
        let (mut at, mut length) = (block, PROBE);
        while at < run.length && at - block < LONGEST_PROBE {
            let end = run.length.min(at + length);
            self.probe(run, at..end).await?.pieces().for_each(|piece| cutter.push(piece.clone()));
            match cutter.next_record() {
                Ok(Some(record)) => {
                    let bytes = cutter.slice(record.range).map_err(ForwardError::internal(run.blob))?;
                    return Ok(first_key(&bytes.to_bytes()) == Some(FIRST_KEY));
                }
                Ok(None) if cutter.closed().is_none() => (at, length) = (end, length * 2),
                Ok(None) | Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    async fn probe(&self, run: &mut Run<'_, P::Hub>, range: Range<u64>) -> Result<Rope, ForwardError> {
        if range.is_empty() {
            return Ok(Rope::default());
        }
        let read = self.blobs.read(run.blob, range, Condition::IfMatch(&run.etag));
        let read = within(run.blob, run.times, Awaited::Storage, read).await?;
        Ok(read.map_err(ForwardError::read(run.blob))?.bytes)
    }
}

/// What came of looking for a block that begins a record.
enum Search {
    Found(u64),
    Nothing,
    OutOfTime,
}

/// Says that a record is complete of which an earlier version had put a part into quarantine.
pub(super) fn note_mended(blob: &FlowLogBlob, before: Option<Broken>, offset: u64) {
    if let Some(before) = before.filter(|before| before.kept > before.at && before.at < offset) {
        tracing::warn!(
            %blob,
            "the record at byte {} is complete now and was forwarded: what quarantine holds of it, up to byte {}, \
             is needed no more",
            before.at,
            before.kept
        );
    }
}
