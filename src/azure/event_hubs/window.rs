//! The batches that are on their way and not settled yet, bounded in number and in bytes.

use super::request::Job;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The window of one link.
pub(super) struct Window {
    batches: usize,
    bytes: usize,
    stall: Duration,
    jobs: BTreeMap<u64, Job>,
    /// The encoded size of all `jobs`.
    held: usize,
    /// When something last moved.
    moved: Instant,
}

impl Window {
    /// A window of at most `batches` and `bytes`; it counts as stalled when nothing moves for `stall`.
    pub(super) fn new(batches: usize, bytes: usize, stall: Duration) -> Self {
        Self { batches: batches.max(1), bytes, stall, jobs: BTreeMap::new(), held: 0, moved: Instant::now() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether `size` more bytes fit. A batch larger than the whole window goes alone.
    pub(super) fn has_room_for(&self, size: usize) -> bool {
        self.jobs.is_empty() || (self.jobs.len() < self.batches && self.held + size <= self.bytes)
    }

    pub(super) fn put(&mut self, number: u64, job: Job) {
        if self.jobs.is_empty() {
            self.moved = Instant::now();
        }
        self.held += job.size;
        self.jobs.insert(number, job);
    }

    /// Takes out the batch called `number`, which has been settled.
    pub(super) fn take(&mut self, number: u64) -> Option<Job> {
        self.moved = Instant::now();
        let job = self.jobs.remove(&number)?;
        self.held -= job.size;
        Some(job)
    }

    pub(super) fn take_largest(&mut self) -> Option<Job> {
        let (&number, _) = self.jobs.iter().max_by_key(|(_, job)| job.size)?;
        self.take(number)
    }

    /// Empties the window, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, Job)> + use<> {
        self.held = 0;
        std::mem::take(&mut self.jobs).into_iter()
    }

    /// When it will count as stalled, unless something moves.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        (!self.jobs.is_empty()).then(|| self.moved + self.stall)
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalls_at().is_some_and(|at| at <= Instant::now())
    }
}
