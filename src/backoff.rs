//! Exponential back-off with jitter.

use crate::random;
use std::time::Duration;

/// Doubling beyond this would overflow before it reached any sensible limit.
const MAX_DOUBLINGS: u32 = 20;

/// How long to wait between attempts that keep failing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Waits of `first`, doubled after each failure, up to `max`.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// The wait after `failures` earlier failures, without jitter.
    pub(crate) fn delay(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.min(MAX_DOUBLINGS)).min(self.max)
    }

    /// Half of [`Backoff::delay`] to all of it, at random, so that processes do not retry at the same moment.
    pub(crate) fn jittered(&self, failures: u32) -> Duration {
        self.delay(failures).mul_f64(0.5 + random::fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays = [0, 1, 2, 3, 4, u32::MAX].map(|failures| backoff.delay(failures).as_millis());
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn jitter_keeps_at_least_half_of_the_delay() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for _ in 0..100 {
            let delay = backoff.jittered(0);
            assert!(delay >= Duration::from_millis(50) && delay <= Duration::from_millis(100), "{delay:?}");
        }
    }
}
