//! Puts bytes that can't be forwarded into quarantine, in items of bounded size.

use super::attempt::within;
use super::error::Awaited;
use super::read_on::Next;
use super::run::Run;
use super::{ForwardError, Forwarder};
use crate::ports::Ports;
use crate::ports::quarantine::{ItemName, Note, Quarantine};
use std::ops::Range;

/// The most bytes of one item. A longer range becomes several, so that each attempt makes progress.
const ITEM: u64 = 64 << 20;

impl<P: Ports> Forwarder<P> {
    /// Puts the bytes of `range`, which follow a break, into quarantine, and saves how far it has come. Returns
    /// whether all of them are there.
    pub(super) async fn quarantine_range(
        &self,
        run: &mut Run<'_, P::Hub>,
        range: Range<u64>,
        reason: &str,
    ) -> Result<bool, ForwardError> {
        let mut at = range.start;
        while at < range.end {
            let end = self.quarantine_item(run, at..range.end.min(at + ITEM), reason).await?;
            if end == at {
                return Ok(false);
            }
            at = end;
            if let Some(broken) = &mut run.broken {
                (broken.quarantined_to, broken.partial) = (at, at < range.end);
            }
            if at < range.end {
                self.save(run).await?;
            }
        }
        Ok(true)
    }

    /// Puts the bytes of `range` into quarantine as one item, as many as time allows. Returns their end.
    pub(super) async fn quarantine_item(
        &self,
        run: &mut Run<'_, P::Hub>,
        range: Range<u64>,
        reason: &str,
    ) -> Result<u64, ForwardError> {
        let url = run.blob.url();
        let failed = |cause| ForwardError::Quarantine { blob: url.clone(), cause };
        let item = ItemName::new(run.blob, run.loaded.row.progress.generation, &range);
        let (mut pieces, mut end) = (0, range.start);
        let mut reader = self.reader(run, range.clone());
        loop {
            let deadline = if pieces == 0 { run.deadlines.read_until } else { run.deadlines.work_until };
            match self.next(run, &mut reader, deadline).await? {
                Next::Window(window) => {
                    end += window.len() as u64;
                    let staged = self.quarantine.stage(&item, pieces, window);
                    within(run.blob, run.deadlines, Awaited::Quarantine, staged).await?.map_err(failed)?;
                    pieces += 1;
                    self.save_if_due(run).await?;
                }
                Next::OutOfTime if pieces == 0 => return Ok(range.start),
                Next::OutOfTime | Next::End => break,
            }
        }
        let range = range.start..end;
        let note = Note { blob: url.clone(), etag: run.etag.clone(), range, reason: reason.to_owned() };
        let finished = self.quarantine.finish(&item, pieces, &note);
        within(run.blob, run.deadlines, Awaited::Quarantine, finished).await?.map_err(failed)?;
        run.stats.quarantined += 1;
        tracing::error!(
            blob = note.blob,
            start = note.range.start,
            end = note.range.end,
            item = item.as_str(),
            "bytes quarantined instead of forwarded: {reason}"
        );
        Ok(end)
    }
}
