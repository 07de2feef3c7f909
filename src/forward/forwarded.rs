//! The result of forwarding one blob.

use super::error::ForwardError;
use super::plan::Continuity;
use crate::flow_log::FlowLogBlob;

/// What one attempt did, and where it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Records that the hub accepted.
    pub records: u64,
    /// Messages that the hub accepted.
    pub messages: u64,
    /// Byte ranges put into quarantine.
    pub quarantined: u64,
    /// Bytes read from the blob.
    pub bytes_read: u64,
    /// Whether committed bytes are not forwarded because they are not flow-log records: see
    /// [`Progress::is_broken`](crate::checkpoint::Progress::is_broken).
    pub broken: bool,
    /// How the blob was rewritten; `None` when it only grew.
    pub rewritten: Option<Continuity>,
    /// Where the attempt ended.
    pub completion: Completion,
}

/// Where an attempt ended without an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// The hub has accepted everything up to the end of the newest version.
    #[default]
    Complete,
    /// The time was over; the next event or the sweep forwards the rest.
    LeftOver,
    /// Another worker holds the claim. The row tells it that this commit is wanted.
    ClaimedElsewhere,
    /// The blob does not exist any more.
    Deleted,
}

impl Forwarded {
    /// Whether the attempt that ended with `result` ran out of time without forwarding anything.
    pub(super) fn is_stuck(&self, result: &Result<(), ForwardError>) -> bool {
        let out_of_time = match result {
            Ok(()) => self.completion == Completion::LeftOver,
            Err(error) => matches!(error, ForwardError::OutOfTime { .. }),
        };
        out_of_time && self.records + self.quarantined == 0
    }

    /// Records and logs a rewrite: every record of the blob is forwarded again.
    pub(super) fn note_rewrite(&mut self, blob: &FlowLogBlob, how: Option<Continuity>) {
        if let Some(how) = how {
            tracing::warn!(%blob, ?how, "the blob was rewritten: all of its records are forwarded again under new message ids");
            self.rewritten = Some(how);
        }
    }
}
