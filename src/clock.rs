//! The clock for claims, hours and retention: the machine's clock, corrected by the storage service's.
//!
//! Every answer of the checkpoint table has a `Date` header. Processes that correct their clocks by it agree on when
//! a claim expires, and a machine with a wrong clock neither takes over a live claim nor sweeps future hours.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Smaller differences are ignored, milliseconds: `Date` has whole seconds, and the answer takes time to arrive.
const TOLERANCE_MILLIS: u64 = 2_000;

/// Larger differences are logged, milliseconds: certificates and tokens may be refused too.
const WARNING_MILLIS: u64 = 30_000;

/// A corrected clock. Clones share the correction.
#[derive(Clone)]
pub struct Clock {
    local: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Added to the local time, milliseconds.
    correction: Arc<AtomicI64>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("correction", &self.correction).finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock over `local`, which returns milliseconds since the Unix epoch.
    pub fn new(local: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { local: Arc::new(local), correction: Arc::default() }
    }

    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.local)().saturating_add_signed(self.correction.load(Ordering::Relaxed))
    }

    /// Corrects the clock by the service's time in an answer that has just arrived, in milliseconds since the
    /// Unix epoch.
    pub fn observe(&self, service: u64) {
        let correction = service.cast_signed().saturating_sub((self.local)().cast_signed());
        let before = self.correction.load(Ordering::Relaxed);
        if correction.abs_diff(before) <= TOLERANCE_MILLIS {
            return;
        }
        self.correction.store(correction, Ordering::Relaxed);
        if correction.abs_diff(before) > WARNING_MILLIS {
            let (seconds, side) =
                (correction.unsigned_abs() / 1_000, if correction < 0 { "ahead of" } else { "behind" });
            tracing::warn!(
                "this machine's clock is {seconds} s {side} the storage service's: using the service's time. Correct the \
                 machine's clock, or tokens and certificates may be refused"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    const DAY: u64 = 86_400_000;

    #[test]
    fn a_clock_that_is_days_ahead_uses_the_services_time() {
        let local = Arc::new(AtomicU64::new(10 * DAY));
        let clock = Clock::new({
            let local = Arc::clone(&local);
            move || local.load(Ordering::Relaxed)
        });
        let shared = clock.clone();
        assert_eq!(clock.now(), 10 * DAY);
        clock.observe(DAY);
        assert_eq!((clock.now(), shared.now()), (DAY, DAY));
        local.fetch_add(5_000, Ordering::Relaxed);
        assert_eq!(clock.now(), DAY + 5_000);
        // The machine's clock is corrected.
        local.store(DAY + 6_000, Ordering::Relaxed);
        clock.observe(DAY + 6_000);
        assert_eq!(clock.now(), DAY + 6_000);
    }

    #[test]
    fn whole_seconds_and_slow_answers_do_not_move_a_right_clock() {
        let clock = Clock::new(|| DAY);
        for service in [DAY - 2_000, DAY - 999, DAY, DAY + 2_000] {
            clock.observe(service);
            assert_eq!(clock.now(), DAY);
        }
    }
}
