//! How the time of a sweep is divided, so that each step leaves enough for the next ones.

use super::error::SweepError;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// When each step of a sweep ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweepDeadlines {
    /// Flow logs are discovered until then.
    pub(super) discover_until: Instant,
    /// Scans and runs start until then: a run that starts has all of its time.
    pub(super) start_until: Instant,
    /// Scans and runs end by then. The rest is for watermarks and old rows.
    pub(super) run_until: Instant,
    /// The end of the sweep.
    pub(super) end: Instant,
}

impl SweepDeadlines {
    /// Deadlines of a sweep that `started` now, may take `budget`, and whose runs may each take `run`.
    pub(super) fn new(started: Instant, budget: Duration, run: Duration) -> Self {
        let run_until = budget * 15 / 16;
        Self {
            discover_until: started + budget / 4,
            start_until: started + run_until.saturating_sub(run),
            run_until: started + run_until,
            end: started + budget,
        }
    }
}

/// Awaits `call`, at most until `deadline`.
pub(super) async fn in_time<T, E>(
    deadline: Instant,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, SweepError>
where
    SweepError: From<E>,
{
    let answer = timeout_at(deadline, call).await;
    Ok(answer.map_err(|_| SweepError::OutOfTime { activity: "waiting for storage" })??)
}
