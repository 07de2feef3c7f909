//! Records too large for a message: split where their schema repeats, quarantined where it does not.

use super::deadlines::now;
use super::error::Awaited;
use super::read_on::Next;
use super::run::Run;
use super::stop::{Break, StopReason};
use super::{ForwardError, Forwarder};
use crate::flow_log::cut::Cutter;
use crate::message::split::{Layout, LayoutPass, SplitError, SplitPass, split};
use crate::ports::Ports;
use std::ops::Range;

/// The result of splitting a record that was read again from its start.
pub(super) enum OversizeOutcome {
    /// It was sent; the next record begins behind this offset.
    Sent(u64),
    /// It was not sent to its end.
    Stopped(StopReason),
}

impl<P: Ports> Forwarder<P> {
    /// Splits a complete record that is held in memory, or quarantines it.
    pub(super) async fn split_held(
        &self,
        run: &mut Run<'_, P::Hub>,
        range: &Range<u64>,
        cutter: &mut Cutter,
    ) -> Result<(), ForwardError> {
        run.outbound.pass_to(run.blob, range.end, cutter)?;
        let bytes = cutter.slice(range.clone()).map_err(ForwardError::internal(run.blob))?;
        cutter.release(range.end);
        match split(&bytes, range.start, run.max_body) {
            Ok(parts) => {
                for part in parts.into_iter().flatten() {
                    let part = part.map_err(|cause| ForwardError::split(run.blob, cause))?;
                    let end = part.last.then_some(part.message.range.end);
                    run.outbound.send(run.blob, part.message, end).await?;
                }
                Ok(())
            }
            Err(reason) => {
                if self.quarantine_item(run, range.clone(), &reason.to_string()).await? < range.end {
                    return Err(ForwardError::out_of_time(run.blob, run.deadlines, Awaited::Storage));
                }
                run.outbound.skip_to(range.end);
                Ok(())
            }
        }
    }

    /// Splits the record that starts at `start`, however long it is, with one window in memory: one pass reads its
    /// layout, a second one sends its parts. Both must fit one attempt.
    pub(super) async fn split_streamed(
        &self,
        run: &mut Run<'_, P::Hub>,
        start: u64,
    ) -> Result<OversizeOutcome, ForwardError> {
        let began = now();
        let layout = match self.read_layout(run, start).await? {
            LayoutResult::Splits(layout) => layout,
            LayoutResult::CannotSplit(SplitError::Broken(cause)) => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::invalid(&cause))));
            }
            LayoutResult::CannotSplit(SplitError::Unsplittable { record, reason }) => {
                return Ok(OversizeOutcome::Stopped(skip_record(run, record, reason.to_string())));
            }
            LayoutResult::CannotSplit(changed @ SplitError::Changed { .. }) => {
                return Err(ForwardError::split(run.blob, changed));
            }
            LayoutResult::Unfinished => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::unfinished(start))));
            }
            LayoutResult::OutOfTime if self.is_last_resort(run) => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::too_long(start, None))));
            }
            LayoutResult::OutOfTime => return Ok(OversizeOutcome::Stopped(StopReason::OutOfTime)),
        };
        let range = layout.range();
        if range.end > run.until {
            return Ok(OversizeOutcome::Stopped(StopReason::InFlightEnd));
        }
        // The second pass takes at least as long as the first.
        if !run.deadlines.has_time_for(now() - began) {
            let stopped = if run.deadlines.last_resort {
                StopReason::Broken(Break::too_long(start, Some(range.end)))
            } else {
                StopReason::OutOfTime
            };
            return Ok(OversizeOutcome::Stopped(stopped));
        }
        self.send_parts(run, layout).await
    }

    async fn send_parts(
        &self,
        run: &mut Run<'_, P::Hub>,
        layout: Layout,
    ) -> Result<OversizeOutcome, ForwardError> {
        let range = layout.range();
        let mut divider = SplitPass::new(layout);
        let mut reader = self.reader(run, range.clone());
        loop {
            let window = match self.next(run, &mut reader, run.deadlines.read_until).await? {
                Next::Window(window) => window,
                Next::End => return Ok(OversizeOutcome::Sent(range.end)),
                Next::OutOfTime => return Ok(OversizeOutcome::Stopped(StopReason::OutOfTime)),
            };
            for piece in window.pieces() {
                run.outbound.pass(piece);
                divider.push(piece.clone());
                for part in divider.by_ref() {
                    let part = part.map_err(|cause| ForwardError::split(run.blob, cause))?;
                    let end = part.last.then_some(part.message.range.end);
                    run.outbound.send(run.blob, part.message, end).await?;
                }
            }
            self.save_if_due(run).await?;
        }
    }

    async fn read_layout(&self, run: &mut Run<'_, P::Hub>, start: u64) -> Result<LayoutResult, ForwardError> {
        let mut layout_pass = LayoutPass::new(start, run.max_body);
        let mut reader = self.reader(run, start..run.length);
        let deadline = run.deadlines.layout_until();
        loop {
            let window = match self.next(run, &mut reader, deadline).await? {
                Next::Window(window) => window,
                Next::End => return Ok(LayoutResult::Unfinished),
                Next::OutOfTime => return Ok(LayoutResult::OutOfTime),
            };
            for piece in window.pieces() {
                match layout_pass.push(piece) {
                    Ok(None) => {}
                    Ok(Some(layout)) => return Ok(LayoutResult::Splits(layout)),
                    Err(error) => return Ok(LayoutResult::CannotSplit(error)),
                }
            }
            self.save_if_due(run).await?;
        }
    }
}

/// The result of the layout pass over a record.
enum LayoutResult {
    Splits(Layout),
    CannotSplit(SplitError),
    /// The version ends inside the record.
    Unfinished,
    OutOfTime,
}

/// Why to stop at the complete `record`: it goes into quarantine, unless an earlier run has to get there first.
fn skip_record<H>(run: &Run<'_, H>, record: Range<u64>, reason: String) -> StopReason {
    if record.end > run.until {
        StopReason::InFlightEnd
    } else {
        StopReason::Broken(Break::of_record(record, reason))
    }
}
