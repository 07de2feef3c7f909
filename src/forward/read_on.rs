//! Reading on in the middle of a run, and saving what has been accepted so far.

use super::attempt::within;
use super::deadlines::{Caller, now};
use super::error::Awaited;
use super::reader::Reader;
use super::run::Run;
use super::{ForwardError, Forwarder};
use crate::flow_log::rope::Rope;
use crate::forward::plan;
use crate::message::batch::Packer;
use crate::ports::Ports;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::time::{timeout, timeout_at};

/// How long the sweep waits before each window while events are under way: with windows of 1 MiB it still
/// catches up with 20 MB/s, more than twenty throughput units take.
const MAKES_WAY: Duration = Duration::from_millis(50);

/// What came of waiting for the next bytes.
pub(super) enum Next {
    /// These.
    Window(Rope),
    /// All were read.
    End,
    /// The deadline, or the process is asked to stop.
    OutOfTime,
}

impl<P: Ports> Forwarder<P> {
    /// Waits for the next window until `deadline`, or until the process is asked to stop.
    pub(super) async fn next(
        &self,
        run: &mut Run<'_, P::Hub>,
        reader: &mut Reader,
        deadline: Instant,
    ) -> Result<Next, ForwardError> {
        if now() >= deadline || self.is_stopping() {
            return Ok(Next::OutOfTime);
        }
        if run.times.caller == Caller::Sweep {
            // Events are short, and somebody waits for their answer.
            let mut events = self.events.subscribe();
            let _ = timeout(MAKES_WAY, events.wait_for(|under_way| *under_way == 0)).await;
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => Ok(Next::OutOfTime),
            next = timeout_at(deadline.into(), reader.next()) => match next {
                Ok(Ok(Some(window))) => {
                    run.done.bytes_read += window.len() as u64;
                    Ok(Next::Window(window))
                }
                Ok(Ok(None)) => Ok(Next::End),
                Ok(Err(cause)) => Err(ForwardError::read(run.blob)(cause)),
                Err(_) => Ok(Next::OutOfTime),
            },
        }
    }

    /// The bytes of `range`, none of them read yet.
    pub(super) fn reader(&self, run: &Run<'_, P::Hub>, range: Range<u64>) -> Reader {
        let windows = plan::windows(range.start, range.end, run.window);
        Reader::start(&self.blobs, run.blob, &run.etag, windows)
    }

    /// Saves what has been accepted and renews the claim, when that is due.
    pub(super) async fn save_now_and_then(&self, run: &mut Run<'_, P::Hub>) -> Result<(), ForwardError> {
        if now() - run.saved < self.options.save_every {
            return Ok(());
        }
        self.save(run).await
    }

    /// Saves what has been accepted and renews the claim.
    pub(super) async fn save(&self, run: &mut Run<'_, P::Hub>) -> Result<(), ForwardError> {
        let progress = run.progress();
        let saving = self.leases.save(run.seen, &progress);
        let saved = within(run.blob, run.times, Awaited::Table, saving).await?;
        *run.seen = saved.map_err(ForwardError::checkpoint(run.blob))?;
        run.saved = now();
        Ok(())
    }

    /// Whether a run that is out of time had all the time that any attempt will have.
    pub(super) fn is_last_resort(&self, run: &Run<'_, P::Hub>) -> bool {
        run.times.last_resort && !self.is_stopping()
    }

    /// Whether a run that is out of time may end a message before it is full, which it must note first: a
    /// repeat has to end it at the same place. Only when it has sent nothing, and no earlier run has.
    pub(super) async fn may_end_a_message_early(
        &self,
        run: &mut Run<'_, P::Hub>,
        packer: &Packer,
    ) -> Result<bool, ForwardError> {
        let Some(end) = packer.open_end() else { return Ok(false) };
        if run.outbound.is_used() || run.repeats || self.is_stopping() {
            return Ok(false);
        }
        let narrowing = self.leases.narrow(run.seen, end);
        let narrowed = within(run.blob, run.times, Awaited::Table, narrowing).await?;
        *run.seen = narrowed.map_err(ForwardError::checkpoint(run.blob))?;
        Ok(true)
    }
}
