//! Reading and saving in the middle of a run.

use super::attempt::within;
use super::deadlines::{Caller, now};
use super::error::Awaited;
use super::reader::{Input, WindowReader};
use super::run::Run;
use super::{ForwardError, Forwarder};
use crate::flow_log::rope::Rope;
use crate::forward::plan;
use crate::message::batch::Packer;
use crate::ports::Ports;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::time::{timeout, timeout_at};

/// How long the sweep waits before each window while events are in progress. With windows of 1 MiB it still
/// reaches 20 MB/s, more than twenty throughput units accept.
const EVENT_PRIORITY_WAIT: Duration = Duration::from_millis(50);

/// The result of waiting for the next window.
pub(super) enum Next {
    Window(Rope),
    /// All windows were read.
    End,
    /// The deadline passed, or the process stops.
    OutOfTime,
}

impl<P: Ports> Forwarder<P> {
    /// The next window of `input`. A run that has sent nothing waits longer, so that each attempt makes progress.
    pub(super) async fn next_window(
        &self,
        run: &mut Run<'_, P::Hub>,
        input: &mut Input,
        packer: &Packer,
    ) -> Result<Next, ForwardError> {
        if let Some(first) = input.first.take() {
            return Ok(Next::Window(first));
        }
        let has_work = run.outbound.is_used() || !run.repeats && packer.open_end().is_some();
        let deadline = if has_work { run.deadlines.work_until } else { run.deadlines.read_until };
        self.next(run, &mut input.rest, deadline).await
    }

    /// Waits for the next window until `deadline` or until the process stops.
    pub(super) async fn next(
        &self,
        run: &mut Run<'_, P::Hub>,
        reader: &mut WindowReader,
        deadline: Instant,
    ) -> Result<Next, ForwardError> {
        if now() >= deadline || self.is_stopping() {
            return Ok(Next::OutOfTime);
        }
        if run.deadlines.caller == Caller::Sweep {
            // Event Grid waits for an answer.
            let mut events = self.events.subscribe();
            let _ = timeout(EVENT_PRIORITY_WAIT, events.wait_for(|events| *events == 0)).await;
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => Ok(Next::OutOfTime),
            next = timeout_at(deadline.into(), reader.next()) => match next {
                Ok(Ok(Some(window))) => {
                    run.stats.bytes_read += window.len() as u64;
                    Ok(Next::Window(window))
                }
                Ok(Ok(None)) => Ok(Next::End),
                Ok(Err(cause)) => Err(ForwardError::read(run.blob)(cause)),
                Err(_) => Ok(Next::OutOfTime),
            },
        }
    }

    /// A reader of `range` in the version of `run`.
    pub(super) fn reader(&self, run: &Run<'_, P::Hub>, range: Range<u64>) -> WindowReader {
        let windows = plan::windows(range.start, range.end, run.window);
        WindowReader::start(&self.blobs, run.blob, &run.etag, windows)
    }

    /// Saves progress and renews the claim if the last save is long enough ago.
    pub(super) async fn save_if_due(&self, run: &mut Run<'_, P::Hub>) -> Result<(), ForwardError> {
        if now() - run.saved < self.options.save_every {
            return Ok(());
        }
        self.save(run).await
    }

    /// Saves progress and renews the claim.
    pub(super) async fn save(&self, run: &mut Run<'_, P::Hub>) -> Result<(), ForwardError> {
        let progress = run.progress();
        let saving = self.leases.save(run.loaded, &progress);
        let saved = within(run.blob, run.deadlines, Awaited::Table, saving).await?;
        *run.loaded = saved.map_err(ForwardError::checkpoint(run.blob))?;
        run.saved = now();
        Ok(())
    }

    /// Whether no attempt on the blob will get more time than this run had.
    pub(super) fn is_last_resort(&self, run: &Run<'_, P::Hub>) -> bool {
        run.deadlines.last_resort && !self.is_stopping()
    }

    /// Lets a run that is out of time end its open message before it is full, if neither it nor an earlier
    /// run has sent anything. The end is written into the row first, so that a repeat ends the message at
    /// the same offset.
    pub(super) async fn end_message_early(
        &self,
        run: &mut Run<'_, P::Hub>,
        packer: &Packer,
    ) -> Result<bool, ForwardError> {
        let Some(end) = packer.open_end() else { return Ok(false) };
        if run.outbound.is_used() || run.repeats || self.is_stopping() {
            return Ok(false);
        }
        let narrowing = self.leases.narrow(run.loaded, end);
        let narrowed = within(run.blob, run.deadlines, Awaited::Table, narrowing).await?;
        *run.loaded = narrowed.map_err(ForwardError::checkpoint(run.blob))?;
        Ok(true)
    }
}
