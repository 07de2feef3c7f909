//! The requests that are not in flight, and when each is retried or failed.

use super::queue::RequestQueue;
use super::request::SendRequest;
use super::retry_gate::RetryGate;
use super::window::Window;
use crate::azure::event_hubs::fault::Fault;
use crate::azure::event_hubs::link::LinkConfig;
use crate::ports::hub::HubError;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The largest transfer that the last attached link accepted, bytes; 0 before the first.
pub(crate) type KnownLimit = Arc<AtomicUsize>;

pub(super) struct Backlog {
    pub(super) queue: RequestQueue,
    pub(super) gate: RetryGate,
    config: Arc<LinkConfig>,
    hub: String,
    limit: KnownLimit,
    /// How many times in a row the service refused our token.
    token_refusals: u32,
}

impl Backlog {
    pub(super) fn new(config: Arc<LinkConfig>, limit: KnownLimit) -> Self {
        Self {
            queue: RequestQueue::default(),
            gate: RetryGate::new(config.options.first_back_off, config.options.max_back_off),
            hub: config.address.to_string(),
            config,
            limit,
            token_refusals: 0,
        }
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Answers the batch that the hub settled, or queues it again. An error means that the link is unusable.
    pub(super) fn on_settled(
        &mut self,
        window: &mut Window,
        number: u64,
        settlement: Result<Outcome, SendError>,
        limit: usize,
    ) -> Result<(), Fault> {
        let outcome = match settlement {
            Ok(outcome) => Fault::of_outcome(outcome),
            Err(error) if Fault::leaves_link_usable(&error) => Err(Fault::from(&error)),
            Err(error) => return Err(Fault::from(&error)),
        };
        let Some(request) = window.remove(number) else { return Ok(()) };
        match outcome {
            Ok(()) => {
                self.gate.reset();
                self.token_refusals = 0;
                request.responder.answer(Ok(()));
                Ok(())
            }
            Err(fault @ Fault::Unauthorized(_)) => {
                request.responder.set_not_accepted();
                self.queue.put_back(number, request);
                Err(fault)
            }
            Err(fault) => {
                self.on_not_accepted(number, request, &fault, limit);
                Ok(())
            }
        }
    }

    /// The hub does not hold this batch: queues it again if a retry can help, else fails it.
    pub(super) fn on_not_accepted(&mut self, number: u64, request: SendRequest, fault: &Fault, limit: usize) {
        request.responder.set_not_accepted();
        if let Fault::Transient(_) | Fault::Busy { .. } = fault {
            tracing::debug!(
                hub = self.hub,
                number,
                reason = fault.reason(),
                "the hub did not accept a batch"
            );
            self.gate.on_failure(fault, self.config.options.busy_wait);
            request.responder.record_failure(self.current_error(fault));
            self.queue.put_back(number, request);
            self.fail_due_before_retry();
        } else {
            let error = self.error(fault, request.size, limit, Duration::ZERO);
            request.responder.answer(Err(error));
        }
    }

    /// The link ended: queues the batches in flight again, unless `fault` means that one of them caused it. The
    /// hub may hold some of them.
    pub(super) fn on_link_ended(&mut self, fault: &Fault, mut window: Window, limit: usize) {
        match fault {
            // One batch in flight caused it: most likely the largest.
            Fault::TooLarge => {
                if let Some(request) = window.remove_largest() {
                    self.fail_too_large(request, limit);
                }
            }
            // Any batch in flight may have caused it, so that only these fail. If the cause is another one, the
            // next link will not attach either.
            Fault::Refused { .. } => {
                let error = self.current_error(fault);
                window.drain().for_each(|(_, request)| request.responder.answer(Err(error.clone())));
                return self.gate.back_off();
            }
            _ => {}
        }
        for (number, request) in window.drain() {
            request.responder.set_uncertain();
            self.queue.put_back(number, request);
        }
        self.on_link_lost(fault);
    }

    /// There is no link: records `fault` for all requests, and fails those that can't recover.
    pub(super) fn on_link_lost(&mut self, fault: &Fault) {
        self.gate.on_failure(fault, self.config.options.busy_wait);
        self.token_refusals =
            if matches!(fault, Fault::Unauthorized(_)) { self.token_refusals + 1 } else { 0 };
        // One retry with a new token may help, if we can get one.
        let refused_for_good = self.token_refusals > u32::from(self.config.access.is_renewable());
        let error = self.current_error(fault);
        if refused_for_good || matches!(fault, Fault::Refused { .. }) {
            self.token_refusals = 0;
            self.queue.fail_all(&error);
        } else {
            self.queue.record_failure(&error);
            self.fail_due_before_retry();
        }
    }

    /// While the service throttles, fails at once the requests whose deadline comes before the next attempt.
    pub(super) fn fail_due_before_retry(&mut self) {
        if let Some((until, reason)) = self.gate.throttled_until() {
            let retry_after = until - Instant::now();
            let error = HubError::Busy { hub: self.hub.clone(), reason: reason.to_owned(), retry_after };
            self.queue.fail_due_before(until, &error);
        }
    }

    pub(super) fn fail_too_large(&self, request: SendRequest, limit: usize) {
        let error = Fault::TooLarge.error(&self.hub, request.size, limit, Duration::ZERO);
        request.responder.answer(Err(error));
    }

    /// The error for `fault` with the wait before the next attempt.
    fn current_error(&self, fault: &Fault) -> HubError {
        let retry_after = self.gate.closed_until().map_or(Duration::ZERO, |until| until - Instant::now());
        self.error(fault, 0, self.limit.load(Ordering::Relaxed), retry_after)
    }

    /// The error that callers get for `fault`; a refusal names the credential.
    fn error(&self, fault: &Fault, size: usize, limit: usize, retry_after: Duration) -> HubError {
        match fault.error(&self.hub, size, limit, retry_after) {
            HubError::Unauthorized { hub, reason } => {
                HubError::Unauthorized { hub, reason: self.config.access.describe_refusal(&reason) }
            }
            other => other,
        }
    }
}
