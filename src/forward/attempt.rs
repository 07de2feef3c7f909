//! One attempt on one blob: rounds of read, claim, run and release, until nothing is left to do or the time
//! is over.

use super::blob_locks::CachedState;
use super::deadlines::{Caller, Deadlines, now};
use super::error::Awaited;
use super::memory_budget::{FULL, Reservation};
use super::open::Opened;
use super::run::RunResult;
use super::{Completion, ForwardError, Forwarded, Forwarder};
use crate::backoff::Backoff;
use crate::checkpoint::lease::RunEnd;
use crate::checkpoint::{BlobVersion, Checkpoint, InFlightRange};
use crate::flow_log::FlowLogBlob;
use crate::forward::lease_store::{Claimed, LoadedRow, Release};
use crate::ports::Ports;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout_at;

/// The waits before a row that changed meanwhile is loaded again.
const STALE_ROW: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(2));

/// An attempt on behalf of an event, for which the sweep makes way.
struct EventUnderWay<'f>(Option<&'f watch::Sender<usize>>);

impl<'f> EventUnderWay<'f> {
    fn begin(events: &'f watch::Sender<usize>, caller: Caller) -> Self {
        let events = (caller == Caller::Event).then_some(events);
        if let Some(events) = events {
            events.send_modify(|count| *count += 1);
        }
        Self(events)
    }
}

impl Drop for EventUnderWay<'_> {
    fn drop(&mut self) {
        if let Some(events) = self.0 {
            events.send_modify(|count| *count -= 1);
        }
    }
}

/// What came of one round.
#[expect(clippy::large_enum_variant, reason = "one a run, and taken apart at once")]
enum Round {
    /// A run, which has to be saved and released.
    Ended(RunResult),
    /// Another worker has the blob, and knows what is wanted.
    Elsewhere,
    /// The row changed since it was loaded.
    Stale,
}

impl<P: Ports> Forwarder<P> {
    /// Works on `blob` as soon as no other attempt of this process does, and counts what came of it.
    pub(super) async fn attempt(
        &self,
        blob: &FlowLogBlob,
        commit: &BlobVersion,
        scanned: Option<LoadedRow>,
        times: Deadlines,
    ) -> Result<Forwarded, ForwardError> {
        let mut done = Forwarded::default();
        let key = blob.checkpoint_key();
        let _under_way = EventUnderWay::begin(&self.events, times.caller);
        let result = async {
            let turn = timeout_at(times.work_until.into(), self.blob_locks.take(&key)).await;
            let mut memory = turn.map_err(|_| ForwardError::out_of_time(blob, &times, Awaited::Turn))?;
            if times.caller == Caller::Sweep {
                // What the sweep has found stored counts, not what this process remembers of it: the table may
                // have been replaced. If that is out of date by now, the claim will say so.
                memory.seen = scanned;
            }
            let worked = self.rounds(blob, commit, &times, &mut memory, &mut done).await;
            memory.stuck = done.is_stuck(&worked);
            worked
        };
        let result = result.await;
        // What was accepted before a failure counts, too.
        self.metrics.count_run(&done, &result);
        result.map(|()| done)
    }

    async fn rounds(
        &self,
        blob: &FlowLogBlob,
        commit: &BlobVersion,
        times: &Deadlines,
        memory: &mut CachedState,
        done: &mut Forwarded,
    ) -> Result<(), ForwardError> {
        if memory.complete_as_of.is_some_and(|read| read > times.arrived) {
            done.broken = memory.seen.as_ref().is_some_and(|seen| seen.row.progress.is_broken());
            return Ok(());
        }
        let mut seen = within(blob, times, Awaited::Table, self.recall(blob, memory)).await??;
        if seen.row.settles(&commit.etag, blob.hour_end(), self.leases.now()) {
            done.broken = seen.row.progress.is_broken();
            memory.seen = Some(seen);
            return Ok(());
        }
        let mut room = within(blob, times, Awaited::Memory, self.memory.first_read(times.caller)).await?;
        let mut stale = 0;
        while now() < times.work_until {
            if self.is_stopping() {
                return Err(ForwardError::Stopping { blob: blob.url() });
            }
            let began = now();
            let opened = within(blob, times, Awaited::Storage, self.open(blob, &seen, done)).await.flatten();
            let round = match opened {
                Ok(Some(opened)) => {
                    room.shrink_to(opened.held());
                    self.round(blob, &mut seen, (opened, &mut room), commit, times, done).await
                }
                Ok(None) => Ok(Round::Ended(RunResult::unchanged(&seen, Ok(())))),
                Err(error) => Err(error),
            };
            let ended = match round {
                Ok(Round::Ended(ended)) => ended,
                Ok(Round::Elsewhere) => {
                    done.end = Completion::ClaimedElsewhere;
                    return Ok(());
                }
                Ok(Round::Stale) => {
                    tokio::time::sleep(STALE_ROW.jittered(stale)).await;
                    stale += 1;
                    let loaded = within(blob, times, Awaited::Table, self.leases.load(blob)).await?;
                    seen = loaded.map_err(ForwardError::checkpoint(blob))?;
                    continue;
                }
                // A claim of an earlier attempt may still have to be given back.
                Err(error) => RunResult::unchanged(&seen, Err(error)),
            };
            let wanted_more = self.give_back(blob, &mut seen, ended, times, memory).await?;
            let complete = is_complete(&seen.row, blob, self.leases.now());
            done.broken = seen.row.progress.is_broken();
            memory.complete_as_of = complete.then_some(began);
            memory.seen = Some(seen.clone());
            if complete && !wanted_more || matches!(done.end, Completion::LeftOver | Completion::Deleted) {
                return Ok(());
            }
        }
        Err(ForwardError::out_of_time(blob, times, Awaited::NewCommits))
    }

