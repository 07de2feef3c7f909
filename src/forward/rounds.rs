//! The rounds of one attempt: open → claim → run → release, until the blob is complete or time is over.

use super::Forwarder;
use super::attempt::{Attempt, EventInProgress, within};
use super::blob_locks::CachedState;
use super::count::count_run;
use super::deadlines::{Caller, now};
use super::error::{Awaited, ForwardError};
use super::forwarded::{Completion, Forwarded};
use super::lease_store::{ClaimOutcome, LoadedRow, ReleaseOutcome};
use super::memory_budget::{FULL, Reservation, RunLimits};
use super::open::Opened;
use super::run::{RunPlan, RunResult};
use crate::backoff::Backoff;
use crate::checkpoint::lease::RunEnd;
use crate::checkpoint::{Checkpoint, InFlightRange};
use crate::flow_log::FlowLogBlob;
use crate::ports::Ports;
use futures_util::FutureExt as _;
use std::time::Duration;

/// The waits before a row that changed since it was loaded is loaded again.
const STALE_ROW: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(2));

/// How one round ended.
#[expect(clippy::large_enum_variant, reason = "one for each run, and matched at once")]
enum Round {
    /// The run ended; its result must be saved and its claim released.
    Ended(RunResult),
    /// Another worker holds the claim, and the row tells it which commit is wanted.
    ClaimedElsewhere,
    /// The row changed since it was loaded.
    Stale,
}

impl<P: Ports> Forwarder<P> {
    /// Works on the blob when no other attempt of this process does, and counts the result.
    pub(super) async fn attempt(
        &self,
        mut attempt: Attempt<'_>,
        scanned: Option<LoadedRow>,
    ) -> Result<Forwarded, ForwardError> {
        let key = attempt.blob.checkpoint_key();
        let caller = attempt.deadlines.caller;
        let _in_progress = EventInProgress::begin(&self.events, caller);
        let result = async {
            let lock = self.blob_locks.lock(&key);
            let mut cached = attempt.until(attempt.deadlines.work_until, Awaited::Lock, lock).await?;
            if caller == Caller::Sweep {
                // The scanned row counts, not the cached one: the table may have been replaced. If the scan
                // is out of date, the claim fails.
                cached.loaded = scanned;
            }
            let result = self.rounds(&mut attempt, &mut cached).await;
            cached.stuck = attempt.stats.is_stuck(&result);
            result
        };
        let result = result.await;
        // A failed attempt counts too: the hub may have accepted messages before the failure.
        count_run(&self.metrics.runs, &attempt.stats, &result);
        result.map(|()| attempt.stats)
    }

    async fn rounds(&self, attempt: &mut Attempt<'_>, cached: &mut CachedState) -> Result<(), ForwardError> {
        let blob = attempt.blob;
        if cached.complete_as_of.is_some_and(|read| read > attempt.deadlines.arrived) {
            attempt.stats.broken =
                cached.loaded.as_ref().is_some_and(|loaded| loaded.row.progress.is_broken());
            return Ok(());
        }
        let mut loaded = attempt.within(Awaited::Table, self.current_row(blob, cached)).await??;
        if loaded.row.is_complete(&attempt.commit.etag, blob.hour_end(), self.leases.now()) {
            attempt.stats.broken = loaded.row.progress.is_broken();
            cached.loaded = Some(loaded);
            return Ok(());
        }
        let caller = attempt.deadlines.caller;
        let mut memory = attempt.within(Awaited::Memory, self.memory.reserve_first_read(caller)).await?;
        let mut stale = 0;
        while now() < attempt.deadlines.work_until {
            if self.is_stopping() {
                return Err(ForwardError::Stopping { blob: blob.url() });
            }
            let began = now();
            let result = match self.round(attempt, &mut loaded, &mut memory).await {
                Ok(Round::Ended(result)) => result,
                Ok(Round::ClaimedElsewhere) => {
                    attempt.stats.completion = Completion::ClaimedElsewhere;
                    return Ok(());
                }
                Ok(Round::Stale) => {
                    tokio::time::sleep(STALE_ROW.jittered(stale)).await;
                    stale += 1;
                    let reloaded = attempt.within(Awaited::Table, self.leases.load(blob)).await?;
                    loaded = reloaded.map_err(ForwardError::checkpoint(blob))?;
                    continue;
                }
                // The row may still carry a claim of an earlier attempt, to be released.
                Err(error) => RunResult::unchanged(&loaded, Err(error)),
            };
            let newer_wanted = self.release(attempt, &mut loaded, result, cached).await?;
            let complete = is_complete(&loaded.row, blob, self.leases.now());
            attempt.stats.broken = loaded.row.progress.is_broken();
            cached.complete_as_of = complete.then_some(began);
            cached.loaded = Some(loaded.clone());
            let ended = matches!(attempt.stats.completion, Completion::LeftOver | Completion::Deleted);
            if complete && !newer_wanted || ended {
                return Ok(());
            }
        }
        Err(ForwardError::out_of_time(blob, &attempt.deadlines, Awaited::NewCommits))
    }

