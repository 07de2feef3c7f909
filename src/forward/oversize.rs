//! Records that fit no message: split where their schema repeats, quarantined where that can't be.

use super::breaks::Break;
use super::deadlines::now;
use super::error::Awaited;
use super::read_on::Next;
use super::run::{Run, StopReason};
use super::{ForwardError, Forwarder};
use crate::flow_log::cut::Cutter;
use crate::message::split::{Layout, LayoutPass, SplitError, SplitPass, split};
use crate::ports::Ports;
use std::ops::Range;

/// What became of a record that was read again from its start.
pub(super) enum OversizeOutcome {
    /// It was sent; the next one begins behind this offset.
    Done(u64),
    /// It was not, and the run goes no further, or only around it.
    Stopped(StopReason),
}

impl<P: Ports> Forwarder<P> {
    /// Deals with a complete record that is held in memory.
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
                if self.quarantine(run, range.clone(), &reason.to_string()).await? < range.end {
                    return Err(ForwardError::out_of_time(run.blob, run.times, Awaited::Storage));
                }
                run.outbound.skip_to(range.end);
                Ok(())
            }
        }
    }

    /// Deals with a record of any size that starts at `start`, holding no more of it than a window: its
    /// bytes are read once to learn how it ends, and once more to send them. Both have to fit one attempt.
    pub(super) async fn split_streamed(
        &self,
        run: &mut Run<'_, P::Hub>,
        start: u64,
    ) -> Result<OversizeOutcome, ForwardError> {
        let began = now();
        let skeleton = match self.survey(run, start).await? {
            Surveyed::Splits(skeleton) => skeleton,
            Surveyed::Ends(SplitError::Broken(cause)) => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::found(&cause))));
            }
            Surveyed::Ends(SplitError::Unsplittable { record, reason }) => {
                return Ok(OversizeOutcome::Stopped(around(run, record, reason.to_string())));
            }
            Surveyed::Ends(changed @ SplitError::Changed { .. }) => {
                return Err(ForwardError::split(run.blob, changed));
            }
            Surveyed::Unfinished => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::unfinished(start))));
            }
            Surveyed::OutOfTime if self.is_last_resort(run) => {
                return Ok(OversizeOutcome::Stopped(StopReason::Broken(Break::too_long(start, None))));
            }
            Surveyed::OutOfTime => return Ok(OversizeOutcome::Stopped(StopReason::Budget)),
        };
        let range = skeleton.range();
        if range.end > run.until {
            return Ok(OversizeOutcome::Stopped(StopReason::Doubt));
        }
        // To read it again and send it takes at least as long.
        if !run.times.has_time_for(now() - began) {
            let stopped = if run.times.last_resort {
                StopReason::Broken(Break::too_long(start, Some(range.end)))
            } else {
                StopReason::Budget
            };
            return Ok(OversizeOutcome::Stopped(stopped));
        }
        self.divide(run, skeleton).await
    }

    async fn divide(
        &self,
        run: &mut Run<'_, P::Hub>,
        skeleton: Layout,
    ) -> Result<OversizeOutcome, ForwardError> {
        let range = skeleton.range();
        let mut divider = SplitPass::new(skeleton);
        let mut reader = self.reader(run, range.clone());
        loop {
            let window = match self.next(run, &mut reader, run.times.read_until).await? {
                Next::Window(window) => window,
                Next::End => return Ok(OversizeOutcome::Done(range.end)),
                Next::OutOfTime => return Ok(OversizeOutcome::Stopped(StopReason::Budget)),
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
            self.save_now_and_then(run).await?;
        }
    }

    async fn survey(&self, run: &mut Run<'_, P::Hub>, start: u64) -> Result<Surveyed, ForwardError> {
        let mut survey = LayoutPass::new(start, run.max_body);
        let mut reader = self.reader(run, start..run.length);
        let deadline = run.times.survey_until();
        loop {
            let window = match self.next(run, &mut reader, deadline).await? {
                Next::Window(window) => window,
                Next::End => return Ok(Surveyed::Unfinished),
                Next::OutOfTime => return Ok(Surveyed::OutOfTime),
            };
            for piece in window.pieces() {
                match survey.push(piece) {
                    Ok(None) => {}
                    Ok(Some(skeleton)) => return Ok(Surveyed::Splits(skeleton)),
                    Err(ends) => return Ok(Surveyed::Ends(ends)),
                }
            }
            self.save_now_and_then(run).await?;
        }
    }
}

/// What a first reading of a record found.
enum Surveyed {
    /// It can be split.
    Splits(Layout),
    /// It can't.
    Ends(SplitError),
    /// It does not end in this version.
    Unfinished,
    /// The time was too short to tell.
    OutOfTime,
}

/// Goes on behind the complete `record`, which is to be put into quarantine, unless it is another run's.
fn around<H>(run: &Run<'_, H>, record: Range<u64>, reason: String) -> StopReason {
    if record.end > run.until {
        StopReason::Doubt
    } else {
        StopReason::Broken(Break::of_record(record, reason))
    }
}
