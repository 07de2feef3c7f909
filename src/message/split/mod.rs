//! Splits a record that is too large for any message, where its schema repeats.
//!
//! Virtual network flow logs list tuples in `flowRecords.flows[].flowGroups[].flowTuples[]`, those of network
//! security groups in `properties.flows[].flows[].flowTuples[]`. Each part is a record of its own: an ordered share of the
//! tuples, no byte of them changed, inside the same surroundings, byte for byte, every member before
//! and behind the tuples at every level. The parts together hold each tuple once, in the blob's order.
//! An element without tuples (an empty group, or one of another form) is carried along whole in one part.
//!
//! A part is three strings: the surroundings' beginnings down to its first tuple, *one raw slice* of the
//! blob from that tuple to its last, whatever stands between them, and the surroundings' ends. So the
//! ends must be known before the tuples come by, and the record's bytes are read twice:
//!
//! 1. [`Survey`] keeps the ends, and proves that every tuple fits a message with its surroundings;
//! 2. [`Divider`] gets the same bytes again and emits parts, each as soon as it is full.
//!
//! Memory stays flat: the survey keeps at most [`MAX_SKELETON`] bytes, the divider two messages' worth and
//! the chunk pushed last, however large the record is and whatever stands between its tuples. What is sent is
//! bounded, too: each part repeats the surroundings, so they may take half of a body at most, and all parts
//! together have at most four times the record's bytes and one body more. (Surroundings of up to 4 KiB are
//! taken in any case, so that small limits on messages stay usable.)
//!
//! # Ranges, ids and checkpoints
//! A part's range goes from the end of the part before it to the end of its last tuple; the first begins
//! where the record does, the last ends there. So ranges are disjoint, in order, and cover the record, and
//! ids made of them are unique. Parts depend on the record's bytes and the limit alone: sent again, they have
//! the same ids. A run can't resume within a record, so a checkpoint moves only at [`Part::last`].

mod divide;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod oracle;
mod survey;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree;
mod walk;

pub use divide::{Divider, Part};
pub use survey::{MAX_SKELETON, Skeleton, Survey};

use crate::flow_log::cut::CutError;
use crate::flow_log::rope::Rope;
use std::ops::Range;

/// Why a record was not split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The record's structure is broken; where it would have ended is unknown.
    #[error(transparent)]
    Broken(#[from] CutError),
    /// The record is complete, but can't be split into parts that fit.
    #[error("the record at blob bytes {record:?} can't be split: {reason}")]
    Unsplittable {
        /// Where the record stands in the blob.
        record: Range<u64>,
        /// What stands in the way.
        reason: Reason,
    },
    /// The second pass did not see the bytes of the first: they must be read from one blob version.
    #[error("the record at blob bytes {record:?} changed between the passes, seen at offset {offset}")]
    Changed {
        /// Where the record stood in the first pass.
        record: Range<u64>,
        /// The offset at which the second pass differs.
        offset: u64,
    },
}

/// What keeps a complete record from being split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It has no list to split.
    #[error("it has no flows to split at")]
    NoList,
    /// Two lists of the same kind stand in one object, so that it is not clear which tuples belong where.
    #[error("a second list of the same kind starts at offset {second}")]
    TwoLists {
        /// Where the second list starts.
        second: u64,
    },
    /// A tuple, or an element without tuples, is too large for a message with its surroundings.
    #[error(
        "bytes {element:?} with their surroundings make a body of {body} bytes, and {max_body} are allowed"
    )]
    TooLarge {
        /// Where the element stands in the blob.
        element: Range<u64>,
        /// How many bytes a body with nothing else has.
        body: u64,
        /// How many it may have.
        max_body: u64,
    },
    /// The surroundings of a tuple, which every part repeats, take more than half of a body.
    #[error("what stands around a tuple takes {around} bytes, more than half of the {max_body} of a body")]
    Surroundings {
        /// How many bytes stand around a tuple at most.
        around: u64,
        /// How many bytes a body may have.
        max_body: u64,
    },
    /// Too much stands around the tuples to be kept in memory.
    #[error("what stands around its tuples exceeds {max} bytes")]
    Skeleton {
        /// How many bytes may be kept.
        max: usize,
    },
}

/// Splits a record that is held in memory, which begins at blob offset `start`, into bodies of at most
/// `max_body` bytes (see [`crate::message::batch::max_body`]): the iterator gives all its parts. `None` when the record
/// doesn't end within `bytes`.
///
/// # Errors
/// When the record can't be split: see [`SplitError`].
pub fn split(bytes: &Rope, start: u64, max_body: u64) -> Result<Option<Divider>, SplitError> {
    let mut survey = Survey::new(start, max_body);
    for piece in bytes.pieces() {
        if let Some(skeleton) = survey.push(piece)? {
            let mut divider = Divider::new(skeleton);
            bytes.pieces().for_each(|piece| divider.push(piece.clone()));
            return Ok(Some(divider));
        }
    }
    Ok(None)
}
