//! One run per blob inside this process: events for a blob that is at work wait for their turn, and
//! most of them find then that their commit has been forwarded already.

use crate::checkpoint::lease::RunEnd;
use crate::flow_log::CheckpointKey;
use crate::forward::lease_store::LoadedRow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::OwnedMutexGuard;

/// How many blobs are remembered before idle ones are forgotten. A row takes about 1 KB.
const REMEMBERED: usize = 8_192;

/// What this process knows of a blob from its last run. All of it saves work, none of it is needed
/// for correctness: rows are claimed by compare-and-swap, and a forgotten blob is loaded again.
#[derive(Debug, Default)]
pub(super) struct CachedState {
    /// The row as last seen or written.
    pub(super) seen: Option<LoadedRow>,
    /// The end of the last run, while the row does not say it: with it, a retry in this process sends
    /// nothing twice.
    pub(super) unsaved: Option<RunEnd>,
    /// When the last read began that was forwarded to the blob's end. It saw every commit whose
    /// event had arrived before.
    pub(super) complete_as_of: Option<Instant>,
    /// Whether the last attempt ran out of time without any progress.
    pub(super) stuck: bool,
}

/// The blobs at work or remembered.
#[derive(Debug, Default)]
pub(super) struct BlobLocks {
    blobs: Mutex<HashMap<CheckpointKey, Arc<tokio::sync::Mutex<CachedState>>>>,
}

impl BlobLocks {
    /// Waits until no other run of this process has the blob.
    pub(super) async fn take(&self, key: &CheckpointKey) -> OwnedMutexGuard<CachedState> {
        let turn = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            if blobs.len() >= REMEMBERED && !blobs.contains_key(key) {
                forget_idle(&mut blobs);
            }
            Arc::clone(blobs.entry(key.clone()).or_default())
        };
        turn.lock_owned().await
    }

    /// Whether the last attempt on the blob ran out of time without any progress, and none is under way.
    pub(super) fn is_stuck(&self, key: &CheckpointKey) -> bool {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(key).and_then(|turn| turn.try_lock().ok().map(|memory| memory.stuck)).unwrap_or(false)
    }
}

/// Forgets the older half of what nobody holds: keys begin with the date, so the smallest are the oldest.
fn forget_idle(blobs: &mut HashMap<CheckpointKey, Arc<tokio::sync::Mutex<CachedState>>>) {
    let mut idle: Vec<_> =
        blobs.iter().filter(|(_, turn)| Arc::strong_count(turn) == 1).map(|(key, _)| key.clone()).collect();
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
    async fn the_second_turn_waits_for_the_first_and_sees_what_it_left() {
        let turns = Arc::new(BlobLocks::default());
        let mut first = turns.take(&key(1)).await;
        let second = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(&key(1)).await.complete_as_of }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        let now = Instant::now();
        first.complete_as_of = Some(now);
        drop(first);
        assert_eq!(second.await.unwrap(), Some(now));
    }

    #[tokio::test]
    async fn idle_blobs_are_forgotten_and_busy_ones_kept() {
        let turns = BlobLocks::default();
        let busy = turns.take(&key(0)).await;
        for row in 1..=REMEMBERED {
            drop(turns.take(&key(row)).await);
        }
        let blobs = turns.blobs.lock().unwrap();
        assert!(blobs.len() <= REMEMBERED / 2 + 2, "{}", blobs.len());
        assert!(blobs.contains_key(&key(0)), "a blob at work is never forgotten");
        drop(busy);
    }
}