    /// Opens the blob, claims it, and forwards what is new.
    async fn round(
        &self,
        attempt: &mut Attempt<'_>,
        loaded: &mut LoadedRow,
        first_read: &mut Reservation<'_>,
    ) -> Result<Round, ForwardError> {
        let (blob, deadlines) = (attempt.blob, attempt.deadlines);
        let opening = self.open(blob, loaded, &mut attempt.stats);
        let Some(mut opened) = within(blob, &deadlines, Awaited::Storage, opening).await.flatten()? else {
            return Ok(Round::Ended(RunResult::unchanged(loaded, Ok(()))));
        };
        first_read.shrink_to(opened.held());
        let (_long_read, mut limits) = self.reserve_rest(attempt, &mut opened, first_read).await?;
        limits.window = limits.window.min(self.options.window);
        // Reading starts before the claim, so that neither waits for the other. A failed claim aborts the reads.
        opened.start_reading(&self.blobs, blob, limits.window);
        let packing = self.packing(attempt, &mut opened).await?;
        let in_flight = InFlightRange { until: opened.length, bounds: Some(packing.bounds) };
        let claim = self.leases.claim(loaded, &opened.row, in_flight, attempt.commit);
        let claim = attempt.within(Awaited::Table, claim).await?;
        match claim.map_err(ForwardError::checkpoint(blob))? {
            ClaimOutcome::Claimed(row) => *loaded = row,
            ClaimOutcome::HeldByAnother => return Ok(Round::ClaimedElsewhere),
            ClaimOutcome::Stale => return Ok(Round::Stale),
        }
        attempt.stats.note_rewrite(blob, opened.rewritten);
        Ok(Round::Ended(self.run(attempt, loaded, RunPlan { opened, packing, limits }).await))
    }

    /// Reserves memory for the bytes that `opened` has not read yet.
    async fn reserve_rest(
        &self,
        attempt: &Attempt<'_>,
        opened: &mut Opened,
        first_read: &mut Reservation<'_>,
    ) -> Result<(Option<Reservation<'_>>, RunLimits), ForwardError> {
        let caller = attempt.deadlines.caller;
        let rest = match opened.unread() {
            0 => return Ok((None, FULL)),
            rest => rest,
        };
        let (reservation, limits) =
            if let Some(reserved) = self.memory.reserve_long_read(caller, rest).now_or_never() {
                reserved
            } else {
                // A waiting run holds no memory that small runs need.
                opened.discard_bytes();
                first_read.shrink_to(0);
                let reserving = self.memory.reserve_long_read(caller, opened.unread());
                attempt.within(Awaited::Memory, reserving).await?
            };
        Ok((Some(reservation), limits))
    }

    /// Saves the result of a run and releases its claim, if this process holds it. Returns whether another
    /// worker asked for a newer commit meanwhile.
    async fn release(
        &self,
        attempt: &Attempt<'_>,
        loaded: &mut LoadedRow,
        run: RunResult,
        cached: &mut CachedState,
    ) -> Result<bool, ForwardError> {
        let RunResult { progress, finished, result } = run;
        let Some(owner) = self.leases.own_claim(loaded) else { return result.map(|()| false) };
        // Cached before the call, which may be cancelled when the time is over.
        let end = cached.unsaved.insert(RunEnd { owner, progress, finished });
        let released = self.leases.release(loaded, end);
        let released = attempt.until(attempt.deadlines.end, Awaited::Table, released).await;
        match released.and_then(|released| released.map_err(ForwardError::checkpoint(attempt.blob))) {
            Ok(released) => {
                cached.unsaved = None;
                let (ReleaseOutcome::Released(row) | ReleaseOutcome::NewerWanted(row)) = &released;
                *loaded = row.clone();
                result.map(|()| matches!(released, ReleaseOutcome::NewerWanted(_)))
            }
            Err(error) => Err(result.err().unwrap_or(error)),
        }
    }
}

/// Whether the version that `row` is about needs no more work.
fn is_complete(row: &Checkpoint, blob: &FlowLogBlob, now: u64) -> bool {
    row.progress.etag.as_deref().is_some_and(|etag| row.is_complete(etag, blob.hour_end(), now))
}
