//! Passes a break: the bytes up to the next block that begins a record go into quarantine, and forwarding
//! continues there. One broken block costs one block.

use super::attempt::within;
use super::deadlines::now;
use super::error::Awaited;
use super::run::Run;
use super::stop::{Break, StopReason};
use super::{ForwardError, Forwarder};
use crate::checkpoint::Broken;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::{Cutter, first_key};
use crate::flow_log::fingerprint::FINGERPRINT_BYTES;
use crate::flow_log::rope::Rope;
use crate::ports::Ports;
use crate::ports::blobs::{BlobReader, Condition};
use std::ops::Range;

/// How many blocks behind a break are tried. An hour has 60.
const MOST_TRIED: usize = 256;

/// How many bytes of a block are read first to find out whether it begins a record.
const PROBE: u64 = 64 << 10;
/// The most bytes of a block that are read for that.
const LONGEST_PROBE: u64 = 2 << 20;

/// The first member of every flow-log record (learn.microsoft.com, *Virtual network flow logs* and
/// *Read flow logs*): a block that begins inside a record does not start with it.
const FIRST_KEY: &[u8] = b"time";

/// The result of passing a break.
pub(super) enum BreakOutcome {
    /// Records begin again at this block; quarantine holds everything before it.
    Resume(u64),
    /// The run can't continue.
    Stopped(StopReason),
}

impl<P: Ports> Forwarder<P> {
    /// Finds the next block that begins a record, and puts the bytes before it into quarantine as far as they
    /// are due. The hub has accepted everything before the break.
    pub(super) async fn pass_break(
        &self,
        run: &mut Run<'_, P::Hub>,
        found: Break,
    ) -> Result<BreakOutcome, ForwardError> {
        let (offset, time) = (run.outbound.end(), self.leases.now());
        let before = run.broken;
        let same_version = run.loaded.row.covers(&run.etag);
        let broken = Broken {
            at: found.at,
            quarantined_to: before.map_or(0, |before| before.quarantined_to),
            since: before.filter(|_| same_version).map_or(time, |before| before.since),
            unfinished: found.unfinished,
            partial: before.is_some_and(|before| before.partial) && same_version,
            resume_at: found.resume_at,
        };
        run.broken = Some(broken);
        if found.unfinished && run.quarantine_due_to(time).is_none() {
            if before.is_none() {
                tracing::warn!(blob = %run.blob, "{}: waiting for a commit that completes it", found.reason);
            }
            return Ok(BreakOutcome::Stopped(StopReason::BrokenTail));
        }
        let resume_at = match found.resume_at {
            None if found.may_resume && !broken.partial => match self.next_record_block(run, offset).await? {
                Search::Found(block) => Some(block),
                Search::Nothing => None,
                Search::OutOfTime => {
                    run.broken = before;
                    return Ok(BreakOutcome::Stopped(StopReason::OutOfTime));
                }
            },
            known => known,
        };
        if resume_at.is_some_and(|block| block >= run.until) && run.until < run.length {
            // The earlier run stopped before this block; its messages are repeated first.
            run.broken = before;
            return Ok(BreakOutcome::Stopped(StopReason::InFlightEnd));
        }
        run.broken = Some(Broken { resume_at, ..broken });
        let Some(end) = run.quarantine_due_to(time) else {
            return Ok(BreakOutcome::Stopped(StopReason::BrokenTail));
        };
        // Quarantined bytes of an earlier version end with that version's closer, which records may have
        // replaced: they are quarantined again.
        let from = if broken.partial { broken.quarantined_to } else { found.from.unwrap_or(offset) };
        if !self.quarantine_range(run, from..end, &found.reason).await? {
            return Ok(BreakOutcome::Stopped(StopReason::OutOfTime));
        }
        match resume_at {
            Some(block) => {
                self.skip(run, block).await?;
                run.broken = None;
                Ok(BreakOutcome::Resume(block))
            }
            None => Ok(BreakOutcome::Stopped(StopReason::BrokenTail)),
        }
    }

    /// Moves the end of the run to `offset`; quarantine holds everything before it.
    async fn skip(&self, run: &mut Run<'_, P::Hub>, offset: u64) -> Result<(), ForwardError> {
        let covered = run.outbound.passed_to().max(offset.saturating_sub(FINGERPRINT_BYTES))..offset;
        let bytes = self.probe(run, covered).await?;
        run.outbound.jump_to(offset, &bytes.to_bytes());
        Ok(())
    }

    /// The first block behind `offset` that begins a record.
    async fn next_record_block(
        &self,
        run: &mut Run<'_, P::Hub>,
        offset: u64,
    ) -> Result<Search, ForwardError> {
        let blocks =
            within(run.blob, run.deadlines, Awaited::Storage, self.blobs.blocks(run.blob, &run.etag))
                .await?
                .map_err(ForwardError::read(run.blob))?;
        let length = run.length;
        let behind = blocks.into_iter().filter(|block| *block > offset && *block < length);
        for block in behind.take(MOST_TRIED) {
            if now() >= run.deadlines.work_until || self.is_stopping() {
                return Ok(Search::OutOfTime);
            }
            if self.begins_record(run, block).await? {
                return Ok(Search::Found(block));
            }
        }
        Ok(Search::Nothing)
    }

    /// Whether `block` starts with a complete record.
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
        let read = within(run.blob, run.deadlines, Awaited::Storage, read).await?;
        Ok(read.map_err(ForwardError::read(run.blob))?.bytes)
    }
}

/// The result of the search for a block that begins a record.
enum Search {
    Found(u64),
    Nothing,
    OutOfTime,
}

/// Logs that a record of which quarantine holds a part was completed and forwarded.
pub(super) fn note_completed_record(blob: &FlowLogBlob, before: Option<Broken>, offset: u64) {
    if let Some(before) = before.filter(|before| before.quarantined_to > before.at && before.at < offset) {
        tracing::warn!(
            %blob,
            "a later commit completed the record at byte {}, and it was forwarded: its quarantined part, up to byte {}, is \
             no longer needed",
            before.at,
            before.quarantined_to
        );
    }
}
