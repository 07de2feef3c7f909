//! Bounds the memory of all runs together: a run enters with as much as it may hold at once.

use crate::plan::{AHEAD, WINDOW};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is counted: small enough that a minute's block counts once, large enough that the counts fit.
const UNIT: u64 = 64 << 10;
/// The most that one run holds: the window being cut, those ahead of it, and 8 MiB on the way to the hub.
const LARGEST: u64 = (1 + AHEAD as u64) * WINDOW + (8 << 20);
/// What all runs may hold together. A minute of 768 quiet NICs fits at once; of blobs with a long way to
/// catch up, two. The process takes some 15 MiB besides.
const ALL: u64 = 48 << 20;

/// Room for runs, in bytes.
#[derive(Debug)]
pub(super) struct Room {
    units: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self { units: Semaphore::new(usize::try_from(ALL / UNIT).unwrap_or(usize::MAX)) }
    }
}

impl Room {
    /// Waits until a run over `bytes` has room; it has until the permit is dropped. Runs enter in the
    /// order in which they came.
    pub(super) async fn enter(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let units = bytes.clamp(1, LARGEST).div_ceil(UNIT);
        // Fails only when the semaphore is closed, which nobody does.
        self.units.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn many_small_runs_fit_at_once_and_few_large_ones() {
        for (bytes, fit) in [(0, 768), (3_000, 768), (UNIT + 1, 384), (LARGEST, 2), (u64::MAX, 2)] {
            let room = Room::default();
            let runs: Vec<_> = (0..2_000).map_while(|_| room.enter(bytes).now_or_never()).collect();
            assert_eq!(runs.len(), fit, "{bytes}");
        }
    }
}
