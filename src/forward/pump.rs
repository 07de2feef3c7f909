//! One run under one claim: read → cut → batch → send → checkpoint. See [`Forwarder::pump`].

use super::Forwarder;
use super::attempt::Attempt;
use super::breaks::{BreakOutcome, note_completed_record};
use super::error::ForwardError;
use super::forwarded::Completion;
use super::lease_store::LoadedRow;
use super::memory_budget::HELD;
use super::oversize::OversizeOutcome;
use super::read_on::Next;
use super::reader::Input;
use super::run::{Run, RunPlan, RunResult};
use super::stop::{Break, StopReason};
use crate::checkpoint::{Broken, RunOutcome};
use crate::flow_log::cut::Cutter;
use crate::flow_log::rope::Rope;
use crate::message::batch::{Packed, Packer};
use crate::ports::Ports;

impl<P: Ports> Forwarder<P> {
    /// Forwards what `plan` opened and returns how far the hub accepted it.
    pub(super) async fn run(
        &self,
        attempt: &mut Attempt<'_>,
        loaded: &mut LoadedRow,
        plan: RunPlan,
    ) -> RunResult {
        let known_break = loaded.row.progress.broken.filter(|_| loaded.row.covers(&plan.opened.etag));
        let mut run = Run::new(attempt, loaded, &plan, &*self.hub);
        let stopped = match known_break {
            // An earlier run cut this version up to its break.
            Some(broken) => self.drive(&mut run, StopReason::Broken(Break::known(broken))).await,
            None => match self.pump(&mut run, plan.opened.into_input()).await {
                Ok(stop) => self.drive(&mut run, stop).await,
                Err(error) => Err(error),
            },
        };
        self.conclude(run, stopped).await
    }

    /// Pumps until the run has to stop: splits records that are too long to be held, and passes breaks.
    /// Everything sent has been accepted when it returns without an error.
    async fn drive(
        &self,
        run: &mut Run<'_, P::Hub>,
        mut stop: StopReason,
    ) -> Result<StopReason, ForwardError> {
        loop {
            let resume_at = match stop {
                StopReason::LongRecord(start) => match self.split_streamed(run, start).await? {
                    OversizeOutcome::Sent(end) => end,
                    OversizeOutcome::Stopped(other) => {
                        stop = other;
                        continue;
                    }
                },
                StopReason::Broken(found) => {
                    run.outbound.drain(run.blob).await?;
                    match self.pass_break(run, found).await? {
                        BreakOutcome::Resume(block) => block,
                        BreakOutcome::Stopped(other) => return Ok(other),
                    }
                }
                other => {
                    run.outbound.drain(run.blob).await?;
                    return Ok(other);
                }
            };
            let rest = self.reader(run, resume_at..run.length);
            stop = self.pump(run, Input { from: resume_at, first: None, rest }).await?;
        }
    }

    /// Reads windows, cuts them into records, packs records into messages and batches, sends these, and
    /// saves a checkpoint every few seconds.
    async fn pump(&self, run: &mut Run<'_, P::Hub>, mut input: Input) -> Result<StopReason, ForwardError> {
        let from = input.from;
        let mut cutter = if from == 0 { Cutter::from_start() } else { Cutter::after_record(from) };
        let mut packer = Packer::new(run.max_body);
        let stop = loop {
            // Read.
            let window = match self.next_window(run, &mut input, &packer).await? {
                Next::Window(window) => window,
                Next::OutOfTime => break StopReason::OutOfTime,
                Next::End => match cutter.open_record() {
                    Some(start) => break StopReason::Broken(Break::unfinished(start)),
                    None => break StopReason::EndOfBlob,
                },
            };
            // Cut, batch and send.
            if let Some(stop) = self.send_records(run, &window, &mut cutter, &mut packer).await? {
                break stop;
            }
            // Checkpoint.
            self.save_if_due(run).await?;
            if let Some(start) = cutter.open_record()
                && cutter.input_end() - start > HELD.max(packer.max_record())
            {
                break StopReason::LongRecord(start);
            }
        };
        self.send_last_message(run, stop, from, &mut cutter, packer).await
    }

