//! Errors of an attempt.

use super::deadlines::Deadlines;
use crate::flow_log::FlowLogBlob;
use crate::flow_log::cut::NotHeld;
use crate::forward::lease_store::LeaseError;
use crate::message::split::SplitError;
use crate::ports::blobs::ReadError;
use crate::ports::hub::HubError;
use crate::ports::quarantine::QuarantineError;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Why an attempt failed. Event Grid delivers the event again, and the next attempt continues from the checkpoint.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields' names say what they hold")]
pub enum ForwardError {
    /// Storage failed.
    #[error("{blob}: {cause}")]
    Read { blob: String, cause: ReadError },
    /// The checkpoint table failed, or the claim was lost.
    #[error("{blob}: {cause}")]
    Checkpoint { blob: String, cause: LeaseError },
    /// The hub did not accept a batch.
    #[error("{blob}, from byte {from}: {cause}")]
    Send {
        blob: String,
        /// Everything before this byte has been accepted.
        from: u64,
        cause: HubError,
    },
    /// Bytes that can't be forwarded could not be put into quarantine either.
    #[error("{blob}: {cause}")]
    Quarantine { blob: String, cause: QuarantineError },
    /// A record changed between the two passes of its split, under the same version: a fault of storage.
    #[error("{blob}: {cause}")]
    Split { blob: String, cause: SplitError },
    /// A message does not fit the hub's limit: a fault of this program.
    #[error("{blob}: the message of {size} bytes for bytes {}..{} does not fit the hub's limit: a defect in the forwarder, please report it", range.start, range.end)]
    Oversize {
        blob: String,
        /// The bytes of the blob in the message.
        range: Range<u64>,
        /// Length of the body, bytes.
        size: usize,
    },
    /// A message was built from bytes that were already released: a fault of this program.
    #[error("{blob}: {cause}: a defect in the forwarder, please report it")]
    Internal { blob: String, cause: NotHeld },
    /// The time was over.
    #[error("{blob}: out of time after {:.1} s of {:.0} s while waiting for {awaited}", waited.as_secs_f64(), budget.as_secs_f64())]
    OutOfTime {
        blob: String,
        /// The time of the attempt.
        budget: Duration,
        waited: Duration,
        awaited: Awaited,
    },
    /// The process stops.
    #[error("{blob}: not started because this process is stopping; another process will forward it")]
    Stopping { blob: String },
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Another attempt of this process on the same blob.
    Lock,
    /// Memory that other runs have reserved.
    Memory,
    /// The flow-log account.
    Storage,
    /// The checkpoint table.
    Table,
    /// The event hub's limits.
    Hub,
    /// The quarantine container.
    Quarantine,
    /// A blob without new commits: another one came during each run.
    NewCommits,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "another attempt on the same blob",
            Self::Memory => "memory: several long blobs are being forwarded at once",
            Self::Storage => "the flow-log account to answer",
            Self::Table => "the checkpoint table to answer",
            Self::Hub => "the event hub to state its message limit",
            Self::Quarantine => "the quarantine container to answer",
            Self::NewCommits => "the blob to stop changing: another commit came during each run",
        })
    }
}

impl ForwardError {
    pub(super) fn checkpoint<E: Into<LeaseError>>(blob: &FlowLogBlob) -> impl Fn(E) -> Self {
        let blob = blob.url();
        move |cause| Self::Checkpoint { blob: blob.clone(), cause: cause.into() }
    }

    pub(super) fn send(blob: &FlowLogBlob, from: u64, cause: HubError) -> Self {
        Self::Send { blob: blob.url(), from, cause }
    }

    pub(super) fn split(blob: &FlowLogBlob, cause: SplitError) -> Self {
        Self::Split { blob: blob.url(), cause }
    }

    pub(super) fn out_of_time(blob: &FlowLogBlob, deadlines: &Deadlines, awaited: Awaited) -> Self {
        let (budget, waited) = (deadlines.budget(), deadlines.elapsed());
        Self::OutOfTime { blob: blob.url(), budget, waited, awaited }
    }

    pub(super) fn internal(blob: &FlowLogBlob) -> impl Fn(NotHeld) -> Self {
        let blob = blob.url();
        move |cause| Self::Internal { blob: blob.clone(), cause }
    }

    /// Whether another version was committed during the read. Nothing failed; the read is planned again.
    pub(super) fn is_new_version(&self) -> bool {
        matches!(self, Self::Read { cause: ReadError::Changed, .. })
    }

    /// Whether the run may send nothing more: a batch failed, or another worker has the claim.
    pub(super) fn forbids_sending(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Checkpoint { cause: LeaseError::ClaimLost { .. }, .. })
    }

    pub(super) fn read(blob: &FlowLogBlob) -> impl Fn(ReadError) -> Self {
        let blob = blob.url();
        move |cause| Self::Read { blob: blob.clone(), cause }
    }
}
