//! When to try again: at once, after a short and growing wait, or when the service says.

use super::fault::Fault;
use crate::random;
use std::time::Duration;
use tokio::time::Instant;

/// The pace of one link, shared by all batches that want to pass.
#[derive(Debug)]
pub(super) struct Pace {
    shortest: Duration,
    longest: Duration,
    failures: u32,
    until: Option<Instant>,
    /// The last throttling: until when, and in the service's words.
    throttling: Option<(Instant, String)>,
}

impl Pace {
    /// The wait after the first failure is about `shortest`; it doubles with each failure up to `longest`.
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, failures: 0, until: None, throttling: None }
    }

    /// The moment before which nothing may be tried, if that is still to come.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }

    /// Something went well: the next failure is a first one.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Waits a little longer than after the last failure; between half of it and all of it, so that many
    /// forwarders do not come back in one moment. Failures during a wait are part of the one before it.
    pub(super) fn back_off(&mut self) {
        if self.held_until().is_some() {
            return;
        }
        let wait = self.shortest.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(Instant::now() + wait.mul_f64(0.5 + random::fraction() / 2.0));
    }

    /// Waits as `fault` calls for; `unstated` is for a throttling that names no time.
    pub(super) fn after(&mut self, fault: &Fault, unstated: Duration) {
        match fault {
            Fault::Busy { reason, wait } => {
                let until = Instant::now() + wait.unwrap_or(unstated);
                self.until = self.until.max(Some(until));
                self.throttling = self.until.map(|until| (until, reason.clone()));
            }
            _ => self.back_off(),
        }
    }

    /// While the service wants us to wait: until when, and why.
    pub(super) fn throttling(&self) -> Option<(Instant, &str)> {
        let (until, reason) = self.throttling.as_ref()?;
        (*until > Instant::now()).then_some((*until, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, pause};

    fn held(pace: &Pace) -> Duration {
        pace.held_until().map_or(Duration::ZERO, |until| until - Instant::now())
    }

    #[tokio::test]
    async fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        pause();
        let mut pace = Pace::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected in [100, 200, 400, 800, 1000, 1000] {
            pace.back_off();
            let wait = held(&pace);
            assert!(
                wait >= Duration::from_millis(expected / 2) && wait <= Duration::from_millis(expected),
                "{wait:?}"
            );
            pace.back_off();
            assert_eq!(held(&pace), wait, "a second failure in the same wait changes nothing");
            advance(wait).await;
        }
        pace.succeeded();
        pace.back_off();
        assert!(held(&pace) <= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn the_service_s_wait_counts_whatever_the_failures() {
        pause();
        let mut pace = Pace::new(Duration::from_millis(100), Duration::from_secs(1));
        let busy = |wait| Fault::Busy { reason: String::new(), wait };
        pace.after(&busy(None), Duration::from_secs(4));
        assert_eq!(held(&pace), Duration::from_secs(4));
        pace.after(&busy(Some(Duration::from_secs(10))), Duration::from_secs(4));
        assert_eq!(held(&pace), Duration::from_secs(10));
        pace.after(&busy(None), Duration::from_secs(4));
        assert_eq!(held(&pace), Duration::from_secs(10));
    }
}
