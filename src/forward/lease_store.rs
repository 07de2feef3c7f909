//! Claims, saves and releases of checkpoint rows: the rules of [`crate::checkpoint`] written through
//! a store by compare-and-swap.

use crate::checkpoint::lease::{self, Claiming, Refused, RunEnd};
use crate::checkpoint::{BlobVersion, Checkpoint, InFlightRange, Progress};
use crate::clock::Clock;
use crate::flow_log::{CheckpointKey, FlowLogBlob};
use crate::ports::checkpoints::{CheckpointStore, RowVersion, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often one change is tried against other writers before the event is left to be retried.
const SWAPS: usize = 8;

/// A row as this process last saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedRow {
    /// Which row.
    pub key: CheckpointKey,
    /// Its content; that of a new row when none is stored.
    pub row: Checkpoint,
    /// Its version; none when no row is stored.
    pub version: Option<RowVersion>,
}

impl LoadedRow {
    /// The row of `blob` as it was scanned; that of a new row when none was found.
    #[must_use]
    pub fn scanned(blob: &FlowLogBlob, stored: Option<(Checkpoint, RowVersion)>) -> Self {
        let (row, version) = match stored {
            Some((row, version)) => (row, Some(version)),
            None => (Checkpoint::new(blob.to_string()), None),
        };
        Self { key: blob.checkpoint_key(), row, version }
    }
}

/// What came of an attempt to claim a blob.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a run, and taken apart at once")]
pub enum Claimed {
    /// The blob is ours until the claim expires.
    Ours(LoadedRow),
    /// Another worker has it, and knows now that this commit is wanted.
    Theirs,
    /// The row changed under us: load it again, and read again.
    Stale,
}

/// What came of giving a claim back.
#[derive(Debug)]
pub enum Release {
    /// Done, and nothing more is wanted.
    Done(LoadedRow),
    /// Done, and a commit was wanted meanwhile that the run has not seen: go round again.
    WantedMore(LoadedRow),
}

/// Why a row could not be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseError {
    /// The store failed, or others wrote the row again and again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The claim expired and another worker took over: what this one sent since its last save will
    /// be sent again, under the same message ids.
    #[error("lost the claim on {key} to {}: it went without renewal for too long", owner.as_deref().unwrap_or("another worker"))]
    ClaimLost {
        /// The row.
        key: CheckpointKey,
        /// Who has it now, if anybody.
        owner: Option<String>,
    },
}

/// Writes rows on behalf of one process.
pub struct LeaseStore<C> {
    store: C,
    me: String,
    /// How many claims this worker has tried to take: each gets a name of its own.
    runs: AtomicU64,
    clock: Clock,
}

impl<C: CheckpointStore> LeaseStore<C> {
    /// A leases over `store` for the worker named `me`. The name must be unique to this process, so that it
    /// never mistakes another's claim for its own.
    pub fn new(store: C, me: String, clock: Clock) -> Self {
        Self { store, me, runs: AtomicU64::new(0), clock }
    }

    /// The row of `blob` as stored, or a new one.
    ///
    /// # Errors
    /// When the store can't answer.
    pub async fn load(&self, blob: &FlowLogBlob) -> Result<LoadedRow, StoreError> {
        let stored = self.store.load(&blob.checkpoint_key()).await?;
        Ok(LoadedRow::scanned(blob, stored))
    }

    /// The time by this leases's clock, milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The owner of the claim on `seen`, if that is this worker: left from a run whose release failed.
    #[must_use]
    pub fn our_claim(&self, seen: &LoadedRow) -> Option<String> {
        let owner = seen.row.claim.as_ref().map(|claim| &claim.owner);
        owner.filter(|owner| lease::is_of(owner, &self.me)).cloned()
    }

