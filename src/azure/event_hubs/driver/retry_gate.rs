//! When the next attempt is allowed: at once, after a back-off, or when the service says.

use crate::azure::event_hubs::fault::Fault;
use crate::backoff::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// Shared by all requests: while it is closed, nothing is sent and no link is opened.
#[derive(Debug)]
pub(super) struct RetryGate {
    backoff: Backoff,
    failures: u32,
    closed_until: Option<Instant>,
    /// Until when the service throttles, and its reason.
    throttled: Option<(Instant, String)>,
}

impl RetryGate {
    /// A gate whose back-off grows from `first` to `max`.
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { backoff: Backoff::new(first, max), failures: 0, closed_until: None, throttled: None }
    }

    /// When the gate opens; `None` when it is open.
    pub(super) fn closed_until(&self) -> Option<Instant> {
        self.closed_until.filter(|until| *until > Instant::now())
    }

    /// After a success the back-off starts from the beginning.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Closes the gate for the next back-off. A failure while it is closed changes nothing: it belongs to the
    /// attempt that closed it.
    pub(super) fn back_off(&mut self) {
        if self.closed_until().is_some() {
            return;
        }
        self.closed_until = Some(Instant::now() + self.backoff.jittered(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    /// Closes the gate after `fault`; for `busy_wait` when the service throttles without naming a wait.
    pub(super) fn on_failure(&mut self, fault: &Fault, busy_wait: Duration) {
        match fault {
            Fault::Busy { reason, wait } => {
                let until = Instant::now() + wait.unwrap_or(busy_wait);
                self.closed_until = self.closed_until.max(Some(until));
                self.throttled = self.closed_until.map(|until| (until, reason.clone()));
            }
            _ => self.back_off(),
        }
    }

    /// While the service throttles: until when, and why.
    pub(super) fn throttled_until(&self) -> Option<(Instant, &str)> {
        let (until, reason) = self.throttled.as_ref()?;
        (*until > Instant::now()).then_some((*until, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, pause};

    fn wait(gate: &RetryGate) -> Duration {
        gate.closed_until().map_or(Duration::ZERO, |until| until - Instant::now())
    }

    #[tokio::test]
    async fn waits_grow_to_a_limit_and_restart_after_a_success() {
        pause();
        let mut gate = RetryGate::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected in [100, 200, 400, 800, 1000, 1000] {
            gate.back_off();
            let first = wait(&gate);
            assert!(
                first >= Duration::from_millis(expected / 2) && first <= Duration::from_millis(expected),
                "{first:?}"
            );
            gate.back_off();
            assert_eq!(wait(&gate), first, "a second failure in the same wait changes nothing");
            advance(first).await;
        }
        gate.reset();
        gate.back_off();
        assert!(wait(&gate) <= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn the_services_wait_overrides_the_back_off() {
        pause();
        let mut gate = RetryGate::new(Duration::from_millis(100), Duration::from_secs(1));
        let busy = |wait| Fault::Busy { reason: String::new(), wait };
        gate.on_failure(&busy(None), Duration::from_secs(4));
        assert_eq!(wait(&gate), Duration::from_secs(4));
        gate.on_failure(&busy(Some(Duration::from_secs(10))), Duration::from_secs(4));
        assert_eq!(wait(&gate), Duration::from_secs(10));
        gate.on_failure(&busy(None), Duration::from_secs(4));
        assert_eq!(wait(&gate), Duration::from_secs(10));
    }
}
