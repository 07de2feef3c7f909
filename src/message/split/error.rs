//! Why a record was not split.

use crate::flow_log::cut::CutError;
use std::ops::Range;

/// Why a record was not split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The record's structure is broken, so that its end is unknown.
    #[error(transparent)]
    Broken(#[from] CutError),
    /// The record is complete, but can't be split into parts that fit.
    #[error("the record at blob bytes {record:?} can't be split: {reason}")]
    Unsplittable {
        /// The record's range in the blob.
        record: Range<u64>,
        /// What prevents it.
        reason: SplitObstacle,
    },
    /// The second pass got other bytes than the first. Both must read the same version of the blob.
    #[error("the record at blob bytes {record:?} changed between two reads, at offset {offset}")]
    Changed {
        /// The record's range in the first pass.
        record: Range<u64>,
        /// The offset at which the second pass noticed it.
        offset: u64,
    },
}

/// What prevents the splitting of a complete record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitObstacle {
    /// It has no list to split.
    #[error("it has no list of flows")]
    NoList,
    /// One object has two lists that should occur once, so that it is ambiguous which tuples belong where.
    #[error("a second list of the same kind starts at offset {second}")]
    TwoLists {
        /// Where the second list starts.
        second: u64,
    },
    /// A tuple, or an element without tuples, is too large for a message with the JSON that encloses it.
    #[error(
        "bytes {element:?} and the JSON that encloses them make a body of {body} bytes; {max_body} are allowed"
    )]
    TooLarge {
        /// The element's range in the blob.
        element: Range<u64>,
        /// The size of a body with this element alone.
        body: u64,
        /// The largest body allowed.
        max_body: u64,
    },
    /// The JSON that encloses a tuple, which every part repeats, takes more than half of a body.
    #[error(
        "the JSON that encloses a tuple takes {enclosing} bytes, more than half of the {max_body} allowed in a body"
    )]
    TooMuchEnclosing {
        /// The most bytes that enclose a tuple.
        enclosing: u64,
        /// The largest body allowed.
        max_body: u64,
    },
    /// The record's layout is too large for memory.
    #[error("the JSON that encloses its tuples exceeds {max} bytes")]
    LayoutTooLarge {
        /// The largest layout allowed.
        max: usize,
    },
}