    /// Cuts `window` into records, packs them, and sends each batch that is full. Returns why the run must
    /// stop, if it must.
    async fn send_records(
        &self,
        run: &mut Run<'_, P::Hub>,
        window: &Rope,
        cutter: &mut Cutter,
        packer: &mut Packer,
    ) -> Result<Option<StopReason>, ForwardError> {
        window.pieces().for_each(|piece| cutter.push(piece.clone()));
        loop {
            let record = match cutter.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(None),
                Err(invalid) => return Ok(Some(StopReason::Broken(Break::invalid(&invalid)))),
            };
            if record.range.end > run.until {
                return Ok(Some(StopReason::InFlightEnd));
            }
            match packer.add(&record) {
                Packed::Fits => {}
                Packed::Full(plan) => run.outbound.add(run.blob, plan, cutter).await?,
                Packed::NeverFits(before) => {
                    if let Some(plan) = before {
                        run.outbound.add(run.blob, plan, cutter).await?;
                    }
                    self.split_held(run, &record.range, cutter).await?;
                }
            }
        }
    }

    /// Sends the last message, if it ends where the run stops, and moves the end of the run over what can be
    /// skipped.
    ///
    /// The last message ends where the data ends. When only the time is over, an open message is left to the
    /// next run, which packs it with the same bounds; but a run that has sent nothing ends it early, so
    /// that each attempt makes progress. A long gap between records always ends a message.
    async fn send_last_message(
        &self,
        run: &mut Run<'_, P::Hub>,
        stop: StopReason,
        from: u64,
        cutter: &mut Cutter,
        mut packer: Packer,
    ) -> Result<StopReason, ForwardError> {
        let out_of_time = stop == StopReason::OutOfTime;
        let gap_end = cutter.gap_resume_offset().filter(|_| out_of_time);
        let ends = !out_of_time || gap_end.is_some() || self.end_message_early(run, &packer).await?;
        if ends && let Some(plan) = packer.finish(cutter.closed()) {
            run.outbound.add(run.blob, plan, cutter).await?;
        }
        if let Some(offset) = gap_end {
            run.outbound.pass_to(run.blob, offset, cutter)?;
            run.outbound.step_to(offset);
        } else if out_of_time && self.is_last_resort(run) && run.outbound.end() == from {
            return Ok(StopReason::Broken(Break::too_long(from, None)));
        }
        if let StopReason::LongRecord(start) = stop {
            run.outbound.pass_to(run.blob, start, cutter)?;
        }
        Ok(stop)
    }

    /// Waits for batches in flight and decides what the row will say.
    async fn conclude(
        &self,
        mut run: Run<'_, P::Hub>,
        mut stopped: Result<StopReason, ForwardError>,
    ) -> RunResult {
        if let Err(error) = &stopped
            && !error.forbids_sending()
        {
            // Flush what we can; failures show up as missing acknowledgements.
            let drained = run.outbound.drain(run.blob).await;
            // Any read may find the new version: of a window, of a record to be split, for quarantine.
            if error.is_new_version() {
                stopped = drained.map(|()| StopReason::NewVersion);
            }
        }
        run.stats.records += run.outbound.accepted().records;
        run.stats.messages += run.outbound.accepted().messages;
        let known = run.loaded.row.progress.broken;
        let mut progress = run.progress();
        progress.length = run.length;
        progress.etag = None;
        let outcome = match &stopped {
            Ok(StopReason::OutOfTime | StopReason::NewVersion) => RunOutcome::StoppedEarly {
                repeats: run.repeats,
                within_record: run.outbound.is_within_record(),
            },
            Ok(_) => RunOutcome::Complete,
            Err(_) => RunOutcome::Failed,
        };
        match &stopped {
            Ok(StopReason::EndOfBlob) => {
                progress.etag = Some(run.etag);
                progress.broken = None;
                note_completed_record(run.blob, known, progress.offset);
            }
            Ok(StopReason::BrokenTail) => progress.etag = Some(run.etag),
            Ok(StopReason::OutOfTime) => {
                // Keeps what was found out about this version's break.
                progress.etag = progress.broken.filter(Broken::is_decided).map(|_| run.etag);
                run.stats.completion = Completion::LeftOver;
            }
            _ => {}
        }
        RunResult { progress, finished: outcome.clears_in_flight(), result: stopped.map(drop) }
    }
}
