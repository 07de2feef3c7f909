//! A request to the task: the caller's end, the task's end, and the error when the deadline comes first.

use crate::azure::event_hubs::wire::encode::{self, Payload};
use crate::message::Batch;
use crate::ports::hub::HubError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

/// How far a request has come, for the error at its deadline.
#[derive(Debug, Default)]
struct SendState {
    /// Sent on the current link, and not settled.
    in_flight: bool,
    /// Was in flight when a link ended: the hub may hold it.
    uncertain: bool,
    last_failure: Option<HubError>,
}

/// The task's end of a request.
#[derive(Debug)]
pub(crate) struct Responder<T> {
    pub(super) deadline: Instant,
    state: Arc<Mutex<SendState>>,
    answer: oneshot::Sender<Result<T, HubError>>,
}

/// The caller's end of a request.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    deadline: Instant,
    state: Arc<Mutex<SendState>>,
    answer: oneshot::Receiver<Result<T, HubError>>,
}

/// Both ends of a request that needs an answer before `deadline`.
pub(crate) fn request<T>(deadline: Instant) -> (Responder<T>, Pending<T>) {
    let (sender, receiver) = oneshot::channel();
    let state = Arc::new(Mutex::new(SendState::default()));
    let responder = Responder { deadline, state: Arc::clone(&state), answer: sender };
    (responder, Pending { deadline, state, answer: receiver })
}

fn lock(state: &Mutex<SendState>) -> MutexGuard<'_, SendState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Responder<T> {
    /// Whether the caller no longer waits: it was dropped, or its deadline has passed.
    pub(super) fn is_cancelled(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, result: Result<T, HubError>) {
        // Fails only when the caller no longer waits.
        let _ = self.answer.send(result);
    }

    /// Keeps the last failure, to report it at the deadline.
    pub(super) fn record_failure(&self, error: HubError) {
        lock(&self.state).last_failure = Some(error);
    }

    pub(super) fn set_in_flight(&self) {
        lock(&self.state).in_flight = true;
    }

    /// The hub did not accept it.
    pub(super) fn set_not_accepted(&self) {
        lock(&self.state).in_flight = false;
    }

    /// The link ended while it was in flight.
    pub(super) fn set_uncertain(&self) {
        let mut state = lock(&self.state);
        state.in_flight = false;
        state.uncertain = true;
    }
}

impl<T> Pending<T> {
    /// Waits for the answer until the deadline.
    pub(crate) async fn wait(self, hub: &str) -> Result<T, HubError> {
        match timeout_at(self.deadline.into(), self.answer).await {
            Ok(Ok(result)) => result,
            // Closed before the request was sent, or the task panicked.
            Ok(Err(_)) => Err(lock(&self.state).final_error(hub, "the producer is closed")),
            Err(_) => Err(lock(&self.state).deadline_error(hub)),
        }
    }
}

impl SendState {
    fn deadline_error(&mut self, hub: &str) -> HubError {
        let reason = if self.in_flight || self.uncertain {
            "no answer before the deadline"
        } else {
            "not sent before the deadline"
        };
        self.final_error(hub, reason)
    }

    /// The error when no answer will come: the last failure, or `default_reason` when there was none.
    fn final_error(&mut self, hub: &str, default_reason: &str) -> HubError {
        let (last, hub) = (self.last_failure.take(), hub.to_owned());
        if self.in_flight || self.uncertain {
            let reason = last.map_or_else(|| default_reason.to_owned(), |error| error.to_string());
            return HubError::Unsettled { hub, reason };
        }
        last.unwrap_or_else(|| HubError::Unreachable { hub, reason: default_reason.to_owned() })
    }
}

/// A batch to send.
pub(crate) struct SendRequest {
    pub(super) responder: Responder<()>,
    /// Encoded size, bytes.
    pub(crate) size: usize,
    content: Content,
}

enum Content {
    Batch(Batch),
    Payload(Arc<Payload>),
}

impl SendRequest {
    pub(crate) fn new(batch: Batch, responder: Responder<()>) -> Self {
        Self { responder, size: encode::size(&batch), content: Content::Batch(batch) }
    }

    /// The encoded batch. Encodes at the first call, so that only batches in flight are held twice, and drops the
    /// read buffers.
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