    /// Claims the blob, of which `opened` is new, and forwards that.
    async fn round(
        &self,
        blob: &FlowLogBlob,
        seen: &mut LoadedRow,
        (mut opened, first_room): (Opened, &mut Reservation<'_>),
        commit: &BlobVersion,
        times: &Deadlines,
        done: &mut Forwarded,
    ) -> Result<Round, ForwardError> {
        let (_room, shape) = match opened.more() {
            0 => (None, FULL),
            more => {
                let at_once = self.memory.long_read(times.caller, more).now_or_never();
                let (room, shape) = if let Some(room) = at_once {
                    room
                } else {
                    // A run that waits holds nothing that small runs wait for.
                    opened.put_back();
                    first_room.shrink_to(0);
                    let room = self.memory.long_read(times.caller, opened.more());
                    within(blob, times, Awaited::Memory, room).await?
                };
                (Some(room), shape)
            }
        };
        // Before the claim, for which they need not wait; without it they are given up.
        opened.read_on(&self.blobs, blob, shape.window.min(self.options.window));
        let packing = self.packing(blob, &mut opened, times).await?;
        let in_flight = InFlightRange { until: opened.length, bounds: Some(packing.bounds) };
        let claim = self.leases.claim(seen, &opened.row, in_flight, commit);
        let claimed = within(blob, times, Awaited::Table, claim).await?;
        match claimed.map_err(ForwardError::checkpoint(blob))? {
            Claimed::Ours(ours) => *seen = ours,
            Claimed::Theirs => return Ok(Round::Elsewhere),
            Claimed::Stale => return Ok(Round::Stale),
        }
        done.note_rewrite(blob, opened.rewritten);
        Ok(Round::Ended(self.run(blob, seen, opened, packing, shape, times, done).await))
    }

    /// Saves the end of a run and releases its claim, if the row is claimed by this process. Says whether
    /// another worker asked for more meanwhile.
    async fn give_back(
        &self,
        blob: &FlowLogBlob,
        seen: &mut LoadedRow,
        ended: RunResult,
        times: &Deadlines,
        memory: &mut CachedState,
    ) -> Result<bool, ForwardError> {
        let RunResult { progress, finished, result } = ended;
        let Some(owner) = self.leases.our_claim(seen) else { return result.map(|()| false) };
        let end = RunEnd { owner, progress, finished };
        // Kept before the call: it may be cancelled when the time is over.
        let end = memory.unsaved.insert(end);
        let released = timeout_at(times.end.into(), self.leases.release(seen, end)).await;
        let released = released.map_err(|_| ForwardError::out_of_time(blob, times, Awaited::Table));
        match released.and_then(|released| released.map_err(ForwardError::checkpoint(blob))) {
            Ok(released) => {
                memory.unsaved = None;
                let (Release::Done(row) | Release::WantedMore(row)) = &released;
                *seen = row.clone();
                result.map(|()| matches!(released, Release::WantedMore(_)))
            }
            Err(error) => Err(result.err().unwrap_or(error)),
        }
    }
}

/// Whether nothing is left to do in the version that `row` is about.
fn is_complete(row: &Checkpoint, blob: &FlowLogBlob, now: u64) -> bool {
    row.progress.etag.as_deref().is_some_and(|etag| row.settles(etag, blob.hour_end(), now))
}

/// Waits for `work` until the time to send is over.
pub(super) async fn within<T>(
    blob: &FlowLogBlob,
    times: &Deadlines,
    awaited: Awaited,
    work: impl Future<Output = T>,
) -> Result<T, ForwardError> {
    let done = timeout_at(times.send_until.into(), work).await;
    done.map_err(|_| ForwardError::out_of_time(blob, times, awaited))
}
