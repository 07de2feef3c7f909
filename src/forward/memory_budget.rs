//! Bounds the memory of all runs together. A run reserves what it may hold before it reads, by what
//! storage says of the blob; what an event says of it counts for nothing.
//!
//! Two pools, so that small work never waits for large. Every run begins with a first read of bounded size
//! from the small pool; most need no more. A run with a long way to go reserves from the large pool as
//! well. The sweep has a share of each, so that there is always room for events.

use super::deadlines::Caller;
use crate::forward::plan::{AHEAD, WINDOW};
use crate::memory::{FIRST_READS, FIRST_READS_OF_SWEEP, LONG_READS};
use crate::ports::hub::MAX_BYTES_IN_FLIGHT;
use tokio::sync::{Semaphore, SemaphorePermit};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The most bytes that the first read of a run brings: a minute of a busy network interface.
pub(super) const FIRST_READ: u64 = 256 * KIB;

/// How many bytes of a record that has no end yet are held. A longer one is read again in pieces.
pub(super) const HELD: u64 = 2 * MIB;

/// What is counted.
const UNIT: u64 = 16 * KIB;

/// One at full speed and one beside it.
const _: () = assert!(LONG_READS == FULL.cost() + SLIM.cost());

/// How a long read works: how much one ranged GET asks for, and how much is on its way to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes of one ranged GET.
    pub(super) window: u64,
    /// Bytes sent to the hub and not accepted yet.
    pub(super) in_flight: usize,
}

/// As fast as one connection gets.
pub(super) const FULL: Shape = Shape { window: WINDOW, in_flight: MAX_BYTES_IN_FLIGHT };

/// For an event that comes while another run works at full speed; and for the sweep, so that what it reads
/// and sends does not stand in front of events for long.
const SLIM: Shape = Shape { window: MIB, in_flight: 3 << 20 };

impl Shape {
    /// The most bytes that a run of this shape holds: the window being cut, those ahead of it, the open
    /// record, and what is on its way.
    const fn cost(self) -> u64 {
        (1 + AHEAD as u64) * self.window + HELD + self.in_flight as u64
    }
}

/// The pools.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    small: Semaphore,
    small_sweep: Semaphore,
    large: Semaphore,
    large_sweep: Semaphore,
}

/// What a run has reserved. It is given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation<'b> {
    permits: Vec<SemaphorePermit<'b>>,
}

impl Reservation<'_> {
    /// Gives back all but what `bytes` take.
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
            large_sweep: pool(SLIM.cost()),
        }
    }
}

impl MemoryBudget {
    /// Waits for room for a first read.
    pub(super) async fn first_read(&self, caller: Caller) -> Reservation<'_> {
        self.reserve(caller, &self.small_sweep, &self.small, FIRST_READ).await
    }

    /// Waits for room to read `bytes` more, and says how.
    pub(super) async fn long_read(&self, caller: Caller, bytes: u64) -> (Reservation<'_>, Shape) {
        // Read, and on their way.
        let cost = |shape: Shape| bytes.saturating_mul(2).min(shape.cost());
        if caller == Caller::Event
            && let Ok(permit) = self.large.try_acquire_many(units(cost(FULL)))
        {
            return (Reservation { permits: vec![permit] }, FULL);
        }
        (self.reserve(caller, &self.large_sweep, &self.large, cost(SLIM)).await, SLIM)
    }

    async fn reserve<'b>(
        &'b self,
        caller: Caller,
        share: &'b Semaphore,
        pool: &'b Semaphore,
        bytes: u64,
    ) -> Reservation<'b> {
        let mut permits = Vec::new();
        // The share first: runs in the pool never wait for a share, so this order can't deadlock.
        let pools = [(caller == Caller::Sweep).then_some(share), Some(pool)];
        for semaphore in pools.into_iter().flatten() {
            // Fails only when the semaphore is closed, which nobody does.
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

    fn count(budget: &MemoryBudget, caller: Caller, bytes: u64) -> Vec<(Reservation<'_>, Shape)> {
        (0..2_000).map_while(|_| budget.long_read(caller, bytes).now_or_never()).collect()
    }

    #[test]
    fn many_small_runs_fit_at_once_and_few_large_ones() {
        let budget = MemoryBudget::default();
        let first: Vec<_> =
            (0..2_000).map_while(|_| budget.first_read(Caller::Event).now_or_never()).collect();
        assert_eq!(first.len() as u64, FIRST_READS / FIRST_READ);
        for (bytes, fit) in [(300_000, 57), (3 << 20, 5), (100 << 20, 2), (u64::MAX, 2)] {
            assert_eq!(count(&budget, Caller::Event, bytes).len(), fit, "{bytes}");
        }
    }

    #[test]
    fn the_sweep_leaves_room_for_events() {
        let budget = MemoryBudget::default();
        let sweep = count(&budget, Caller::Sweep, u64::MAX);
        assert_eq!(sweep.iter().map(|(_, shape)| *shape).collect::<Vec<_>>(), [SLIM]);
        let events = count(&budget, Caller::Event, u64::MAX);
        assert_eq!(events.iter().map(|(_, shape)| *shape).collect::<Vec<_>>(), [FULL]);
        let swept: Vec<_> =
            (0..2_000).map_while(|_| budget.first_read(Caller::Sweep).now_or_never()).collect();
        assert_eq!(swept.len() as u64, FIRST_READS_OF_SWEEP / FIRST_READ);
        assert!(budget.first_read(Caller::Event).now_or_never().is_some());
    }

    #[test]
    fn a_run_that_read_less_gives_the_rest_back() {
        let budget = MemoryBudget::default();
        let mut held: Vec<_> =
            (0..2_000).map_while(|_| budget.first_read(Caller::Event).now_or_never()).collect();
        for reservation in &mut held {
            reservation.shrink_to(4 * KIB);
        }
        let more = (0..2_000).map_while(|_| budget.first_read(Caller::Event).now_or_never()).count();
        assert!(more as u64 >= FIRST_READS / FIRST_READ - 4, "{more}");
    }
}
