//! Bounds the memory of all runs together. A run reserves memory before it reads, by the blob's length in
//! storage, never by the length that an event names.
//!
//! There are two pools, so that small work never waits for large work. Every run reserves a first read of
//! bounded size from the small pool; most runs need no more. A run with more to read also reserves from the
//! large pool. The sweep has a share of each pool; the rest is always free for events.

use super::deadlines::Caller;
use crate::forward::plan::{AHEAD, WINDOW};
use crate::memory::{FIRST_READS, FIRST_READS_OF_SWEEP, LONG_READS, MAX_IN_FLIGHT};
use tokio::sync::{Semaphore, SemaphorePermit};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The most bytes of the first read of a run: a minute of a busy network interface.
pub(super) const FIRST_READ: u64 = 256 * KIB;

/// How many bytes of an incomplete record are held. A longer record is split while it is read.
pub(super) const HELD: u64 = 2 * MIB;

/// Bytes of one permit.
const UNIT: u64 = 16 * KIB;

/// Room for one run at full speed and a reduced one.
const _: () = assert!(LONG_READS == FULL.cost() + REDUCED.cost());

/// Limits of a run's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunLimits {
    /// Bytes of one ranged GET.
    pub(super) window: u64,
    /// Bytes in flight to the hub.
    pub(super) in_flight: usize,
}

/// For full speed on one connection.
pub(super) const FULL: RunLimits = RunLimits { window: WINDOW, in_flight: MAX_IN_FLIGHT };

/// For an event while another run works at full speed, and for the sweep, so that events never wait long behind
/// its reads and sends.
const REDUCED: RunLimits = RunLimits { window: MIB, in_flight: 3 << 20 };

impl RunLimits {
    /// The most bytes of such a run: the window being cut, the windows ahead of it, the incomplete record, and
    /// the batches in flight.
    const fn cost(self) -> u64 {
        (1 + AHEAD as u64) * self.window + HELD + self.in_flight as u64
    }
}

/// The pools of memory, as semaphores.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    small: Semaphore,
    small_sweep: Semaphore,
    large: Semaphore,
    large_sweep: Semaphore,
}

/// Reserved memory, released on drop.
#[derive(Debug)]
pub(super) struct Reservation<'b> {
    permits: Vec<SemaphorePermit<'b>>,
}

impl Reservation<'_> {
    /// Releases all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let keep = units(bytes);
        for permit in &mut self.permits {
            let surplus = permit.num_permits().saturating_sub(keep as usize);
            drop(permit.split(surplus));
        }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        let pool = |bytes| Semaphore::new(units(bytes) as usize);
        Self {
            small: pool(FIRST_READS),
            small_sweep: pool(FIRST_READS_OF_SWEEP),
            large: pool(LONG_READS),
            large_sweep: pool(REDUCED.cost()),
        }
    }
}

impl MemoryBudget {
    /// Reserves memory for a first read.
    pub(super) async fn reserve_first_read(&self, caller: Caller) -> Reservation<'_> {
        self.reserve(caller, &self.small_sweep, &self.small, FIRST_READ).await
    }

    /// Reserves memory to read `bytes` more, and returns the limits of the run.
    pub(super) async fn reserve_long_read(&self, caller: Caller, bytes: u64) -> (Reservation<'_>, RunLimits) {
        // Each byte may be held twice: read, and in flight.
        let cost = |limits: RunLimits| bytes.saturating_mul(2).min(limits.cost());
        if caller == Caller::Event
            && let Ok(permit) = self.large.try_acquire_many(units(cost(FULL)))
        {
            return (Reservation { permits: vec![permit] }, FULL);
        }
        (self.reserve(caller, &self.large_sweep, &self.large, cost(REDUCED)).await, REDUCED)
    }

    async fn reserve<'b>(
        &'b self,
        caller: Caller,
        share: &'b Semaphore,
        pool: &'b Semaphore,
        bytes: u64,
    ) -> Reservation<'b> {
        let mut permits = Vec::new();
        // The share first: a run with permits of the pool never waits for a share, so there is no deadlock.
        let pools = [(caller == Caller::Sweep).then_some(share), Some(pool)];
        for semaphore in pools.into_iter().flatten() {
            // Fails only on a closed semaphore; these are never closed.
            permits.extend(semaphore.acquire_many(units(bytes)).await);
        }
        Reservation { permits }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.max(1).div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn count(budget: &MemoryBudget, caller: Caller, bytes: u64) -> Vec<(Reservation<'_>, RunLimits)> {
        (0..2_000).map_while(|_| budget.reserve_long_read(caller, bytes).now_or_never()).collect()
    }

    #[test]
    fn many_small_runs_and_few_large_ones_fit_at_once() {
        let budget = MemoryBudget::default();
        let first: Vec<_> =
            (0..2_000).map_while(|_| budget.reserve_first_read(Caller::Event).now_or_never()).collect();
        assert_eq!(first.len() as u64, FIRST_READS / FIRST_READ);
        for (bytes, fit) in [(300_000, 57), (3 << 20, 5), (100 << 20, 2), (u64::MAX, 2)] {
            assert_eq!(count(&budget, Caller::Event, bytes).len(), fit, "{bytes}");
        }
    }

    #[test]
    fn the_sweep_leaves_memory_to_events() {
        let budget = MemoryBudget::default();
        let sweep = count(&budget, Caller::Sweep, u64::MAX);
        assert_eq!(sweep.iter().map(|(_, limits)| *limits).collect::<Vec<_>>(), [REDUCED]);
        let events = count(&budget, Caller::Event, u64::MAX);
        assert_eq!(events.iter().map(|(_, limits)| *limits).collect::<Vec<_>>(), [FULL]);
        let swept: Vec<_> =
            (0..2_000).map_while(|_| budget.reserve_first_read(Caller::Sweep).now_or_never()).collect();
        assert_eq!(swept.len() as u64, FIRST_READS_OF_SWEEP / FIRST_READ);
        assert!(budget.reserve_first_read(Caller::Event).now_or_never().is_some());
    }

    #[test]
    fn a_run_that_read_less_releases_the_rest() {
        let budget = MemoryBudget::default();
        let mut held: Vec<_> =
            (0..2_000).map_while(|_| budget.reserve_first_read(Caller::Event).now_or_never()).collect();
        for reservation in &mut held {
            reservation.shrink_to(4 * KIB);
        }
        let more = (0..2_000).map_while(|_| budget.reserve_first_read(Caller::Event).now_or_never()).count();
        assert!(more as u64 >= FIRST_READS / FIRST_READ - 4, "{more}");
    }
}
