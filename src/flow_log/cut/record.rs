//! What the cutter reports, and the limits that it applies.

use std::ops::Range;

/// How long a gap may be and still be held, bytes: between two records, before the first or after the last.
///
/// Only the end of a longer gap is held, as much as a checkpoint's fingerprint can cover. Writers put a comma
/// and perhaps an indented line between records. A kilobyte is far more than that, and still little compared
/// with a message, even before each of its records.
pub const MAX_GAP: u64 = 1 << 10;

/// How many brackets may be open inside one record, its own included.
///
/// Flow-log records open 8. Other JSON readers have similar limits (`serde_json` 128, .NET 64), so
/// consumers could not read deeper records; and one `u128`, with a bit for each open bracket, holds the
/// whole state between chunks.
pub const MAX_NESTING: u32 = u128::BITS;

/// Whether `gap` is too long to be held.
pub(super) fn is_wide(gap: &Range<u64>) -> bool {
    gap.end.saturating_sub(gap.start) > MAX_GAP
}

/// One complete record in the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Blob offsets `[start, end)`, from its `{` to just after its `}`.
    pub range: Range<u64>,
    /// Whether one slice from the previous record of this run to this one is held and valid inside a JSON
    /// array: exactly one comma and otherwise only whitespace between them, at most [`MAX_GAP`] bytes in
    /// all. False for the first record of a run.
    pub contiguous: bool,
}

/// How the blob ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The blob offset after the root's closing `}` and the whitespace that follows it.
    pub end: u64,
    /// Whether `[0, end)` can be sent unchanged as a message: read from offset 0, no byte order mark, no
    /// member but `records`, exactly one comma between any two records, and no gap longer than [`MAX_GAP`].
    pub verbatim: bool,
}
