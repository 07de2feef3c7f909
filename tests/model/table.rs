//! Calls to the table: what they do, and what the worker hears of it.

use super::faults::Fault;
use super::row::Seen;
use super::state::State;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::checkpoint::lease::{self, Conflict};

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done, and answered.
    Good,
    /// The same, but the read that follows it fails.
    Unread,
    /// Not done.
    Failed,
    /// Done, but the worker sees a failure.
    Lost,
    /// Done, but not answered: the client sends the same call again, which is refused then.
    Twice,
    /// Not done when the attempt's time is over: the worker never comes to hear anything.
    CutOff,
    /// Done when the attempt's time is over, as before.
    DoneAndCutOff,
}

impl Answer {
    /// Which fault it takes to happen.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Good => None,
            Self::CutOff | Self::DoneAndCutOff => Some(Fault::CutOff),
            Self::Unread | Self::Failed | Self::Lost | Self::Twice => Some(Fault::Call),
        }
    }
}

/// What came of a change of the row by the owner of its claim.
pub enum Updated {
    /// Done: the row before, and as it is now.
    Written { before: Seen, after: Seen },
    /// Another run has taken over.
    ClaimLost,
    /// The call failed, for all the worker knows.
    Failed,
    /// Under way: the call will be made again.
    Pending,
}

impl State {
    /// Writes `change` of the row `seen`, on top of what others noted in it, as long as the claim is that of
    /// `seen`. One step, for a refused write followed by a load sees what a later write and load would see.
    pub fn update(
        &mut self,
        mut seen: Seen,
        answer: Answer,
        change: impl Fn(&Checkpoint) -> Checkpoint,
    ) -> Updated {
        let owner = seen.row.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default();
        if matches!(answer, Answer::Failed | Answer::CutOff) {
            return Updated::Failed;
        }
        loop {
            let row = change(&seen.row);
            if seen.is_current {
                let after = self.store(row);
                return match answer {
                    Answer::Twice => Updated::Pending,
                    Answer::Good | Answer::Unread => Updated::Written { before: seen, after },
                    _ => Updated::Failed,
                };
            }
            let Some(stored) = &self.row else { return Updated::ClaimLost };
            match lease::resolve_conflict(stored, &row, &owner) {
                Conflict::AlreadyWritten => return Updated::Written { before: seen, after: self.load() },
                Conflict::Lost { .. } => return Updated::ClaimLost,
                Conflict::Retry => seen = self.load(),
            }
        }
    }
}
