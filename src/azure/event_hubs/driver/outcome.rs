//! What becomes of a batch when it is settled, and of all who wait when a link ends or can't be had.

use super::super::fault::Fault;
use super::super::request::Job;
use super::super::window::Window;
use super::Driver;
use crate::ports::hub::HubError;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

impl Driver {
    /// Answers the batch that was settled; an error is a fault of the whole link.
    pub(super) fn settle(
        &mut self,
        window: &mut Window,
        number: u64,
        settlement: Result<Outcome, SendError>,
        limit: usize,
    ) -> Result<(), Fault> {
        let outcome = match settlement {
            Ok(outcome) => Fault::of_outcome(outcome),
            Err(error) if Fault::spares_the_link(&error) => Err(Fault::from(&error)),
            Err(error) => return Err(Fault::from(&error)),
        };
        let Some(job) = window.take(number) else { return Ok(()) };
        match outcome {
            Ok(()) => {
                self.pace.succeeded();
                self.refusals = 0;
                job.waiter.answer(Ok(()));
                Ok(())
            }
            Err(fault @ Fault::Unauthorized(_)) => {
                job.waiter.turned_down();
                self.waiting.put_back(number, job);
                Err(fault)
            }
            Err(fault) => {
                self.turned_down(number, job, &fault, limit);
                Ok(())
            }
        }
    }

    /// The hub does not hold this batch: it waits for another turn where that can help.
    pub(super) fn turned_down(&mut self, number: u64, job: Job, fault: &Fault, limit: usize) {
        job.waiter.turned_down();
        if let Fault::Passing(_) | Fault::Busy { .. } = fault {
            tracing::debug!(hub = self.hub, number, reason = fault.reason(), "the hub turned a batch down");
            self.pace.after(fault, self.connector.options.busy_wait);
            job.waiter.note(self.error(fault));
            self.waiting.put_back(number, job);
            self.turn_away_the_hurried();
        } else {
            let error = self.told(fault, job.size, limit, Duration::ZERO);
            job.waiter.answer(Err(error));
        }
    }

    /// The link ended: what was under way may have arrived, and is sent again unless that can't help.
    pub(super) fn cope_with_ended_link(&mut self, fault: &Fault, mut window: Window, limit: usize) {
        match fault {
            // One of those under way must have caused it: the largest, most likely.
            Fault::TooLarge => {
                if let Some(job) = window.take_largest() {
                    job.waiter.answer(Err(self.told(fault, job.size, limit, Duration::ZERO)));
                }
            }
            // Any of those under way may have caused it; the others are not to suffer for it. If it was none
            // of them, the next link will not be attached either.
            Fault::Refused { .. } => {
                let error = self.error(fault);
                window.drain().for_each(|(_, job)| job.waiter.answer(Err(error.clone())));
                return self.pace.back_off();
            }
            _ => {}
        }
        for (number, job) in window.drain() {
            job.waiter.in_flight();
            self.waiting.put_back(number, job);
        }
        self.cope_without_link(fault);
    }

    /// There is no link: all who wait learn why, and those are answered whom waiting can't help.
    pub(super) fn cope_without_link(&mut self, fault: &Fault) {
        self.pace.after(fault, self.connector.options.busy_wait);
        self.refusals = if matches!(fault, Fault::Unauthorized(_)) { self.refusals + 1 } else { 0 };
        // A fresh token may help once, where we can get one.
        let refused_for_good = self.refusals > u32::from(self.connector.access.is_renewable());
        let error = self.error(fault);
        if refused_for_good || matches!(fault, Fault::Refused { .. }) {
            self.refusals = 0;
            self.waiting.fail(&error);
        } else {
            self.waiting.note(&error);
            self.turn_away_the_hurried();
        }
    }

    /// While the service wants us to wait, whoever has less time than that is answered at once.
    pub(super) fn turn_away_the_hurried(&mut self) {
        if let Some((until, reason)) = self.pace.throttling() {
            let retry_after = until - Instant::now();
            let error = HubError::Busy { hub: self.hub.clone(), reason: reason.to_owned(), retry_after };
            self.waiting.fail_the_hurried(&error, until);
        }
    }

    fn error(&self, fault: &Fault) -> HubError {
        let retry_after = self.pace.held_until().map_or(Duration::ZERO, |until| until - Instant::now());
        self.told(fault, 0, self.limit.load(Ordering::Relaxed), retry_after)
    }

    /// The error that callers get for `fault`; for a refusal, it names the credential.
    fn told(&self, fault: &Fault, size: usize, limit: usize, retry_after: Duration) -> HubError {
        match fault.error(&self.hub, size, limit, retry_after) {
            HubError::Unauthorized { hub, reason } => {
                HubError::Unauthorized { hub, reason: self.connector.access.refused(&reason) }
            }
            other => other,
        }
    }
}
