//! One run under one claim: read → cut → batch → send → checkpoint.

use super::breaks::{Break, BreakOutcome, note_mended};
use super::deadlines::{Deadlines, now};
use super::memory_budget::{HELD, Shape};
use super::open::Opened;
use super::outbound::Outbound;
use super::oversize::OversizeOutcome;
use super::packing::Packing;
use super::read_on::Next;
use super::reader::Supply;
use super::send_pipeline::SendPipeline;
use super::{Completion, ForwardError, Forwarded, Forwarder};
use crate::checkpoint::{Broken, Progress};
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::Cutter;
use crate::flow_log::rope::Rope;
use crate::forward::lease_store::LoadedRow;
use crate::message::batch::{Batcher, Packed, Packer};
use crate::ports::Ports;
use crate::ports::hub::Hub;
use std::time::Instant;

/// A run: what it is about, and how far it has come.
pub(super) struct Run<'r, H> {
    pub(super) blob: &'r FlowLogBlob,
    /// The version that is read, without quotes.
    pub(super) etag: String,
    /// Its length, bytes.
    pub(super) length: u64,
    /// Records that end behind this byte are not this run's.
    pub(super) until: u64,
    /// Whether an earlier run may have sent some of this already, so that bounds must not move.
    pub(super) repeats: bool,
    /// The most bytes that a message body may have.
    pub(super) max_body: u64,
    /// Bytes of one ranged GET.
    pub(super) window: u64,
    pub(super) times: &'r Deadlines,
    pub(super) seen: &'r mut LoadedRow,
    pub(super) outbound: Outbound<'r, H>,
    pub(super) done: &'r mut Forwarded,
    /// What is known of a break in front of which this run stands.
    pub(super) broken: Option<Broken>,
    /// When progress was last saved.
    pub(super) saved: Instant,
}

impl<H: Hub> Run<'_, H> {
    /// What the row is to say.
    pub(super) fn progress(&self) -> Progress {
        Progress { broken: self.broken, ..self.outbound.landed_after(&self.seen.row.progress) }
    }

    /// The end of the bytes of this version that are to be put into quarantine at `time`, in milliseconds
    /// since the Unix epoch.
    pub(super) fn owes_quarantine_to(&self, time: u64) -> Option<u64> {
        let progress = Progress { length: self.length, ..self.progress() };
        progress.owes_quarantine_to(self.blob.hour_end(), time)
    }
}

/// How a run ended: `progress` holds whatever came of it.
pub(super) struct RunResult {
    pub(super) progress: Progress,
    /// Whether nothing is in flight any more.
    pub(super) finished: bool,
    pub(super) result: Result<(), ForwardError>,
}

impl RunResult {
    /// Nothing was sent.
    pub(super) fn unchanged(seen: &LoadedRow, result: Result<(), ForwardError>) -> Self {
        Self { progress: seen.row.progress.clone(), finished: false, result }
    }
}

/// Where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The end of the version.
    End,
    /// The end of what an earlier run had set out to send: what follows has other message bounds.
    Doubt,
    /// The end of the time, or of the process.
    Budget,
    /// The end of the version's life: another one was committed.
    NewVersion,
    /// A record that starts here and is too long to be held.
    Endless(u64),
    /// Bytes that are not flow-log records, or a record without an end.
    Broken(Break),
    /// A break behind which nothing can be forwarded, all of it in quarantine as far as it is due.
    Kept,
}

impl<P: Ports> Forwarder<P> {
    /// Sends what `opened` brings and says how far the hub accepted it.
    #[expect(clippy::too_many_arguments, reason = "what a run is made of")]
    pub(super) async fn run(
        &self,
        blob: &FlowLogBlob,
        seen: &mut LoadedRow,
        opened: Opened,
        packing: Packing,
        shape: Shape,
        times: &Deadlines,
        done: &mut Forwarded,
    ) -> RunResult {
        let known = seen.row.progress.broken.filter(|_| seen.row.covers(&opened.etag));
        let mut run = Run {
            blob,
            etag: opened.etag.clone(),
            length: opened.length,
            until: seen.row.in_flight.map_or(opened.length, |in_flight| in_flight.until),
            repeats: opened.row.in_flight.is_some(),
            max_body: packing.bounds.max_body,
            window: shape.window.min(self.options.window),
            times,
            outbound: Outbound::new(
                Batcher::new(packing.limits, packing.origin),
                SendPipeline::new(&*self.hub, times, shape.in_flight),
                &seen.row.progress,
                opened.trail.clone(),
            ),
            broken: seen.row.progress.broken,
            seen,
            done,
            saved: now(),
        };
        let reached = match known {
            // This version was cut before, up to where it breaks.
            Some(broken) => self.drive(&mut run, StopReason::Broken(Break::known(broken))).await,
            None => match self.pump(&mut run, opened.into_supply()).await {
                Ok(reached) => self.drive(&mut run, reached).await,
                Err(error) => Err(error),
            },
        };
        self.conclude(run, reached).await
    }

