//! The cutter: takes chunks, returns records, holds their bytes.

use super::error::{CutError, NotHeld};
use super::held_bytes::HeldBytes;
use super::record::{Closed, Record};
use super::scan::Scanner;
use crate::flow_log::rope::Rope;
use bytes::{Buf, Bytes};
use fearless_simd::Level;
use std::collections::VecDeque;
use std::ops::Range;

/// Cuts consecutive bytes of one blob into records, and holds the bytes until they are released.
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
    /// The machine's instruction set.
    level: Level,
    /// Chunks pushed, but not scanned yet.
    unscanned: VecDeque<Bytes>,
    /// The records found by the last scan; the first `returned` of them have been returned.
    found: Vec<Record>,
    returned: usize,
    /// The end of the last record before `found`, or the start of the run.
    found_from: u64,
    /// The error at which the scan ended.
    broken: Option<CutError>,
    held: HeldBytes,
}

impl Cutter {
    /// Begins at blob offset 0. A byte order mark and whitespace may come before the root's `{`.
    #[must_use]
    pub fn from_start() -> Self {
        Self::new(Scanner::from_start(), 0)
    }

    /// Begins at blob offset `offset`, inside the array: just after a record found by an earlier run, or at
    /// a storage block that begins with a record, whatever may be broken before it.
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
            returned: 0,
            found_from: start,
            broken: None,
            held: HeldBytes::new(start),
        }
    }

    /// The same with another instruction set.
    #[cfg(test)]
    pub(super) fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Takes the blob's next bytes.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.unscanned.push_back(chunk.clone());
            self.held.push(chunk);
        }
    }

    /// The next complete record. `None` when more bytes are needed, or when the blob is
    /// [`closed`](Self::closed).
    ///
    /// # Errors
    /// When the bytes are not `{"records":[…]}`. All records before the error are returned first; every
    /// later call returns the same error.
    // Without inlining a call takes 6 ns longer, more than all other work for a record of two bytes.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record>, CutError> {
        loop {
            if let Some(record) = self.found.get(self.returned) {
                self.returned += 1;
                return Ok(Some(record.clone()));
            }
            if !self.scan()? {
                return Ok(None);
            }
        }
    }

    /// Scans more bytes, after all found records have been returned. `false` when no bytes are left.
    #[cold]
    fn scan(&mut self) -> Result<bool, CutError> {
        self.found_from = self.resume_offset();
        self.found.clear();
        self.returned = 0;
        if let Some(error) = self.broken {
            return Err(error);
        }
        let Some(chunk) = self.unscanned.front_mut() else { return Ok(false) };
        match self.scanner.scan(self.level, chunk, &mut self.found) {
            Ok(taken) if taken < chunk.len() => chunk.advance(taken),
            Ok(_) => drop(self.unscanned.pop_front()),
            // Returned after the records before it.
            Err(error) => self.broken = Some(error),
        }
        self.discard_wide_gaps();
        Ok(true)
    }

    /// Discards the wide gaps of the last scan.
    fn discard_wide_gaps(&mut self) {
        let mut gap = self.found_from;
        let wide = self.scanner.take_wide();
        for record in self.found.iter().filter(|_| wide) {
            self.held.discard_gap(gap..record.range.start);
            gap = record.range.end;
        }
        if wide && let Some(start) = self.scanner.open_record() {
            self.held.discard_gap(gap..start);
        }
        self.held.discard_gap(self.scanner.gap());
    }

    /// False while found records remain unreturned; callers must not see past them.
    fn has_returned_all(&self) -> bool {
        self.returned == 0
    }

    /// The bytes of `range` (blob offsets). Large parts of a chunk are views, small ones copies.
    ///
    /// # Errors
    /// When some of the bytes were not pushed yet, were released, or were in a discarded gap.
    pub fn slice(&self, range: Range<u64>) -> Result<Rope, NotHeld> {
        self.held.slice(range)
    }

    /// Releases the bytes before blob offset `before`, as far as they have been pushed.
    pub fn release(&mut self, before: u64) {
        self.held.release(before);
    }

    /// The blob offset after the last byte pushed.
    #[must_use]
    pub fn input_end(&self) -> u64 {
        self.held.end()
    }

    /// The end of the last record returned, or the start of the run when there was none.
    /// A later run may start there: with [`after_record`](Self::after_record), or from the start when it is 0.
    #[must_use]
    pub fn resume_offset(&self) -> u64 {
        self.found[..self.returned].last().map_or(self.found_from, |record| record.range.end)
    }

    /// Another offset at which a later run may start with [`after_record`](Self::after_record), so that runs
    /// make progress through a gap of any length. `None` unless more than [`MAX_GAP`](super::MAX_GAP) bytes
    /// follow the last record and no other record has begun. No message spans such a gap, so starting there
    /// does not move the boundaries of messages.
    #[must_use]
    pub fn gap_resume_offset(&self) -> Option<u64> {
        self.scanner.gap_resume_offset().filter(|_| self.has_returned_all())
    }

    /// The start of the incomplete record, if there is one. It has `input_end() - start` bytes so far, once
    /// [`next_record`](Self::next_record) has returned `None`.
    #[must_use]
    pub fn open_record(&self) -> Option<u64> {
        self.scanner.open_record().filter(|_| self.has_returned_all())
    }

    /// How the blob ended, once the root object is closed.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.scanner.closed().filter(|_| self.has_returned_all())
    }

    /// How many bytes are held.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_length(&self) -> usize {
        self.held.len()
    }

    /// How much memory the held bytes keep allocated at most.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held_memory(&self) -> usize {
        self.held.memory()
    }
}
