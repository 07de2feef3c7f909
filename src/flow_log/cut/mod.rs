//! Finds the records of a flow-log blob in its raw bytes, wherever the bytes happen to be cut into chunks.
//!
//! A blob reads `{"records":[ R, R, … ]}`. The cutter takes consecutive bytes and says where each
//! complete record `R` starts and ends. It goes by JSON structure alone: strings, escapes and brackets.
//! It trusts neither block sizes nor separators, so missing, doubled, leading and trailing commas between
//! records are tolerated, and so are other members of the root object before or behind `records`.
//! A tail that is not finished yet is a normal result: the blob is still growing.
//!
//! What belongs to no record can be of any length and is never sent, so a stretch of it beyond [`MAX_GAP`] is
//! let go as it is scanned. That depends on the blob's bytes alone, not on chunks or on where a run began.
//!
//! Record bytes are never parsed, copied or changed. What that leaves unchecked is token grammar: inside a
//! record, anything passes whose strings end and whose brackets match (`{"a" 1,}` does; so do control
//! characters and bad UTF-8 in strings). Such a record goes to the hub as it was committed.

#[cfg(test)]
pub(crate) mod arbitrary;
mod block;
#[cfg(test)]
mod block_tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod byte_wise;
mod error;
#[cfg(test)]
mod gap_tests;
mod held;
mod key;
mod nesting;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
#[cfg(test)]
mod root_tests;
mod scan;
#[cfg(test)]
mod tests;

pub use error::{CutError, Expected, NotHeld};
pub(crate) use held::Held;
#[cfg(any(test, fuzzing))]
pub(crate) use held::LEAST_SHARE;
pub use key::first_key;
pub use nesting::MAX_NESTING;
pub(crate) use nesting::Nesting;
pub(crate) use scan::is_space;

use crate::flow_log::rope::Rope;
use bytes::{Buf, Bytes};
use fearless_simd::Level;
use scan::Scanner;
use std::collections::VecDeque;
use std::ops::Range;

/// How many bytes may stand between two records, before the first or behind the last for them to be held.
///
/// Of a longer stretch only the last bytes are held, as many as a checkpoint's fingerprint can cover. Writers put a
/// comma between records and maybe an indented line: a kilobyte is far more than that, and little beside a
/// message even when it stands before each of its records.
pub const MAX_GAP: u64 = 1 << 10;

/// Whether `gap` is too long to be held.
fn is_wide(gap: &Range<u64>) -> bool {
    gap.end.saturating_sub(gap.start) > MAX_GAP
}

/// Where one complete record stands in the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Blob offsets `[start, end)`, from its `{` to behind its `}`.
    pub range: Range<u64>,
    /// Whether exactly one comma, and otherwise only whitespace, [`MAX_GAP`] bytes at most in all, stands
    /// between it and the previous record of this run, so that one raw slice over both is held and is valid
    /// JSON inside an array. False for the first record of a run.
    pub follows_plainly: bool,
}

/// How the blob ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The blob offset behind the root's closing `}` and what whitespace follows it.
    pub end: u64,
    /// Whether `[0, end)` is a valid message as it stands: read from offset 0, no byte order mark, no member
    /// but `records`, exactly one comma between any two records, and no gap of more than [`MAX_GAP`].
    pub plain: bool,
}

/// Cuts consecutive bytes of one blob into records, and holds those of records until they are released.
///
/// ```
/// use flowlog_forwarder::flow_log::cut::Cutter;
/// let mut cutter = Cutter::from_start();
/// cutter.push("{\"records\":[{\"a\":1},{\"b".into());
/// assert_eq!(cutter.next_record()?.map(|record| record.range), Some(12..19));
/// assert_eq!(cutter.next_record()?, None);
/// assert_eq!((cutter.resume_offset(), cutter.open_record()), (19, Some(20)));
/// # Ok::<(), flowlog_forwarder::flow_log::cut::CutError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cutter {
    scanner: Scanner,
    /// What instructions this machine has.
    level: Level,
    /// Pushed, not scanned yet.
    unscanned: VecDeque<Bytes>,
    /// What the last scan found, of which `given` have been given out.
    found: Vec<Record>,
    given: usize,
    /// The end of the last record before `found`; where the run began when there was none.
    found_from: u64,
    /// The scan ended here, if it did.
    broken: Option<CutError>,
    /// Pushed, not released or let go yet.
    held: Held,
}

impl Cutter {
    /// Begins at blob offset 0. A byte order mark and whitespace may stand before the opener.
    #[must_use]
    pub fn from_start() -> Self {
        Self::new(Scanner::from_start(), 0)
    }

