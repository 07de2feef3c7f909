//! The requests that wait for a link: batches in order, and callers that only need the link's limit.

use super::request::{Responder, SendRequest};
use crate::ports::hub::HubError;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Batches are numbered in the order in which they come, and keep their number when sent again.
#[derive(Default)]
pub(super) struct RequestQueue {
    next_number: u64,
    sends: BTreeMap<u64, SendRequest>,
    attaches: Vec<Responder<usize>>,
}

impl RequestQueue {
    pub(super) fn push(&mut self, request: SendRequest) {
        self.sends.insert(self.next_number, request);
        self.next_number += 1;
    }

    pub(super) fn push_attach(&mut self, responder: Responder<usize>) {
        self.attaches.push(responder);
    }

    /// Queues a batch again, ahead of all that came later.
    pub(super) fn put_back(&mut self, number: u64, request: SendRequest) {
        self.sends.insert(number, request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.attaches.is_empty()
    }

    pub(super) fn has_sends(&self) -> bool {
        !self.sends.is_empty()
    }

    /// The size of the next batch, bytes. Drops cancelled ones before it.
    pub(super) fn next_size(&mut self) -> Option<usize> {
        loop {
            let entry = self.sends.first_entry()?;
            if !entry.get().responder.is_cancelled() {
                return Some(entry.get().size);
            }
            entry.remove();
        }
    }

    pub(super) fn pop(&mut self) -> Option<(u64, SendRequest)> {
        self.sends.pop_first()
    }

    /// Drops cancelled and expired requests.
    pub(super) fn prune_cancelled(&mut self) {
        self.sends.retain(|_, request| !request.responder.is_cancelled());
        self.attaches.retain(|responder| !responder.is_cancelled());
    }

    /// Answers the callers that need the link's limit.
    pub(super) fn answer_attaches(&mut self, limit: usize) {
        self.attaches.drain(..).for_each(|responder| responder.answer(Ok(limit)));
    }

    /// Records `error` on all requests: they report it if their deadline comes next.
    pub(super) fn record_failure(&self, error: &HubError) {
        self.sends.values().for_each(|request| request.responder.record_failure(error.clone()));
        self.attaches.iter().for_each(|responder| responder.record_failure(error.clone()));
    }

    pub(super) fn fail_all(&mut self, error: &HubError) {
        self.fail_where(error, |_| true);
    }

    /// Fails the requests whose deadline is at `until` or before.
    pub(super) fn fail_due_before(&mut self, until: Instant, error: &HubError) {
        self.fail_where(error, |deadline| Instant::from(deadline) <= until);
    }

    fn fail_where(&mut self, error: &HubError, selects: impl Fn(std::time::Instant) -> bool) {
        let sends = self.sends.extract_if(.., |_, request| selects(request.responder.deadline));
        sends.for_each(|(_, request)| request.responder.answer(Err(error.clone())));
        let attaches = self.attaches.extract_if(.., |responder| selects(responder.deadline));
        attaches.for_each(|responder| responder.answer(Err(error.clone())));
    }
}
