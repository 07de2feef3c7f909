//! The batches in flight on one link, bounded in number and in bytes.

use super::request::SendRequest;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct Window {
    max_batches: usize,
    max_bytes: usize,
    stall_timeout: Duration,
    requests: BTreeMap<u64, SendRequest>,
    /// The encoded size of all `requests`.
    bytes: usize,
    last_progress: Instant,
}

impl Window {
    /// A window that counts as stalled after `stall_timeout` without progress.
    pub(super) fn new(max_batches: usize, max_bytes: usize, stall_timeout: Duration) -> Self {
        Self {
            max_batches: max_batches.max(1),
            max_bytes,
            stall_timeout,
            requests: BTreeMap::new(),
            bytes: 0,
            last_progress: Instant::now(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether `size` more bytes fit. A batch larger than the whole window is sent alone.
    pub(super) fn has_space_for(&self, size: usize) -> bool {
        self.requests.is_empty()
            || (self.requests.len() < self.max_batches && self.bytes + size <= self.max_bytes)
    }

    pub(super) fn insert(&mut self, number: u64, request: SendRequest) {
        if self.requests.is_empty() {
            self.last_progress = Instant::now();
        }
        self.bytes += request.size;
        self.requests.insert(number, request);
    }

    /// Removes a batch that is no longer in flight; counts as progress.
    pub(super) fn remove(&mut self, number: u64) -> Option<SendRequest> {
        self.last_progress = Instant::now();
        let request = self.requests.remove(&number)?;
        self.bytes -= request.size;
        Some(request)
    }

    pub(super) fn remove_largest(&mut self) -> Option<SendRequest> {
        let (&number, _) = self.requests.iter().max_by_key(|(_, request)| request.size)?;
        self.remove(number)
    }

    /// Removes all batches, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, SendRequest)> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.requests).into_iter()
    }

    /// When it will count as stalled without progress until then.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        (!self.requests.is_empty()).then(|| self.last_progress + self.stall_timeout)
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalls_at().is_some_and(|at| at <= Instant::now())
    }
}
