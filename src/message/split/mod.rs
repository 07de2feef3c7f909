//! Splits a record that is too large for any message between its tuples.
//!
//! The tuples lie in three nested lists, which [`LogKind`](crate::flow_log::LogKind) names: for virtual networks
//! `flowRecords.flows[].flowGroups[].flowTuples[]`. Each part is a record of its own: some consecutive tuples,
//! unchanged, and the JSON that encloses them, byte for byte, with all members before and after the tuples at
//! every level. The parts together have each tuple once, in the blob's order. An element without tuples
//! (an empty group, or one of another form) is copied whole into one part.
//!
//! A part is three strings: the prefixes of the enclosing objects, *one raw slice* of the blob from the part's
//! first tuple to its last, and the suffixes of the enclosing objects. The suffixes must be known before
//! the tuples arrive, so the record is read twice:
//!
//! 1. [`LayoutPass`] collects the suffixes, and checks that every tuple fits a message with its enclosing JSON.
//! 2. [`SplitPass`] takes the same bytes again and returns each part as soon as it is full.
//!
//! Memory is bounded, however large the record is and whatever comes between its tuples: the first pass holds
//! at most [`MAX_LAYOUT`] bytes, the second two messages and the last chunk. The total size of the parts is
//! bounded as well: the enclosing JSON, which each part repeats, may take half of a body, so that all parts
//! together have at most four times the record's bytes and one body. (Up to 4 KiB of enclosing JSON are
//! always accepted, so that small message limits work.)
//!
//! # Ranges, ids and checkpoints
//! A part's range begins at the end of the part before it, or at the record's start, and ends after its last
//! tuple, or at the record's end. So ranges are disjoint, in order and cover the record, and the ids made of them
//! are unique. Parts depend on the record's bytes and the limit alone, so a repeated part has the same id. A run
//! can't resume inside a record, so a checkpoint moves only at [`Part::last`].

mod error;
#[cfg(test)]
mod hostile_tests;
mod layout_pass;
#[cfg(test)]
mod oracle;
mod split_pass;
#[cfg(test)]
mod tests;
mod tokenizer;
#[cfg(test)]
mod tree;

pub use error::{SplitError, SplitObstacle};
pub use layout_pass::{Layout, LayoutPass, MAX_LAYOUT};
pub use split_pass::{Part, SplitPass};

use crate::flow_log::rope::Rope;

/// Splits the record at the start of `bytes`, which begin at blob offset `start`, into bodies of at most
/// `max_body` bytes (see [`max_body`](crate::message::max_body)). The iterator gives all parts. `None` when the
/// record doesn't end within `bytes`.
///
/// # Errors
/// When the record can't be split: see [`SplitError`].
pub fn split(bytes: &Rope, start: u64, max_body: u64) -> Result<Option<SplitPass>, SplitError> {
    let mut first = LayoutPass::new(start, max_body);
    for piece in bytes.pieces() {
        if let Some(layout) = first.push(piece)? {
            let mut second = SplitPass::new(layout);
            bytes.pieces().for_each(|piece| second.push(piece.clone()));
            return Ok(Some(second));
        }
    }
    Ok(None)
}
