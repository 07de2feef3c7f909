//! Deadlines inside one attempt: each leaves time for the steps after it.

use std::time::{Duration, Instant};

/// Now by tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Who asked for the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// An event; Event Grid waits for the answer.
    Event,
    /// The sweep, which has minutes for many blobs.
    Sweep,
}

/// The deadlines of one attempt, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) caller: Caller,
    pub(super) arrived: Instant,
    /// No read and no claim starts after this, so that batches in flight can be accepted and saved.
    pub(super) work_until: Instant,
    /// A run that has sent nothing may read until then, so that each attempt makes progress.
    pub(super) read_until: Instant,
    /// The hub must accept batches by then; saving progress takes the rest.
    pub(super) send_until: Instant,
    /// All work stops here.
    pub(super) end: Instant,
    /// Whether no later attempt gets more time. What does not fit goes into quarantine instead of being
    /// retried forever.
    pub(super) last_resort: bool,
}

impl Deadlines {
    pub(super) fn within(caller: Caller, arrived: Instant, budget: Duration) -> Self {
        Self {
            caller,
            arrived,
            work_until: arrived + budget * 12 / 20,
            read_until: arrived + budget * 15 / 20,
            send_until: arrived + budget * 17 / 20,
            end: arrived + budget,
            last_resort: false,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.arrived)
    }

    pub(super) fn budget(&self) -> Duration {
        self.end - self.arrived
    }

    /// Until when the layout pass may read a record. The last resort keeps half of the time for quarantine.
    pub(super) fn layout_until(&self) -> Instant {
        if self.last_resort { self.arrived + (self.work_until - self.arrived) / 2 } else { self.work_until }
    }

    /// Whether `work` can end before [`Deadlines::work_until`].
    pub(super) fn has_time_for(&self, work: Duration) -> bool {
        now() + work < self.work_until
    }
}
