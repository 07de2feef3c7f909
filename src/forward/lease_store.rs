//! Claims, saves and releases checkpoint rows: applies the rules of [`crate::checkpoint`] by compare-and-swap.

use crate::checkpoint::lease::{self, ClaimDecision, Conflict, RunEnd};
use crate::checkpoint::{BlobVersion, Checkpoint, InFlightRange, Progress};
use crate::clock::Clock;
use crate::flow_log::{CheckpointKey, FlowLogBlob};
use crate::ports::checkpoints::{CheckpointStore, RowVersion, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often one change is retried against other writers before the attempt fails.
const SWAPS: usize = 8;

/// A row as this process last loaded or wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedRow {
    /// Its key.
    pub key: CheckpointKey,
    /// Its content; a new row when none is stored.
    pub row: Checkpoint,
    /// Its version; `None` when no row is stored.
    pub version: Option<RowVersion>,
}

impl LoadedRow {
    /// The row of `blob` as scanned; a new row when `stored` is `None`.
    #[must_use]
    pub fn scanned(blob: &FlowLogBlob, stored: Option<(Checkpoint, RowVersion)>) -> Self {
        let (row, version) = match stored {
            Some((row, version)) => (row, Some(version)),
            None => (Checkpoint::new(blob.to_string()), None),
        };
        Self { key: blob.checkpoint_key(), row, version }
    }
}

/// The result of claiming a blob.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each run, and matched at once")]
pub enum ClaimOutcome {
    /// The blob is ours until the claim expires.
    Claimed(LoadedRow),
    /// Another worker holds the claim; the row tells it which commit is wanted.
    HeldByAnother,
    /// The row has changed: load it and read the blob again.
    Stale,
}

/// The result of releasing a claim.
#[derive(Debug)]
pub enum ReleaseOutcome {
    /// Released.
    Released(LoadedRow),
    /// Released, and another worker asked for a commit that the run has not forwarded.
    NewerWanted(LoadedRow),
}

/// Why a row could not be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseError {
    /// The store failed, or other workers changed the row again and again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The claim expired and another worker took over. It repeats what this one sent since its last save,
    /// under the same message ids.
    #[error("lost the claim on {key} to {}: the claim expired before it was renewed", owner.as_deref().unwrap_or("another worker"))]
    ClaimLost {
        /// The row.
        key: CheckpointKey,
        /// The owner of the present claim.
        owner: Option<String>,
    },
}

/// Claims and writes rows for one worker.
pub struct LeaseStore<C> {
    store: C,
    worker: String,
    /// How many claims this worker has tried to take; each has a unique name.
    runs: AtomicU64,
    clock: Clock,
}

impl<C: CheckpointStore> LeaseStore<C> {
    /// Leases in `store` for the worker named `worker`. The name must be unique per process, so that it never
    /// mistakes another's claim for its own.
    pub fn new(store: C, worker: String, clock: Clock) -> Self {
        Self { store, worker, runs: AtomicU64::new(0), clock }
    }

    /// The stored row of `blob`, or a new one.
    ///
    /// # Errors
    /// When the store can't answer.
    pub async fn load(&self, blob: &FlowLogBlob) -> Result<LoadedRow, StoreError> {
        let stored = self.store.load(&blob.checkpoint_key()).await?;
        Ok(LoadedRow::scanned(blob, stored))
    }

    /// Now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The owner of the claim in `loaded` if it is this worker, from a run whose release failed.
    #[must_use]
    pub fn own_claim(&self, loaded: &LoadedRow) -> Option<String> {
        let owner = loaded.row.claim.as_ref().map(|claim| &claim.owner);
        owner.filter(|owner| lease::is_of(owner, &self.worker)).cloned()
    }

