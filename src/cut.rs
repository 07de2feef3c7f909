//! Finds the records of a flow-log blob in its raw bytes, wherever the bytes happen to be cut into chunks.
//!
//! A blob reads `{"records":[ R, R, … ]}`. The cutter takes consecutive bytes and says where each
//! complete record `R` starts and ends. It goes by JSON structure alone: strings, escapes and brackets.
//! It trusts neither block sizes nor separators, so missing, doubled, leading and trailing commas between
//! records are tolerated. A tail that is not finished yet is a normal result: the blob is still growing.
//!
//! Record bytes are never parsed, copied or changed. What that leaves unchecked is token grammar: inside a
//! record, anything passes whose strings end and whose brackets match (`{"a" 1,}` does; so do control
//! characters and bad UTF-8 in strings). Such a record goes to the hub as it was committed.

#[cfg(test)]
pub(crate) mod arbitrary;
mod block;
#[cfg(test)]
mod block_tests;
#[cfg(test)]
mod byte_wise;
mod nesting;
#[cfg(test)]
pub(crate) mod oracle;
mod scan;
#[cfg(test)]
mod tests;

pub use nesting::MAX_NESTING;
pub(crate) use nesting::Nesting;
pub(crate) use scan::is_space;

use crate::rope::Rope;
use bytes::{Buf, Bytes};
use fearless_simd::Level;
use scan::Scanner;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

/// Where one complete record stands in the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Blob offsets `[start, end)`, from its `{` to behind its `}`.
    pub range: Range<u64>,
    /// Whether exactly one comma, and otherwise only whitespace, stands between it and the previous
    /// record of this run, so that one raw slice over both is valid JSON inside an array.
    /// False for the first record of a run.
    pub follows_plainly: bool,
}

/// How the blob ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The blob offset behind the closing `]}` and what whitespace follows it.
    pub end: u64,
    /// Whether `[0, end)` is a valid message as it stands: read from offset 0, no byte order mark, and
    /// exactly one comma between any two records.
    pub plain: bool,
}

/// What should have stood where the blob's structure broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The blob's first bytes, `{"records":[`, maybe with whitespace.
    Opener,
    /// In the array: the `{` of a record, a comma, or the closing `]`.
    Record,
    /// This bracket, which closes what is open.
    Closer(u8),
    /// No more than [`MAX_NESTING`] open brackets.
    LessNesting,
    /// Nothing but whitespace, for the blob has been closed.
    End,
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opener => write!(out, "`{{\"records\":[`"),
            Self::Record => write!(out, "a record, `,` or `]`"),
            Self::Closer(bracket) => write!(out, "`{}`", char::from(*bracket)),
            Self::LessNesting => write!(out, "at most {MAX_NESTING} nested levels"),
            Self::End => write!(out, "nothing behind the closing `]}}`"),
        }
    }
}

/// The bytes are not `{"records":[…]}`, seen at the first byte that can't be.
///
/// The records before it are good: [`Cutter::resume_offset`] ends the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob offset {offset}: expected {expected}, found `{}`", found.escape_ascii())]
pub struct CutError {
    /// The byte's offset in the blob.
    pub offset: u64,
    /// What could have stood there.
    pub expected: Expected,
    /// The byte.
    pub found: u8,
}

/// Bytes were asked for that the cutter was never given, or has been told to forget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blob bytes {asked:?} were asked for, but only {held:?} are held")]
pub struct NotHeld {
    /// What was asked for.
    pub asked: Range<u64>,
    /// What is held.
    pub held: Range<u64>,
}

/// Cuts consecutive bytes of one blob into records, and holds the bytes until they are released.
///
/// ```
/// use flowlog_forwarder::cut::Cutter;
/// let mut cutter = Cutter::from_start();
/// cutter.push("{\"records\":[{\"a\":1},{\"b".into());
/// assert_eq!(cutter.next_record()?.map(|record| record.range), Some(12..19));
/// assert_eq!(cutter.next_record()?, None);
/// assert_eq!((cutter.resume_offset(), cutter.open_record()), (19, Some(20)));
/// # Ok::<(), flowlog_forwarder::cut::CutError>(())
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
    /// Pushed, not released yet.
    held: Rope,
    /// Blob offset of the first held byte.
    held_from: u64,
}

impl Cutter {
    /// Begins at blob offset 0. A byte order mark and whitespace may stand before the opener.
    #[must_use]
    pub fn from_start() -> Self {
        Self::new(Scanner::from_start(), 0)
    }

    /// Begins at blob offset `offset`, in the array, just behind a record found by an earlier run.
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
            held: Rope::default(),
            held_from: start,
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
        Ok(true)
    }

    /// Whether the caller knows all that the scanner has seen. Otherwise a record was given out last, and
    /// what stands behind that one, be it known or not, is not for the caller to see yet.
    fn all_told(&self) -> bool {
        self.given == 0
    }

    /// The bytes of `range` (blob offsets) without copying them.
    ///
    /// # Errors
    /// When some of them were not pushed yet, or were released.
    pub fn slice(&self, range: Range<u64>) -> Result<Rope, NotHeld> {
        let held = self.held_from..self.pushed_to();
        let within = |offset: u64| usize::try_from(offset.checked_sub(held.start)?).ok();
        match (within(range.start), within(range.end)) {
            (Some(from), Some(to)) if from <= to && to <= self.held.len() => Ok(self.held.slice(from..to)),
            _ => Err(NotHeld { asked: range, held }),
        }
    }

    /// Forgets the bytes before blob offset `before`, as far as they have been pushed.
    pub fn release(&mut self, before: u64) {
        let count = before.saturating_sub(self.held_from).min(self.held.len() as u64);
        self.held_from += count;
        // No more than the rope's length, so it fits.
        self.held.drop_front(usize::try_from(count).unwrap_or(usize::MAX));
    }

    /// The blob offset behind the last byte pushed.
    #[must_use]
    pub fn pushed_to(&self) -> u64 {
        self.held_from + self.held.len() as u64
    }

    /// The end of the last record given out; where the run began when there was none.
    /// A later run may start there: with [`after_record`](Self::after_record), or from the start when it is 0.
    #[must_use]
    pub fn resume_offset(&self) -> u64 {
        self.found[..self.given].last().map_or(self.found_from, |record| record.range.end)
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
}
