//! Why an event failed.

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

/// Why an event failed. Event Grid delivers it again; the work goes on from the checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Storage.
    #[error("{blob}: {cause}")]
    Read {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: ReadError,
    },
    /// The checkpoint store.
    #[error("{blob}: {cause}")]
    Checkpoint {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: LeaseError,
    },
    /// The hub.
    #[error("{blob}, from byte {from}: {cause}")]
    Send {
        /// The blob's URL.
        blob: String,
        /// Everything before this byte has been accepted.
        from: u64,
        /// What went wrong.
        cause: HubError,
    },
    /// Bytes that can't be forwarded could not be put into quarantine either.
    #[error("{blob}: {cause}")]
    Quarantine {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: QuarantineError,
    },
    /// A record that was being split changed under the same version: a fault of storage.
    #[error("{blob}: {cause}")]
    Split {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: SplitError,
    },
    /// A message does not fit the hub's limit: a fault of this program.
    #[error("{blob}: the message of {size} bytes for bytes {}..{} does not fit the hub's limit", range.start, range.end)]
    Oversize {
        /// The blob's URL.
        blob: String,
        /// The bytes of the blob that it carries.
        range: Range<u64>,
        /// The body's size, bytes.
        size: usize,
    },
    /// A message was built from bytes that were given back already: a fault of this program.
    #[error("{blob}: {cause}")]
    Internal {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: NotHeld,
    },
    /// The time was over.
    #[error("{blob}: gave up after {:.1} s of {:.0} s, waiting for {awaited}", waited.as_secs_f64(), budget.as_secs_f64())]
    OutOfTime {
        /// The blob's URL.
        blob: String,
        /// All the time there was.
        budget: Duration,
        /// How much of it had gone by.
        waited: Duration,
        /// What did not come in time.
        awaited: Awaited,
    },
    /// The process is about to end.
    #[error("{blob}: not begun, because this process was asked to stop; another one takes it up")]
    Stopping {
        /// The blob's URL.
        blob: String,
    },
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Another attempt of this process on the same blob.
    Turn,
    /// Memory that other runs hold.
    Memory,
    /// The flow-log account.
    Storage,
    /// The checkpoint table.
    Table,
    /// The event hub, to say how much it takes.
    Hub,
    /// The container for what can't be forwarded.
    Quarantine,
    /// A pause between commits: each run ended with another one committed.
    NewCommits,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turn => "other work on the same blob to end",
            Self::Memory => "memory that other blobs take: several long blobs are being caught up",
            Self::Storage => "the flow-log account to answer",
            Self::Table => "the checkpoint table to answer",
            Self::Hub => "the event hub to say how much it takes",
            Self::Quarantine => "the quarantine container to answer",
            Self::NewCommits => "the blob to stay as it is: it was committed anew during each run",
        })
    }
}

impl ForwardError {
    /// A failure of the checkpoint store on behalf of `blob`.
    pub(super) fn checkpoint<E: Into<LeaseError>>(blob: &FlowLogBlob) -> impl Fn(E) -> Self {
        let blob = blob.url();
        move |cause| Self::Checkpoint { blob: blob.clone(), cause: cause.into() }
    }

    /// A failure of the hub on behalf of `blob`, of which everything before `from` was accepted.
    pub(super) fn send(blob: &FlowLogBlob, from: u64, cause: HubError) -> Self {
        Self::Send { blob: blob.url(), from, cause }
    }

    /// A record that was not the same when it was read again.
    pub(super) fn split(blob: &FlowLogBlob, cause: SplitError) -> Self {
        Self::Split { blob: blob.url(), cause }
    }

    /// The time is over, and `awaited` did not come.
    pub(super) fn out_of_time(blob: &FlowLogBlob, times: &Deadlines, awaited: Awaited) -> Self {
        let (budget, waited) = (times.budget(), times.elapsed());
        Self::OutOfTime { blob: blob.url(), budget, waited, awaited }
    }

    /// Bytes that should have been at hand.
    pub(super) fn internal(blob: &FlowLogBlob) -> impl Fn(NotHeld) -> Self {
        let blob = blob.url();
        move |cause| Self::Internal { blob: blob.clone(), cause }
    }

    /// Whether another version was committed in mid-read: nothing failed, it is to be planned anew.
    pub(super) fn is_new_version(&self) -> bool {
        matches!(self, Self::Read { cause: ReadError::Changed, .. })
    }

    /// Whether nothing more may be sent: a batch is missing already, or another worker is at it.
    pub(super) fn forbids_sending(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Checkpoint { cause: LeaseError::ClaimLost { .. }, .. })
    }

    /// A failure of storage on behalf of `blob`.
    pub(super) fn read(blob: &FlowLogBlob) -> impl Fn(ReadError) -> Self {
        let blob = blob.url();
        move |cause| Self::Read { blob: blob.clone(), cause }
    }
}
