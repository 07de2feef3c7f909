//! Puts bytes that can't be forwarded into quarantine, a bounded piece at a time.

use super::attempt::within;
use super::error::Awaited;
use super::read_on::Next;
use super::run::Run;
use super::{ForwardError, Forwarder};
use crate::ports::Ports;
use crate::ports::quarantine::{ItemName, Note, Quarantine};
use std::ops::Range;

/// The most bytes of one item. A longer stretch becomes several, so that each attempt gets on.
const ITEM: u64 = 64 << 20;

impl<P: Ports> Forwarder<P> {
    /// Puts the bytes of `range`, which lie behind a break, into quarantine, and notes in the row how far
    /// it has come. Says whether that is to the end.
    pub(super) async fn keep(
        &self,
        run: &mut Run<'_, P::Hub>,
        range: Range<u64>,
        reason: &str,
    ) -> Result<bool, ForwardError> {
        let mut at = range.start;
        while at < range.end {
            let end = self.quarantine(run, at..range.end.min(at + ITEM), reason).await?;
            if end == at {
                return Ok(false);
            }
            at = end;
            if let Some(broken) = &mut run.broken {
                (broken.kept, broken.partial) = (at, at < range.end);
            }
            if at < range.end {
                self.save(run).await?;
            }
        }
        Ok(true)
    }

    /// Puts the bytes of `range` into quarantine as one item, as many of them as there is time for; returns
    /// the end of those.
    pub(super) async fn quarantine(
        &self,
        run: &mut Run<'_, P::Hub>,
        range: Range<u64>,
        reason: &str,
    ) -> Result<u64, ForwardError> {
        let url = run.blob.url();
        let failed = |cause| ForwardError::Quarantine { blob: url.clone(), cause };
        let item = ItemName::new(run.blob, run.seen.row.progress.generation, &range);
        let (mut pieces, mut end) = (0, range.start);
        let mut reader = self.reader(run, range.clone());
        loop {
            let deadline = if pieces == 0 { run.times.read_until } else { run.times.work_until };
            match self.next(run, &mut reader, deadline).await? {
                Next::Window(window) => {
                    end += window.len() as u64;
                    let staged = self.quarantine.stage(&item, pieces, window);
                    within(run.blob, run.times, Awaited::Quarantine, staged).await?.map_err(failed)?;
                    pieces += 1;
                    self.save_now_and_then(run).await?;
                }
                Next::OutOfTime if pieces == 0 => return Ok(range.start),
                Next::OutOfTime | Next::End => break,
            }
        }
        let range = range.start..end;
        let note = Note { blob: url.clone(), etag: run.etag.clone(), range, reason: reason.to_owned() };
        let finished = self.quarantine.finish(&item, pieces, &note);
        within(run.blob, run.times, Awaited::Quarantine, finished).await?.map_err(failed)?;
        run.done.quarantined += 1;
        tracing::error!(
            blob = note.blob,
            start = note.range.start,
            end = note.range.end,
            item = item.as_str(),
            "quarantined, not forwarded: {reason}"
        );
        Ok(end)
    }
}