    /// Waits for what is on its way, and says what the row is to say.
    async fn conclude(
        &self,
        mut run: Run<'_, P::Hub>,
        mut reached: Result<StopReason, ForwardError>,
    ) -> RunResult {
        if let Err(error) = &reached
            && !error.forbids_sending()
        {
            // What the hub accepts now need not be sent again; a failure shows as a missing acknowledgement.
            let drained = run.outbound.drain(run.blob).await;
            // Whichever read found the new version: of a window, of a record to be split, for quarantine.
            if error.is_new_version() {
                reached = drained.map(|()| StopReason::NewVersion);
            }
        }
        run.done.records += run.outbound.accepted().records;
        run.done.messages += run.outbound.accepted().messages;
        let known = run.seen.row.progress.broken;
        let mut progress = run.progress();
        progress.length = run.length;
        progress.etag = None;
        // Cut short, it finished what it had sent, unless that was a part of a record; what an earlier run
        // had sent lies ahead still.
        let cut_short = matches!(reached, Ok(StopReason::Budget | StopReason::NewVersion));
        let finished = reached.is_ok() && !(cut_short && (run.repeats || run.outbound.is_within_record()));
        match &reached {
            Ok(StopReason::End) => {
                progress.etag = Some(run.etag);
                progress.broken = None;
                note_mended(run.blob, known, progress.offset);
            }
            Ok(StopReason::Kept) => progress.etag = Some(run.etag),
            Ok(StopReason::Budget) => {
                // What was decided of this version is not to be found out again.
                progress.etag = progress.broken.filter(Broken::is_decided).map(|_| run.etag);
                run.done.end = Completion::LeftOver;
            }
            _ => {}
        }
        RunResult { progress, finished, result: reached.map(drop) }
    }

    /// Goes on to the end, around records that are too long to be held and bytes that are no records;
    /// returns with nothing under way.
    async fn drive(
        &self,
        run: &mut Run<'_, P::Hub>,
        mut reached: StopReason,
    ) -> Result<StopReason, ForwardError> {
        loop {
            let resume = match reached {
                StopReason::Endless(start) => match self.split_streamed(run, start).await? {
                    OversizeOutcome::Done(end) => end,
                    OversizeOutcome::Stopped(other) => {
                        reached = other;
                        continue;
                    }
                },
                StopReason::Broken(cause) => {
                    run.outbound.drain(run.blob).await?;
                    match self.pass_break(run, cause).await? {
                        BreakOutcome::Resume(block) => block,
                        BreakOutcome::Stopped(other) => return Ok(other),
                    }
                }
                other => {
                    run.outbound.drain(run.blob).await?;
                    return Ok(other);
                }
            };
            let supply =
                Supply { from: resume, first: Rope::default(), rest: self.reader(run, resume..run.length) };
            reached = self.pump(run, supply).await?;
        }
    }

    /// read → cut → batch → send, with the progress saved now and then.
    async fn pump(&self, run: &mut Run<'_, P::Hub>, supply: Supply) -> Result<StopReason, ForwardError> {
        let Supply { from, first: mut window, mut rest } = supply;
        let mut cutter = if from == 0 { Cutter::from_start() } else { Cutter::after_record(from) };
        let mut packer = Packer::new(run.max_body);
        let reached = 'read: loop {
            window.pieces().for_each(|piece| cutter.push(piece.clone()));
            while let Some(record) = match cutter.next_record() {
                Err(broken) => break 'read StopReason::Broken(Break::found(&broken)),
                Ok(record) => record,
            } {
                if record.range.end > run.until {
                    break 'read StopReason::Doubt;
                }
                match packer.add(&record) {
                    Packed::Fits => {}
                    Packed::Full(plan) => run.outbound.add(run.blob, plan, &mut cutter).await?,
                    Packed::NeverFits(before) => {
                        if let Some(plan) = before {
                            run.outbound.add(run.blob, plan, &mut cutter).await?;
                        }
                        self.split_held(run, &record.range, &mut cutter).await?;
                    }
                }
            }
            self.save_now_and_then(run).await?;
            if let Some(start) = cutter.open_record()
                && cutter.input_end() - start > HELD.max(packer.max_record())
            {
                break StopReason::Endless(start);
            }
            // A run that has sent nothing reads on: an attempt should get somewhere.
            let has_work = run.outbound.is_used() || !run.repeats && packer.open_end().is_some();
            let deadline = if has_work { run.times.work_until } else { run.times.read_until };
            window = match self.next(run, &mut rest, deadline).await? {
                Next::Window(next) => next,
                Next::OutOfTime => break StopReason::Budget,
                Next::End => match cutter.open_record() {
                    Some(start) => break StopReason::Broken(Break::unfinished(start)),
                    None => break StopReason::End,
                },
            };
        };
        // Where the data ends, the last message ends. Where only this run ends, what is packed but
        // not full is left for the next run to pack, with the bounds that it would have had here; but
        // a run that has sent nothing would get nowhere, and ends a message early. A long gap ends a message
        // in any case.
        let behind_gap = cutter.gap_resume_offset().filter(|_| reached == StopReason::Budget);
        let ends = reached != StopReason::Budget
            || behind_gap.is_some()
            || self.may_end_a_message_early(run, &packer).await?;
        if ends && let Some(plan) = packer.finish(cutter.closed()) {
            run.outbound.add(run.blob, plan, &mut cutter).await?;
        }
        if let Some(offset) = behind_gap {
            run.outbound.pass_to(run.blob, offset, &cutter)?;
            run.outbound.step_to(offset);
        } else if reached == StopReason::Budget && self.is_last_resort(run) && run.outbound.end() == from {
            // No attempt will get further.
            return Ok(StopReason::Broken(Break::too_long(from, None)));
        }
        if let StopReason::Endless(start) = reached {
            run.outbound.pass_to(run.blob, start, &cutter)?;
        }
        Ok(reached)
    }
}
