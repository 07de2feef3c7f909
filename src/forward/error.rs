//! Why an event failed.

use crate::cut::{CutError, NotHeld};
use crate::flow_log::FlowLogBlob;
use crate::hub::HubError;
use crate::ledger::LedgerError;
use crate::source::ReadError;
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
        cause: LedgerError,
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
    /// The blob is not `{"records":[…]}`.
    #[error("{blob}: {cause}; everything before byte {good} was forwarded")]
    Cut {
        /// The blob's URL.
        blob: String,
        /// The end of the last good record.
        good: u64,
        /// What went wrong.
        cause: CutError,
    },
    /// A record does not fit one message.
    #[error("{blob}: the record at bytes {}..{} does not fit a message of {limit} bytes", range.start, range.end)]
    Oversize {
        /// The blob's URL.
        blob: String,
        /// The record.
        range: Range<u64>,
        /// The most bytes that a record may have.
        limit: u64,
    },
    /// A message was built from bytes that were given back already: a fault of this program.
    #[error("{blob}: {cause}")]
    Internal {
        /// The blob's URL.
        blob: String,
        /// What went wrong.
        cause: NotHeld,
    },
    /// Another event's work on the same blob took all of this one's time.
    #[error("{blob}: other work on this blob took the whole budget of {} s", budget.as_secs())]
    OutOfTime {
        /// The blob's URL.
        blob: String,
        /// The budget.
        budget: Duration,
    },
}

impl ForwardError {
    /// A failure of the checkpoint store on behalf of `blob`.
    pub(super) fn checkpoint<E: Into<LedgerError>>(blob: &FlowLogBlob) -> impl Fn(E) -> Self {
        let blob = blob.url();
        move |cause| Self::Checkpoint { blob: blob.clone(), cause: cause.into() }
    }

    /// A failure of the hub on behalf of `blob`, of which everything before `from` was accepted.
    pub(super) fn send(blob: &FlowLogBlob, from: u64, cause: HubError) -> Self {
        Self::Send { blob: blob.url(), from, cause }
    }

    /// A blob that is broken behind `good`.
    pub(super) fn cut(blob: &FlowLogBlob, good: u64, cause: CutError) -> Self {
        Self::Cut { blob: blob.url(), good, cause }
    }

    /// Bytes that should have been at hand.
    pub(super) fn internal(blob: &FlowLogBlob) -> impl Fn(NotHeld) -> Self {
        let blob = blob.url();
        move |cause| Self::Internal { blob: blob.clone(), cause }
    }

    /// A failure of storage on behalf of `blob`.
    pub(super) fn read(blob: &FlowLogBlob) -> impl Fn(ReadError) -> Self {
        let blob = blob.url();
        move |cause| Self::Read { blob: blob.clone(), cause }
    }
}
