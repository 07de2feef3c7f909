//! Those who wait for a link: batches in their order, and callers who only want to know its limit.

use super::request::{Job, Waiter};
use crate::ports::hub::HubError;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Everybody who waits. Batches are numbered as they come, and keep their number when sent again.
#[derive(Default)]
pub(super) struct Waiting {
    next_number: u64,
    jobs: BTreeMap<u64, Job>,
    attaching: Vec<Waiter<usize>>,
}

impl Waiting {
    pub(super) fn add(&mut self, job: Job) {
        self.jobs.insert(self.next_number, job);
        self.next_number += 1;
    }

    pub(super) fn add_attaching(&mut self, waiter: Waiter<usize>) {
        self.attaching.push(waiter);
    }

    /// A batch that was sent before waits for its next turn, ahead of all that came later.
    pub(super) fn put_back(&mut self, number: u64, job: Job) {
        self.jobs.insert(number, job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.attaching.is_empty()
    }

    pub(super) fn has_batches(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The size of the batch whose turn it is, bytes; those whom nobody waits for are dropped on the way.
    pub(super) fn next_size(&mut self) -> Option<usize> {
        loop {
            let entry = self.jobs.first_entry()?;
            if !entry.get().waiter.is_gone() {
                return Some(entry.get().size);
            }
            entry.remove();
        }
    }

    pub(super) fn take_next(&mut self) -> Option<(u64, Job)> {
        self.jobs.pop_first()
    }

    /// Lets go whom nobody waits for any more.
    pub(super) fn forget_the_gone(&mut self) {
        self.jobs.retain(|_, job| !job.waiter.is_gone());
        self.attaching.retain(|waiter| !waiter.is_gone());
    }

    /// A link is there: those who want its limit have it.
    pub(super) fn attached(&mut self, limit: usize) {
        self.attaching.drain(..).for_each(|waiter| waiter.answer(Ok(limit)));
    }

    /// Tells all what stands in their way, for the case that their deadline comes next.
    pub(super) fn note(&self, error: &HubError) {
        self.jobs.values().for_each(|job| job.waiter.note(error.clone()));
        self.attaching.iter().for_each(|waiter| waiter.note(error.clone()));
    }

    /// Answers all.
    pub(super) fn fail(&mut self, error: &HubError) {
        self.fail_where(error, |_| true);
    }

    /// Answers those whose deadline comes no later than `until`.
    pub(super) fn fail_the_hurried(&mut self, error: &HubError, until: Instant) {
        self.fail_where(error, |deadline| Instant::from(deadline) <= until);
    }

    fn fail_where(&mut self, error: &HubError, chosen: impl Fn(std::time::Instant) -> bool) {
        let jobs = self.jobs.extract_if(.., |_, job| chosen(job.waiter.deadline));
        jobs.for_each(|(_, job)| job.waiter.answer(Err(error.clone())));
        let attaching = self.attaching.extract_if(.., |waiter| chosen(waiter.deadline));
        attaching.for_each(|waiter| waiter.answer(Err(error.clone())));
    }
}
