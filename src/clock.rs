//! The time that claims, hours and retention go by: the storage service's, as far as it has told it.
//!
//! Every answer of the checkpoint table carries the service's time. Two processes that correct their
//! clocks by it agree on when a claim ends, and a machine whose clock is far off neither takes a live
//! claim over nor sweeps hours that have not come yet.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes up to this are not followed, milliseconds: the service tells its time in whole seconds, and the
/// answer takes a while to arrive.
const TOLERANCE_MILLIS: u64 = 2_000;

/// A change above this is logged, milliseconds: certificates and tokens may be refused as well.
const WARNING_MILLIS: u64 = 30_000;

/// A clock, corrected by the service's. Clones share the correction.
#[derive(Clone)]
pub struct Clock {
    local: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What is added to the local time, milliseconds.
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

    /// A clock over the machine's.
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

    /// Takes note of the service's time, in milliseconds since the Unix epoch, from an answer that has just
    /// arrived.
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
                "this machine's clock is {seconds} s {side} the storage service's: going by the service's time. \
                 Correct the machine's clock, or tokens and certificates may be refused"
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
    fn a_clock_that_is_days_ahead_goes_by_the_services_time() {
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
        // Somebody sets the machine's clock right.
        local.store(DAY + 6_000, Ordering::Relaxed);
        clock.observe(DAY + 6_000);
        assert_eq!(clock.now(), DAY + 6_000);
    }

    #[test]
    fn whole_seconds_and_slow_answers_do_not_move_a_clock_that_is_right() {
        let clock = Clock::new(|| DAY);
        for service in [DAY - 2_000, DAY - 999, DAY, DAY + 2_000] {
            clock.observe(service);
            assert_eq!(clock.now(), DAY);
        }
    }
}