    /// Claims the blob and writes `row` with the range that the run will have `in_flight`. If another worker
    /// holds the claim, only writes for it which version is `wanted`.
    ///
    /// # Errors
    /// When the store can't answer.
    pub async fn claim(
        &self,
        loaded: &LoadedRow,
        row: &Checkpoint,
        in_flight: InFlightRange,
        wanted: &BlobVersion,
    ) -> Result<ClaimOutcome, StoreError> {
        let owner = lease::owner(&self.worker, self.runs.fetch_add(1, Ordering::Relaxed));
        let workers = (self.worker.as_str(), owner.as_str());
        let (row, held) = match lease::claim(&loaded.row, row, workers, self.now(), in_flight, wanted) {
            ClaimDecision::Take(row) => (row, false),
            ClaimDecision::Request(row) => (row, true),
            ClaimDecision::AlreadyRequested => return Ok(ClaimOutcome::HeldByAnother),
        };
        match self.swap(loaded, row).await {
            Ok(_) if held => Ok(ClaimOutcome::HeldByAnother),
            Ok(loaded) => Ok(ClaimOutcome::Claimed(loaded)),
            Err(StoreError::Conflict { .. }) => Ok(ClaimOutcome::Stale),
            Err(error) => Err(error),
        }
    }

    /// Saves `progress` in the middle of a run and renews the claim.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn save(&self, loaded: &LoadedRow, progress: &Progress) -> Result<LoadedRow, LeaseError> {
        let (_, saved) = self.update(loaded, |row| row.advanced(progress.clone(), self.now())).await?;
        Ok(saved)
    }

    /// Ends the range in flight at `until`, before the run has sent anything.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn narrow(&self, loaded: &LoadedRow, until: u64) -> Result<LoadedRow, LeaseError> {
        let (_, narrowed) = self.update(loaded, |row| row.narrowed(until)).await?;
        Ok(narrowed)
    }

    /// Saves the end of a run and releases the claim, even if a newer version is wanted: an unused claim would
    /// keep other workers away.
    ///
    /// # Errors
    /// [`LeaseError::ClaimLost`] when another worker has taken over.
    pub async fn release(&self, loaded: &LoadedRow, end: &RunEnd) -> Result<ReleaseOutcome, LeaseError> {
        let RunEnd { progress, finished, .. } = end;
        let (before, released) = self.update(loaded, |row| row.released(progress.clone(), *finished)).await?;
        let more = before.wanted.is_some_and(|wanted| progress.etag.as_ref() != Some(&wanted.etag));
        Ok(if more { ReleaseOutcome::NewerWanted(released) } else { ReleaseOutcome::Released(released) })
    }

    /// Applies `change` by compare-and-swap, and again on top of what others write, as long as the claim is
    /// ours. Returns the row before and after the change.
    async fn update(
        &self,
        loaded: &LoadedRow,
        change: impl Fn(&Checkpoint) -> Checkpoint,
    ) -> Result<(Checkpoint, LoadedRow), LeaseError> {
        let owner = loaded.row.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default();
        let mut loaded = loaded.clone();
        for _ in 0..SWAPS {
            let row = change(&loaded.row);
            let conflict = match self.swap(&loaded, row.clone()).await {
                Ok(written) => return Ok((loaded.row, written)),
                Err(conflict @ StoreError::Conflict { .. }) => conflict,
                Err(error) => return Err(error.into()),
            };
            let Some((stored, version)) = self.store.load(&loaded.key).await? else {
                return Err(LeaseError::ClaimLost { key: loaded.key, owner: None });
            };
            match lease::resolve_conflict(&stored, &row, &owner) {
                Conflict::AlreadyWritten => {
                    return Ok((loaded.row, LoadedRow { key: loaded.key, row, version: Some(version) }));
                }
                Conflict::Lost { owner } => return Err(LeaseError::ClaimLost { key: loaded.key, owner }),
                Conflict::Retry => {
                    tracing::debug!(%conflict, "another worker changed the claimed row: applying the change again");
                    loaded = LoadedRow { row: stored, version: Some(version), ..loaded };
                }
            }
        }
        Err(StoreError::Conflict { key: loaded.key }.into())
    }

    async fn swap(&self, loaded: &LoadedRow, row: Checkpoint) -> Result<LoadedRow, StoreError> {
        let version = self.store.swap(&loaded.key, &row, loaded.version.as_ref()).await?;
        Ok(LoadedRow { key: loaded.key.clone(), row, version: Some(version) })
    }
}
