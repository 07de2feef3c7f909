//! What a caller waits for, and what it is told when its deadline comes first.

use super::encode::{self, Payload};
use crate::message::Batch;
use crate::ports::hub::HubError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

/// How far a request has come: what to say at its deadline.
#[derive(Debug, Default)]
struct Progress {
    /// Handed to the link, and not settled yet.
    under_way: bool,
    /// Was under way when a link ended: may have arrived.
    doubtful: bool,
    /// What went wrong last.
    last: Option<HubError>,
}

/// The driver's end of a request.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub(super) deadline: Instant,
    progress: Arc<Mutex<Progress>>,
    answer: oneshot::Sender<Result<T, HubError>>,
}

/// The caller's end of a request.
#[derive(Debug)]
pub(super) struct Ticket<T> {
    deadline: Instant,
    progress: Arc<Mutex<Progress>>,
    answer: oneshot::Receiver<Result<T, HubError>>,
}

/// A request that is to be answered before `deadline`: both its ends.
pub(super) fn request<T>(deadline: Instant) -> (Waiter<T>, Ticket<T>) {
    let (sender, receiver) = oneshot::channel();
    let progress = Arc::new(Mutex::new(Progress::default()));
    let waiter = Waiter { deadline, progress: Arc::clone(&progress), answer: sender };
    (waiter, Ticket { deadline, progress, answer: receiver })
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Waiter<T> {
    /// Whether nobody waits any more: the deadline has come, or the caller has gone.
    pub(super) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, result: Result<T, HubError>) {
        // A caller that has gone misses nothing.
        let _ = self.answer.send(result);
    }

    /// Keeps the last failure, for the deadline.
    pub(super) fn note(&self, error: HubError) {
        lock(&self.progress).last = Some(error);
    }

    /// It is under way from now on.
    pub(super) fn under_way(&self) {
        lock(&self.progress).under_way = true;
    }

    /// The hub has said that it does not hold it.
    pub(super) fn turned_down(&self) {
        lock(&self.progress).under_way = false;
    }

    /// The link ended while it was under way.
    pub(super) fn in_flight(&self) {
        let mut progress = lock(&self.progress);
        progress.under_way = false;
        progress.doubtful = true;
    }
}

impl<T> Ticket<T> {
    /// Waits for the answer, until the deadline at most.
    pub(super) async fn answer(self, hub: &str) -> Result<T, HubError> {
        match timeout_at(self.deadline.into(), self.answer).await {
            Ok(Ok(result)) => result,
            // Closed before it was sent, or the task has ended with a panic.
            Ok(Err(_)) => Err(lock(&self.progress).at_the_end(hub, "the producer is closed")),
            Err(_) => Err(lock(&self.progress).at_the_deadline(hub)),
        }
    }
}

impl Progress {
    fn at_the_deadline(&mut self, hub: &str) -> HubError {
        let reason = if self.under_way || self.doubtful {
            "no answer in time"
        } else {
            "its turn did not come in time"
        };
        self.at_the_end(hub, reason)
    }

    /// What to say when no answer comes any more; `otherwise` where no failure is known.
    fn at_the_end(&mut self, hub: &str, otherwise: &str) -> HubError {
        let (last, hub) = (self.last.take(), hub.to_owned());
        if self.under_way || self.doubtful {
            let reason = last.map_or_else(|| otherwise.to_owned(), |error| error.to_string());
            return HubError::Unsettled { hub, reason };
        }
        last.unwrap_or_else(|| HubError::Unreachable { hub, reason: otherwise.to_owned() })
    }
}

/// A batch that waits to be sent, or to be settled.
pub(super) struct Job {
    pub(super) waiter: Waiter<()>,
    /// Encoded, bytes.
    pub(super) size: usize,
    content: Content,
}

enum Content {
    Batch(Batch),
    Payload(Arc<Payload>),
}

impl Job {
    pub(super) fn new(batch: Batch, waiter: Waiter<()>) -> Self {
        Self { waiter, size: encode::size(&batch), content: Content::Batch(batch) }
    }

    /// The encoded batch. Encoded when first asked for, so that only what is in the window is held twice;
    /// the read buffers are let go.
    pub(super) fn payload(&mut self) -> Arc<Payload> {
        match &self.content {
            Content::Payload(payload) => Arc::clone(payload),
            Content::Batch(batch) => {
                let payload = Arc::new(encode::encode(batch));
                self.content = Content::Payload(Arc::clone(&payload));
                payload
            }
        }
    }
}