    /// Begins at blob offset `offset`, in the array, just behind a record found by an earlier run, or at a
    /// storage block that begins with a record, whatever may be broken before it.
    #[must_use]
    pub fn after_record(offset: u64) -> Self {
        Self::new(Scanner::after_record(offset), offset)
    }

    fn new(scanner: Scanner, start: u64) -> Self {
        Self {
            scanner,
            level: Level::new(),
            unscanned: VecDeque::new(),
            found: Vec::new(),
            given: 0,
            found_from: start,
            broken: None,
            held: Held::new(start),
        }
    }

    /// Takes the blob's next bytes.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.unscanned.push_back(chunk.clone());
            self.held.push(chunk);
        }
    }

    /// The next complete record; `None` when it needs more bytes, or when the blob is [`closed`](Self::closed).
    ///
    /// # Errors
    /// When the bytes are not `{"records":[…]}`. All records before that have been given out by then,
    /// and every further call gives the same error.
    // A call would take 6 ns longer, more than all else that a record of two bytes takes.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record>, CutError> {
        loop {
            if let Some(record) = self.found.get(self.given) {
                self.given += 1;
                return Ok(Some(record.clone()));
            }
            if !self.find()? {
                return Ok(None);
            }
        }
    }

    /// Scans on, when all that was found has been given out; `false` when all that was pushed has been scanned.
    #[cold]
    fn find(&mut self) -> Result<bool, CutError> {
        self.found_from = self.resume_offset();
        self.found.clear();
        self.given = 0;
        if let Some(error) = self.broken {
            return Err(error);
        }
        let Some(chunk) = self.unscanned.front_mut() else { return Ok(false) };
        match self.scanner.scan(self.level, chunk, &mut self.found) {
            Ok(taken) if taken < chunk.len() => chunk.advance(taken),
            Ok(_) => drop(self.unscanned.pop_front()),
            // It is told when what was found before it has been given out.
            Err(error) => self.broken = Some(error),
        }
        self.let_go();
        Ok(true)
    }

    /// Lets go of the wide gaps that the last scan saw.
    fn let_go(&mut self) {
        let mut gap = self.found_from;
        let wide = self.scanner.take_wide();
        for record in self.found.iter().filter(|_| wide) {
            self.held.let_go_gap(gap..record.range.start);
            gap = record.range.end;
        }
        if wide && let Some(start) = self.scanner.open_record() {
            self.held.let_go_gap(gap..start);
        }
        self.held.let_go_gap(self.scanner.gap());
    }

    /// Whether the caller knows all that the scanner has seen. Otherwise a record was given out last, and
    /// what stands behind that one, be it known or not, is not for the caller to see yet.
    fn all_told(&self) -> bool {
        self.given == 0
    }

    /// The bytes of `range` (blob offsets), which are not copied unless they are little of what was pushed
    /// with them.
    ///
    /// # Errors
    /// When some of them were not pushed yet, were released, or belong to a gap that was let go.
    pub fn slice(&self, range: Range<u64>) -> Result<Rope, NotHeld> {
        self.held.slice(range)
    }

    /// Forgets the bytes before blob offset `before`, as far as they have been pushed.
    pub fn release(&mut self, before: u64) {
        self.held.release(before);
    }

    /// The blob offset behind the last byte pushed.
    #[must_use]
    pub fn pushed_to(&self) -> u64 {
        self.held.end()
    }

    /// The end of the last record given out; where the run began when there was none.
    /// A later run may start there: with [`after_record`](Self::after_record), or from the start when it is 0.
    #[must_use]
    pub fn resume_offset(&self) -> u64 {
        self.found[..self.given].last().map_or(self.found_from, |record| record.range.end)
    }

    /// Where a later run may start as well, with [`after_record`](Self::after_record), once more than
    /// [`MAX_GAP`] bytes stand behind the last record and no other has begun: so a run gets on through a gap of
    /// any length. No message reaches over the gap, so the last one may be completed, and the bounds stay.
    #[must_use]
    pub fn passed_to(&self) -> Option<u64> {
        self.scanner.passed_to().filter(|_| self.all_told())
    }

    /// Where the record starts that is not complete yet, if there is one. It has
    /// `pushed_to() - start` bytes so far, once [`next_record`](Self::next_record) has answered `None`.
    #[must_use]
    pub fn open_record(&self) -> Option<u64> {
        self.scanner.open_record().filter(|_| self.all_told())
    }

    /// How the blob ended, once its closer was seen.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.scanner.closed().filter(|_| self.all_told())
    }

    /// How many bytes are held.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_length(&self) -> usize {
        self.held.len()
    }

    /// How many bytes are kept in memory for them at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }
}
