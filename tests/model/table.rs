//! Calls to the table: what they write, and what the worker learns.

use super::faults::Fault;
use super::row::LoadedRow;
use super::state::State;
use flowlog_forwarder::checkpoint::Checkpoint;
use flowlog_forwarder::checkpoint::lease::{self, Conflict};

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// Written and answered.
    Good,
    /// As before, but the next read fails.
    ReadFailed,
    /// Not written; the worker sees the failure.
    Failed,
    /// Written, but the worker sees a failure.
    Lost,
    /// Written, but the answer is lost; the client retries the call, which finds the row changed.
    Retried,
    /// Not written, and cancelled at the end of the attempt.
    Timeout,
    /// Written, and cancelled at the end of the attempt.
    DoneThenTimeout,
}

impl CallOutcome {
    /// The fault that it takes.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Good => None,
            Self::Timeout | Self::DoneThenTimeout => Some(Fault::ReleaseTimeout),
            Self::ReadFailed | Self::Failed | Self::Lost | Self::Retried => Some(Fault::Call),
        }
    }
}

/// The result of a change to the row by the owner of its claim.
pub enum Updated {
    /// Written: the row before and after.
    Written { before: LoadedRow, after: LoadedRow },
    /// Another run has the claim.
    ClaimLost,
    /// The worker saw a failure; the row may have been written.
    Failed,
    /// The client will retry the call.
    Pending,
}

impl State {
    /// Applies `change` to the row on top of other workers' changes, as long as the claim is that of `loaded`. One
    /// step: a rejected write and the load after it see the same as a later write and load.
    pub fn update(
        &mut self,
        mut loaded: LoadedRow,
        outcome: CallOutcome,
        change: impl Fn(&Checkpoint) -> Checkpoint,
    ) -> Updated {
        let owner = loaded.row.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default();
        if matches!(outcome, CallOutcome::Failed | CallOutcome::Timeout) {
            return Updated::Failed;
        }
        loop {
            let row = change(&loaded.row);
            if loaded.is_current {
                let after = self.store(row);
                return match outcome {
                    CallOutcome::Retried => Updated::Pending,
                    CallOutcome::Good | CallOutcome::ReadFailed => Updated::Written { before: loaded, after },
                    _ => Updated::Failed,
                };
            }
            let Some(stored) = &self.row else { return Updated::ClaimLost };
            match lease::resolve_conflict(stored, &row, &owner) {
                Conflict::AlreadyWritten => return Updated::Written { before: loaded, after: self.load() },
                Conflict::Lost { .. } => return Updated::ClaimLost,
                Conflict::Retry => loaded = self.load(),
            }
        }
    }
}
