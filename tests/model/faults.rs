//! Faults, and how often each may occur.

/// What may happen outside a worker's control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The blob grows.
    Commit,
    /// The blob is replaced under the same name.
    Rewrite,
    /// A worker dies and is replaced.
    Crash,
    /// The replacement of a dead worker has another message limit.
    Setting,
    /// A call to storage or to the table fails, or its answer is lost.
    Call,
    /// A release is cancelled at the end of the attempt.
    ReleaseTimeout,
    /// A send fails; the hub may still accept the message, now or later.
    Send,
    /// The attempt runs out of time.
    OutOfTime,
    /// Enough time passes for claims to expire.
    Expiry,
}

const KINDS: usize = Fault::Expiry as usize + 1;

/// How often each fault may still occur. Commits and settings do not count towards the total.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultBudget {
    of_kind: [u8; KINDS],
    total: u8,
}

impl FaultBudget {
    /// At most `total` faults, and each of `kinds` at most as often as it says.
    pub fn new(total: u8, kinds: &[(Fault, u8)]) -> Self {
        let mut faults_left = Self { of_kind: [0; KINDS], total };
        for (fault, times) in kinds {
            faults_left.of_kind[*fault as usize] = *times;
        }
        faults_left
    }

    pub fn allows(&self, fault: Fault) -> bool {
        self.of_kind[fault as usize] > 0 && (self.total > 0 || fault.is_outside_total())
    }

    pub fn take(&mut self, fault: Fault) {
        self.of_kind[fault as usize] -= 1;
        if !fault.is_outside_total() {
            self.total -= 1;
        }
    }
}

impl Fault {
    /// Whether the total leaves it out: a commit is no fault, and a setting changes only with a crash.
    fn is_outside_total(self) -> bool {
        matches!(self, Self::Commit | Self::Setting)
    }
}
