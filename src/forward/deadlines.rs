//! How the time of one attempt is divided, so that what is begun can also be finished.

use std::time::{Duration, Instant};

/// Now, by the clock that all waits go by: tests may stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// On whose behalf a blob is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// An event, whose sender waits for the answer.
    Event,
    /// The sweep, which has minutes and many blobs.
    Sweep,
}

/// The parts of an attempt's time: each leaves enough for what comes after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) caller: Caller,
    pub(super) arrived: Instant,
    /// No new read or claim after this: what is on its way must still be accepted and saved.
    pub(super) work_until: Instant,
    /// Until then it may read on that has sent nothing yet: an attempt should get on.
    pub(super) read_until: Instant,
    /// The hub has until then to accept a batch; saving the progress fits into the rest.
    pub(super) send_until: Instant,
    /// Whatever is not done by then is given up.
    pub(super) end: Instant,
    /// Whether no later attempt will have more time than this one: what does not fit is then put into
    /// quarantine instead of being tried for ever.
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

    /// How long the attempt has been under way.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.arrived)
    }

    /// All the time that the attempt has.
    pub(super) fn budget(&self) -> Duration {
        self.end - self.arrived
    }

    /// Until when a record may be read only to learn how it ends. The last resort leaves time to put into
    /// quarantine what takes longer.
    pub(super) fn survey_until(&self) -> Instant {
        if self.last_resort { self.arrived + (self.work_until - self.arrived) / 2 } else { self.work_until }
    }

    /// Whether `work` more fits before nothing new may be begun.
    pub(super) fn has_time_for(&self, work: Duration) -> bool {
        now() + work < self.work_until
    }
}
