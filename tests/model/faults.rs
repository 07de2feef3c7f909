//! What may go wrong, and how often.

/// What happens to the system from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The blob grows.
    Commit,
    /// The blob is replaced by another of the same name.
    Rewrite,
    /// A worker dies, and another takes its place.
    Crash,
    /// The worker that takes the place of a dead one has another limit for messages.
    Setting,
    /// A call to storage or to the table fails, or its answer is lost.
    Call,
    /// A release is cut off because the time is over.
    CutOff,
    /// A send fails; the message may arrive all the same, at once or later.
    Send,
    /// The time of an attempt is over.
    Time,
    /// So much time passes that claims expire.
    Expiry,
}

const KINDS: usize = Fault::Expiry as usize + 1;

/// How often each may still happen, and all of them but commits together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    of_kind: [u8; KINDS],
    together: u8,
}

impl Left {
    /// At most `together` faults, and of each kind as many as stand beside it.
    pub fn new(together: u8, kinds: &[(Fault, u8)]) -> Self {
        let mut left = Self { of_kind: [0; KINDS], together };
        for (fault, times) in kinds {
            left.of_kind[*fault as usize] = *times;
        }
        left
    }

    pub fn allows(&self, fault: Fault) -> bool {
        self.of_kind[fault as usize] > 0 && (self.together > 0 || fault.is_free())
    }

    pub fn take(&mut self, fault: Fault) {
        self.of_kind[fault as usize] -= 1;
        if !fault.is_free() {
            self.together -= 1;
        }
    }
}

impl Fault {
    /// Whether it is counted by its kind alone: commits are no faults, and a setting changes with a crash.
    fn is_free(self) -> bool {
        matches!(self, Self::Commit | Self::Setting)
    }
}