    /// Claims the blob, whose row becomes `row`, for a run that will have `in_flight` on its way; tells
    /// another owner what is `wanted`, and changes nothing else then.
    ///
    /// # Errors
    /// When the store can't answer.
    pub async fn claim(
        &self,
        seen: &LoadedRow,
        row: &Checkpoint,
        in_flight: InFlightRange,
        wanted: &BlobVersion,
    ) -> Result<Claimed, StoreError> {
        let owner = lease::owner(&self.me, self.runs.fetch_add(1, Ordering::Relaxed));
        let workers = (self.me.as_str(), owner.as_str());
        let (row, held) = match lease::claim(&seen.row, row, workers, self.now(), in_flight, wanted) {
            Claiming::Take(row) => (row, false),
            Claiming::Ask(row) => (row, true),
            Claiming::Leave => return Ok(Claimed::Theirs),
        };
        match self.swap(seen, row).await {
            Ok(_) if held => Ok(Claimed::Theirs),
            Ok(seen) => Ok(Claimed::Ours(seen)),
            Err(StoreError::Conflict { .. }) => Ok(Claimed::Stale),
            Err(error) => Err(error),
        }
    }

    /// Saves `progress` in the middle of a run and renews the claim.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn save(&self, seen: &LoadedRow, progress: &Progress) -> Result<LoadedRow, LeaseError> {
        let (_, saved) = self.update(seen, |row| row.advanced(progress.clone(), self.now())).await?;
        Ok(saved)
    }

    /// Notes that a run has nothing in flight behind `until`, of which it has sent nothing yet.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn narrow(&self, seen: &LoadedRow, until: u64) -> Result<LoadedRow, LeaseError> {
        let (_, narrowed) = self.update(seen, |row| row.narrowed(until)).await?;
        Ok(narrowed)
    }

    /// Saves the end of a run and gives the claim back, whatever is wanted: a claim without a worker would
    /// turn others away.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn release(&self, seen: &LoadedRow, end: &RunEnd) -> Result<Release, LeaseError> {
        let RunEnd { progress, finished, .. } = end;
        let (before, released) = self.update(seen, |row| row.released(progress.clone(), *finished)).await?;
        let more = before.wanted.is_some_and(|wanted| progress.etag.as_ref() != Some(&wanted.etag));
        Ok(if more { Release::WantedMore(released) } else { Release::Done(released) })
    }

    /// Writes `change` of the row, again on top of whatever others noted in it, as long as the
    /// claim is ours. Returns the row before the change, and as written.
    async fn update(
        &self,
        seen: &LoadedRow,
        change: impl Fn(&Checkpoint) -> Checkpoint,
    ) -> Result<(Checkpoint, LoadedRow), LeaseError> {
        let owner = seen.row.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default();
        let mut seen = seen.clone();
        for _ in 0..SWAPS {
            let row = change(&seen.row);
            let conflict = match self.swap(&seen, row.clone()).await {
                Ok(written) => return Ok((seen.row, written)),
                Err(conflict @ StoreError::Conflict { .. }) => conflict,
                Err(error) => return Err(error.into()),
            };
            let Some((stored, version)) = self.store.load(&seen.key).await? else {
                return Err(LeaseError::ClaimLost { key: seen.key, owner: None });
            };
            match lease::refused(&stored, &row, &owner) {
                Refused::Written => {
                    return Ok((seen.row, LoadedRow { key: seen.key, row, version: Some(version) }));
                }
                Refused::Lost { owner } => return Err(LeaseError::ClaimLost { key: seen.key, owner }),
                Refused::Again => {
                    tracing::debug!(%conflict, "the row changed while it was ours: trying again");
                    seen = LoadedRow { row: stored, version: Some(version), ..seen };
                }
            }
        }
        Err(StoreError::Conflict { key: seen.key }.into())
    }

    async fn swap(&self, seen: &LoadedRow, row: Checkpoint) -> Result<LoadedRow, StoreError> {
        let version = self.store.swap(&seen.key, &row, seen.version.as_ref()).await?;
        Ok(LoadedRow { key: seen.key.clone(), row, version: Some(version) })
    }
}
