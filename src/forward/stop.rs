//! Why a run stops reading, and the places at which a blob stops being records.

use crate::checkpoint::Broken;
use crate::flow_log::cut::{CutError, Expected};
use std::ops::Range;

/// Why a run stopped reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It reached the end of the version.
    EndOfBlob,
    /// It reached the end of what an earlier run had in flight; later messages have other bounds.
    InFlightEnd,
    /// The time was over, or the process stops.
    OutOfTime,
    /// Another version was committed.
    NewVersion,
    /// The record that starts at this offset is too long to be held in memory.
    LongRecord(u64),
    /// The bytes are not records, or the last record has no end.
    Broken(Break),
    /// Nothing can be forwarded behind a break; quarantine holds all that is due.
    BrokenTail,
}

/// A place at which a version stops being records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Break {
    /// Offset of the invalid byte, or of the record without an end.
    pub(super) at: u64,
    /// Where quarantine begins; `None` for the end of the last record.
    pub(super) from: Option<u64>,
    /// Whether the version ends inside the record.
    pub(super) unfinished: bool,
    /// Whether a later block may begin a record.
    pub(super) may_resume: bool,
    /// Where records begin again, if known.
    pub(super) resume_at: Option<u64>,
    pub(super) reason: String,
}

impl Break {
    /// Bytes that are not records.
    pub(super) fn invalid(cause: &CutError) -> Self {
        // Without its opener the blob is not a flow log.
        let may_resume = cause.expected != Expected::Opener;
        let (at, reason) = (cause.offset, cause.to_string());
        Self { at, from: None, unfinished: false, may_resume, resume_at: None, reason }
    }

    /// The record that starts at `start` has no end in this version.
    pub(super) fn unfinished(start: u64) -> Self {
        let reason = format!("the blob ends inside the record that starts at byte {start}");
        Self { at: start, from: Some(start), unfinished: true, may_resume: true, resume_at: None, reason }
    }

    /// A complete record that can't be forwarded.
    pub(super) fn of_record(record: Range<u64>, reason: String) -> Self {
        let (start, resume_at) = (record.start, Some(record.end));
        Self { at: start, from: Some(start), unfinished: false, may_resume: true, resume_at, reason }
    }

    /// A record that one invocation can't read and send, however long it may take.
    pub(super) fn too_long(start: u64, end: Option<u64>) -> Self {
        let reason =
            format!("the record that starts at byte {start} is too long to be forwarded in one invocation");
        Self { at: start, from: Some(start), unfinished: false, may_resume: true, resume_at: end, reason }
    }

    /// A break that an earlier run found in the same version.
    pub(super) fn known(broken: Broken) -> Self {
        let Broken { at, unfinished, resume_at, .. } = broken;
        if unfinished {
            return Self { resume_at, ..Self::unfinished(at) };
        }
        let reason = format!("the bytes from {at} on are not records, as an earlier run found");
        Self { at, from: None, unfinished, may_resume: true, resume_at, reason }
    }
}
