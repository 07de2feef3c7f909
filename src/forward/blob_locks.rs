//! One attempt per blob inside this process. Other events for the blob wait for its lock; most of them then
//! find that their commit has been forwarded.

use crate::checkpoint::lease::RunEnd;
use crate::flow_log::CheckpointKey;
use crate::forward::lease_store::LoadedRow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::OwnedMutexGuard;

/// How many blobs are cached before idle ones are evicted. A row takes about 1 KB.
const CAPACITY: usize = 8_192;

/// What the last attempt learnt about a blob. It saves work and is not needed for correctness: rows are claimed
/// by compare-and-swap, and an evicted blob is loaded again.
#[derive(Debug, Default)]
pub(super) struct CachedState {
    /// The row as last loaded or written.
    pub(super) loaded: Option<LoadedRow>,
    /// The end of the last run while it is not saved, so that a retry in this process repeats nothing.
    pub(super) unsaved: Option<RunEnd>,
    /// When the read began that was forwarded to the blob's end. It covers every commit whose event had
    /// arrived before.
    pub(super) complete_as_of: Option<Instant>,
    /// Whether the last attempt ran out of time without progress.
    pub(super) stuck: bool,
}

/// A lock and the cached state of each blob.
#[derive(Debug, Default)]
pub(super) struct BlobLocks {
    blobs: Mutex<HashMap<CheckpointKey, Arc<tokio::sync::Mutex<CachedState>>>>,
}

impl BlobLocks {
    /// Waits until no other attempt of this process works on the blob.
    pub(super) async fn lock(&self, key: &CheckpointKey) -> OwnedMutexGuard<CachedState> {
        let lock = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            if blobs.len() >= CAPACITY && !blobs.contains_key(key) {
                evict_idle(&mut blobs);
            }
            Arc::clone(blobs.entry(key.clone()).or_default())
        };
        lock.lock_owned().await
    }

    /// Whether the last attempt on the blob ran out of time without progress, and none is in progress.
    pub(super) fn is_stuck(&self, key: &CheckpointKey) -> bool {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(key).and_then(|lock| lock.try_lock().ok().map(|cached| cached.stuck)).unwrap_or(false)
    }
}

/// Evicts the older half of the unlocked blobs. Keys begin with the date, so the smallest are the oldest.
fn evict_idle(blobs: &mut HashMap<CheckpointKey, Arc<tokio::sync::Mutex<CachedState>>>) {
    let mut idle: Vec<_> =
        blobs.iter().filter(|(_, lock)| Arc::strong_count(lock) == 1).map(|(key, _)| key.clone()).collect();
    idle.sort_unstable();
    idle.truncate(idle.len().div_ceil(2));
    for key in idle {
        blobs.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(row: usize) -> CheckpointKey {
        CheckpointKey { partition: "20260101-x".into(), row: format!("{row:06}") }
    }

    #[tokio::test]
    async fn the_second_attempt_waits_and_sees_the_state_of_the_first() {
        let locks = Arc::new(BlobLocks::default());
        let mut first = locks.lock(&key(1)).await;
        let second = tokio::spawn({
            let locks = Arc::clone(&locks);
            async move { locks.lock(&key(1)).await.complete_as_of }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        let now = Instant::now();
        first.complete_as_of = Some(now);
        drop(first);
        assert_eq!(second.await.unwrap(), Some(now));
    }

    #[tokio::test]
    async fn idle_blobs_are_evicted_and_locked_ones_kept() {
        let locks = BlobLocks::default();
        let busy = locks.lock(&key(0)).await;
        for row in 1..=CAPACITY {
            drop(locks.lock(&key(row)).await);
        }
        let blobs = locks.blobs.lock().unwrap();
        assert!(blobs.len() <= CAPACITY / 2 + 2, "{}", blobs.len());
        assert!(blobs.contains_key(&key(0)), "a locked blob is never evicted");
        drop(busy);
    }
}
